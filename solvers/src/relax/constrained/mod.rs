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
pub(super) mod master;
mod network;
mod rounding;
mod rounding_tokens;
mod search;
pub(super) mod sides;
pub(super) mod tokens;

use kantor_theory::FeasibleSet;
use kantor_theory::constraints::{ColumnRanges, listed};

use super::budgeted::candidates::CandidateLists;
use super::budgeted::slots::Slots;
use super::budgeted::{Budgeted, BudgetedOptima, NAME};
use super::conflict;
use crate::PoolScan;
use crate::admission::rows_within;
use crate::task::{SelectError, Task};
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

/// Bytes of a row in the network and its plans, beside its costs.
const OF_ROW: u64 = 128;

/// About how many rows will have their costs known where `rows` are chosen.
fn known(n: usize, m: usize, rows: usize) -> usize {
    n.min(rows.saturating_mul(2).saturating_add(4 * m))
}

/// Bytes that the search keeps: costs as they are shipped, and the closeness they come from.
pub(super) fn bytes(n: usize, m: usize, rows: usize) -> u64 {
    known(n, m, rows) as u64 * (2 * size_of::<f64>() as u64 * m as u64 + OF_ROW)
}

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
    if let Some(conflict) = set.conflict(budget) {
        return Err(SelectError::infeasible(set, budget, conflict));
    }
    match relaxed(task, set, candidates, scanned, budget) {
        // The limits that have prices there are more than it takes.
        Err(error @ (SelectError::Infeasible { .. } | SelectError::NoTokensFound { .. })) => {
            let conflict = conflict::proved(set, budget, task.memory, task.watch)?;
            Err(conflict.map_or(error, |conflict| SelectError::infeasible(set, budget, conflict)))
        }
        found => found,
    }
}

fn relaxed<'a>(
    task: &'a Task<'a>,
    set: &'a FeasibleSet,
    candidates: CandidateLists<'a>,
    scanned: &PoolScan,
    budget: usize,
) -> Result<BudgetedOptima, SelectError> {
    let (n, m) = (task.geometry.pool_len(), task.geometry.query_len());
    let (budget, rows) = (masses_of(set, budget), rows_within(set).unwrap_or(budget));
    let ranges = set.ranges();
    let family = Family::of(set, &ranges, budget);
    let sides = Sides::of(set, &ranges, &family.crossing);
    if let Some(groups) = family.conflict().filter(|_| set.tokens().is_none()) {
        let name = |&group: &usize| {
            let place = family.groups[group].place;
            place.map_or("the number of rows".to_owned(), |(column, of)| format!("`{}`", sides.name(column, Some(of))))
        };
        let conflict = format!("the limits on {} cannot all be met", listed(groups.iter().map(name).collect()));
        return Err(SelectError::Infeasible { budget, conflict });
    }
    let mut slots = Slots::new(candidates, n, m, known(n, m, rows));
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
    if let Some((tokens, lengths)) = set.tokens() {
        let of = tokens::Budget { task, set, tokens, lengths, rows, ranges: &ranges, scanned };
        return tokens::solve(of, budget, &family, (sides, slots), start.as_ref());
    }
    let mut search = Search::new(task, set, (budget, rows), &family, sides, slots);
    let ascent = ascent::ascend(&mut search, start.as_ref())?;
    let rounded = rounding::round(&mut search, &ascent, scanned)?;
    let found = assemble(&search, &ranges, &ascent, rounded);
    Ok(BudgetedOptima { budgets: vec![found], lists: search.slots.candidates.into_longer_lists() })
}

/// What masses add up to: rows, or the fewest tokens, but no fewer than those of rows that must be chosen.
pub(super) fn masses_of(set: &FeasibleSet, budget: usize) -> usize {
    set.tokens().map_or(budget, |(tokens, _)| tokens.min.max(set.included_tokens()) as usize)
}

/// The ranges of the limits, column by column.
type Ranges<'a> = &'a [ColumnRanges<'a>];

fn assemble(search: &Search<'_>, ranges: Ranges<'_>, ascent: &Ascent, rounded: Rounded) -> Budgeted {
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
