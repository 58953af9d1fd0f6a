//! Rows drawn without replacement: the baseline that every method must beat.

use std::collections::BTreeMap;

use super::prefixes;
use crate::draw::without_replacement;
use crate::scan::PoolScan;
use crate::select::{Selection, Selector};
use crate::task::{SelectError, Task};

/// Uniform without replacement, by ChaCha8 from the task's seed. Scores are 0.
#[derive(Debug, Clone, Copy, Default)]
pub struct Random;

impl Selector for Random {
    fn name(&self) -> &'static str {
        "random"
    }

    fn nested(&self) -> bool {
        true
    }

    fn select(&self, task: &Task<'_>, _scanned: &PoolScan, budgets: &[usize]) -> Result<Vec<Selection>, SelectError> {
        let count = task.largest(budgets)?;
        let rows = without_replacement(task.seed, 0, task.geometry.pool_len(), count);
        let order: Vec<(usize, f64)> = rows.into_iter().map(|row| (row, 0.0)).collect();
        Ok(prefixes(order, budgets, BTreeMap::new()))
    }
}
