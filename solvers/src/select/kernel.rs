//! The selectors `energy` and `mmd`.

use kantor_theory::{Kernel, KernelName, Objective, Status};
use serde_json::json;

use crate::bandwidths::Bandwidths;
use crate::objective::ObjectiveSettings;
use crate::relax::Optimum;
use crate::relax::herding::cloud::comparable;
use crate::relax::herding::{KernelSubset, choose};
use crate::relax::swaps::LeftOpen;
use crate::scan::PoolScan;
use crate::select::{Selection, Selector, notes};
use crate::settings::{SettingGroup, settings};
use crate::task::{SelectError, Task};

/// Minimises the energy distance to the queries: herding, then swaps.
#[derive(Debug, Clone, Copy, Default)]
pub struct Energy;

settings! {
    /// Minimises the maximum mean discrepancy to the queries under a positive definite kernel: herding, then swaps.
    pub struct Mmd {
        kernel: KernelName as ObjectiveSettings;
        bandwidth: Bandwidths as ObjectiveSettings;
    }
}

impl Selector for Energy {
    fn name(&self) -> &'static str {
        "energy"
    }

    /// The part that herding picks is a prefix of one order, but swaps need not respect it.
    fn nested(&self) -> bool {
        false
    }

    fn obeys_constraints(&self) -> bool {
        true
    }

    fn weighs_quality(&self) -> bool {
        true
    }

    fn minimises(&self, objective: Objective) -> bool {
        objective == Objective::Energy
    }

    fn obeys_token_budgets(&self) -> bool {
        true
    }

    fn supports(&self, task: &Task<'_>) -> Result<(), SelectError> {
        comparable(task.geometry, KernelName::Energy, self.name())
    }

    fn of_optimum(&self, _task: &Task<'_>, optimum: &Optimum, budgets: &[usize]) -> Option<Vec<Selection>> {
        known(optimum, Kernel::ENERGY, budgets)
    }

    fn select(&self, task: &Task<'_>, _scanned: &PoolScan, budgets: &[usize]) -> Result<Vec<Selection>, SelectError> {
        select(task, Kernel::ENERGY, budgets)
    }
}

impl Selector for Mmd {
    fn name(&self) -> &'static str {
        "mmd"
    }

    fn nested(&self) -> bool {
        false
    }

    fn obeys_constraints(&self) -> bool {
        true
    }

    fn weighs_quality(&self) -> bool {
        true
    }

    /// The objective's kernel has the same settings.
    fn minimises(&self, objective: Objective) -> bool {
        matches!(objective, Objective::Mmd(_))
    }

    fn obeys_token_budgets(&self) -> bool {
        true
    }

    fn supports(&self, task: &Task<'_>) -> Result<(), SelectError> {
        self.check()?;
        if !self.kernel.is_positive_definite() {
            return Err(SelectError::Unsupported {
                method: self.name(),
                fault: "needs a positive definite kernel: gaussian, laplace, inverse-multiquadric or cosine",
            });
        }
        comparable(task.geometry, self.kernel, self.name())
    }

    fn of_optimum(&self, task: &Task<'_>, optimum: &Optimum, budgets: &[usize]) -> Option<Vec<Selection>> {
        known(optimum, self.bandwidth.for_queries(self.kernel, task.geometry).ok()?, budgets)
    }

    fn select(&self, task: &Task<'_>, _scanned: &PoolScan, budgets: &[usize]) -> Result<Vec<Selection>, SelectError> {
        self.supports(task)?;
        select(task, self.bandwidth.for_queries(self.kernel, task.geometry)?, budgets)
    }
}

fn known(optimum: &Optimum, kernel: Kernel, budgets: &[usize]) -> Option<Vec<Selection>> {
    let of = |&budget: &usize| optimum.of_kernel(kernel, budget).map(|chosen| selection(chosen, kernel));
    budgets.iter().map(of).collect()
}

fn select(task: &Task<'_>, kernel: Kernel, budgets: &[usize]) -> Result<Vec<Selection>, SelectError> {
    Ok(choose(task, kernel, budgets)?.budgets.iter().map(|chosen| selection(chosen, kernel)).collect())
}

fn selection(chosen: &KernelSubset, kernel: Kernel) -> Selection {
    let notes = notes([
        ("kernel", json!(kernel)),
        ("squared-distance-after-herding", json!(chosen.values[0])),
        ("squared-distance", json!(chosen.values[1])),
        ("swaps", json!(chosen.swaps)),
        ("no-swap-improves", json!(chosen.left_open.is_none())),
        ("swaps-left-open", json!(chosen.left_open.map(LeftOpen::words))),
        ("least-gain-noticed", json!(chosen.least_gain)),
        ("rows-compared", json!(chosen.compared)),
        // The herded rows of a smaller budget are a prefix of the order that herding picks.
        ("rows-in-herding-order", json!(chosen.herded)),
    ]);
    Selection { rows: chosen.rows().to_vec(), scores: chosen.scores().to_vec(), status: Status::Uncertified, notes }
}
