//! Which rows may still be chosen: one rule by which every selector obeys constraints.
//!
//! A selector takes rows one after the other. Beside the rows S that it has taken there is a *completion*: a subset F ⊇ S of
//! the budget's size that obeys the constraints, found before the first is taken. A row i is *admissible* if it is in F, or if
//! it can stand in F in the place of a row that has not been taken: F − j + i, j ∈ F∖S, obeys the constraints too. Taking it
//! makes that the completion. So whatever is asked for and taken, S can be completed: by F.
//!
//! With limits on the labels of one column, or of columns that refine one another, the subsets of the budget's size that
//! obey them are the bases of a matroid. Then the rule is exact: if S + i is in some basis B, then F + i holds only one
//! circuit, which is not within S + i, so that a row j of it outside S can leave. A row that has been refused stays
//! inadmissible, since S only grows. With columns that cross and with sums the rule is sufficient: what it refuses might be
//! completed by more than one exchange. Those who ask take a refusal as final.
//!
//! Cost: a question takes O(log k) for every group with a minimum; see `exchange` for the memory. Beyond two columns that are
//! full at once, and with several sums, some rows of those groups are looked at one by one.

mod exchange;
mod limits;
mod reserve;
mod search;
mod token_exchanges;
mod tokens;

use kantor_theory::FeasibleSet;

use crate::task::SelectError;
use exchange::Exchange;
use limits::{Limits, Tally};
pub use token_exchanges::TokenExchanges;
pub use tokens::{TokenAdmission, least_tokens, rows_within};

/// What has become of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Not in the completion; may come in.
    Outside,
    /// In the completion; may leave it.
    Exchangeable,
    /// In the completion, to stay: it must be chosen.
    Kept,
    /// Chosen.
    Taken,
    /// Must not be chosen.
    Excluded,
}

/// The rows taken so far and how they are completed.
#[derive(Clone)]
pub struct Admission<'a> {
    limits: Limits<'a>,
    /// Of the completion.
    tally: Tally,
    places: Vec<Place>,
    exchange: Exchange,
    left: usize,
}

impl<'a> Admission<'a> {
    /// Finds a completion of `budget` rows; nothing is taken yet.
    ///
    /// # Errors
    /// If there is none, or none is found.
    pub fn new(set: &'a FeasibleSet, budget: usize) -> Result<Self, SelectError> {
        let limits = Limits::new(set, budget);
        let (completion, tally) = search::completion(set, &limits, budget)?;
        let place = |row: usize| if set.is_excluded(row) { Place::Excluded } else { Place::Outside };
        let mut places: Vec<Place> = (0..set.pool()).map(place).collect();
        let mut exchange = Exchange::new(&limits);
        for &row in &completion {
            places[row] = if set.is_included(row) { Place::Kept } else { Place::Exchangeable };
            if !set.is_included(row) {
                exchange.insert(&limits, row);
            }
        }
        Ok(Self { limits, tally, places, exchange, left: budget })
    }

    /// Whether this row may be taken next.
    pub fn admits(&self, row: usize) -> bool {
        match self.places[row] {
            Place::Exchangeable | Place::Kept => true,
            Place::Outside => self.exchange.partner(&self.limits, &self.tally, row).is_some(),
            Place::Taken | Place::Excluded => false,
        }
    }

    /// Takes this row, if it is admissible.
    pub fn take(&mut self, row: usize) -> bool {
        match self.places[row] {
            Place::Kept => {}
            Place::Exchangeable => self.exchange.remove(&self.limits, row),
            Place::Outside => {
                let Some(leaves) = self.exchange.partner(&self.limits, &self.tally, row) else { return false };
                self.exchange.remove(&self.limits, leaves);
                self.tally.remove(&self.limits, leaves);
                self.tally.add(&self.limits, row);
                self.places[leaves] = Place::Outside;
            }
            Place::Taken | Place::Excluded => return false,
        }
        self.places[row] = Place::Taken;
        self.left -= 1;
        true
    }

    /// Rows still to be taken.
    pub fn left(&self) -> usize {
        self.left
    }

    /// Whether no row outside the completion is admissible any more.
    pub fn is_settled(&self) -> bool {
        self.exchange.is_empty()
    }

    /// The rows of the completion that are not taken, ascending.
    pub fn completion(&self) -> impl Iterator<Item = usize> {
        let in_it = |place: &Place| matches!(place, Place::Exchangeable | Place::Kept);
        (0..self.places.len()).filter(move |&row| in_it(&self.places[row]))
    }
}

/// A subset that obeys constraints, and the exchanges that keep them.
pub struct Exchanges<'a> {
    limits: Limits<'a>,
    tally: Tally,
    set: &'a FeasibleSet,
}

impl<'a> Exchanges<'a> {
    /// Of distinct rows that obey the constraints.
    pub fn new(set: &'a FeasibleSet, rows: &[usize]) -> Self {
        let limits = Limits::new(set, rows.len());
        let mut tally = Tally::new(&limits);
        rows.iter().for_each(|&row| tally.add(&limits, row));
        Self { limits, tally, set }
    }

    /// Whether this row of the subset may leave, whatever comes.
    pub fn may_leave(&self, row: usize) -> bool {
        !self.set.is_included(row)
    }

    /// Whether this row outside the subset may come in, whatever leaves.
    pub fn may_enter(&self, row: usize) -> bool {
        !self.set.is_excluded(row)
    }

    /// Whether `new`, which may enter, may stand in the place of `old`, which may leave.
    pub fn allows(&self, old: usize, new: usize) -> bool {
        self.tally.keeps(&self.limits, Some(old), Some(new))
    }

    /// Puts `new` in the place of `old`.
    pub fn exchange(&mut self, old: usize, new: usize) {
        self.tally.remove(&self.limits, old);
        self.tally.add(&self.limits, new);
    }
}
