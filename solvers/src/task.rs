//! What is asked of those who choose rows, and why they may not be able to.

use kantor_theory::{FeasibleSet, Geometry, GeometryError, Objective, Power};

use crate::relax::swaps::least_of;
use crate::watch::{Stopped, Watch};

/// The least weight of a query, as a part of the largest: less is lost in sums.
pub const LEAST_WEIGHT: f64 = 1e-100;

/// One selection task: pool, queries and cost, and the terms under which to work.
pub struct Task<'a> {
    /// Pool rows, queries and the cost between them.
    pub geometry: &'a Geometry<'a>,
    /// Power p of the distance W_p that methods for W minimise.
    pub power: Power,
    /// The distance by which the chosen rows are judged, for methods that lower whichever it is.
    pub objective: Objective,
    /// Seed of every random choice.
    pub seed: u64,
    /// Pool rows per block of a pass. Results do not depend on it.
    pub block: usize,
    /// Bytes that may be allocated beyond the input.
    pub memory: u64,
    /// Weights of the queries, divided by their sum; positive and finite, uniform if there are none.
    pub weights: Option<&'a [f64]>,
    /// How many of the queries belong to each of several tasks, one after the other, if the distance that counts is that to
    /// the worst of them; empty if it is that to all together. Methods that know nothing of tasks choose for all together.
    pub tasks: &'a [usize],
    /// The group of every query, by any number, where queries of a group are no independent draws: a method that keeps queries back keeps
    /// groups together, if it can.
    pub groups: Option<&'a [usize]>,
    /// What the chosen rows must obey. Limits depend on the budget: one budget is asked for at a time. If tokens are the budget, it
    /// says so, and the numbers of rows that are asked for mean nothing.
    pub constraints: Option<&'a FeasibleSet>,
    /// What every row is worth by itself, in units of what a method minimises: the cost to the power p, or the square of a
    /// kernel's distance. Methods that minimise one of these take their distance less the mean worth of the chosen rows; all
    /// others do not look at it.
    pub quality: Option<&'a [f64]>,
    /// Where progress goes.
    pub watch: &'a dyn Watch,
}

/// Pool rows per block of a pass, by default: enough for the matrix product, few enough to stay in cache.
const BLOCK: usize = 512;

impl<'a> Task<'a> {
    /// Transport with p = 1, uniform queries, any subset, seed 0.
    pub fn new(geometry: &'a Geometry<'a>, memory: u64, watch: &'a dyn Watch) -> Self {
        let (power, objective, seed, block) = (Power::One, Objective::W, 0, BLOCK);
        let (weights, tasks, groups, constraints, quality) = (None, &[][..], None, None, None);
        Self { geometry, power, objective, seed, block, memory, weights, tasks, groups, constraints, quality, watch }
    }

    /// The largest budget.
    ///
    /// # Errors
    /// If one of them does not fit the pool, or there are constraints and several budgets.
    pub fn largest(&self, budgets: &[usize]) -> Result<usize, SelectError> {
        let pool = self.geometry.pool_len();
        if self.constraints.is_some() && budgets.len() != 1 {
            return Err(SelectError::Budgets(budgets.len()));
        }
        match budgets.iter().find(|&&budget| budget == 0 || budget > pool) {
            Some(&budget) => Err(SelectError::Budget { budget, pool }),
            None => Ok(budgets.iter().copied().max().unwrap_or(0)),
        }
    }

    /// Refuses weights of the queries that make no measure in which every query takes part.
    ///
    /// # Errors
    /// If they are not one positive and finite number per query.
    pub fn check_weights(&self) -> Result<(), SelectError> {
        let Some(weights) = self.weights else { return Ok(()) };
        let refuse = |value: String, rule: &str| {
            Err(SelectError::Setting { name: "query weights".to_owned(), value, rule: rule.to_owned() })
        };
        if weights.len() != self.geometry.query_len() {
            return refuse(format!("{} numbers", weights.len()), "there must be one for each query");
        }
        let largest = weights.iter().copied().fold(0.0, f64::max);
        // Negated so that NaN is caught.
        let fits = |weight: &f64| *weight > 0.0 && *weight >= LEAST_WEIGHT * largest;
        match weights.iter().find(|weight| !(weight.is_finite() && fits(weight))) {
            Some(weight) => {
                refuse(format!("{weight:e}"), "weights must be positive, finite, and not nothing beside the largest")
            }
            None => Ok(()),
        }
    }

    /// Refuses worths of rows that are not one finite number for each, or that the objective does not go with.
    ///
    /// # Errors
    /// If they are.
    pub fn check_quality(&self) -> Result<(), SelectError> {
        let Some(quality) = self.quality else { return Ok(()) };
        let refuse = |value: String, rule: &str| {
            Err(SelectError::Setting { name: "quality".to_owned(), value, rule: rule.to_owned() })
        };
        if quality.len() != self.geometry.pool_len() {
            return refuse(format!("{} numbers", quality.len()), "there must be one for each row of the pool");
        }
        if matches!(self.objective, Objective::Tsds { .. }) {
            return refuse("given".to_owned(), "it is not known of TSDS's problem, which `diversity` asks for");
        }
        match quality.iter().position(|worth| !worth.is_finite()) {
            Some(row) => refuse(format!("{:e} of row {row}", quality[row]), "it must be finite"),
            None => Ok(()),
        }
    }

    /// What a row is worth by itself.
    pub(crate) fn worth(&self, row: usize) -> f64 {
        self.quality.map_or(0.0, |quality| quality[row])
    }

    /// Refuses tasks that are not several, or have other queries than there are.
    ///
    /// # Errors
    /// If a task has no query, or they have not all queries.
    pub fn check_tasks(&self) -> Result<(), SelectError> {
        let sum = self.tasks.iter().try_fold(0usize, |sum, &count| sum.checked_add(count));
        let m = self.geometry.query_len();
        if self.tasks.is_empty() || self.tasks.len() > 1 && !self.tasks.contains(&0) && sum == Some(m) {
            return Ok(());
        }
        let rule = format!("there must be several, each with a query, and all {m} queries in them");
        Err(SelectError::Setting { name: "tasks".to_owned(), value: format!("{:?}", self.tasks), rule })
    }

    /// Refuses what would take more bytes than allowed.
    pub(crate) fn afford(&self, method: &'static str, needed: u64) -> Result<(), SelectError> {
        let allowed = self.memory;
        if needed > allowed { Err(SelectError::Memory { method, needed, allowed }) } else { Ok(()) }
    }
}

/// The `count` rows that are worth most by themselves, the first of equals, in any order; none if all are worth nothing.
pub(crate) fn worthiest(quality: Option<&[f64]>, count: usize) -> Vec<usize> {
    let Some(quality) = quality else { return Vec::new() };
    let negated: Vec<f64> = quality.iter().map(|worth| -worth).collect();
    least_of(&negated, (0..negated.len()).collect(), count)
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
    #[error(
        "budget {budget} is not between 1 and the {pool} rows of the pool{}",
        if *budget == 0 { " (a comma separates budgets)" } else { "" }
    )]
    Budget {
        /// Rows asked for.
        budget: usize,
        /// Rows there are.
        pool: usize,
    },
    /// There are constraints and not one budget.
    #[error("constraints hold for one budget at a time, but {0} are asked for")]
    Budgets(usize),
    /// No subset obeys the constraints.
    #[error("no {budget} rows obey the constraints: {conflict}")]
    Infeasible {
        /// Rows asked for.
        budget: usize,
        /// Which constraints are in conflict.
        conflict: String,
    },
    /// No subset of a budget in tokens obeys the constraints.
    #[error("no choice of at most {budget} tokens obeys the constraints: {conflict}")]
    InfeasibleTokens {
        /// Tokens asked for, at most.
        budget: usize,
        /// Which constraints are in conflict.
        conflict: String,
    },
    /// No subset of a budget in tokens that obeys the constraints was found.
    #[error(
        "no choice of at most {budget} tokens that obeys the constraints was found, which does not prove that there is none; \
         of those that came closest, {broken}"
    )]
    NoTokensFound {
        /// Tokens asked for, at most.
        budget: usize,
        /// What the rows at the end of the search break.
        broken: String,
    },
    /// No subset that obeys the constraints was found.
    #[error(
        "no {budget} rows that obey the constraints were found, which does not prove that there are none; \
         of those that came closest, {broken}"
    )]
    NoneFound {
        /// Rows asked for.
        budget: usize,
        /// The first constraint that the rows at the end of the search break.
        broken: String,
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

impl SelectError {
    /// That no subset of `budget` rows, or of the budget in tokens if there is one, obeys, because of this conflict.
    pub(crate) fn infeasible(set: &FeasibleSet, budget: usize, conflict: String) -> Self {
        match set.tokens() {
            None => SelectError::Infeasible { budget, conflict },
            Some((tokens, _)) => SelectError::InfeasibleTokens { budget: tokens.max as usize, conflict },
        }
    }
}
