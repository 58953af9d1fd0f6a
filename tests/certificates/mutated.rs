//! `kantor verify` on disk: what it says of changed certificates and of other files, and its exit codes.

use std::path::{Path, PathBuf};

use assert_cmd::Command;
use serde_json::{Value, json};

use crate::support::golden;

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
    let (code, word, _) = with("other-file.json", "/inputs/0/blake3", json!("0"));
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
    // The same rows under another name, and all of them twice.
    let copy = file("copy.npy", &bytes);
    let first = &certificates(&work.path().join("again"))[0];
    assert_eq!(verdict(first, &copy, &query).0, 0, "names do not matter");
    let mut command = kantor();
    command.arg("verify").arg(first).arg("--pool").arg(&copy).arg("--pool").arg(&copy).arg("--query").arg(&query);
    command.assert().code(1).stdout(predicates::str::contains("cannot-check"));
}
