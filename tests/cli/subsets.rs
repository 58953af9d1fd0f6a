//! Subsets that are given: how they are read, and what is proved of all subsets of their size; and which inputs are
//! doubted.

use std::fs;
use std::path::Path;

use assert_cmd::Command;
use predicates::prelude::PredicateBooleanExt;
use predicates::str::contains;

use crate::support::{example, json, kantor, printed_json, select_example, write_npy};

fn on_example(word: &str, subset: &Path, more: &[&str]) -> Command {
    let mut command = kantor();
    command.args([word, "--pool"]).arg(example("pool.embed.npy")).arg("--query").arg(example("query_gsm8k.embed.npy"));
    command.arg("--subset").arg(subset).args(more);
    command
}

#[test]
fn the_excess_of_a_subset_is_what_select_said_of_it() {
    let work = tempfile::tempdir().unwrap();
    let out = work.path().join("out");
    select_example(&out, &["--budget", "130", "--method", "random,optimal"]).assert().success();
    let manifest = json(&out.join("manifest.json"));
    for result in manifest["results"].as_array().unwrap() {
        let dir = out.join(result["dir"].as_str().unwrap());
        let certificate = work.path().join(format!("{}.json", result["method"].as_str().unwrap()));
        for list in ["selection.jsonl", "indices.npy"] {
            let printed = printed_json(&mut on_example("distance", &dir.join(list), &["--json"]));
            for key in ["best", "excess", "status"] {
                assert_eq!(printed[key], result[key], "{key}");
            }
            for key in ["lower", "upper"] {
                let (a, b) = (printed[key].as_f64().unwrap(), result["distance"][key].as_f64().unwrap());
                assert!((a - b).abs() < 1e-9, "{key}: {a} and {b}");
            }
        }
        let text = on_example("distance", &dir.join("selection.jsonl"), &["--certificate"]).arg(&certificate).assert();
        text.success()
            .stdout(contains("every subset of that size: at least ").and(contains(" above the best possible")));
        let mut verify = kantor();
        verify.arg("verify").arg(&certificate).args(["--json", "--pool"]).arg(example("pool.embed.npy"));
        let verified = printed_json(verify.arg("--query").arg(example("query_gsm8k.embed.npy")));
        assert_eq!((&verified["verdict"], &verified["best"]), (&"verified".into(), &result["best"]["lower"]));
    }
}

#[test]
fn a_selection_is_a_subset_wherever_one_is_read() {
    let work = tempfile::tempdir().unwrap();
    let out = work.path().join("out");
    select_example(&out, &["--budget", "40", "--no-certify"]).assert().success();
    let printed = ["selection.jsonl", "indices.npy"].map(|list| {
        let subset = out.join("round-robin/k40").join(list);
        printed_json(&mut on_example("bound", &subset, &["--json", "--references", "3", "--splits", "2"]))
    });
    assert_eq!(printed[0], printed[1]);
    let other = work.path().join("other.jsonl");
    for (text, fault) in [
        ("{\"rank\":0,\"index\":7}\n{\"text\":\"x\",\"rank\":1}\n", "other.jsonl:2: "),
        ("{\"index\":7}\n", "rank"),
        ("{\"rank\":0,\"index\":5005}\n", "5005"),
        ("{\"rank\":0,\"index\":7}\n\n{\"rank\":1,\"index\":7}\n", "named before"),
        ("{\"rank\":0,\"index\":-7}\n", "other.jsonl:1: "),
        ("{\"rank\":0,\"index\":7.5}\n", "other.jsonl:1: "),
        ("{\"rank\":0,\"index\":7}\n[8]\n", "other.jsonl:2: "),
    ] {
        fs::write(&other, text).unwrap();
        for word in ["distance", "bound"] {
            let refused = on_example(word, &other, &[]).assert().code(3);
            refused.stderr(contains("other.jsonl")).stderr(contains(fault));
        }
    }
}

#[test]
fn row_numbers_of_another_pool_are_refused() {
    let work = tempfile::tempdir().unwrap();
    let (small, out) = (work.path().join("small.npy"), work.path().join("out"));
    write_npy(&small, 2, &[1.0, 0.5, 0.25, 1.0, 0.5, 0.75, 0.0, 1.0]);
    let mut select = kantor();
    select.args(["select", "--budget=2", "--pool"]).arg(&small).arg("--query").arg(&small).arg("-o").arg(&out);
    select.assert().success();
    for (word, list) in [("distance", "selection.jsonl"), ("distance", "indices.npy"), ("bound", "indices.npy")] {
        let subset = out.join("round-robin/k2").join(list);
        let run = on_example(word, &subset, &[]).assert().code(3);
        run.stderr(contains(list)).stderr(contains("a pool of 4 rows")).stderr(contains("this one has 5005"));
        // Elsewhere, nothing says where the numbers come from; nor does a certificate of other rows, or beside a list that
        // is no selection's.
        let copy = work.path().join(list);
        fs::copy(&subset, &copy).unwrap();
        on_example(word, &copy, &["--quiet"]).assert().success();
        let own = subset.with_file_name("rows.txt");
        fs::write(&own, "0\n1\n").unwrap();
        on_example(word, &own, &["--quiet"]).assert().success();
    }
}

/// Other rows than those of the selection were excluded, and nothing was said.
#[test]
fn a_selection_from_another_pool_is_refused_wherever_rows_are_named() {
    let work = tempfile::tempdir().unwrap();
    let rows = [1.0, 0.5, 0.25, 1.0, 0.5, 0.75, 0.0, 1.0, 0.3, 0.1];
    let run = |words: String| {
        let mut command = kantor();
        command.current_dir(work.path()).args(words.split(' ')).args(["--query", "small.npy", "--quiet"]);
        command.assert()
    };
    let ids = |of: &[usize]| of.iter().map(|id| format!("{{\"id\": \"r{id}\"}}\n")).collect::<String>();
    for (pool, order) in [("small", &[0, 1, 2, 3][..]), ("turned", &[3, 2, 1, 0]), ("large", &[4, 0, 1, 2, 3])] {
        let values: Vec<f32> = order.iter().flat_map(|&row| [rows[2 * row], rows[2 * row + 1]]).collect();
        write_npy(&work.path().join(format!("{pool}.npy")), 2, &values);
        fs::write(work.path().join(format!("{pool}.jsonl")), ids(order)).unwrap();
    }
    let on = |pool: &str| format!("--pool {pool}.npy --pool-jsonl {pool}.jsonl");
    run(format!("select --budget 2 -o first {}", on("small"))).success();
    for list in ["selection.jsonl", "indices.npy"].map(|name| format!("first/round-robin/k2/{name}")) {
        for words in ["select --budget 2 -o out --include", "select --budget 2 -o out --exclude", "distance --subset"] {
            let said = contains(&*list).and(contains("a pool of 4 rows")).and(contains("this one has 5"));
            run(format!("{words} {list} {}", on("large"))).code(3).stderr(said);
            if list.ends_with(".jsonl") {
                let said = contains(format!("{list}:1: row ")).and(contains("had the id `r")).and(contains(" here"));
                run(format!("{words} {list} {}", on("turned"))).code(3).stderr(said);
            }
        }
    }
    // Ids mean the same rows everywhere.
    run(format!("select --budget 2 -o other --exclude first/round-robin/k2/selected.jsonl {}", on("large"))).success();
    let chosen = |out: &str| fs::read_to_string(work.path().join(out).join("round-robin/k2/selected.jsonl")).unwrap();
    assert!(chosen("other").lines().all(|line| !chosen("first").contains(line)));
    // Numbers of rows that are others here are doubted, where no id tells.
    let doubted = || contains("first/round-robin/k2/indices.npy was chosen from a pool with other values");
    for words in ["select --budget 2 -o doubted --exclude", "distance --subset", "bound --subset"] {
        let words = format!("{words} first/round-robin/k2/indices.npy --pool turned.npy --query small.npy");
        kantor().current_dir(work.path()).args(words.split(' ')).assert().success().stderr(doubted());
        let same = words.replace("turned", "small").replace("-o doubted", "-o same");
        kantor().current_dir(work.path()).args(same.split(' ')).assert().success().stderr(doubted().not());
    }
    // A selection without ids has row numbers in their place.
    run("select --budget 2 -o plain --pool small.npy".to_owned()).success();
    run(format!("select --budget 2 -o next --exclude plain/round-robin/k2/selection.jsonl {}", on("small"))).success();
}

#[test]
fn a_bound_that_takes_too_much_is_left_out_and_that_is_said() {
    let work = tempfile::tempdir().unwrap();
    let rows = work.path().join("rows.txt");
    fs::write(&rows, (0..200).map(|row| format!("{}\n", row * 25)).collect::<String>()).unwrap();
    let little = ["--json", "--max-memory", "1M"];
    let run = on_example("distance", &rows, &little).assert().success();
    let run = run.stderr(contains("the bound for every subset of that size is left out"));
    let printed: serde_json::Value = serde_json::from_slice(&run.get_output().stdout).unwrap();
    assert!(printed["best"].is_null() && printed["excess"].is_null() && printed["upper"].is_number());
    on_example("distance", &rows, &little).arg("--quiet").assert().success().stderr("");
    on_example("distance", &rows, &little).args(["--best", "always"]).assert().code(5);
    let never = printed_json(&mut on_example("distance", &rows, &["--json", "--best", "never"]));
    assert!(never["best"].is_null());
    assert!(!printed_json(&mut on_example("distance", &rows, &["--json"]))["best"].is_null());
    // It speaks of uniform weights, and of choosing.
    let weights = work.path().join("weights.txt");
    fs::write(&weights, "1\n".repeat(200)).unwrap();
    let weighted = printed_json(on_example("distance", &rows, &["--json", "--subset-weights"]).arg(&weights));
    assert!(weighted["best"].is_null());
    on_example("distance", &rows, &["--best", "always", "--subset-weights"]).arg(&weights).assert().code(2);
    on_example("distance", &rows, &["--best", "always", "--metric", "energy"])
        .assert()
        .code(2)
        .stderr(contains("--best"));
}

#[test]
fn swapped_pool_and_queries_are_doubted_and_no_method_is_named_that_was_not_asked_for() {
    let work = tempfile::tempdir().unwrap();
    let path = |name: &str| work.path().join(name);
    let numbers: Vec<f32> = (0..1000 * 4).map(|i| ((i * 7919 % 1013) as f32) - 500.25).collect();
    write_npy(&path("large.npy"), 4, &numbers);
    write_npy(&path("small.npy"), 4, &numbers[..50 * 4]);
    let doubt = "the query set has 1000 rows and the pool 50: are --pool and --query swapped?";
    let swapped = |words: &[&str]| {
        let mut command = kantor();
        command.args(words).args(["--pool", "small.npy", "--query", "large.npy"]).current_dir(work.path());
        command
    };
    let select = ["select", "--budget", "50", "--max-memory", "20M", "-o", "out"];
    let refused = swapped(&select).assert().code(5).stderr(contains(doubt));
    let refused = refused.stderr(contains("the bound for every subset").and(contains("--no-certify")));
    refused.stderr(contains("optimal").not());
    swapped(&select).args(["--no-certify"]).assert().success().stderr(contains(doubt));
    swapped(&select).args(["--no-certify", "--quiet", "--force"]).assert().success().stderr("");
    // Who asks for the method is told of it.
    let asked = swapped(&select).args(["--no-certify", "--force", "--method", "optimal"]).assert().code(5);
    asked.stderr(contains("method `optimal`"));
    let compare = ["compare", "--budget", "50", "--max-memory", "20M", "--method", "random", "-o", "compared"];
    swapped(&compare).assert().code(5).stderr(contains(doubt).and(contains("optimal").not()));
    fs::write(path("rows.txt"), "1\n2\n").unwrap();
    swapped(&["distance", "--subset", "rows.txt"]).assert().success().stderr(contains(doubt));
    let jobs = "out = \"jobs\"\npool = \"small.npy\"\nbudgets = [5]\nno-certify = true\n[tasks]\na = \"large.npy\"\n";
    fs::write(path("jobs.toml"), jobs).unwrap();
    kantor().arg("batch").arg(path("jobs.toml")).assert().success().stderr(contains(doubt));
    // Neither is doubted the other way round.
    let mut right = kantor();
    right.args(["select", "--pool", "large.npy", "--query", "small.npy", "--budget", "5", "-o", "right"]);
    right.current_dir(work.path()).assert().success().stderr(contains("swapped").not());
    // A matrix of more queries than rows.
    write_npy(&path("matrix.npy"), 2, &[0.1, 0.2, 0.3, 0.4, 0.5, 0.6]);
    let of_matrix = |words: &[&str]| {
        let mut command = kantor();
        command.args(["select", "--budget", "1", "--similarity", "matrix.npy"]).args(words).current_dir(work.path());
        command.assert()
    };
    of_matrix(&["-o", "of-matrix"]).success().stderr(contains("is it transposed?"));
    // A distance that makes no sense is no method either.
    let refused = of_matrix(&["--objective", "energy", "--method", "random", "-o", "never"]).code(2);
    refused.stderr(contains("the distance `energy` needs the rows").and(contains("method").not()));
}

/// It was called bad usage, with nothing to do about it.
#[test]
fn a_list_that_names_a_dropped_row_is_bad_input() {
    let work = tempfile::tempdir().unwrap();
    write_npy(&work.path().join("p.npy"), 1, &[0.5, f32::NAN, 1.0]);
    fs::write(work.path().join("list.txt"), "0\n1\n").unwrap();
    for words in
        ["distance --subset list.txt", "bound --subset list.txt", "select --budget 2 -o out --include list.txt"]
    {
        let mut command = kantor();
        command.current_dir(work.path()).args(words.split(' '));
        command.args("--cost euclidean --pool p.npy --query p.npy --on-bad-row drop".split(' '));
        let said = contains("list.txt: row 1 was dropped as a bad row").and(contains("take it out of the list"));
        command.assert().code(3).stderr(said);
    }
    // What is to be left out anyway may have been.
    let mut exclude = kantor();
    exclude.current_dir(work.path()).args("select --budget 1 -o out --exclude list.txt --cost euclidean".split(' '));
    exclude.args("--pool p.npy --query p.npy --on-bad-row drop".split(' ')).assert().success();
}

/// A subset could be named by row numbers only, where the pool has ids.
#[test]
fn a_subset_may_be_named_by_the_ids_of_the_pool() {
    let work = tempfile::tempdir().unwrap();
    write_npy(&work.path().join("p.npy"), 2, &[1.0, 0.5, 0.25, 1.0, 0.5, 0.75, 0.0, 1.0]);
    let put = |name: &str, text: &str| fs::write(work.path().join(name), text).unwrap();
    let ids = ["a", "b", "7", "c"].map(|id| format!("{{\"id\": \"{id}\"}}\n"));
    put("p.jsonl", &ids.concat());
    let distance = |text: &str, more: &[&str]| {
        put("list", text);
        let mut command = kantor();
        command.current_dir(work.path()).args("distance --pool p.npy --query p.npy --subset list --json".split(' '));
        command.args(more).assert()
    };
    let printed = |text: &str, more: &[&str]| distance(text, more).success().get_output().stdout.clone();
    let with = ["--pool-jsonl", "p.jsonl"];
    let expected = printed("3\n1\n", &[]);
    for text in ["c\nb\n", "{\"id\": \"c\", \"text\": 1}\n{\"id\": \"b\"}\n", "3\n1\n"] {
        assert_eq!(printed(text, &with), expected, "{text}");
    }
    for (text, said) in [
        ("a\nx\n", "list:2: no row of the pool has the id `x`"),
        ("a\nb\na\n", "entry 2 names row 0, which was named before"),
        ("7\n", "not a row of a pool of 4"),
        ("{\"id\": \"a\"}\n{\"id\": \"b\", \"rank\": 1}\n", "list:2: has a rank, as the lines of a selection do"),
    ] {
        distance(text, &with).code(3).stderr(contains(said));
    }
    distance("c\nb\n", &[]).code(3).stderr(contains("line 1 is not a number"));
}

/// A mark of three bytes made a label of its own of the first line: quotas and groups were counted without it.
#[test]
fn a_byte_order_mark_is_no_part_of_a_label_or_of_a_number() {
    let work = tempfile::tempdir().unwrap();
    write_npy(&work.path().join("p.npy"), 2, &[1.0, 0.0, 1.0, 0.1, -1.0, 1.0, 0.0, -1.0]);
    write_npy(&work.path().join("q.npy"), 2, &[1.0, 0.0, 1.0, 0.1, 1.0, 0.05, 0.9, 0.0]);
    for (name, text) in [
        ("labels", "web\nweb\nbook\nbook\n"),
        ("lines", "{\"lab\": \"web\"}\n{\"lab\": \"web\"}\n{\"lab\": \"book\"}\n{\"lab\": \"book\"}\n"),
        ("rows", "1\n2\n"),
        ("weights", "1\n2\n3\n4\n"),
    ] {
        fs::write(work.path().join(format!("{name}-plain")), text).unwrap();
        fs::write(work.path().join(format!("{name}-marked")), format!("\u{feff}{text}")).unwrap();
    }
    let run = |words: &str, kind: &str| {
        let words = format!("select --pool p.npy --query q.npy -k 2 -q --json -o {kind} {words}").replace("KIND", kind);
        let printed = printed_json(kantor().current_dir(work.path()).args(words.split(' ')));
        let chosen = fs::read(work.path().join(kind).join("round-robin/k2/selection.jsonl")).unwrap();
        fs::remove_dir_all(work.path().join(kind)).unwrap();
        (printed["results"][0]["distance"].clone(), printed["results"][0]["groups"].clone(), chosen)
    };
    for words in [
        "--column lab=labels-KIND --dedup lab",
        "--column lab=lines-KIND --quota lab=web:..1",
        "--query-groups labels-KIND --balance-groups",
        "--include rows-KIND",
        "--query-weights weights-KIND",
    ] {
        assert_eq!(run(words, "plain"), run(words, "marked"), "{words}");
    }
}

/// Ids with a point, as tables write those of a column that once had gaps, were passed over without a word.
#[test]
fn ids_that_cannot_name_a_row_are_told() {
    let work = tempfile::tempdir().unwrap();
    write_npy(&work.path().join("p.npy"), 2, &[1.0, 0.0, 1.0, 0.1, -1.0, 1.0]);
    for (ids, said) in [
        (
            ["3.0", "4.0", "5.0"],
            "3 of 3 lines of the pool's examples have an `id` that is neither text nor a whole number",
        ),
        (["\"a\"", "true", "null"], "1 of 3 lines of the pool's examples have an `id` that is neither"),
        (["\"a\"", "\"b\"", "null"], "2 of 3 lines of the pool's examples have an `id`, so rows are named by number"),
    ] {
        fs::write(work.path().join("p.jsonl"), ids.map(|id| format!("{{\"id\": {id}}}\n")).concat()).unwrap();
        let mut select = kantor();
        select.current_dir(work.path()).args([
            "select",
            "--pool",
            "p.npy",
            "--query",
            "p.npy",
            "--pool-jsonl",
            "p.jsonl",
        ]);
        select.args(["-k", "1", "-o", "out", "--force"]).assert().success().stderr(contains(said));
    }
}
