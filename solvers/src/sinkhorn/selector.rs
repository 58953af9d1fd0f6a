//! The selector `uot`: rows ranked by the mass that entropic unbalanced transport sends them.
//!
//! The queries' mass is given in full, the pool's is only drawn towards uniform by ρ, and the plan is blurred by ε
//! (arXiv 2602.14696, which calls POT).

use kantor_theory::Status;
use rayon::prelude::*;
use serde_json::json;

use super::costs::{self, Costs};
use super::penalty::Penalty;
use super::semidual;
use crate::selector::{PoolScan, SelectError, Selection, Selector, Settings, Task, notes};

/// Top-k of the pool marginal of an entropic unbalanced plan.
///
/// Rows are ranked by the logarithm of their mass, which cannot underflow, and scored by the mass. Under a hard pool
/// marginal (ρ infinite) all masses are 1/N; rows are then ranked by the limit of the rankings as ρ grows, which is
/// that of ln s_i = −f_i/ε for the pool potentials f.
#[derive(Debug, Clone, PartialEq)]
pub struct Uot {
    epsilon: f64,
    rho: f64,
}

impl Uot {
    /// Reads `epsilon` and `rho`.
    pub fn new(settings: &Settings) -> Self {
        Self { epsilon: settings.epsilon, rho: settings.rho }
    }

    fn check(&self) -> Result<(), SelectError> {
        if !(self.epsilon > 0.0 && self.epsilon.is_finite()) {
            let rule = "it must be positive and finite";
            return Err(SelectError::Setting { name: "epsilon", value: self.epsilon, rule });
        }
        if self.rho < 0.0 || self.rho.is_nan() {
            let rule = "it must not be negative (inf makes the pool marginal hard)";
            return Err(SelectError::Setting { name: "rho", value: self.rho, rule });
        }
        Ok(())
    }
}

impl Selector for Uot {
    fn name(&self) -> &'static str {
        "uot"
    }

    fn nested(&self) -> bool {
        true
    }

    fn select(&self, task: &Task<'_>, _scanned: &PoolScan, budgets: &[usize]) -> Result<Vec<Selection>, SelectError> {
        self.check()?;
        let largest = task.largest(budgets)?;
        let cost = costs::published(task.geometry.cost());
        let costs = Costs::new(task.geometry, cost, task.memory);
        let penalty = Penalty { epsilon: self.epsilon, pool: self.rho, query: f64::INFINITY };
        let found = semidual::solve(&costs, penalty, task.watch)?;

        let mut order: Vec<usize> = (0..task.geometry.pool_len()).collect();
        let by_mass = |a: &usize, b: &usize| found.log_rows[*b].total_cmp(&found.log_rows[*a]).then(a.cmp(b));
        if largest < order.len() {
            order.select_nth_unstable_by(largest, by_mass);
            order.truncate(largest);
        }
        order.par_sort_unstable_by(by_mass);
        let notes = notes([
            ("cost", json!(cost.name())),
            ("passes", json!(found.passes)),
            ("residual", json!(found.residual)),
            ("residual_tolerance", json!(semidual::TOLERANCE)),
            ("objective", json!(found.objective)),
            ("transport_cost", json!(found.transport)),
        ]);
        let status = if found.converged { Status::Uncertified } else { Status::IterationLimit };
        let scores = order.iter().map(|&row| found.log_marginal[row].exp()).collect();
        Ok(Selection { rows: order, scores, status, notes }.prefixes(budgets))
    }
}
