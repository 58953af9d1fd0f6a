//! Quality in what is minimised and proved: the same answer for files, fields and columns, both ends verified, and clear words for
//! what makes no quality.

use std::fs;
use std::path::Path;

use assert_cmd::Command;
use predicates::prelude::PredicateBooleanExt;
use predicates::str::contains;
use serde_json::{Value, json};

use crate::support::{indices, kantor, printed_json, write_npy};

/// Rows of the pool.
const ROWS: usize = 60;

/// What row `row` is worth: those far from all queries most.
fn score(row: usize) -> f64 {
    if row >= 50 { 4.0 + 0.01 * row as f64 } else { (row * 37 % 50) as f64 / 25.0 - 1.0 }
}

/// A pool of 60 rows on a line, ten of them far away, four queries, and what the rows are worth as text, as JSON lines and as
/// a field of the pool's examples.
fn data() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let point = |x: f32| [x, 0.01 * x * x];
    let place = |row: usize| if row >= 50 { 8.0 + 0.1 * row as f32 } else { 0.1 * ((7 * row) % 50) as f32 };
    write_npy(&at("pool.npy"), 2, &(0..ROWS).flat_map(|row| point(place(row))).collect::<Vec<f32>>());
    write_npy(&at("query.npy"), 2, &[0.3, 1.4, 3.2, 4.4].into_iter().flat_map(point).collect::<Vec<f32>>());
    write_npy(&at("a.npy"), 2, &[0.3, 1.4].into_iter().flat_map(point).collect::<Vec<f32>>());
    write_npy(&at("b.npy"), 2, &[3.2, 4.4].into_iter().flat_map(point).collect::<Vec<f32>>());
    let lines = |of: &dyn Fn(usize) -> String| (0..ROWS).map(|row| of(row) + "\n").collect::<String>();
    fs::write(at("score.txt"), lines(&|row| score(row).to_string())).unwrap();
    fs::write(at("scores.jsonl"), lines(&|row| json!({"good": score(row), "bad": -score(row)}).to_string())).unwrap();
    let example = |row: usize| json!({"id": format!("r{row}"), "source": (row % 3).to_string(), "good": score(row)});
    fs::write(at("pool.jsonl"), lines(&|row| example(row).to_string())).unwrap();
    directory
}

fn select(at: &Path, out: &str, more: &[&str]) -> Command {
    let mut words =
        vec!["select", "--pool", "pool.npy", "--query", "query.npy", "--cost", "euclidean", "--budget", "8"];
    words.extend(["-o", out]);
    words.extend(more);
    let mut command = kantor();
    command.current_dir(at).args(words);
    command
}

/// The mean quality of a selection, as the files say.
fn mean(at: &Path, dir: &str) -> f64 {
    let rows = indices(&at.join(dir).join("indices.npy"));
    rows.iter().map(|&row| score(row as usize)).sum::<f64>() / rows.len() as f64
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

/// Where the number of queries divides the budget the choice is a best one, and more weight gives no less quality; the distance that
/// is recorded is that of the rows, whatever they are worth.
#[test]
fn more_weight_gives_no_less_quality_and_optimal_stays_optimal() {
    let directory = data();
    let at = directory.path();
    let (mut last, mut far) = (f64::NEG_INFINITY, 0);
    for (out, weight) in ["0", "0.01", "0.1", "1", "1000", "1e200"].into_iter().enumerate() {
        let out = format!("out{out}");
        let more = ["--method", "optimal,swap,round-robin", "--quality", "score.txt", "--quality-weight", weight];
        let printed = printed_json(&mut select(at, &out, &[&more[..], &["--json"]].concat()));
        let results = printed["results"].as_array().unwrap();
        let weight: f64 = weight.parse().unwrap();
        for result in results {
            let dir = result["dir"].as_str().unwrap();
            let quality = &result["quality"];
            assert!((number(&quality["mean"]) - mean(at, dir)).abs() <= 1e-12, "{dir}");
            if weight == 0.0 {
                assert!(quality["less_quality"].is_null() && result["best"]["lower"].is_number(), "{dir}");
                continue;
            }
            assert!(result["best"].is_null() && result["excess"].is_null(), "{dir}");
            let less = number(&result["distance"]["upper"]) - weight * number(&quality["mean"]);
            let room = 1e-9 * (1.0 + weight);
            assert!((number(&quality["less_quality"]["upper"]) - less).abs() <= room, "{dir}");
            assert!(number(&quality["best"]) <= number(&quality["less_quality"]["upper"]));
            assert!(number(&quality["gap"]) >= 0.0, "{dir}");
            kantor().current_dir(at).arg("verify").arg(format!("{dir}/certificate.json")).assert().success();
        }
        // Beside worths of 1e200 rounding leaves a gap that no distance is worth.
        let status = json!(if weight < 1e100 { "optimal" } else { "certified" });
        assert_eq!((&results[0]["status"], &results[1]["status"]), (&status, &status), "{weight}");
        let now = number(&results[0]["quality"]["mean"]);
        assert!(now >= last - 1e-12, "{weight}: {now} after {last}");
        last = now;
        far = indices(&at.join(&out).join("optimal/k8/indices.npy")).iter().filter(|row| **row >= 50).count();
    }
    // Of the ten rows that are worth most and far from every query.
    assert_eq!(far, 8);
}

/// Without weight, nothing of quality is in a certificate: its bytes are those of a choice that was told nothing of it.
#[test]
fn a_weight_of_zero_leaves_certificates_as_they_are() {
    let directory = data();
    let at = directory.path();
    let methods = ["--method", "optimal,energy,round-robin", "--objective"];
    for objective in ["w", "energy"] {
        let methods = [&methods[..], &[objective]].concat();
        let out = |name: &str| format!("{objective}-{name}");
        let zero = [&methods[..], &["--quality", "score.txt", "--quality-weight", "0"]].concat();
        select(at, &out("zero"), &zero).assert().success().stdout(contains("which has no weight"));
        select(at, &out("without"), &methods).assert().success();
        for method in ["optimal", "energy", "round-robin"] {
            for file in ["certificate.json", "selection.jsonl"] {
                let read = |name: &str| fs::read(at.join(out(name)).join(method).join("k8").join(file)).unwrap();
                assert_eq!(read("zero"), read("without"), "{objective} {method} {file}");
            }
        }
    }
}

/// From a file, a field of JSON lines, a column, or the pool's examples; in text or in compressed text; on one thread or more and
/// from shards: one and the same rows and bounds.
#[test]
fn quality_is_the_same_wherever_it_is_read() {
    let directory = data();
    let at = directory.path();
    let rows = fs::read(at.join("pool.npy")).unwrap();
    let header = rows.len() - ROWS * 8;
    let values: Vec<f32> = rows[header..].chunks(4).map(|x| f32::from_le_bytes(x.try_into().unwrap())).collect();
    write_npy(&at.join("one.npy"), 2, &values[..2 * 23]);
    write_npy(&at.join("two.npy"), 2, &values[2 * 23..]);
    let mut packed =
        flate2::write::GzEncoder::new(fs::File::create(at.join("score.txt.gz")).unwrap(), Default::default());
    std::io::Write::write_all(&mut packed, &fs::read(at.join("score.txt")).unwrap()).unwrap();
    packed.finish().unwrap();
    let common = ["--method", "optimal,energy", "--quality-weight", "0.2", "--objective", "energy", "--json"];
    let ways: [&[&str]; 7] = [
        &["--quality", "score.txt"],
        &["--quality", "score.txt.gz"],
        &["--quality", "scores.jsonl:good"],
        &["--quality", "good", "--column", "good=scores.jsonl"],
        &["--quality", "worth", "--column", "worth=scores.jsonl:good"],
        &["--quality", "good", "--pool-jsonl", "pool.jsonl"],
        &["--quality", "score.txt", "--threads", "1"],
    ];
    let mut found = Vec::new();
    for (way, more) in ways.iter().enumerate() {
        let out = format!("way{way}");
        found.push(printed_json(&mut select(at, &out, &[&common[..], more].concat())));
    }
    let mut shards = kantor();
    let words = ["select", "--pool", "one.npy", "--pool", "two.npy", "--query", "query.npy", "--cost", "euclidean"];
    shards.current_dir(at).args(words).args(["--budget", "8", "-o", "shards", "--quality", "score.txt"]).args(common);
    found.push(printed_json(&mut shards));
    for other in &found[1..] {
        for (one, two) in found[0]["results"].as_array().unwrap().iter().zip(other["results"].as_array().unwrap()) {
            assert_eq!((&one["quality"], &one["distance"]), (&two["quality"], &two["distance"]));
        }
    }
    // A certificate says where its column was read, and finds it in its result where that is gone.
    let certificate = "way4/energy/k8/certificate.json";
    let columns = fs::read_to_string(at.join("way4/columns.jsonl")).unwrap();
    assert!(columns.starts_with("{\"worth\":-1.0}"), "{columns}");
    kantor()
        .current_dir(at)
        .args(["verify", certificate])
        .assert()
        .success()
        .stdout(contains("squared and less 0.2 times"));
    fs::rename(at.join("scores.jsonl"), at.join("moved.jsonl")).unwrap();
    kantor().current_dir(at).args(["verify", certificate]).assert().success();
    let given = ["--column", "worth=moved.jsonl:bad"];
    kantor()
        .current_dir(at)
        .args(["verify", certificate])
        .args(given)
        .assert()
        .code(1)
        .stdout(contains("cannot-check"));
    // One number changed.
    let text = fs::read_to_string(at.join("score.txt")).unwrap().replacen("-1\n", "-0.5\n", 1);
    fs::write(at.join("score.txt"), text).unwrap();
    let changed = ["verify", "way0/energy/k8/certificate.json", "--column", "quality=score.txt"];
    let changed = kantor().current_dir(at).args(changed).assert().code(1);
    changed.stdout(contains("cannot-check").and(contains("digest of its values")));
}

/// With constraints, weights of queries, the mixture of tasks, cross-fitting and p = 2; prices are in units of what is minimised, and
/// say nothing of new rows.
#[test]
fn quality_goes_with_constraints_weights_and_mixtures_of_tasks() {
    let directory = data();
    let at = directory.path();
    fs::write(at.join("weights.txt"), "1\n2\n1\n4\n").unwrap();
    let quality = ["--quality", "good", "--pool-jsonl", "pool.jsonl", "--quality-weight", "0.3"];
    let methods = ["--method", "optimal,swap,energy,uot", "--json"];
    for (out, more) in [
        ("quota", &["--quota", "source:..4", "--cross-fit", "2"][..]),
        ("weights", &["--query-weights", "weights.txt", "--p", "2"]),
        ("energy", &["--objective", "energy", "--quota", "source=1:3..", "--query-weights", "weights.txt"]),
    ] {
        let printed = printed_json(&mut select(at, out, &[&quality[..], &methods, more].concat()));
        for result in printed["results"].as_array().unwrap() {
            let dir = result["dir"].as_str().unwrap();
            kantor().current_dir(at).arg("verify").arg(format!("{dir}/certificate.json")).assert().success();
            let prices: Value = serde_json::from_slice(&fs::read(at.join(dir).join("prices.json")).unwrap()).unwrap();
            assert_eq!((&prices["quality_weight"], &prices["new_rows"]), (&json!(0.3), &json!([])), "{dir}");
            assert_eq!(prices["distance_upper"], result["quality"]["less_quality"]["upper"], "{dir}");
        }
        let notes = printed["notes"].as_array().unwrap();
        let note = notes.iter().find(|note| note["kind"] == "quality").unwrap();
        assert_eq!(note["details"]["methods"], json!(["uot"]), "{out}");
        let manifest: Value = serde_json::from_slice(&fs::read(at.join(out).join("manifest.json")).unwrap()).unwrap();
        assert_eq!(manifest["parameters"]["quality"]["weight"], json!(0.3));
        kantor().current_dir(at).args(["prices", out]).assert().success().stdout(contains("less quality"));
    }
    let tasks = ["--query", "a=a.npy", "--query", "b=b.npy", "--query-shares", "a=1,b=3"];
    let mut mixed = kantor();
    mixed.current_dir(at).args(["select", "--pool", "pool.npy", "--cost", "euclidean", "--budget", "8", "-o", "mixed"]);
    mixed.args(tasks).args(quality).args(["--method", "optimal"]);
    mixed.assert().success();
    kantor().current_dir(at).args(["verify", "mixed/optimal/k8/certificate.json"]).assert().success();
}

/// `compare`, its page and its table of numbers; `--config` and job files have the same two flags.
#[test]
fn quality_is_shown_by_compare_and_read_from_settings_and_job_files() {
    let directory = data();
    let at = directory.path();
    fs::write(at.join("settings.toml"), "quality = \"score.txt\"\nquality-weight = 0.5\n").unwrap();
    let mut compare = kantor();
    let words = ["compare", "--pool", "pool.npy", "--query", "query.npy", "--cost", "euclidean", "--budget", "8"];
    compare.current_dir(at).args(words).args(["--method", "optimal,round-robin", "--random-seeds", "3"]);
    compare.args(["--config", "settings.toml", "-o", "compared"]);
    let told = contains("less quality").and(contains("the distance less 0.5 × the mean of `quality`"));
    let compared = compare.assert().success().stdout(told);
    compared.stderr(contains("round-robin: chosen as without quality"));
    let page = fs::read_to_string(at.join("compared/report.html")).unwrap();
    assert!(page.contains("mean quality") && page.contains("less quality"), "the page has columns of quality");
    let table = fs::read_to_string(at.join("compared/results.csv")).unwrap();
    assert!(table.lines().next().unwrap().contains("mean_quality,less_quality_lower,less_quality_upper"));

    let jobs = "out = \"batch\"\npool = \"pool.npy\"\ncost = \"euclidean\"\nmethods = [\"optimal\"]\nbudgets = [8]\n\
                quality = \"score.txt\"\nquality-weight = 0.5\n[tasks]\none = \"query.npy\"\n";
    fs::write(at.join("jobs.toml"), jobs).unwrap();
    // Paths of a job file are beside it.
    let elsewhere = tempfile::tempdir().unwrap();
    kantor().current_dir(elsewhere.path()).arg("batch").arg(at.join("jobs.toml")).assert().success();
    let plain = ["--quality", "score.txt", "--quality-weight", "0.5", "--method", "optimal", "--json"];
    let alone = printed_json(&mut select(at, "alone", &plain));
    let manifests: Vec<_> =
        walk(&at.join("batch")).into_iter().filter(|path| path.ends_with("manifest.json")).collect();
    let manifest: Value = serde_json::from_slice(&fs::read(&manifests[0]).unwrap()).unwrap();
    assert_eq!(manifest["results"][0]["quality"], alone["results"][0]["quality"]);
}

fn walk(directory: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}

#[test]
fn what_makes_no_quality_is_refused_in_words() {
    let directory = data();
    let at = directory.path();
    let refused = |more: &[&str], code: i32, words: &[&str]| {
        let mut assert = select(at, "refused", more).assert().code(code);
        for word in words {
            assert = assert.stderr(contains(*word));
        }
        assert!(!at.join("refused").exists());
    };
    let weight = ["--quality-weight", "0.5"];
    let with = |more: &[&'static str]| [more, &weight].concat();
    refused(&["--quality", "score.txt"], 2, &["--quality-weight"]);
    refused(&weight, 2, &["--quality"]);
    for bad in ["-1", "nan", "inf", "much"] {
        refused(&["--quality", "score.txt", "--quality-weight", bad], 2, &["--quality-weight", "not negative"]);
    }
    refused(&with(&["--quality", "none.txt"]), 2, &["none.txt", "--pool-jsonl"]);
    refused(&with(&["--quality", "none", "--pool-jsonl", "pool.jsonl"]), 3, &["pool.jsonl", ":1:", "`none`"]);
    refused(
        &with(&["--quality", "source", "--pool-jsonl", "pool.jsonl", "--quota", "source:..4"]),
        2,
        &["`source`", "another column"],
    );
    refused(&with(&["--quality", "score.txt", "--diversity", "1"]), 2, &["--quality", "--diversity"]);
    let lines = |name: &str, row: usize, line: &str| {
        let text = fs::read_to_string(at.join(name)).unwrap();
        let lines = text.lines().enumerate().map(|(at, of)| if at == row { line } else { of });
        fs::write(at.join("bad"), lines.map(|line| format!("{line}\n")).collect::<String>()).unwrap();
    };
    for (bad, what) in [("nan", "`nan`"), ("inf", "`inf`"), ("good", "`good`"), ("", ":18:")] {
        lines("score.txt", 17, bad);
        refused(&with(&["--quality", "bad"]), 3, &["bad", ":18:", what]);
    }
    lines("scores.jsonl", 9, "{\"bad\": 1}");
    refused(&with(&["--quality", "bad:good"]), 3, &[":10:", "no field `good`"]);
    lines("scores.jsonl", 9, "{\"good\": null}");
    refused(&with(&["--quality", "bad:good"]), 3, &[":10:", "null"]);
    fs::write(at.join("bad"), "1\n2\n").unwrap();
    refused(&with(&["--quality", "bad"]), 3, &["bad:3", "the file ends", "60 pool rows"]);
    lines("score.txt", 30, "1e300");
    refused(&["--quality", "bad", "--quality-weight", "1e300"], 3, &["row 30", "1e300", "too large"]);
}

/// Beside numbers of rows as large as these, a gap of a distance is small; but it is a gap.
#[test]
fn quality_of_any_size_hides_no_gap() {
    let directory = data();
    let at = directory.path();
    fs::write(at.join("large.txt"), "1e9\n".repeat(ROWS)).unwrap();
    let more = ["--quality", "large.txt", "--quality-weight", "1", "--method", "random", "--json"];
    let found = printed_json(&mut select(at, "out", &more));
    assert_eq!(found["results"][0]["status"], "certified", "{found}");
}

/// A field was read from a file of its name instead, if the program was started where there was one.
#[test]
fn a_name_of_quality_that_is_a_file_and_a_field_is_refused_and_means_one_thing_in_job_files() {
    let directory = data();
    let at = directory.path();
    fs::copy(at.join("score.txt"), at.join("good")).unwrap();
    let examples = ["--pool-jsonl", "pool.jsonl", "--quality-weight", "0.5", "--method", "optimal", "--quality"];
    let quality = |out: &str, name: &str| select(at, out, &[&examples[..], &[name]].concat());
    quality("both", "good")
        .assert()
        .code(2)
        .stderr(contains("`good` is a file (good) and a field").and(contains("./good")));
    quality("file", "./good").assert().success();
    // Where a batch is started from means nothing.
    let elsewhere = tempfile::tempdir().unwrap();
    fs::write(elsewhere.path().join("good"), "1\n".repeat(ROWS)).unwrap();
    fs::remove_file(at.join("good")).unwrap();
    let jobs = "out = \"batch\"\npool = \"pool.npy\"\npool-jsonl = \"pool.jsonl\"\ncost = \"euclidean\"\nbudgets = [8]\n\
                methods = [\"optimal\"]\nquality = \"good\"\nquality-weight = 0.5\n[tasks]\none = \"query.npy\"\n";
    fs::write(at.join("jobs.toml"), jobs).unwrap();
    kantor().current_dir(elsewhere.path()).arg("batch").arg(at.join("jobs.toml")).assert().success();
    quality("field", "good").assert().success();
    let chosen = |dir: &str| indices(&at.join(dir).join("indices.npy"));
    assert_eq!(chosen("batch/one/optimal-k8-seed0/optimal/k8"), chosen("field/optimal/k8"));
}

/// It was said not to exist.
#[test]
#[cfg(unix)]
fn a_pipe_as_quality_is_refused_as_what_it_is() {
    let directory = data();
    let at = directory.path();
    assert!(std::process::Command::new("mkfifo").arg(at.join("pipe")).status().unwrap().success());
    let asked = select(at, "out", &["--quality", "pipe", "--quality-weight", "1"]).assert().code(3);
    asked.stderr(contains("pipe").and(contains("not a regular file")));
    assert!(!at.join("out").exists());
}
