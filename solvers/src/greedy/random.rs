//! Rows drawn without replacement: the baseline that every method must beat.

use std::collections::BTreeMap;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{largest, prefixes};
use crate::selector::{Findings, Needs, SelectError, Selection, Selector, Task};

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

    fn needs(&self, _task: &Task<'_>, _largest: usize) -> Needs {
        Needs::default()
    }

    fn select(&self, task: &Task<'_>, _findings: &Findings, budgets: &[usize]) -> Result<Vec<Selection>, SelectError> {
        let count = largest(task, budgets)?;
        let mut rng = ChaCha8Rng::seed_from_u64(task.seed);
        let mut rows: Vec<usize> = (0..task.geometry.pool_len()).collect();
        // The first steps of a Fisher–Yates shuffle, so that budgets nest.
        for i in 0..count {
            let j = rng.random_range(i as u64..rows.len() as u64) as usize;
            rows.swap(i, j);
        }
        let order: Vec<(usize, f64)> = rows[..count].iter().map(|&row| (row, 0.0)).collect();
        Ok(prefixes(&order, budgets, &BTreeMap::new()))
    }
}
