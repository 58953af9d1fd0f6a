//! Certificates of files that hold several tensors: they name the one that they speak of, and `kantor verify` takes it.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::{Kind, npy, npz, numbers, safetensors};

const DIM: usize = 4;

/// Exit code, standard output and standard error.
fn kantor(words: &[&str]) -> (i32, Value, String) {
    let output = assert_cmd::cargo::cargo_bin_cmd!("kantor").args(words).output().unwrap();
    let printed = serde_json::from_slice(&output.stdout).unwrap_or_default();
    (output.status.code().unwrap(), printed, String::from_utf8_lossy(&output.stderr).into_owned())
}

/// The certificate of five rows of these files, and its path.
fn selected(out: &Path, pool: &Path, query: &Path, more: &[&str]) -> (PathBuf, Value) {
    let word = |path: &Path| path.display().to_string();
    let words = ["select", "--pool", &word(pool), "--query", &word(query), "--budget", "5", "-o", &word(out)];
    let (code, _, said) = kantor(&[&words[..], more].concat());
    assert_eq!(code, 0, "{said}");
    let path = out.join("round-robin/k5/certificate.json");
    let certificate = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    (path, certificate)
}

fn verify(certificate: &Path, pool: &Path, query: &Path, more: &[&str]) -> (i32, Value, String) {
    let word = |path: &Path| path.display().to_string();
    let words = ["verify", "--json", &word(certificate), "--pool", &word(pool), "--query", &word(query)];
    kantor(&[&words[..], more].concat())
}

#[test]
fn certificates_name_their_tensors_and_verify_takes_them() {
    let work = tempfile::tempdir().unwrap();
    let put = |name: &str, bytes: &[u8]| {
        let path = work.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let (rows, others, questions) = (numbers(1, 20 * DIM), numbers(2, 20 * DIM), numbers(3, 5 * DIM));
    let pool = put("pool.npz", &npz(DIM, &[("rows", &rows), ("others", &others)]));
    let query = put("query.safetensors", &safetensors(DIM, &[("rows", &questions), ("others", &others)]));
    let (path, certificate) = selected(&work.path().join("out"), &pool, &query, &["--tensor", "rows"]);
    assert_eq!(
        (&certificate["inputs"][0]["tensor"], &certificate["inputs"][1]["tensor"]),
        (&json!("rows"), &json!("rows"))
    );
    let manifest = std::fs::read(work.path().join("out/manifest.json")).unwrap();
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    assert_eq!(manifest["inputs"][0]["tensor"], "rows");
    assert_eq!(verify(&path, &pool, &query, &[]).1["verdict"], "verified");
    assert_eq!(verify(&path, &pool, &query, &["--tensor", "rows"]).1["verdict"], "verified");
    // As many rows of the same type in the same file, but others.
    let (code, printed, _) = verify(&path, &pool, &query, &["--tensor", "others"]);
    assert_eq!((code, &printed["verdict"]), (1, &json!("cannot-check")));

    let changed = |name: &str, tensor: Value| {
        let mut changed = certificate.clone();
        for input in changed["inputs"].as_array_mut().unwrap() {
            match &tensor {
                Value::Null => _ = input.as_object_mut().unwrap().remove("tensor"),
                tensor => input["tensor"] = tensor.clone(),
            }
        }
        put(name, changed.to_string().as_bytes())
    };
    for tensor in ["others", "absent", "rows.npy", ""] {
        let (code, printed, said) = verify(&changed("other.json", json!(tensor)), &pool, &query, &[]);
        assert_eq!((code, &printed["verdict"]), (1, &json!("cannot-check")), "{tensor}: {said}");
    }
    // Certificates from before tensors were named: whoever checks them says which.
    let old = changed("old.json", Value::Null);
    assert_eq!(verify(&old, &pool, &query, &["--tensor", "rows"]).1["verdict"], "verified");
    let (code, _, said) = verify(&old, &pool, &query, &[]);
    assert_eq!(code, 2);
    assert!(said.contains("--tensor"), "{said}");
}

#[test]
fn files_of_one_table_each_need_no_common_name() {
    let work = tempfile::tempdir().unwrap();
    let put = |name: &str, bytes: &[u8]| {
        let path = work.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let (rows, questions) = (numbers(1, 20 * DIM), numbers(3, 5 * DIM));
    let (pool, query) =
        (put("a.npz", &npz(DIM, &[("a", &rows)])), put("b.safetensors", &safetensors(DIM, &[("b", &questions)])));
    let (path, certificate) = selected(&work.path().join("two"), &pool, &query, &[]);
    assert_eq!((&certificate["inputs"][0]["tensor"], &certificate["inputs"][1]["tensor"]), (&json!("a"), &json!("b")));
    assert_eq!(verify(&path, &pool, &query, &[]).1["verdict"], "verified");
    // A plain array has no name, and its certificate no key for one.
    let plain = put("plain.npy", &npy(Kind::F64, DIM, &questions));
    let (path, certificate) = selected(&work.path().join("one"), &pool, &plain, &[]);
    assert_eq!(certificate["inputs"][0]["tensor"], "a");
    assert!(certificate["inputs"][1].get("tensor").is_none());
    assert_eq!(verify(&path, &pool, &plain, &[]).1["verdict"], "verified");
}
