//! Chosen records in the formats of trainers: `select --format` and `--with-ranks`.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::{kantor, write_npy};

/// A pool of these records and two queries; `select` of two rows with more words.
fn select(work: &Path, records: &[&str], more: &[&str]) -> assert_cmd::assert::Assert {
    let rows: Vec<f32> = (0..records.len()).flat_map(|row| [1.0, row as f32]).collect();
    write_npy(&work.join("pool.npy"), 2, &rows);
    write_npy(&work.join("query.npy"), 2, &[1.0, 0.0, 1.0, 0.9]);
    fs::write(work.join("pool.jsonl"), records.iter().map(|record| format!("{record}\n")).collect::<String>()).unwrap();
    let mut command = kantor();
    command.current_dir(work).args(["select", "--pool", "pool.npy", "--query", "query.npy", "--budget", "2"]);
    command.args(["--method", "doubly-greedy", "-o", "out"]).args(more).assert()
}

fn lines(work: &Path, name: &str) -> Vec<Value> {
    let text = fs::read_to_string(work.join("out/doubly-greedy/k2").join(name)).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

const RECORDS: [&str; 3] = [
    r#"{"id": "x", "prompt": "a\ud800", "response": "b", "n": NaN}"#,
    r#"{"id": "y", "instruction": "c", "input": "d", "output": "e"}"#,
    r#"{"id": "z", "text": "far"}"#,
];
const WITH: [&str; 2] = ["--pool-jsonl", "pool.jsonl"];

#[test]
fn records_are_written_in_every_format_that_is_asked_for() {
    let work = tempfile::tempdir().unwrap();
    select(work.path(), &RECORDS, &[&WITH[..], &["--format", "jsonl,ids,chat,alpaca,chat"]].concat()).success();
    let dir = work.path().join("out/doubly-greedy/k2");
    let ids = fs::read_to_string(dir.join("selected.ids.txt")).unwrap();
    assert_eq!(ids, "x\ny\n");
    assert_eq!(fs::read_to_string(dir.join("selected.jsonl")).unwrap(), RECORDS[..2].join("\n") + "\n");
    let chat = fs::read_to_string(dir.join("selected.chat.jsonl")).unwrap();
    let expected = [
        r#"{"messages": [{"role": "user", "content": "a\ud800"}, {"role": "assistant", "content": "b"}]}"#,
        r#"{"messages": [{"role": "user", "content": "c\n\nd"}, {"role": "assistant", "content": "e"}]}"#,
    ];
    assert_eq!(chat.lines().collect::<Vec<_>>(), expected);
    let alpaca = fs::read_to_string(dir.join("selected.alpaca.jsonl")).unwrap();
    let expected = [
        r#"{"instruction": "a\ud800", "input": "", "output": "b"}"#,
        r#"{"instruction": "c", "input": "d", "output": "e"}"#,
    ];
    assert_eq!(alpaca.lines().collect::<Vec<_>>(), expected);
    // Every one is listed with its digest.
    let manifest: Value = serde_json::from_slice(&fs::read(work.path().join("out/manifest.json")).unwrap()).unwrap();
    let listed = |name: &str| {
        let outputs = manifest["outputs"].as_array().unwrap();
        outputs.iter().any(|output| output["path"].as_str().unwrap().ends_with(name))
    };
    assert!(["jsonl", "ids.txt", "chat.jsonl", "alpaca.jsonl"].iter().all(|end| listed(&format!("selected.{end}"))));
}

/// The weights are those of the distribution that is certified: lengths, where tokens are the budget.
#[test]
fn ranks_and_weights_are_fields_of_the_records() {
    let work = tempfile::tempdir().unwrap();
    let (chat, records) = (["--format", "chat", "--with-ranks"], [RECORDS[1], RECORDS[2], RECORDS[2]]);
    let records = records.map(|record| record.replace("\"id\"", "\"name\""));
    select(work.path(), &records.each_ref().map(String::as_str), &[&WITH[..], &chat].concat()).success();
    let marks = |line: &Value| (line["kantor_rank"].as_u64().unwrap(), line["kantor_weight"].as_f64().unwrap());
    assert_eq!(lines(work.path(), "selected.chat.jsonl").iter().map(marks).collect::<Vec<_>>(), [(0, 0.5), (1, 0.5)]);
    let records =
        [r#"{"n": 3, "q": 5, "text": "p"}"#, r#"{"n": 1, "q": 2, "text": "q"}"#, r#"{"n": 9, "q": 7, "text": "r"}"#];
    fs::write(work.path().join("pool.jsonl"), records.join("\n")).unwrap();
    // The column of quality stood in the place of that of lengths.
    for (out, quality) in [("t", &[][..]), ("q", &["--quality", "q", "--quality-weight", "0.1"])] {
        let mut command = kantor();
        command.current_dir(work.path()).args(["select", "--pool", "pool.npy", "--query", "query.npy"]).args(WITH);
        command.args(["--method", "doubly-greedy", "--token-budget", "13", "--tokens", "n", "--with-ranks", "-o", out]);
        command.args(quality).assert().success();
        let text = fs::read_to_string(work.path().join(out).join("doubly-greedy/t13/selected.jsonl")).unwrap();
        let of = |line: &str| marks(&serde_json::from_str(line).unwrap());
        assert_eq!(text.lines().map(of).collect::<Vec<_>>(), [(0, 3.0 / 13.0), (1, 1.0 / 13.0), (2, 9.0 / 13.0)]);
    }
}

#[test]
fn a_record_that_does_not_fit_is_named_with_its_fields_and_nothing_is_written() {
    let work = tempfile::tempdir().unwrap();
    let odd = [RECORDS[0], r#"{"id": "y", "chosen": "c", "rejected": "d"}"#, RECORDS[2]];
    let said = "pool.jsonl:2: cannot be written as --format chat: it has none of the known shapes";
    let refused = select(work.path(), &odd, &[&WITH[..], &["--format", "chat"]].concat()).code(3);
    refused.stderr(predicates::str::contains(said)).stderr(predicates::str::contains("id, chosen, rejected"));
    assert!(!work.path().join("out").exists());
    let system = [r#"{"prompt": "a", "response": "b", "system": "s"}"#, RECORDS[1], RECORDS[2]];
    let refused = select(work.path(), &system, &[&WITH[..], &["--format", "alpaca"]].concat()).code(3);
    refused.stderr(predicates::str::contains("pool.jsonl:1:")).stderr(predicates::str::contains("`system`"));
    let marked = [r#"{"text": "a", "kantor_rank": 1}"#, RECORDS[1], RECORDS[2]];
    let refused = select(work.path(), &marked, &[&WITH[..], &["--with-ranks"]].concat()).code(3);
    refused.stderr(predicates::str::contains("`kantor_rank` already"));
}

#[test]
fn formats_that_cannot_be_written_are_refused_before_any_work() {
    let work = tempfile::tempdir().unwrap();
    for (more, said) in [
        (&["--format", "chat"][..], "--format chat writes the records of chosen rows: give them with --pool-jsonl"),
        (&["--with-ranks"], "--with-ranks writes the records"),
        (&["--format", "ids", "--with-ranks"], "--format ids has none"),
        (&["--format", "csv"], "jsonl, ids, chat, alpaca"),
    ] {
        select(work.path(), &RECORDS, more).code(2).stderr(predicates::str::contains(said));
    }
    // Rows have numbers without records, too.
    select(work.path(), &RECORDS, &["--format", "ids"]).success();
    assert_eq!(fs::read_to_string(work.path().join("out/doubly-greedy/k2/selected.ids.txt")).unwrap(), "0\n1\n");
}

/// Whatever is in names of files and fields, the card is one header and one text, and its command checks the certificate.
#[test]
fn the_card_says_what_is_proved_and_its_command_checks_it() {
    let work = tempfile::tempdir().unwrap();
    let nasty = "`it's` <b>\n---\n# $x.npy";
    let out = select(work.path(), &RECORDS, &WITH).success();
    drop(out);
    let card = |out: &str| fs::read_to_string(work.path().join(out).join("doubly-greedy/k2/README.md")).unwrap();
    let text = card("out");
    let header: Vec<&str> = text.split("---\n").nth(1).unwrap().lines().collect();
    let value = |key: &str| -> Value {
        let line = header.iter().find_map(|line| line.strip_prefix(&format!("{key}: "))).unwrap();
        serde_json::from_str(line).unwrap()
    };
    assert_eq!(value("configs"), serde_json::json!([{"config_name": "default", "data_files": "selected.jsonl"}]));
    assert_eq!(value("size_categories"), serde_json::json!(["n<1K"]));
    let manifest: Value = serde_json::from_slice(&fs::read(work.path().join("out/manifest.json")).unwrap()).unwrap();
    let (found, result) = (value("kantor"), &manifest["results"][0]);
    assert_eq!((&found["distance"], &found["excess"]), (&result["distance"], &result["excess"]));
    assert_eq!((&found["best"], &found["method"]), (&result["best"]["lower"], &result["method"]));
    assert!(
        text.contains("# 2 records chosen of 3 for 2 queries")
            && text.contains("No choice of that size is closer than")
    );
    assert!(manifest["outputs"].as_array().unwrap().iter().any(|file| file["path"] == "doubly-greedy/k2/README.md"));

    fs::rename(work.path().join("pool.npy"), work.path().join(nasty)).unwrap();
    let kinds = ["{\"kind\": \"x\\n---\", \"text\": \"t\"}\n"; 3].concat();
    fs::write(work.path().join("pool.jsonl"), kinds).unwrap();
    let mut command = kantor();
    command.current_dir(work.path()).args(["select", "--pool", nasty, "--query", "query.npy", "--budget", "2"]);
    command
        .args(["--method", "doubly-greedy", "--quota", "kind=x\n---:0..2", "-o", "nasty"])
        .args(WITH)
        .assert()
        .success();
    let text = card("nasty");
    assert_eq!(text.lines().filter(|line| *line == "---").count(), 2, "{text}");
    assert_eq!(text.lines().filter(|line| line.starts_with('#')).count(), 3, "{text}");
    assert!(text.contains(r"x\\n---") && !text.contains("<b>\n"), "{text}");

    fs::rename(work.path().join(nasty), work.path().join("it's.npy")).unwrap();
    let mut command = kantor();
    command.current_dir(work.path()).args(["select", "--pool", "it's.npy", "--query", "query.npy", "--budget", "2"]);
    command.args(["--method", "doubly-greedy", "-o", "again"]).args(WITH).assert().success();
    let text = card("again");
    let shell = text.split("````").nth(1).unwrap().strip_prefix("sh\n").unwrap();
    let program = assert_cmd::cargo::cargo_bin!("kantor").display().to_string();
    let shell = shell.replace(
        "kantor verify certificate.json",
        &format!("'{program}' verify again/doubly-greedy/k2/certificate.json"),
    );
    let checked = std::process::Command::new("sh").arg("-c").arg(&shell).current_dir(work.path()).output().unwrap();
    assert!(checked.status.success() && checked.stdout.starts_with(b"verified"), "{shell}: {checked:?}");
    // Without records there is nothing that a card would be of.
    select(work.path(), &RECORDS, &["--format", "ids", "--force"]).success();
    assert!(!work.path().join("out/doubly-greedy/k2/README.md").exists());
}

#[test]
fn comparisons_write_records_in_the_formats_that_are_asked_for() {
    let work = tempfile::tempdir().unwrap();
    select(work.path(), &RECORDS, &[&WITH[..], &["--format", "chat,ids", "--with-ranks"]].concat()).code(2);
    select(work.path(), &RECORDS, &[&WITH[..], &["--format", "chat"]].concat()).success();
    let compare = |more: &[&str]| {
        let mut command = kantor();
        command.current_dir(work.path()).args(["compare", "--pool", "pool.npy", "--query", "query.npy", "-k", "2"]);
        command.args(["--method", "doubly-greedy", "-o", "compared", "--pool-jsonl", "pool.jsonl"]).args(more).assert()
    };
    compare(&["--format", "chat"]).code(2).stderr(predicates::str::contains("--write-selections"));
    compare(&["--write-selections", "--format", "parquet"]).code(2).stderr(predicates::str::contains("jsonl"));
    compare(&["--write-selections", "--format", "chat,ids"]).success();
    let written = |out: &str, name: &str| fs::read(work.path().join(out).join("doubly-greedy/k2").join(name));
    assert_eq!(written("compared", "selected.chat.jsonl").unwrap(), written("out", "selected.chat.jsonl").unwrap());
    assert_eq!(written("compared", "selected.ids.txt").unwrap(), b"x\ny\n");
    assert!(written("compared", "selected.jsonl").is_err());
}
