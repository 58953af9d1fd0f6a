//! Where an iteration starts, and the larger ε on the way to the wanted one.
//!
//! Below a few hundredths of the range of the costs neither method comes near the solution from far away in few passes;
//! from the solution at 2ε both do. Where Sinkhorn's method contracts by a half or better it needs no help.

use super::dual::{Dual, Goal};
use super::penalty::Penalty;
use super::weight::Weight;
use crate::watch::Stopped;

/// Largest ε on the way, relative to the range of the costs.
pub(crate) const START: f64 = 0.02;

/// Residual at which a larger ε has done its work.
const TOLERANCE: f64 = 1e-3;

/// Passes spent on one of the larger ε.
const LIMIT: u64 = 60;

/// Query potentials to start from where nothing is known: the best reply to pool potentials 0 as ε tends to 0, for the
/// cheapest costs `least` of every query. No weight exceeds 1 and no column sum underflows.
pub(crate) fn cold(least: &[f64], penalty: &Penalty) -> Vec<f64> {
    let factor = 1.0 - penalty.query_theta();
    least.iter().map(|&c| if c.is_finite() { factor * c } else { 0.0 }).collect()
}

/// Whether larger ε on the way can help.
pub(crate) fn is_of_use(penalty: &Penalty) -> bool {
    penalty.contraction() > 0.5
}

/// Runs through the larger ε, each half of the one before, and returns potentials for the wanted one.
pub(crate) fn descend<W: Weight>(
    dual: &mut Dual<'_, W>,
    mut g: Vec<f64>,
    range: f64,
    goal: Goal,
    mut run: impl FnMut(&mut Dual<'_, W>, Vec<f64>, Goal) -> Result<Vec<f64>, Stopped>,
) -> Result<Vec<f64>, Stopped> {
    let wanted = dual.penalty;
    if !is_of_use(&wanted) {
        return Ok(g);
    }
    let mut epsilon = START * range;
    while epsilon > 2.0 * wanted.epsilon && epsilon.is_finite() && dual.passes < goal.limit {
        dual.penalty.epsilon = epsilon;
        let limit = goal.limit.min(dual.passes + LIMIT);
        g = run(dual, g, Goal { tolerance: TOLERANCE.max(goal.tolerance), limit })?;
        epsilon *= 0.5;
    }
    dual.penalty = wanted;
    Ok(g)
}
