//! The worst of several tasks: chosen for, proved, recorded, and refused where it has no meaning.

use std::fs;
use std::path::Path;

use predicates::prelude::PredicateBooleanExt;
use predicates::str::contains;
use serde_json::{Value, json};

use crate::support::{json as read_json, kantor, printed_json, write_npy};

/// A pool of 60 rows around a circle's arc and two tasks, of three and of two queries, at its ends.
pub(crate) fn data() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let point = |x: f32| [x.cos(), x.sin(), 0.1 * (7.0 * x).sin()];
    let points = |xs: &[f32]| xs.iter().flat_map(|&x| point(x)).collect::<Vec<f32>>();
    let pool: Vec<f32> = (0..60).map(|row| 0.03 * ((7 * row) % 60) as f32).collect();
    write_npy(&at("pool.npy"), 3, &points(&pool));
    write_npy(&at("a.npy"), 3, &points(&[0.2, 0.3, 0.5]));
    write_npy(&at("b.npy"), 3, &points(&[1.1, 1.5]));
    let lines = (0..60).map(|row| format!("{{\"source\": \"{}\"}}\n", if row % 3 == 0 { "web" } else { "book" }));
    fs::write(at("pool.jsonl"), lines.collect::<String>()).unwrap();
    fs::write(at("weights.txt"), "1\n2\n3\n1\n4\n").unwrap();
    directory
}

pub(crate) const TASKS: [&str; 4] = ["--query", "a=a.npy", "--query", "b=b.npy"];

/// A run with these words before its output directory.
pub(crate) fn words<'a>(command: &'a str, out: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let common = [command, "--pool", "pool.npy", "--cost", "euclidean", "--budget", "12", "--force", "-o", out];
    [&common, more].concat()
}

fn select(directory: &Path, out: &str, more: &[&str]) -> Value {
    let more = [&TASKS[..], &["--aggregate", "worst", "--json"], more].concat();
    printed_json(kantor().current_dir(directory).args(words("select", out, &more)))
}

fn ends(of: &Value) -> (f64, f64) {
    (of["lower"].as_f64().unwrap(), of["upper"].as_f64().unwrap())
}

#[test]
fn the_distance_is_that_of_the_farthest_task_and_optimal_is_near_the_bound() {
    let directory = data();
    let at = directory.path();
    for more in [&[][..], &["--p", "2"], &["--query-weights", "weights.txt"]] {
        let found = select(at, "out", &[more, &["--method", "optimal,swap,round-robin,random"]].concat());
        let results = found["results"].as_array().unwrap();
        let upper = |result: &Value| ends(&result["distance"]).1;
        for result in results {
            let of_tasks: Vec<(f64, f64)> = result["task_distances"].as_array().unwrap().iter().map(ends).collect();
            let (lower, upper) = ends(&result["distance"]);
            assert_eq!(of_tasks.len(), 2);
            assert_eq!(lower, of_tasks[0].0.max(of_tasks[1].0), "{result}");
            assert_eq!(upper, of_tasks[0].1.max(of_tasks[1].1), "{result}");
            assert!(result["best"]["lower"].as_f64().unwrap() <= upper);
            let method = result["method"].as_str().unwrap();
            let dir = format!("out/{method}/k12");
            kantor()
                .current_dir(at)
                .args(["verify", &format!("{dir}/certificate.json")])
                .assert()
                .success()
                .stdout(contains("verified").and(contains("to any of 2 tasks of 3, 2 queries")));
            let prices = read_json(&at.join(&dir).join("prices.json"));
            let tasks = prices["tasks"].as_array().unwrap();
            let shares: f64 = tasks.iter().map(|task| task["price"].as_f64().unwrap()).sum();
            assert!((shares - 1.0).abs() < 1e-9 && tasks[0]["task"] == json!("a"), "{prices}");
            assert_eq!(tasks[1]["distance_upper"].as_f64().unwrap(), of_tasks[1].1);
            for query in prices["queries"].as_array().unwrap() {
                let task = if query["query"].as_u64().unwrap() < 3 { "a" } else { "b" };
                assert_eq!(query["task"], json!(task));
            }
            if more.is_empty() {
                // What the tasks say alone.
                for (query, of_task) in ["a.npy", "b.npy"].iter().zip(&of_tasks) {
                    let subset = format!("{dir}/selection.jsonl");
                    let words = [
                        "distance",
                        "--pool",
                        "pool.npy",
                        "--query",
                        query,
                        "--cost",
                        "euclidean",
                        "--subset",
                        &subset,
                    ];
                    let alone = printed_json(kantor().current_dir(at).args(words).args(["--best", "never", "--json"]));
                    assert!((ends(&alone).1 - of_task.1).abs() <= 1e-12, "{alone} {of_task:?}");
                }
            }
        }
        assert!(results[0]["excess"].as_f64().unwrap() <= 0.05, "{more:?}: {}", results[0]);
        for other in &results[2..] {
            assert!(upper(&results[0]) <= upper(other) + 1e-12, "{more:?}: {other}");
        }
        assert!(upper(&results[1]) <= upper(&results[2]) + 1e-12, "swap starts from round-robin");
    }
    let manifest = read_json(&at.join("out/manifest.json"));
    assert_eq!(manifest["parameters"]["aggregate"], json!("worst"));
    let stated = read_json(&at.join("out/optimal/k12/certificate.json"));
    assert_eq!(stated["problem"]["tasks"], json!([3, 2]));
    let shown = kantor().current_dir(at).args(["prices", "out"]).assert().success();
    shown.stdout(contains("tasks, if they may be farther").and(contains("rows that are added to the pool")));
}

/// What limits and rows are worth at most, against what is chosen with a limit relaxed and with the queries in the pool.
#[test]
fn no_relaxed_limit_and_no_new_row_gains_more_for_the_worst_task_than_its_price_says() {
    let directory = data();
    let at = directory.path();
    let quota = |most: &'static str| ["--pool-jsonl", "pool.jsonl", "--quota", most, "--method", "optimal"];
    let upper = |found: &Value| ends(&found["results"][0]["distance"]).1;
    let known = upper(&select(at, "out", &quota("source=web:..2")));
    let prices = read_json(&at.join("out/optimal/k12/prices.json"));
    let price = |list: &str, at: usize| prices[list][at]["closer_by_at_most"].as_f64().unwrap();
    let relaxed = upper(&select(at, "relaxed", &quota("source=web:..3")));
    assert!(known - relaxed <= price("limits", 0), "{known} {relaxed} {prices}");
    // A row for every query, in the place of another of as many labels: those of task `b`.
    let read = |name: &str| fs::read(at.join(name)).unwrap();
    let rows = |name: &str| {
        let bytes = read(name);
        let start = bytes.iter().position(|&byte| byte == b'\n').unwrap() + 1;
        bytes[start..].chunks(4).map(|x| f32::from_le_bytes(x.try_into().unwrap())).collect::<Vec<f32>>()
    };
    let more = [rows("pool.npy"), rows("b.npy")].concat();
    write_npy(&at.join("pool.npy"), 3, &more);
    let lines = String::from_utf8(read("pool.jsonl")).unwrap() + &"{\"source\": \"book\"}\n".repeat(2);
    fs::write(at.join("pool.jsonl"), lines).unwrap();
    let wider = upper(&select(at, "wider", &quota("source=web:..2")));
    let ten = prices["new_rows"].as_array().unwrap().iter().position(|of| of["rows"] == json!(10)).unwrap();
    assert!(known - wider > 1e-4 && known - wider <= price("new_rows", ten), "{known} {wider} {prices}");
}

#[test]
fn quality_counts_for_the_worst_task_and_is_proved() {
    let directory = data();
    let at = directory.path();
    let scores = (0..60).map(|row| format!("{}\n", (row % 5) as f64 - 1.5));
    fs::write(at.join("scores.txt"), scores.collect::<String>()).unwrap();
    let quality = ["--quality", "scores.txt", "--quality-weight", "0.1", "--method", "optimal,swap,round-robin"];
    for more in [&[][..], &["--pool-jsonl", "pool.jsonl", "--quota", "source=web:..2"], &["--p", "2"]] {
        let found = select(at, "out", &[&quality[..], more].concat());
        let results = found["results"].as_array().unwrap();
        let of = |result: &Value| {
            let power = if more.contains(&"--p") { 2 } else { 1 };
            let (quality, upper) = (&result["quality"], ends(&result["distance"]).1);
            let less = ends(&quality["less_quality"]).1;
            let mean = quality["mean"].as_f64().unwrap();
            assert!((less - (upper.powi(power) - 0.1 * mean)).abs() < 1e-12, "{result}");
            let best = quality["best"].as_f64().unwrap();
            assert!(best <= less, "{result}");
            let file = format!("out/{}/k12/certificate.json", result["method"].as_str().unwrap());
            kantor().current_dir(at).args(["verify", &file]).assert().success().stdout(contains("verified"));
            (less, best)
        };
        let values: Vec<(f64, f64)> = results.iter().map(of).collect();
        assert!(
            values[0].0 <= values[2].0 && values[1].0 <= values[2].0 && values[0].0 - values[0].1 <= 0.02,
            "{more:?} {values:?}"
        );
        assert!(
            results[0]["quality"]["mean"].as_f64().unwrap() > results[2]["quality"]["mean"].as_f64().unwrap() + 0.1
        );
    }
}

#[test]
fn tables_and_pages_give_the_distance_of_every_task() {
    let directory = data();
    let at = directory.path();
    let more = [&TASKS[..], &["--aggregate", "worst", "--method", "optimal,random"]].concat();
    let shown = kantor().current_dir(at).args(words("select", "out", &more)).assert().success();
    let shown = String::from_utf8(shown.get_output().stdout.clone()).unwrap();
    assert!(shown.contains("worst task") && shown.contains("those of the worst of the tasks `a`, `b`"), "{shown}");
    let lines: Vec<&str> = shown.lines().filter(|line| line.starts_with(" optimal")).collect();
    assert_eq!(lines.len(), 3, "{shown}");
    assert!(lines.iter().filter(|line| line.trim_end().ends_with("worst")).count() == 1, "{shown}");
    kantor()
        .current_dir(at)
        .args(words("compare", "compared", &more))
        .assert()
        .success()
        .stdout(contains("worst task"));
    let csv = fs::read_to_string(at.join("compared/results.csv")).unwrap();
    let header = csv.lines().next().unwrap();
    assert!(header.ends_with(",task_distance_lower:b,task_distance_upper:b"), "{header}");
    let line: Vec<&str> = csv.lines().nth(1).unwrap().split(',').collect();
    let last = read_json(&at.join("compared/results.json"))["results"][0]["task_distances"][1]["upper"].clone();
    assert_eq!(line.len(), header.split(',').count());
    assert_eq!(line.last().unwrap().parse::<f64>().unwrap(), last.as_f64().unwrap());
    let page = fs::read_to_string(at.join("compared/report.html")).unwrap();
    assert!(page.contains("Distance to each task") && page.contains("the worst of the tasks"));
    let found = read_json(&at.join("compared/results.json"));
    assert_eq!(found["results"][0]["task_distances"].as_array().unwrap().len(), 2);
    // Random subsets are measured by their worst task too.
    let (chosen, random) = (ends(&found["results"][0]["distance"]).1, &found["references"][0]);
    assert!(random["range"][0].as_f64().unwrap() >= chosen && random["best"].as_f64().unwrap() <= chosen);
    // As a setting of a file.
    fs::write(at.join("settings.toml"), "aggregate = \"worst\"\nmethod = \"optimal\"\n").unwrap();
    let more = [&TASKS[..], &["--config", "settings.toml"]].concat();
    kantor().current_dir(at).args(words("select", "again", &more)).assert().success();
    let certificate = |out: &str| fs::read(at.join(out).join("optimal/k12/certificate.json")).unwrap();
    assert_eq!(certificate("again"), certificate("out"));
}

#[test]
fn one_task_is_what_it_is_without() {
    let directory = data();
    let at = directory.path();
    let certificates = [("plain", &[][..]), ("worst", &["--aggregate", "worst"])].map(|(out, more)| {
        let worst = !more.is_empty();
        let more = [&["--query", "a.npy", "--method", "optimal,swap"], more].concat();
        let shown = kantor().current_dir(at).args(words("select", out, &more)).assert().success();
        let said = String::from_utf8(shown.get_output().stderr.clone()).unwrap();
        assert_eq!(said.contains("--aggregate worst changes nothing here"), worst, "{said}");
        ["optimal", "swap"].map(|method| fs::read(at.join(out).join(method).join("k12/certificate.json")).unwrap())
    });
    assert_eq!(certificates[0], certificates[1]);
}

#[test]
fn constraints_hold_for_the_worst_task_and_are_proved() {
    let directory = data();
    let at = directory.path();
    let quota = ["--pool-jsonl", "pool.jsonl", "--quota", "source=web:..2", "--method", "optimal,swap,energy"];
    let found = select(at, "out", &quota);
    let results = found["results"].as_array().unwrap();
    for result in results {
        assert!(result["limits"][0]["used"].as_f64().unwrap() <= 2.0, "{result}");
        let method = result["method"].as_str().unwrap();
        kantor()
            .current_dir(at)
            .args(["verify", &format!("out/{method}/k12/certificate.json")])
            .assert()
            .success()
            .stdout(contains("verified"));
    }
    let free = select(at, "free", &["--method", "optimal"]);
    let best = |found: &Value| found["results"][0]["best"]["lower"].as_f64().unwrap();
    assert!(best(&found) >= best(&free) - 1e-9, "a limit makes no bound smaller");
    assert!(results[0]["excess"].as_f64().unwrap() <= 0.05, "{}", results[0]);
}

#[test]
fn what_has_no_meaning_for_the_worst_task_is_refused_by_name() {
    let directory = data();
    let refused = |command: &str, more: &[&str], said: &[&str]| {
        let more = [&TASKS[..], &["--aggregate", "worst"], more].concat();
        let shown = kantor().current_dir(directory.path()).args(words(command, "out", &more)).assert().code(2);
        let shown = String::from_utf8(shown.get_output().stderr.clone()).unwrap();
        assert!(said.iter().all(|word| shown.contains(word)), "{more:?}: {shown}");
    };
    refused("select", &["--query-shares", "a=1,b=2"], &["--query-shares", "--aggregate worst"]);
    refused("select", &["--objective", "energy"], &["--objective energy", "--aggregate worst"]);
    refused("compare", &["--objective", "mmd"], &["--objective mmd", "--aggregate worst"]);
    refused("select", &["--diversity", "0.5"], &["--diversity", "--aggregate worst"]);
    refused("select", &["--balance-groups"], &["--balance-groups", "--aggregate worst"]);
    refused("select", &["--cross-fit", "3"], &["--cross-fit 3", "2 queries of the smallest task"]);
    refused("compare", &["--solver", "exact"], &["--solver", "--aggregate worst"]);
    let wrong = [&TASKS[..], &["--aggregate", "best"]].concat();
    let shown = kantor().current_dir(directory.path()).args(words("select", "out", &wrong)).assert().code(2);
    shown.stderr(contains("mixture, worst"));
}

#[test]
fn folds_are_drawn_within_tasks_whose_shares_they_keep() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    // All queries of a task are one point, and the two points are the pool: equal shares make every distance zero, but folds that
    // have more of one task would not.
    write_npy(&at.join("pool.npy"), 1, &[0.0, 10.0]);
    write_npy(&at.join("a.npy"), 1, &[0.0; 4]);
    write_npy(&at.join("b.npy"), 1, &[10.0; 3]);
    let held_out = |more: &[&str]| {
        let common = ["select", "--pool", "pool.npy", "--cost", "euclidean", "--budget", "2", "--force", "-o", "out"];
        let folds = ["--cross-fit", "2", "--method", "optimal,random", "--json"];
        let found = printed_json(kantor().current_dir(at).args(common).args(TASKS).args(folds).args(more));
        found["results"].as_array().unwrap().iter().map(|of| of["held_out"].clone()).collect::<Vec<_>>()
    };
    for (more, upper) in [
        (&[][..], 0.0),
        (&["--seed", "5"], 0.0),
        (&["--query-shares", "a=3,b=1"], 2.5),
        (&["--aggregate", "worst"], 5.0),
    ] {
        for found in held_out(more) {
            assert!((found["distance"]["upper"].as_f64().unwrap() - upper).abs() < 1e-9, "{more:?}: {found}");
            assert!((found["seen"]["distance"]["upper"].as_f64().unwrap() - upper).abs() < 1e-9, "{more:?}: {found}");
            // Queries of several tasks are no draws from one law.
            assert!(found["law"].is_null(), "{found}");
        }
    }
}
