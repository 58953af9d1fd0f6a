//! Costs and plans by block of rows, as the passes over a problem read them.

use std::ops::Range;

use kantor_theory::TransportProblem;
use kantor_theory::transport_problem::Reference;

use crate::simd;
use crate::transport::exact::costs;
use crate::transport::sinkhorn::exp;
use crate::weights::shares;

/// Costs held at a time.
const HELD: usize = 1 << 20;

/// The rows of a problem in blocks whose costs fit into [`HELD`].
pub(super) fn blocks(problem: &TransportProblem<'_>) -> impl Iterator<Item = Range<usize>> {
    let count = problem.row_count();
    let block = (HELD / problem.geometry.query_len()).max(64);
    (0..count).step_by(block).map(move |first| first..(first + block).min(count))
}

/// c^p of these rows and all queries, row-major.
pub(super) fn costs_of(problem: &TransportProblem<'_>, span: Range<usize>) -> Vec<f64> {
    let rows: Vec<usize> = span.map(|position| problem.row(position)).collect();
    costs(problem.geometry, problem.power, &rows)
}

/// ln of one side's factor in the reference: ln w, or 0 under the counting measure, −∞ at weight 0 under either.
pub(super) fn log_reference(reference: Reference, weights: Option<&[f64]>, count: usize) -> Vec<f64> {
    let log = |w: f64| if reference == Reference::Counting && w > 0.0 { 0.0 } else { w.ln() };
    shares(weights, count).into_iter().map(log).collect()
}

/// Into `out` the entries exp(o_j + (g_j − c_j)/ε), all divided by the largest, whose logarithm is returned.
///
/// Zeros and −∞ if there is none, which also goes for arguments that are no numbers.
pub(super) fn gibbs_row(costs: &[f64], offset: &[f64], g: &[f64], epsilon: f64, out: &mut [f64]) -> f64 {
    simd::wide(
        #[inline(always)]
        || {
            let mut largest = f64::NEG_INFINITY;
            for (((out, &cost), &offset), &g) in out.iter_mut().zip(costs).zip(offset).zip(g) {
                *out = offset + (g - cost) / epsilon;
                largest = if *out > largest { *out } else { largest };
            }
            if !largest.is_finite() {
                out.fill(0.0);
                return f64::NEG_INFINITY;
            }
            for out in out.iter_mut() {
                let power = exp::exp(*out - largest);
                *out = if power.is_nan() { 0.0 } else { power };
            }
            largest
        },
    )
}
