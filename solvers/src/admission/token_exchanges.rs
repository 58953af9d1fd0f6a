//! A subset that obeys limits within a budget in tokens, and the changes of it that keep both: a row that leaves, one that comes
//! in, or one for another.

use kantor_theory::FeasibleSet;

use super::limits::{Limits, Tally};

/// The subset and what it uses.
pub struct TokenExchanges<'a> {
    set: &'a FeasibleSet,
    lengths: &'a [f64],
    limits: Limits<'a>,
    tally: Tally,
    used: f64,
    least: f64,
    most: f64,
}

impl<'a> TokenExchanges<'a> {
    /// Of distinct rows that obey the limits and the budget; `None` if the budget is not in tokens.
    pub fn new(set: &'a FeasibleSet, rows: &[usize]) -> Option<Self> {
        let (budget, lengths) = set.tokens()?;
        let limits = Limits::new(set, set.pool());
        let mut tally = Tally::new(&limits);
        rows.iter().for_each(|&row| tally.add(&limits, row));
        let used = rows.iter().map(|&row| lengths[row]).sum();
        Some(Self { set, lengths, limits, tally, used, least: budget.min, most: budget.max })
    }

    /// Whether this row of the subset may leave, whatever comes.
    pub fn may_leave(&self, row: usize) -> bool {
        !self.set.is_included(row)
    }

    /// Whether this row outside the subset may come in, whatever leaves.
    pub fn may_enter(&self, row: usize) -> bool {
        !self.set.is_excluded(row) && self.lengths[row] > 0.0
    }

    /// Tokens of the subset.
    pub fn used(&self) -> f64 {
        self.used
    }

    /// Tokens with `new`, which may enter, in the place of `old`, which may leave; either may be missing. `None` if the budget or a
    /// limit does not allow that.
    pub fn after(&self, old: Option<usize>, new: Option<usize>) -> Option<f64> {
        let length = |row: Option<usize>| row.map_or(0.0, |row| self.lengths[row]);
        let after = self.used - length(old) + length(new);
        let within = (self.least..=self.most).contains(&after);
        (within && self.tally.keeps(&self.limits, old, new)).then_some(after)
    }

    /// Puts `new` in the place of `old`.
    pub fn exchange(&mut self, old: Option<usize>, new: Option<usize>) {
        if let Some(old) = old {
            self.tally.remove(&self.limits, old);
            self.used -= self.lengths[old];
        }
        if let Some(new) = new {
            self.tally.add(&self.limits, new);
            self.used += self.lengths[new];
        }
    }
}
