//! T7: transport after a projection, and what the projection leaves out.

use super::assumption::Assumption;
use super::bound::{Bound, Kind};
use super::theorem::Theorem;
use super::{Cloud, Metric, MetricDistance};
use crate::dot::{depth, dot};
use crate::rounding::{TINY, UNIT, add_up, div_down, div_up, library_up, mul_up, scale_of, sqrt_up};
use crate::rows::{DenseRows, Rows};

/// Subset and queries after a projection, with what it leaves out of both.
#[derive(Debug, Clone)]
pub struct Projected {
    subset: Cloud,
    query: Cloud,
    residuals: [f64; 2],
    defect: f64,
    slack: f64,
}

impl Projected {
    /// Projects both by `u` (r×d, row-major).
    ///
    /// `None` if `u` has no rows or other columns than the clouds, its rows are far from orthonormal, or the metric is
    /// not the norm of a difference.
    pub fn new(u: &[f64], subset: &Cloud, query: &Cloud) -> Option<Self> {
        let dim = subset.rows().dim();
        let fits = !u.is_empty() && u.len().is_multiple_of(dim) && query.rows().dim() == dim;
        if !fits || !subset.metric().is_norm() {
            return None;
        }
        // Twice what normalised rows err by, because the lower end is divided by ‖U‖ ≤ √2 afterwards.
        let chord = if subset.metric() == Metric::Chord { 4.0 * (depth(dim) as f64 + 8.0) * UNIT } else { 0.0 };
        let (subset, query) = (Image::new(u, subset)?, Image::new(u, query)?);
        let defect = subset.defect.max(query.defect);
        (defect <= 1.0).then(|| Self {
            residuals: [subset.residual, query.residual],
            defect,
            slack: add_up(chord, add_up(subset.moved, query.moved)),
            subset: subset.cloud,
            query: query.cloud,
        })
    }

    /// The images of subset and queries, r numbers each, for whoever transports them.
    pub fn clouds(&self) -> (&Cloud, &Cloud) {
        (&self.subset, &self.query)
    }

    /// T7: both ends of W₁ from the distance between the images.
    pub fn bracket(&self, between: MetricDistance) -> (Bound, Bound) {
        projection_bracket(between.widened(self.slack), self.residuals[0], self.residuals[1], self.defect)
    }
}

/// The images of a cloud.
struct Image {
    cloud: Cloud,
    /// A number ≥ the mean of what is left out.
    residual: f64,
    /// A number ≥ ‖UUᵀ − I‖_F.
    defect: f64,
    /// A number ≥ the mean distance of the images from the true ones.
    moved: f64,
}

impl Image {
    fn new(u: &[f64], cloud: &Cloud) -> Option<Self> {
        let (dim, n) = (cloud.rows().dim(), cloud.len());
        let mut rows = vec![0.0; n * dim];
        cloud.rows().read(0, 0..dim, &mut rows);
        let unit = (dim as f64 + 8.0) * UNIT;
        let size = sqrt_up(u.chunks_exact(dim).map(|line| dot(line, line)).sum::<f64>()) * (1.0 + 1e-9);
        let (mut values, mut moved) = (Vec::with_capacity(n * u.len() / dim), 0.0);
        for x in rows.chunks_exact(dim) {
            values.extend(u.chunks_exact(dim).map(|line| dot(line, x)));
            // |error| ≤ unit·‖u_r‖·‖x‖ in every coordinate, and what underflows.
            let error = mul_up(unit * size, norm_up(x) * (1.0 + 1e-9));
            moved = add_up(moved, add_up(error, (u.len() + dim) as f64 * TINY));
        }
        let table = DenseRows::from_f64(u.len() / dim, values)?;
        let cloud = Cloud::new(Metric::Euclidean, &table, 0..n)?;
        let (residual, defect) = residual(u, &rows, dim);
        Some(Self { cloud, residual, defect, moved: div_up(moved, n as f64) })
    }
}

/// A number ≥ ‖x‖, whatever the size of its numbers.
fn norm_up(x: &[f64]) -> f64 {
    let scale = scale_of(x);
    let scaled: Vec<f64> = x.iter().map(|x| x / scale).collect();
    // What is lost in numbers far below the largest is less than the rounding of the sum.
    mul_up(scale, mul_up(sqrt_up(dot(&scaled, &scaled)), 1.0 + (x.len() as f64 + 8.0) * UNIT))
}

/// T7: W₁(US, UQ)/‖U‖ ≤ W₁(S, Q) ≤ ‖U‖·W₁(US, UQ) + E_S‖x − UᵀUx‖ + E_Q‖x − UᵀUx‖ for Euclidean distances.
///
/// Both sides hold for any matrix U; it is worth projecting only where the rows of U are orthonormal, ‖U‖ = 1. `defect`
/// is a number ≥ ‖UUᵀ − I‖ in the Frobenius norm, from which ‖U‖ ≤ √(1 + defect); the residuals are numbers ≥ the means.
pub fn projection_bracket(
    projected: MetricDistance,
    subset_residual: f64,
    query_residual: f64,
    defect: f64,
) -> (Bound, Bound) {
    let norm = sqrt_up(add_up(1.0, defect));
    let inputs = [
        ("W projected", projected.upper()),
        ("residual S", subset_residual),
        ("residual Q", query_residual),
        ("defect", defect),
    ];
    let lower = div_down(projected.lower(), norm).max(0.0);
    let upper = add_up(mul_up(norm, projected.upper()), add_up(subset_residual, query_residual));
    let bound = |value| Bound::new(Theorem::T7, Kind::Deterministic, value, [], &inputs);
    (bound(lower).below(), bound(upper))
}

/// T7: a number ≥ the mean ‖x − UᵀUx‖ over `rows` (n×d), for `u` (r×d), both row-major; and one ≥ ‖UUᵀ − I‖_F.
///
/// Plain sums of at most d + r terms per entry err by (d + r + 4) units of the sum of their sizes.
pub fn residual(u: &[f64], rows: &[f64], dim: usize) -> (f64, f64) {
    let r = u.len() / dim;
    let unit = (dim as f64 + r as f64 + 8.0) * UNIT;
    let norms: Vec<f64> = u.chunks_exact(dim).map(|line| sqrt_up(dot(line, line)) * (1.0 + unit)).collect();
    let size: f64 = add_up(1.0, norms.iter().map(|n| n * n).sum::<f64>() * (1.0 + unit));
    let mut total = 0.0;
    for x in rows.chunks_exact(dim) {
        // With the largest number near 1, no square that counts underflows or overflows.
        let scale = scale_of(x);
        let x: Vec<f64> = x.iter().map(|x| x / scale).collect();
        let mut left = x.clone();
        for line in u.chunks_exact(dim) {
            let along = dot(line, &x);
            left.iter_mut().zip(line).for_each(|(left, u)| *left -= along * u);
        }
        // |error| ≤ 4·unit·‖x‖·(1 + Σ‖u_r‖²).
        let slack = mul_up(4.0 * unit, mul_up(norm_up(&x), size));
        let norm = mul_up(sqrt_up(dot(&left, &left)), 1.0 + unit);
        total = add_up(total, mul_up(scale, add_up(norm, slack)));
    }
    let mut defect = 0.0;
    for (i, a) in u.chunks_exact(dim).enumerate() {
        for (j, b) in u.chunks_exact(dim).enumerate() {
            let off = (dot(a, b) - f64::from(u8::from(i == j))).abs();
            let off = add_up(off, mul_up(unit, add_up(1.0, norms[i] * norms[j])));
            defect = add_up(defect, mul_up(off, off));
        }
    }
    let count = (rows.len() / dim) as f64;
    (div_up(total, count), sqrt_up(defect))
}

/// T7, Gaussian projection to r dimensions: with probability ≥ 1 − δ all of the M·N costs, and so every W₁, lie within
/// factors √(1 ± ε). A number ≥ the least such ε; `None` if none is below 1.
pub fn johnson_lindenstrauss(r: usize, queries: usize, pool: usize, delta: f64) -> Option<Bound> {
    let log = library_up((2.0 * queries as f64 * pool as f64 / delta).ln());
    let needed = div_up(mul_up(2.0, log), r as f64).next_up();
    let reached = |e: f64| e * e / 2.0 - e * e * e / 3.0 >= needed * (1.0 + 16.0 * UNIT);
    if !reached(1.0) {
        return None;
    }
    let (mut low, mut high) = (0.0f64, 1.0f64);
    for _ in 0..60 {
        let middle = low.midpoint(high);
        if reached(middle) { high = middle } else { low = middle }
    }
    let inputs = [("r", r as f64), ("M", queries as f64), ("N", pool as f64), ("δ", delta)];
    Some(Bound::new(Theorem::T7, Kind::HighProbability(delta), high, [Assumption::RandomProjection], &inputs))
}
