//! What is saved is read back, whatever made it.

use std::fs;
use std::path::Path;

use kantor::prelude::*;
use kantor::record::Comparison;
use serde_json::Value;

use super::support::{example, indices, json, kantor, select_example};

/// A record in a directory, whose selections have as many rows as they say, and a certificate each.
#[track_caller]
fn loaded(directory: &Path, selections: usize) -> Record {
    let record = Record::load(directory).unwrap();
    assert_eq!((record.manifest.results.len(), record.files.len()), (selections, selections));
    for (selection, files) in record.selections() {
        let files = files.unwrap();
        assert_eq!(files.rows.len(), selection.budget);
        assert_eq!(files.certificate.as_ref().unwrap().distance, selection.distance.unwrap());
        let listed = indices(&directory.join(selection.dir.as_ref().unwrap()).join("indices.npy"));
        assert!(files.rows.iter().map(|row| row.index as i64).eq(listed));
    }
    record
}

/// What was read is what was written, key by key.
#[track_caller]
fn says_the_same(record: &Record, manifest: &Path) {
    assert_eq!(serde_json::to_value(&record.manifest).unwrap(), json(manifest));
}

#[test]
fn rows_in_memory_are_saved_and_loaded_as_they_were() {
    let numbers: Vec<f64> = (0..60).map(|i: i32| f64::from(i * i % 17) - 7.25).collect();
    let pool = DenseRows::from_f64(3, numbers.clone()).unwrap();
    let query = DenseRows::from_f64(3, numbers[5..17].to_vec()).unwrap();
    let methods = ["optimal", "mmd", "uot", "random"].map(str::to_owned).to_vec();
    let request = Request { methods, cross_fit: Some(2), ..Request::default() };
    let work = tempfile::tempdir().unwrap();
    for (name, objective, request) in [
        ("transport", Target::W, request.clone()),
        ("mmd", Target::Mmd, request.clone()),
        ("unproved", Target::W, Request { certify: false, cross_fit: None, ..request }),
    ] {
        let goal = Goal { cost: Cost::Euclidean, objective, budgets: vec![2, 5], ..Goal::default() };
        let problem = Problem::new(&pool, &query, goal).unwrap();
        let outcome = choose(&problem, &request, &Quiet).unwrap();
        let directory = work.path().join(name);
        let saved = outcome.save(&problem, &directory).unwrap();
        let record = Record::load(&directory).unwrap();
        assert_eq!(record, saved);
        let rows = |of: &Record| -> Vec<Vec<usize>> {
            of.files.iter().flatten().map(|files| files.rows.iter().map(|row| row.index).collect()).collect()
        };
        let chosen: Vec<Vec<usize>> = outcome.selections().map(|(_, proved)| proved.selection.rows.clone()).collect();
        assert_eq!(rows(&record), chosen);
        // Never over something, and a record that was loaded is saved like any other.
        assert!(outcome.save(&problem, &directory).unwrap_err().to_string().contains("exists"));
        let copy = work.path().join(format!("{name}-copy"));
        assert_eq!(record.clone().save(&copy).unwrap(), record);
    }
}

#[test]
fn results_of_every_command_are_loaded() {
    let work = tempfile::tempdir().unwrap();
    let path = |name: &str| work.path().join(name);
    let methods = ["--method=optimal,round-robin,random", "--budget=5,9", "--cross-fit=2"];
    select_example(&path("select"), &methods).assert().success();
    says_the_same(&loaded(&path("select"), 6), &path("select/manifest.json"));

    let more = |command: &str, out: &str, more: &[&str]| {
        let mut kantor = kantor();
        kantor.arg(command).arg("--pool").arg(example("pool.embed.npy"));
        kantor.arg("--query").arg(example("query_gsm8k.embed.npy")).arg("-o").arg(path(out)).args(more);
        kantor.assert().success();
    };
    let compared = ["--method=round-robin,random", "--budget=5", "--cost=cosine,euclidean", "--random-seeds=2"];
    more("compare", "compare", &[&compared[..], &["--write-selections"]].concat());
    says_the_same(&loaded(&path("compare"), 2), &path("compare/manifest.json"));
    let text = fs::read(path("compare/results.json")).unwrap();
    let comparison: Comparison = kantor::theory::json::from_slice(&text).unwrap();
    assert_eq!(comparison.results.len(), 4);
    assert_eq!(serde_json::to_value(&comparison).unwrap(), serde_json::from_slice::<Value>(&text).unwrap());
    more("compare", "compare-only", &compared);
    let record = Record::load(path("compare-only")).unwrap();
    assert!(record.selections().all(|(selection, files)| selection.dir.is_none() && files.is_none()));

    more("quantiles", "quantiles", &["--bins=3", "--take=5"]);
    let record = loaded(&path("quantiles"), 3);
    says_the_same(&record, &path("quantiles/manifest.json"));
    assert_eq!(record.manifest.results[2].bin, Some(2));

    let jobs = format!(
        "out = {:?}\npool = {:?}\nbudgets = [4]\n[tasks]\na = {:?}\n",
        path("batch"),
        example("pool.embed.npy"),
        example("query_gsm8k.embed.npy")
    );
    fs::write(path("jobs.toml"), jobs).unwrap();
    kantor().arg("batch").arg(path("jobs.toml")).assert().success();
    let job = path("batch/a/round-robin-k4-seed0");
    says_the_same(&loaded(&job, 1), &job.join("manifest.json"));
}

#[test]
fn a_result_that_was_changed_is_not_loaded() {
    let work = tempfile::tempdir().unwrap();
    let out = work.path().join("out");
    select_example(&out, &["--budget=5"]).assert().success();
    let refused = |words: &[&str]| {
        let error = Record::load(&out).unwrap_err().to_string();
        assert!(words.iter().all(|word| error.contains(word)), "{error}");
    };
    let manifest = fs::read_to_string(out.join("manifest.json")).unwrap();
    for name in ["indices.npy", "selection.jsonl", "certificate.json", "prices.json"] {
        let file = out.join("round-robin/k5").join(name);
        let good = fs::read(&file).unwrap();
        let mut bad = good.clone();
        *bad.last_mut().unwrap() ^= 1;
        fs::write(&file, bad).unwrap();
        refused(&[name, "was changed"]);
        fs::remove_file(&file).unwrap();
        refused(&[name]);
        fs::write(&file, good).unwrap();
        // A manifest that keeps silent about a file does not hide what is in it, and names none outside.
        fs::write(out.join("manifest.json"), manifest.replace(&format!("k5/{name}"), "../manifest.json")).unwrap();
        refused(&["../manifest.json", "does not lie in"]);
        fs::write(out.join("manifest.json"), &manifest).unwrap();
    }
    Record::load(&out).unwrap();
    fs::write(out.join("manifest.json"), r#"{"schema": "https://json.schemastore.org"}"#).unwrap();
    refused(&["manifest.json", "no manifest of kantor"]);
}
