//! The kernel score of a subset at a query (`theory/notes/kernel-score.md`): (1/k²)·Σ k(x, x') over pairs of its rows −
//! (2/k)·Σ k(x, q).
//!
//! The mean over draws of q from a law is the squared distance between the subset and the law, up to a term that depends on the
//! law only: a proper scoring rule.
//!
//! Limit: k² + kM inner products of 2d operations in `f64`.

use kantor_theory::{Geometry, Kernel, dot};

use super::cloud::KernelPoints;
use super::method;
use crate::task::{SelectError, Task};

/// Rows whose kernel values with all others are summed at a time.
const ROWS: usize = 4096;

/// The score of the subset at every query of the task. Under a budget in tokens rows count by their tokens.
///
/// # Errors
/// If the geometry is a matrix, the kernel makes no distance, a row is bad, or the observer asks to stop.
pub fn scores(task: &Task<'_>, kernel: Kernel, rows: &[usize]) -> Result<Vec<f64>, SelectError> {
    let cloud = KernelPoints::new(task, kernel, method(kernel))?;
    let lengths = task.constraints.and_then(|set| set.tokens()).map(|(_, lengths)| lengths);
    let masses: Vec<f64> = rows.iter().map(|&row| lengths.map_or(1.0, |lengths| lengths[row])).collect();
    let total: f64 = masses.iter().sum();
    let mut own = 0.0;
    for (sources, weights) in rows.chunks(ROWS).zip(masses.chunks(ROWS)) {
        let mut sums = vec![0.0; rows.len()];
        cloud.add(rows, &cloud.geometry.to_rows(sources)?, weights, &mut sums)?;
        own += dot::dot(&sums, &masses);
    }
    let towards = |geometry: &Geometry<'_>| {
        let mut sums = vec![0.0; rows.len()];
        cloud.add(rows, geometry, &[1.0], &mut sums)?;
        Ok::<_, SelectError>(dot::dot(&sums, &masses) / total)
    };
    let own = own / (total * total);
    (0..task.geometry.query_len())
        .map(|query| Ok(own - 2.0 * task.geometry.with_queries(&[query], towards)??))
        .collect()
}
