//! How much methods choose the same rows: |A ∩ B| / |A ∪ B| (Jaccard's index).

use std::collections::HashSet;

/// The index of every pair of selections.
pub(super) fn jaccard(selections: &[&[usize]]) -> Vec<Vec<f64>> {
    let sets: Vec<HashSet<usize>> = selections.iter().map(|rows| rows.iter().copied().collect()).collect();
    let index = |a: &HashSet<usize>, b: &HashSet<usize>| {
        let common = a.intersection(b).count();
        common as f64 / (a.len() + b.len() - common) as f64
    };
    sets.iter().map(|a| sets.iter().map(|b| index(a, b)).collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_rows_are_counted_once() {
        assert_eq!(jaccard(&[&[1, 2, 3], &[3, 4, 5, 2]]), [[1.0, 0.4], [0.4, 1.0]]);
    }
}
