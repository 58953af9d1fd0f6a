//! Pool and queries as text: rows are made of them, the same ones however the text is stored.

use std::fs;
use std::io::Write;
use std::path::Path;

use predicates::prelude::PredicateBooleanExt;
use predicates::str::contains;
use serde_json::{Value, json};

use crate::support::{indices, json as read_json, kantor, printed_json, write_npy};

const WORDS: [&str; 12] =
    ["apple", "pear", "plum", "cherry", "sum", "times", "minus", "equals", "return", "def", "while", "print"];

/// A line of the pool: some words of a kind, and a number.
fn line(row: usize) -> Value {
    let word = |at: usize| WORDS[4 * (row % 3) + (row * 7 + at * at) % 4];
    let prompt = (0..3 + row % 3).map(word).collect::<Vec<_>>().join(" ");
    json!({"id": format!("r{row}"), "prompt": prompt, "response": format!("{} {}", word(5), row % 4), "kind": row % 3})
}

fn lines(rows: impl IntoIterator<Item = Value>) -> String {
    rows.into_iter().map(|row| format!("{row}\n")).collect()
}

/// 60 lines of a pool and queries of the second kind: `pool.jsonl`, `query.jsonl`.
fn data() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    fs::write(at("pool.jsonl"), lines((0..60).map(line))).unwrap();
    let query = [json!({"prompt": "sum times minus", "response": "equals 2"}), json!({"text": "minus minus sum"})];
    fs::write(at("query.jsonl"), lines(query)).unwrap();
    directory
}

fn select(directory: &Path, pool: &[&str], out: &str, more: &[&str]) -> Vec<i64> {
    let mut command = kantor();
    command.current_dir(directory).arg("select");
    pool.iter().for_each(|pool| _ = command.args(["--pool", pool]));
    command.args(["--query", "query.jsonl", "--budget", "6", "--method", "optimal", "-o", out, "--quiet"]).args(more);
    command.assert().success();
    indices(&directory.join(out).join("optimal/k6/indices.npy"))
}

fn certificate(directory: &Path, out: &str) -> Value {
    read_json(&directory.join(out).join("optimal/k6/certificate.json"))
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

#[test]
fn rows_of_text_do_not_depend_on_files_formats_and_threads() {
    let directory = data();
    let at = directory.path();
    let text = fs::read_to_string(at.join("pool.jsonl")).unwrap();
    let all: Vec<&str> = text.lines().collect();
    let join = |lines: &[&str]| lines.iter().map(|line| format!("{line}\n")).collect::<String>();
    fs::write(at.join("packed.gz"), gzip(text.as_bytes())).unwrap();
    fs::write(at.join("packed.zst"), zstd::encode_all(text.as_bytes(), 1).unwrap()).unwrap();
    fs::create_dir(at.join("shards")).unwrap();
    fs::write(at.join("shards/b.jsonl"), join(&all[25..])).unwrap();
    fs::write(at.join("shards/a.jsonl.gz"), gzip(join(&all[..25]).as_bytes())).unwrap();
    fs::write(at.join("shards/.c.jsonl"), "not looked at").unwrap();
    fs::write(at.join("shards/README.md"), "nor this").unwrap();
    let cells = |row: usize| {
        let row = line(row);
        let text = |key: &str| row[key].as_str().unwrap().to_owned();
        (text("id"), text("prompt"), text("response"))
    };
    let record = |row| {
        let (id, prompt, response) = cells(row);
        format!("{id},\"{prompt}\",{response}\r\n")
    };
    fs::write(at.join("pool.csv"), format!("id,prompt,response\n{}", (0..60).map(record).collect::<String>())).unwrap();
    let tabs = |row| {
        let (id, prompt, response) = cells(row);
        format!("{response}\t{id}\t{prompt}\n")
    };
    let table = format!("response\tid\tprompt\n{}", (0..60).map(tabs).collect::<String>());
    fs::write(at.join("pool.tsv.gz"), gzip(table.as_bytes())).unwrap();

    let plain = select(at, &["pool.jsonl"], "plain", &[]);
    assert!(plain.iter().all(|row| row % 3 == 1), "{plain:?} are not all of the queries' kind");
    let digests = |out: &str, shards: bool| {
        let inputs = certificate(at, out)["inputs"].clone();
        let digest = |input: &Value| (input["blake3"].clone(), input["tensor"].clone(), input["dim"].clone());
        inputs.as_array().unwrap().iter().skip(usize::from(shards)).map(digest).collect::<Vec<_>>()
    };
    let ways: [(&str, &[&str], &[&str]); 9] = [
        ("gzip", &["packed.gz"], &[]),
        ("zstd", &["packed.zst"], &[]),
        ("csv", &["pool.csv"], &[]),
        ("tsv", &["pool.tsv.gz"], &[]),
        ("a directory", &["shards"], &[]),
        ("a pattern", &["shards/?.jsonl*"], &[]),
        ("two shards", &["shards/a.jsonl.gz", "shards/b.jsonl"], &[]),
        ("one thread", &["pool.jsonl"], &["--threads", "1"]),
        ("three threads", &["pool.jsonl"], &["--threads", "3"]),
    ];
    for (out, pool, more) in ways {
        assert_eq!(select(at, pool, out, more), plain, "{out}");
        let shards = matches!(out, "a directory" | "a pattern" | "two shards");
        assert_eq!(digests(out, shards)[usize::from(shards)..], digests("plain", shards)[..], "{out}");
        // By the names that it records, and by those of the other files: the values are the same.
        let file = at.join(out).join("optimal/k6/certificate.json");
        kantor().current_dir(at).arg("verify").arg(&file).assert().success();
        let other = kantor()
            .current_dir(at)
            .arg("verify")
            .arg(&file)
            .args(["--pool", "pool.jsonl", "--query", "query.jsonl"])
            .ok();
        assert!(other.is_ok(), "{out}: {other:?}");
    }
    // A table's records are written as objects.
    let chosen = |out: &str| {
        let text = fs::read_to_string(at.join(out).join("optimal/k6/selected.jsonl")).unwrap();
        text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["id"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(chosen("csv"), chosen("plain"));
    assert_eq!(chosen("csv"), plain.iter().map(|row| json!(format!("r{row}"))).collect::<Vec<_>>());
}

#[test]
fn a_template_says_what_the_text_is_and_the_certificate_says_the_template() {
    let directory = data();
    let at = directory.path();
    fs::write(at.join("query.jsonl"), lines([json!({"q": {"prompt": "sum times minus equals"}})])).unwrap();
    let pool = lines((0..60).map(|row| json!({"q": line(row)})));
    fs::write(at.join("pool.jsonl"), pool).unwrap();
    let text = "Q: {q.prompt}\\n";
    let rows = select(at, &["pool.jsonl"], "out", &["--text", text, "--ngram-dim", "256"]);
    let certificate = certificate(at, "out");
    assert_eq!(
        (&certificate["inputs"][0]["tensor"], &certificate["inputs"][0]["dim"]),
        (&json!(format!("ngrams:{text}")), &json!(256))
    );
    kantor().current_dir(at).args(["verify", "out/optimal/k6/certificate.json"]).assert().success();
    // The same text, said without a template.
    fs::write(
        at.join("said.jsonl"),
        lines((0..60).map(|row| json!({"text": format!("Q: {}\n", line(row)["prompt"].as_str().unwrap())}))),
    )
    .unwrap();
    fs::write(at.join("query.jsonl"), lines([json!({"text": "Q: sum times minus equals"})])).unwrap();
    assert_eq!(select(at, &["said.jsonl"], "said", &["--ngram-dim", "256"]), rows);
    let manifest = read_json(&at.join("out/manifest.json"));
    assert_eq!((&manifest["inputs"][0]["format"], &manifest["inputs"][0]["columns"]), (&json!("jsonl"), &json!(256)));
}

#[test]
fn all_that_reads_rows_reads_text() {
    let directory = data();
    let at = directory.path();
    fs::write(at.join("fruit.jsonl"), lines([json!({"id": "r1", "text": "apple pear plum"})])).unwrap();
    fs::write(at.join("test.jsonl"), lines([line(4)])).unwrap();
    fs::write(
        at.join("jobs.toml"),
        "out = 'jobs'\npool = 'pool.jsonl'\nbudgets = [3]\n[tasks]\nsums = 'query.jsonl'\n",
    )
    .unwrap();
    let both = ["--pool", "pool.jsonl", "--query", "query.jsonl"];
    let run = |words: &[&str]| kantor().current_dir(at).args(words).assert().success();
    run(&[&["compare", "--method", "all", "--budget", "4", "-o", "compared"], &both[..]].concat());
    run(&[&["quantiles", "--bins", "4", "--take", "3", "-o", "binned"], &both[..]].concat());
    run(&[&["distance"], &both[..]].concat());
    run(&["batch", "jobs.toml"]);
    run(&["verify", "jobs/sums/round-robin-k3-seed0/round-robin/k3/certificate.json"]);
    // Several tasks, whose lines may have the same ids; lines near others left out; columns are fields of the pool.
    let tasks =
        ["--pool", "pool.jsonl", "--query", "a=query.jsonl", "--query", "b=fruit.jsonl", "--query", "c=fruit.jsonl"];
    let limits = ["--exclude-near", "test.jsonl", "--cosine", "0.99", "--quota", "kind=1:2..2"];
    let told = printed_json(
        kantor().current_dir(at).args(["select", "--json", "--budget", "6", "-o", "tasks"]).args(tasks).args(limits),
    );
    let text = fs::read_to_string(at.join("tasks/round-robin/k6/selected.jsonl")).unwrap();
    let kinds = text.lines().filter(|line| serde_json::from_str::<Value>(line).unwrap()["kind"] == 1).count();
    assert_eq!((told["results"][0]["status"].as_str(), kinds), (Some("optimal"), 2));
    assert!(!text.contains("\"r4\""), "a row that is in the test set was chosen");
}

#[test]
fn text_that_makes_no_rows_is_refused_by_line() {
    let directory = data();
    let at = directory.path();
    let write = |name: &str, text: &str| fs::write(at.join(name), text).unwrap();
    write_npy(&at.join("rows.npy"), 4, &[1.0; 8]);
    write("bare.jsonl", "{\"prompt\": \"a\"}\n{\"id\": 1, \"url\": \"x\"}\n");
    write("empty.jsonl", "{\"prompt\": \"a b\"}\n{\"prompt\": \" \"}\n{\"prompt\": \"b c\"}\n");
    write("numbers.csv", "a,b\n1,2\n3,4\n");
    write("short.csv", "prompt,response\na,b\n\"c\nd\",e\nf\n");
    write("twice.csv", "prompt,prompt\na,b\n");
    fs::write(at.join("latin.csv"), b"prompt\na\nb\xe9\n").unwrap();
    fs::create_dir(at.join("nothing")).unwrap();
    fs::create_dir(at.join("both")).unwrap();
    fs::copy(at.join("rows.npy"), at.join("both/rows.npy")).unwrap();
    fs::copy(at.join("pool.jsonl"), at.join("both/pool.jsonl")).unwrap();
    let refused = |pool: &str, query: &str, more: &[&str], code: i32, words: &[&str]| {
        let mut command = kantor();
        command
            .current_dir(at)
            .args(["select", "--pool", pool, "--query", query, "--budget", "1", "-o", "out"])
            .args(more);
        let output = command.assert().code(code).get_output().stderr.clone();
        let said = String::from_utf8(output).unwrap();
        words.iter().for_each(|word| assert!(said.contains(word), "{pool} {more:?}: `{word}` is not in `{said}`"));
        assert!(!at.join("out").exists());
    };
    refused("bare.jsonl", "query.jsonl", &[], 3, &["bare.jsonl:2", "id, url", "--text '{"]);
    refused(
        "pool.jsonl",
        "query.jsonl",
        &["--text", "{response}"],
        3,
        &["query.jsonl:2", "`response`", "its fields: text"],
    );
    refused("empty.jsonl", "query.jsonl", &[], 3, &["empty.jsonl", "row 1"]);
    refused("pool.jsonl", "missing.jsonl", &[], 4, &["missing.jsonl", "cannot open it"]);
    refused("pool.jsonl", "rows.npy", &[], 2, &["pool.jsonl is text and rows.npy is not", "--pool-jsonl"]);
    refused("rows.npy", "rows.npy", &["--text", "{a}"], 2, &["--text", "leave them out"]);
    refused("pool.jsonl", "query.jsonl", &["--text", "{a"], 2, &["no `}`"]);
    refused("pool.jsonl", "query.jsonl", &["--text", "a"], 2, &["names no field"]);
    refused("pool.jsonl", "query.jsonl", &["--ngram-dim", "7"], 2, &["between 8 and 65536"]);
    refused("pool.jsonl", "query.jsonl", &["--max-memory", "20M", "--ngram-dim", "65536"], 5, &["--ngram-dim"]);
    // The counts of words, 16 MiB, and what work on a long line takes were beside the limit.
    refused("pool.jsonl", "query.jsonl", &["--max-memory", "15M"], 5, &["how common the words of the pool are"]);
    fs::write(at.join("long.jsonl"), format!("{{\"text\": \"{}\"}}\n", "a,".repeat(1 << 20))).unwrap();
    refused("long.jsonl", "query.jsonl", &["--max-memory", "40M"], 5, &["the words of a line takes", "--max-memory"]);
    // These were ignored.
    refused("pool.jsonl", "query.jsonl", &["--cast"], 2, &["--cast is for files of vectors, and pool.jsonl is text"]);
    refused("pool.jsonl", "query.jsonl", &["--tensor", "x"], 2, &["--tensor is for files of vectors"]);
    refused("numbers.csv", "numbers.csv", &[], 3, &["text (numbers)", "np.loadtxt"]);
    refused(
        "short.csv",
        "query.jsonl",
        &[],
        3,
        &["short.csv: record 3", "1 cells, and the header 2", "line 5 of the file"],
    );
    refused("twice.csv", "query.jsonl", &[], 3, &["two columns are called `prompt`"]);
    refused("latin.csv", "query.jsonl", &[], 3, &["record 2", "not UTF-8", "iconv"]);
    fs::write(at.join("open.csv"), "prompt\na b\n\"c d\ne f\ng h\n").unwrap();
    refused("open.csv", "query.jsonl", &[], 3, &["open.csv", "line 3", "not closed"]);
    refused("rows.npy", "rows.npy", &["--ngram-dim", "64"], 2, &["--ngram-dim", "leave them out"]);
    let many = "{a}".repeat(33);
    refused("pool.jsonl", "query.jsonl", &["--text", &many], 2, &["more than 32 fields"]);
    refused("nothing", "query.jsonl", &[], 3, &["nothing", "without files of rows"]);
    #[cfg(unix)]
    {
        fs::create_dir(at.join("torn")).unwrap();
        fs::copy(at.join("pool.jsonl"), at.join("torn/a.jsonl")).unwrap();
        std::os::unix::fs::symlink("gone", at.join("torn/b.jsonl")).unwrap();
        refused("torn", "query.jsonl", &[], 4, &["torn/b.jsonl", "cannot open it"]);
        fs::rename(at.join("torn/b.jsonl"), at.join("torn/b.parquet")).unwrap();
        refused("torn", "query.jsonl", &[], 3, &["torn: has files of columns (.parquet, .arrow) and others"]);
    }
    refused("both", "query.jsonl", &[], 3, &["files of vectors and files of text"]);
    refused("no*.jsonl", "query.jsonl", &[], 3, &["matches no file"]);
    // Dropped on request, and the rows of the files are those that are named.
    let dropped = [
        "select",
        "--pool",
        "empty.jsonl",
        "--query",
        "query.jsonl",
        "--budget",
        "2",
        "--on-bad-row",
        "drop",
        "-o",
        "kept",
    ];
    kantor().current_dir(at).args(dropped).assert().success().stderr(contains("ngrams").and(contains("1 row")));
    let mut kept = indices(&at.join("kept/round-robin/k2/indices.npy"));
    kept.sort_unstable();
    assert_eq!(kept, [0, 2]);
}

/// The number of columns is what a forger says.
#[test]
fn a_certificate_of_text_with_an_impossible_dimension_is_no_panic() {
    let directory = data();
    let at = directory.path();
    select(at, &["pool.jsonl"], "out", &[]);
    let file = at.join("out/optimal/k6/certificate.json");
    let text = fs::read_to_string(&file).unwrap();
    for dim in ["0", "7", "9223372036854775808", "99999999"] {
        fs::write(&file, text.replace("\"dim\": 1024", &format!("\"dim\": {dim}"))).unwrap();
        let code = kantor().current_dir(at).arg("verify").arg(&file).output().unwrap().status.code();
        assert!(matches!(code, Some(1..=5)), "{dim}: {code:?}");
    }
}

/// A table whose first record is a number was taken for vectors.
#[test]
fn a_table_may_begin_with_a_number() {
    let directory = data();
    let at = directory.path();
    fs::write(at.join("numbered.csv"), "text\n42\nsum times minus\nequals 2\n").unwrap();
    let mut command = kantor();
    command.current_dir(at).args(["select", "--pool", "numbered.csv", "--query", "query.jsonl", "--budget", "1"]);
    command.args(["--method", "optimal", "-o", "out", "--quiet"]).assert().success();
    assert_eq!(indices(&at.join("out/optimal/k1/indices.npy")), [1]);
}

/// Files of rows that are not read were left out of directories without a word.
#[test]
fn directories_with_rows_that_are_not_read_are_refused() {
    let directory = data();
    let at = directory.path();
    for (name, other) in [("a", "b.npy.gz"), ("b", "c.h5")] {
        fs::create_dir(at.join(name)).unwrap();
        write_npy(&at.join(name).join("a.npy"), 2, &[1.0, 2.0]);
        fs::write(at.join(name).join(other), "rows").unwrap();
        let mut command = kantor();
        command.current_dir(at).args(["select", "--pool", name, "--query", "a/a.npy", "--budget", "1", "-o", "out"]);
        command.assert().code(3).stderr(contains(other).and(contains("which is not read")));
    }
}

/// What was read as text was not what was shown, and its words were not those that were counted.
#[test]
fn what_is_shown_of_text_is_what_was_read() {
    let directory = data();
    let at = directory.path();
    let lines = |rows: &[&str]| {
        let line = |row: &&str| json!({"alt": row, "text": "never read", "id": row.to_uppercase()}).to_string() + "\n";
        rows.iter().map(line).collect::<String>()
    };
    fs::write(at.join("p.jsonl"), lines(&["apple pie", "plum pie", "sum two three", "minus one"])).unwrap();
    fs::write(at.join("q.jsonl"), lines(&["apple plum", "sum one"])).unwrap();
    let mut command = kantor();
    command.current_dir(at).args(["compare", "--pool", "p.jsonl", "--query", "q.jsonl", "--text", "{alt}", "--budget"]);
    command.args(["2", "--method", "optimal", "--random-seeds", "2", "-o", "out", "--quiet"]).assert().success();
    for name in ["results.json", "report.html"] {
        let said = fs::read_to_string(at.join("out").join(name)).unwrap();
        assert!(said.contains("apple plum") && !said.contains("never read"), "{name}");
    }
    let tokens = &read_json(&at.join("out/results.json"))["results"][0]["tokens"];
    assert!(tokens.as_u64().is_some_and(|words| (4..=5).contains(&words)), "{tokens}");
}

/// A template that names a long field many times took many times what it was allowed.
#[test]
fn long_texts_count_towards_the_memory() {
    let directory = data();
    let at = directory.path();
    let line = json!({"t": "sum times ".repeat(200_000)}).to_string() + "\n";
    fs::write(at.join("long.jsonl"), line.repeat(2)).unwrap();
    let refused = |text: &str, what: &str| {
        let mut command = kantor();
        command.current_dir(at).args(["select", "--pool", "long.jsonl", "--query", "long.jsonl", "--budget", "1"]);
        command.args(["--threads", "1", "--max-memory", "26M", "-o", "out", "--text", text]);
        command.assert().code(5).stderr(contains(what).and(contains("--max-memory")));
    };
    refused(&"{t}".repeat(31), "the text of a line");
    refused("{t}{t}{t}", "the words of a line");
}

/// Names of sources took memory without a limit.
#[test]
fn names_of_sources_count_towards_the_memory() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    let rows = 20_000;
    write_npy(&at.join("p.npy"), 2, &(0..2 * rows).map(|at| (at % 97) as f32 + 1.0).collect::<Vec<_>>());
    write_npy(&at.join("q.npy"), 2, &[1.0, 2.0, 2.0, 1.0]);
    let source = |row: usize| if row < rows { format!("{row}{}", "s".repeat(180)) } else { "one".to_owned() };
    for (name, from) in [("many", 0), ("one", rows)] {
        let lines: String = (from..from + rows).map(|row| format!("{{\"source\": \"{}\"}}\n", source(row))).collect();
        fs::write(at.join(format!("{name}.jsonl")), lines).unwrap();
        let mut command = kantor();
        command.current_dir(at).args(["compare", "--pool", "p.npy", "--query", "q.npy", "--budget", "2", "--method"]);
        command.args(["round-robin", "--random-seeds", "2", "--max-memory", "8M", "--threads", "1", "-o", name]);
        let assert = command.arg("--pool-jsonl").arg(format!("{name}.jsonl")).assert();
        if name == "one" {
            assert.success();
        } else {
            assert.code(5).stderr(contains("the sources that its lines name"));
        }
    }
}
