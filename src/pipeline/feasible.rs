//! The subsets that may be chosen, and what rows are worth by themselves, for every budget of a problem.

use kantor_solvers::admission::rows_within;
use kantor_solvers::relax::conflict;
use kantor_solvers::{Task, Watch};
use kantor_theory::{FeasibleSet, Quality};

use super::Error;
use crate::constraints::Rules;
use crate::problem::Problem;
use crate::statistics::mean;

/// One set for every budget; none without constraints and quality.
pub(super) struct FeasibleSets {
    sets: Vec<(usize, FeasibleSet)>,
    /// Whether there are constraints.
    constrained: bool,
    /// The quality of every row.
    scores: Option<Vec<f64>>,
    /// What every row is worth: its quality times the weight.
    worths: Option<Vec<f64>>,
}

/// The mean of these scores over rows, which weigh their lengths where tokens are the budget.
pub(super) fn mean_quality(set: Option<&FeasibleSet>, scores: &[f64], rows: &[usize]) -> f64 {
    match set.and_then(FeasibleSet::tokens) {
        None => mean(rows.iter().map(|&row| scores[row])),
        Some((_, lengths)) => {
            let total: f64 = rows.iter().map(|&row| lengths[row]).sum();
            rows.iter().map(|&row| lengths[row] / total * scores[row]).sum()
        }
    }
}

impl FeasibleSets {
    /// Those of a problem.
    ///
    /// # Errors
    /// If rules make no constraints, or are in conflict at a budget, or the observer asks to stop.
    pub(super) fn of(problem: &Problem<'_>, memory: u64, watch: &dyn Watch) -> Result<Self, Error> {
        let mut sets = Vec::new();
        for &budget in &problem.goal().budgets {
            let Some(set) = problem.feasible(budget)? else { continue };
            conflict::check(&set, budget, memory, watch)?;
            sets.push((budget, set));
        }
        let limits = |set: &FeasibleSet| !set.constraints().are_none() || set.tokens().is_some();
        let constrained = sets.iter().any(|(_, set)| limits(set));
        let weight = problem.rules().and_then(Rules::valued).map_or(0.0, |Quality { weight, .. }| weight);
        let scores = problem.scores();
        let worths = scores.as_ref().filter(|_| weight != 0.0);
        let worths = worths.map(|scores| scores.iter().map(|score| weight * score).collect());
        Ok(Self { sets, constrained, scores, worths })
    }

    /// Whether there are constraints.
    pub(super) fn are_constrained(&self) -> bool {
        self.constrained
    }

    /// The subsets for this budget of which certificates speak; `None` if all of that size may be chosen and rows are worth nothing.
    pub(super) fn at(&self, budget: usize) -> Option<&FeasibleSet> {
        self.sets.iter().find(|(of, _)| *of == budget).map(|(_, set)| set)
    }

    /// The mean quality of some rows chosen for this budget, if they have any; weighted by their lengths if that is in tokens.
    pub(super) fn mean_quality(&self, budget: usize, rows: &[usize]) -> Option<f64> {
        self.scores.as_ref().map(|scores| mean_quality(self.at(budget), scores, rows))
    }

    /// Whether budgets are in tokens.
    pub(super) fn are_in_tokens(&self) -> bool {
        self.sets.iter().any(|(_, set)| set.tokens().is_some())
    }

    /// About how many rows are chosen for this budget; just as many, if rows are the budget.
    pub(super) fn rows(&self, budget: usize) -> usize {
        self.at(budget).and_then(rows_within).unwrap_or(budget)
    }

    /// The budgets in parts that can be worked on together, each with its task: all at once without constraints, which depend on
    /// the budget.
    pub(super) fn parts<'b>(
        &'b self,
        task: &'b Task<'b>,
        budgets: &'b [usize],
    ) -> impl Iterator<Item = (Task<'b>, &'b [usize])> {
        let together = if self.constrained { 1 } else { budgets.len().max(1) };
        budgets.chunks(together).map(move |budgets| {
            let constraints = self.at(budgets[0]).filter(|_| self.constrained);
            (Task { constraints, quality: self.worths.as_deref(), ..*task }, budgets)
        })
    }
}
