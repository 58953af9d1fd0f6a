//! The best subset under constraints: transport from rows to queries of which at most 1/k comes from a row, as without them, and
//! limits on which rows may be chosen.
//!
//! - Nested groups with limits make no difference to the kind of problem: transport with a few more columns, of which the
//!   optimum is a subset if M divides k (modules `family` and `network`).
//! - All other limits have prices, which are raised until the mixture of the solutions obeys them (`sides`, `ascent`, `master`).
//! - The rows are those of the lists and any others that the potentials cannot rule out (`search`).
//! - What rows are worth by themselves makes other costs, c − w·s, of the same problem; without limits too.
//! - A subset is made of these solutions, and improved by exchanges (`rounding`).
//! - Where tokens are the budget, mass is counted in these: a row gives at most as much as it is long, and every limit has a price, as
//!   it counts rows.
//!
//! Potentials and prices prove the bound for all subsets by T15. Nothing depends on what was found here being right.

mod ascent;
pub(super) mod family;
mod first;
mod guess;
pub(super) mod linear;
mod master;
mod network;
mod rounding;
mod rounding_tokens;
mod search;
pub(super) mod sides;

use kantor_theory::constraints::ColumnRanges;
use kantor_theory::{FeasibleSet, TokenBudget};

use super::budgeted::candidates::CandidateLists;
use super::budgeted::slots::Slots;
use super::budgeted::{Budgeted, BudgetedOptima, NAME, TOO_LARGE};
use crate::PoolScan;
use crate::admission::{TokenAdmission, rows_within};
use crate::task::{SelectError, Task};
use crate::weights::shares;
use ascent::Ascent;
use family::{Family, ROOT};
use rounding::Rounded;
use search::Search;
use sides::Sides;

/// A gap between subset and bound that is not worth another search, as a share.
const CLOSED: f64 = 5e-5;

/// The sample holds one of this many rows.
const THINNING: u64 = 8;

/// Rows of the sample to be chosen per query below which no sample is taken.
const COARSEST: i64 = 2;

/// Solves for one budget, in tokens if `set` has one, with the front of the lists of the pass over the pool, `scanned`.
///
/// # Errors
/// If limits are in conflict or no subset that obeys them is found, memory does not suffice, or the observer asks to stop.
pub(super) fn solve<'a>(
    task: &'a Task<'a>,
    set: &'a FeasibleSet,
    candidates: CandidateLists<'a>,
    scanned: &PoolScan,
    budget: usize,
) -> Result<BudgetedOptima, SelectError> {
    let (n, m) = (task.geometry.pool_len(), task.geometry.query_len());
    if let Some(conflict) = set.conflict(budget) {
        return Err(match set.tokens() {
            None => SelectError::Infeasible { budget, conflict },
            Some(_) => SelectError::InfeasibleTokens { budget, conflict },
        });
    }
    let (budget, rows) = (masses_of(set, budget), rows_within(set).unwrap_or(budget));
    let ranges = set.ranges();
    let family = Family::of(set, &ranges, budget);
    let sides = Sides::of(set, &ranges, &family.crossing);
    if let Some(groups) = family.conflict().filter(|_| set.tokens().is_none()) {
        let name = |&group: &usize| {
            let place = family.groups[group].place;
            place.map_or("the number of rows".to_owned(), |(column, of)| format!("`{}`", sides.name(column, Some(of))))
        };
        let mut names: Vec<String> = groups.iter().take(ascent::LISTED).map(name).collect();
        if groups.len() > names.len() {
            names.push(format!("{} others", groups.len() - names.len()));
        }
        let conflict = format!("the limits on {} cannot all be met", names.join(", "));
        return Err(SelectError::Infeasible { budget, conflict });
    }
    let mut slots = Slots::new(candidates, n, m, n.min(2 * rows + 4 * m));
    task.watch.begin("choosing the best subset", 0);
    // The prices of a sample of the rows are near those of all.
    let (room, mut start) = (family.groups[ROOT].max / THINNING as i64, None);
    let thin = family.thinned(THINNING, room);
    let thinned = rows as i64 / THINNING as i64;
    let is_large = if set.tokens().is_some() { room.min(thinned) } else { room } >= COARSEST * m as i64;
    if is_large && (set.tokens().is_some() || thin.conflict().is_none()) {
        let sizes =
            if set.tokens().is_some() { (room as usize, thinned as usize) } else { (room as usize, room as usize) };
        let mut sample = Search::new(task, set, sizes, &thin, sides.thinned(THINNING as f64), slots);
        start = match ascent::ascend(&mut sample, None) {
            Ok(found) => Some(sample.duals(&found.points[found.best])),
            Err(error @ (SelectError::Stopped(_) | SelectError::Memory { .. })) => return Err(error),
            // What cannot be met by a sample may be met by all rows.
            Err(_) => None,
        };
        slots = sample.slots;
    }
    let mut search = Search::new(task, set, (budget, rows), &family, sides, slots);
    let (fewest, of_some);
    let (mut search, ascent, budget) = match (ascent::ascend(&mut search, start.as_ref()), set.tokens()) {
        // Limits that the fewest tokens are too few for.
        (Err(SelectError::InfeasibleTokens { conflict, .. }), Some((tokens, lengths))) => {
            let total = tokens_of_some(set, lengths)?;
            (fewest, of_some) = (budget, family.of_more(total.saturating_sub(budget)));
            let (sides, slots) = (search.sides.clone(), search.slots);
            let mut search = Search::new(task, set, (total, rows), &of_some, sides, slots);
            let ascent = ascent::ascend(&mut search, None).map_err(|error| match error {
                // There is a choice of so many, so this is due to rounding.
                SelectError::InfeasibleTokens { .. } => {
                    SelectError::NoTokensFound { budget: tokens.max as usize, broken: conflict }
                }
                other => other,
            })?;
            (search, ascent, total)
        }
        (ascent, _) => {
            fewest = budget;
            (search, ascent?, budget)
        }
    };
    let Some((tokens, lengths)) = set.tokens() else {
        let rounded = rounding::round(&mut search, &ascent, scanned)?;
        let found = assemble(&search, &ranges, &ascent, rounded);
        return Ok(BudgetedOptima { budgets: vec![found], lists: search.slots.candidates.into_longer_lists() });
    };
    let rounded = rounding_tokens::round(&mut search, lengths, &ascent, scanned)?;
    let mut found = assemble(&search, &ranges, &ascent, rounded);
    let (whole, most) = (found.lp_value, tokens.max as usize);
    let mut bound = prove(task, tokens, &mut found, budget);
    // Where rows that are dear must be chosen, more tokens than the fewest are cheaper on average.
    if bound < whole && most > budget {
        let start = search.duals(&ascent.points[ascent.best]);
        let (sides, slots) = (search.sides.clone(), search.slots);
        let family = family.of_more(most - fewest);
        let mut search = Search::new(task, set, (most, rows), &family, sides, slots);
        let solved = ascent::ascend(&mut search, Some(&start)).and_then(|ascent| {
            let rounded = rounding_tokens::round(&mut search, lengths, &ascent, scanned)?;
            Ok(assemble(&search, &ranges, &ascent, rounded))
        });
        match solved {
            Ok(mut other) => {
                let raised = prove(task, tokens, &mut other, most);
                if other.value < found.value {
                    (found.rows, found.scores, found.value) = (other.rows, other.scores, other.value);
                }
                if raised > bound {
                    (found.potentials, found.prices, bound) = (other.potentials, other.prices, raised);
                }
            }
            // Limits that so many tokens are too many for.
            Err(SelectError::InfeasibleTokens { .. } | SelectError::NoTokensFound { .. }) => {}
            Err(error) => return Err(error),
        }
        found.lp_value = bound;
        return Ok(BudgetedOptima { budgets: vec![found], lists: search.slots.candidates.into_longer_lists() });
    }
    Ok(BudgetedOptima { budgets: vec![found], lists: search.slots.candidates.into_longer_lists() })
}

/// The tokens of some choice that obeys all limits.
///
/// # Errors
/// If none is found.
fn tokens_of_some(set: &FeasibleSet, lengths: &[f64]) -> Result<usize, SelectError> {
    let admission = TokenAdmission::new(set)?.ok_or(TOO_LARGE)?;
    let rows = admission.complete(Vec::new())?;
    Ok(rows.iter().map(|&row| lengths[row] as usize).sum())
}

/// What the duals found at so many tokens prove of any number from the fewest to the most: the relaxed value, but for what rows
/// cost beyond their price σ = 0, which is spread over as many tokens as makes it count most.
fn prove(task: &Task<'_>, tokens: &TokenBudget, found: &mut Budgeted, total: usize) -> f64 {
    let mean: f64 =
        shares(task.weights, found.potentials.len()).iter().zip(&found.potentials).map(|(b, g)| b * g).sum();
    let spent = total as f64 * (mean - found.lp_value);
    found.lp_value = mean - (spent / tokens.min).max(spent / tokens.max);
    found.lp_value
}

/// What masses add up to: rows, or the fewest tokens, but no fewer than those of rows that must be chosen.
fn masses_of(set: &FeasibleSet, budget: usize) -> usize {
    let Some((tokens, lengths)) = set.tokens() else { return budget };
    let included: f64 = (0..set.pool()).filter(|&row| set.is_included(row)).map(|row| lengths[row]).sum();
    tokens.min.max(included) as usize
}

fn assemble(search: &Search<'_>, ranges: &[ColumnRanges<'_>], ascent: &Ascent, rounded: Rounded) -> Budgeted {
    let Ascent { points, best, .. } = ascent;
    let best = &points[*best];
    let Rounded { slots, value, takers } = rounded;
    let mut order: Vec<usize> = (0..slots.len()).collect();
    let scores: Vec<f64> =
        slots.iter().map(|&slot| search.worth(slot, &best.potentials) - best.thresholds[ROOT]).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]).then(slots[a].cmp(&slots[b])));
    Budgeted {
        budget: search.set.tokens().map_or(search.budget, |(tokens, _)| tokens.max as usize),
        rows: order.iter().map(|&at| search.slots.rows[slots[at] as usize] as usize).collect(),
        scores: order.iter().map(|&at| scores[at]).collect(),
        potentials: best.potentials.iter().map(|g| g - best.thresholds[ROOT]).collect(),
        shares: Vec::new(),
        prices: linear::prices(search.set, ranges, (search.family, &best.thresholds), (&search.sides, &best.prices)),
        lp_value: best.value / search.budget as f64,
        value,
        prefix: false,
        takers: takers.map(|takers| order.iter().map(|&at| takers[at]).collect()),
    }
}
