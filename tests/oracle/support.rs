//! Reads the stored numbers.

use std::path::{Path, PathBuf};

use kantor::problem::{Goal, Problem};
use kantor_solvers::scan;
use kantor_solvers::{Quiet, Selection, Settings, registry};
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

/// One selection of a registered selector with these settings on the stored rows under cosine.
pub(crate) fn select(name: &str, settings: &Settings, budget: usize) -> Selection {
    let (pool, query) = pool_and_query();
    let problem = Problem::new(&pool, &query, Goal::default()).unwrap();
    let task = problem.task(0, 1 << 30, &Quiet);
    let selector = (registry::selector(name).unwrap().build)(settings);
    let findings = scan::scan(&task, selector.needs(&task, budget)).unwrap();
    selector.select(&task, &findings, &[budget]).unwrap().remove(0)
}

/// Scores by pool row.
pub(crate) fn by_row(selection: &Selection) -> Vec<f64> {
    let mut scores = vec![0.0; selection.rows.len()];
    for (&row, &score) in selection.rows.iter().zip(&selection.scores) {
        scores[row] = score;
    }
    scores
}

/// Checks `found` against `wanted`, relative to `wanted`; zeros must be zeros.
pub(crate) fn assert_close(found: &[f64], wanted: &[f64], relative: f64) {
    assert_eq!(found.len(), wanted.len());
    for (i, (f, w)) in found.iter().zip(wanted).enumerate() {
        assert!((f - w).abs() <= relative * w.abs(), "entry {i}: {f:e} is not {w:e}");
    }
}
