//! Queries in folds, for measuring a selection on queries that it did not see.

use crate::draw::without_replacement;

/// Stream of the generator that draws folds: another than that of methods with the same seed.
const STREAM: u64 = 2;

/// 0..`count` in `folds` disjoint lists, each ascending; their lengths differ by at most one. Drawn by ChaCha8.
///
/// # Panics
/// If `folds` is 0.
pub fn folds(count: usize, folds: usize, seed: u64) -> Vec<Vec<usize>> {
    folds_within(&[count], folds, seed)
}

/// The same for several tasks, which have so many of the queries each, one after the other: of every task too, the lengths of its
/// parts differ by at most one.
///
/// # Panics
/// If `folds` is 0.
pub fn folds_within(tasks: &[usize], folds: usize, seed: u64) -> Vec<Vec<usize>> {
    let (mut lists, mut first) = (vec![Vec::new(); folds], 0);
    for (stream, &count) in (STREAM..).step_by(1 << 16).zip(tasks) {
        let order = without_replacement(seed, stream, count, count);
        // The next task goes on with the fold at which the last one ended.
        order.into_iter().zip(first..).for_each(|(query, position)| lists[position % folds].push(first + query));
        first += count;
    }
    lists.iter_mut().for_each(|list| list.sort_unstable());
    lists
}
