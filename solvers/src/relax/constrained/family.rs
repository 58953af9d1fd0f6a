//! Limits on groups of which any two are disjoint or nested: a tree of groups, which transport with a column for every group
//! obeys exactly (module `network`). Limits that do not fit in are left to prices (module `sides`).

use std::collections::BTreeMap;

use kantor_theory::FeasibleSet;
use kantor_theory::constraints::{ColumnRanges, LimitRange};

/// The group of all rows.
pub(in crate::relax) const ROOT: usize = 0;

/// Rows of which a number in a range is to be chosen, or of so many tokens. Rows that must be chosen are not counted.
#[derive(Debug, Clone)]
pub(in crate::relax) struct Group {
    /// The least group that contains it.
    pub(in crate::relax) parent: usize,
    /// At least so many; −1 if that is no limit, so that its price is never that of a lower end.
    pub(in crate::relax) min: i64,
    /// At most so many; more than can be chosen if that is no limit.
    pub(in crate::relax) max: i64,
    /// Rows that may be chosen.
    pub(in crate::relax) size: usize,
    /// Index of the column, and of the group among its labels.
    pub(in crate::relax) place: Option<(usize, usize)>,
    /// Number of groups that contain it.
    depth: usize,
}

/// Nested groups, and the limits that are left over.
pub(in crate::relax) struct Family {
    /// All rows first.
    pub(in crate::relax) groups: Vec<Group>,
    /// Of every row that may but need not be chosen the least group, else [`Family::FIXED`] or [`Family::ABSENT`].
    pub(in crate::relax) of_row: Vec<u32>,
    /// Groups with limits that do not fit in, as column and group.
    pub(in crate::relax) crossing: Vec<(usize, usize)>,
}

/// A group with limits that is to be placed.
struct Candidate {
    place: (usize, usize),
    min: i64,
    max: i64,
    rows: Vec<u32>,
}

impl Family {
    /// The mark of a row that must be chosen.
    pub(in crate::relax) const FIXED: u32 = u32::MAX;

    /// The mark of a row that must not be chosen. Those of groups are less than both.
    pub(in crate::relax) const ABSENT: u32 = u32::MAX - 1;

    /// As many groups as possible of the columns of `set`, for subsets of `budget` rows; none, for so many tokens.
    pub(in crate::relax) fn of(set: &FeasibleSet, ranges: &[ColumnRanges<'_>], budget: usize) -> Self {
        if let Some((_, lengths)) = set.tokens() {
            return Self::of_tokens(set, Self::places(set, ranges, set.pool()), (budget as f64, lengths));
        }
        let room = budget.saturating_sub(set.included());
        let mut columns: Vec<Vec<Candidate>> = Vec::new();
        for (column, values) in ranges.iter().enumerate() {
            if let ColumnRanges::Groups { of_row, ranges, .. } = values {
                columns.push(candidates(set, column, of_row, ranges, room));
            }
        }
        // Whichever column comes first is contained whole.
        let family = |first: usize| {
            let mut family = Self::whole(set, room);
            let (head, tail) = columns.split_at(first);
            tail.iter().chain(head).flatten().for_each(|candidate| family.place(candidate));
            family
        };
        let families = (0..columns.len().max(1)).map(family);
        families.min_by_key(|family| family.crossing.len()).unwrap_or_else(|| Self::whole(set, room))
    }

    /// The columns and groups that have limits which a choice can break.
    pub(in crate::relax) fn places(
        set: &FeasibleSet,
        ranges: &[ColumnRanges<'_>],
        budget: usize,
    ) -> Vec<(usize, usize)> {
        let room = budget.saturating_sub(set.included());
        let of = |(column, values): (usize, &ColumnRanges<'_>)| match values {
            ColumnRanges::Groups { of_row, ranges, .. } => candidates(set, column, of_row, ranges, room),
            ColumnRanges::Sum { .. } => Vec::new(),
        };
        ranges.iter().enumerate().flat_map(of).map(|candidate| candidate.place).collect()
    }

    /// All rows and no other group, with `budget` tokens for their number: limits are on rows, whose mass is their length.
    fn of_tokens(set: &FeasibleSet, crossing: Vec<(usize, usize)>, (budget, lengths): (f64, &[f64])) -> Self {
        let mut family = Self::whole(set, (budget - set.included_tokens()).max(0.0) as usize);
        family
            .of_row
            .iter_mut()
            .zip(lengths)
            .filter(|(_, length)| **length == 0.0)
            .for_each(|(of, _)| *of = Self::ABSENT);
        Self { crossing, ..family }
    }

    /// All rows and no other group.
    fn whole(set: &FeasibleSet, room: usize) -> Self {
        let mark = |row: usize| match row {
            _ if set.is_included(row) => Self::FIXED,
            _ if set.is_excluded(row) => Self::ABSENT,
            _ => ROOT as u32,
        };
        let of_row: Vec<u32> = (0..set.pool()).map(mark).collect();
        let size = of_row.iter().filter(|group| **group == ROOT as u32).count();
        let (min, max) = (room as i64, room as i64);
        let groups = vec![Group { parent: ROOT, min, max, size, place: None, depth: 0 }];
        Self { groups, of_row, crossing: Vec::new() }
    }

    fn place(&mut self, candidate: &Candidate) {
        let Candidate { place, min, max, ref rows } = *candidate;
        // How many of the rows every group contains, without those that contain none.
        let mut common: BTreeMap<usize, usize> = BTreeMap::new();
        for &row in rows {
            for at in self.ancestors(self.of_row[row as usize] as usize) {
                *common.entry(at).or_default() += 1;
            }
        }
        if common.iter().any(|(&at, &count)| count < rows.len() && count < self.groups[at].size) {
            self.crossing.push(place);
            return;
        }
        let around = common.iter().filter(|(_, count)| **count == rows.len()).map(|(&at, _)| at);
        let parent = around.max_by_key(|&at| self.groups[at].depth).unwrap_or(ROOT);
        let new = self.groups.len();
        for (&at, _) in common.iter().filter(|(_, count)| **count < rows.len()) {
            self.groups[at].depth += 1;
            if self.groups[at].parent == parent {
                self.groups[at].parent = new;
            }
        }
        for &row in rows {
            let of = &mut self.of_row[row as usize];
            if *of == parent as u32 {
                *of = new as u32;
            }
        }
        let depth = self.groups[parent].depth + 1;
        self.groups.push(Group { parent, min, max, size: rows.len(), place: Some(place), depth });
    }

    /// The same for so many more rows, or tokens.
    pub(in crate::relax) fn of_more(&self, more: usize) -> Self {
        let mut groups = self.groups.clone();
        (groups[ROOT].min, groups[ROOT].max) = (groups[ROOT].min + more as i64, groups[ROOT].max + more as i64);
        Self { groups, of_row: self.of_row.clone(), crossing: self.crossing.clone() }
    }

    /// The problem of `room` rows on one in `factor` of the rows, with limits to match.
    pub(in crate::relax) fn thinned(&self, factor: u64, room: i64) -> Self {
        let mixed = |row: usize| (row as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40;
        let stays = |row: usize, group: u32| group < Self::ABSENT && mixed(row).is_multiple_of(factor);
        let of_row = self.of_row.iter().enumerate();
        let of_row = of_row.map(|(row, &group)| if stays(row, group) { group } else { Self::ABSENT }).collect();
        let share = |group: &Group| Group {
            min: if group.min > 0 { group.min / factor as i64 } else { -1 },
            max: if group.max > self.groups[ROOT].max {
                room + 1
            } else {
                (group.max + factor as i64 - 1) / factor as i64
            },
            ..group.clone()
        };
        let mut groups: Vec<Group> = self.groups.iter().map(share).collect();
        (groups[ROOT].min, groups[ROOT].max) = (room, room);
        Self { groups, of_row, crossing: Vec::new() }
    }

    /// A group of which the limits cannot be met with those of groups inside, and these groups after it.
    pub(in crate::relax) fn conflict(&self) -> Option<Vec<usize>> {
        let mut ranges: Vec<(i64, i64)> = vec![(0, 0); self.groups.len()];
        self.of_row.iter().filter(|group| **group < Self::ABSENT).for_each(|&group| ranges[group as usize].1 += 1);
        for at in self.outside_in().into_iter().rev() {
            let Group { parent, min, max, .. } = self.groups[at];
            let (least, most) = ranges[at];
            let (least, most) = (least.max(min), most.min(max));
            if least > most {
                return Some(self.blamed(at, &ranges));
            }
            if at != ROOT {
                ranges[parent].0 += least;
                ranges[parent].1 += most;
            }
        }
        None
    }

    /// This group, and the groups inside whose lower ends add up to more than it may have, or whose upper ends to less than it
    /// must; `ranges` are what the groups inside of each allow, where they are known.
    fn blamed(&self, at: usize, ranges: &[(i64, i64)]) -> Vec<usize> {
        let Group { min, max, .. } = self.groups[at];
        let (too_many, too_few) = (ranges[at].0 > max, ranges[at].1 < min);
        let mut inside = vec![Vec::new(); self.groups.len()];
        (0..self.groups.len()).filter(|&of| of != ROOT).for_each(|of| inside[self.groups[of].parent].push(of));
        let mut blamed = vec![at];
        let mut open = if too_many || too_few { inside[at].clone() } else { Vec::new() };
        while let Some(of) = open.pop() {
            let Group { min, max, .. } = self.groups[of];
            let (least, most) = ranges[of];
            match too_many {
                true if min > least => blamed.push(of),
                false if max < most => blamed.push(of),
                _ => open.extend(&inside[of]),
            }
        }
        blamed[1..].sort_unstable();
        blamed
    }

    /// All groups, each after the one that contains it.
    pub(in crate::relax) fn outside_in(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.groups.len()).collect();
        order.sort_by_key(|&at| self.groups[at].depth);
        order
    }

    /// The groups by the number of those that contain them, the innermost first. Any two of a level are disjoint.
    pub(in crate::relax) fn levels(&self) -> Vec<Vec<usize>> {
        let deepest = self.groups.iter().map(|group| group.depth).max().unwrap_or(0);
        let mut levels = vec![Vec::new(); deepest + 1];
        self.groups.iter().enumerate().for_each(|(at, group)| levels[deepest - group.depth].push(at));
        levels
    }

    /// A group and those that contain it, up to all rows.
    pub(in crate::relax) fn ancestors(&self, group: usize) -> impl Iterator<Item = usize> + '_ {
        std::iter::successors(Some(group), |&at| (at != ROOT).then(|| self.groups[at].parent))
    }
}

/// The groups of a column whose limits can be broken by a choice of `room` rows beside those that must be chosen.
fn candidates(set: &FeasibleSet, column: usize, of_row: &[u32], ranges: &[LimitRange], room: usize) -> Vec<Candidate> {
    let limited = |group: u32| ranges.get(group as usize).is_some_and(|range| *range != LimitRange::default());
    let (mut rows, mut included) = (vec![Vec::new(); ranges.len()], vec![0i64; ranges.len()]);
    for (row, &group) in of_row.iter().enumerate().filter(|(_, group)| limited(**group)) {
        if set.is_included(row) {
            included[group as usize] += 1;
        } else if !set.is_excluded(row) {
            rows[group as usize].push(row as u32);
        }
    }
    let candidate = |(group, rows): (usize, Vec<u32>)| {
        // Numbers of rows are whole, and none exceeds the pool.
        let least = ranges[group].min.map_or(0, |(min, _)| min.ceil() as i64) - included[group];
        let most = ranges[group].max.map_or(i64::MAX, |(max, _)| max.floor() as i64).saturating_sub(included[group]);
        let (min, max) = (if least <= 0 { -1 } else { least }, if most < room as i64 { most } else { room as i64 + 1 });
        let binds = min > 0 || max < rows.len() as i64;
        (binds && limited(group as u32)).then_some(Candidate { place: (column, group), min, max, rows })
    };
    rows.into_iter().enumerate().filter_map(candidate).collect()
}
