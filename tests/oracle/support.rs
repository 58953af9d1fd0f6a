//! Reads the stored numbers.

use std::path::{Path, PathBuf};

use kantor_theory::DenseRows;

/// The path of a stored file.
pub(crate) fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/golden").join(name)
}

/// All values of a stored `.npy` array.
pub(crate) fn values<T: npyz::Deserialize>(name: &str) -> Vec<T> {
    let bytes = std::fs::read(golden(name)).unwrap();
    npyz::NpyFile::new(&bytes[..]).unwrap().into_vec().unwrap()
}

/// A stored order or subset of pool rows.
pub(crate) fn indices(name: &str) -> Vec<usize> {
    values::<i64>(name).into_iter().map(|i| usize::try_from(i).unwrap()).collect()
}

/// Pool (2000 × 64) and queries (20 × 64).
pub(crate) fn pool_and_query() -> (DenseRows, DenseRows) {
    let rows = |name| DenseRows::from_f32(64, values::<f32>(name)).unwrap();
    (rows("pool.npy"), rows("query.npy"))
}

/// The stored settings and values.
pub(crate) fn record() -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(golden("golden.json")).unwrap()).unwrap()
}
