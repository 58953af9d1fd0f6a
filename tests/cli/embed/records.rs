//! What files of rows say of how they were made: shown, and compared.

use std::fs;
use std::path::Path;

use predicates::prelude::PredicateBooleanExt;
use predicates::str::contains;
use serde_json::{Value, json};

use crate::support::{kantor, printed_json};

/// The record of rows of a model of this digest, with what a prompt stands before.
fn record(sha256: &str, max_length: usize, prompt: &str) -> Value {
    json!({
        "schema": "kantor/embed/1", "version": "0", "represent": "embed",
        "model": {"path": format!("models/{sha256}"), "sha256": sha256, "max_length": max_length, "prompt": prompt},
        "text": [{"path": "a\u{1b}.jsonl", "sha256": "ff", "rows": 3}],
        "template": null, "first": 0, "rows": 3, "dim": 2, "element": "f32", "cut": 0,
    })
}

/// A file of three rows that says this of itself.
fn write(file: &Path, said: Option<&Value>) {
    let mut header = json!({"rows": {"dtype": "F32", "shape": [3, 2], "data_offsets": [0, 24]}});
    if let Some(said) = said {
        header["__metadata__"] = json!({"kantor": said.to_string()});
    }
    let mut header = header.to_string().into_bytes();
    header.resize(header.len().next_multiple_of(8), b' ');
    let numbers: Vec<u8> = [1_f32, 0.0, 0.6, 0.8, 0.0, 1.0].iter().flat_map(|x| x.to_le_bytes()).collect();
    fs::write(file, [&(header.len() as u64).to_le_bytes(), &header[..], &numbers].concat()).unwrap();
}

#[test]
fn inspect_shows_how_rows_were_made() {
    let work = tempfile::tempdir().unwrap();
    let said = record("abc", 10, "query: ");
    write(&work.path().join("made.safetensors"), Some(&said));
    write(&work.path().join("plain.safetensors"), None);
    let inspect = || {
        let mut command = kantor();
        command.current_dir(work.path()).args(["inspect", "made.safetensors", "plain.safetensors"]);
        command
    };
    let printed = printed_json(inspect().arg("--json"));
    assert_eq!((&printed["files"][0]["made"], printed["files"][1].get("made")), (&said, None));
    let shown = contains(
        "made by     model.max_length 10, model.path \"models/abc\", model.prompt \"query: \", model.sha256 \"abc\"",
    );
    // What a file says is escaped.
    let escaped = contains("made of     path \"a\\u001b.jsonl\", rows 3, sha256 \"ff\"");
    inspect().assert().success().stdout(shown.and(escaped).and(contains("\u{1b}").not()));
}

/// Parts of a text that are joined in another order would be taken for other lines of it.
#[test]
fn shards_in_another_order_than_their_text_are_refused() {
    let work = tempfile::tempdir().unwrap();
    let at = |name: &str| work.path().join(name);
    fs::create_dir(at("pool")).unwrap();
    let part = |name: &str, first: usize, text: &str| {
        let mut said = record("abc", 10, "");
        (said["first"], said["text"][0]["sha256"]) = (first.into(), text.into());
        write(&at("pool").join(name), Some(&said));
    };
    write(&at("query.safetensors"), Some(&record("abc", 10, "")));
    let distance = || {
        let mut command = kantor();
        command.current_dir(work.path()).args(["distance", "--pool", "pool", "--query", "query.safetensors"]);
        command.assert()
    };
    part("p1.safetensors", 0, "ff");
    part("p2.safetensors", 3, "ff");
    // Another text begins anew.
    part("q.safetensors", 0, "ee");
    distance().success();
    part("p10.safetensors", 6, "ff");
    distance().code(3).stderr(contains("p2.safetensors").and(contains("rows from 3 on").and(contains("p10"))));
}

#[test]
fn rows_of_other_models_are_compared_only_on_request() {
    let work = tempfile::tempdir().unwrap();
    let at = |name: &str| work.path().join(name);
    write(&at("pool.safetensors"), Some(&record("abc", 10, "passage: ")));
    let command = |words: &[&str]| {
        let mut command = kantor();
        command.current_dir(work.path()).args(words);
        command.args(["--pool", "pool.safetensors", "--query", "query.safetensors"]);
        command.assert()
    };
    let commands: [&[&str]; 4] = [
        &["select", "-k", "1", "-o", "out"],
        &["compare", "-k", "1", "-o", "out"],
        &["distance"],
        &["quantiles", "--bins", "1", "--take", "1", "-o", "out"],
    ];
    // The prompt is one of queries, and a file of another program says nothing.
    for same in [Some(record("abc", 10, "query: ")), None] {
        write(&at("query.safetensors"), same.as_ref());
        command(commands[2]).success();
    }
    for (other, ours, theirs) in [
        (record("def", 10, "query: "), "model.sha256 \"def\"", "model.sha256 \"abc\""),
        (record("abc", 20, "query: "), "model.max_length 20", "model.max_length 10"),
    ] {
        write(&at("query.safetensors"), Some(&other));
        for words in commands {
            let named = contains("query.safetensors").and(contains("pool.safetensors")).and(contains("--mixed-models"));
            command(words).code(3).stderr(named.and(contains(ours)).and(contains(theirs)));
            assert!(!at("out").exists());
        }
        for words in commands {
            command(&[words, &["--mixed-models"]].concat()).success();
            let _ = fs::remove_dir_all(at("out"));
        }
    }
    // Shards of a pool, and the tasks of a job file.
    write(&at("query.safetensors"), Some(&record("abc", 10, "")));
    write(&at("more.safetensors"), Some(&record("def", 10, "")));
    command(&["distance", "--pool", "more.safetensors"]).code(3).stderr(contains("model.sha256"));
    let jobs = |more: &str| {
        format!("pool = \"pool.safetensors\"\nout = \"jobs\"\nbudgets = [1]\n{more}[tasks]\na = \"more.safetensors\"\n")
    };
    for (more, code) in [("", 1), ("mixed-models = true\n", 0)] {
        fs::write(at("jobs.toml"), jobs(more)).unwrap();
        kantor().current_dir(work.path()).args(["batch", "jobs.toml"]).assert().code(code);
    }
    // What pool rows must not be near, and queries that are held out.
    fs::write(at("one.txt"), "0\n").unwrap();
    let others: [&[&str]; 2] = [
        &["distance", "--subset", "one.txt", "--exclude-near", "more.safetensors"],
        &["bound", "--subset", "one.txt", "--heldout-query", "more.safetensors"],
    ];
    for words in others {
        command(words).code(3).stderr(contains("more.safetensors").and(contains("model.sha256")));
        // All of these rows are near: then none can be chosen.
        let all_the_same = command(&[words, &["--mixed-models"]].concat());
        match words[0] {
            "bound" => all_the_same.success(),
            _ => all_the_same.code(3).stderr(contains("3 of 3 are excluded")),
        };
    }
    // A proof is about rows, whoever made them.
    command(&["select", "-k", "1", "-o", "out"]).success();
    write(&at("query.safetensors"), Some(&record("def", 10, "")));
    kantor().current_dir(work.path()).args(["verify", "out/round-robin/k1/certificate.json"]).assert().success();
}
