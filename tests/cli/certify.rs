//! `kantor distance` and `kantor verify`: what they print, write and refuse.

use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use npyz::WriterBuilder;
use predicates::prelude::PredicateBooleanExt;
use predicates::str::contains;
use serde_json::Value;

use crate::support::{example, kantor, printed_json, select_example};

/// A command on the bundled data.
fn on_example(word: &str, more: &[&str]) -> Command {
    let mut command = kantor();
    command.args([word, "--pool"]).arg(example("pool.embed.npy"));
    command.arg("--query").arg(example("query_gsm8k.embed.npy")).args(more);
    command
}

/// Writes a list of numbers as a 1-d `.npy` file.
fn write_list<T: npyz::AutoSerialize + Copy>(path: &Path, values: &[T]) -> PathBuf {
    let file = fs::File::create(path).unwrap();
    let shape = [values.len() as u64];
    let mut writer = npyz::WriteOptions::new().default_dtype().shape(&shape).writer(file).begin_nd().unwrap();
    writer.extend(values.iter().copied()).unwrap();
    writer.finish().unwrap();
    path.to_owned()
}

fn ends(printed: &Value) -> (f64, f64) {
    (printed["lower"].as_f64().unwrap(), printed["upper"].as_f64().unwrap())
}

#[test]
fn a_subset_may_be_npy_of_any_integer_or_text() {
    let work = tempfile::tempdir().unwrap();
    let rows: Vec<i64> = (0..60).map(|i| i * 83 % 5005).collect();
    let narrow: Vec<i32> = rows.iter().map(|&row| row as i32).collect();
    let text: String = rows.iter().map(|row| format!("{row}\n")).collect();
    let lists = [
        write_list(&work.path().join("wide.npy"), &rows),
        write_list(&work.path().join("narrow.npy"), &narrow),
        work.path().join("rows.txt"),
    ];
    fs::write(&lists[2], text).unwrap();
    let printed = lists.map(|list| printed_json(on_example("distance", &["--json", "--subset"]).arg(list)));
    assert_eq!(printed[0]["schema"], "kantor/distance/1");
    assert_eq!(printed[0]["status"], "certified");
    let (lower, upper) = ends(&printed[0]);
    assert!(0.0 < lower && lower <= upper && upper - lower < 1e-9 * upper);
    assert!(printed.iter().all(|other| *other == printed[0]));
    let plain = on_example("distance", &["--subset"]).arg(work.path().join("rows.txt")).assert().success();
    plain.stdout(contains("60 rows to 100 queries"));
}

#[test]
fn distances_agree_with_what_select_said() {
    let work = tempfile::tempdir().unwrap();
    let out = work.path().join("out");
    select_example(&out, &["--budget", "70", "--p", "2"]).assert().success();
    let list = out.join("round-robin/k70/indices.npy");
    let printed = printed_json(on_example("distance", &["--json", "--p", "2", "--subset"]).arg(&list));
    let written = crate::support::json(&out.join("round-robin/k70/certificate.json"));
    assert_eq!((&printed["lower"], &printed["upper"]), (&written["distance"]["lower"], &written["distance"]["upper"]));
    let first_power = printed_json(on_example("distance", &["--json", "--subset"]).arg(&list));
    assert!(ends(&first_power).0 < ends(&printed).0, "W_1 ≤ W_2");
}

#[test]
fn whole_pool_and_both_measures_weighted_certify_and_verify() {
    let work = tempfile::tempdir().unwrap();
    let certificate = work.path().join("certificate.json");
    // Weights over twelve orders of magnitude, with zeros.
    let weight = |i: usize| if i % 5 == 3 { 0.0 } else { 10f64.powi(-((i % 13) as i32)) };
    let subset: Vec<i64> = (0..150).map(|i| i * 31).collect();
    let rows = write_list(&work.path().join("rows.npy"), &subset).display().to_string();
    let a = write_list(&work.path().join("a.npy"), &(0..150).map(weight).collect::<Vec<_>>()).display().to_string();
    let b = write_list(&work.path().join("b.npy"), &(0..100).map(weight).collect::<Vec<_>>()).display().to_string();
    let weighted = ["--subset", &rows, "--subset-weights", &a, "--query-weights", &b];
    for words in [&[][..], &["--query-weights", &b], &weighted, &[&weighted[..], &["--p", "2"]].concat()] {
        let mut distance = on_example("distance", &["--json", "--force", "--certificate"]);
        let printed = printed_json(distance.arg(&certificate).args(words));
        let (lower, upper) = ends(&printed);
        assert!(0.0 < lower && lower <= upper && upper - lower <= 1e-9 * upper, "{words:?}: {lower} {upper}");
        let checked = printed_json(on_example("verify", &["--json"]).arg(&certificate));
        assert_eq!(checked["schema"], "kantor/verify/1");
        assert_eq!(checked["verdict"], "verified", "{words:?}");
        assert_eq!(ends(&checked), (lower, upper));
        assert!(checked["reason"].is_null() && checked["best"].is_null());
    }
}

#[test]
fn bad_lists_end_with_3_and_name_file_entry_and_value() {
    let work = tempfile::tempdir().unwrap();
    let list = work.path().join("list.txt");
    let rows = work.path().join("rows.txt");
    fs::write(&rows, "3\n1\n2\n").unwrap();
    for (text, words) in [
        ("4\n7\n4\n", &["entry 2", "4", "before"][..]),
        ("4\n5005\n", &["entry 1", "5005"]),
        ("-1\n", &["entry 0", "-1"]),
        ("1.5\n", &["entry 0", "1.5"]),
        ("4\nseven\n", &["line 2"]),
        ("", &["no bytes"]),
    ] {
        fs::write(&list, text).unwrap();
        let mut failed = on_example("distance", &["--subset"]).arg(&list).assert().code(3).stderr(contains("list.txt"));
        for &word in words {
            failed = failed.stderr(contains(word));
        }
    }
    for (text, words) in [
        ("1\nNaN\n1\n", &["weight 1", "NaN"][..]),
        ("1\ninf\n1\n", &["weight 1", "inf"]),
        ("1\n1\n-2\n", &["weight 2", "-2"]),
        ("1\n1\n", &["2 weights", "3 rows"]),
        ("0\n0\n0\n", &["zero"]),
    ] {
        fs::write(&list, text).unwrap();
        let mut command = on_example("distance", &["--subset"]);
        let mut failed = command.arg(&rows).arg("--subset-weights").arg(&list).assert().code(3);
        for &word in [&["list.txt"], words].concat().iter() {
            failed = failed.stderr(contains(word));
        }
    }
    on_example("distance", &["--subset", "no-such-list.npy"]).assert().code(4).stderr(contains("no-such-list.npy"));
}

#[test]
fn a_verdict_does_not_depend_on_threads() {
    let work = tempfile::tempdir().unwrap();
    let out = work.path().join("out");
    select_example(&out, &["--budget", "130"]).assert().success();
    let path = out.join("round-robin/k130/certificate.json");
    let printed =
        ["1", "2", "3"].map(|threads| printed_json(on_example("verify", &["--json", "--threads", threads]).arg(&path)));
    assert_eq!(printed[0]["verdict"], "verified");
    assert!(printed[0]["best"].as_f64().unwrap() <= ends(&printed[0]).1);
    assert!(printed.iter().all(|other| *other == printed[0]));
    // Claims one number tighter than proved are weaker with any number of threads, and what is proved is printed.
    let text = fs::read_to_string(&path).unwrap();
    let lower = ends(&printed[0]).0;
    fs::write(&path, text.replacen(&format!("\"lower\": {lower}"), &format!("\"lower\": {}", lower.next_up()), 1))
        .unwrap();
    for threads in ["1", "2"] {
        let assert = on_example("verify", &["--json", "--threads", threads]).arg(&path).assert().code(1);
        let printed: Value = serde_json::from_slice(&assert.get_output().stdout).unwrap();
        assert_eq!((printed["verdict"].as_str(), ends(&printed).0), (Some("weaker"), lower));
        assert!(printed["reason"].as_str().unwrap().contains("wider"));
    }
}

#[test]
fn two_rows_of_four() {
    // The example that the manual prints: costs (0, 2), (1, 1), (3, 2), (9, 9).
    let work = tempfile::tempdir().unwrap();
    let costs = work.path().join("costs.npy");
    crate::support::write_npy(&costs, 4, &[0.0, 1.0, 3.0, 9.0, 2.0, 1.0, 2.0, 9.0]);
    let out = work.path().join("out");
    let mut command = kantor();
    command.args(["select", "--method", "optimal", "--budget", "2", "--cost", "precomputed", "--similarity"]);
    command.arg(&costs).arg("-o").arg(&out).assert().success();
    let path = out.join("optimal/k2/certificate.json");
    let mut verify = kantor();
    let printed = printed_json(verify.args(["verify", "--json", "--similarity"]).arg(&costs).arg(&path));
    assert_eq!(printed["verdict"], "verified");
    let (lower, upper) = ends(&printed);
    assert!(lower <= 0.5 && 0.5 <= upper && upper - lower < 1e-15);
    assert!((printed["best"].as_f64().unwrap() - 0.5).abs() < 1e-15);
    let mut rows = crate::support::indices(&out.join("optimal/k2/indices.npy"));
    rows.sort_unstable();
    assert_eq!(rows, [0, 1]);
}

#[test]
fn another_pool_with_bad_rows_cannot_be_checked() {
    let work = tempfile::tempdir().unwrap();
    let out = work.path().join("out");
    select_example(&out, &["--budget", "5"]).assert().success();
    let other = work.path().join("other.npy");
    crate::support::write_npy(&other, 384, &vec![0.0; 5005 * 384]);
    let mut command = kantor();
    command.args(["verify", "--json", "--pool"]).arg(&other).arg("--query").arg(example("query_gsm8k.embed.npy"));
    let output = command.arg(out.join("round-robin/k5/certificate.json")).assert().code(1);
    let printed: Value = serde_json::from_slice(&output.get_output().stdout).unwrap();
    assert_eq!(printed["verdict"], "cannot-check");
    // In words, the files that are meant.
    let mut verify = on_example("verify", &[]);
    verify.arg("--pool").arg(example("pool.embed.npy")).arg(out.join("round-robin/k5/certificate.json"));
    let said = verify.assert().code(1).stdout(contains("cannot-check"));
    said.stdout(contains("pool.embed.npy: 5005 rows, 384 columns, BLAKE3 of the values "));
}

#[test]
fn verify_says_what_its_numbers_are_about() {
    let work = tempfile::tempdir().unwrap();
    let path = |name: &str| work.path().join(name);
    let certificate = |out: &str, more: &[&str]| {
        select_example(&path(out), &[&["--budget", "5", "--quiet"], more].concat()).assert().success();
        let method = more.get(1).unwrap_or(&"round-robin");
        path(out).join(method).join("k5/certificate.json")
    };
    let weights = path("weights.txt");
    fs::write(&weights, "1\n".repeat(99) + "2\n").unwrap();
    let rows = path("rows.txt");
    fs::write(&rows, "0\n10\n20\n").unwrap();
    let mut distance = on_example("distance", &["--quiet", "--cost", "euclidean", "--p", "2", "--subset"]);
    distance.arg(&rows).arg("--query-weights").arg(&weights).arg("--certificate").arg(path("weighted.json"));
    distance.assert().success();
    let plain = certificate("plain", &[]);
    let kernel = certificate("mmd", &["--method", "mmd", "--objective", "mmd", "--bandwidth", "0.5"]);
    let several = ["--method", "mmd", "--objective", "mmd", "--kernel", "laplace", "--bandwidth", "0.2+1e+0+local"];
    let several = certificate("several", &several);
    let diverse = certificate("tsds", &["--method", "knn-uniform", "--diversity", "0.2"]);
    for (path, words) in [
        (&plain, &["verified", "W_1 under cost cosine, budget 5 of 5005 rows, 100 queries\n"][..]),
        (&path("weighted.json"), &["W_2 under cost euclidean, budget 3 of 5005 rows", "; the queries are weighted"]),
        (&kernel, &["discrepancy under the kernel gaussian (σ = 0.5) under cost cosine, budget 5"]),
        (
            &several,
            &["discrepancy under the kernel laplace (mean over σ = 0.1", ", 0.2, 1) under cost cosine, budget 5"],
        ),
        (&diverse, &["TSDS's objective with diversity 0.2"]),
    ] {
        let mut said = on_example("verify", &[]).arg(path).assert().success();
        for word in words {
            said = said.stdout(contains(*word));
        }
    }
    let printed = printed_json(on_example("verify", &["--json"]).arg(path("weighted.json")));
    let terms = ["cost", "p", "budget", "pool", "queries"].map(|key| printed[key].clone());
    assert_eq!(Value::from_iter(terms), serde_json::json!(["euclidean", 2, 3, 5005, 100]));
    assert_eq!(printed["weighted"], serde_json::json!({"subset": false, "query": true}));
    assert!(printed["kernel"].is_null() && printed["diversity"].is_null());
    let printed = printed_json(on_example("verify", &["--json"]).arg(&kernel));
    assert_eq!(printed["kernel"], serde_json::json!({"kernel": "gaussian", "bandwidth": 0.5}));
    let printed = printed_json(on_example("verify", &["--json"]).arg(&several));
    let sigmas = printed["kernel"]["bandwidth"].as_array().unwrap();
    assert!(sigmas.len() == 3 && sigmas[1] == 0.2 && sigmas[2] == 1.0, "{sigmas:?}");
    assert_eq!(printed_json(on_example("verify", &["--json"]).arg(&diverse))["diversity"], 0.2);
}

#[test]
fn verify_takes_the_files_that_the_certificate_names() {
    let work = tempfile::tempdir().unwrap();
    for (name, from) in [("pool.npy", "pool.embed.npy"), ("query.npy", "query_gsm8k.embed.npy")] {
        fs::copy(example(from), work.path().join(name)).unwrap();
    }
    let run = |words: &str| {
        let mut command = kantor();
        command.current_dir(work.path()).args(words.split(' '));
        command.assert()
    };
    run("select --pool pool.npy --query query.npy --budget 5 -o out").success();
    let certificate = "out/round-robin/k5/certificate.json";
    run(&format!("verify {certificate}")).success().stdout(contains("verified"));
    run(&format!("verify {certificate} --query query.npy")).success().stdout(contains("verified"));
    run(&format!("verify {certificate} --query pool.npy")).code(1);
    fs::rename(work.path().join("pool.npy"), work.path().join("moved.npy")).unwrap();
    run(&format!("verify {certificate}"))
        .code(4)
        .stderr(contains("pool.npy").and(contains("names in the certificate")));
    run(&format!("verify {certificate} --pool moved.npy")).success();
    let matrix = [1.0, 0.5, 0.25, 0.5, 0.25, 0.75];
    crate::support::write_npy(&work.path().join("s.npy"), 3, &matrix);
    run("select --similarity s.npy --budget 1 -o of-matrix").success();
    run("verify of-matrix/round-robin/k1/certificate.json").success();
    // What names no files needs them from the user.
    let text = fs::read_to_string(work.path().join(certificate)).unwrap();
    let mut unnamed: Value = serde_json::from_str(&text).unwrap();
    unnamed["inputs"] = Value::Array(Vec::new());
    fs::write(work.path().join("unnamed.json"), unnamed.to_string()).unwrap();
    run("verify unnamed.json").code(2).stderr(contains("--pool"));
}
