//! Selectors of the caller's.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use kantor_solvers::{Optimum, PoolScan, ScanRequest, SelectError, Selection, Selector, Task};
use kantor_theory::generalization::selectors::Optimises;

/// A selector that is in no registry. A request that holds it takes its name as a method.
#[derive(Clone)]
pub struct Own(Arc<dyn Selector>);

impl Own {
    /// Shares a selector between the copies of a request.
    pub fn new(selector: impl Selector + 'static) -> Self {
        Self(Arc::new(selector))
    }
}

impl fmt::Debug for Own {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Selector for Own {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn nested(&self) -> bool {
        self.0.nested()
    }

    fn weighs_quality(&self) -> bool {
        self.0.weighs_quality()
    }

    fn supports(&self, task: &Task<'_>) -> Result<(), SelectError> {
        self.0.supports(task)
    }

    fn guarantee(&self) -> Option<&'static Optimises> {
        self.0.guarantee()
    }

    fn needs(&self, task: &Task<'_>, largest: usize) -> ScanRequest {
        self.0.needs(task, largest)
    }

    fn of_optimum(&self, task: &Task<'_>, optimum: &Optimum, budgets: &[usize]) -> Option<Vec<Selection>> {
        self.0.of_optimum(task, optimum, budgets).filter(|selections| fit(task, selections, budgets))
    }

    fn select(&self, task: &Task<'_>, scanned: &PoolScan, budgets: &[usize]) -> Result<Vec<Selection>, SelectError> {
        let selections = self.0.select(task, scanned, budgets)?;
        if !fit(task, &selections, budgets) {
            let fault = "gave something else than a selection of as many distinct pool rows as asked for each budget";
            return Err(SelectError::Unsupported { method: self.name(), fault });
        }
        Ok(selections)
    }
}

/// Whether there is one selection of so many distinct rows, each with a score, for every budget: all who ask count on it.
fn fit(task: &Task<'_>, selections: &[Selection], budgets: &[usize]) -> bool {
    let pool = task.geometry.pool_len();
    let fits = |(Selection { rows, scores, .. }, &budget): (&Selection, &usize)| {
        let distinct: HashSet<usize> = rows.iter().copied().filter(|row| *row < pool).collect();
        [rows.len(), scores.len(), distinct.len()] == [budget; 3]
    };
    selections.len() == budgets.len() && selections.iter().zip(budgets).all(fits)
}
