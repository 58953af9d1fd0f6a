//! Certificates and input files changed on disk: nothing false is ever verified, and the exit code says so.

use std::path::{Path, PathBuf};

use assert_cmd::Command;
use kantor::certify::{self, Terms};
use kantor::select::{InputSpec, Inputs, Request, select};
use kantor::solvers::Quiet;
use kantor::theory::{Certificate, Cost, Facts, Proved, Verdict, in_turn, verify};
use serde_json::{Value, json};

use crate::support::{facts, golden, numbers};

fn kantor() -> Command {
    assert_cmd::cargo::cargo_bin_cmd!("kantor")
}

/// A command on the stored rows.
fn on_golden(words: &[&str]) -> Command {
    let mut command = kantor();
    command.arg(words[0]).arg("--pool").arg(golden("pool.npy")).arg("--query").arg(golden("query.npy"));
    command.args(&words[1..]);
    command
}

/// `kantor verify` of a certificate over these files; exit code, verdict and reason.
fn verdict(certificate: &Path, pool: &Path, query: &Path) -> (i32, String, String) {
    let mut command = kantor();
    command.args(["verify", "--json"]).arg(certificate).arg("--pool").arg(pool).arg("--query").arg(query);
    let output = command.output().unwrap();
    let printed: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let text = |key: &str| printed[key].as_str().unwrap_or_default().to_owned();
    let reason = text("reason") + &String::from_utf8_lossy(&output.stderr);
    (output.status.code().unwrap(), text("verdict"), reason)
}

/// Certificates that the program wrote: of a selection, of an optimum in another cost and power, of weighted sets.
fn certificates(work: &Path) -> Vec<PathBuf> {
    let out = |name: &str| work.join(name).display().to_string();
    let plain = ["select", "--budget", "50", "--quiet", "-o", &out("plain")];
    on_golden(&plain).assert().success();
    let words = ["--method", "optimal", "--cost", "euclidean", "--p", "2", "--budget", "40", "--quiet", "-o"];
    on_golden(&[&["select"], &words[..], &[&out("optimal")]].concat()).assert().success();
    let weighted = out("weighted.json");
    on_golden(&["distance", "--quiet", "--certificate", &weighted, "--cost", "sqeuclidean", "--subset"])
        .arg(golden("subset_random_100.npy"))
        .arg("--subset-weights")
        .arg(golden("weights_pool_100.npy"))
        .arg("--query-weights")
        .arg(golden("weights_query.npy"))
        .assert()
        .success();
    let written =
        [out("plain/round-robin/k50/certificate.json"), out("optimal/optimal/k40/certificate.json"), weighted];
    written.into_iter().map(PathBuf::from).collect()
}

/// The stored rows, opened.
struct Golden {
    inputs: Inputs,
    facts: Facts,
}

impl Golden {
    fn open() -> Self {
        let spec =
            InputSpec { pool: vec![golden("pool.npy")], query: Some(golden("query.npy")), ..InputSpec::default() };
        let inputs = Inputs::open(&spec, Cost::Cosine, &Quiet).unwrap();
        let facts = facts(&inputs);
        Self { inputs, facts }
    }

    fn check(&self, certificate: &Certificate) -> Verdict {
        match self.inputs.geometry(certificate.problem.cost) {
            Ok(geometry) => verify(certificate, &self.facts, &geometry, &in_turn),
            Err(error) => Verdict::CannotCheck(error.to_string()),
        }
    }

    /// Solves the problem that the certificate states anew: no proved bound may be on the wrong side of the solution.
    fn assert_true(&self, certificate: &Certificate, proved: Proved, what: &str) {
        let problem = &certificate.problem;
        let geometry = self.inputs.geometry(problem.cost).unwrap();
        let terms = Terms { power: problem.p, weights: problem.weights.clone(), ..Terms::default() };
        let interval = certify::distance(&geometry, &terms, &certificate.subset).unwrap().interval();
        assert!(proved.distance.lower.is_none_or(|lower| lower <= interval.upper.unwrap()), "{what}");
        assert!(proved.distance.upper.is_none_or(|upper| upper >= interval.lower.unwrap()), "{what}");
        let Some(best) = proved.best else { return };
        assert!(problem.weights.subset.is_none(), "{what}");
        if problem.weights.query.is_none() {
            let request = Request {
                methods: vec!["optimal".to_owned()],
                budgets: vec![problem.budget],
                cost: problem.cost,
                power: problem.p,
                ..Request::default()
            };
            let outcome = select(&self.inputs, &request, &Quiet).unwrap();
            let certified = outcome.chosen[0].selections[0].certified.as_ref().unwrap();
            assert!(best <= certified.distance().interval().upper.unwrap(), "{what}");
        }
    }
}

#[derive(Debug, Default)]
struct Tally {
    tried: usize,
    malformed: usize,
    refused: usize,
    weaker: usize,
    verified: usize,
}

fn try_one(data: &Golden, original: &Certificate, bytes: &[u8], what: &str, tally: &mut Tally) {
    tally.tried += 1;
    let Ok(certificate) = Certificate::parse(bytes) else {
        tally.malformed += 1;
        return;
    };
    let verdict = data.check(&certificate);
    match verdict {
        Verdict::Rejected(_) | Verdict::CannotCheck(_) => tally.refused += 1,
        Verdict::Weaker(proved) => {
            tally.weaker += 1;
            data.assert_true(&certificate, proved, what);
        }
        Verdict::Verified(proved) => {
            tally.verified += 1;
            // Who made it and what files were called are remarks.
            let mut remarks = certificate.clone();
            remarks.made_by = original.made_by.clone();
            remarks.inputs = original.inputs.clone();
            if remarks != *original {
                data.assert_true(&certificate, proved, what);
                let claim = Proved { distance: certificate.distance, best: certificate.best.map(|best| best.lower) };
                data.assert_true(&certificate, claim, what);
            }
        }
    }
}

/// Values by path: all keys, and of every array the ends and some elements between.
fn places(value: &Value, path: &str, out: &mut Vec<String>) {
    out.push(path.to_owned());
    match value {
        Value::Object(map) => map.iter().for_each(|(key, value)| places(value, &format!("{path}/{key}"), out)),
        Value::Array(items) => {
            let step = (items.len() / 5).max(1);
            for index in (0..items.len()).step_by(step).chain(items.len().checked_sub(1)) {
                places(&items[index], &format!("{path}/{index}"), out);
            }
        }
        _ => {}
    }
}

fn variants(value: &Value) -> Vec<Value> {
    let mut all = vec![Value::Null, json!([]), json!({}), json!("x"), json!(0), json!(-1), json!(1), json!(1e308)];
    match value {
        Value::Number(number) => {
            let x = number.as_f64().unwrap();
            all.extend([x.next_up(), x.next_down(), -x, 2.0 * x, x * (1.0 + 1e-9), x * (1.0 - 1e-9)].map(|x| json!(x)));
            if let Some(n) = number.as_u64() {
                all.extend([n + 1, n.wrapping_sub(1), n ^ 1 << 40, u64::MAX].map(|n| json!(n)));
            }
        }
        Value::String(text) => {
            all.extend([json!(""), json!(text.to_uppercase()), json!(format!("{text}0"))]);
            all.extend(Cost::ALL.map(|cost| json!(cost.name())));
        }
        Value::Array(items) => {
            let mut reversed = items.clone();
            reversed.reverse();
            let mut rotated = items.clone();
            rotated.rotate_left(1.min(items.len()));
            let shorter = items[..items.len().saturating_sub(1)].to_vec();
            let longer = [&items[..], items.last().map_or(&[], std::slice::from_ref)].concat();
            all.extend([reversed, rotated, shorter, longer].map(Value::Array));
        }
        Value::Object(map) => {
            for key in map.keys() {
                let mut without = map.clone();
                let value = without.remove(key).unwrap();
                all.push(Value::Object(without.clone()));
                without.insert(format!("{key}s"), value);
                all.push(Value::Object(without));
            }
        }
        _ => {}
    }
    all
}

#[test]
fn no_changed_certificate_is_believed_unless_it_is_true() {
    let work = tempfile::tempdir().unwrap();
    let data = Golden::open();
    let mut tally = Tally::default();
    for (seed, path) in certificates(work.path()).into_iter().enumerate() {
        let (code, word, reason) = verdict(&path, &golden("pool.npy"), &golden("query.npy"));
        assert_eq!((code, word.as_str()), (0, "verified"), "{reason}");
        let bytes = std::fs::read(&path).unwrap();
        let original = Certificate::parse(&bytes).unwrap();
        let random = numbers(seed as u64, 900);
        for (round, x) in random.iter().enumerate() {
            let at = (((x + 1.0) / 2.0 * bytes.len() as f64) as usize).min(bytes.len() - 1);
            let mut mutant = bytes.clone();
            match round % 6 {
                0..3 => mutant[at] ^= 1 << (round % 8),
                3 => _ = mutant.remove(at),
                4 => mutant.insert(at, b"0123456789-.eE,[]{}\""[round % 20]),
                _ => mutant.truncate(at),
            }
            try_one(&data, &original, &mutant, &format!("byte {at}, round {round}"), &mut tally);
        }
        let value: Value = serde_json::from_slice(&bytes).unwrap();
        let mut all = Vec::new();
        places(&value, "", &mut all);
        for place in all {
            for variant in variants(value.pointer(&place).unwrap()) {
                let mut mutant = value.clone();
                *mutant.pointer_mut(&place).unwrap() = variant;
                try_one(&data, &original, &serde_json::to_vec(&mutant).unwrap(), &place, &mut tally);
            }
        }
    }
    println!("{tally:?}");
    assert!(tally.tried > 4000 && tally.malformed > 1000 && tally.refused > 500, "{tally:?}");
    assert!(tally.weaker > 20 && tally.verified > 20, "{tally:?}");
}

#[test]
fn exit_codes_of_verify() {
    let work = tempfile::tempdir().unwrap();
    let (pool, query) = (golden("pool.npy"), golden("query.npy"));
    let path = &certificates(work.path())[0];
    let good: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let changed = |name: &str, bytes: &[u8]| {
        let path = work.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        verdict(&path, &pool, &query)
    };
    let with = |name: &str, place: &str, value: Value| {
        let mut mutant = good.clone();
        *mutant.pointer_mut(place).unwrap() = value;
        changed(name, &serde_json::to_vec(&mutant).unwrap())
    };
    let lower = good["distance"]["lower"].as_f64().unwrap();
    assert_eq!(with("looser.json", "/distance/lower", json!(0.5 * lower)).0, 0);
    let (code, word, _) = with("tighter.json", "/distance/lower", json!(lower.next_up()));
    assert_eq!((code, word.as_str()), (1, "weaker"));
    let (code, word, reason) = with("rejected.json", "/evidence/plan/mass/3", json!(77));
    assert_eq!((code, word.as_str()), (1, "rejected"));
    assert!(reason.contains("marginal"), "{reason}");
    let (code, word, _) = with("other-file.json", "/inputs/0/sha256", json!("0"));
    assert_eq!((code, word.as_str()), (1, "cannot-check"));
    let (code, word, _) = with("other-cost.json", "/problem/cost", json!("precomputed"));
    assert_eq!((code, word.as_str()), (1, "cannot-check"));
    for (name, bytes) in [("empty.json", &b""[..]), ("array.json", b"[]"), ("binary.json", b"\xff\x00\x93NUMPY")] {
        let (code, word, reason) = changed(name, bytes);
        assert_eq!((code, word.as_str()), (1, "rejected"), "{name}");
        assert!(reason.contains("json"), "{reason}");
    }
    let (code, _, reason) = verdict(&work.path().join("no-such.json"), &pool, &query);
    assert_eq!(code, 4);
    assert!(reason.contains("no-such.json"), "{reason}");
    let (code, _, reason) = verdict(path, &work.path().join("no-such.npy"), &query);
    assert_eq!(code, 4);
    assert!(reason.contains("no-such.npy"), "{reason}");
}

#[test]
fn other_files_cannot_pass_for_those_that_were_measured() {
    let work = tempfile::tempdir().unwrap();
    let (pool, query) = (golden("pool.npy"), golden("query.npy"));
    let bytes = std::fs::read(&pool).unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let path = work.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    for path in certificates(work.path()) {
        // The least change that a file can suffer, in a row that is not in the subset or is.
        for (at, bit) in [(bytes.len() - 4, 0), (bytes.len() / 2, 1), (128, 5)] {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << bit;
            let (code, word, _) = verdict(&path, &file("flipped.npy", &changed), &query);
            assert_eq!((code, word.as_str()), (1, "cannot-check"), "byte {at}");
        }
        let (code, word, _) = verdict(&path, &query, &pool);
        assert_eq!((code, word.as_str()), (1, "cannot-check"));
        let (code, word, _) = verdict(&path, &pool, &pool);
        assert_eq!((code, word.as_str()), (1, "cannot-check"));
        // No table of rows at all: that is bad input, whatever the certificate says.
        let (code, word, reason) = verdict(&path, &file("short.npy", &bytes[..bytes.len() - 1]), &query);
        assert_eq!((code, word.as_str()), (3, ""));
        assert!(reason.contains("short.npy"), "{reason}");
    }
    // The same numbers in the same order, cut into shards: another input.
    let copy = file("copy.npy", &bytes);
    let first = &certificates(&work.path().join("again"))[0];
    assert_eq!(verdict(first, &copy, &query).0, 0, "names do not matter");
    let mut command = kantor();
    command.arg("verify").arg(first).arg("--pool").arg(&copy).arg("--pool").arg(&copy).arg("--query").arg(&query);
    command.assert().code(1).stdout(predicates::str::contains("cannot-check"));
}
