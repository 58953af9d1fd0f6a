//! The trait behind which all selectors stand; each selector has a file of its own.

pub mod auto;
pub mod balanced;
pub mod constrained;
pub mod doubly_greedy;
pub mod kde_ratio;
pub mod kernel;
pub mod knn;
pub mod mean_similarity;
pub mod optimal;
pub mod random;
pub mod round_robin;
pub mod swap;
pub mod uot;

use std::collections::BTreeMap;

use kantor_theory::generalization::selectors::{Optimises, optimises};
use kantor_theory::{Objective, Status};
use serde_json::Value;

pub use auto::Auto;
pub use balanced::Balanced;
pub use constrained::Constrained;
pub use doubly_greedy::DoublyGreedy;
pub use kde_ratio::KdeRatio;
pub use kernel::{Energy, Mmd};
pub use knn::Tradeoff;
pub use knn::kde::KnnKde;
pub use knn::tv::KnnTv;
pub use knn::uniform::KnnUniform;
pub use mean_similarity::MeanSimilarity;
pub use optimal::Optimal;
pub use random::Random;
pub use round_robin::RoundRobin;
pub use swap::Swap;
pub use uot::Uot;

use crate::relax::Optimum;
use crate::scan::{PoolScan, ScanRequest};
use crate::task::{SelectError, Task};

/// Chosen rows, in the order in which they were chosen.
#[derive(Debug, Clone, PartialEq)]
pub struct Selection {
    /// Distinct pool rows in selection order.
    pub rows: Vec<usize>,
    /// Why each was chosen, in the selector's own unit; larger first unless the selector says otherwise.
    pub scores: Vec<f64>,
    /// How the search ended.
    pub status: Status,
    /// What is recorded of the search, by name: levels found, limits reached, iterations, residuals.
    pub notes: BTreeMap<String, Value>,
}

impl Selection {
    /// The number of rows chosen.
    pub fn budget(&self) -> usize {
        self.rows.len()
    }

    /// One selection per budget, each the beginning of this one.
    #[must_use]
    pub fn prefixes(self, budgets: &[usize]) -> Vec<Selection> {
        let prefix = |&budget: &usize| Selection {
            rows: self.rows[..budget].to_vec(),
            scores: self.scores[..budget].to_vec(),
            status: self.status,
            notes: self.notes.clone(),
        };
        budgets.iter().map(prefix).collect()
    }
}

/// Notes by name.
pub(crate) fn notes<const N: usize>(notes: [(&str, Value); N]) -> BTreeMap<String, Value> {
    notes.map(|(name, value)| (name.to_owned(), value)).into()
}

/// Chooses `k` pool rows for the queries.
///
/// Every selector takes the lower index at a tie, never lets NaN win, and returns the same rows for every block size
/// and thread count. Object-safe, so that command line, tests and studies loop over one list.
pub trait Selector: Send + Sync {
    /// The name on the command line.
    fn name(&self) -> &'static str;

    /// Whether the selection for a smaller budget is a prefix of that for a larger one.
    fn nested(&self) -> bool;

    /// Whether it obeys the constraints of a task by itself; else it takes no notice of them, and
    /// [`Constrained`] makes it obey.
    fn obeys_constraints(&self) -> bool {
        false
    }

    /// Whether it takes what rows are worth by themselves off what it minimises; else it does not look at it.
    fn weighs_quality(&self) -> bool {
        false
    }

    /// Whether it chooses for a budget in tokens by itself, by their [`FeasibleSet`](kantor_theory::FeasibleSet); else
    /// [`Constrained`] takes rows in its order.
    fn obeys_token_budgets(&self) -> bool {
        false
    }

    /// Whether what it works on is this objective, over the subsets that obey the constraints of the task; others minimise something
    /// else, or take rows by a rule of their own.
    fn minimises(&self, _objective: Objective) -> bool {
        false
    }

    /// Whether it works by running other methods of the registry, so that asking for all methods does not mean this one too.
    fn runs_others(&self) -> bool {
        false
    }

    /// Whether it can choose here, which is asked before anything is computed; it can, unless it says why not.
    ///
    /// # Errors
    /// If a setting makes no sense, or the task lacks what the selector needs.
    fn supports(&self, _task: &Task<'_>) -> Result<(), SelectError> {
        Ok(())
    }

    /// What is proved of its choices by themselves: by default what the theory states of its name.
    fn guarantee(&self) -> Option<&'static Optimises> {
        optimises(self.name())
    }

    /// What it asks of the pass over the pool before choosing up to `largest` rows; nothing, unless it says so.
    fn needs(&self, _task: &Task<'_>, _largest: usize) -> ScanRequest {
        ScanRequest::default()
    }

    /// The selections that [`Selector::select`] would make, if they are those of the objective which was solved already.
    fn of_optimum(&self, _task: &Task<'_>, _optimum: &Optimum, _budgets: &[usize]) -> Option<Vec<Selection>> {
        None
    }

    /// Chooses one selection per budget, in the order of `budgets`.
    ///
    /// `scanned` answers [`Selector::needs`] for the largest budget.
    ///
    /// # Errors
    /// As [`Selector::supports`]; or if a budget makes no sense, memory does not suffice, or the observer asks to stop.
    fn select(&self, task: &Task<'_>, scanned: &PoolScan, budgets: &[usize]) -> Result<Vec<Selection>, SelectError>;
}

/// One selection per budget, each the beginning of `order`.
pub(crate) fn prefixes(order: Vec<(usize, f64)>, budgets: &[usize], notes: BTreeMap<String, Value>) -> Vec<Selection> {
    let (rows, scores) = order.into_iter().unzip();
    Selection { rows, scores, status: Status::Uncertified, notes }.prefixes(budgets)
}
