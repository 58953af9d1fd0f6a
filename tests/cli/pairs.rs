//! Vectors and their text in several files: one order for both.

use std::fs;
use std::path::Path;

use predicates::prelude::PredicateBooleanExt;
use predicates::str::contains;

use crate::support::{json, kantor, write_npy};

/// One-hot rows of eight numbers.
fn rows(path: &Path, of: impl IntoIterator<Item = usize>) {
    let values: Vec<f32> = of.into_iter().flat_map(|at| (0..8).map(move |of| f32::from(u8::from(at == of)))).collect();
    write_npy(path, 8, &values);
}

fn lines(path: &Path, of: impl IntoIterator<Item = usize>) {
    let text: String = of.into_iter().map(|at| format!("{{\"id\": \"r{at}\", \"text\": \"row {at}\"}}\n")).collect();
    fs::write(path, text).unwrap();
}

/// Chooses the rows that are like row 6, and returns what was said and the chosen line.
fn chosen(at: &Path, pool: &[&str], text: &[&str], out: &str) -> (String, String) {
    rows(&at.join("query.npy"), [6]);
    let mut command = kantor();
    command.current_dir(at).args(["select", "--query", "query.npy", "--budget", "1", "--method", "optimal", "-o", out]);
    pool.iter().for_each(|file| _ = command.args(["--pool", file]));
    text.iter().for_each(|file| _ = command.args(["--pool-jsonl", file]));
    let said = command.assert().success().get_output().stderr.clone();
    let line = fs::read_to_string(at.join(out).join("optimal/k1/selected.jsonl")).unwrap();
    (String::from_utf8(said).unwrap(), line)
}

/// Whole names were sorted, endings included: `train.npy` comes after `train.large.npy`, and `train.jsonl` before `train.large.jsonl`.
#[test]
fn vectors_and_text_of_the_same_names_come_in_one_order() {
    let work = tempfile::tempdir().unwrap();
    let at = work.path();
    ["dv", "dt"].iter().for_each(|dir| fs::create_dir(at.join(dir)).unwrap());
    rows(&at.join("dv/train.npy"), 0..4);
    rows(&at.join("dv/train.large.npy"), 4..8);
    lines(&at.join("dt/train.jsonl"), 0..4);
    lines(&at.join("dt/train.large.jsonl"), 4..8);
    for (pool, text, out) in [("dv", "dt", "a"), ("dv/*", "dt/*", "b"), ("dv/*.npy", "dt", "c")] {
        let (said, line) = chosen(at, &[pool], &[text], out);
        assert!(line.contains("\"r6\"") && !said.contains("matched"), "{line}{said}");
    }
    // Names whose stems are alike are in the order of the whole names, as other programs list them.
    ["x-1.jsonl", "x.jsonl", "x.10.jsonl"]
        .iter()
        .zip(5..)
        .for_each(|(name, row)| lines(&at.join("dt").join(name), [row]));
    let listed = |out: &str| {
        let inputs = json(&at.join(out).join("manifest.json"))["inputs"].clone();
        let text = inputs.as_array().unwrap().iter().filter(|input| input["role"] == "pool-jsonl");
        text.map(|input| input["path"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    ["x-1.npy", "x.npy", "x.10.npy"].iter().zip(5..).for_each(|(name, row)| rows(&at.join("dv").join(name), [row]));
    chosen(at, &["dv/x*"], &["dt/x*"], "d");
    assert_eq!(listed("d"), ["dt/x-1.jsonl", "dt/x.jsonl", "dt/x.10.jsonl"]);
}

/// Files that cannot belong together were joined after a warning, and files of other names without one.
#[test]
fn files_in_another_order_are_refused_or_said() {
    let work = tempfile::tempdir().unwrap();
    let at = work.path();
    rows(&at.join("a.npy"), 0..3);
    rows(&at.join("b.npy"), 3..8);
    lines(&at.join("a.jsonl"), 0..3);
    lines(&at.join("b.jsonl"), 3..8);
    let mut swapped = kantor();
    swapped.current_dir(at).args(["select", "--pool", "a.npy", "--pool", "b.npy", "--query", "a.npy", "--budget", "1"]);
    swapped.args(["--pool-jsonl", "b.jsonl", "--pool-jsonl", "a.jsonl", "-o", "out"]);
    let refused = swapped.assert().code(3);
    refused.stderr(contains("a.npy: has 3 rows, and b.jsonl in its place 5 lines").and(contains("in one order")));
    lines(&at.join("first.jsonl"), 0..3);
    let (said, line) = chosen(at, &["a.npy", "b.npy"], &["first.jsonl", "b.jsonl"], "named");
    assert!(line.contains("\"r6\"") && said.contains("a.npy is matched with first.jsonl"), "{said}");
    let (said, _) = chosen(at, &["a.npy", "b.npy"], &["a.jsonl", "b.jsonl"], "alike");
    assert!(!said.contains("matched"), "{said}");
}
