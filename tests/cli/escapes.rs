//! Text from outside cannot act on the terminal, hide, reorder, or begin a line, wherever it is printed or drawn.

use std::fs;
use std::path::Path;
use std::process::{Output, Stdio};

use assert_cmd::Command;
use kantor::view::escape::is_hidden;
use serde_json::{Value, json};

use crate::support::{example, json, kantor, select_example, write_npy};

/// Erases a line, forges one, colours, reorders and hides.
const NASTY: &str = "a\u{1b}[2K\r\nFORGED\u{1b}[32m\u{202e}\u{7}\u{9b}31m\u{7f}\u{200b}\u{2066}\u{e0041}z";

/// Runs it and checks that what it says is harmless: both streams, one after the other.
#[track_caller]
fn said(command: &mut Command) -> (Output, String) {
    let output = command.output().unwrap();
    let all = [&output.stdout[..], &output.stderr[..]].concat();
    let text = String::from_utf8(all).unwrap();
    harmless(&text);
    assert!(!matches!(output.status.code(), None | Some(101)), "{text}");
    (output, text)
}

#[track_caller]
fn harmless(text: &str) {
    assert!(!text.contains(|letter| is_hidden(letter) && letter != '\n'), "{text:?}");
    assert!(text.lines().all(|line| !line.trim_start().starts_with("FORGED")), "{text}");
}

#[test]
fn a_certificate_cannot_paint_over_its_rejection() {
    let work = tempfile::tempdir().unwrap();
    let out = work.path().join("out");
    select_example(&out, &["--budget", "20"]).assert().success();
    let certificate = json(&out.join("round-robin/k20/certificate.json"));
    let forged = work.path().join("forged.json");
    let check = |document: &Value, words: &[&str]| {
        fs::write(&forged, serde_json::to_vec(document).unwrap()).unwrap();
        let mut command = kantor();
        command.arg("verify").arg(&forged).arg("--pool").arg(example("pool.embed.npy"));
        command.arg("--query").arg(example("query_gsm8k.embed.npy")).args(words);
        let (output, text) = said(&mut command);
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.lines().all(|line| line != "verified"));
        text
    };
    let mut told = 0;
    for field in certificate.as_object().unwrap().keys() {
        for value in [json!(NASTY), json!({ NASTY: NASTY }), json!([NASTY])] {
            let mut document = certificate.clone();
            document[field] = value;
            told += usize::from(check(&document, &[]).contains("\\u{1b}[2K"));
        }
    }
    let mut document = certificate.clone();
    document[NASTY] = json!(1);
    assert!(check(&document, &[]).contains("\\u{1b}[2K\\r\\nFORGED"));
    assert!(told > 0);
    // The same as JSON, which stays what it was.
    let printed: Value = serde_json::from_str(&check(&document, &["--json"])).unwrap();
    assert!(printed["reason"].as_str().unwrap().contains(NASTY), "{printed}");
}

#[test]
fn names_of_files_cannot_forge_lines() {
    let work = tempfile::tempdir().unwrap();
    let named = |extension: &str| work.path().join(format!("{NASTY}.{extension}"));
    write_npy(&named("npy"), 2, &[1.0, 0.0, f32::NAN, 1.0]);
    fs::write(
        named("toml"),
        format!("out = \"x\"\nbudgets = [1]\npool = {}\n[tasks]\na = \"none.npy\"\n", quoted(NASTY)),
    )
    .unwrap();
    fs::write(named("jsonl"), "{\n").unwrap();
    fs::write(named("csv"), "task,method\n").unwrap();
    let (npy, missing) = (named("npy"), named("missing"));
    let query = example("query_gsm8k.embed.npy");
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    let (npy, query, missing) = (path(&npy), path(&query), path(&missing));
    for words in [
        &["inspect", &npy][..],
        &["inspect", &npy, "--json"],
        &["inspect", &missing],
        &["verify", &missing, "--pool", &npy, "--query", &query],
        &["select", "--pool", &npy, "--query", &npy, "--budget", "1", "-o", &missing],
        &["select", "--pool", &query, "--query", &npy, "--budget", "1", "-o", &missing],
        &["select", "--pool", &npy, "--query", &npy, "--on-bad-row", "drop", "--budget", "1", "-o", &missing],
        &["compare", "--pool", &npy, "--query", &missing, "--budget", "1", "-o", &missing],
        &["quantiles", "--pool", &missing, "--query", &npy, "-o", &missing],
        &["distance", "--pool", &query, "--query", &query, "--subset", &npy],
        &["distance", "--pool", &query, "--query", &query, "--subset", &path(&named("jsonl"))],
        &["bound", "--pool", &query, "--query", &query, "--subset", &missing],
        &[
            "select",
            "--pool",
            &query,
            "--query",
            &query,
            "--pool-jsonl",
            &path(&named("jsonl")),
            "--budget",
            "1",
            "-o",
            "x",
        ],
        &["select", "--config", &path(&named("jsonl"))],
        &["batch", &path(&named("toml")), "-o", &path(&work.path().join("jobs"))],
        &["batch", &path(&named("jsonl"))],
        &["study", "--tables", &missing],
        &["study", "--results", &path(&named("csv")), "--run", &format!("t={missing}")],
    ] {
        let (_, text) = said(kantor().args(words));
        assert!(text.contains("\\u{1b}[2K") || text.contains("\\u001b[2K"), "{words:?}: {text}");
    }
}

#[test]
fn what_was_typed_cannot_forge_lines() {
    let (pool, query) = (example("pool.embed.npy"), example("query_gsm8k.embed.npy"));
    let flag = format!("--{NASTY}");
    for words in [
        &[NASTY][..],
        &["select", &flag],
        &["select", &format!("{flag}=1")],
        &["select", NASTY],
        &["select", "--cost", NASTY],
        &["select", "--method", NASTY],
        &["select", "--budget", NASTY],
        &["select", "--bandwidth", NASTY],
        &["select", "--sampling", NASTY],
        &["select", "--kernel", NASTY],
        &["select", "--epsilon", NASTY],
        &["select", "--max-memory", NASTY],
        &["select", "--threads", NASTY],
        &["distance", "--metric", NASTY],
        &["distance", "--solver", NASTY],
        &["distance", "--reference", NASTY],
        &["distance", "--pool-marginal", NASTY],
        &["bound", "--delta", NASTY],
        &["batch", "jobs.toml", "--shard", NASTY],
        &["study", "--results", "x", "--run", NASTY],
        &["methods", &flag],
    ] {
        let mut command = kantor();
        command.args(words);
        if words[0] == "select" {
            command.arg("--pool").arg(&pool).arg("--query").arg(&query).arg("-o").arg("never");
            command.args(if words[1] == "--budget" { &[][..] } else { &["--budget", "1"] });
        }
        let (output, text) = said(&mut command);
        assert!(matches!(output.status.code(), Some(2 | 3)), "{words:?}: {text}");
    }
    // The name of the program is typed too.
    let program = tempfile::tempdir().unwrap();
    let link = program.path().join(NASTY);
    std::os::unix::fs::symlink(assert_cmd::cargo::cargo_bin!("kantor"), &link).unwrap();
    said(Command::new(&link).arg("--help"));
    said(Command::new(&link).args(["select", "--help"]));
    said(&mut Command::new(&link));
}

/// A string of TOML.
fn quoted(text: &str) -> String {
    let escaped = |letter: char| match is_hidden(letter) {
        true => format!("\\U{:08x}", u32::from(letter)),
        false => letter.to_string(),
    };
    format!("\"{}\"", text.chars().map(escaped).collect::<String>())
}

#[test]
fn settings_and_tensors_cannot_forge_lines() {
    let work = tempfile::tempdir().unwrap();
    let file = work.path().join("settings.toml");
    let nasty = quoted(NASTY);
    let select = ["select", "--budget", "1", "--pool", "a", "--query", "b", "-o", "x", "--config"];
    for text in [format!("{nasty} = 1"), format!("cost = {nasty}"), format!("epsilon = {{ {nasty} = 2 }}")] {
        fs::write(&file, format!("{text}\n[tasks]\n")).unwrap();
        let (output, said_of) = said(kantor().args(select).arg(&file));
        assert_eq!(output.status.code(), Some(2), "{said_of}");
        fs::write(&file, format!("out = \"x\"\nbudgets = [1]\npool = \"p\"\n{text}\n[tasks]\na = \"q\"\n")).unwrap();
        let (output, said_of) = said(kantor().arg("batch").arg(&file));
        assert_eq!(output.status.code(), Some(2), "{said_of}");
        assert!(text.starts_with("epsilon") || said_of.contains("\\u{1b}[2K"), "{said_of}");
    }
    for text in [format!("= {NASTY}"), format!("a = {NASTY}")] {
        fs::write(&file, text).unwrap();
        assert_eq!(said(kantor().args(select).arg(&file)).0.status.code(), Some(3));
        assert_eq!(said(kantor().arg("batch").arg(&file)).0.status.code(), Some(3));
    }
    let tensor = |start: usize| json!({"dtype": "F32", "shape": [1, 1], "data_offsets": [start, start + 4]});
    let header = json!({ NASTY: tensor(0), format!("{NASTY}2"): tensor(4) }).to_string();
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.extend([0; 8]);
    let table = work.path().join("rows.safetensors");
    fs::write(&table, bytes).unwrap();
    let (_, text) = said(kantor().arg("inspect").arg(&table));
    assert!(text.contains("\\u{1b}[2K"), "{text}");
    // A header of NumPy is text, too.
    let npy = work.path().join("rows.npy");
    let header = format!("{{'descr': '{NASTY}', 'fortran_order': False, 'shape': (1, 1), }}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    fs::write(&npy, bytes).unwrap();
    said(kantor().arg("inspect").arg(&npy));
}

#[test]
fn labels_ids_and_texts_are_harmless_in_tables_pages_and_figures() {
    let work = tempfile::tempdir().unwrap();
    let path = |name: &str| work.path().join(name);
    let numbers: Vec<f32> = (0..60 * 4).map(|i| ((i * 7919 % 1013) as f32) - 500.0).collect();
    write_npy(&path("pool.npy"), 4, &numbers);
    write_npy(&path("query.npy"), 4, &numbers[..8 * 4].iter().map(|x| x + 0.5).collect::<Vec<_>>());
    let labels: String = (0..8).map(|i| format!("{}\n", json!({"task": format!("={NASTY}{}", i % 2)}))).collect();
    fs::write(path("groups.jsonl"), labels).unwrap();
    let part = |i: usize| if i < 8 { format!("@{NASTY}") } else { "other".to_owned() };
    let source = |i: usize| format!("@{NASTY}{}", i % 3);
    let line = |i: usize| json!({"id": format!("{NASTY}{i}"), "text": NASTY, "source": source(i), "part": part(i)});
    fs::write(path("pool.jsonl"), (0..60).map(|i| format!("{}\n", line(i))).collect::<String>()).unwrap();
    fs::write(path("query.jsonl"), (0..8).map(|i| format!("{}\n", line(i))).collect::<String>()).unwrap();
    let run = |word: &str, out: &str, more: &[&str]| {
        let mut command = kantor();
        command.arg(word).arg("--pool").arg(path("pool.npy")).arg("--query").arg(path("query.npy"));
        command.arg("--query-groups").arg(path("groups.jsonl")).arg("--pool-jsonl").arg(path("pool.jsonl"));
        command.args(["--budget", "8", "-o"]).arg(path(out)).args(more);
        let (output, text) = said(&mut command);
        assert_eq!(output.status.code(), Some(0), "{text}");
        (String::from_utf8(output.stdout).unwrap(), text)
    };
    assert!(run("select", "out", &["--verbose"]).1.contains("=a\\u{1b}[2K"));
    let (printed, _) = run("select", "out-json", &["--json"]);
    let printed: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(printed["groups"][0][0], format!("={NASTY}0"));
    let queries = path("query.jsonl");
    let texts = ["--query-jsonl", queries.to_str().unwrap()];
    // Limits, queries and what they are worth.
    let limits = [&texts[..], &["--quota", "part:..7", "--quota", "id:..1"]].concat();
    assert!(run("select", "limited", &limits).0.contains("@a\\u{1b}[2K"));
    let (_, prices) = said(kantor().arg("prices").arg(path("limited")));
    assert!(prices.contains("`part=@a\\u{1b}[2K") && prices.matches("\\u{1b}[2K").count() > 2, "{prices}");
    let more =
        [&texts[..], &["--method", "round-robin,random", "--random-seeds", "2", "--quota", "source:..4"]].concat();
    assert!(run("compare", "page", &more).1.contains("=a\\u{1b}[2K"));
    let page = fs::read_to_string(path("page/report.html")).unwrap();
    harmless(&page);
    assert!(page.contains("=a\\u{1b}[2K") && page.contains("@a\\u{1b}[2K"));
    let mut drawn = String::new();
    for figure in fs::read_dir(path("page/figures")).unwrap() {
        let text = fs::read_to_string(figure.unwrap().path()).unwrap();
        harmless(&text);
        drawn.push_str(&text);
    }
    assert!(drawn.contains("=a\\u{1b}[2K") && drawn.contains("@a\\u{1b}[2K"));
    // A spreadsheet has no text of the inputs to take for a formula.
    let table = fs::read_to_string(path("page/results.csv")).unwrap();
    let words = ["cosine", "round-robin", "random", "certified", "optimal", "true", "false", ""];
    for field in table.lines().skip(1).flat_map(|line| line.split(',')) {
        assert!(words.contains(&field) || field.parse::<f64>().is_ok(), "{field}");
    }
}

#[test]
fn results_of_others_are_harmless_in_studies_and_batches() {
    let work = tempfile::tempdir().unwrap();
    let path = |name: &str| work.path().join(name);
    select_example(&path("chosen"), &["--method=random", "--budget=5"]).assert().success();
    let mut manifest = json(&path("chosen/manifest.json"));
    manifest["results"][0]["method"] = json!(NASTY);
    fs::write(path("manifest.json"), manifest.to_string()).unwrap();
    let mut lines = csv::Writer::from_path(path("results.csv")).unwrap();
    lines.write_record(["task", "method", "budget", "seed", "value"]).unwrap();
    lines.write_record([NASTY, NASTY, "5", "0", "1.0"]).unwrap();
    lines.write_record([NASTY, "other\nFORGED", "5", "0", "1.0"]).unwrap();
    lines.flush().unwrap();
    let run = format!("{NASTY}={}", path("manifest.json").display());
    let study = |more: &[&str]| {
        let mut command = kantor();
        command.arg("study").arg("--results").arg(path("results.csv")).args(["--run", &run]).args(more);
        let (output, text) = said(&mut command);
        assert_eq!(output.status.code(), Some(0), "{text}");
        text
    };
    let page = path("page.html");
    let text = study(&["--html", page.to_str().unwrap()]);
    assert!(text.contains("a\\u{1b}[2K") && text.contains("other\\nFORGED"), "{text}");
    harmless(&fs::read_to_string(&page).unwrap());
    let printed: Value = serde_json::from_str(&study(&["--json"])).unwrap();
    assert_eq!(printed["cells"][0]["task"], NASTY);
    // Jobs that fail say why in a table, and say it again from their record.
    fs::write(path("none.npy"), NASTY).unwrap();
    let pool = quoted(&format!("{NASTY}.npy"));
    let jobs = format!("out = \"out\"\npool = {pool}\nbudgets = [1]\n[tasks]\na = \"none.npy\"\n");
    fs::write(path("jobs.toml"), jobs).unwrap();
    for more in [&[][..], &["--status"], &["--json"]] {
        let (_, text) = said(kantor().arg("batch").arg(path("jobs.toml")).args(more));
        assert!(text.contains("[2K"), "{text}");
    }
}

#[test]
fn full_streams_are_no_panic() {
    for words in [&["select", "--no-such-flag"][..], &["inspect", "missing.npy"]] {
        let full = fs::File::options().write(true).open("/dev/full").unwrap();
        let program = assert_cmd::cargo::cargo_bin!("kantor");
        let status = std::process::Command::new(program).args(words).stderr(Stdio::from(full)).status().unwrap();
        assert!(matches!(status.code(), Some(2 | 4)), "{words:?}: {status}");
    }
    for words in [&["--help"][..], &["methods"], &["methods", "--json"]] {
        let full = fs::File::options().write(true).open("/dev/full").unwrap();
        let program = assert_cmd::cargo::cargo_bin!("kantor");
        let status = std::process::Command::new(program).args(words).stdout(Stdio::from(full)).status().unwrap();
        assert_eq!(status.code(), Some(4), "{words:?}");
    }
}
