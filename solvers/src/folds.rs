//! Queries in folds, for measuring a selection on queries that it did not see.

use std::collections::{BTreeMap, HashMap};

use crate::draw::without_replacement;

/// Stream of the generator that draws folds: another than that of methods with the same seed.
const STREAM: u64 = 2;

/// First stream of the generator that draws nested parts.
const NESTED: u64 = 1 << 41;

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

/// The group of every query, if groups can be kept together in so many folds: every task has at least as many groups as there are folds.
/// Groups are numbered by their first query in a task, so that queries of two tasks are never of one group.
pub fn kept_together(tasks: &[usize], labels: Option<&[usize]>, folds: usize) -> Option<Vec<usize>> {
    let mut labels = labels?.iter();
    let (mut of, mut first) = (Vec::new(), 0);
    for &count in tasks {
        let mut numbers = HashMap::new();
        for label in labels.by_ref().take(count) {
            let next = first + numbers.len();
            of.push(*numbers.entry(label).or_insert(next));
        }
        if numbers.len() < folds {
            return None;
        }
        first += numbers.len();
    }
    Some(of)
}

/// As [`folds_within`], with groups that stay together, as [`kept_together`] numbers them. The groups are drawn by ChaCha8, then
/// put, the largest first, where the fewest queries of their task are, so that lengths differ by no more than the largest group of the task.
///
/// # Panics
/// If `folds` is 0, or there are not as many groups as queries say.
pub fn folds_of_groups(tasks: &[usize], groups: &[usize], folds: usize, seed: u64) -> Vec<Vec<usize>> {
    let (mut lists, mut first) = (vec![Vec::new(); folds], 0);
    for (stream, &count) in (STREAM..).step_by(1 << 16).zip(tasks) {
        let mut members: Vec<Vec<usize>> = Vec::new();
        let here = &groups[first..first + count];
        let least = here.iter().copied().min().unwrap_or(0);
        for (query, group) in (first..).zip(here) {
            let at = group - least;
            members.resize(members.len().max(at + 1), Vec::new());
            members[at].push(query);
        }
        let mut order = without_replacement(seed, stream, members.len(), members.len());
        order.sort_by_key(|&group| std::cmp::Reverse(members[group].len()));
        let mut filled = vec![0; folds];
        for group in order {
            let Some(fold) = (0..folds).min_by_key(|&fold| filled[fold]) else { unreachable!("there are folds") };
            filled[fold] += members[group].len();
            lists[fold].append(&mut members[group]);
        }
        first += count;
    }
    lists.iter_mut().for_each(|list| list.sort_unstable());
    lists
}

/// [`folds_of_groups`] where groups stay together, else [`folds_within`].
///
/// # Panics
/// As these.
pub fn split(tasks: &[usize], groups: Option<&[usize]>, folds: usize, seed: u64) -> Vec<Vec<usize>> {
    match groups {
        None => folds_within(tasks, folds, seed),
        Some(groups) => folds_of_groups(tasks, groups, folds, seed),
    }
}

/// Nested random parts of the queries in `among` (ascending): for each divisor about the part 1/divisor of every task, and each
/// list (ascending) holds those of larger divisors. Drawn by ChaCha8, whole `groups` where there are some: as few in a drawn
/// order as have that part of a task's queries. `draw` tells draws of one seed apart.
pub fn nested(
    tasks: &[usize],
    groups: Option<&[usize]>,
    among: &[usize],
    divisors: &[usize],
    seed: u64,
    draw: usize,
) -> Vec<Vec<usize>> {
    let mut lists = vec![Vec::new(); divisors.len()];
    let mut first = 0;
    for (task, &count) in tasks.iter().enumerate() {
        let here: Vec<usize> = among.iter().copied().filter(|query| (first..first + count).contains(query)).collect();
        first += count;
        let mut units: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for &query in &here {
            units.entry(groups.map_or(query, |groups| groups[query])).or_default().push(query);
        }
        let units: Vec<Vec<usize>> = units.into_values().collect();
        let stream = NESTED + ((task as u64) << 20) + draw as u64;
        let order = without_replacement(seed, stream, units.len(), units.len());
        for (list, divisor) in lists.iter_mut().zip(divisors) {
            let (wanted, mut taken) = (here.len().div_ceil((*divisor).max(1)), 0);
            let units = order.iter().map(|&unit| &units[unit]).take_while(|unit| {
                let more = taken < wanted;
                taken += unit.len();
                more
            });
            list.extend(units.flatten());
        }
    }
    lists.iter_mut().for_each(|list| list.sort_unstable());
    lists
}

/// The sums over groups of what belongs to single queries.
pub fn by_group(groups: &[usize], of_queries: impl IntoIterator<Item = f64>) -> Vec<f64> {
    let mut sums = vec![0.0; groups.iter().max().map_or(0, |last| last + 1)];
    groups.iter().zip(of_queries).for_each(|(&group, value)| sums[group] += value);
    sums
}
