//! `kantor bound`: what it prints, what it refuses to call a bound, and that what it prints holds.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use predicates::prelude::PredicateBooleanExt;
use serde_json::Value;
use tempfile::tempdir;

use crate::support::{example, kantor, printed_json, select_example, write_npy};

/// `kantor bound` on bundled data for a subset, with few resamplings.
fn bound(query: &str, subset: &Path, more: &[&str]) -> Command {
    let mut command = kantor();
    command.arg("bound").arg("--pool").arg(example("pool.embed.npy")).arg("--query").arg(example(query));
    command.arg("--subset").arg(subset).args(["--references", "3", "--splits", "2"]).args(more);
    command
}

/// A text list of rows spread over the pool.
fn subset(dir: &Path, count: usize) -> PathBuf {
    let path = dir.join("subset.txt");
    let rows: Vec<String> = (0..count).map(|i| (i * 5005 / count).to_string()).collect();
    fs::write(&path, rows.join("\n")).unwrap();
    path
}

fn results(printed: &Value) -> &Vec<Value> {
    printed["results"].as_array().unwrap()
}

fn line<'a>(printed: &'a Value, quantity: &str) -> &'a Value {
    let found = results(printed).iter().find(|r| r["quantity"].as_str().unwrap().starts_with(quantity));
    found.unwrap_or_else(|| panic!("no line {quantity}"))
}

fn value(printed: &Value, quantity: &str) -> f64 {
    line(printed, quantity)["value"].as_f64().unwrap()
}

#[test]
fn without_a_constant_it_prints_the_critical_one_and_no_gap() {
    let dir = tempdir().unwrap();
    let rows = subset(dir.path(), 60);
    for query in ["query_gsm8k.embed.npy", "query_humaneval.embed.npy"] {
        let printed = printed_json(&mut bound(query, &rows, &["--json"]));
        assert_eq!((printed["schema"].as_str(), printed["metric"].as_str()), (Some("kantor/bound/1"), Some("chord")));
        let w = value(&printed, "W₁(S, Q)");
        for r in results(&printed) {
            let page = format!("theory/notes/{}.md", r["theorem"].as_str().unwrap());
            assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join(&page).is_file(), "{page}");
            let status = r["status"].as_str().unwrap();
            assert!(["value", "informative", "vacuous", "refused", "not-computed"].contains(&status));
            assert_eq!(r["value"].is_null(), matches!(status, "refused" | "not-computed"), "{r}");
            assert_eq!(r["why"].is_null(), matches!(status, "value" | "informative"), "{r}");
            let quantity = r["quantity"].as_str().unwrap();
            if quantity.starts_with("W₁ ≥") {
                assert!(r["side"] == "lower" && r["value"].as_f64().unwrap() <= w, "{r}");
            }
            // Without L nothing that contains it may be printed.
            assert!(!quantity.contains("L·"), "{quantity}");
        }
        assert!(value(&printed, "W₁ ≤ mean distance") >= w);
        assert!(value(&printed, "W₁ of every subset") <= w);
        for upper in ["W₁ ≤ entropic plan", "W₁ ≤ W₁ on 20 directions + residuals"] {
            assert!(value(&printed, upper) >= w - 1e-9, "{upper}");
        }
        // T5: the rounded plan is off by no more than entropic transport can be.
        let excess = line(&printed, "entropic cost − W₁");
        assert!(value(&printed, "W₁ ≤ entropic plan") - w <= excess["value"].as_f64().unwrap() + 1e-6);
        assert_eq!(line(&printed, "Sinkhorn divergence")["kind"], "estimate");
        // T4: less than W₁ with a tenth of the mass left out, but with a price.
        let part = line(&printed, "⟨d, π⟩ without the longest");
        let missing = part["inputs"]["share left out"].as_f64().unwrap();
        assert!(part["value"].as_f64().unwrap() < w && missing > 0.0 && missing < 0.101);
        assert!((value(&printed, "critical L on these queries (× B, R_S = 0)") * w - 1.0).abs() < 1e-9);
        assert_eq!(line(&printed, "loss gap from cost `cosine`")["status"], "refused");
        assert_eq!(line(&printed, "W₁(S, P), from held-out")["status"], "not-computed");
        assert_eq!(line(&printed, "W₁(S, P), from the same queries")["kind"], "high-probability");
        assert_eq!(line(&printed, "gain over random / C*, rate with C_d")["kind"], "heuristic");
        assert_eq!(line(&printed, "intrinsic dimension, TwoNN")["kind"], "estimate");
    }
    bound("query_gsm8k.embed.npy", &rows, &["--all"])
        .assert()
        .success()
        .stdout(predicates::str::contains("VACUOUS 1").and(predicates::str::contains("assumption fails")))
        // Fits a terminal of 120 columns.
        .stdout(predicates::function::function(|text: &str| text.lines().all(|line| line.chars().count() <= 120)));
}

#[test]
fn results_do_not_depend_on_threads() {
    let dir = tempdir().unwrap();
    let rows = subset(dir.path(), 40);
    let one = printed_json(&mut bound("query_gsm8k.embed.npy", &rows, &["--json", "--threads", "1", "--seed", "5"]));
    let two = printed_json(&mut bound("query_gsm8k.embed.npy", &rows, &["--json", "--threads", "2", "--seed", "5"]));
    assert_eq!(one, two);
    let other = printed_json(&mut bound("query_gsm8k.embed.npy", &rows, &["--json", "--seed", "6"]));
    let v = |p: &Value| line(p, "W₁(Q, P), by half-splits")["inputs"]["V̂"].as_f64().unwrap();
    assert!(v(&one) != v(&other) && (v(&one) - v(&other)).abs() < 0.1);
}

/// A loss that is Lipschitz by construction obeys every bound that is printed for it.
#[test]
fn printed_bounds_hold_for_a_lipschitz_loss() {
    let dir = tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).display().to_string();
    // Directions in the plane; l = (1 − cos(angle − 1))/2 moves by at most half the chord.
    let angles = |n: usize, start: f64, step: f64| -> Vec<f64> { (0..n).map(|i| start + step * i as f64).collect() };
    let (pool, query, fresh) = (angles(40, 0.0, 0.15), angles(12, 0.3, 0.11), angles(30, 0.357, 0.0413));
    let write = |name: &str, angles: &[f64]| {
        let rows: Vec<f32> = angles.iter().flat_map(|a| [a.cos() as f32, a.sin() as f32]).collect();
        write_npy(&dir.path().join(name), 2, &rows);
    };
    let loss = |a: &f64| (1.0 - (a - 1.0).cos()) / 2.0;
    let losses = |name: &str, angles: &[f64]| -> f64 {
        let losses: Vec<f64> = angles.iter().map(loss).collect();
        let text: Vec<String> = losses.iter().map(f64::to_string).collect();
        fs::write(dir.path().join(name), text.join("\n")).unwrap();
        losses.iter().sum::<f64>() / losses.len() as f64
    };
    write("pool.npy", &pool);
    write("query.npy", &query);
    write("fresh.npy", &fresh);
    let chosen: Vec<f64> = [1, 4, 7, 9, 12].map(|i: usize| pool[i]).to_vec();
    fs::write(dir.path().join("subset.txt"), "1\n4\n7\n9\n12\n").unwrap();
    let rs = losses("ls.txt", &chosen);
    let rq = losses("lq.txt", &query);
    let re = losses("le.txt", &fresh);
    losses("lp.txt", &pool);
    let run = |more: &[&str], subset_losses: &str| {
        let mut command = kantor();
        command.args(["bound", "--pool", &at("pool.npy"), "--query", &at("query.npy"), "--subset", &at("subset.txt")]);
        command.args(["--losses", &at(subset_losses), "--query-losses", &at("lq.txt"), "--range", "1", "--json"]);
        printed_json(command.args(more))
    };
    let (fresh_file, fresh_losses) = (at("fresh.npy"), at("le.txt"));
    let held = ["--lipschitz", "0.5", "--heldout-query", &fresh_file, "--heldout-losses", &fresh_losses];
    let printed = run(&held, "ls.txt");
    assert_eq!(printed, run(&held, "lp.txt"), "losses of the pool are those of its rows");
    let room = 1e-6;
    assert!((rq - rs).abs() <= value(&printed, "|R_Q − R_S| ≤ L·W₁") + room);
    assert!(rq - rs <= value(&printed, "R_Q − R_S, truncated metric") + room);
    let partial = value(&printed, "|R_Q − R_S|, pairs with L·d ≤ B carried");
    assert!((rq - rs).abs() <= partial + room);
    assert!((partial - value(&printed, "R_Q − R_S, truncated metric")).abs() < 1e-9, "T4 and T1b agree");
    assert!(rq <= value(&printed, "R_Q ≤ min λ·R_S + L·OT_λ") + room);
    assert!(rq - rs <= value(&printed, "R_Q − R_S, measured on the plan") + room);
    let largest = query.iter().map(loss).fold(0.0, f64::max);
    assert!(largest <= value(&printed, "max l on Q (k-center)") + room);
    assert!(value(&printed, "L observed along the plan") <= 0.5 + room);
    assert!(re <= value(&printed, "R_P on held-out queries, Hoeffding"));
    let main = line(&printed, "R_P, main statement, held-out queries");
    assert_eq!((main["kind"].as_str(), main["theorem"].as_str()), (Some("high-probability"), Some("composite")));
    let names: Vec<&str> =
        main["assumptions"].as_array().unwrap().iter().map(|a| a["name"].as_str().unwrap()).collect();
    for name in ["lipschitz", "bounded", "non-negative", "held-out", "queries-iid", "prior-diameter"] {
        assert!(names.contains(&name), "{names:?}");
    }
    assert!(value(&printed, "critical L on these queries") > 0.5, "L = 0.5 is informative here");
    // A large L is called vacuous, with the reason.
    let vacuous = run(&["--lipschitz", "100"], "ls.txt");
    let gap = line(&vacuous, "|R_Q − R_S| ≤ L·W₁");
    assert_eq!(gap["status"], "vacuous");
    assert!(gap["why"].as_str().unwrap().contains("lower bound of W₁ already gives"));
    assert_eq!(value(&vacuous, "R_Q − R_S, truncated metric"), 1.0);
}

#[test]
fn inputs_that_contradict_an_assumption_are_refused() {
    let dir = tempdir().unwrap();
    let out = dir.path().join("out");
    select_example(&out, &["--budget", "50", "--no-certify", "--quiet"]).assert().success();
    let rows = out.join("round-robin/k50/indices.npy");
    let query = example("query_gsm8k.embed.npy").display().to_string();
    // Held-out queries that are the selection's: shown by the rows, or by the manifest beside the subset.
    for against in ["query_gsm8k.embed.npy", "query_humaneval.embed.npy"] {
        let printed = printed_json(&mut bound(against, &rows, &["--json", "--heldout-query", &query]));
        let refused = line(&printed, "W₁(S, P), from held-out queries");
        assert_eq!(refused["status"], "refused", "{against}");
        assert_eq!(refused["assumptions"][0]["name"], "held-out");
    }
    let other = example("query_humaneval.embed.npy").display().to_string();
    let printed = printed_json(&mut bound("query_gsm8k.embed.npy", &rows, &["--json", "--heldout-query", &other]));
    assert_eq!(line(&printed, "W₁(S, P), from held-out queries")["kind"], "high-probability");
    // The same rows in a file of another byte order: known by value from a result that was certified.
    let certified = dir.path().join("certified");
    select_example(&certified, &["--budget", "50", "--quiet"]).assert().success();
    let mut bytes = fs::read(&query).unwrap();
    let data = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let order = bytes.windows(3).position(|text| text == b"<f4").unwrap();
    bytes[order] = b'>';
    bytes[data..].chunks_exact_mut(4).for_each(<[u8]>::reverse);
    let swapped = dir.path().join("swapped.npy");
    fs::write(&swapped, bytes).unwrap();
    let rows_of = certified.join("round-robin/k50/indices.npy");
    let words = ["--json", "--heldout-query", swapped.to_str().unwrap()];
    let printed = printed_json(&mut bound("query_humaneval.embed.npy", &rows_of, &words));
    assert_eq!(line(&printed, "W₁(S, P), from held-out queries")["status"], "refused");
    // Unit rows are no raw gradients.
    let printed = printed_json(&mut bound("query_gsm8k.embed.npy", &rows, &["--json", "--gradients"]));
    let refused = line(&printed, "loss change on Q against S");
    assert_eq!(
        (refused["status"].as_str(), refused["assumptions"][0]["name"].as_str()),
        (Some("refused"), Some("raw-gradients"))
    );
    // Signed losses have no capacity path; losses outside the range no main statement; angles no means.
    let signed = dir.path().join("signed.txt");
    fs::write(&signed, vec!["-0.5"; 50].join("\n")).unwrap();
    let signed = signed.display().to_string();
    let words = ["--json", "--losses", &signed, "--lipschitz", "1", "--range", "1", "--cost", "angular"];
    let printed = printed_json(&mut bound("query_gsm8k.embed.npy", &rows, &words));
    assert_eq!(line(&printed, "R_Q ≤ min λ·R_S")["assumptions"][0]["name"], "non-negative");
    assert_eq!(line(&printed, "R_P, main statement")["assumptions"][0]["name"], "bounded");
    assert_eq!(line(&printed, "W₁ ≥ difference of means")["status"], "refused");
    assert!(results(&printed).iter().all(|r| !r["quantity"].as_str().unwrap().starts_with("loss gap from cost")));
    // A Euclidean space has no diameter of its own.
    let printed = printed_json(&mut bound("query_gsm8k.embed.npy", &rows, &["--json", "--cost", "euclidean"]));
    assert!(line(&printed, "W₁(S, P)")["why"].as_str().unwrap().contains("--diameter"));
}

#[test]
fn raw_gradients_give_a_matching_error_and_a_descent() {
    let dir = tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).display().to_string();
    write_npy(&dir.path().join("pool.npy"), 2, &[1.0, 0.0, 0.0, 3.0, 2.0, 0.5, -1.0, -1.0]);
    write_npy(&dir.path().join("query.npy"), 2, &[1.0, 0.5, 2.0, 0.0]);
    fs::write(dir.path().join("subset.txt"), "0\n2\n").unwrap();
    let mut command = kantor();
    command.args(["bound", "--pool", &at("pool.npy"), "--query", &at("query.npy"), "--subset", &at("subset.txt")]);
    let printed =
        printed_json(command.args(["--json", "--gradients", "--smoothness", "2", "--step", "0.1", "--alpha", "1"]));
    // Both means are (1.5, 0.25).
    assert!(value(&printed, "relative matching error r") < 1e-12);
    assert!((value(&printed, "descent on Q of one step 1/β on S") - 0.25 * 2.3125).abs() < 1e-9);
    assert!((value(&printed, "loss change on Q against S") - 0.02).abs() < 1e-9);
    assert!((value(&printed, "error per unit of loss") - 2.0).abs() < 1e-12);
}

#[test]
fn words_and_files_that_make_no_sense() {
    let dir = tempdir().unwrap();
    let rows = subset(dir.path(), 10);
    let query = "query_gsm8k.embed.npy";
    for words in [["--delta", "1"], ["--range", "0"], ["--lipschitz", "-1"], ["--alpha", "nan"]] {
        bound(query, &rows, &words).assert().code(2);
    }
    bound(query, &rows, &["--logit-lipschitz", "1"]).assert().code(2);
    let few = dir.path().join("few.txt");
    fs::write(&few, "0.1\n0.2\n").unwrap();
    let few = few.display().to_string();
    bound(query, &rows, &["--losses", &few])
        .assert()
        .code(3)
        .stderr(predicates::str::contains("holds 2 losses, not 10 or 5005"));
    let outside = dir.path().join("outside.txt");
    fs::write(&outside, "7000\n").unwrap();
    bound(query, &outside, &[]).assert().code(3);
    bound(query, &rows, &["--max-memory", "1000"]).assert().code(5);
    let matrix = dir.path().join("matrix.npy");
    write_npy(&matrix, 3, &[0.1, 0.2, 0.3, 0.3, 0.2, 0.1]);
    let mut command = kantor();
    command.args(["bound", "--similarity"]).arg(&matrix).arg("--subset").arg(&rows);
    command.assert().code(2).stderr(predicates::str::contains("--similarity"));
}

#[test]
fn methods_say_what_they_optimise() {
    let mut command = kantor();
    let printed = printed_json(command.args(["methods", "--theory", "--json"]));
    for method in printed["methods"].as_array().unwrap() {
        for key in ["optimises", "relation", "guarantee"] {
            assert!(!method["theory"][key].as_str().unwrap().is_empty());
        }
    }
    let words = predicates::str::contains("serial dictatorship");
    kantor().args(["methods", "--theory"]).assert().success().stdout(words);
    let mut plain = kantor();
    let plain = printed_json(plain.args(["methods", "--json"]));
    assert!(plain["methods"][0].get("theory").is_none());
}

/// Losses that were measured may show that B or L was chosen too small, or that losses are negative: no bound that rests on
/// that is printed.
#[test]
fn losses_that_contradict_an_assumption_leave_no_bound_that_rests_on_it() {
    let dir = tempdir().unwrap();
    let rows = subset(dir.path(), 10);
    let of = |subset_losses: &str, query_losses: &str, more: &[&str]| {
        let (on_subset, on_query) = (dir.path().join("on-subset.txt"), dir.path().join("on-query.txt"));
        fs::write(&on_subset, subset_losses.repeat(10)).unwrap();
        fs::write(&on_query, query_losses.repeat(50)).unwrap();
        let mut command = bound("query_gsm8k.embed.npy", &rows, more);
        command.arg("--json").arg("--losses").arg(&on_subset).arg("--query-losses").arg(&on_query);
        printed_json(&mut command)
    };
    let resting = |printed: &Value, assumption: &str| -> Vec<String> {
        let rests = |r: &&Value| r["assumptions"].as_array().unwrap().iter().any(|a| a["name"] == assumption);
        let lines = results(printed).iter().filter(rests);
        lines.map(|r| r["status"].as_str().unwrap().to_owned()).collect()
    };
    // Half of the query losses are 10, the others and those of the subset 0.
    for (assumption, contradicting, agreeing) in [
        ("bounded", &["--range", "1"][..], &["--range", "20"][..]),
        ("lipschitz", &["--range", "20", "--lipschitz", "0.001"], &["--range", "20", "--lipschitz", "1e6"]),
    ] {
        let refused = resting(&of("0\n", "0\n10\n", contradicting), assumption);
        assert!(!refused.is_empty() && refused.iter().all(|status| status == "refused"), "{assumption}: {refused:?}");
        let kept = resting(&of("0\n", "0\n10\n", agreeing), assumption);
        assert!(kept.iter().any(|status| status != "refused"), "{assumption}: {kept:?}");
    }
    let words = ["--range", "20", "--lipschitz", "1e6"];
    assert!(resting(&of("0\n", "-1\n10\n", &words), "non-negative").iter().all(|status| status == "refused"));
    // In an interval of length B that does not begin at zero, gaps are bounded, and nothing is said of [0, B].
    let offset = of("15\n", "16\n15.5\n", &["--range", "2"]);
    assert_eq!(line(&offset, "critical L on these queries")["status"], "refused");
    assert_ne!(line(&offset, "R_Q − R_S, measured on the plan")["status"], "refused");
}

/// Points and losses of one side contradict what is claimed of all as well as those of two sides do.
#[test]
fn pairs_within_a_side_and_held_out_points_are_looked_at() {
    let dir = tempdir().unwrap();
    let put = |name: &str, rows: &[[f32; 2]]| {
        let path = dir.path().join(name);
        write_npy(&path, 2, rows.as_flattened());
        path
    };
    let near = put("near.npy", &[[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]);
    let (apart, far) = (put("apart.npy", &[[0.5, 0.97], [0.5, -0.97]]), put("far.npy", &[[0.0, 90.0], [0.0, 91.0]]));
    let rows = dir.path().join("rows.txt");
    fs::write(&rows, "0\n1\n").unwrap();
    let of = |query: &Path, more: &[&OsStr]| {
        let mut command = kantor();
        command.args(["bound", "--cost", "euclidean", "--json", "--pool"]).arg(&near).arg("--query").arg(query);
        command.arg("--subset").arg(&rows).args(more).assert()
    };
    let diameter =
        |query: &Path, more: &[&OsStr]| of(query, &[&["--diameter".as_ref(), "1.9".as_ref()], more].concat());
    diameter(&near, &[]).success();
    diameter(&apart, &[]).code(2).stderr(predicates::str::contains("query 0 and query 1 are at least"));
    let held_out: [&OsStr; 2] = ["--heldout-query".as_ref(), far.as_ref()];
    diameter(&near, &held_out).code(2).stderr(predicates::str::contains("held-out query 1"));

    // Two chosen rows at distance 1 with losses 0 and 1.
    let losses = dir.path().join("losses.txt");
    fs::write(&losses, "0\n1\n").unwrap();
    let more: [&OsStr; 6] = [
        "--losses".as_ref(),
        losses.as_ref(),
        "--range".as_ref(),
        "1".as_ref(),
        "--lipschitz".as_ref(),
        "0.1".as_ref(),
    ];
    let printed: Value = serde_json::from_slice(&of(&near, &more).success().get_output().stdout).unwrap();
    let rests = |r: &&Value| r["assumptions"].as_array().unwrap().iter().any(|a| a["name"] == "lipschitz");
    let resting: Vec<&Value> = results(&printed).iter().filter(rests).collect();
    assert!(!resting.is_empty() && resting.iter().all(|r| r["status"] == "refused"), "{resting:?}");
}

/// Where the subset is the whole pool, the order of the losses is known only if both orders are one.
#[test]
fn losses_of_all_rows_in_another_order_are_refused() {
    let dir = tempdir().unwrap();
    let pool = dir.path().join("pool.npy");
    write_npy(&pool, 1, &[0.0, 1.0, 2.0]);
    let (rows, losses) = (dir.path().join("rows.txt"), dir.path().join("losses.txt"));
    fs::write(&losses, "1\n2\n3\n").unwrap();
    let of = |order: &str| {
        fs::write(&rows, order).unwrap();
        let mut command = kantor();
        command.args(["bound", "--cost", "euclidean", "--pool"]).arg(&pool).arg("--query").arg(&pool);
        command.arg("--subset").arg(&rows).arg("--losses").arg(&losses).assert()
    };
    of("0\n1\n2\n").success();
    of("2\n1\n0\n").code(3).stderr(predicates::str::contains("in the order of the pool"));
}

/// Held-out losses of 0 bound no risk by a rate of errors if others may be 100.
#[test]
fn a_rate_of_errors_is_no_risk_where_losses_may_be_larger() {
    let dir = tempdir().unwrap();
    let (rows, losses) = (subset(dir.path(), 10), dir.path().join("losses.txt"));
    let held_out = example("query_humaneval.embed.npy");
    let count = 100;
    fs::write(&losses, "0\n".repeat(count)).unwrap();
    let errors = |range: &str| {
        let mut command = bound("query_gsm8k.embed.npy", &rows, &["--json", "--range", range]);
        command.arg("--heldout-query").arg(&held_out).arg("--heldout-losses").arg(&losses);
        let printed = printed_json(&mut command);
        let of = |r: &&Value| r["quantity"].as_str().unwrap().ends_with("Clopper–Pearson");
        results(&printed).iter().find(of).cloned()
    };
    assert_eq!(errors("100"), None);
    let names = errors("1").unwrap()["assumptions"].to_string();
    assert!(names.contains("zero-one"), "{names}");
}

#[test]
fn a_diameter_below_a_distance_is_refused() {
    let dir = tempdir().unwrap();
    let rows = subset(dir.path(), 10);
    let with = |diameter: &str| {
        let mut command = bound("query_gsm8k.embed.npy", &rows, &["--cost", "euclidean", "--diameter", diameter]);
        command.assert()
    };
    with("0.001").code(2).stderr(predicates::str::contains("farther").or(predicates::str::contains("apart")));
    with("10").success();
    // Directions are at most 2 apart, and some of these are.
    let mut angles = bound("query_gsm8k.embed.npy", &rows, &["--diameter", "0.5"]);
    angles.assert().code(2).stderr(predicates::str::contains("apart"));
    let probability = bound("query_gsm8k.embed.npy", &rows, &["--delta", "1e-17", "--all"]).assert().success();
    probability.stdout(predicates::str::contains("w.p. ≥ 1 − 1e-17"));
}

/// Queries are called by their rows of the file, and have a loss each, also those that were dropped.
#[test]
fn queries_behind_a_dropped_one_keep_their_numbers() {
    let dir = tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    write_npy(&path("pool.npy"), 1, &[0.0, 1.0]);
    write_npy(&path("query.npy"), 1, &[0.5, f32::NAN, 1.0, 5.0]);
    fs::write(path("rows.txt"), "0\n1\n").unwrap();
    let of = |more: &[&str]| {
        let mut command = kantor();
        command.args(["bound", "--cost", "euclidean", "--on-bad-row", "drop", "--json", "--pool"]);
        command.arg(path("pool.npy")).arg("--query").arg(path("query.npy")).arg("--subset").arg(path("rows.txt"));
        command.args(more).assert()
    };
    of(&["--diameter", "2"]).code(2).stderr(predicates::str::contains("query 3 are at least"));
    let losses = |text: &str| {
        fs::write(path("losses.txt"), text).unwrap();
        of(&["--query-losses", path("losses.txt").to_str().unwrap()])
    };
    losses("1\n1\n1\n").code(3).stderr(predicates::str::contains("dropped ones included"));
    losses("1\n1\n1\n1\n").success();
    let weights = |text: &str| {
        fs::write(path("weights.txt"), text).unwrap();
        let mut command = kantor();
        command.args(["distance", "--cost", "euclidean", "--on-bad-row", "drop", "--json", "--pool"]);
        command.arg(path("pool.npy")).arg("--query").arg(path("query.npy"));
        printed_json(command.arg("--query-weights").arg(path("weights.txt")))["upper"].as_f64().unwrap()
    };
    // All of the weight is on the query at 1; a zero may have a sign.
    assert!((weights("0\n7\n1\n0\n") - 0.5).abs() < 1e-9);
    assert!((weights("-0.0\n7\n1\n-0\n") - 0.5).abs() < 1e-9);
    // Held-out losses are called by their line, also behind a dropped query.
    write_npy(&path("fresh.npy"), 1, &[0.1, f32::NAN, 0.2, 0.3]);
    fs::write(path("fresh.txt"), "0.5\n0.5\n0.5\n7\n").unwrap();
    let [fresh, losses] = ["fresh.npy", "fresh.txt"].map(|name| path(name).to_str().unwrap().to_owned());
    let held = ["--heldout-query", &fresh, "--heldout-losses", &losses, "--range", "1"];
    of(&held).stdout(predicates::str::contains("held-out loss 3 is 7"));
}

#[test]
fn weights_that_make_no_measure_are_refused_with_their_file() {
    let dir = tempdir().unwrap();
    let (rows, weights) = (subset(dir.path(), 3), dir.path().join("weights.txt"));
    for (text, said) in [("1e-320\n0\n0\n", "add up to"), ("1e308\n1e308\n0\n", "add up to inf"), ("0\n0\n-0\n", "all")]
    {
        fs::write(&weights, text).unwrap();
        let mut distance = kantor();
        distance.arg("distance").arg("--pool").arg(example("pool.embed.npy")).arg("--query");
        distance.arg(example("query_gsm8k.embed.npy")).arg("--subset").arg(&rows).arg("--subset-weights").arg(&weights);
        let named = predicates::str::contains("weights.txt").and(predicates::str::contains(said));
        distance.assert().code(3).stderr(named);
    }
}

/// A row was called by its place in the subset, where a query has the number of its file.
#[test]
fn rows_of_a_subset_are_called_by_their_numbers_in_the_pool() {
    let dir = tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    write_npy(&path("pool.npy"), 1, &[0.0, f32::NAN, 1.0, 9.0]);
    write_npy(&path("query.npy"), 1, &[0.5, 1.0]);
    fs::write(path("rows.txt"), "3\n2\n").unwrap();
    fs::write(path("losses.txt"), "7\n0.5\n").unwrap();
    let of = |more: &[&str]| {
        let mut command = kantor();
        command.current_dir(dir.path()).args("bound --cost euclidean --on-bad-row drop --pool pool.npy".split(' '));
        command.args("--all --query query.npy --subset rows.txt --losses losses.txt".split(' ')).args(more).assert()
    };
    of(&["--diameter", "2"]).code(2).stderr(predicates::str::contains("pool row 3 and query 0 are at least"));
    let outside = of(&["--lipschitz", "1", "--range", "1", "--diameter", "20"]).success();
    outside.stdout(predicates::str::contains("the loss of pool row 3 is 7, outside [0, 1]"));
}

#[test]
fn weights_that_are_zero_on_all_queries_left_are_refused_with_their_file() {
    let dir = tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    write_npy(&path("rows.npy"), 1, &[0.5, f32::NAN, 1.0]);
    fs::write(path("w.txt"), "0\n1\n-0\n").unwrap();
    let mut distance = kantor();
    distance.current_dir(dir.path()).args("distance --cost euclidean --pool rows.npy --query rows.npy".split(' '));
    distance.args("--on-bad-row drop --query-weights w.txt".split(' '));
    let said = predicates::str::contains("w.txt: all weights of rows that were not dropped are zero");
    distance.assert().code(3).stderr(said.and(predicates::str::contains("give at least one")));
}

/// The table alone, of which most lines say nothing, was the answer to every question.
#[test]
fn three_sentences_come_first_and_the_table_on_request() {
    let dir = tempdir().unwrap();
    let rows = subset(dir.path(), 60);
    let text = |more: &[&str]| {
        let output = bound("query_gsm8k.embed.npy", &rows, more).assert().success().get_output().clone();
        String::from_utf8(output.stdout).unwrap()
    };
    let short = text(&[]);
    assert!(short.lines().count() <= 12 && !short.contains("VACUOUS"), "{short}");
    let one_line = short.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut distance = kantor();
    distance.args(["distance", "--json", "--pool"]).arg(example("pool.embed.npy")).arg("--subset").arg(&rows);
    let distance = printed_json(distance.arg("--query").arg(example("query_gsm8k.embed.npy")));
    let printed = printed_json(&mut bound("query_gsm8k.embed.npy", &rows, &["--json"]));
    // In the unit that was asked.
    assert_eq!(printed["cost"], "cosine");
    assert_eq!(
        (&printed["distance"]["lower"], &printed["distance"]["upper"]),
        (&distance["lower"], &distance["upper"])
    );
    let sentences: Vec<&str> = printed["sentences"].as_array().unwrap().iter().map(|s| s.as_str().unwrap()).collect();
    assert_eq!(sentences.len(), 3);
    assert!(one_line.starts_with(&sentences.join(" ")), "{one_line}");
    assert!(sentences[0].contains("(cosine)") && sentences[0].contains("chord"), "{}", sentences[0]);
    assert!(sentences[1].contains("--lipschitz") && sentences[2].contains("nothing follows"), "{sentences:?}");
    let given =
        printed_json(&mut bound("query_gsm8k.embed.npy", &rows, &["--json", "--lipschitz", "0.01", "--range", "1"]));
    let said = given["sentences"][1].as_str().unwrap();
    let gap = table_bound(value(&given, "|R_Q − R_S| ≤ L·W₁"));
    assert!(said.contains(&gap), "{said} {gap}");
    let long = text(&["--all"]);
    assert!(long.starts_with(short.rsplit_once("every bound").unwrap().0) && long.contains("VACUOUS 1"), "{long}");
}

/// As the program rounds what is claimed from above.
fn table_bound(value: f64) -> String {
    kantor::view::table::bound(value, false)
}
