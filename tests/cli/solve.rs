//! `kantor distance --solver`, its plan and trace files, and `kantor solvers`.

use std::fs;
use std::path::Path;

use assert_cmd::Command;
use predicates::prelude::*;
use predicates::str::contains;
use safetensors::SafeTensors;
use serde_json::Value;

use crate::support::{example, kantor, printed_json};

/// `kantor distance` between a few rows of the bundled pool and the queries.
fn distance(rows: &Path, more: &[&str]) -> Command {
    fs::write(rows, (0..60).map(|i| format!("{}\n", i * 83 % 5005)).collect::<String>()).unwrap();
    let mut command = kantor();
    command.args(["distance", "--pool"]).arg(example("pool.embed.npy"));
    command.arg("--query").arg(example("query_gsm8k.embed.npy")).arg("--subset").arg(rows).args(more);
    command
}

fn number(printed: &Value, key: &str) -> f64 {
    printed[key].as_f64().unwrap_or_else(|| panic!("{key} in {printed}"))
}

#[test]
fn every_solver_is_listed() {
    let printed = printed_json(kantor().args(["solvers", "--json"]));
    assert_eq!(printed["schema"], "kantor/solvers/1");
    let listed = printed["solvers"].as_array().unwrap();
    assert_eq!(listed.len(), kantor::solvers::registry::SOLVERS.len());
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/src/solvers.md")).unwrap();
    for (entry, listed) in kantor::solvers::registry::SOLVERS.iter().zip(listed) {
        assert_eq!(listed["name"], entry.name);
        assert!(!entry.summary.is_empty() && !entry.problems.is_empty());
        kantor().arg("solvers").assert().success().stdout(contains(entry.summary));
        assert!(readme.contains(&format!("| `{}` |", entry.name)), "docs have no row for solver {}", entry.name);
    }
}

/// The solvers' crate says `epsilon`, the command line `--epsilon`.
#[test]
fn what_a_solver_refuses_is_said_with_flags() {
    let work = tempfile::tempdir().unwrap();
    let rows = work.path().join("rows.txt");
    let refused = distance(&rows, &["--solver", "exact", "--epsilon", "0.1"]).assert().code(2);
    refused.stderr(contains("solver `exact` solves problems without entropy: take --epsilon 0"));
    let scope = printed_json(kantor().args(["methods", "--json"]))["scope"].to_string();
    assert!(scope.contains("--balance-groups"), "{scope}");
}

#[test]
fn exact_by_name_prints_the_same_interval_and_what_it_did() {
    let work = tempfile::tempdir().unwrap();
    let rows = work.path().join("rows.txt");
    let plain = printed_json(&mut distance(&rows, &["--json"]));
    assert_eq!(
        plain.as_object().unwrap().keys().collect::<Vec<_>>(),
        ["best", "excess", "lower", "random", "schema", "status", "upper"]
    );
    let named = printed_json(&mut distance(&rows, &["--json", "--solver", "exact"]));
    for key in ["lower", "upper"] {
        assert!((number(&plain, key) - number(&named, key)).abs() < 1e-12);
    }
    assert_eq!((&named["solver"], &named["status"]), (&"exact".into(), &"certified".into()));
    assert!(number(&named, "lower") <= number(&named, "value") && number(&named, "value") <= number(&named, "upper"));
    assert_eq!(number(&named, "residual"), 0.0);
}

#[test]
fn entropic_solvers_bracket_the_distance_more_closely_as_epsilon_falls() {
    let work = tempfile::tempdir().unwrap();
    let rows = work.path().join("rows.txt");
    let plain = printed_json(&mut distance(&rows, &["--json"]));
    let certificate = work.path().join("certificate.json");
    let words = ["--force", "--certificate", certificate.to_str().unwrap(), "--json"];
    for solver in ["sinkhorn", "sinkhorn-newton"] {
        let mut width = f64::INFINITY;
        for epsilon in ["0.1", "0.01", "0.001"] {
            let found =
                printed_json(&mut distance(&rows, &[&words[..], &["--solver", solver, "--epsilon", epsilon]].concat()));
            let (lower, upper) = (number(&found, "lower"), number(&found, "upper"));
            assert!(lower <= number(&plain, "upper") && number(&plain, "lower") <= upper, "{found}");
            assert!(upper - lower < width, "{solver} {epsilon}: {found}");
            width = upper - lower;
            assert!(number(&found, "residual") <= 1e-9 && number(&found, "dual") <= number(&found, "value") + 1e-9);
            assert!(width <= epsilon.parse::<f64>().unwrap() * 100f64.ln() + 1e-3);
            let mut verify = kantor();
            verify.args(["verify", "--json"]).arg(&certificate).arg("--pool").arg(example("pool.embed.npy"));
            let verdict = printed_json(verify.arg("--query").arg(example("query_gsm8k.embed.npy")));
            assert_eq!((&verdict["verdict"], &verdict["lower"]), (&"verified".into(), &found["lower"]));
        }
    }
}

#[test]
fn the_divergence_of_a_measure_from_itself_is_zero() {
    let work = tempfile::tempdir().unwrap();
    let rows = work.path().join("rows.txt");
    let words = ["--json", "--solver", "sinkhorn-newton", "--epsilon", "0.05", "--divergence"];
    let found = printed_json(&mut distance(&rows, &words));
    assert!(0.0 < number(&found, "divergence") && number(&found, "divergence") < number(&found, "value"));
    let mut itself = kantor();
    itself.args(["distance", "--pool"]).arg(example("query_gsm8k.embed.npy"));
    let zero = printed_json(itself.arg("--query").arg(example("query_gsm8k.embed.npy")).args(words));
    assert!(number(&zero, "divergence").abs() < 1e-9 && number(&zero, "value") > 1e-3, "{zero}");
    distance(&rows, &["--divergence"]).assert().code(2);
}

#[test]
fn a_tolerance_that_is_not_met_ends_with_1_and_still_brackets() {
    let work = tempfile::tempdir().unwrap();
    let rows = work.path().join("rows.txt");
    let words = ["--json", "--solver", "sinkhorn", "--epsilon", "0.001", "--iterations", "2"];
    let output = distance(&rows, &words).assert().code(1).get_output().stdout.clone();
    let found: Value = serde_json::from_slice(&output).unwrap();
    assert_eq!(found["status"], "iteration_limit");
    let plain = printed_json(&mut distance(&rows, &["--json"]));
    assert!(number(&found, "lower") <= number(&plain, "upper") && number(&plain, "lower") <= number(&found, "upper"));
}

#[test]
fn every_kind_of_marginal_can_be_said() {
    let work = tempfile::tempdir().unwrap();
    let rows = work.path().join("rows.txt");
    for words in [
        &["--solver", "sinkhorn", "--epsilon", "0.05", "--pool-marginal", "kl:0.01"][..],
        &["--solver", "sinkhorn", "--epsilon", "0.05", "--pool-marginal", "kl:0.1", "--query-marginal", "kl:1"],
        &["--solver", "sinkhorn", "--epsilon", "0.05", "--pool-marginal", "kl:inf", "--reference", "counting"],
        &["--solver", "partial", "--pool-marginal", "tv:0.2", "--query-marginal", "tv:0.2"],
        &["--solver", "exact", "--pool-marginal", "capacity:2"],
    ] {
        let found = printed_json(&mut distance(&rows, &[&["--json"], words].concat()));
        assert_eq!(found["status"], "certified", "{words:?}");
        assert!(number(&found, "lower") <= number(&found, "upper") && number(&found, "value").is_finite());
    }
    // A solver without a plan: no numbers that are none.
    let bound = printed_json(&mut distance(&rows, &["--json", "--solver", "sliced"]));
    assert!(bound["value"].is_null() && number(&bound, "dual") <= number(&bound, "upper"), "{bound}");
    let text = distance(&rows, &["--solver", "sliced"]).assert().success();
    text.stdout(contains("inf").not().and(contains("NaN").not()));
    distance(&rows, &["--solver", "sliced", "--plan", "plan.safetensors"]).assert().code(2);
    for words in [
        &["--pool-marginal", "kl"][..],
        &["--pool-marginal", "kl:-1", "--solver", "sinkhorn", "--epsilon", "1"],
        &["--pool-marginal", "soft:1"],
        &["--query-marginal", "capacity:0.5"],
        &["--epsilon", "-1"],
        &["--epsilon", "0.1"],
        &["--solver", "sinkhorn"],
        &["--solver", "nobody"],
        &["--solver", "exact", "--tolerance", "0"],
        &["--threshold", "0.1"],
    ] {
        distance(&rows, words).assert().code(2);
    }
    distance(&rows, &["--solver", "exact", "--max-memory", "1K"]).assert().code(5);
}

/// A plan as read back: shape, compressed rows and metadata.
struct Read {
    indptr: Vec<i64>,
    indices: Vec<i64>,
    values: Vec<f64>,
    metadata: std::collections::HashMap<String, String>,
}

fn read(path: &Path) -> Read {
    let bytes = fs::read(path).unwrap();
    let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let words = |name: &str| -> Vec<[u8; 8]> { tensors.tensor(name).unwrap().data().as_chunks().0.to_vec() };
    Read {
        indptr: words("indptr").into_iter().map(i64::from_le_bytes).collect(),
        indices: words("indices").into_iter().map(i64::from_le_bytes).collect(),
        values: words("values").into_iter().map(f64::from_le_bytes).collect(),
        metadata: header.metadata().clone().unwrap(),
    }
}

#[test]
fn plans_are_read_back_whole() {
    let work = tempfile::tempdir().unwrap();
    let (rows, file) = (work.path().join("rows.txt"), work.path().join("plan.safetensors"));
    let words = ["--json", "--solver", "sinkhorn", "--epsilon", "0.02", "--force", "--plan", file.to_str().unwrap()];
    for more in [&["--threshold", "0.001"][..], &["--threshold", "0"], &["--rounded"]] {
        let printed = printed_json(&mut distance(&rows, &[&words, more].concat()));
        let plan = read(&file);
        assert_eq!((plan.indptr.len(), plan.indptr[0]), (61, 0));
        assert_eq!(plan.indptr[60] as usize, plan.values.len());
        assert_eq!(printed["plan"]["entries"], plan.values.len());
        let dropped = number(&printed["plan"], "dropped_mass");
        assert_eq!(plan.metadata["dropped_mass"].parse::<f64>().unwrap(), dropped);
        assert_eq!((plan.metadata["rows"].as_str(), plan.metadata["queries"].as_str()), ("60", "100"));
        let (mut sent, mut received) = (vec![0.0; 60], vec![0.0; 100]);
        for (sent, ends) in sent.iter_mut().zip(plan.indptr.windows(2)) {
            let span = ends[0] as usize..ends[1] as usize;
            assert!(plan.indices[span.clone()].windows(2).all(|pair| pair[0] < pair[1]));
            for at in span {
                *sent += plan.values[at];
                received[plan.indices[at] as usize] += plan.values[at];
            }
        }
        let off = |masses: &[f64]| masses.iter().map(|x| (x - 1.0 / masses.len() as f64).abs()).sum::<f64>();
        let error = off(&sent).max(off(&received));
        match more {
            ["--rounded"] => assert!(error < 1e-14 && dropped == 0.0, "{error}"),
            ["--threshold", "0"] => assert!(error < 1e-8 && dropped == 0.0, "{error}"),
            _ => assert!(dropped > 0.0 && error <= 2.0 * dropped + 1e-8, "{error} {dropped}"),
        }
        let kept: f64 = plan.values.iter().sum();
        assert!((kept + dropped - 1.0).abs() < 1e-8);
    }
    let left: Vec<_> = fs::read_dir(work.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "{left:?}");
}

#[test]
fn traces_follow_the_iterations() {
    let work = tempfile::tempdir().unwrap();
    let (rows, file) = (work.path().join("rows.txt"), work.path().join("trace.jsonl"));
    let words = ["--json", "--solver", "sinkhorn", "--epsilon", "0.01", "--trace", file.to_str().unwrap()];
    let printed = printed_json(&mut distance(&rows, &words));
    let lines: Vec<Value> =
        fs::read_to_string(&file).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.len() > 1);
    assert!(lines.windows(2).all(|pair| pair[0]["iteration"].as_u64() < pair[1]["iteration"].as_u64()));
    assert!(lines.windows(2).all(|pair| number(&pair[0], "seconds") <= number(&pair[1], "seconds")));
    let last = lines.last().unwrap();
    assert_eq!(last["epsilon"].as_f64(), Some(0.01));
    // What completes the solution is counted too.
    assert!(last["iteration"].as_u64() <= printed["iterations"].as_u64());
    assert!((number(last, "dual") - number(&printed, "dual")).abs() < 1e-6);
    distance(&rows, &["--solver", "exact", "--trace", "/no/such/directory/t.jsonl"]).assert().code(4);
}

#[test]
fn kl_penalties_that_rounding_would_drown_are_refused() {
    for rho in ["1e13", "1e100", "1e308"] {
        let mut run = kantor();
        run.args(["distance", "--solver", "sinkhorn", "--epsilon", "0.1", "--pool-marginal", &format!("kl:{rho}")]);
        run.arg("--pool").arg(example("pool.embed.npy")).arg("--query").arg(example("query_gsm8k.embed.npy"));
        run.assert().code(2).stderr(contains("at most 1e12")).stderr(contains("hard"));
    }
}

#[test]
fn penalties_and_capacities_beyond_all_need_leave_the_dual_value_right() {
    for words in [
        &["--solver", "partial", "--pool-marginal", "tv:1e308"][..],
        &["--solver", "partial", "--query-marginal", "tv:1e100"],
        &["--solver", "partial", "--pool-marginal", "tv:1e30", "--query-marginal", "tv:1e30"],
        &["--solver", "exact", "--pool-marginal", "capacity:1e16"],
        &["--solver", "exact", "--query-marginal", "capacity:1e300"],
    ] {
        let mut run = kantor();
        run.args(["distance", "--json", "--quiet", "--pool"]).arg(example("pool.embed.npy"));
        let printed = printed_json(run.arg("--query").arg(example("query_gsm8k.embed.npy")).args(words));
        let of = |key: &str| printed[key].as_f64().unwrap();
        assert!((of("value") - of("dual")).abs() < 1e-9, "{words:?}: {} and {}", of("value"), of("dual"));
    }
}

#[test]
fn a_threshold_for_a_plan_that_is_written_whole_is_named() {
    let work = tempfile::tempdir().unwrap();
    let (rows, plan) = (work.path().join("rows.txt"), work.path().join("plan.safetensors"));
    for (words, idle) in [
        (&["--rounded"][..], false),
        (&["--threshold=0.01"], false),
        (&["--rounded", "--threshold=1e-6"], false),
        (&["--rounded", "--threshold=0.01"], true),
    ] {
        let run = distance(&rows, &[words, &["--force", "--plan", plan.to_str().unwrap()]].concat()).assert().success();
        let printed = String::from_utf8(run.get_output().stderr.clone()).unwrap();
        assert_eq!(printed.contains("--threshold changes nothing here"), idle, "{words:?}: {printed}");
    }
}

#[test]
fn settings_that_no_chosen_solver_reads_are_named() {
    let work = tempfile::tempdir().unwrap();
    let rows = work.path().join("rows.txt");
    for (words, idle) in [
        (&["--tolerance=1e-3"][..], Some("--tolerance")),
        (&["--solver=exact", "--rank=9"], Some("--rank")),
        (&["--solver=sinkhorn", "--epsilon=0.1", "--directions=9"], Some("--directions")),
        (&["--metric=hausdorff", "--seed=1"], Some("--seed")),
        (&["--solver=exact", "--reference=counting"], Some("--reference")),
        (&["--solver=sinkhorn", "--epsilon=0.1", "--iterations=9000", "--reference=counting"], None),
        (&["--solver=sliced", "--directions=9", "--seed=1"], None),
    ] {
        let run = distance(&rows, words).assert();
        let printed = String::from_utf8(run.get_output().stderr.clone()).unwrap();
        assert_eq!(printed.contains("changes nothing here"), idle.is_some(), "{words:?}: {printed}");
        assert!(printed.contains(idle.unwrap_or_default()), "{printed}");
    }
    for (solver, said) in [("exact", true), ("exact,sinkhorn", false)] {
        let mut compare = kantor();
        compare.args(["compare", "--pool"]).arg(example("pool.embed.npy")).arg("--query");
        compare.arg(example("query_gsm8k.embed.npy")).args(["--budget=5", "--method=random", "--random-seeds=0"]);
        compare.args(["--solver", solver, "--solver-epsilon=3", "-o"]).arg(work.path().join(solver));
        let run = compare.assert().success();
        let printed = String::from_utf8(run.get_output().stderr.clone()).unwrap();
        assert_eq!(printed.contains("--solver-epsilon changes nothing here"), said, "{solver}: {printed}");
    }
}
