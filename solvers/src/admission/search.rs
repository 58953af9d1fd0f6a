//! The first completion: a subset of the budget's size that obeys all constraints.
//!
//! Rows are taken in a fixed order, first those that minima need and then those that maxima leave room for; by weight, so
//! that sums stay small, then by row. What is still broken is mended: counts along *chains*, in which every row that comes in
//! or leaves puts right what the one before it broke, found by breadth-first search; then sums by exchanges of two rows, the
//! one that comes in chosen by what the sums miss in all, at prices that rise while they miss it.
//! With limits on one column the rows in order obey them already, if any do. With two columns a chain is an augmenting
//! path in the network of their groups, but only the shortest from each violated group is tried. So with two columns the search
//! can fail, above all near the largest number of rows that there is, and with more columns and sums it may.
//!
//! Cost: O(c·N) for c columns, and O(c·N) a chain; O(N log N) a sweep to mend sums.

use std::collections::{HashMap, VecDeque};
use std::ops::Range;

use kantor_theory::FeasibleSet;

use super::limits::{Limits, NONE, Tally};
use crate::task::SelectError;

/// Rows that are tried in the place of one, to mend sums: of its own groups, and of any.
const TRIES: usize = 32;

/// Sweeps over the subset, to mend sums.
const SWEEPS: usize = 32;

/// Sweeps that change nothing after which sums are left as they are.
const IDLE: usize = 4;

/// The subset, ascending, and its tally.
///
/// # Errors
/// If there is none, or none is found.
pub(super) fn completion<'a>(
    set: &FeasibleSet,
    limits: &Limits<'a>,
    budget: usize,
) -> Result<(Vec<usize>, Tally), SelectError> {
    if let Some(conflict) = set.conflict(budget) {
        return Err(SelectError::Infeasible { budget, conflict });
    }
    let mut search = Search::new(set, limits);
    search.fill(budget);
    search.mend_groups();
    search.mend_sums();
    let rows: Vec<usize> = (0..set.pool()).filter(|&row| search.inside[row]).collect();
    match set.check(&rows) {
        Err(broken) => Err(SelectError::NoneFound { budget, broken: broken.place }),
        Ok(()) if search.broken() => {
            let broken = "sums are within rounding of their limits".to_owned();
            Err(SelectError::NoneFound { budget, broken })
        }
        Ok(()) => Ok((rows, search.tally)),
    }
}

struct Search<'s, 'a> {
    set: &'s FeasibleSet,
    limits: &'s Limits<'a>,
    tally: Tally,
    inside: Vec<bool>,
    /// The rows that may be chosen and need not be, in the order in which they are tried.
    order: Vec<usize>,
}

/// What is out of balance at the end of a chain: the count of one group, or nothing; and the number of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Imbalance {
    /// A column and a group of it.
    at: Option<(usize, usize)>,
    /// Whether there is a row too many there, or in all if `at` is nothing; else one is missing.
    over: bool,
    /// Rows that came in less rows that left: −1, 0 or 1.
    size: i8,
}

impl<'s, 'a> Search<'s, 'a> {
    fn new(set: &'s FeasibleSet, limits: &'s Limits<'a>) -> Self {
        let mut order: Vec<usize> =
            (0..set.pool()).filter(|&row| !set.is_excluded(row) && !set.is_included(row)).collect();
        if !limits.sums.is_empty() {
            order.sort_by(|&a, &b| limits.weight(a).total_cmp(&limits.weight(b)));
        }
        let mut search = Self { set, limits, tally: Tally::new(limits), inside: vec![false; set.pool()], order };
        (0..set.pool()).filter(|&row| set.is_included(row)).for_each(|row| search.put(row));
        search
    }

    fn put(&mut self, row: usize) {
        self.inside[row] = true;
        self.tally.add(self.limits, row);
    }

    fn drop(&mut self, row: usize) {
        self.inside[row] = false;
        self.tally.remove(self.limits, row);
    }

    fn broken(&self) -> bool {
        self.tally.groups_broken(self.limits) > 0 || self.tally.sums_broken(self.limits) > 0.0
    }

    /// The column and group of a row, for every column where it has one.
    fn groups_of(&self, row: usize) -> impl Iterator<Item = (usize, usize)> {
        let group = move |(at, column): (usize, &super::limits::GroupColumn)| (at, column.of_row[row]);
        self.limits
            .groups
            .iter()
            .enumerate()
            .map(group)
            .filter(|(_, group)| *group != NONE)
            .map(|(at, group)| (at, group as usize))
    }

    fn full(&self, (column, group): (usize, usize)) -> bool {
        self.tally.full(self.limits, column, group as u32)
    }

    fn bare(&self, (column, group): (usize, usize)) -> bool {
        self.tally.bare(self.limits, column, group as u32)
    }

    fn lacks(&self, (column, group): (usize, usize)) -> bool {
        self.tally.counts[column][group] < self.limits.groups[column].low[group]
    }

    /// Takes rows until there are `budget`: those that minima need, then those that maxima allow, then any.
    fn fill(&mut self, budget: usize) {
        let mut left = budget - self.set.included();
        let columns = self.limits.groups.len();
        let stages = (1..=columns).rev().map(Some).chain([None]);
        for needed in stages {
            for at in 0..self.order.len() {
                let row = self.order[at];
                if left == 0 {
                    return;
                }
                let wanted =
                    needed.is_none_or(|needed| self.groups_of(row).filter(|&of| self.lacks(of)).count() >= needed);
                if !self.inside[row] && wanted && !self.groups_of(row).any(|of| self.full(of)) {
                    self.put(row);
                    left -= 1;
                }
            }
        }
        for at in 0..self.order.len() {
            if left == 0 {
                return;
            }
            let row = self.order[at];
            if !self.inside[row] {
                self.put(row);
                left -= 1;
            }
        }
    }

    /// Mends counts by chains as long as one helps.
    fn mend_groups(&mut self) {
        let mut broken = self.tally.groups_broken(self.limits);
        while broken > 0 {
            let violated = self.violated();
            let mended = violated.into_iter().any(|start| {
                let Some(chain) = self.chain(start) else { return false };
                chain.iter().for_each(|&row| self.flip(row));
                let now = self.tally.groups_broken(self.limits);
                if now < broken {
                    broken = now;
                    return true;
                }
                chain.iter().for_each(|&row| self.flip(row));
                false
            });
            if !mended {
                return;
            }
        }
    }

    fn flip(&mut self, row: usize) {
        if self.inside[row] { self.drop(row) } else { self.put(row) }
    }

    fn violated(&self) -> Vec<Imbalance> {
        let mut found = Vec::new();
        for (at, column) in self.limits.groups.iter().enumerate() {
            for (group, &count) in self.tally.counts[at].iter().enumerate() {
                if column.violation(group, count) > 0 {
                    found.push(Imbalance { at: Some((at, group)), over: count > column.high[group], size: 0 });
                }
            }
        }
        found
    }

    /// The rows of a shortest chain from an imbalance to none.
    fn chain(&self, start: Imbalance) -> Option<Vec<usize>> {
        let groups: Vec<usize> = self.limits.groups.iter().map(|column| column.low.len()).collect();
        let offsets: Vec<usize> = groups.iter().scan(0, |sum, len| Some(std::mem::replace(sum, *sum + len))).collect();
        let total: usize = groups.iter().sum();
        let number = |state: Imbalance| {
            let at = state.at.map_or(total, |(column, group)| offsets[column] + group);
            (at * 2 + usize::from(state.over)) * 3 + (state.size + 1) as usize
        };
        // The rows by group: a chain goes on from every group once for each state.
        let mut members: Vec<Vec<usize>> = vec![Vec::new(); total + 1];
        for &row in &self.order {
            self.groups_of(row).for_each(|(column, group)| members[offsets[column] + group].push(row));
        }
        members[total].clone_from(&self.order);
        let mut came: Vec<Option<(usize, usize)>> = vec![None; (total + 1) * 6];
        let mut queue = VecDeque::from([start]);
        while let Some(state) = queue.pop_front() {
            let here = state.at.map_or(total, |(column, group)| offsets[column] + group);
            for &row in &members[here] {
                if self.inside[row] != state.over {
                    continue;
                }
                let Some(next) = self.after(state, row) else { continue };
                if next == start || came[number(next)].is_some() {
                    continue;
                }
                came[number(next)] = Some((number(state), row));
                if next.at.is_none() && next.size == 0 {
                    return Some(walk_back(&came, number(next), number(start)));
                }
                queue.push_back(next);
            }
        }
        None
    }

    /// What is out of balance once this row has left or come in; `None` if that is more than one group.
    fn after(&self, state: Imbalance, row: usize) -> Option<Imbalance> {
        let leaves = state.over;
        let size = state.size + if leaves { -1 } else { 1 };
        if size.abs() > 1 {
            return None;
        }
        let breaks =
            |of: &(usize, usize)| Some(*of) != state.at && if leaves { self.bare(*of) } else { self.full(*of) };
        let mut broken = self.groups_of(row).filter(breaks);
        match (broken.next(), broken.next()) {
            (_, Some(_)) => None,
            (Some(at), None) => Some(Imbalance { at: Some(at), over: !leaves, size }),
            (None, None) => Some(Imbalance { at: None, over: size > 0, size }),
        }
    }

    /// Exchanges rows as long as that brings sums closer to their ranges.
    fn mend_sums(&mut self) {
        let mut broken = self.tally.sums_broken(self.limits);
        if broken == 0.0 {
            return;
        }
        let classes = self.classes();
        let mut prices = vec![0.0; self.limits.sums.len()];
        let mut idle = 0;
        for _ in 0..SWEEPS {
            let before = broken;
            // The longer a sum is out of its range, the more it counts which rows are good for it.
            prices.iter_mut().zip(self.tally.slopes(self.limits)).for_each(|(price, slope)| *price += slope);
            broken = self.sweep(&prices, &classes, broken);
            idle = if broken < before { 0 } else { idle + 1 };
            if broken == 0.0 || idle == IDLE {
                return;
            }
        }
    }

    /// A number for every row, the same for rows that stand in the same groups: each may take the other's place.
    fn classes(&self) -> Vec<u32> {
        let mut known: HashMap<Vec<u32>, u32> = HashMap::new();
        let class = |row: usize| {
            let groups: Vec<u32> = self.limits.groups.iter().map(|column| column.of_row[row]).collect();
            let next = known.len() as u32;
            *known.entry(groups).or_insert(next)
        };
        (0..self.set.pool()).map(class).collect()
    }

    /// Goes once through the subset, those first that are worth least at these prices of the sums, and puts others in their
    /// place that bring the sums closer to their ranges. Returns how far they then are.
    fn sweep(&mut self, prices: &[f64], classes: &[u32], mut broken: f64) -> f64 {
        let limits = self.limits;
        let worth =
            |row: usize| limits.sums.iter().zip(prices).map(|(sum, price)| price * sum.numbers[row]).sum::<f64>();
        let mut ranked: Vec<(f64, usize)> = self.order.iter().map(|&row| (worth(row), row)).collect();
        ranked.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let (mut inside, outside): (Vec<_>, Vec<_>) = ranked.into_iter().partition(|(_, row)| self.inside[*row]);
        inside.reverse();
        let mut of_class = outside.clone();
        of_class.sort_by_key(|(_, row)| classes[*row]);
        let starts = |class: u32| of_class.partition_point(|(_, row)| classes[*row] < class);
        let (mut all, mut same) = (Ranked::new(&outside), Ranked::new(&of_class));
        for (value, old) in inside {
            let missing: f64 = self.tally.missing(limits).zip(prices).map(|(missing, price)| missing * price).sum();
            let wanted = if missing > 0.0 { value + missing } else { f64::INFINITY };
            let mut best = (broken, None);
            let class = starts(classes[old])..starts(classes[old] + 1);
            let mut near = same.near(class, wanted, &self.inside);
            near.extend(all.near(0..outside.len(), wanted, &self.inside));
            for new in near.into_iter().filter(|&new| self.tally.groups_allow(limits, Some(old), Some(new))) {
                let after = self.tally.sums_after(limits, Some(old), Some(new));
                if after < best.0 {
                    best = (after, Some(new));
                }
            }
            if let (now, Some(new)) = best {
                self.drop(old);
                self.put(new);
                broken = now;
            }
            if broken == 0.0 {
                break;
            }
        }
        broken
    }
}

/// Rows by falling worth, of which those that have been seen inside are passed over at once.
struct Ranked<'a> {
    rows: &'a [(f64, usize)],
    /// Of every place the next one that may hold a row that is outside.
    next: Vec<u32>,
}

impl<'a> Ranked<'a> {
    fn new(rows: &'a [(f64, usize)]) -> Self {
        Self { rows, next: (0..=rows.len() as u32).collect() }
    }

    /// Rows outside from places in `range`: the first that is not worth more than `wanted`, the one before it, and those after.
    fn near(&mut self, range: Range<usize>, wanted: f64, inside: &[bool]) -> Vec<usize> {
        let above = self.rows[range.clone()].partition_point(|(worth, _)| *worth > wanted);
        let mut at = range.start + above.saturating_sub(1);
        let mut found = Vec::with_capacity(TRIES);
        while found.len() < TRIES {
            at = self.outside_from(at, inside);
            if at >= range.end {
                break;
            }
            found.push(self.rows[at].1);
            at += 1;
        }
        found
    }

    /// The first place from this one on that holds a row outside.
    fn outside_from(&mut self, mut at: usize, inside: &[bool]) -> usize {
        while at < self.rows.len() {
            let next = self.next[at] as usize;
            if next == at {
                if !inside[self.rows[at].1] {
                    break;
                }
                self.next[at] += 1;
            } else {
                self.next[at] = self.next[next];
                at = next;
            }
        }
        at
    }
}
fn walk_back(came: &[Option<(usize, usize)>], mut at: usize, start: usize) -> Vec<usize> {
    let mut rows = Vec::new();
    while at != start {
        let Some((from, row)) = came[at] else { break };
        rows.push(row);
        at = from;
    }
    rows
}
