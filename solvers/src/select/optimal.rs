//! The selector `optimal`: a subset of least transport distance, and the potentials that prove it.

use kantor_theory::{Objective, Status};

use crate::relax::Optimum;
use crate::relax::budgeted::NAME;
use crate::relax::budgeted::{self, Budgeted};
use crate::scan::{PoolScan, ScanRequest};
use crate::select::{Selection, Selector, notes};
use crate::task::{SelectError, Task};

/// Minimises the transport cost over all subsets of the size asked for.
///
/// The result is a best subset if the number of queries divides the budget, else the better of two roundings of the
/// fractional optimum; how far that can be from the best is for the certificate to say. So it is under constraints whose
/// groups are nested; other constraints make the optimum fractional at a few rows. Of several tasks it minimises the distance to
/// the worst.
#[derive(Debug, Clone, Copy, Default)]
pub struct Optimal;

impl Selector for Optimal {
    fn name(&self) -> &'static str {
        NAME
    }

    /// Multiples of the number of queries are prefixes of one order; other budgets need not be.
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
        objective == Objective::W
    }

    fn obeys_token_budgets(&self) -> bool {
        true
    }

    fn needs(&self, task: &Task<'_>, largest: usize) -> ScanRequest {
        budgeted::needs(task, largest)
    }

    fn of_optimum(&self, _task: &Task<'_>, optimum: &Optimum, budgets: &[usize]) -> Option<Vec<Selection>> {
        budgets.iter().map(|&budget| optimum.of_transport(budget).map(selection)).collect()
    }

    fn select(&self, task: &Task<'_>, scanned: &PoolScan, budgets: &[usize]) -> Result<Vec<Selection>, SelectError> {
        Ok(budgeted::solve(task, scanned, budgets)?.budgets.iter().map(selection).collect())
    }
}

fn selection(found: &Budgeted) -> Selection {
    let notes = notes([("prefix-of-one-order", found.prefix.into()), ("relaxed-value", found.lp_value.into())]);
    Selection { rows: found.rows.clone(), scores: found.scores.clone(), status: Status::Uncertified, notes }
}
