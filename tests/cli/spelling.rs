//! JSON that the program reads is read in one spelling: arrays do not pass for objects, wherever it comes from.

use std::fs;
use std::path::Path;

use predicates::prelude::PredicateBooleanExt;
use predicates::str::contains;
use serde_json::{Value, json};

use crate::support::{example, kantor, printed_json, select_example, write_npy};

/// Replaces the value at `place` of a JSON file by what `change` makes of it.
fn respell(path: &Path, place: &str, change: impl FnOnce(Value) -> Value) {
    let mut tree: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    let value = tree.pointer_mut(place).unwrap();
    *value = change(value.take());
    fs::write(path, tree.to_string()).unwrap();
}

/// The array of these fields of an object.
fn array(object: &Value, keys: &[&str]) -> Value {
    keys.iter().map(|key| object[*key].clone()).collect()
}

#[test]
fn a_manifest_of_arrays_is_no_manifest_to_study() {
    let work = tempfile::tempdir().unwrap();
    let (out, results) = (work.path().join("out"), work.path().join("results.csv"));
    select_example(&out, &["--budget", "5"]).assert().success();
    fs::write(&results, "task,method,budget,seed,value\ngsm8k,round-robin,5,0,1.5\n").unwrap();
    let study = || {
        let run = format!("gsm8k={}", out.display());
        let mut command = kantor();
        command.arg("study").arg("--results").arg(&results).args(["--run", &run, "--json"]);
        command
    };
    assert_eq!(printed_json(&mut study())["cells"].as_array().unwrap().len(), 1);
    let manifest = out.join("manifest.json");
    let good = fs::read(&manifest).unwrap();
    respell(&manifest, "/results/0/distance", |ends| array(&ends, &["lower", "upper"]));
    study().assert().code(3).stderr(contains("manifest.json").and(contains("is a damaged manifest")));
    fs::write(&manifest, &good).unwrap();
    respell(&manifest, "", |whole| {
        let result = &whole["results"][0];
        let result = array(result, &["method", "budget", "distance"]);
        json!([whole["schema"], whole["seed"], [result]])
    });
    study().assert().code(3).stderr(contains("is no manifest"));
    fs::write(&manifest, "[".repeat(200_000)).unwrap();
    study().assert().code(3).stderr(contains("is no manifest"));
}

#[test]
fn a_manifest_of_arrays_owns_no_files() {
    let work = tempfile::tempdir().unwrap();
    let out = work.path().join("out");
    fs::create_dir(&out).unwrap();
    fs::write(out.join("keep.txt"), "mine").unwrap();
    fs::write(out.join("manifest.json"), r#"["kantor/manifest/1", [["keep.txt"]]]"#).unwrap();
    select_example(&out, &["--budget", "5", "--force"]).assert().failure();
    assert_eq!(fs::read_to_string(out.join("keep.txt")).unwrap(), "mine");
}

#[test]
fn a_damaged_manifest_does_not_hide_that_held_out_queries_took_part() {
    let work = tempfile::tempdir().unwrap();
    let out = work.path().join("out");
    select_example(&out, &["--budget", "5"]).assert().success();
    let bound = || {
        let mut command = kantor();
        command.args(["bound", "--pool"]).arg(example("pool.embed.npy"));
        command.arg("--query").arg(example("query_humaneval.embed.npy"));
        command.arg("--heldout-query").arg(example("query_gsm8k.embed.npy"));
        command.arg("--subset").arg(out.join("round-robin/k5/indices.npy")).arg("--json");
        command
    };
    bound().assert().success();
    let manifest = out.join("manifest.json");
    let good = fs::read(&manifest).unwrap();
    respell(&manifest, "/inputs/1", |input| array(&input, &["role", "sha256"]));
    bound().assert().code(3).stderr(contains("manifest.json").and(contains("damaged")));
    fs::write(&manifest, &good).unwrap();
    respell(&manifest, "/inputs", |inputs| inputs[0].clone());
    bound().assert().code(3).stderr(contains("damaged"));
    // Not one of kantor's: none of its business.
    fs::write(&manifest, r#"{"name": "an app", "schema": "https://json.schemastore.org"}"#).unwrap();
    bound().assert().success();
}

#[test]
fn records_of_arrays_are_no_records_to_batch() {
    let work = tempfile::tempdir().unwrap();
    let path = |name: &str| work.path().join(name);
    let rows: Vec<f32> = (0..60).map(|i| (i * i % 17) as f32 - 7.5).collect();
    write_npy(&path("pool.npy"), 3, &rows);
    write_npy(&path("query.npy"), 3, &rows[..6]);
    let jobs = "out = \"out\"\npool = \"pool.npy\"\nbudgets = [2]\n[tasks]\na = \"query.npy\"\n";
    fs::write(path("jobs.toml"), jobs).unwrap();
    let batch = |more: &[&str]| printed_json(kantor().arg("batch").arg(path("jobs.toml")).arg("--json").args(more));
    assert_eq!(batch(&[])["counts"]["ran"], 1);
    assert_eq!(batch(&[])["counts"]["ran"], 0);
    let directory = path("out/a/round-robin-k2-seed0");
    let of: Value = serde_json::from_slice(&fs::read(directory.join("job.json")).unwrap()).unwrap();
    let state = || kantor().arg("batch").arg(path("jobs.toml")).args(["--status", "--json"]).output().unwrap();
    let state = || -> Value { serde_json::from_slice(&state().stdout).unwrap() };
    let job = fs::read(directory.join("job.json")).unwrap();
    respell(&directory.join("job.json"), "", |of| array(&of, &["digest"]));
    assert_eq!(state()["counts"]["done"], 0, "job.json");
    fs::write(directory.join("job.json"), job).unwrap();
    assert_eq!(state()["counts"]["done"], 1);
    respell(&directory.join("manifest.json"), "/results/0/distance", |ends| array(&ends, &["lower", "upper"]));
    assert_eq!(state()["counts"]["done"], 0, "manifest.json");

    fs::remove_dir_all(&directory).unwrap();
    let failure = json!({"schema": "kantor/job-failure/1", "digest": of["digest"], "error": "none", "at": 1});
    let record = path("out/.batch/a/round-robin-k2-seed0.failed.json");
    fs::write(&record, failure.to_string()).unwrap();
    assert_eq!(state()["counts"]["failed"], 1);
    fs::write(&record, array(&failure, &["schema", "digest", "error", "at"]).to_string()).unwrap();
    assert_eq!(state()["counts"]["failed"], 0, "failed.json");
}
