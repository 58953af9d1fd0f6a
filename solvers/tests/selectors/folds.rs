//! Folds of the queries and nested parts of them, with groups that stay together.

use kantor_solvers::folds::{folds, folds_of_groups, folds_within, kept_together, nested};
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    /// Folds are a partition into parts of equal size.
    #[test]
    fn folds_part_the_queries(count in 1usize..60, parts in 1usize..9, seed: u64) {
        let lists = folds(count, parts, seed);
        prop_assert_eq!(&lists, &folds(count, parts, seed));
        let mut all = lists.concat();
        all.sort_unstable();
        prop_assert_eq!(all, (0..count).collect::<Vec<_>>());
        let sizes: Vec<usize> = lists.iter().map(Vec::len).collect();
        prop_assert!(sizes.len() == parts && sizes.iter().max().unwrap() - sizes.iter().min().unwrap() <= 1);
    }

    /// Queries of a group are in one fold, every fold has some of every task, none has more than another by more than a group, and
    /// what groups are called changes nothing.
    #[test]
    fn folds_keep_groups_together(
        labels in prop::collection::vec(prop::collection::vec(0usize..12, 1..30), 1..4),
        parts in 1usize..6,
        seed: u64,
    ) {
        let counts: Vec<usize> = labels.iter().map(Vec::len).collect();
        let all = labels.concat();
        let distinct = |of: &[usize]| of.iter().collect::<std::collections::BTreeSet<_>>().len();
        let found = kept_together(&counts, Some(&all), parts);
        prop_assert_eq!(found.is_some(), labels.iter().all(|of| distinct(of) >= parts));
        let Some(groups) = found else { return Ok(()) };
        let lists = folds_of_groups(&counts, &groups, parts, seed);
        let renamed: Vec<usize> = all.iter().map(|label| 7919 * (12 - label)).collect();
        prop_assert_eq!(kept_together(&counts, Some(&renamed), parts), Some(groups.clone()));
        let mut together = lists.concat();
        together.sort_unstable();
        prop_assert_eq!(together, (0..all.len()).collect::<Vec<_>>());
        let fold_of = |query: usize| lists.iter().position(|list| list.contains(&query));
        let mut first = 0;
        for (count, labels) in counts.iter().zip(&labels) {
            for (at, label) in labels.iter().enumerate() {
                let like = labels.iter().position(|other| other == label).unwrap();
                prop_assert_eq!(fold_of(first + at), fold_of(first + like));
            }
            let largest = labels.iter().map(|label| labels.iter().filter(|other| *other == label).count()).max().unwrap();
            let sizes = lists.iter().map(|list| list.iter().filter(|&&query| (first..first + count).contains(&query)).count());
            let sizes: Vec<usize> = sizes.collect();
            prop_assert!(sizes.iter().all(|&size| size > 0));
            prop_assert!(sizes.iter().max().unwrap() - sizes.iter().min().unwrap() <= largest);
            first += count;
        }
    }

    /// Nested parts of some queries hold one another, have whole groups, and of every task no more groups than have its part.
    #[test]
    fn nested_parts_keep_groups_together(
        labels in prop::collection::vec(prop::collection::vec(0usize..12, 1..30), 1..4),
        left_out in 0usize..5,
        seed: u64,
        draw in 0usize..9,
    ) {
        let counts: Vec<usize> = labels.iter().map(Vec::len).collect();
        let groups = kept_together(&counts, Some(&labels.concat()), 1).unwrap();
        let among: Vec<usize> = (0..groups.len()).filter(|&query| groups[query] % 5 != left_out).collect();
        let lists = nested(&counts, Some(&groups), &among, &[1, 2, 4, 8], seed, draw);
        prop_assert_eq!(&lists[0], &among);
        for (pair, divisor) in lists.windows(2).zip([2, 4, 8]) {
            prop_assert!(pair[1].is_sorted() && pair[1].iter().all(|query| pair[0].contains(query)));
            prop_assert!(among.iter().all(|query| pair[1].contains(query)
                || !pair[1].iter().any(|other| groups[*other] == groups[*query])));
            let mut first = 0;
            for count in &counts {
                let here = |list: &[usize]| list.iter().copied().filter(|query| (first..first + count).contains(query)).collect::<Vec<_>>();
                let (all, part) = (here(&among), here(&pair[1]));
                let largest = part.iter().map(|&query| part.iter().filter(|&&other| groups[other] == groups[query]).count()).max();
                prop_assert!(part.len() >= all.len().div_ceil(divisor) && part.len() < all.len().div_ceil(divisor) + largest.unwrap_or(1));
                first += count;
            }
        }
        // Without groups a part has just its share.
        let single = nested(&[groups.len()], None, &among, &[4], seed, draw);
        prop_assert_eq!(single[0].len(), among.len().div_ceil(4));
    }

    /// So are those of several tasks, and of each of these.
    #[test]
    fn folds_part_every_task(counts in prop::collection::vec(1usize..20, 1..5), parts in 1usize..9, seed: u64) {
        let lists = folds_within(&counts, parts, seed);
        let mut all = lists.concat();
        all.sort_unstable();
        prop_assert_eq!(&all, &(0..counts.iter().sum()).collect::<Vec<usize>>());
        let mut first = 0;
        for count in &counts {
            let part = first..first + count;
            let sizes = lists.iter().map(|list| list.iter().filter(|query| part.contains(query)).count());
            let sizes: Vec<usize> = sizes.collect();
            prop_assert!(sizes.iter().max().unwrap() - sizes.iter().min().unwrap() <= 1, "{:?} {:?}", part, sizes);
            prop_assert!(lists.iter().all(|list| list.len().abs_diff(all.len() / parts) <= 1));
            first = part.end;
        }
    }
}
