//! Limits that transport does not obey by itself: sums of numbers, and groups that cross others. They have prices in the
//! search, which are raised until the chosen rows obey (module `ascent`).

use kantor_theory::FeasibleSet;
use kantor_theory::constraints::{ColumnRanges, LimitRange};

use super::family::Family;

/// No side.
const NONE: u32 = u32::MAX;

/// A limit with a price.
#[derive(Debug, Clone)]
pub(super) struct Side {
    /// Its column, and its group of a column of labels.
    pub(super) column: usize,
    pub(super) group: Option<usize>,
    pub(super) range: LimitRange,
    /// The ends, less what the rows that must be chosen use.
    pub(super) least: f64,
    pub(super) most: f64,
    /// What a row uses on average, so that prices of all sides are comparable.
    pub(super) scale: f64,
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
pub(super) struct Sides<'a> {
    set: &'a FeasibleSet,
    pub(super) sides: Vec<Side>,
    uses: Vec<Use<'a>>,
}

impl<'a> Sides<'a> {
    /// Those that are not in the family.
    pub(super) fn of(set: &'a FeasibleSet, ranges: &[ColumnRanges<'a>], family: &Family) -> Self {
        let (mut sides, mut uses): (Vec<Side>, Vec<Use<'a>>) = (Vec::new(), Vec::new());
        for (column, values) in ranges.iter().enumerate() {
            match values {
                ColumnRanges::Groups { of_row, names, ranges } => {
                    let groups = family.crossing.iter().filter(|place| place.0 == column).map(|place| place.1);
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
        let mut this = Self { set, sides, uses };
        let mut used = vec![0.0; this.sides.len()];
        (0..set.pool()).filter(|&row| set.is_included(row)).for_each(|row| this.add_use(row, 1.0, &mut used));
        for (side, used) in this.sides.iter_mut().zip(used) {
            side.least -= used;
            side.most -= used;
        }
        this
    }

    /// The limits for one in `factor` of the rows.
    pub(super) fn thinned(&self, factor: f64) -> Self {
        let share = |side: &Side| Side { least: side.least / factor, most: side.most / factor, ..side.clone() };
        Self { sides: self.sides.iter().map(share).collect(), ..self.clone() }
    }

    /// What the limit is on, in words: `source=web`.
    pub(super) fn name(&self, side: &Side) -> String {
        let column = &self.set.constraints().columns[side.column].name;
        match (side.group, self.set.ranges().get(side.column)) {
            (Some(group), Some(ColumnRanges::Groups { names, .. })) => format!("{column}={}", names[group]),
            _ => column.clone(),
        }
    }

    /// Adds what `mass` of a row uses of every side.
    pub(super) fn add_use(&self, row: usize, mass: f64, used: &mut [f64]) {
        for of in &self.uses {
            match of {
                Use::Groups { of_row, side_of } => {
                    if let Some(&side) = side_of.get(of_row[row] as usize).filter(|side| **side != NONE) {
                        used[side as usize] += mass;
                    }
                }
                Use::Sum { numbers, side } => used[*side] += mass * numbers[row],
            }
        }
    }

    /// What a row costs beside its transport at these prices.
    pub(super) fn charge(&self, row: usize, prices: &[f64]) -> f64 {
        let of = |of: &Use<'_>| match of {
            Use::Groups { of_row, side_of } => match side_of.get(of_row[row] as usize) {
                Some(&side) if side != NONE => prices[side as usize],
                _ => 0.0,
            },
            Use::Sum { numbers, side } => prices[*side] * numbers[row],
        };
        self.uses.iter().map(of).sum()
    }
}

impl Side {
    fn new(column: usize, group: Option<usize>, range: LimitRange) -> Self {
        let least = range.min.map_or(f64::NEG_INFINITY, |(min, _)| min);
        let most = range.max.map_or(f64::INFINITY, |(max, _)| max);
        Self { column, group, range, least, most, scale: 1.0 }
    }
}
