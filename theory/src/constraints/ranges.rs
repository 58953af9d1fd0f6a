//! What the limits on a column come to, for those who search for a feasible subset: one range for every group of rows, and
//! which limit each end of it is.

use super::column::{NONE, Values};
use super::feasible::Count;
use super::{FeasibleSet, Limit, Price};

/// A range, and the limits that its ends are of; no limit, no end.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct LimitRange {
    /// The largest `min` of the limits, and the index of the first limit that has it.
    pub min: Option<(f64, usize)>,
    /// The least `max` of the limits, and the index of the first limit that has it.
    pub max: Option<(f64, usize)>,
}

impl LimitRange {
    fn narrow(&mut self, at: usize, limit: &Limit) {
        if let Some(min) = limit.min.filter(|min| self.min.is_none_or(|(known, _)| *min > known)) {
            self.min = Some((min, at));
        }
        if let Some(max) = limit.max.filter(|max| self.max.is_none_or(|(known, _)| *max < known)) {
            self.max = Some((max, at));
        }
    }
}

/// A column and its ranges, for the rows of the problem.
#[derive(Debug, Clone, PartialEq)]
pub enum ColumnRanges<'a> {
    /// How many rows of every group may be chosen.
    Groups {
        /// The group of every row: an index into `ranges`, or `u32::MAX` for none.
        of_row: &'a [u32],
        /// The label of every group.
        names: &'a [String],
        /// Of every group.
        ranges: Vec<LimitRange>,
    },
    /// What the numbers of the chosen rows may add up to.
    Sum {
        /// Of every row.
        numbers: &'a [f64],
        /// Of their sum.
        range: LimitRange,
    },
}

impl FeasibleSet {
    /// The columns with their ranges, in the order of the constraints.
    pub fn ranges(&self) -> Vec<ColumnRanges<'_>> {
        let mut all = Vec::with_capacity(self.columns.len());
        for (column, values) in self.columns.iter().enumerate() {
            all.push(match values {
                Values::Labels { of_row, names } => {
                    ColumnRanges::Groups { of_row, names, ranges: self.group_ranges(column, names.len()) }
                }
                Values::Numbers(numbers) => {
                    let mut range = LimitRange::default();
                    self.limits_on(column).for_each(|(at, limit, _)| range.narrow(at, limit));
                    ColumnRanges::Sum { numbers, range }
                }
            });
        }
        all
    }

    fn group_ranges(&self, column: usize, groups: usize) -> Vec<LimitRange> {
        let mut ranges = vec![LimitRange::default(); groups];
        for (at, limit, count) in self.limits_on(column) {
            match count {
                Count::Label(Some(group)) => ranges[group as usize].narrow(at, limit),
                Count::Each => ranges.iter_mut().for_each(|range| range.narrow(at, limit)),
                Count::Label(None) | Count::Sum => {}
            }
        }
        ranges
    }

    fn limits_on(&self, column: usize) -> impl Iterator<Item = (usize, &Limit, Count)> {
        let limits = self.constraints.limits.iter().zip(&self.counts).enumerate();
        limits.filter(move |(_, (limit, _))| limit.column == column).map(|(at, (limit, count))| (at, limit, *count))
    }

    /// The price `price` of a range, as a price of the limit that its upper end is of if it is positive, else its lower end;
    /// `group` is the group of the range, of a column of labels. `None` if that is zero, or the range has no such end.
    pub fn price(&self, range: &LimitRange, group: Option<usize>, price: f64) -> Option<Price> {
        let end = if price > 0.0 { range.max } else { range.min };
        let (_, limit) = end.filter(|_| price != 0.0)?;
        let Limit { column, .. } = self.constraints.limits[limit];
        let label = match (&self.columns[column], self.counts[limit]) {
            (Values::Labels { names, .. }, Count::Each) => Some(names.get(group?)?.clone()),
            _ => None,
        };
        Some(Price { limit, label, price })
    }

    /// The mark in [`ColumnRanges::Groups`] of a row that is in no group.
    pub const NO_GROUP: u32 = NONE;
}
