//! The subsets that may be chosen, for every budget of a problem with constraints.

use kantor_solvers::SelectError;
use kantor_solvers::admission::rows_within;
use kantor_theory::FeasibleSet;

use super::Error;
use crate::problem::Problem;

/// One set for every budget; none without constraints.
pub(super) struct FeasibleSets(Vec<(usize, FeasibleSet)>);

impl FeasibleSets {
    /// Those of a problem.
    ///
    /// # Errors
    /// If rules make no constraints, or are in conflict at a budget.
    pub(super) fn of(problem: &Problem<'_>) -> Result<Self, Error> {
        let mut sets = Vec::new();
        for &budget in &problem.goal().budgets {
            let Some(set) = problem.feasible(budget)? else { continue };
            if let Some(conflict) = set.conflict(budget).filter(|_| set.tokens().is_none()) {
                return Err(SelectError::Infeasible { budget, conflict }.into());
            }
            sets.push((budget, set));
        }
        Ok(Self(sets))
    }

    /// Whether there are constraints.
    pub(super) fn are_some(&self) -> bool {
        !self.0.is_empty()
    }

    /// The subsets for this budget that may be chosen; `None` if all of that size may.
    pub(super) fn at(&self, budget: usize) -> Option<&FeasibleSet> {
        self.0.iter().find(|(of, _)| *of == budget).map(|(_, set)| set)
    }

    /// Whether budgets are in tokens.
    pub(super) fn are_in_tokens(&self) -> bool {
        self.0.iter().any(|(_, set)| set.tokens().is_some())
    }

    /// About how many rows are chosen for this budget; just as many, if rows are the budget.
    pub(super) fn rows(&self, budget: usize) -> usize {
        self.at(budget).and_then(rows_within).unwrap_or(budget)
    }

    /// The budgets in parts that can be worked on together, each with what it obeys: all at once without constraints, which
    /// depend on the budget.
    pub(super) fn parts<'b>(
        &'b self,
        budgets: &'b [usize],
    ) -> impl Iterator<Item = (Option<&'b FeasibleSet>, &'b [usize])> {
        let together = if self.are_some() { 1 } else { budgets.len().max(1) };
        budgets.chunks(together).map(|budgets| (self.at(budgets[0]), budgets))
    }
}
