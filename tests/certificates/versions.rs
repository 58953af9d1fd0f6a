//! Certificates that the program wrote when the format was at version 1: they verify as they did.

use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::cargo::cargo_bin_cmd;
use serde_json::Value;

use crate::support::golden;

/// All of them, made of the stored rows.
fn stored() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/certificates");
    fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect()
}

/// Verdict and reason of `kantor verify` among the stored rows.
fn verify(certificate: &Path, files: &[&Path]) -> (String, String) {
    let mut command = cargo_bin_cmd!("kantor");
    command.current_dir(golden("")).args(["verify", "--json"]).arg(certificate);
    if let [pool @ .., query] = files {
        pool.iter().for_each(|path| _ = command.arg("--pool").arg(path));
        command.arg("--query").arg(query);
    }
    let printed: Value = serde_json::from_slice(&command.output().unwrap().stdout).unwrap();
    let text = |key: &str| printed[key].as_str().unwrap_or_default().to_owned();
    (text("verdict"), text("reason"))
}

#[test]
fn certificates_of_version_1_are_bound_to_their_files() {
    let work = tempfile::tempdir().unwrap();
    let put = |name: &str, bytes: &[u8]| {
        let path = work.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    };
    let bytes = fs::read(golden("pool.npy")).unwrap();
    let (same, query) = (put("same.npy", &bytes), golden("query.npy"));
    // The same rows with a header of another length are another file.
    let mut longer = bytes.clone();
    longer.splice(127..127, [b' '; 64]);
    longer[8..10].copy_from_slice(&(118u16 + 64).to_le_bytes());
    let longer = put("longer.npy", &longer);
    let mut changed = bytes.clone();
    changed[1000] ^= 1;
    let changed = put("changed.npy", &changed);
    let all = stored();
    assert!(all.len() >= 7);
    for certificate in &all {
        assert!(fs::read_to_string(certificate).unwrap().contains("\"kantor/certificate/1\""));
        assert_eq!(verify(certificate, &[]).0, "verified", "{}", certificate.display());
        assert_eq!(verify(certificate, &[&same, &query]).0, "verified");
        for other in [&longer, &changed] {
            let (verdict, reason) = verify(certificate, &[other, &query]);
            assert_eq!(verdict, "cannot-check");
            assert!(reason.contains("SHA-256"), "{reason}");
        }
    }
}

/// What the files of a certificate are named proves nothing, and it may name none.
#[test]
fn verify_takes_the_recorded_paths_of_either_version_if_there_are_any() {
    let work = tempfile::tempdir().unwrap();
    let out = work.path().join("out");
    let mut command = cargo_bin_cmd!("kantor");
    command.current_dir(golden("")).args(["select", "--quiet", "--pool", "pool.npy", "--query", "query.npy"]);
    command.args(["--budget", "20", "-o"]).arg(&out).assert().success();
    let written = out.join("round-robin/k20/certificate.json");
    assert_eq!(verify(&written, &[]).0, "verified");
    let mut certificate: Value = serde_json::from_slice(&fs::read(&written).unwrap()).unwrap();
    assert_eq!(certificate["schema"], "kantor/certificate/2");
    for input in certificate["inputs"].as_array_mut().unwrap() {
        input.as_object_mut().unwrap().remove("name");
    }
    fs::write(&written, certificate.to_string()).unwrap();
    assert_eq!(verify(&written, &[&golden("pool.npy"), &golden("query.npy")]).0, "verified");
    let mut command = cargo_bin_cmd!("kantor");
    let output = command.current_dir(golden("")).arg("verify").arg(&written).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("--pool"), "{said}");
}
