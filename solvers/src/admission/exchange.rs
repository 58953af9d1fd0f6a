//! The rows of a completion that may still be exchanged, ordered so that the one to leave for a row is found by looking at
//! groups, not at rows.
//!
//! A row may come in if, in every column where its group is full, the row that leaves is of the same group, and in every
//! other one the group that is left keeps enough rows. So rows are held by the groups of every column, and of every pair
//! of columns, that can be full; there by *class*, their groups in the columns that have minima; and in a class by weight.
//!
//! Memory: c(c + 1)/2 + 1 entries a row for c columns that have maxima.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::limits::{Limits, NONE, Tally};

/// Rows of one class that are looked at when several sums must fit.
const TRIES: usize = 64;

/// Columns that are full, at most two of them, and the groups there.
type Place = [(u32, u32); 2];

/// No column.
const ANY: (u32, u32) = (u32::MAX, NONE);

/// A weight as bits of the same order, and the row.
type Entry = (u64, usize);

#[derive(Clone)]
pub(super) struct Exchange {
    places: HashMap<Place, BTreeMap<u32, BTreeSet<Entry>>>,
    /// The columns that have maxima, and those that have minima.
    capped: Vec<usize>,
    floored: Vec<usize>,
    /// The groups of every class in the columns that have minima.
    classes: Vec<Vec<u32>>,
    class_of: HashMap<Vec<u32>, u32>,
    len: usize,
}

impl Exchange {
    pub(super) fn new(limits: &Limits<'_>) -> Self {
        let columns = |has: &dyn Fn(usize) -> bool| (0..limits.groups.len()).filter(|&at| has(at)).collect();
        Self {
            places: HashMap::new(),
            capped: columns(&|at| limits.groups[at].high.iter().any(|&high| high < usize::MAX)),
            floored: columns(&|at| limits.groups[at].low.iter().any(|&low| low > 0)),
            classes: Vec::new(),
            class_of: HashMap::new(),
            len: 0,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(super) fn insert(&mut self, limits: &Limits<'_>, row: usize) {
        let class = self.class(limits, row);
        for place in self.places_of(limits, row) {
            self.places.entry(place).or_default().entry(class).or_default().insert(entry(limits, row));
        }
        self.len += 1;
    }

    pub(super) fn remove(&mut self, limits: &Limits<'_>, row: usize) {
        let class = self.class(limits, row);
        for place in self.places_of(limits, row) {
            let Some(classes) = self.places.get_mut(&place) else { continue };
            if let Some(rows) = classes.get_mut(&class) {
                rows.remove(&entry(limits, row));
                if rows.is_empty() {
                    classes.remove(&class);
                }
            }
            if classes.is_empty() {
                self.places.remove(&place);
            }
        }
        self.len -= 1;
    }

    /// The row of greatest weight among those that may leave for `new`.
    pub(super) fn partner(&self, limits: &Limits<'_>, tally: &Tally, new: usize) -> Option<usize> {
        let mut full: Vec<usize> = Vec::with_capacity(self.capped.len());
        full.extend(self.capped.iter().filter(|&&at| tally.full(limits, at, limits.groups[at].of_row[new])));
        // Those with the fewest rows.
        full.sort_by_key(|&at| limits.groups[at].high[limits.groups[at].of_row[new] as usize]);
        let group = |at: &usize| (*at as u32, limits.groups[*at].of_row[new]);
        let mut place = [full.first().map_or(ANY, group), full.get(1).map_or(ANY, group)];
        place.sort_unstable();
        let mut best: Option<Entry> = None;
        for (class, rows) in self.places.get(&place)? {
            if !self.may_leave(limits, tally, *class, new) {
                continue;
            }
            let mut tries = TRIES;
            for &entry in rows.range(..=(ordered(tally.heaviest(limits, new)), usize::MAX)).rev() {
                if best.is_some_and(|best| best >= entry) {
                    break;
                }
                if !tally.groups_allow(limits, Some(entry.1), Some(new)) {
                    continue;
                }
                if tally.sums_after(limits, Some(entry.1), Some(new)) == 0.0 {
                    best = Some(entry);
                    break;
                }
                tries -= 1;
                if tries == 0 {
                    break;
                }
            }
            if limits.sums.is_empty() && best.is_some() {
                break;
            }
        }
        best.map(|(_, row)| row)
    }

    fn may_leave(&self, limits: &Limits<'_>, tally: &Tally, class: u32, new: usize) -> bool {
        self.floored
            .iter()
            .zip(&self.classes[class as usize])
            .all(|(&at, &group)| group == limits.groups[at].of_row[new] || !tally.bare(limits, at, group))
    }

    fn class(&mut self, limits: &Limits<'_>, row: usize) -> u32 {
        let has_minimum = |group: u32, low: &[usize]| low.get(group as usize).is_some_and(|&low| low > 0);
        let groups = self.floored.iter().map(|&at| {
            let column = &limits.groups[at];
            Some(column.of_row[row]).filter(|&group| has_minimum(group, &column.low)).unwrap_or(NONE)
        });
        let groups: Vec<u32> = groups.collect();
        if let Some(&class) = self.class_of.get(&groups) {
            return class;
        }
        let class = self.classes.len() as u32;
        self.classes.push(groups.clone());
        self.class_of.insert(groups, class);
        class
    }

    fn places_of(&self, limits: &Limits<'_>, row: usize) -> Vec<Place> {
        let group = |&at: &usize| (at as u32, limits.groups[at].of_row[row]);
        let groups: Vec<(u32, u32)> = self.capped.iter().map(group).filter(|(_, group)| *group != NONE).collect();
        let mut places = vec![[ANY; 2]];
        for (at, &first) in groups.iter().enumerate() {
            places.push([first, ANY]);
            places.extend(groups[at + 1..].iter().map(|&second| [first, second]));
        }
        places
    }
}

fn entry(limits: &Limits<'_>, row: usize) -> Entry {
    (ordered(limits.weight(row)), row)
}

/// Bits in the order of the numbers.
fn ordered(x: f64) -> u64 {
    let bits = x.to_bits();
    if bits >> 63 == 0 { bits | 1 << 63 } else { !bits }
}
