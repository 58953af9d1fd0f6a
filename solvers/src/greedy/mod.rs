//! Selectors that take rows one by one: by chance, by closeness to all queries or to the closest, or in turns.
//!
//! All of them are nested: a smaller budget is a prefix of a larger one.

use std::collections::BTreeMap;

use kantor_theory::Status;
use serde_json::Value;

use crate::selector::Selection;

pub mod doubly_greedy;
pub mod mean_similarity;
pub mod random;
pub mod round_robin;

pub use doubly_greedy::DoublyGreedy;
pub use mean_similarity::MeanSimilarity;
pub use random::Random;
pub use round_robin::RoundRobin;

/// One selection per budget, each the beginning of `order`.
fn prefixes(order: Vec<(usize, f64)>, budgets: &[usize], notes: BTreeMap<String, Value>) -> Vec<Selection> {
    let (rows, scores) = order.into_iter().unzip();
    Selection { rows, scores, status: Status::Uncertified, notes }.prefixes(budgets)
}
