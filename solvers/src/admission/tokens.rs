//! Which rows still fit a budget in tokens.
//!
//! A row is admissible if its tokens fit beside those of the rows taken and of those that must be chosen. Rows without tokens have
//! no weight and are not taken unless they must be. With the fewest tokens of [`least_tokens`] the budget is met by whoever asks
//! for all rows in any order, and takes a refusal as final: sums only grow, and as long as they are below the fewest, a row of those
//! that may be chosen fits.
//!
//! Lengths are whole numbers, and their sums are exact in `f64`.

use kantor_theory::FeasibleSet;

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

/// The rows taken so far within a budget in tokens.
#[derive(Clone)]
pub struct TokenAdmission<'a> {
    lengths: &'a [f64],
    /// Whether a row may still be taken.
    open: Vec<bool>,
    /// Rows that must be chosen and were not taken yet.
    kept: Vec<bool>,
    missing: usize,
    /// Tokens of the rows taken, and of those that are missing.
    used: f64,
    least: f64,
    most: f64,
}

impl<'a> TokenAdmission<'a> {
    /// Nothing is taken yet; `None` if the budget is not in tokens.
    pub fn new(set: &'a FeasibleSet) -> Option<Self> {
        let (budget, lengths) = set.tokens()?;
        let rows = 0..set.pool();
        let kept: Vec<bool> = rows.clone().map(|row| set.is_included(row)).collect();
        let open = rows.clone().map(|row| !set.is_excluded(row) && (kept[row] || lengths[row] > 0.0)).collect();
        let used = rows.filter(|&row| kept[row]).map(|row| lengths[row]).sum();
        let missing = set.included();
        Some(Self { lengths, open, kept, missing, used, least: budget.min, most: budget.max })
    }

    /// Takes this row, if it is admissible.
    pub fn take(&mut self, row: usize) -> bool {
        if !std::mem::take(&mut self.open[row]) {
            return false;
        }
        if std::mem::take(&mut self.kept[row]) {
            self.missing -= 1;
            return true;
        }
        let fits = self.used + self.lengths[row] <= self.most;
        if fits {
            self.used += self.lengths[row];
        }
        fits
    }

    /// Whether no row is needed but those that must be chosen.
    pub fn is_settled(&self) -> bool {
        self.used >= self.least
    }

    /// Whether the rows taken meet the budget.
    pub fn is_met(&self) -> bool {
        self.is_settled() && self.missing == 0
    }

    /// Tokens taken so far, as a share of the budget.
    pub(crate) fn share(&self) -> f64 {
        self.used / self.most
    }
}
