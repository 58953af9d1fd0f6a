//! The trait behind which all selectors stand, and the nouns that cross it.

use std::collections::BTreeMap;

use kantor_theory::generalization::selectors::{Optimises, optimises};
use kantor_theory::{Geometry, GeometryError, Power, Status};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::kernels::best::RowBest;
use crate::kernels::lists::NeighbourLists;
use crate::optimum::Optimum;
use crate::watch::{Stopped, Watch};

/// One selection task: pool, queries and cost, and the terms under which to work.
pub struct Task<'a> {
    /// Pool rows, queries and the cost between them.
    pub geometry: &'a Geometry<'a>,
    /// Power p of the distance W_p that methods for W minimise.
    pub power: Power,
    /// Seed of every random choice.
    pub seed: u64,
    /// Pool rows per block of a pass. Results do not depend on it.
    pub block: usize,
    /// Bytes that may be allocated beyond the input.
    pub memory: u64,
    /// Where progress goes.
    pub watch: &'a dyn Watch,
}

impl Task<'_> {
    /// The largest budget.
    ///
    /// # Errors
    /// If one of them does not fit the pool.
    pub fn largest(&self, budgets: &[usize]) -> Result<usize, SelectError> {
        let pool = self.geometry.pool_len();
        match budgets.iter().find(|&&budget| budget == 0 || budget > pool) {
            Some(&budget) => Err(SelectError::Budget { budget, pool }),
            None => Ok(budgets.iter().copied().max().unwrap_or(0)),
        }
    }

    /// Refuses what would take more bytes than allowed.
    pub(crate) fn afford(&self, method: &'static str, needed: u64) -> Result<(), SelectError> {
        let allowed = self.memory;
        if needed > allowed { Err(SelectError::Memory { method, needed, allowed }) } else { Ok(()) }
    }
}

/// What a selector asks of the pass over the pool; the requests of several selectors are met by one pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ScanRequest {
    /// The closest query of every pool row.
    pub row_best: bool,
    /// The nearest pool rows of every query: this many, 0 for none.
    pub lists: usize,
}

impl ScanRequest {
    /// What answers both.
    pub fn union(self, other: ScanRequest) -> ScanRequest {
        ScanRequest { row_best: self.row_best || other.row_best, lists: self.lists.max(other.lists) }
    }
}

/// What the pass found, as asked for by [`ScanRequest`].
#[derive(Default)]
pub struct PoolScan {
    /// Present if `row_best` was asked for.
    pub row_best: Option<RowBest>,
    /// Present if `lists` was asked for; at least that long, or as long as the pool.
    pub lists: Option<NeighbourLists>,
    /// Rows whose norms the pass saw to be not finite or near the ends of their range, ascending: all bad rows are among
    /// them.
    pub suspects: Vec<usize>,
}

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

/// Why a selector could not select.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SelectError {
    /// A setting has a value that makes no sense.
    #[error("`{name}` is {value}: {rule}")]
    Setting {
        /// Its name.
        name: String,
        /// What it was set to.
        value: String,
        /// What it must be.
        rule: String,
    },
    /// No selector has this setting.
    #[error("there is no setting `{name}` (known: {known})")]
    UnknownSetting {
        /// The name given.
        name: String,
        /// All names.
        known: String,
    },
    /// The budget does not fit the pool.
    #[error("budget {budget} is not between 1 and the {pool} rows of the pool")]
    Budget {
        /// Rows asked for.
        budget: usize,
        /// Rows there are.
        pool: usize,
    },
    /// The task has not what this selector needs.
    #[error("method `{method}` {fault}")]
    Unsupported {
        /// Name of the selector.
        method: &'static str,
        /// What is missing, and the remedy.
        fault: &'static str,
    },
    /// A distance makes no sense for the task.
    #[error("the distance `{distance}` {fault}")]
    Distance {
        /// Name of the distance.
        distance: &'static str,
        /// What is missing, and the remedy.
        fault: &'static str,
    },
    /// It would take more memory than allowed.
    #[error("method `{method}` needs about {needed} bytes but `max-memory` allows {allowed}")]
    Memory {
        /// Name of the selector.
        method: &'static str,
        /// Bytes needed.
        needed: u64,
        /// Bytes allowed.
        allowed: u64,
    },
    /// A row that was chosen cannot be measured.
    #[error(transparent)]
    Row(#[from] GeometryError),
    /// The observer asked to stop.
    #[error(transparent)]
    Stopped(#[from] Stopped),
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
