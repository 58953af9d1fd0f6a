//! Distances besides transport: `distance --metric`, the columns of `select`, and cross-fitting.

use std::fs;
use std::path::{Path, PathBuf};

use predicates::prelude::PredicateBooleanExt;
use predicates::str::contains;
use serde_json::Value;

use crate::support::{example, indices, json, kantor, printed_json, select_example, write_npy};

const METRICS: [&str; 7] =
    ["energy", "mmd", "mmd-unbiased", "chamfer-to-subset", "chamfer-to-query", "hausdorff", "mean-difference"];

/// The first 300 rows of the bundled pool, as a list.
fn list(work: &Path) -> PathBuf {
    let path = work.join("rows.txt");
    fs::write(&path, (0..300).map(|i| format!("{}\n", i * 16)).collect::<String>()).unwrap();
    path
}

fn distance(list: &Path, more: &[&str]) -> assert_cmd::Command {
    let mut command = kantor();
    command.args(["distance", "--pool"]).arg(example("pool.embed.npy"));
    command.arg("--query").arg(example("query_gsm8k.embed.npy")).arg("--subset").arg(list).args(more);
    command
}

fn ends(of: &Value) -> (f64, f64) {
    (of["lower"].as_f64().unwrap(), of["upper"].as_f64().unwrap())
}

#[test]
fn every_metric_prints_an_interval_and_what_it_says_of_transport() {
    let work = tempfile::tempdir().unwrap();
    let list = list(work.path());
    let transport = printed_json(&mut distance(&list, &["--json"]));
    assert_eq!(transport, printed_json(&mut distance(&list, &["--json", "--metric", "transport"])));
    for metric in METRICS {
        let words = ["--json", "--metric", metric, "--threads"];
        let printed = printed_json(distance(&list, &words).arg("2"));
        assert_eq!(printed, printed_json(distance(&list, &words).arg("1")), "{metric}");
        assert_eq!((&printed["schema"], &printed["metric"]), (&"kantor/distance/1".into(), &metric.into()));
        assert_eq!(printed["status"], "certified");
        let (low, high) = ends(&printed);
        assert!(low <= high && high - low < 1e-9, "{metric}: {low} {high}");
        if let Some(least) = printed["transport_at_least"].as_f64() {
            assert!(0.0 < least && least <= ends(&transport).1, "{metric}: {least}");
        }
        assert_eq!(printed["kernel"] == "gaussian", metric.starts_with("mmd"));
        if metric == "energy" || metric == "mmd" {
            let (low_squared, high_squared) = ends(&printed["squared"]);
            assert!(low_squared <= high * high * 1.000_001 && high_squared >= low * low * 0.999_999);
        }
        distance(&list, &["--metric", metric]).assert().success().stdout(contains("(certified)"));
    }
}

#[test]
fn kernels_and_bandwidths_are_chosen_by_name() {
    let work = tempfile::tempdir().unwrap();
    let list = list(work.path());
    let value = |more: &[&str]| printed_json(distance(&list, &["--json", "--metric", "mmd"]).args(more));
    let gaussian = value(&["--kernel", "gaussian", "--bandwidth", "0.7"]);
    assert_eq!((&gaussian["kernel"], &gaussian["bandwidth"]), (&"gaussian".into(), &0.7.into()));
    let all = ["laplace", "inverse-multiquadric"].map(|kernel| value(&["--kernel", kernel, "--bandwidth", "0.7"]));
    assert!(all.iter().all(|other| ends(other) != ends(&gaussian)));
    let rules =
        ["median", "scott", "silverman"].map(|rule| value(&["--bandwidth", rule])["bandwidth"].as_f64().unwrap());
    assert!(rules.iter().all(|&sigma| sigma > 0.0) && rules[0] > rules[1] && rules[1] > rules[2], "{rules:?}");
    // The squared discrepancy under the mean of kernels is the mean of theirs.
    let squared = |value: &Value| ends(value).0.powi(2);
    let [narrow, wide, both] = ["0.3", "1.2", "1.2+0.3"].map(|sigma| value(&["--bandwidth", sigma]));
    assert_eq!(both["bandwidth"], serde_json::json!([0.3, 1.2]));
    assert!((squared(&both) - 0.5 * (squared(&narrow) + squared(&wide))).abs() < 1e-9);
    // The discrepancy under the cosine is the distance of the means.
    let cosine = value(&["--kernel", "cosine"]);
    let means = printed_json(&mut distance(&list, &["--json", "--metric", "mean-difference"]));
    assert!(cosine["bandwidth"].is_null() && (ends(&cosine).0 - ends(&means).0).abs() < 1e-9);

    for (words, said) in [
        (&["--metric", "mmd", "--kernel", "compact"][..], "compact"),
        (&["--metric", "mmd", "--kernel", "energy"], "energy"),
        (&["--metric", "mmd", "--bandwidth", "wide"], "wide"),
        (&["--metric", "mmd", "--bandwidth", "-1"], "-1"),
        (&["--metric", "mmd", "--bandwidth", "0.1+wide"], "number or one of"),
        (&["--metric", "mmd", "--bandwidth", "local+0"], "between 1e-70 and 1e70"),
        (&["--metric", "mmd", "--bandwidth", "1+1+1+1+1+1+1+1+1"], "at most 8"),
        (&["--metric", "mmd", "--kernel", "cosine", "--bandwidth", "1+local"], "cosine"),
        (&["--metric", "mmd", "--kernel", "cosine", "--bandwidth", "1"], "cosine"),
        (&["--metric", "energy", "--bandwidth", "1"], "--metric mmd"),
        (&["--kernel", "laplace"], "--metric mmd"),
        (&["--metric", "manhattan"], "manhattan"),
        (&["--metric", "energy", "--certificate", "c.json"], "--certificate"),
        (&["--metric", "energy", "--solver", "sinkhorn", "--epsilon", "0.1"], "--solver"),
        (&["--metric", "hausdorff", "--plan", "plan.safetensors"], "--solver"),
    ] {
        distance(&list, words).assert().code(2).stderr(contains(said));
    }
}

#[test]
fn a_matrix_has_chamfer_distances_and_no_others() {
    let work = tempfile::tempdir().unwrap();
    let costs = work.path().join("costs.npy");
    // Two queries, four rows.
    write_npy(&costs, 4, &[0.0, 1.0, 3.0, 9.0, 2.0, 1.5, 2.0, 9.0]);
    let rows = work.path().join("rows.txt");
    fs::write(&rows, "0\n2\n").unwrap();
    let run = |metric: &str| {
        let mut command = kantor();
        command.args(["distance", "--json", "--cost", "precomputed", "--metric", metric, "--similarity"]);
        command.arg(&costs).arg("--subset").arg(&rows);
        command
    };
    for (metric, value) in [("chamfer-to-subset", 1.0), ("chamfer-to-query", 1.0), ("hausdorff", 2.0)] {
        let (low, high) = ends(&printed_json(&mut run(metric)));
        assert!(low <= value && value <= high && high - low < 1e-15, "{metric}: {low} {high}");
    }
    for metric in ["energy", "mmd", "mmd-unbiased", "mean-difference"] {
        run(metric).assert().code(2).stderr(contains("matrix").and(contains("--pool")));
    }
}

#[test]
fn selections_show_energy_and_chamfer_as_distance_has_them() {
    let work = tempfile::tempdir().unwrap();
    let out = work.path().join("out");
    let printed =
        printed_json(&mut select_example(&out, &["--json", "--budget", "70", "--method", "round-robin,random"]));
    let manifest = json(&out.join("manifest.json"));
    for (at, result) in printed["results"].as_array().unwrap().iter().enumerate() {
        let list = Path::new(result["dir"].as_str().unwrap()).join("indices.npy");
        for (key, metric) in [("energy", "energy"), ("chamfer", "chamfer-to-subset")] {
            let found = printed_json(&mut distance(&list, &["--json", "--metric", metric]));
            assert_eq!(ends(&result[key]), ends(&found), "{metric}");
            assert_eq!(result[key], manifest["results"][at][key]);
        }
        assert!(result["held_out"].is_null());
    }
    let table = select_example(&out, &["--force", "--budget", "70"]).assert().success();
    table.stdout(contains("energy").and(contains("chamfer Q→S")));
    let bare = printed_json(&mut select_example(&out, &["--force", "--json", "--no-certify", "--budget", "70"]));
    assert!(bare["results"][0]["energy"].is_null() && bare["results"][0]["chamfer"].is_null());
}

/// On the bundled data the closest rows on average have a higher W than the closest rows to any query, and a lower
/// energy distance.
#[test]
fn methods_in_another_order_under_energy_are_named() {
    let work = tempfile::tempdir().unwrap();
    let out = work.path().join("out");
    let words = ["--json", "--method", "doubly-greedy,round-robin,random,mean-similarity", "--budget", "100,1000"];
    let mut command = select_example(&out, &words);
    let output = command.assert().success().get_output().clone();
    let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    let notes = printed["notes"].as_array().unwrap();
    assert_eq!(printed["notes"], json(&out.join("manifest.json"))["notes"]);
    // What is said is what the numbers say, budget by budget and pair by pair.
    let mut swapped = 0;
    for budget in [100, 1000] {
        let of = |method: &str| {
            let all = printed["results"].as_array().unwrap();
            let found = all.iter().find(|r| r["method"] == method && r["budget"] == budget).unwrap();
            (ends(&found["distance"]), ends(&found["energy"]))
        };
        let names = ["doubly-greedy", "round-robin", "random", "mean-similarity"];
        let note = notes.iter().find(|note| note["kind"] == "order" && note["budget"] == budget);
        let pairs = note.map_or(Vec::new(), |note| note["details"]["pairs"].as_array().unwrap().clone());
        for a in names {
            for b in names {
                let ((wa, ea), (wb, eb)) = (of(a), of(b));
                let differ = wa.1 < wb.0 && eb.1 < ea.0;
                let named = pairs.iter().any(|pair| pair["lower_distance"] == a && pair["lower_energy"] == b);
                assert_eq!(differ, named, "{budget} {a} {b}");
                swapped += usize::from(differ);
            }
        }
        assert_eq!(said.contains(&format!("at budget {budget} W and energy")), !pairs.is_empty());
    }
    assert!(swapped > 0, "no pair is swapped: {printed}");
}

#[test]
fn an_energy_distance_that_would_take_long_is_left_out_and_said_so() {
    let work = tempfile::tempdir().unwrap();
    let (pool, query, out) = (work.path().join("pool.npy"), work.path().join("query.npy"), work.path().join("out"));
    // One query: the pass over the pool is short, and ½k²d is beyond what is always done.
    let (n, dim) = (4000, 384);
    let value = |i: usize| ((i * 7919 + 13) % 1009) as f32 / 1009.0 - 0.5;
    write_npy(&pool, dim, &(0..n * dim).map(value).collect::<Vec<_>>());
    write_npy(&query, dim, &(0..dim).map(|i| value(i + 77)).collect::<Vec<_>>());
    let run = |more: &[&str]| {
        let mut command = kantor();
        command.args(["select", "--json", "--force", "--budget", "3900", "--pool"]).arg(&pool);
        command.arg("--query").arg(&query).arg("-o").arg(&out).args(more);
        command.assert().success().get_output().clone()
    };
    let printed = |output: &std::process::Output| serde_json::from_slice::<Value>(&output.stdout).unwrap();
    let quietly = run(&[]);
    let (result, notes) = (&printed(&quietly)["results"][0], &printed(&quietly)["notes"]);
    assert!(result["energy"].is_null() && !result["chamfer"].is_null());
    assert_eq!((&notes[0]["kind"], &notes[0]["budget"]), (&"energy-left-out".into(), &3900.into()));
    assert!(!String::from_utf8_lossy(&quietly.stderr).contains("left out"));
    assert!(String::from_utf8_lossy(&run(&["--verbose"]).stderr).contains("left out"));
    let asked = printed(&run(&["--energy"]));
    assert!(!asked["results"][0]["energy"].is_null() && asked["notes"].as_array().unwrap().is_empty());
}

#[test]
fn held_out_distances_are_of_queries_that_were_not_seen() {
    let work = tempfile::tempdir().unwrap();
    let out = work.path().join("out");
    let words = ["--json", "--budget", "60", "--method", "round-robin,random", "--cross-fit", "3", "--threads"];
    let printed = printed_json(select_example(&out, &words).arg("2"));
    let plain = printed_json(&mut select_example(&work.path().join("plain"), &["--json", "--budget", "60"]));
    assert_eq!(printed["results"][0]["distance"], plain["results"][0]["distance"], "the selection sees all queries");
    for (at, over_fits) in [(0, true), (1, false)] {
        let result = &printed["results"][at];
        let held = &result["held_out"];
        assert_eq!(held["folds"], 3);
        assert_eq!(held, &json(&out.join("manifest.json"))["results"][at]["held_out"]);
        let (low, high) = ends(&held["distance"]);
        assert!(low <= high && high - low < 1e-9 && ends(&held["energy"]).1 > 0.0);
        // T10: the farthest fold in the chord, and D·√(ln(3/δ)/(2·34)) at least.
        let law = &held["law"];
        assert_eq!((law["metric"].as_str(), law["delta"].as_f64()), (Some("chord"), Some(0.05)));
        let (above, term) = (law["distance"].as_f64().unwrap(), 2.0 * (60f64.ln() / 68.0).sqrt());
        assert!(above >= (2.0 * low).sqrt() + term && above < (3.0 * high).sqrt() + 1.1 * term, "{law}");
        // Thirds of the queries are farther than all of them; a method that looks at them is closer to those it saw.
        assert!(low > ends(&result["distance"]).1);
        if over_fits {
            assert!(low > 1.05 * ends(&held["seen"]["distance"]).1, "{held}");
        }
    }
    let again = printed_json(select_example(&out, &words).args(["1", "--force"]));
    assert_eq!(again["results"][0]["held_out"], printed["results"][0]["held_out"]);
    let other = printed_json(select_example(&out, &words).args(["2", "--force", "--seed", "5"]));
    assert_ne!(other["results"][0]["held_out"], printed["results"][0]["held_out"]);
    let table = select_example(&out, &["--force", "--budget", "60", "--cross-fit", "2", "--no-certify"]).assert();
    table.success().stdout(contains("held-out energy").and(contains("(T10)")));
    for folds in ["0", "1", "101"] {
        let bad = select_example(&out, &["--force", "--budget", "60", "--cross-fit", folds]).assert().code(2);
        bad.stderr(contains("between 2 and the 100 queries"));
    }
}

#[test]
fn a_power_and_a_kernel_that_the_metric_does_not_have_are_refused() {
    let work = tempfile::tempdir().unwrap();
    let list = list(work.path());
    for metric in METRICS.iter().filter(|metric| !metric.starts_with("chamfer")) {
        distance(&list, &["--metric", metric, "--p", "2"]).assert().code(2).stderr(contains("have no power"));
    }
    let kernel = ["--metric", "mmd", "--kernel", "cosine", "--cost"];
    distance(&list, &[&kernel[..], &["euclidean"]].concat()).assert().code(2).stderr(contains("length one"));
    distance(&list, &[&kernel[..], &["angular"]].concat()).assert().success();
}

/// With a matrix the folds are rows of it.
#[test]
fn cross_fitting_works_on_matrices() {
    let work = tempfile::tempdir().unwrap();
    let (costs, out) = (work.path().join("costs.npy"), work.path().join("out"));
    // Queries 0 and 1, rows 0..3; whatever one query chooses costs the other 5.
    write_npy(&costs, 3, &[1.0, 5.0, 9.0, 5.0, 2.0, 9.0]);
    let mut command = kantor();
    command.args(["select", "--json", "--cost", "precomputed", "--budget", "1", "--cross-fit", "2", "--similarity"]);
    let printed = printed_json(command.arg(&costs).arg("-o").arg(&out));
    let held = &printed["results"][0]["held_out"];
    assert!(held["law"].is_null(), "a matrix is not known to be a metric");
    let (low, high) = ends(&held["distance"]);
    assert!(low <= 5.0 && 5.0 <= high && high - low < 1e-12);
    let (low, high) = ends(&held["seen"]["distance"]);
    assert!(low <= 1.5 && 1.5 <= high && high - low < 1e-12);
    assert!(held["energy"].is_null());
    assert_eq!(indices(&out.join("round-robin/k1/indices.npy")), [0]);
}

/// The column of `select --p 2` was the root of the mean squared cost, which `distance` refused to say.
#[test]
fn chamfer_is_one_number_in_select_and_distance_for_every_power() {
    let work = tempfile::tempdir().unwrap();
    let out = work.path().join("out");
    let mut means = Vec::new();
    for p in ["1", "2"] {
        let words = ["--json", "--force", "--method=random", "--budget=4", "--p", p];
        let chosen = printed_json(&mut select_example(&out, &words));
        let rows = out.join("random/k4/indices.npy");
        let words = ["--metric", "chamfer-to-subset", "--p", p];
        let measured = printed_json(distance(&rows, &words).arg("--json"));
        assert_eq!(ends(&chosen["results"][0]["chamfer"]), ends(&measured));
        assert_eq!(measured["p"].to_string(), p);
        let text = distance(&rows, &words).assert().success();
        let printed = String::from_utf8(text.get_output().stdout.clone()).unwrap();
        assert_eq!(printed.contains("the root of the mean squared cost"), p == "2", "{printed}");
        means.push(ends(&measured).0);
    }
    assert!(means[0] < means[1], "{means:?}");
}
