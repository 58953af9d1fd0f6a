//! Queries in folds, for measuring a selection on queries that it did not see.

use crate::draw::without_replacement;

/// Stream of the generator that draws folds: another than that of methods with the same seed.
const STREAM: u64 = 2;

/// 0..`count` in `folds` disjoint lists, each ascending; their lengths differ by at most one. Drawn by ChaCha8.
///
/// # Panics
/// If `folds` is 0.
pub fn folds(count: usize, folds: usize, seed: u64) -> Vec<Vec<usize>> {
    let order = without_replacement(seed, STREAM, count, count);
    let mut lists = vec![Vec::with_capacity(count.div_ceil(folds)); folds];
    order.into_iter().enumerate().for_each(|(position, query)| lists[position % folds].push(query));
    lists.iter_mut().for_each(|list| list.sort_unstable());
    lists
}
