//! Transport in which one side may give more than its share: marginal x ≤ λw instead of x = w (theorem T3).
//!
//! Both sides balance again once the other side gets one more point, which takes what the scaled side does not send:
//! mass λ − 1 at cost 0. With its potential set to 0 the dual reads Σ_j b_j g_j − λ Σ_i a_i max(0, max_j (g_j − c_ij)),
//! or the mirror image of it. Masses stay whole, so the optimum for them is as exact as in `transport`: λ = 1 is
//! transport, and beyond λ = 1/min a every query is served by its nearest row.

use kantor_theory::Weights;

use super::masses::masses;
use super::transport::{Transport, transport};
use crate::solver::SolveError;

/// The side whose marginal is scaled, and by how much.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Scaled {
    /// x ≤ λa.
    Pool(f64),
    /// y ≤ λb.
    Query(f64),
}

/// Solves min ⟨c, π⟩ with one marginal hard and the other at most λ times its weights; `costs` is n×m, row-major, and
/// gets a last column (pool scaled) or a last row (queries scaled) of zeros.
///
/// The masses returned add up to `total` over the hard side. Potentials are normalised as above.
pub(super) fn solve(
    costs: &mut Vec<f64>,
    n: usize,
    m: usize,
    weights: &Weights,
    scaled: Scaled,
) -> Result<Transport, SolveError> {
    let (w, v) = (weights.subset.as_deref(), weights.query.as_deref());
    // What no plan needs would take the place of digits that it does need.
    let scaled = match scaled {
        Scaled::Pool(factor) => Scaled::Pool(factor.min(enough(w, n))),
        Scaled::Query(factor) => Scaled::Query(factor.min(enough(v, m))),
    };
    let mut found = match scaled {
        Scaled::Pool(factor) => {
            costs.resize(n * (m + 1), 0.0);
            for i in (0..n).rev() {
                costs.copy_within(i * m..(i + 1) * m, i * (m + 1));
                costs[i * (m + 1) + m] = 0.0;
            }
            let v = with_slack(v, m, factor);
            transport(costs, &masses(n, w, m + 1, Some(&v))?)?
        }
        Scaled::Query(factor) => {
            costs.resize((n + 1) * m, 0.0);
            let w = with_slack(w, n, factor);
            transport(costs, &masses(n + 1, Some(&w), m, v)?)?
        }
    };
    // Potentials may be shifted: only that of the additional point is known.
    let shift = match scaled {
        Scaled::Pool(_) => found.potentials.pop().unwrap_or(0.0),
        Scaled::Query(_) => found.potentials.iter().copied().fold(f64::NEG_INFINITY, f64::max),
    };
    found.potentials.iter_mut().for_each(|g| *g -= shift);
    found.plan.retain(|s| s.row < n && s.query < m);
    let sent: u64 = found.plan.iter().map(|s| s.mass).sum();
    let scale = found.total as f64 / sent as f64;
    Ok(Transport { total: sent, value: found.value * scale, dual: found.dual * scale, ..found })
}

/// 2/min w over the positive weights w, which add up to 1: with half of it one point may give all, so no capacity binds
/// and none has a price, which would not be that of a larger factor.
fn enough(weights: Option<&[f64]>, count: usize) -> f64 {
    let Some(weights) = weights else { return 2.0 * count as f64 };
    let least = weights.iter().copied().filter(|&w| w > 0.0).fold(f64::INFINITY, f64::min);
    2.0 * weights.iter().map(|w| w / least).sum::<f64>()
}

/// The weights of the hard side, and of a point that takes λ − 1 times their sum.
fn with_slack(weights: Option<&[f64]>, count: usize, factor: f64) -> Vec<f64> {
    let mut weights = weights.map_or_else(|| vec![1.0; count], <[f64]>::to_vec);
    let slack = |weights: &[f64]| (factor - 1.0) * weights.iter().sum::<f64>();
    if slack(&weights).is_infinite() {
        let largest = weights.iter().copied().fold(0.0, f64::max);
        weights.iter_mut().for_each(|w| *w /= largest);
    }
    weights.push(slack(&weights));
    weights
}
