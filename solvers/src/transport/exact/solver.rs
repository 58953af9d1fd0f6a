//! The solver `exact`: transport without entropy, with hard marginals or capacities, by the network simplex.

use kantor_theory::transport_problem::Marginal;
use kantor_theory::{Geometry, Power, Status, TransportProblem};
use rayon::prelude::*;
use sprs::TriMat;

use super::capacity::{self, Scaled};
use super::masses::masses_of;
use super::transport::transport;
use crate::solver::{BuiltIn, Plan, Potentials, Residuals, Solution, SolveError, SolverSettings, within};
use crate::watch::Watch;

const NAME: &str = "exact";

/// Rows whose costs are computed by one task.
const ROWS: usize = 256;

/// Solves the linear problem exactly on the grid of costs of [`transport`](super::transport()): both marginals hard, or
/// one of them a capacity (theorem T3).
///
/// Reads `memory`: it holds all costs.
pub fn exact(settings: &SolverSettings) -> BuiltIn {
    BuiltIn { name: NAME, solve, settings: settings.clone() }
}

fn solve(
    problem: &TransportProblem<'_>,
    _start: Option<&Potentials>,
    settings: &SolverSettings,
    _watch: &dyn Watch,
) -> Result<Solution, SolveError> {
    problem.check()?;
    let refuse = |fault| Err(SolveError::Unsupported { solver: NAME, fault });
    if problem.epsilon > 0.0 {
        return refuse("solves problems without entropy: take `epsilon` 0, or an entropic solver");
    }
    let scaled = match (problem.pool, problem.query) {
        (Marginal::Hard, Marginal::Hard) => None,
        (Marginal::Capacity(factor), Marginal::Hard) => Some(Scaled::Pool(factor)),
        (Marginal::Hard, Marginal::Capacity(factor)) => Some(Scaled::Query(factor)),
        (Marginal::Capacity(_), Marginal::Capacity(_)) => {
            return refuse("needs one hard marginal: capacities on both sides are met by sending nothing");
        }
        (Marginal::Kl(_), _) | (_, Marginal::Kl(_)) => {
            return refuse("needs hard marginals or a capacity: KL penalties need `epsilon` above 0");
        }
        _ => return refuse("needs hard marginals or a capacity: TV penalties are for solver `partial`"),
    };
    let (n, m) = (problem.row_count(), problem.geometry.query_len());
    let held = match scaled {
        None => n as u64 * m as u64,
        Some(Scaled::Pool(_)) => n as u64 * (m as u64 + 1),
        Some(Scaled::Query(_)) => (n as u64 + 1) * m as u64,
    };
    within(NAME, 8 * held, settings.memory)?;
    let mut costs = all_costs(problem);
    let found = match scaled {
        None => transport(&costs, &masses_of(problem)?)?,
        Some(scaled) => capacity::solve(&mut costs, n, m, &problem.weights, scaled)?,
    };
    // A capacity adds a point of cost 0, whose potential is 0.
    let slack = if let Some(Scaled::Pool(_)) = scaled { 0.0 } else { f64::INFINITY };
    let stride = if slack == 0.0 { m + 1 } else { m };
    let reply = |line: &[f64]| line.iter().zip(&found.potentials).map(|(cost, g)| cost - g).fold(slack, f64::min);
    let pool = costs.par_chunks_exact(stride).take(n).map(reply).collect();
    let mut plan = TriMat::with_capacity((n, m), found.plan.len());
    for entry in &found.plan {
        plan.add_triplet(entry.row, entry.query, entry.mass as f64 / found.total as f64);
    }
    Ok(Solution {
        status: Status::Optimal,
        potentials: Potentials { pool, query: found.potentials },
        plan: Plan::Sparse(plan.to_csr()),
        primal: found.value,
        dual: found.dual,
        transport: found.value,
        residuals: Residuals::default(),
        iterations: found.pivots,
    })
}

/// c^p between the rows of a problem that take part and all queries, n×M, row-major.
pub(super) fn all_costs(problem: &TransportProblem<'_>) -> Vec<f64> {
    match problem.rows {
        Some(rows) => costs(problem.geometry, problem.power, rows),
        None => costs(problem.geometry, problem.power, &(0..problem.row_count()).collect::<Vec<_>>()),
    }
}

/// c^p between the rows and all queries, k×M, row-major.
pub fn costs(geometry: &Geometry<'_>, power: Power, rows: &[usize]) -> Vec<f64> {
    let m = geometry.query_len();
    let mut costs = vec![0.0; rows.len() * m];
    costs.par_chunks_mut(ROWS * m).zip(rows.par_chunks(ROWS)).for_each(|(costs, rows)| {
        geometry.closeness_gather(rows, costs);
        for value in costs {
            let cost = geometry.cost().from_closeness(*value);
            *value = if power == Power::Two { cost * cost } else { cost };
        }
    });
    costs
}
