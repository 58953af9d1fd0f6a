//! Selectors that take rows one by one: by chance, by closeness to all queries or to the closest, or in turns.
//!
//! All of them are nested: a smaller budget is a prefix of a larger one.

use std::collections::BTreeMap;

use kantor_theory::Status;
use serde_json::Value;

use crate::selector::{SelectError, Selection, Task};

pub mod doubly_greedy;
pub mod mean_similarity;
pub mod random;
pub mod round_robin;

pub use doubly_greedy::DoublyGreedy;
pub use mean_similarity::MeanSimilarity;
pub use random::Random;
pub use round_robin::RoundRobin;

/// The largest budget.
///
/// # Errors
/// If one of them does not fit the pool.
pub(crate) fn largest(task: &Task<'_>, budgets: &[usize]) -> Result<usize, SelectError> {
    let pool = task.geometry.pool_len();
    match budgets.iter().find(|&&budget| budget == 0 || budget > pool) {
        Some(&budget) => Err(SelectError::Budget { budget, pool }),
        None => Ok(budgets.iter().copied().max().unwrap_or(0)),
    }
}

/// One selection per budget, each a prefix of `order`.
fn prefixes(order: &[(usize, f64)], budgets: &[usize], notes: &BTreeMap<String, Value>) -> Vec<Selection> {
    budgets
        .iter()
        .map(|&budget| {
            let (rows, scores) = order[..budget].iter().copied().unzip();
            Selection { rows, scores, status: Status::Uncertified, notes: notes.clone() }
        })
        .collect()
}
