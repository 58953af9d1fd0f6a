//! Data and runs that the tests share; no test uses all of them.
#![allow(dead_code)]

pub(crate) mod constraints;

use kantor_solvers::registry::SelectorEntry;
use kantor_solvers::scan;
use kantor_solvers::{Quiet, SelectError, Selection, Settings, Task};
use kantor_theory::{Cost, DenseRows, Geometry, Rows};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

pub(crate) const MEMORY: u64 = 1 << 30;

/// `n` rows in `clusters` clusters, without ties.
pub(crate) fn clustered(n: usize, dim: usize, clusters: usize, seed: u64) -> Vec<f64> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut centre_rng = ChaCha8Rng::seed_from_u64(1000);
    let centres: Vec<f64> = (0..clusters * dim).map(|_| centre_rng.random_range(-1.0..1.0)).collect();
    let mut rows = Vec::with_capacity(n * dim);
    for _ in 0..n {
        let cluster = rng.random_range(0..clusters);
        let centre = &centres[cluster * dim..(cluster + 1) * dim];
        rows.extend(centre.iter().map(|c| c + rng.random_range(-0.4..0.4)));
    }
    rows
}

pub(crate) fn single(dim: usize, rows: &[f64]) -> DenseRows {
    DenseRows::from_f32(dim, rows.iter().map(|&x| x as f32).collect()).unwrap()
}

pub(crate) fn double(dim: usize, rows: &[f64]) -> DenseRows {
    DenseRows::from_f64(dim, rows.to_vec()).unwrap()
}

/// The M×N matrix of costs (or, for the angle family, cosines) of a geometry.
pub(crate) fn matrix_of(geometry: &Geometry<'_>, costs: bool) -> DenseRows {
    let (n, m) = (geometry.pool_len(), geometry.query_len());
    let entry = |j, i| if costs { geometry.cost_of(i, j) } else { geometry.closeness(i, j) };
    let values = (0..m).flat_map(|j| (0..n).map(move |i| entry(j, i))).collect();
    DenseRows::from_f64(n, values).unwrap()
}

pub(crate) fn geometry<'a>(pool: &'a dyn Rows, query: &dyn Rows, cost: Cost) -> Geometry<'a> {
    Geometry::new(pool, query, cost).unwrap()
}

/// Runs a selector as the library does: one pass for its needs, then the choice.
pub(crate) fn run(
    entry: &SelectorEntry,
    geometry: &Geometry<'_>,
    budgets: &[usize],
    block: usize,
    memory: u64,
) -> Result<Vec<Selection>, SelectError> {
    let task = Task { seed: 3, block, ..Task::new(geometry, memory, &Quiet) };
    let selector = (entry.build)(&Settings::default());
    let largest = budgets.iter().copied().max().unwrap();
    let findings = scan::scan(&task, selector.needs(&task, largest))?;
    selector.select(&task, &findings, budgets)
}
