//! The selector `optimal`: the subset that nobody can beat, and the potentials that prove it.

use std::collections::BTreeMap;

use kantor_theory::{Power, Status};

use super::budgeted;
use crate::selector::{Findings, Needs, SelectError, Selection, Selector, Task};

/// Its name on the command line.
pub(super) const NAME: &str = "optimal";

/// Minimises the transport cost over all subsets of the size asked for.
///
/// The result is a best subset if the number of queries divides the budget, else the better of two roundings of the
/// fractional optimum; how far that can be from the best is for the certificate to say.
#[derive(Debug, Clone, Copy, Default)]
pub struct Optimal {
    /// Power to which costs enter.
    pub power: Power,
}

impl Selector for Optimal {
    fn name(&self) -> &'static str {
        NAME
    }

    /// Multiples of the number of queries are prefixes of one order; other budgets need not be.
    fn nested(&self) -> bool {
        false
    }

    fn needs(&self, task: &Task<'_>, largest: usize) -> Needs {
        budgeted::needs(task, largest)
    }

    fn select(&self, task: &Task<'_>, findings: &Findings, budgets: &[usize]) -> Result<Vec<Selection>, SelectError> {
        let solved = budgeted::solve(task, findings, budgets, self.power)?;
        let selection = |found: budgeted::Budgeted| {
            let notes = [
                ("prefix-of-one-order".to_owned(), found.prefix.into()),
                ("relaxed-value".to_owned(), found.lp_value.into()),
                ("best-potentials".to_owned(), found.potentials.into()),
            ];
            Selection {
                rows: found.rows,
                scores: found.scores,
                status: Status::Uncertified,
                notes: BTreeMap::from(notes),
            }
        };
        Ok(solved.into_iter().map(selection).collect())
    }
}
