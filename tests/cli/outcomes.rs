//! Exit codes and messages: every way in which a run can end.

use std::fs;

use predicates::prelude::PredicateBooleanExt;
use predicates::str::contains;

use crate::support::{example, kantor, select_example, write_npy};

#[test]
fn words_that_make_no_sense_end_with_2() {
    let work = tempfile::tempdir().unwrap();
    let out = work.path().join("out");
    for words in [
        &["--budget", "5", "--method", "no-such-method"][..],
        &["--budget", "five"],
        &["--budget", "5", "--cost", "manhattan"],
        &["--budget", "5", "--cost", "precomputed"],
        &["--budget", "5", "--method", "uot", "--epsilon", "0"],
        &["--budget", "5", "--method", "uot", "--epsilon", "NaN"],
        &["--budget", "5", "--method", "knn-uniform", "--alpha", "1.5"],
        &["--budget", "5", "--unknown-flag"],
        &["--budget", "5", "--max-memory", "lots"],
    ] {
        select_example(&out, words).assert().code(2);
        assert!(!out.exists(), "{words:?}");
    }
}

#[test]
fn budgets_that_do_not_fit_end_with_3_and_name_the_pool() {
    let work = tempfile::tempdir().unwrap();
    let out = work.path().join("out");
    for budget in ["0", "5006"] {
        select_example(&out, &["--budget", budget]).assert().code(3).stderr(contains("5005"));
        assert!(!out.exists());
    }
}

#[test]
fn bad_rows_end_with_3_and_are_dropped_on_request() {
    let work = tempfile::tempdir().unwrap();
    let pool = work.path().join("pool.npy");
    let query = work.path().join("query.npy");
    write_npy(&pool, 2, &[1.0, 0.0, f32::NAN, 1.0, 0.0, 0.0, 0.0, 1.0]);
    write_npy(&query, 2, &[1.0, 0.5]);
    let out = work.path().join("out");
    let run = || {
        let mut command = kantor();
        command.args(["select", "--budget", "2", "--pool"]).arg(&pool).arg("--query").arg(&query);
        command.arg("-o").arg(&out);
        command
    };
    run().assert().code(3).stderr(contains("pool.npy")).stderr(contains("--on-bad-row drop"));
    assert!(!out.exists());
    run().args(["--on-bad-row", "drop"]).assert().success();
    assert_eq!(crate::support::indices(&out.join("round-robin/k2/indices.npy")), [0, 3]);
    let manifest = crate::support::json(&out.join("manifest.json"));
    let dropped: Vec<_> = manifest["dropped_rows"].as_array().unwrap().iter().map(|d| d["row"].clone()).collect();
    assert_eq!(dropped, [1, 2]);
}

#[test]
fn a_missing_file_ends_with_4() {
    let work = tempfile::tempdir().unwrap();
    let mut command = kantor();
    command.args(["select", "--budget", "2", "--pool", "no-such-file.npy", "--query"]);
    command.arg(example("query_gsm8k.embed.npy")).arg("-o").arg(work.path().join("out"));
    command.assert().code(4).stderr(contains("no-such-file.npy"));
}

#[test]
fn too_little_memory_ends_with_5_before_anything_is_written() {
    let work = tempfile::tempdir().unwrap();
    let out = work.path().join("out");
    select_example(&out, &["--budget", "5000", "--max-memory", "100K"]).assert().code(5);
    assert!(!out.exists());
}

#[test]
fn text_rows_must_be_as_many_as_vectors() {
    let work = tempfile::tempdir().unwrap();
    let text = work.path().join("rows.jsonl");
    fs::write(&text, "{}\n{}\n").unwrap();
    let out = work.path().join("out");
    let run = select_example(&out, &["--budget", "5", "--pool-jsonl"]).arg(&text).assert().code(3);
    run.stderr(contains("rows.jsonl")).stderr(contains("5005"));
    assert!(!out.exists());
}

#[test]
fn older_results_stay_unless_forced_and_strangers_stay_always() {
    let work = tempfile::tempdir().unwrap();
    let out = work.path().join("out");
    select_example(&out, &["--budget", "5"]).assert().success();
    select_example(&out, &["--budget", "6"]).assert().code(2).stderr(contains("--force"));
    assert!(out.join("round-robin/k5").exists());
    let replaced = select_example(&out, &["--budget", "6", "--force"]).assert().success();
    replaced.stdout(contains("in the place of an older result"));
    assert!(out.join("round-robin/k6").exists() && !out.join("round-robin/k5").exists());
    fs::write(out.join("notes.txt"), "mine").unwrap();
    select_example(&out, &["--budget", "7", "--force"]).assert().code(2).stderr(contains("notes.txt"));
    assert_eq!(fs::read_to_string(out.join("notes.txt")).unwrap(), "mine");
    let left: Vec<_> = fs::read_dir(work.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["out"]);
}

#[test]
fn queries_in_the_pool_are_counted_and_may_be_forbidden() {
    let work = tempfile::tempdir().unwrap();
    let out = work.path().join("out");
    let mut command = kantor();
    command.args(["select", "--budget", "5", "-o"]).arg(&out);
    command.arg("--pool").arg(example("query_gsm8k.embed.npy")).arg("--query").arg(example("query_gsm8k.embed.npy"));
    command.arg("--forbid-overlap").assert().code(3).stderr(contains("100"));
    assert!(!out.exists());
}

#[test]
fn pickles_are_refused_with_a_way_out() {
    let work = tempfile::tempdir().unwrap();
    let pickle = work.path().join("rows.pt");
    fs::write(&pickle, b"\x80\x02}q\x00.").unwrap();
    let mut command = kantor();
    command.args(["select", "--budget", "2", "--pool"]).arg(&pickle).arg("--query");
    command.arg(example("query_gsm8k.embed.npy")).arg("-o").arg(work.path().join("out"));
    command.assert().code(3).stderr(contains("safetensors"));
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let mut child = std::process::Command::new(assert_cmd::cargo::cargo_bin!("kantor"))
        .arg("methods")
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn names_may_follow_a_space() {
    let work = tempfile::tempdir().unwrap();
    let out = work.path().join("out");
    let words = ["--budget", "5", "--no-certify", "--method"];
    select_example(&out, &words).arg("round-robin, random").assert().success();
    assert!(out.join("random/k5/indices.npy").exists());
}

#[test]
fn a_negative_number_is_refused_as_the_value_of_its_flag() {
    let work = tempfile::tempdir().unwrap();
    let out = work.path().join("out");
    for (words, flag) in
        [(["--budget", "-5", "--seed", "1"], "--budget"), (["--budget", "5", "--seed", "-1"], "--seed")]
    {
        let refused = select_example(&out, &words).assert().code(2);
        refused.stderr(contains("invalid value").and(contains(flag)).and(contains("unexpected").not()));
    }
}
