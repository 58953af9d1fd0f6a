//! The selector `uot`: rows ranked by the mass that entropic unbalanced transport sends them.
//!
//! The queries' mass is given in full, the pool's is only drawn towards uniform by ρ, and the plan is blurred by ε
//! (arXiv 2602.14696, which calls POT).

use kantor_theory::Status;
use rayon::prelude::*;
use serde_json::json;

use crate::scan::PoolScan;
use crate::select::{Selection, Selector, notes};
use crate::settings::{SettingGroup, settings};
use crate::task::{SelectError, Task};
use crate::transport::sinkhorn::Penalty;
use crate::transport::sinkhorn::costs::{self, Costs};
use crate::transport::sinkhorn::semidual;

settings! {
    /// Top-k of the pool marginal of an entropic unbalanced plan.
    ///
    /// Rows are ranked by the logarithm of their mass, which cannot underflow, and scored by the mass. Under a hard pool
    /// marginal (ρ infinite) all masses are 1/N; rows are then ranked by the limit of the rankings as ρ grows, which is
    /// that of ln s_i = −f_i/ε for the pool potentials f.
    pub struct Uot {
        /// Entropic regularisation of uot
        epsilon: f64 = 0.01 => positive();
        /// Penalty on the pool marginal of uot; `inf` makes it hard
        rho: f64 = 1e-4 => range(|rho| rho >= 0.0, "it must not be negative (inf makes the pool marginal hard)");
    }
}

impl Selector for Uot {
    fn name(&self) -> &'static str {
        "uot"
    }

    fn nested(&self) -> bool {
        true
    }

    fn supports(&self, _task: &Task<'_>) -> Result<(), SelectError> {
        self.check()
    }

    fn select(&self, task: &Task<'_>, _scanned: &PoolScan, budgets: &[usize]) -> Result<Vec<Selection>, SelectError> {
        self.supports(task)?;
        let largest = task.largest(budgets)?;
        let cost = costs::published(task.geometry.cost());
        let costs = Costs::new(task.geometry, cost, task.memory);
        let penalty = Penalty { epsilon: self.epsilon, pool: self.rho, query: f64::INFINITY };
        let found = semidual::solve(&costs, task.weights, penalty, task.watch)?;

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
