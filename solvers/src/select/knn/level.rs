//! The level s up to which every query fills its list, entry l taking w_l/s of the query's mass.
//!
//! Entries of all lists are visited by their accumulated weight W. Visiting entry k of one list raises the price of
//! evenness by (d_{k+1} − d_k)·W_k, which is never negative: the running total only grows and nothing cancels.
//!
//! Limit: M·L entries of 16 bytes, each read once, and a heap of M: O(M·L·log M) comparisons.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::select::knn::Tradeoff;

/// One row on a query's list, nearest first.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct ListEntry {
    /// Its cost.
    pub(crate) distance: f64,
    /// 1/ρ.
    pub(crate) weight: f64,
}

/// Where the sweep stopped.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Level {
    /// s.
    pub(crate) level: f64,
    /// Whether the rule stopped it; otherwise the lists ended.
    pub(crate) fired: bool,
}

/// An accumulated weight that orders like a number.
#[derive(PartialEq)]
struct Weight(f64);

impl Eq for Weight {}

impl PartialOrd for Weight {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Weight {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

/// The least accumulated weight at which the trade-off turns against further filling.
///
/// `masses` are those of the queries in units of 1/M.
pub(crate) fn sweep(columns: &[Vec<ListEntry>], masses: &[f64], tradeoff: &Tradeoff) -> Level {
    // The last entry of a list has no successor to compare with, so it is never visited.
    let mut heap: BinaryHeap<Reverse<(Weight, usize, usize)>> = columns
        .iter()
        .enumerate()
        .filter(|(_, column)| column.len() > 1)
        .map(|(j, column)| Reverse((Weight(column[0].weight), 0, j)))
        .collect();
    let mut level = columns.iter().filter_map(|column| column.first()).map(|e| e.weight).fold(0.0, f64::max);
    let mut gap = 0.0;
    while let Some(Reverse((Weight(accumulated), k, j))) = heap.pop() {
        level = accumulated;
        let column = &columns[j];
        gap += masses[j] * (column[k + 1].distance - column[k].distance) * accumulated;
        if tradeoff.outweighs(gap, columns.len()) {
            return Level { level, fired: true };
        }
        if k + 2 < column.len() {
            heap.push(Reverse((Weight(accumulated + column[k + 1].weight), k + 1, j)));
        }
    }
    Level { level, fired: false }
}

/// What part of its query's mass each entry takes: min(w/s, what is left), all that is left for the last entry.
///
/// The parts of one list sum to 1, also where the first entry alone weighs more than s.
pub(crate) fn shares(column: &[ListEntry], level: f64) -> impl Iterator<Item = f64> + '_ {
    let mut before = 0.0;
    column.iter().enumerate().map_while(move |(k, entry)| {
        if before >= level {
            return None;
        }
        // Accumulated by the additions of the sweep, so that the entry that set the level meets it exactly.
        let after = before + entry.weight;
        let share = if after <= level && k + 1 < column.len() { entry.weight } else { level - before };
        before = after;
        Some(share / level)
    })
}

/// Whether the list ended before the level, so that its last entry takes more than its weight allows.
pub(crate) fn overflows(column: &[ListEntry], level: f64) -> bool {
    let mut accumulated = 0.0;
    for entry in column {
        accumulated += entry.weight;
    }
    accumulated < level
}
