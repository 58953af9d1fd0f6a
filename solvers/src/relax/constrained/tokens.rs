//! One budget in tokens: a choice may have any number of them from the fewest to the most, and the relaxed problem has one.
//!
//! It is solved at the fewest. Where limits ask for more than these allow, it is solved at the tokens of some choice that obeys them.
//! Where its duals prove less of choices of other numbers of tokens than of those of this one, it is solved at the most too, and
//! the better of each is kept: the choice, and the bound.

use kantor_theory::{FeasibleSet, TokenBudget};

use super::ascent::{Ascent, ascend};
use super::family::Family;
use super::search::{Search, Start};
use super::sides::Sides;
use super::{CLOSED, Ranges, assemble, rounding_tokens};
use crate::PoolScan;
use crate::admission::TokenAdmission;
use crate::relax::budgeted::demand::Demands;
use crate::relax::budgeted::slots::Slots;
use crate::relax::budgeted::{Budgeted, BudgetedOptima, TOO_LARGE};
use crate::task::{SelectError, Task};
use crate::weights::shares;

/// The largest mass of all rows, in units.
const LARGEST: f64 = (1u64 << 62) as f64;

/// What is the same at any number of tokens.
#[derive(Clone, Copy)]
pub(super) struct Budget<'a> {
    pub(super) task: &'a Task<'a>,
    pub(super) set: &'a FeasibleSet,
    pub(super) tokens: &'a TokenBudget,
    /// Tokens of the rows.
    pub(super) lengths: &'a [f64],
    /// About how many rows the budget has room for.
    pub(super) rows: usize,
    pub(super) ranges: Ranges<'a>,
    pub(super) scanned: &'a PoolScan,
}

/// Solves for `fewest` tokens or more, which `family` is of; the duals `start` are near to the best.
///
/// # Errors
/// If no subset that obeys the limits is found, memory does not suffice, or the observer asks to stop.
pub(super) fn solve<'a>(
    budget: Budget<'a>,
    fewest: usize,
    family: &'a Family,
    (sides, slots): (Sides<'a>, Slots<'a>),
    start: Option<&Start>,
) -> Result<BudgetedOptima, SelectError> {
    let Budget { task, tokens, rows, .. } = budget;
    let more;
    budget.check(fewest)?;
    let mut search = Search::new(task, budget.set, (fewest, rows), family, sides, slots);
    let (mut search, ascent, total) = match ascend(&mut search, start) {
        Err(conflict @ SelectError::NoTokensFound { .. }) => {
            let total = match budget.tokens_of_some() {
                Err(SelectError::NoTokensFound { .. }) => return Err(conflict),
                total => total?,
            };
            budget.check(total)?;
            more = family.of_more(total.saturating_sub(fewest));
            let mut search = Search::new(task, budget.set, (total, rows), &more, search.sides.clone(), search.slots);
            let ascent = ascend(&mut search, None)?;
            (search, ascent, total)
        }
        ascent => (search, ascent?, fewest),
    };
    let mut found = budget.rounded(&mut search, &ascent)?;
    let whole = found.lp_value;
    found.lp_value = proved(budget.earned(&found), &found, total, (tokens.min, tokens.max));
    let most = tokens.max as usize;
    if found.lp_value >= whole - CLOSED * whole.abs() || most == total || budget.check(most).is_err() {
        return Ok(BudgetedOptima { budgets: vec![found], lists: search.slots.candidates.into_longer_lists() });
    }
    let start = search.duals(&ascent.points[ascent.best]);
    let family = family.of_more(most - fewest);
    let mut search = Search::new(task, budget.set, (most, rows), &family, search.sides.clone(), search.slots);
    let solved = ascend(&mut search, Some(&start)).and_then(|ascent| budget.rounded(&mut search, &ascent));
    match solved {
        Ok(mut other) => {
            other.lp_value = proved(budget.earned(&other), &other, most, (tokens.min, tokens.max));
            found.take_better(other);
        }
        Err(stopped @ SelectError::Stopped(_)) => return Err(stopped),
        // There is a choice and a bound already.
        Err(_) => {}
    }
    Ok(BudgetedOptima { budgets: vec![found], lists: search.slots.candidates.into_longer_lists() })
}

impl Budget<'_> {
    /// Fails if the tokens of all rows are too many to be counted in the units of so many.
    fn check(&self, total: usize) -> Result<(), SelectError> {
        let rows = self.lengths.iter().enumerate().filter(|(row, _)| !self.set.is_excluded(*row));
        let available: f64 = rows.map(|(_, length)| length).sum();
        let unit = Demands::new(total, self.task.geometry.query_len(), self.task.weights).unit;
        if available.max(total as f64) * unit as f64 > LARGEST { Err(TOO_LARGE) } else { Ok(()) }
    }

    fn rounded(&self, search: &mut Search<'_>, ascent: &Ascent) -> Result<Budgeted, SelectError> {
        let rounded = rounding_tokens::round(search, self.lengths, ascent, self.scanned)?;
        Ok(assemble(search, self.ranges, ascent, rounded))
    }

    /// The tokens of some choice that obeys all limits.
    fn tokens_of_some(&self) -> Result<usize, SelectError> {
        let rows = TokenAdmission::new(self.set)?.ok_or(TOO_LARGE)?.complete(Vec::new())?;
        Ok(rows.iter().map(|&row| self.lengths[row] as usize).sum())
    }

    /// The mean of the potentials.
    fn earned(&self, found: &Budgeted) -> f64 {
        let shares = shares(self.task.weights, found.potentials.len());
        shares.iter().zip(&found.potentials).map(|(b, g)| b * g).sum()
    }
}

/// What the duals found at `total` tokens, of potentials of this mean, prove of any number from `min` to `max`: the relaxed value,
/// but for what rows cost beyond their price σ = 0, which is spread over as many tokens as makes it count most (T17 b).
pub(in crate::relax) fn proved(mean: f64, found: &Budgeted, total: usize, (min, max): (f64, f64)) -> f64 {
    let spent = total as f64 * (mean - found.lp_value);
    mean - (spent / min).max(spent / max)
}
