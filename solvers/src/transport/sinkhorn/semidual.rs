//! The problem of the selector `uot`: a uniform pool, ε and penalties of any strength, to [`TOLERANCE`].
//!
//! min ⟨c, T⟩ + ε KL(T | a⊗b) + ρ_pool KL(T1 | a) + ρ_query KL(Tᵀ1 | b) with KL(x|y) = Σ x ln(x/y) − x + y, uniform
//! a, b of total 1, and infinite ρ for a hard marginal, solved by Newton's method in a fixed order of operations.

use super::costs::Costs;
use super::dual::{Dual, Goal};
use super::exp;
use super::extremes::extremes;
use super::measures::Measures;
use super::newton::{self, Newton};
use super::pass::Ask;
use super::penalty::Penalty;
use super::schedule;
use super::weight::Weight;
use crate::transport::linalg::fixed;
use crate::watch::{Stopped, Watch};
use crate::weights::shares;

/// L1 error of the query marginal at which the iteration stops; the marginal sums to 1.
pub const TOLERANCE: f64 = 1e-10;

/// Passes over all pairs after which it gives up.
pub const PASS_LIMIT: usize = 2000;

/// Rows at whose costs the query potentials may start: whole blocks of [`kantor_theory::Geometry`].
const SAMPLE: usize = 960;

/// What the iteration found.
#[derive(Debug, Clone, PartialEq)]
pub struct SemidualTransport {
    /// Query potentials g (M), in units of the cost.
    pub potentials: Vec<f64>,
    /// ln s_i (N): larger rows receive more. Never underflows.
    pub log_rows: Vec<f64>,
    /// ln of the pool marginal, ln T_i = ln a + θ ln s_i (N).
    pub log_marginal: Vec<f64>,
    /// D(g): the optimum up to the square of the residual.
    pub objective: f64,
    /// ⟨c, T⟩.
    pub transport: f64,
    /// Σ_j |b q'(g_j) − T_.j|, relative to the mass where no marginal is hard.
    pub residual: f64,
    /// Passes over all pairs.
    pub passes: usize,
    /// Whether the residual fell to [`TOLERANCE`].
    pub converged: bool,
}

/// Solves the problem to [`TOLERANCE`] or says that it did not, for queries with positive weights, or uniform ones.
///
/// # Errors
/// If the observer asks to stop.
pub fn solve(
    costs: &Costs<'_>,
    query_weights: Option<&[f64]>,
    penalty: Penalty,
    watch: &dyn Watch,
) -> Result<SemidualTransport, Stopped> {
    watch.begin("unbalanced transport", PASS_LIMIT as u64);
    let measures = Measures::of_queries(costs.pool_len(), shares(query_weights, costs.query_len()));
    let goal = Goal { tolerance: TOLERANCE, limit: PASS_LIMIT as u64 };
    let (least, _) = extremes(costs, SAMPLE.min(costs.pool_len()), watch)?;
    if starts_anywhere(costs, &penalty, &least) {
        return finish(Dual::new(costs, true, &measures, penalty, watch), least, goal);
    }
    let costs = &costs.hold_if_dear(watch)?;
    let (least, range) = extremes(costs, costs.pool_len(), watch)?;
    let mut dual = Dual::new(costs, false, &measures, penalty, watch);
    let mut newton = Newton::new(fixed::solve, true);
    let g = schedule::descend(&mut dual, schedule::cold(&least, &penalty), range, goal, |dual, g, goal| {
        newton.run(dual, g, goal).map(|(point, _)| point.g)
    })?;
    finish(dual, g, goal)
}

/// Whether any rows' costs `g` will do as potentials to start from, and costs are needed once, for the weights.
///
/// Costs that are not negative exceed no potential by more than its own size: if that is at most [`Weight::DRIFT`]·ε,
/// nothing overflows, and the reference potentials stay. Below ε costs could not be told from their weights. Newton's
/// method needs weights for several ε.
fn starts_anywhere(costs: &Costs<'_>, penalty: &Penalty, g: &[f64]) -> bool {
    let greatest = g.iter().copied().fold(0.0, f64::max);
    !newton::is_of_use(penalty)
        && costs.are_nonnegative()
        && penalty.epsilon <= greatest
        && greatest <= f64::DRIFT * penalty.epsilon
}

/// Solves the problem from `g` on and collects what is to be told about it.
fn finish(mut dual: Dual<'_, f64>, g: Vec<f64>, goal: Goal) -> Result<SemidualTransport, Stopped> {
    let (mut point, _) = Newton::new(fixed::solve, true).run(&mut dual, g, goal)?;
    if point.sums.logs.is_empty() {
        point = dual.evaluate(point.g, Ask::Rows)?;
    }
    let log_rows = point.sums.logs;
    let log_prior = -exp::ln(log_rows.len() as f64);
    let theta = dual.penalty.theta();
    // 0·(−∞) is no number: under a hard pool marginal a row without any finite cost keeps its prior.
    let follow = |log: f64| if theta > 0.0 { theta * log } else { 0.0 };
    Ok(SemidualTransport {
        log_marginal: log_rows.iter().map(|&log| log_prior + follow(log)).collect(),
        log_rows,
        objective: point.dual,
        transport: point.sums.transport,
        residual: point.residual,
        passes: usize::try_from(dual.passes).unwrap_or(usize::MAX),
        converged: point.residual <= TOLERANCE,
        potentials: point.g,
    })
}
