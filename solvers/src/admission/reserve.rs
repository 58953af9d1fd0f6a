//! Rows that are put aside for lower ends of limits, ordered so that those which are needed no more are found by looking at classes, not at
//! rows: rows that count for the same lower ends.

use std::collections::{BTreeMap, BTreeSet};

use super::limits::{Limits, NONE, Tally};

/// Rows of one class that are looked at where sums have lower ends.
const TRIES: usize = 8;

#[derive(Clone)]
pub(super) struct Reserve {
    /// Of every class the rows by length.
    classes: BTreeMap<Vec<u32>, BTreeSet<(u64, usize)>>,
    /// The columns of groups that have minima, and the sums.
    floored: Vec<usize>,
    sums: Vec<usize>,
}

impl Reserve {
    pub(super) fn new(limits: &Limits<'_>) -> Self {
        let floored = (0..limits.groups.len()).filter(|&at| limits.groups[at].low.iter().any(|&low| low > 0));
        let sums = (0..limits.sums.len()).filter(|&at| limits.sums[at].has_min());
        Self { classes: BTreeMap::new(), floored: floored.collect(), sums: sums.collect() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.classes.is_empty()
    }

    /// Puts a row of this length aside.
    pub(super) fn insert(&mut self, limits: &Limits<'_>, row: usize, length: f64) {
        self.classes.entry(self.class(limits, row)).or_default().insert((length.to_bits(), row));
    }

    pub(super) fn remove(&mut self, limits: &Limits<'_>, row: usize, length: f64) {
        let class = self.class(limits, row);
        if let Some(rows) = self.classes.get_mut(&class) {
            rows.remove(&(length.to_bits(), row));
            if rows.is_empty() {
                self.classes.remove(&class);
            }
        }
    }

    /// A row that no lower end needs, a long one.
    pub(super) fn spare(&self, limits: &Limits<'_>, tally: &Tally) -> Option<usize> {
        let tries = if self.sums.is_empty() { 1 } else { TRIES };
        let spared = |rows: &BTreeSet<(u64, usize)>| {
            rows.iter().rev().take(tries).map(|&(_, row)| row).find(|&row| tally.spares(limits, row))
        };
        self.classes.values().find_map(spared)
    }

    fn class(&self, limits: &Limits<'_>, row: usize) -> Vec<u32> {
        let group = |&at: &usize| {
            let column = &limits.groups[at];
            let group = column.of_row[row];
            if column.low.get(group as usize).is_some_and(|&low| low > 0) { group } else { NONE }
        };
        let sum = |&at: &usize| u32::from(limits.sums[at].numbers[row] > 0.0);
        self.floored.iter().map(group).chain(self.sums.iter().map(sum)).collect()
    }
}
