//! The distance between the means of subset and queries, ‖Σ a_i x_i − Σ b_j q_j‖: a lower bound of W_1 under the
//! Euclidean distance between points (theorem T6: a coupling carries one mean to the other).
//!
//! Points are rows as they are for the Euclidean family and rows divided by their norms for the angle family. Error, with
//! A = Σ a_i‖x_i‖: a coordinate's sum over a task is Σ a_i x_it (1 + θ), |θ| ≤ F = (roundings on the longest path)·u,
//! so the error vector is at most F·Σ a_i |x_i| coordinate by coordinate and F·A in length. Sums of tasks are exact.
//!
//! Limit: one pass over the rows.

use crate::bounds::blocks::{BLOCK, TASK, gather};
use crate::bounds::{Executor, Interval, check_weighted};
use crate::cost::Family;
use crate::cost_bounds::Power;
use crate::dot;
use crate::geometry::{Geometry, row_fault};
use crate::rejection::Rejection;
use crate::rounding::{ExactSum, TINY, UNIT};
use crate::statement::{Weights, total};

/// The mean of one side: what is added up, coordinate by coordinate.
#[derive(Default)]
struct Sums {
    /// Σ a_i x_i, exact sums of tasks.
    exact: Vec<ExactSum>,
    /// Σ a_i ‖x_i‖.
    length: ExactSum,
}

/// Encloses the distance between the mean of the pool rows `rows`, weighted in their order, and that of the queries.
///
/// O((k + M)·d) time, O(d) memory per task.
///
/// # Errors
/// If the geometry is a matrix, rows or weights do not fit it, a row is bad, or the executor stopped early.
pub fn mean_difference(
    geometry: &Geometry<'_>,
    rows: &[usize],
    weights: &Weights,
    executor: Executor<'_>,
) -> Result<Interval, Rejection> {
    check_weighted(geometry, Power::One, rows, weights)?;
    let defect = || Rejection::new("objective", "a matrix does not say where its points are");
    let (pool, queries) = (geometry.points().ok_or_else(defect)?, geometry.queries().ok_or_else(defect)?.0);
    let (dim, family) = (pool.dim(), geometry.cost().family());
    let read = |position: usize, x: &mut [f64]| {
        pool.read_row(rows[position], x);
        match row_fault(family, x) {
            Some(fault) => Err(Rejection::new("rows", format!("pool row {} {fault}", rows[position]))),
            None => Ok(()),
        }
    };
    let subset = side(dim, family, rows.len(), weights.subset.as_deref(), executor, read)?;
    let copy = |position: usize, x: &mut [f64]| {
        x.copy_from_slice(&queries[position * dim..(position + 1) * dim]);
        Ok(())
    };
    let query = side(dim, family, geometry.query_len(), weights.query.as_deref(), executor, copy)?;
    let difference: Vec<f64> = subset.mean.iter().zip(&query.mean).map(|(a, b)| a - b).collect();
    let length = dot::dot(&difference, &difference).sqrt();
    // The difference of the two means is rounded once, each coordinate by at most u of both.
    let roundings = (dot::depth(dim) as f64 + 8.0) * UNIT;
    let error = subset.error + query.error + 2.0 * UNIT * (subset.length + query.length) + roundings * length;
    // Squares that underflow, here and in the lengths.
    let error = error * (1.0 + 64.0 * UNIT) + 2.0 * (dim as f64 * TINY).sqrt();
    let (low, high) = ((length - error).next_down().max(0.0), (length + error).next_up());
    if !high.is_finite() {
        return Err(Rejection::new("range", "the means are too far apart for a double: rescale the rows"));
    }
    Ok(Interval { lower: Some(low), upper: Some(high) })
}

/// The mean of one side, in `f64`, with bounds of its error and of its length.
struct Mean {
    mean: Vec<f64>,
    error: f64,
    length: f64,
}

fn side(
    dim: usize,
    family: Family,
    count: usize,
    weights: Option<&[f64]>,
    executor: Executor<'_>,
    read: impl Fn(usize, &mut [f64]) -> Result<(), Rejection> + Sync,
) -> Result<Mean, Rejection> {
    let task = |index: usize| {
        let (mut sums, mut block_sums, mut x) = (vec![0.0; dim], vec![0.0; dim], vec![0.0; dim]);
        let mut length = ExactSum::default();
        let end = ((index + 1) * TASK).min(count);
        for first in (index * TASK..end).step_by(BLOCK) {
            block_sums.fill(0.0);
            for position in first..(first + BLOCK).min(end) {
                read(position, &mut x)?;
                let (weight, norm) = (weights.map_or(1.0, |weights| weights[position]), dot::dot(&x, &x).sqrt());
                let unit = if family == Family::Angle { norm } else { 1.0 };
                length.add_product(weight, norm / unit);
                for (sum, x) in block_sums.iter_mut().zip(&x) {
                    *sum += weight * (x / unit);
                }
            }
            sums.iter_mut().zip(&block_sums).for_each(|(sum, block)| *sum += block);
        }
        let exact = |x: f64| {
            let mut sum = ExactSum::default();
            sum.add(x);
            sum
        };
        Ok(Sums { exact: sums.into_iter().map(exact).collect(), length })
    };
    let merge = |total: &mut Sums, part: Sums| {
        total.exact.resize_with(dim, ExactSum::default);
        total.exact.iter_mut().zip(&part.exact).for_each(|(total, part)| total.merge(part));
        total.length.merge(&part.length);
    };
    let sums = gather(count.div_ceil(TASK), executor, task, Sums::default(), merge)?;
    let mass = match weights {
        Some(weights) => total(weights),
        None => exact_count(count),
    };
    // Rows divided by their norms have length 1 but for the rounding, which the last factor covers.
    let roundings = dot::depth(dim) as f64 + (BLOCK + TASK / BLOCK) as f64 + 16.0;
    let length = sums.length.ratio_up(&mass) * (1.0 + roundings * UNIT);
    // Each of `count` terms can underflow, by half the smallest number after division by the total weight or before.
    let underflow = 4.0 * (count as f64) * (dim as f64).sqrt() * (TINY / mass.down().min(1.0)).max(TINY);
    Ok(Mean {
        mean: sums.exact.iter().map(|sum| sum.ratio_down(&mass)).collect(),
        error: (roundings + 4.0) * UNIT * length * (1.0 + 64.0 * UNIT) + underflow,
        length,
    })
}

fn exact_count(count: usize) -> ExactSum {
    let mut sum = ExactSum::default();
    sum.add_times(count as u64, 1.0);
    sum
}
