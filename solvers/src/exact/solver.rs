//! The solver `exact`: transport with hard marginals and without entropy, by the network simplex.

use kantor_theory::problem::Marginal;
use kantor_theory::{Geometry, Power, Problem, Status};
use rayon::prelude::*;
use sprs::TriMat;

use super::masses::masses;
use super::transport::transport;
use crate::solver::{Effort, Plan, Potentials, Residuals, Solution, SolveError, Solver};
use crate::watch::Watch;

const NAME: &str = "exact";

/// Rows whose costs are computed by one task.
const ROWS: usize = 256;

/// Solves the linear problem exactly on the grid of costs of [`transport`](super::transport()).
#[derive(Debug, Clone)]
pub struct Exact {
    memory: u64,
}

impl Exact {
    /// Reads `memory`: it holds all costs.
    pub fn new(effort: &Effort) -> Self {
        Self { memory: effort.memory }
    }
}

impl Solver for Exact {
    fn name(&self) -> &'static str {
        NAME
    }

    fn solve(
        &self,
        problem: &Problem<'_>,
        _start: Option<&Potentials>,
        _watch: &dyn Watch,
    ) -> Result<Solution, SolveError> {
        problem.check()?;
        let refuse = |fault| Err(SolveError::Unsupported { solver: NAME, fault });
        if problem.epsilon > 0.0 {
            return refuse("solves problems without entropy: take --epsilon 0, or an entropic solver");
        }
        if (problem.pool, problem.query) != (Marginal::Hard, Marginal::Hard) {
            return refuse("wants hard marginals");
        }
        let (n, m) = (problem.row_count(), problem.geometry.query_len());
        let needed = 8 * (n as u64) * (m as u64);
        if needed > self.memory {
            return Err(SolveError::Memory { solver: NAME, needed, allowed: self.memory });
        }
        let masses = masses(n, problem.weights.subset.as_deref(), m, problem.weights.query.as_deref())?;
        let costs = match problem.rows {
            Some(rows) => costs(problem.geometry, problem.power, rows),
            None => costs(problem.geometry, problem.power, &(0..n).collect::<Vec<_>>()),
        };
        let found = transport(&costs, &masses)?;
        let mut plan = TriMat::with_capacity((n, m), found.plan.len());
        for entry in &found.plan {
            plan.add_triplet(entry.row, entry.query, entry.mass as f64 / masses.total as f64);
        }
        let reply =
            |line: &[f64]| line.iter().zip(&found.potentials).map(|(cost, g)| cost - g).fold(f64::INFINITY, f64::min);
        let pool = costs.par_chunks_exact(m).map(reply).collect();
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
