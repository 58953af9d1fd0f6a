//! The Sinkhorn divergence: entropic transport without its bias.
//!
//! S_ε(α, β) = OT_ε(α, β) − ½ OT_ε(α, α) − ½ OT_ε(β, β) + (ε/2)(m_α − m_β)²  (Feydy et al., arXiv 1810.08278; unbalanced:
//! Séjourné et al., arXiv 1910.12958). Here both masses are 1, so the last term is 0. Where exp(−c/ε) is a positive
//! definite kernel (all costs to the first power, and `euclidean` squared, but no matrix) it is not negative, 0 only for
//! α = β, convex in each, tends to OT as ε → 0 and to half the energy distance of c as ε → ∞. It is no upper bound of OT.
//!
//! Limit: per iteration one exponential for every pair of rows; the costs between them are held if they fit.

mod symmetric;

use kantor_theory::transport_problem::{Marginal, Reference};
use kantor_theory::{DenseRows, Geometry, Status, TransportProblem};

use crate::solver::{Solution, SolveError, Solver, SolverSettings};
use crate::transport::exact::masses_of;
use crate::transport::fixed_point::FixedPoint;
use crate::watch::Watch;
use crate::weights::positive_shares;
use symmetric::Symmetric;

const NAME: &str = "the Sinkhorn divergence";

/// The divergence and its three parts.
#[derive(Debug, Clone, PartialEq)]
pub struct Divergence {
    /// S_ε, in units of c^p; from dual values, whose error is of the order of the square of the residuals.
    pub value: f64,
    /// OT_ε between rows and queries.
    pub cross: Solution,
    /// OT_ε of the rows with themselves.
    pub pool: FixedPoint,
    /// OT_ε of the queries with themselves.
    pub query: FixedPoint,
    /// The first status of the three that is not `optimal`.
    pub status: Status,
}

/// The divergence between the two measures of `problem`; `solver` is any that solves the problem itself, `settings` is for
/// the other two.
///
/// # Errors
/// If the problem has no entropy, its marginals are not both hard or both of one KL penalty, its reference is not the
/// product, its costs are a matrix, or a solver refuses it.
pub fn sinkhorn_divergence(
    problem: &TransportProblem<'_>,
    solver: &dyn Solver,
    settings: &SolverSettings,
    watch: &dyn Watch,
) -> Result<Divergence, SolveError> {
    problem.check()?;
    let refuse = |fault| SolveError::Unsupported { solver: NAME, fault };
    if problem.epsilon <= 0.0 || problem.reference != Reference::Product {
        return Err(refuse("needs `epsilon` above 0 and the product of the weights as reference"));
    }
    let penalty = match (problem.pool, problem.query) {
        (Marginal::Hard, Marginal::Hard) => f64::INFINITY,
        (Marginal::Kl(pool), Marginal::Kl(query)) if pool == query => pool,
        _ => return Err(refuse("needs the same marginals on both sides, hard or KL")),
    };
    let (Some(pool), Some((queries, _))) = (problem.geometry.points(), problem.geometry.queries()) else {
        return Err(refuse("needs rows: a matrix does not say how far rows are from each other"));
    };
    // Both sides' weights are checked by the same rule as everywhere.
    masses_of(problem)?;
    let (n, m) = (problem.row_count(), problem.geometry.query_len());

    let dim = pool.dim();
    let (weights, kept) = positive_shares(problem.weights.subset.as_deref(), n);
    let kept = kept.unwrap_or_else(|| (0..n).collect());
    let mut rows = vec![0.0; kept.len() * dim];
    for (&position, row) in kept.iter().zip(rows.chunks_exact_mut(dim)) {
        pool.read_row(problem.row(position), row);
    }
    let pool = with_itself(problem, rows, &weights, penalty, settings, watch)?;
    let (weights, kept) = positive_shares(problem.weights.query.as_deref(), m);
    let kept = kept.unwrap_or_else(|| (0..m).collect());
    let rows = kept.iter().flat_map(|&j| queries[j * dim..(j + 1) * dim].iter().copied()).collect();
    let query = with_itself(problem, rows, &weights, penalty, settings, watch)?;
    let cross = solver.solve(problem, None, watch)?;
    let all = [cross.status, pool.status, query.status];
    let status = all.into_iter().find(|status| *status != Status::Optimal).unwrap_or(Status::Optimal);
    Ok(Divergence { value: cross.dual - 0.5 * (pool.value + query.value), cross, pool, query, status })
}

fn with_itself(
    problem: &TransportProblem<'_>,
    rows: Vec<f64>,
    weights: &[f64],
    penalty: f64,
    settings: &SolverSettings,
    watch: &dyn Watch,
) -> Result<FixedPoint, SolveError> {
    let dim = rows.len() / weights.len();
    let Some(rows) = DenseRows::from_f64(dim, rows) else { unreachable!("whole rows of the problem") };
    let Ok(geometry) = Geometry::new(&rows, &rows, problem.geometry.cost()) else {
        return Err(SolveError::Unsupported { solver: NAME, fault: "found a row that its cost cannot measure" });
    };
    let symmetric = Symmetric::new(&geometry, problem.power, weights, problem.epsilon, penalty, settings.memory);
    Ok(symmetric.solve(settings, watch))
}
