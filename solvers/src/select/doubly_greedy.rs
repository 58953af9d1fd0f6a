//! Rows by their closest query: `k` rows with the largest max_j closeness.

use std::collections::BTreeMap;

use super::prefixes;
use crate::scan;
use crate::scan::{PoolScan, ScanRequest};
use crate::select::{Selection, Selector};
use crate::task::{SelectError, Task};

/// The rows closest to any query, closest first (arXiv:2602.14696). The score is the closeness to the closest query.
#[derive(Debug, Clone, Copy, Default)]
pub struct DoublyGreedy;

impl Selector for DoublyGreedy {
    fn name(&self) -> &'static str {
        "doubly-greedy"
    }

    fn nested(&self) -> bool {
        true
    }

    fn needs(&self, _task: &Task<'_>, _largest: usize) -> ScanRequest {
        ScanRequest { row_best: true, lists: 0 }
    }

    fn select(&self, task: &Task<'_>, scanned: &PoolScan, budgets: &[usize]) -> Result<Vec<Selection>, SelectError> {
        let count = task.largest(budgets)?;
        let order = match &scanned.row_best {
            Some(best) => best.top(task.geometry, count),
            None => scan::scan(task, self.needs(task, count))?
                .row_best
                .map_or_else(Vec::new, |best| best.top(task.geometry, count)),
        };
        Ok(prefixes(order, budgets, BTreeMap::new()))
    }
}
