//! The limits of a feasible set as whole numbers, and what the rows of a subset add up to in each.
//!
//! Counts are whole, so their limits are rounded to whole numbers. Numbers that add up are measured in a unit that is a
//! power of two, small enough that rounding is rare: exact sums in `i128` do not depend on the order of swaps. What does
//! not fit the unit is rounded against the subset: up below an upper end, down above a lower one.

use kantor_theory::FeasibleSet;
use kantor_theory::constraints::{ColumnRanges, LimitRange};

/// Bits of the largest number of a column in its unit; sums of 2³² of them fit `i128`.
const BITS: i32 = 92;

/// No limited group.
pub(super) const NONE: u32 = FeasibleSet::NO_GROUP;

/// A column of labels, as far as its limits can matter.
#[derive(Clone)]
pub(super) struct GroupColumn {
    /// The group of every row; [`NONE`] where no limit can matter.
    pub(super) of_row: Vec<u32>,
    /// The fewest rows of every group.
    pub(super) low: Vec<usize>,
    /// The most rows of every group.
    pub(super) high: Vec<usize>,
}

impl GroupColumn {
    /// `None` if no limit can matter to a subset of `budget` rows.
    fn new(of_row: &[u32], ranges: &[LimitRange], budget: usize) -> Option<Self> {
        let low: Vec<usize> = ranges.iter().map(|range| range.min.map_or(0, |(min, _)| min.ceil() as usize)).collect();
        let most = |range: &LimitRange| range.max.map_or(usize::MAX, |(max, _)| max.floor() as usize);
        let mut high: Vec<usize> = ranges.iter().map(most).collect();
        let mut sizes = vec![0; ranges.len()];
        of_row.iter().filter(|&&group| group != NONE).for_each(|&group| sizes[group as usize] += 1);
        for (high, size) in high.iter_mut().zip(sizes) {
            if *high >= budget.min(size) {
                *high = usize::MAX;
            }
        }
        let matters = |group: u32| group != NONE && (low[group as usize] > 0 || high[group as usize] < usize::MAX);
        let of_row: Vec<u32> = of_row.iter().map(|&group| if matters(group) { group } else { NONE }).collect();
        let any = of_row.iter().any(|&group| group != NONE) || low.iter().any(|&low| low > 0);
        any.then_some(Self { of_row, low, high })
    }

    /// How far a count is from its range.
    pub(super) fn violation(&self, group: usize, count: usize) -> usize {
        self.low[group].saturating_sub(count) + count.saturating_sub(self.high[group])
    }
}

/// A column of numbers and the range of their sum.
#[derive(Clone)]
pub(super) struct SumColumn<'a> {
    pub(super) numbers: &'a [f64],
    /// Units in one.
    scale: f64,
    low: i128,
    high: i128,
}

impl<'a> SumColumn<'a> {
    fn new(numbers: &'a [f64], range: LimitRange) -> Option<Self> {
        if range.min.is_none() && range.max.is_none() {
            return None;
        }
        let largest = numbers.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
        let exponent = (largest.to_bits() >> 52) as i32 - 1023;
        let scale = f64::from_bits((((BITS - exponent).clamp(-1022, 1023) + 1023) as u64) << 52);
        // Conversions to integers end at the largest.
        let low = range.min.map_or(0, |(min, _)| units_up(min, scale));
        let high = range.max.map_or(i128::MAX, |(max, _)| (max * scale).floor() as i128);
        Some(Self { numbers, scale, low, high })
    }

    fn up(&self, row: usize) -> i128 {
        units_up(self.numbers[row], self.scale)
    }

    fn down(&self, row: usize) -> i128 {
        (self.numbers[row] * self.scale).floor() as i128
    }

    fn has_max(&self) -> bool {
        self.high < i128::MAX
    }

    pub(super) fn has_min(&self) -> bool {
        self.low > 0
    }

    /// How far a sum is from its range, in units.
    fn violation(&self, (down, up): (i128, i128)) -> i128 {
        (self.low - down).max(0) + up.saturating_sub(self.high).max(0)
    }
}

/// All limits that can matter to a subset of some size.
#[derive(Clone)]
pub(super) struct Limits<'a> {
    pub(super) groups: Vec<GroupColumn>,
    pub(super) sums: Vec<SumColumn<'a>>,
}

impl<'a> Limits<'a> {
    pub(super) fn new(set: &'a FeasibleSet, budget: usize) -> Self {
        let (mut groups, mut sums) = (Vec::new(), Vec::new());
        for column in set.ranges() {
            match column {
                ColumnRanges::Groups { of_row, ranges, .. } => groups.extend(GroupColumn::new(of_row, &ranges, budget)),
                ColumnRanges::Sum { numbers, range } => sums.extend(SumColumn::new(numbers, range)),
            }
        }
        Self { groups, sums }
    }

    /// The same with a budget in tokens as the range of one more sum.
    pub(super) fn within_tokens(set: &'a FeasibleSet, budget: usize) -> Self {
        let mut limits = Self::new(set, budget);
        if let Some((tokens, lengths)) = set.tokens() {
            let range = LimitRange { min: Some((tokens.min, 0)), max: Some((tokens.max, 0)) };
            limits.sums.extend(SumColumn::new(lengths, range));
        }
        limits
    }

    /// Whether no limit can matter.
    pub(super) fn is_empty(&self) -> bool {
        self.groups.is_empty() && self.sums.is_empty()
    }

    /// The more, the more room a row makes by leaving: its numbers, in shares of their upper ends, less those that only a
    /// lower end is asked of.
    pub(super) fn weight(&self, row: usize) -> f64 {
        let share = |sum: &SumColumn<'_>| match self.sums.len() {
            _ if !sum.has_max() => -sum.numbers[row],
            1 => sum.numbers[row],
            _ => sum.numbers[row] * sum.scale / sum.high.max(1) as f64,
        };
        self.sums.iter().map(share).sum()
    }
}

/// What the rows of a subset add up to in every limit.
#[derive(Clone)]
pub(super) struct Tally {
    pub(super) counts: Vec<Vec<usize>>,
    /// Sums rounded down and up.
    sums: Vec<(i128, i128)>,
}

impl Tally {
    /// Of no rows.
    pub(super) fn new(limits: &Limits<'_>) -> Self {
        let counts = limits.groups.iter().map(|column| vec![0; column.low.len()]).collect();
        Self { counts, sums: vec![(0, 0); limits.sums.len()] }
    }

    pub(super) fn add(&mut self, limits: &Limits<'_>, row: usize) {
        for (column, counts) in limits.groups.iter().zip(&mut self.counts) {
            if let Some(count) = counts.get_mut(column.of_row[row] as usize) {
                *count += 1;
            }
        }
        for (column, (down, up)) in limits.sums.iter().zip(&mut self.sums) {
            (*down, *up) = (*down + column.down(row), *up + column.up(row));
        }
    }

    pub(super) fn remove(&mut self, limits: &Limits<'_>, row: usize) {
        for (column, counts) in limits.groups.iter().zip(&mut self.counts) {
            if let Some(count) = counts.get_mut(column.of_row[row] as usize) {
                *count -= 1;
            }
        }
        for (column, (down, up)) in limits.sums.iter().zip(&mut self.sums) {
            (*down, *up) = (*down - column.down(row), *up - column.up(row));
        }
    }

    /// Whether one more row of this group is too many.
    pub(super) fn full(&self, limits: &Limits<'_>, column: usize, group: u32) -> bool {
        group != NONE && self.counts[column][group as usize] >= limits.groups[column].high[group as usize]
    }

    /// Whether one row less of this group is too few.
    pub(super) fn bare(&self, limits: &Limits<'_>, column: usize, group: u32) -> bool {
        group != NONE && self.counts[column][group as usize] <= limits.groups[column].low[group as usize]
    }

    /// Whether any row of these is one too many for its group, or for a sum.
    pub(super) fn exceeds(&self, limits: &Limits<'_>, row: usize) -> bool {
        let counts = limits.groups.iter().zip(&self.counts).any(|(column, counts)| {
            let group = column.of_row[row];
            group != NONE && counts[group as usize] > column.high[group as usize]
        });
        counts || limits.sums.iter().zip(&self.sums).any(|(column, (_, up))| *up > column.high)
    }

    /// Whether this row may leave and no lower end misses it.
    pub(super) fn spares(&self, limits: &Limits<'_>, row: usize) -> bool {
        let counts = (0..limits.groups.len()).all(|at| !self.bare(limits, at, limits.groups[at].of_row[row]));
        let sum = |(column, (down, _)): (&SumColumn<'_>, &(i128, i128))| *down - column.down(row) >= column.low;
        counts && limits.sums.iter().zip(&self.sums).all(|of| of.0.low <= 0 || sum(of))
    }

    /// How many lower ends that are not reached a row is good for.
    pub(super) fn lacks(&self, limits: &Limits<'_>, row: usize) -> usize {
        let group = |(column, counts): (&GroupColumn, &Vec<usize>)| {
            let group = column.of_row[row];
            usize::from(group != NONE && counts[group as usize] < column.low[group as usize])
        };
        let sum = |(column, (down, _)): (&SumColumn<'_>, &(i128, i128))| {
            usize::from(*down < column.low && column.down(row) > 0)
        };
        limits.groups.iter().zip(&self.counts).map(group).sum::<usize>()
            + limits.sums.iter().zip(&self.sums).map(sum).sum::<usize>()
    }

    /// Whether all lower ends are reached.
    pub(super) fn suffices(&self, limits: &Limits<'_>) -> bool {
        let counts =
            |(column, counts): (&GroupColumn, &Vec<usize>)| column.low.iter().zip(counts).all(|(low, n)| n >= low);
        limits.groups.iter().zip(&self.counts).all(counts)
            && limits.sums.iter().zip(&self.sums).all(|(column, (down, _))| *down >= column.low)
    }

    /// Whether limits on groups allow `new`, if any, in the place of `old`, if any.
    pub(super) fn groups_allow(&self, limits: &Limits<'_>, old: Option<usize>, new: Option<usize>) -> bool {
        limits.groups.iter().enumerate().all(|(at, column)| {
            let group = |row: Option<usize>| row.map_or(NONE, |row| column.of_row[row]);
            let (from, to) = (group(old), group(new));
            from == to || !self.full(limits, at, to) && !self.bare(limits, at, from)
        })
    }

    /// How far sums are from their ranges with `new`, if any, in the place of `old`, if any, in shares of the ends that they miss.
    pub(super) fn sums_after(&self, limits: &Limits<'_>, old: Option<usize>, new: Option<usize>) -> f64 {
        let after = |(column, (down, up)): (&SumColumn<'_>, &(i128, i128))| {
            let units = |row: Option<usize>| row.map_or((0, 0), |row| (column.down(row), column.up(row)));
            let (old, new) = (units(old), units(new));
            share(column, (down - old.0 + new.0, up - old.1 + new.1))
        };
        limits.sums.iter().zip(&self.sums).map(after).sum()
    }

    /// What every sum misses of its range: positive if it is too small, negative if it is too large.
    pub(super) fn missing(&self, limits: &Limits<'_>) -> impl Iterator<Item = f64> {
        let missing = |(column, (down, up)): (&SumColumn<'_>, &(i128, i128))| {
            let (below, above) = ((column.low - down).max(0), up.saturating_sub(column.high).max(0));
            (below - above) as f64 / column.scale
        };
        limits.sums.iter().zip(&self.sums).map(missing)
    }

    /// What one more of every sum is good for, as a share of the end that it misses: positive if it is too small, negative if
    /// it is too large.
    pub(super) fn slopes(&self, limits: &Limits<'_>) -> impl Iterator<Item = f64> {
        let slope = |(missing, column): (f64, &SumColumn<'_>)| {
            let end = if missing > 0.0 { column.low } else { column.high };
            if missing == 0.0 { 0.0 } else { missing.signum() * column.scale / end.max(1) as f64 }
        };
        self.missing(limits).zip(&limits.sums).map(slope)
    }

    /// How far sums are from their ranges, likewise.
    pub(super) fn sums_broken(&self, limits: &Limits<'_>) -> f64 {
        limits.sums.iter().zip(&self.sums).map(|(column, sum)| share(column, *sum)).sum()
    }

    /// How many rows groups have too many and too few in all.
    pub(super) fn groups_broken(&self, limits: &Limits<'_>) -> usize {
        let of = |(column, counts): (&GroupColumn, &Vec<usize>)| -> usize {
            counts.iter().enumerate().map(|(group, &count)| column.violation(group, count)).sum()
        };
        limits.groups.iter().zip(&self.counts).map(of).sum()
    }

    /// Whether all limits are kept with `new`, if any, in the place of `old`, if any.
    pub(super) fn keeps(&self, limits: &Limits<'_>, old: Option<usize>, new: Option<usize>) -> bool {
        self.groups_allow(limits, old, new) && self.sums_after(limits, old, new) == 0.0
    }

    /// The largest weight of a row that may leave for `new` as far as one sum with an upper end tells; others do not bound it.
    pub(super) fn heaviest(&self, limits: &Limits<'_>, new: usize) -> f64 {
        match (&limits.sums[..], &self.sums[..]) {
            ([column], [(down, _)]) if column.has_max() => {
                let most = down + column.down(new) - column.low;
                (most as f64 / column.scale).next_up()
            }
            _ => f64::INFINITY,
        }
    }
}

/// What is not zero is at least one unit, though the product may underflow.
fn units_up(number: f64, scale: f64) -> i128 {
    ((number * scale).ceil() as i128).max(i128::from(number > 0.0))
}

fn share(column: &SumColumn<'_>, sum: (i128, i128)) -> f64 {
    match column.violation(sum) {
        0 => 0.0,
        missing if sum.1 > column.high => missing as f64 / column.high.max(1) as f64,
        missing => missing as f64 / column.low as f64,
    }
}
