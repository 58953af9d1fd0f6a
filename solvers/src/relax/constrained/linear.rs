//! The linear step under constraints: the least sum of one height a row over the measures that obey a [`Family`], and its
//! duals.
//!
//! How many rows of a group are chosen costs convexly: its rows and what the groups inside offer, in order of height. From
//! the inside out every group takes as many of these as it must, and offers its parent the next ones up to as many as it
//! may. The dual of a group is its *threshold*: of what was offered to it, it gives up what is higher. It is that of the
//! parent, as far as neither end of the limit binds.
//!
//! Cost: O(N log N) per step.

use kantor_theory::FeasibleSet;
use kantor_theory::constraints::{ColumnRanges, Price};

use super::family::{Family, ROOT};
use super::sides::Sides;

/// Constraints as a relaxed problem meets them: exactly in the family, by prices on the other sides.
pub(in crate::relax) struct Limited<'a> {
    set: &'a FeasibleSet,
    ranges: Vec<ColumnRanges<'a>>,
    pub(in crate::relax) family: Family,
    pub(in crate::relax) sides: Sides<'a>,
    /// The groups of the family, each after the one that contains it.
    pub(in crate::relax) outside_in: Vec<usize>,
}

/// What the linear step finds.
pub(in crate::relax) struct LinearStep {
    /// The least sum.
    pub(in crate::relax) least: f64,
    /// Of every group of the family.
    pub(in crate::relax) thresholds: Vec<f64>,
}

impl<'a> Limited<'a> {
    pub(in crate::relax) fn new(set: &'a FeasibleSet, budget: usize) -> Self {
        let ranges = set.ranges();
        let family = Family::of(set, &ranges, budget);
        let sides = Sides::of(set, &ranges, &family.crossing);
        let outside_in = family.outside_in();
        Self { set, ranges, family, sides, outside_in }
    }

    /// The least sum of `heights` of the rows `rows`, of which enough for every limit must be there. Where tokens are the budget,
    /// heights are of a token, of which as many are taken as the fewest.
    pub(in crate::relax) fn step(&self, rows: &[usize], heights: &[f64]) -> LinearStep {
        if let Some((_, lengths)) = self.set.tokens() {
            return self.step_of_tokens(rows, heights, lengths);
        }
        let groups = &self.family.groups;
        let mut least = 0.0;
        let mut lists: Vec<Vec<f64>> = vec![Vec::new(); groups.len()];
        for (&row, &height) in rows.iter().zip(heights) {
            match self.family.of_row[row] {
                Family::FIXED => least += height,
                Family::ABSENT => {}
                group => lists[group as usize].push(height),
            }
        }
        // Of every group: rows taken inside; then how many of its list it takes, and up to which it offers.
        let mut taken = vec![0; groups.len()];
        let mut ends = vec![(0, 0); groups.len()];
        for &at in self.outside_in.iter().rev() {
            let mut list = std::mem::take(&mut lists[at]);
            list.sort_unstable_by(f64::total_cmp);
            let length = |count: i64| (count - taken[at]).clamp(0, list.len() as i64) as usize;
            let (takes, offers) = (length(groups[at].min), length(groups[at].max));
            least += list[..takes].iter().sum::<f64>();
            if at != ROOT {
                let parent = groups[at].parent;
                taken[parent] += taken[at] + takes as i64;
                lists[parent].extend(&list[takes..offers]);
            }
            (lists[at], ends[at]) = (list, (takes, offers));
        }
        let mut thresholds = vec![0.0; groups.len()];
        for &at in &self.outside_in {
            let (list, (takes, offers)) = (&lists[at], ends[at]);
            let last = takes.checked_sub(1).map(|last| list[last]);
            thresholds[at] = if at == ROOT {
                last.or(list.first().copied()).unwrap_or(0.0)
            } else {
                let next = list.get(offers).copied().unwrap_or(f64::INFINITY);
                thresholds[groups[at].parent].max(last.unwrap_or(f64::NEG_INFINITY)).min(next)
            };
        }
        LinearStep { least, thresholds }
    }

    fn step_of_tokens(&self, rows: &[usize], heights: &[f64], lengths: &[f64]) -> LinearStep {
        let (mut least, mut free) = (0.0, Vec::with_capacity(rows.len()));
        for (&row, &height) in rows.iter().zip(heights) {
            match self.family.of_row[row] {
                Family::FIXED => least += lengths[row] * height,
                Family::ABSENT => {}
                _ => free.push((height, lengths[row])),
            }
        }
        free.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        let (mut room, mut threshold) = (self.family.groups[ROOT].max as f64, 0.0);
        for (height, length) in free {
            if room <= 0.0 {
                break;
            }
            least += height * length.min(room);
            (room, threshold) = (room - length, height);
        }
        LinearStep { least, thresholds: vec![threshold] }
    }

    /// How far rows are above the thresholds of their groups; `None` if all have the same.
    pub(in crate::relax) fn above_thresholds(&self, rows: &[usize], heights: &[f64]) -> Option<Vec<f64>> {
        if self.family.groups.len() == 1 {
            return None;
        }
        let LinearStep { thresholds, .. } = self.step(rows, heights);
        let threshold = |row: usize| thresholds.get(self.family.of_row[row] as usize).copied().unwrap_or(0.0);
        Some(rows.iter().zip(heights).map(|(&row, height)| height - threshold(row)).collect())
    }

    /// The prices of all limits for values that are heights with the sign turned.
    pub(in crate::relax) fn prices(&self, thresholds: &[f64], of_sides: &[f64]) -> Vec<Price> {
        let thresholds: Vec<f64> = thresholds.iter().map(|threshold| -threshold).collect();
        prices(self.set, &self.ranges, (&self.family, &thresholds), (&self.sides, of_sides))
    }
}

/// The prices of all limits, from thresholds of the values of rows in the groups of a family and prices of the sides.
pub(super) fn prices(
    set: &FeasibleSet,
    ranges: &[ColumnRanges<'_>],
    (family, thresholds): (&Family, &[f64]),
    (sides, of_sides): (&Sides<'_>, &[f64]),
) -> Vec<Price> {
    let groups = family.groups.iter().enumerate().filter_map(|(at, group)| {
        let (column, of) = group.place?;
        let ColumnRanges::Groups { ranges, .. } = &ranges[column] else { return None };
        set.price(&ranges[of], Some(of), thresholds[at] - thresholds[group.parent])
    });
    let sides = sides.sides.iter().zip(of_sides);
    groups.chain(sides.filter_map(|(side, &price)| set.price(&side.range, side.group, price))).collect()
}
