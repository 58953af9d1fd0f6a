//! Vectors in other files than `.npy`: the same rows are chosen and proved, and certificates are checked across formats.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::{indices, kantor};

/// Files that PyTorch, SciPy and writers of gradient stores made: `tests/data/vectors/make.py`.
fn stored(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/vectors").join(name)
}

fn select(work: &Path, pool: &Path, query: &Path, out: &str, more: &[&str]) -> assert_cmd::assert::Assert {
    let mut command = kantor();
    command.current_dir(work).args([
        "select",
        "--method",
        "optimal",
        "--budget",
        "2",
        "--cost",
        "euclidean",
        "--quiet",
    ]);
    command.arg("--pool").arg(pool).arg("--query").arg(query).args(["-o", out]).args(more).assert()
}

/// The rows that `select` chooses from both pools, and whether the certificate of the one is verified by the other.
fn chosen_alike(one: &Path, other: &Path, query: &Path) {
    let work = tempfile::tempdir().unwrap();
    select(work.path(), one, query, "one", &[]).success();
    select(work.path(), other, query, "other", &[]).success();
    let dir = |out: &str| work.path().join(out).join("optimal/k2");
    assert_eq!(indices(&dir("one").join("indices.npy")), indices(&dir("other").join("indices.npy")));
    for (out, pool) in [("one", other), ("other", one)] {
        let mut verify = kantor();
        verify.arg("verify").arg(dir(out).join("certificate.json")).arg("--pool").arg(pool).arg("--query").arg(query);
        verify.assert().success().stdout(predicates::str::starts_with("verified"));
    }
}

/// Writes the table that the bytes of `f32` are.
fn dense(path: &Path, dim: usize, values: &[f64]) {
    crate::support::write_npy(path, dim, &values.iter().map(|&x| x as f32).collect::<Vec<_>>());
}

fn values(name: &str) -> Vec<f64> {
    let expected: serde_json::Value = serde_json::from_slice(&fs::read(stored("expected.json")).unwrap()).unwrap();
    let values = expected["files"][name][0]["values"].as_array().unwrap();
    values.iter().map(|x| x.as_f64().unwrap()).collect()
}

#[test]
fn sparse_rows_are_chosen_and_proved_as_dense_ones() {
    let work = tempfile::tempdir().unwrap();
    let (pool, query) = (work.path().join("pool.npy"), work.path().join("query.npy"));
    let rows = values("csr-float32-deflated.npz");
    dense(&pool, 9, &rows);
    dense(&query, 9, &rows[9..27]);
    chosen_alike(&stored("csr-float32-deflated.npz"), &pool, &query);
    chosen_alike(&stored("csr-unsorted.npz"), &pool, &query);
}

#[test]
fn tensors_are_chosen_and_proved_as_tables() {
    let work = tempfile::tempdir().unwrap();
    let (pool, query) = (work.path().join("pool.npy"), work.path().join("query.npy"));
    for (name, dim) in [("view-transposed.pt", 8), ("bare-float32.pt", 3), ("list-of-rows.pt", 3)] {
        let rows = values(name);
        dense(&pool, dim, &rows);
        dense(&query, dim, &rows[..2 * dim]);
        chosen_alike(&stored(name), &pool, &query);
    }
}

/// A folder is the store in it, for pool and queries; a module's columns have its name, which certificates remember.
#[test]
fn stores_of_gradients_are_folders() {
    let work = tempfile::tempdir().unwrap();
    let store = stored("store-float32");
    select(work.path(), &store, &store, "out", &["--tensor", "layers.0.down"]).success();
    let certificate = work.path().join("out/optimal/k2/certificate.json");
    let mut verify = kantor();
    verify.arg("verify").arg(&certificate).arg("--pool").arg(&store).arg("--query").arg(&store).assert().success();
    let manifest = fs::read_to_string(work.path().join("out/manifest.json")).unwrap();
    assert!(manifest.contains("\"gradients\"") && manifest.contains("layers.0.down"));
    // Shards in folders of their own are one pool.
    for shard in ["b-shard-1", "a-shard-0"] {
        fs::create_dir(work.path().join(shard)).unwrap();
        for file in ["info.json", "gradients.bin"] {
            fs::copy(store.join(file), work.path().join(shard).join(file)).unwrap();
        }
    }
    select(work.path(), Path::new("."), &store, "shards", &[]).success();
    let inspected = |file: &Path| kantor().current_dir(work.path()).arg("inspect").arg(file).assert().success();
    inspected(&store).stdout(predicates::str::contains("gradients.bin"));
    let shards = inspected(Path::new(".")).get_output().stdout.clone();
    assert_eq!(String::from_utf8(shards).unwrap().matches("5 rows").count(), 2);
    let manifest: serde_json::Value =
        serde_json::from_slice(&fs::read(work.path().join("shards/manifest.json")).unwrap()).unwrap();
    assert_eq!((&manifest["pool_rows"], &manifest["query_rows"]), (&10.into(), &5.into()));
    assert!(manifest["inputs"][0]["path"].as_str().unwrap().contains("a-shard-0"));
}

#[test]
fn a_name_of_what_has_none_is_refused() {
    let work = tempfile::tempdir().unwrap();
    for (name, what) in [("csr-array.npz", "a sparse matrix"), ("list-of-rows.pt", "one table")] {
        let said = format!("{name}: holds {what}, which has no name; leave out --tensor");
        let refused = select(work.path(), &stored(name), &stored(name), "out", &["--tensor", "x"]).code(2);
        refused.stderr(predicates::str::contains(said));
    }
}
