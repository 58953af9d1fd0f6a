//! Weights of queries, and several tasks: the same answer as for copies of the queries, proved and recorded as such.

use std::fs;
use std::path::Path;

use predicates::prelude::PredicateBooleanExt;
use predicates::str::contains;
use serde_json::{Value, json};

use crate::support::{kantor, printed_json, write_npy};

/// A pool of 40 rows and two sets of queries, of two and of one row; all on a line that is bent a little.
fn data() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let point = |x: f32| [x, 1.0 + 0.01 * x * x];
    let points = |xs: &[f32]| xs.iter().flat_map(|&x| point(x)).collect::<Vec<f32>>();
    let pool: Vec<f32> = (0..40).map(|row| 0.1 * ((7 * row) % 40) as f32).collect();
    write_npy(&at("pool.npy"), 2, &points(&pool));
    write_npy(&at("a.npy"), 2, &points(&[0.3, 1.4]));
    write_npy(&at("b.npy"), 2, &points(&[3.2]));
    write_npy(&at("all.npy"), 2, &points(&[0.3, 1.4, 3.2]));
    // Shares of 2 and 1 are weights of 1 for each query of a, and 1 for that of b; of 1 and 3: 1, 1, 6.
    write_npy(&at("copies.npy"), 2, &points(&[0.3, 1.4, 3.2, 3.2, 3.2, 3.2, 3.2, 3.2]));
    fs::write(at("weights.txt"), "1\n1\n6\n").unwrap();
    directory
}

fn select(directory: &Path, out: &str, more: &[&str]) -> Value {
    let mut words =
        vec!["select", "--pool", "pool.npy", "--cost", "euclidean", "--budget", "8,16", "-o", out, "--json"];
    words.extend(more);
    printed_json(kantor().current_dir(directory).args(words))
}

fn rows(directory: &Path, place: &str) -> Vec<u64> {
    let text = fs::read_to_string(directory.join(place).join("selection.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["index"].as_u64().unwrap()).collect()
}

#[test]
fn weights_shares_and_copies_are_one_and_the_same() {
    let directory = data();
    let at = directory.path();
    for objective in ["w", "energy"] {
        let method = ["--method", "optimal,energy,knn-uniform", "--objective", objective];
        let with =
            |queries: &[&str], out: &str| select(at, &format!("{objective}-{out}"), &[queries, &method].concat());
        let weights = with(&["--query", "all.npy", "--query-weights", "weights.txt"], "weights");
        let shares = with(&["--query", "a=a.npy", "--query", "b=b.npy", "--query-shares", "a=1,b=3"], "shares");
        let copies = with(&["--query", "copies.npy"], "copies");
        for (at_result, weighted) in weights["results"].as_array().unwrap().iter().enumerate() {
            let (shared, copied) = (&shares["results"][at_result], &copies["results"][at_result]);
            for key in ["method", "budget", "status"] {
                assert_eq!((&weighted[key], &shared[key]), (&copied[key], &copied[key]), "{objective}: {key}");
            }
            for (of, end) in [("distance", "lower"), ("distance", "upper"), ("best", "lower")] {
                let [a, b, c] = [weighted, shared, copied].map(|result| result[of][end].as_f64().unwrap());
                assert!((a - c).abs() <= 1e-9 && (b - c).abs() <= 1e-9, "{objective} {of} {end}: {a} {b} {c}");
            }
            let place = format!("{}/k{}", weighted["method"].as_str().unwrap(), weighted["budget"]);
            for out in ["weights", "shares"] {
                let place = format!("{objective}-{out}/{place}");
                kantor()
                    .current_dir(at)
                    .args(["verify", &format!("{place}/certificate.json")])
                    .assert()
                    .success()
                    .stdout(contains("verified").and(contains("the queries are weighted")));
            }
            if weighted["method"] != "optimal" {
                let [a, b, c] =
                    ["weights", "shares", "copies"].map(|out| rows(at, &format!("{objective}-{out}/{place}")));
                assert!(a == c && b == c, "{objective} {place}");
            }
        }
        let manifest: Value =
            serde_json::from_slice(&fs::read(at.join(format!("{objective}-shares/manifest.json"))).unwrap()).unwrap();
        assert_eq!(manifest["parameters"]["tasks"], json!([["a", 0.25], ["b", 0.75]]));
        assert_eq!(manifest["groups"], json!([["a", 2], ["b", 1]]));
    }
}

/// Equal shares count tasks alike, not queries; equal weights are none.
#[test]
fn tasks_count_alike_and_equal_weights_change_nothing() {
    let directory = data();
    let at = directory.path();
    let tasks = ["--query", "a=a.npy", "--query", "b=b.npy"];
    select(at, "alike", &tasks);
    select(at, "named", &[&tasks[..], &["--query-shares", "b=2, a=2"]].concat());
    let certificate = |out: &str| fs::read(at.join(out).join("round-robin/k8/certificate.json")).unwrap();
    for (out, weights) in [("alike", [1.0, 1.0, 2.0]), ("named", [2.0, 2.0, 4.0])] {
        let stated: Value = serde_json::from_slice(&certificate(out)).unwrap();
        assert_eq!(stated["problem"]["weights"]["query"], json!(weights));
    }
    assert_eq!(rows(at, "alike/round-robin/k8"), rows(at, "named/round-robin/k8"));
    fs::write(at.join("equal.txt"), "2.5\n2.5\n2.5\n").unwrap();
    select(at, "equal", &["--query", "all.npy", "--query-weights", "equal.txt"]);
    select(at, "none", &["--query", "all.npy"]);
    assert_eq!(certificate("equal"), certificate("none"));
}

#[test]
fn folds_and_random_references_have_the_weights_of_their_queries() {
    let directory = data();
    let words =
        ["compare", "--pool", "pool.npy", "--query", "all.npy", "--query-weights", "weights.txt", "--budget", "8"];
    let more =
        ["--method", "optimal,random", "--cost", "euclidean", "--cross-fit", "3", "-o", "out", "--solver", "exact"];
    kantor().current_dir(directory.path()).args(words).args(more).assert().success();
    let page = fs::read_to_string(directory.path().join("out/report.html")).unwrap();
    assert!(page.contains("the weights of queries of weights.txt"));
    let found: Value = serde_json::from_slice(&fs::read(directory.path().join("out/results.json")).unwrap()).unwrap();
    let result = &found["results"][0];
    // A fold of one query: its distance does not depend on weights, and is there.
    assert!(result["held_out"]["distance"]["upper"].as_f64().unwrap() > 0.0, "{result}");
    // The exact solver, whose problem has the weights too, finds the certified distance.
    let solved = found["solvers"][0]["value"].as_f64().unwrap();
    assert!((solved - result["distance"]["upper"].as_f64().unwrap()).abs() < 1e-9, "{solved} {result}");
    let best = result["best"].as_f64().unwrap();
    let drawn = found["references"][0]["distances"].as_array().unwrap().iter().map(|x| x.as_f64().unwrap());
    assert!(drawn.into_iter().all(|distance| distance >= best - 1e-9));
}

#[test]
fn weights_and_tasks_that_make_no_sense_are_refused() {
    let directory = data();
    let at = directory.path();
    fs::write(at.join("zero.txt"), "1\n0\n1\n").unwrap();
    fs::write(at.join("short.txt"), "1\n1\n").unwrap();
    fs::write(at.join("minus.txt"), "1\n-1\n1\n").unwrap();
    let all = ["--query", "all.npy"];
    let two = ["--query", "a=a.npy", "--query", "b=b.npy"];
    fs::write(at.join("far.txt"), "1e300\n1\n1e-300\n").unwrap();
    type Case<'a> = (&'a [&'a str], &'a [&'a str], i32, &'a [&'a str]);
    let cases: [Case<'_>; 16] = [
        (
            &all,
            &["--query-weights", "far.txt"],
            3,
            &["far.txt", "weight 1 is 1e0, which is nothing beside the largest"],
        ),
        (&two, &["--query-shares", "a=1e308,b=1e-308"], 2, &["the share 1e-308 of `b` is nothing beside the largest"]),
        (&two, &["--cross-fit", "2"], 2, &["--cross-fit 2 is not between 2 and the 1 queries of the smallest task"]),
        (&["--query", "a=a.npy"], &["--query-shares", "a=2"], 2, &["--query-shares is for several tasks"]),
        (&all, &["--balance-groups"], 2, &["--balance-groups needs groups", "--query-groups"]),
        (
            &all,
            &["--query-weights", "zero.txt"],
            3,
            &["zero.txt", "weight 1 is 0e0, which is nothing beside", "left out"],
        ),
        (&all, &["--query-weights", "short.txt"], 3, &["short.txt", "2 weights for 3 rows"]),
        (&all, &["--query-weights", "minus.txt"], 3, &["minus.txt", "weight 1 is -1"]),
        (&all, &["--query-weights", "weights.txt", "--diversity", "1"], 2, &["--diversity", "--query-weights"]),
        (&all, &["--query-shares", "a=1"], 2, &["is for several tasks", "NAME=FILE"]),
        (&["--query", "a.npy", "--query", "b.npy"], &[], 2, &["a.npy has no name", "NAME=FILE"]),
        (&["--query", "a=a.npy", "--query", "a=b.npy"], &[], 2, &["`a` twice"]),
        (&two, &["--query-shares", "a=1"], 2, &["no share for the task `b`"]),
        (&two, &["--query-shares", "a=1,b=1,a=2"], 2, &["`a` several shares"]),
        (&two, &["--query-shares", "a=0,b=1"], 2, &["share of `a` must be a positive number"]),
        (&two, &["--query-shares", "a=1,c=1"], 2, &["names the task `c`"]),
    ];
    for (queries, more, code, words) in cases {
        let mut command = kantor();
        command.current_dir(at).args([
            "select",
            "--pool",
            "pool.npy",
            "--cost",
            "euclidean",
            "--budget",
            "4",
            "-o",
            "out",
        ]);
        let mut assert = command.args(queries).args(more).assert().code(code);
        for word in words {
            assert = assert.stderr(contains(*word));
        }
        assert!(!at.join("out").exists());
    }
    // Bounds of losses are about one set of queries.
    fs::write(at.join("subset.txt"), "0\n1\n").unwrap();
    kantor()
        .current_dir(at)
        .args(["bound", "--pool", "pool.npy", "--cost", "euclidean", "--subset", "subset.txt"])
        .args(two)
        .assert()
        .code(2)
        .stderr(contains("give one --query"));
}

/// What is proved of a subset of one's own is what was proved when it was chosen.
#[test]
fn a_bound_for_weighted_queries_is_below_what_distance_says() {
    let directory = data();
    let at = directory.path();
    select(at, "out", &["--query", "all.npy", "--query-weights", "weights.txt", "--method", "optimal"]);
    let words = [
        "distance",
        "--pool",
        "pool.npy",
        "--query",
        "all.npy",
        "--cost",
        "euclidean",
        "--query-weights",
        "weights.txt",
    ];
    let subset = ["--subset", "out/optimal/k8/indices.npy", "--certificate", "again.json", "--json"];
    let found = printed_json(kantor().current_dir(at).args(words).args(subset));
    let manifest: Value = serde_json::from_slice(&fs::read(at.join("out/manifest.json")).unwrap()).unwrap();
    let chosen = &manifest["results"][0];
    assert_eq!(found["best"]["lower"], chosen["best"]["lower"], "{found}");
    kantor().current_dir(at).args(["verify", "again.json"]).assert().success().stdout(contains("verified"));
}

/// Sums of shares near the ends of the range overflowed or vanished.
#[test]
fn shares_near_the_ends_of_the_range_are_shares_all_the_same() {
    let directory = data();
    let at = directory.path();
    let tasks = ["--query", "a=a.npy", "--query", "b=b.npy", "--quota", "label=x:2..", "--column", "label=labels.txt"];
    fs::write(at.join("labels.txt"), "x\ny\n".repeat(20)).unwrap();
    let mut chosen = Vec::new();
    for (out, shares) in [("one", "a=1,b=3"), ("large", "a=0.5e308,b=1.5e308"), ("small", "a=1e-308,b=3e-308")] {
        let found = select(at, out, &[&tasks[..], &["--query-shares", shares, "--method", "optimal"]].concat());
        assert_eq!(found["results"][1]["budget"], 16);
        chosen.push(rows(at, &format!("{out}/optimal/k16")));
    }
    assert!(chosen[0] == chosen[1] && chosen[0] == chosen[2], "{chosen:?}");
}

/// Several tasks are groups that methods can balance over, and their means are weighted as all is.
#[test]
fn tasks_are_groups_to_balance_over_and_the_mean_of_a_group_is_weighted() {
    let directory = data();
    let at = directory.path();
    let tasks = ["--query", "a=a.npy", "--query", "b=b.npy"];
    let balanced = select(at, "balanced", &[&tasks[..], &["--balance-groups"]].concat());
    let rows: Vec<u64> = balanced["results"][0]["groups"]
        .as_array()
        .unwrap()
        .iter()
        .map(|group| group["rows"].as_u64().unwrap())
        .collect();
    assert_eq!(rows, [4, 4]);
    fs::write(at.join("one.txt"), "all\nall\nall\n").unwrap();
    let weighted = ["--query", "all.npy", "--query-weights", "weights.txt", "--query-groups", "one.txt"];
    let found = select(at, "weighted", &weighted);
    let result = &found["results"][0];
    let (group, chamfer) =
        (result["groups"][0]["cost"].as_f64().unwrap(), result["chamfer"]["upper"].as_f64().unwrap());
    assert!((group - chamfer).abs() < 1e-12, "{group} {chamfer}");
}

/// Files that say which rows to choose were lost with the older result in which they lay.
#[test]
fn lists_and_settings_inside_an_older_result_are_not_replaced() {
    let directory = data();
    let at = directory.path();
    let all = ["--query", "all.npy"];
    select(at, "older", &all);
    let list = "older/round-robin/k8/selection.jsonl";
    fs::write(at.join("older/settings.toml"), "seed = 3\n").unwrap();
    let before = rows(at, "older/round-robin/k8");
    for (command, more) in [
        ("select", &["--include", list, "--budget", "9"][..]),
        ("select", &["--exclude", list, "--budget", "9"]),
        ("compare", &["--exclude", list, "--budget", "9", "--method", "random", "--random-seeds", "0"]),
        ("select", &["--config", "older/settings.toml", "--budget", "9"]),
        ("quantiles", &["--config", "older/settings.toml", "--bins", "2", "--take", "1"]),
    ] {
        let words = [command, "--pool", "pool.npy", "--cost", "euclidean", "-o", "older", "--force"];
        kantor().current_dir(at).args(words).args(all).args(more).assert().code(2).stderr(contains("older"));
        assert_eq!(rows(at, "older/round-robin/k8"), before, "{command} {more:?}");
        assert!(at.join("older/settings.toml").exists());
    }
}

/// Queries of named tasks with weights of their own were said to share their task's part equally.
#[test]
fn weights_of_the_queries_of_tasks_are_not_called_shares() {
    let directory = data();
    let words = ["select", "--pool", "pool.npy", "--query", "a=a.npy", "--query", "b=b.npy", "--cost", "euclidean"];
    let more = ["--query-weights", "weights.txt", "--budget", "8", "-o", "out"];
    let shown = kantor().current_dir(directory.path()).args(words).args(more).assert().success();
    shown.stdout(contains("the weights of queries of weights.txt").and(contains("shares").not()));
}

/// Job files of `batch` have the two flags too, for a task or for all, with paths beside the file; a change of shares is another job.
#[test]
fn job_files_mix_tasks_and_weigh_queries_as_select_does() {
    let directory = data();
    let at = directory.path();
    let jobs = |shares: &str| {
        let text = format!(
            "out = \"batch\"\npool = \"pool.npy\"\ncost = \"euclidean\"\nmethods = [\"optimal\"]\nbudgets = [8]\n\
             [tasks.mixed]\nquery = [\"a=a.npy\", \"b=b.npy\"]\nquery-shares = {shares}\n\
             [tasks.weighed]\nquery = \"all.npy\"\nquery-weights = \"weights.txt\"\n"
        );
        fs::write(at.join("jobs.toml"), text).unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        let mut batch = kantor();
        batch.current_dir(elsewhere.path()).arg("batch").arg(at.join("jobs.toml")).arg("--json");
        printed_json(&mut batch)
    };
    jobs("[\"a=1\", \"b=3\"]");
    let method = ["--method", "optimal", "--budget", "8"];
    let alone = |out: &str, more: &[&str]| {
        let mut words = vec!["select", "--pool", "pool.npy", "--cost", "euclidean", "-o", out, "--json"];
        words.extend(more.iter().chain(&method));
        printed_json(kantor().current_dir(at).args(words))
    };
    let mixed = alone("mixed", &["--query", "a=a.npy", "--query", "b=b.npy", "--query-shares", "a=1,b=3"]);
    let weighed = alone("weighed", &["--query", "all.npy", "--query-weights", "weights.txt"]);
    let manifest = |task: &str| -> Value {
        let place = at.join(format!("batch/{task}/optimal-k8-seed0/manifest.json"));
        serde_json::from_slice(&fs::read(&place).unwrap_or_else(|_| panic!("{}", place.display()))).unwrap()
    };
    for (task, alone) in [("mixed", &mixed), ("weighed", &weighed)] {
        let found = manifest(task);
        for key in ["distance", "best", "groups"] {
            assert_eq!(found["results"][0][key], alone["results"][0][key], "{task} {key}");
        }
        let written: Value = serde_json::from_slice(&fs::read(at.join(task).join("manifest.json")).unwrap()).unwrap();
        assert_eq!(found["parameters"]["tasks"], written["parameters"]["tasks"], "{task}");
    }
    jobs("[\"a=3\", \"b=1\"]");
    assert_ne!(manifest("mixed")["results"][0]["distance"], mixed["results"][0]["distance"]);
    assert_eq!(manifest("weighed")["results"][0]["distance"], weighed["results"][0]["distance"]);
    fs::write(
        at.join("jobs.toml"),
        "out = \"batch\"\npool = \"pool.npy\"\nbudgets = [8]\nquery-shares = \"a=1\"\n[tasks]\none = \"all.npy\"\n",
    )
    .unwrap();
    let refused = kantor().current_dir(at).args(["batch", "jobs.toml"]).assert().code(2);
    refused.stderr(contains("task `one`").and(contains("--query-shares is for several tasks")));
}

/// One file of text for each task, in their order, is the same as one with all lines; `verify` takes queries by the names of their tasks.
#[test]
fn queries_of_tasks_have_their_text_in_files_of_their_own() {
    let directory = data();
    let at = directory.path();
    let lines = |range: std::ops::Range<usize>| {
        range.map(|query| json!({"text": format!("query {query}")}).to_string() + "\n").collect::<String>()
    };
    for (name, range) in [("a.jsonl", 0..2), ("b.jsonl", 2..3), ("all.jsonl", 0..3)] {
        fs::write(at.join(name), lines(range)).unwrap();
    }
    let tasks = ["--query", "a=a.npy", "--query", "b=b.npy", "--method", "optimal"];
    let texts = |out: &str, files: &[&str]| {
        let more: Vec<&str> = files.iter().flat_map(|file| ["--query-jsonl", *file]).collect();
        select(at, out, &[&tasks[..], &more].concat());
        fs::read(at.join(out).join("optimal/k8/prices.json")).unwrap()
    };
    let apart = texts("apart", &["a.jsonl", "b.jsonl"]);
    assert_eq!(apart, texts("together", &["all.jsonl"]));
    assert!(String::from_utf8(apart).unwrap().contains("query "));
    for (files, words) in
        [(["b.jsonl", "a.jsonl"], "b.jsonl has 1 lines for the 2 queries of `a`"), (["a.jsonl", "a.jsonl"], "4")]
    {
        let more: Vec<&str> = files.iter().flat_map(|file| ["--query-jsonl", *file]).collect();
        let common = ["select", "--pool", "pool.npy", "--cost", "euclidean", "--budget", "8", "-o", "refused"];
        let mut refused = kantor();
        refused.current_dir(at).args(common).args(tasks).args(more).assert().failure().stderr(contains(words));
    }
    let certificate = "apart/optimal/k8/certificate.json";
    let named = ["--pool", "pool.npy", "--query", "a=a.npy", "--query", "b=b.npy"];
    kantor().current_dir(at).args(["verify", certificate]).args(named).assert().success();
    let turned = ["--pool", "pool.npy", "--query", "b=b.npy", "--query", "a=a.npy"];
    kantor()
        .current_dir(at)
        .args(["verify", certificate])
        .args(turned)
        .assert()
        .code(1)
        .stdout(contains("cannot-check"));
}
