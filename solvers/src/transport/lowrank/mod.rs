//! The solver `low-rank`: Sinkhorn's updates with a low-rank kernel, and what their result is worth for the problem.
//!
//! The [`Factor`] K̃ ≥ K of the Gibbs kernel replaces it in the iteration, which then costs O((N + M) r) instead of N·M.
//! The query potentials found are a start for the true problem: passes over its costs give their dual value, a feasible
//! plan and the residual, so the bracket returned is about the problem asked for, however bad the factor was.
//!
//! It seldom pays: the factor has to have as many columns as the kernel has directions at the scale of ε, and its
//! iterations save only what passes over N·M stored weights cost, not the evaluation at the end.
//!
//! Limit of an iteration: reading the N×(r + 1) factor once, four operations per number.
//!
//! Statements and proofs: `notes/low-rank.md` of `kantor-theory`.

mod factor;
mod iterate;

use kantor_theory::transport_problem::{Marginal, Reference};
use kantor_theory::{Status, TransportProblem};

use crate::solver::{BuiltIn, Potentials, Solution, SolveError, Solver, SolverSettings};
use crate::transport::sinkhorn::sinkhorn_newton;
use crate::watch::Watch;
pub use factor::Factor;
pub use iterate::Excess;

const NAME: &str = "low-rank";

/// Solves entropic problems with a low-rank kernel and evaluates the result with the true one.
///
/// Reads `rank`, `tolerance` (of the marginals), `iterations` (of the low-rank iteration) and `memory`.
pub fn low_rank(settings: &SolverSettings) -> BuiltIn {
    BuiltIn { name: NAME, solve, settings: settings.clone() }
}

fn solve(
    problem: &TransportProblem<'_>,
    start: Option<&Potentials>,
    settings: &SolverSettings,
    watch: &dyn Watch,
) -> Result<Solution, SolveError> {
    let penalties = penalties(problem)?;
    let found = match Factor::new(problem, settings.rank, settings.memory, watch)? {
        Ok(factor) => Some(factor.solve(problem, penalties, start, settings, watch)?),
        // Stopped: what was given is still evaluated.
        Err(_) => None,
    };
    let better = found.as_ref().map(|found| Potentials { pool: Vec::new(), query: found.potentials.clone() });
    // One pass at the potentials, and those that complete a solution.
    let evaluation = sinkhorn_newton(&SolverSettings { iterations: 1, ..settings.clone() });
    let solution = evaluation.solve(problem, better.as_ref().or(start), watch)?;
    let status = match (solution.status, found.as_ref().map(|found| found.status)) {
        (Status::Interrupted, _) | (_, None | Some(Status::Interrupted)) => Status::Interrupted,
        (Status::Optimal, _) => Status::Optimal,
        (_, Some(Status::Optimal)) => Status::GapNotMet,
        (_, Some(status)) => status,
    };
    let iterations = solution.iterations + found.map_or(0, |found| found.iterations);
    Ok(Solution { status, iterations, ..solution })
}

/// ρ of the pool and of the queries, infinite where hard.
fn penalties(problem: &TransportProblem<'_>) -> Result<(f64, f64), SolveError> {
    let refuse = |fault| SolveError::Unsupported { solver: NAME, fault };
    if problem.reference != Reference::Product {
        return Err(refuse("needs the product of the weights as reference"));
    }
    let strength = |marginal| match marginal {
        Marginal::Hard => Ok(f64::INFINITY),
        Marginal::Kl(rho) => Ok(rho),
        Marginal::Tv(_) | Marginal::Capacity(_) => Err(refuse("takes hard marginals and KL penalties")),
    };
    Ok((strength(problem.pool)?, strength(problem.query)?))
}
