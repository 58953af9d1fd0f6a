//! The relaxed problem of every objective: the best subsets found, and the duals that prove how good any can be.
//!
//! [`conflict`] finds limits that no subset obeys. Transport is solved by [`budgeted`], that to the worst of several tasks by `worst`, the distance of a kernel by [`herding`], TSDS's problem by [`tsds`]; [`swaps`] improves any
//! subset under any of them.
//!
//! The caller that runs selectors keeps the result ([`Optimum`]). It is solved once, for the bounds below every subset, and used
//! again by the selector that solves the same problem ([`Selector::of_optimum`](crate::Selector::of_optimum)).

pub mod budgeted;
pub mod conflict;
mod constrained;
pub mod herding;
pub mod swaps;
pub mod tsds;
mod worst;

use kantor_theory::Kernel;

use budgeted::{Budgeted, BudgetedOptima};
use herding::{HerdedSubsets, KernelSubset};

/// The solved objective.
#[derive(Default)]
pub enum Optimum {
    /// Nothing was solved.
    #[default]
    Unknown,
    /// Of the transport distance.
    Transport(BudgetedOptima),
    /// Of the distance of a kernel.
    Kernel(HerdedSubsets),
}

impl Optimum {
    /// Adds what was solved for other budgets of the same objective.
    pub fn extend(&mut self, other: Self) {
        match (self, other) {
            (Optimum::Transport(solved), Optimum::Transport(more)) => {
                solved.budgets.extend(more.budgets);
                solved.lists = solved.lists.take().or(more.lists);
            }
            (Optimum::Kernel(solved), Optimum::Kernel(more)) if solved.kernel == more.kernel => {
                solved.budgets.extend(more.budgets);
            }
            (solved, more) => *solved = more,
        }
    }

    /// The best subset of that size under the transport distance.
    pub fn of_transport(&self, budget: usize) -> Option<&Budgeted> {
        match self {
            Optimum::Transport(solved) => solved.budgets.iter().find(|found| found.budget == budget),
            _ => None,
        }
    }

    /// The subset of that size that was found under this kernel.
    pub fn of_kernel(&self, kernel: Kernel, budget: usize) -> Option<&KernelSubset> {
        match self {
            Optimum::Kernel(solved) if solved.kernel == kernel => {
                solved.budgets.iter().find(|chosen| chosen.budget == budget)
            }
            _ => None,
        }
    }
}
