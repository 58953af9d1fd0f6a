//! T7: transport after a projection, and what the projection leaves out.

use super::assumption::Assumption;
use super::bound::{Bound, Kind};
use super::metric::MetricDistance;
use super::theorem::Theorem;
use crate::rounding::{UNIT, add_up, div_down, div_up, library_up, mul_up, sqrt_up};

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
    let norms: Vec<f64> = u.chunks_exact(dim).map(|line| sqrt_up(crate::dot::dot(line, line)) * (1.0 + unit)).collect();
    let size: f64 = add_up(1.0, norms.iter().map(|n| n * n).sum::<f64>() * (1.0 + unit));
    let mut total = 0.0;
    for x in rows.chunks_exact(dim) {
        let mut left = x.to_vec();
        for line in u.chunks_exact(dim) {
            let along = crate::dot::dot(line, x);
            left.iter_mut().zip(line).for_each(|(left, u)| *left -= along * u);
        }
        // |error| ≤ 4·unit·‖x‖·(1 + Σ‖u_r‖²).
        let slack = mul_up(4.0 * unit, mul_up(sqrt_up(crate::dot::dot(x, x)), size));
        let norm = mul_up(sqrt_up(crate::dot::dot(&left, &left)), 1.0 + unit);
        total = add_up(total, add_up(norm, slack));
    }
    let mut defect = 0.0;
    for (i, a) in u.chunks_exact(dim).enumerate() {
        for (j, b) in u.chunks_exact(dim).enumerate() {
            let off = (crate::dot::dot(a, b) - f64::from(u8::from(i == j))).abs();
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
    Some(Bound::new(Theorem::T7, Kind::HighProbability(delta), high, [] as [Assumption; 0], &inputs))
}
