//! Which rows still fit a budget in tokens, and limits with it.
//!
//! Beside the rows that it has taken there is a *reserve*: the rows that must be chosen, and short ones that together with those
//! taken reach the lower ends of all limits. A row is admissible if it fits beside both, after those have left the reserve that
//! it makes needless: no upper end is exceeded, and all have at most the tokens of the budget. So what is taken can always be completed to
//! reach every lower end. Rows without tokens have no weight and are not taken unless they must be.
//!
//! Without limits, and with the fewest tokens of [`least_tokens`], the budget is met by whoever asks for all rows in any order,
//! and takes a refusal as final: sums only grow, and as long as they are below the fewest, a row of those that may be chosen
//! fits. Where upper ends close all groups of long rows before that, short rows are exchanged for long ones in the end
//! ([`TokenAdmission::complete`]).
//!
//! Lengths are whole numbers, and their sums are exact in `f64`.

use std::collections::HashMap;

use kantor_theory::FeasibleSet;

use super::limits::{Limits, Tally};
use super::reserve::Reserve;
use super::search;
use crate::task::SelectError;

/// Rows that are tried in the place of one in the end.
const TRIES: usize = 64;

/// Numbers of rows, as shares of what seems right, that are tried where the reserve must be found among all subsets.
const SIZES: [f64; 7] = [1.0, 0.75, 1.33, 0.5, 2.0, 0.25, 4.0];

/// The fewest tokens that are sure to be reached for a budget of `most`, T − L + 1: L is the least number such that the rows of
/// length at most L that may be chosen have `most` tokens or more. `None` if all of them, with these lengths, have fewer.
pub fn least_tokens(lengths: impl Iterator<Item = f64>, most: f64) -> Option<f64> {
    let mut lengths: Vec<f64> = lengths.filter(|&length| length > 0.0).collect();
    lengths.sort_unstable_by(f64::total_cmp);
    let mut sum = 0.0;
    let longest = lengths.into_iter().find(|length| {
        sum += length;
        sum >= most
    })?;
    Some((most - longest + 1.0).max(1.0))
}

/// About how many rows a budget in tokens has room for; `None` if rows are the budget.
pub fn rows_within(set: &FeasibleSet) -> Option<usize> {
    let (budget, lengths) = set.tokens()?;
    let free = || (0..set.pool()).filter(|&row| !set.is_excluded(row));
    let (rows, total) = (free().count(), free().map(|row| lengths[row]).sum::<f64>());
    let share = if total > 0.0 { budget.max / total } else { 1.0 };
    Some(((share * rows as f64).ceil() as usize).clamp(1, rows.max(1)))
}

/// What has become of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// May be taken.
    Open,
    /// In the reserve: must be chosen.
    Kept,
    /// In the reserve for a lower end.
    Reserved,
    /// Taken.
    Taken,
    /// Refused, or must not be chosen.
    Closed,
}

/// The rows taken so far within a budget in tokens, and the reserve.
#[derive(Clone)]
pub struct TokenAdmission<'a> {
    set: &'a FeasibleSet,
    lengths: &'a [f64],
    limits: Limits<'a>,
    /// Of the rows taken and the reserve.
    tally: Tally,
    places: Vec<Place>,
    reserve: Reserve,
    /// Rows that must be chosen and were not taken yet.
    missing: usize,
    /// Tokens of the rows taken and of the reserve.
    used: f64,
    least: f64,
    most: f64,
}

impl<'a> TokenAdmission<'a> {
    /// Nothing is taken yet; `None` if the budget is not in tokens.
    ///
    /// # Errors
    /// If no subset obeys the limits, or none is found.
    pub fn new(set: &'a FeasibleSet) -> Result<Option<Self>, SelectError> {
        let Some((budget, lengths)) = set.tokens() else { return Ok(None) };
        if let Some(conflict) = set.conflict(budget.max as usize) {
            return Err(SelectError::infeasible(set, budget.max as usize, conflict));
        }
        let place = |row: usize| match () {
            () if set.is_included(row) => Place::Kept,
            () if set.is_excluded(row) || lengths[row] == 0.0 => Place::Closed,
            () => Place::Open,
        };
        let limits = Limits::new(set, set.pool());
        let (tally, reserve, places) =
            (Tally::new(&limits), Reserve::new(&limits), (0..set.pool()).map(place).collect());
        let (missing, used, least, most) = (set.included(), 0.0, budget.min, budget.max);
        let mut this = Self { set, lengths, limits, tally, places, reserve, missing, used, least, most };
        (0..set.pool()).filter(|&row| set.is_included(row)).for_each(|row| this.count(row));
        if !this.limits.is_empty() {
            this.fill_reserve()?;
        }
        Ok(Some(this))
    }

    fn count(&mut self, row: usize) {
        self.tally.add(&self.limits, row);
        self.used += self.lengths[row];
    }

    fn discount(&mut self, row: usize) {
        self.tally.remove(&self.limits, row);
        self.used -= self.lengths[row];
    }

    fn put_aside(&mut self, row: usize) {
        self.count(row);
        self.places[row] = Place::Reserved;
        self.reserve.insert(&self.limits, row, self.lengths[row]);
    }

    /// Puts aside what lower ends need: short rows first, of these such as serve several ends.
    fn fill_reserve(&mut self) -> Result<(), SelectError> {
        let budget = self.most as usize;
        let start = self.clone();
        let mut order: Vec<usize> = (0..self.places.len()).filter(|&row| self.places[row] == Place::Open).collect();
        order.sort_by(|&a, &b| self.lengths[a].total_cmp(&self.lengths[b]).then(a.cmp(&b)));
        let most = order.iter().map(|&row| self.tally.lacks(&self.limits, row)).max().unwrap_or(0);
        for needed in (1..=most).rev() {
            for &row in &order {
                if self.places[row] == Place::Open && self.tally.lacks(&self.limits, row) >= needed {
                    self.put_aside(row);
                    if self.tally.exceeds(&self.limits, row) {
                        self.take_back(row);
                        self.places[row] = Place::Open;
                    }
                }
            }
        }
        if self.tally.suffices(&self.limits) {
            self.drop_spare();
            if self.used <= self.most {
                return Ok(());
            }
        }
        let (guess, included) = (rows_within(self.set).unwrap_or(1) as f64, self.set.included().max(1));
        let mut fault = None;
        for size in SIZES.map(|share| (guess * share) as usize) {
            let size = size.clamp(included, (included + order.len()).max(included));
            match search::completion(self.set, &Limits::within_tokens(self.set, size), size) {
                Ok((rows, _)) => {
                    *self = start;
                    rows.into_iter().filter(|&row| !self.set.is_included(row)).for_each(|row| self.put_aside(row));
                    return Ok(());
                }
                // Another number of rows may do.
                Err(SelectError::NoneFound { broken: why, .. } | SelectError::Infeasible { conflict: why, .. }) => {
                    fault = fault.or(Some(why));
                }
                Err(other) => return Err(other),
            }
        }
        Err(SelectError::NoTokensFound { budget, broken: fault.unwrap_or_default() })
    }

    fn take_back(&mut self, row: usize) {
        self.discount(row);
        self.reserve.remove(&self.limits, row, self.lengths[row]);
    }

    /// Lets rows go that the reserve does without; returns them.
    fn drop_spare(&mut self) -> Vec<usize> {
        let mut dropped = Vec::new();
        while let Some(row) = self.reserve.spare(&self.limits, &self.tally) {
            self.take_back(row);
            self.places[row] = Place::Open;
            dropped.push(row);
        }
        dropped
    }

    /// Takes this row, if it is admissible.
    pub fn take(&mut self, row: usize) -> bool {
        let taken = match self.places[row] {
            Place::Kept => {
                self.missing -= 1;
                true
            }
            Place::Reserved => {
                self.reserve.remove(&self.limits, row, self.lengths[row]);
                true
            }
            Place::Open => self.enters(row),
            Place::Taken => return false,
            Place::Closed => false,
        };
        self.places[row] = if taken { Place::Taken } else { Place::Closed };
        taken
    }

    fn enters(&mut self, row: usize) -> bool {
        self.count(row);
        let dropped = self.drop_spare();
        let fits = self.used <= self.most && !self.tally.exceeds(&self.limits, row);
        if !fits {
            self.discount(row);
            dropped.into_iter().for_each(|row| self.put_aside(row));
        }
        fits
    }

    /// Whether no row is needed but those of the reserve.
    pub fn is_settled(&self) -> bool {
        self.used >= self.least
    }

    /// Whether the rows taken meet the budget and all limits.
    pub fn is_met(&self) -> bool {
        self.is_settled() && self.missing == 0 && self.reserve.is_empty()
    }

    /// Tokens taken so far, as a share of the budget.
    pub(crate) fn share(&self) -> f64 {
        self.used / self.most
    }

    /// The rows of the reserve, ascending.
    pub fn reserved(&self) -> impl Iterator<Item = usize> {
        (0..self.places.len()).filter(|&row| matches!(self.places[row], Place::Kept | Place::Reserved))
    }

    /// Takes the rows of an order, then any others, as far as they are admissible, until the budget and all limits are met.
    ///
    /// # Errors
    /// If no exchange meets them in the end ([`TokenAdmission::complete`]).
    pub fn fill(mut self, order: impl Iterator<Item = usize>) -> Result<Vec<usize>, SelectError> {
        let mut taken = Vec::new();
        for row in order.chain(0..self.places.len()) {
            if self.is_met() {
                return Ok(taken);
            }
            if self.take(row) {
                taken.push(row);
            }
        }
        if self.is_met() { Ok(taken) } else { self.complete(taken) }
    }

    /// Brings the rows taken, once all were asked for, to the fewest tokens: by the first of these rows that fit after all, and
    /// by longer rows in the place of the last ones. Rows that come in stand last.
    ///
    /// # Errors
    /// If that does not reach them.
    pub fn complete(mut self, mut rows: Vec<usize>) -> Result<Vec<usize>, SelectError> {
        for row in self.reserved().collect::<Vec<_>>() {
            self.take(row);
            rows.push(row);
        }
        let may_enter = |this: &Self, row: usize| {
            this.places[row] != Place::Taken && !this.set.is_excluded(row) && this.lengths[row] > 0.0
        };
        let mut others: Vec<usize> = (0..self.places.len()).filter(|&row| may_enter(&self, row)).collect();
        others.sort_by(|&a, &b| self.lengths[b].total_cmp(&self.lengths[a]).then(a.cmp(&b)));
        for &row in &others {
            if self.is_met() {
                return Ok(rows);
            }
            if self.enters(row) {
                self.places[row] = Place::Taken;
                rows.push(row);
            }
        }
        // Those of the same groups first, the longest first.
        let mut same: HashMap<Vec<u32>, Vec<usize>> = HashMap::new();
        others.iter().for_each(|&row| same.entry(self.groups(row)).or_default().push(row));
        for alike in [true, false] {
            let mut at = rows.len();
            while at > 0 && !self.is_met() {
                at -= 1;
                let old = rows[at];
                if self.set.is_included(old) {
                    continue;
                }
                let list = if alike { same.get(&self.groups(old)) } else { Some(&others) };
                let room = self.most - self.used + self.lengths[old];
                let list = list.map_or(&[][..], Vec::as_slice);
                let first = list.partition_point(|&new| self.lengths[new] > room);
                let longer = list[first..].iter().take_while(|&&new| self.lengths[new] > self.lengths[old]);
                let fits =
                    |new: &&usize| may_enter(&self, **new) && self.tally.keeps(&self.limits, Some(old), Some(**new));
                if let Some(&new) = longer.take(TRIES).find(fits) {
                    self.discount(old);
                    self.count(new);
                    (self.places[old], self.places[new]) = (Place::Open, Place::Taken);
                    rows.remove(at);
                    rows.push(new);
                }
            }
        }
        if self.is_met() {
            return Ok(rows);
        }
        let Self { used, least, most, .. } = self;
        let broken = format!("the rows have {used} tokens where at least {least} are asked for");
        Err(SelectError::NoTokensFound { budget: most as usize, broken })
    }

    fn groups(&self, row: usize) -> Vec<u32> {
        self.limits.groups.iter().map(|column| column.of_row[row]).collect()
    }
}
