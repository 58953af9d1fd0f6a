//! Limits that transport does not obey by itself: sums of numbers, and groups that cross others. They have prices in the
//! search, which are raised until the chosen rows obey (module `ascent`).
//!
//! Where tokens are the budget, mass is counted in these, and a token of a row uses what the row does divided by its length.

use kantor_theory::FeasibleSet;
use kantor_theory::constraints::{ColumnRanges, LimitRange};

/// No side.
const NONE: u32 = u32::MAX;

/// A limit with a price.
#[derive(Debug, Clone)]
pub(in crate::relax) struct Side {
    /// Its column, and its group of a column of labels.
    pub(in crate::relax) column: usize,
    pub(in crate::relax) group: Option<usize>,
    pub(in crate::relax) range: LimitRange,
    /// The ends, less what the rows that must be chosen use.
    pub(in crate::relax) least: f64,
    pub(in crate::relax) most: f64,
    /// What a row uses on average, so that prices of all sides are comparable.
    pub(in crate::relax) scale: f64,
}

/// What a column says of the rows.
#[derive(Debug, Clone)]
enum Use<'a> {
    /// The side of every group, and the group of every row.
    Groups {
        of_row: &'a [u32],
        side_of: Vec<u32>,
    },
    Sum {
        numbers: &'a [f64],
        side: usize,
    },
}

/// All limits with prices.
#[derive(Debug, Clone)]
pub(in crate::relax) struct Sides<'a> {
    set: &'a FeasibleSet,
    pub(in crate::relax) sides: Vec<Side>,
    uses: Vec<Use<'a>>,
    /// Where tokens are the budget, those of every row.
    lengths: Option<&'a [f64]>,
}

impl<'a> Sides<'a> {
    /// Those on sums and on these groups, as columns and groups.
    pub(in crate::relax) fn of(set: &'a FeasibleSet, ranges: &[ColumnRanges<'a>], groups: &[(usize, usize)]) -> Self {
        let (mut sides, mut uses): (Vec<Side>, Vec<Use<'a>>) = (Vec::new(), Vec::new());
        for (column, values) in ranges.iter().enumerate() {
            match values {
                ColumnRanges::Groups { of_row, names, ranges } => {
                    let groups = groups.iter().filter(|place| place.0 == column).map(|place| place.1);
                    let mut side_of = vec![NONE; names.len()];
                    for group in groups {
                        side_of[group] = sides.len() as u32;
                        sides.push(Side::new(column, Some(group), ranges[group]));
                    }
                    if side_of.iter().any(|side| *side != NONE) {
                        uses.push(Use::Groups { of_row, side_of });
                    }
                }
                ColumnRanges::Sum { numbers, range } if *range != LimitRange::default() => {
                    uses.push(Use::Sum { numbers, side: sides.len() });
                    let mut side = Side::new(column, None, *range);
                    let sum: f64 = numbers.iter().sum();
                    side.scale = if sum > 0.0 { sum / numbers.len() as f64 } else { 1.0 };
                    sides.push(side);
                }
                ColumnRanges::Sum { .. } => {}
            }
        }
        let mut this = Self { set, sides, uses, lengths: None };
        let mut used = vec![0.0; this.sides.len()];
        (0..set.pool()).filter(|&row| set.is_included(row)).for_each(|row| this.add_use(row, 1.0, &mut used));
        this.lengths = set.tokens().map(|(_, lengths)| lengths);
        let mean = this.lengths.map_or(1.0, |of| of.iter().sum::<f64>() / of.len() as f64);
        this.sides.iter_mut().for_each(|side| side.scale /= mean);
        for (side, used) in this.sides.iter_mut().zip(used) {
            side.least -= used;
            side.most -= used;
        }
        this
    }

    /// The limits for one in `factor` of the rows.
    pub(in crate::relax) fn thinned(&self, factor: f64) -> Self {
        let share = |side: &Side| Side { least: side.least / factor, most: side.most / factor, ..side.clone() };
        Self { sides: self.sides.iter().map(share).collect(), ..self.clone() }
    }

    /// What a limit on a column, or on a group of one, is on, in words: `source=web`.
    pub(in crate::relax) fn name(&self, column: usize, group: Option<usize>) -> String {
        let name = &self.set.constraints().columns[column].name;
        match (group, self.set.ranges().get(column)) {
            (Some(group), Some(ColumnRanges::Groups { names, .. })) => format!("{name}={}", names[group]),
            _ => name.clone(),
        }
    }

    /// What a row, or a token of it, uses, column by column: of which side, and how much.
    pub(in crate::relax) fn uses(&self, row: usize) -> impl Iterator<Item = Option<(usize, f64)>> + '_ {
        let share = self.lengths.map_or(1.0, |lengths| 1.0 / lengths[row].max(1.0));
        self.uses.iter().map(move |of| match of {
            Use::Groups { of_row, side_of } => {
                side_of.get(of_row[row] as usize).filter(|side| **side != NONE).map(|&side| (side as usize, share))
            }
            Use::Sum { numbers, side } => Some((*side, numbers[row] * share)),
        })
    }

    /// Adds what `mass` of a row, in rows or tokens, uses of every side.
    pub(in crate::relax) fn add_use(&self, row: usize, mass: f64, used: &mut [f64]) {
        self.uses(row).flatten().for_each(|(side, amount)| used[side] += mass * amount);
    }

    /// What a row, or a token of it, costs beside its own cost at these prices.
    pub(in crate::relax) fn charge(&self, row: usize, prices: &[f64]) -> f64 {
        self.uses(row).flatten().map(|(side, amount)| prices[side] * amount).sum()
    }
}

impl Side {
    fn new(column: usize, group: Option<usize>, range: LimitRange) -> Self {
        let least = range.min.map_or(f64::NEG_INFINITY, |(min, _)| min);
        let most = range.max.map_or(f64::INFINITY, |(max, _)| max);
        Self { column, group, range, least, most, scale: 1.0 }
    }
}
