//! The subset that is closest to the worst of several tasks (T18).
//!
//! Every task has a coupling of its own with the whole subset, and the largest of their costs counts. The relaxation mixes rows:
//! it has one mass x_i ≤ 1/k per row, from which every task is served. Its duals are shares of the tasks, potentials, and prices
//! of limits (`field`, `newton`, `ascent`); they prove the bound. The rows that they value most are taken, as far as limits
//! admit them, and rows near the threshold are exchanged until the distances to the tasks are level (`subset`).
//!
//! Where tokens are the budget, masses are counted in these: the problem is solved at the fewest, and where its duals prove less of
//! other numbers at the most too.
//!
//! Nothing that is proved depends on what was found here being right.

mod ascent;
mod field;
mod newton;
mod subset;

use std::ops::Range;

use kantor_theory::FeasibleSet;
use kantor_theory::constraints::Price;
use rayon::prelude::*;

use super::budgeted::Budgeted;
use super::budgeted::candidates::costs_of;
use super::constrained::family::Family;
use super::constrained::sides::Sides;
use super::constrained::{masses_of, tokens};
use super::swaps::Active;
use crate::PoolScan;
use crate::select::{Constrained, RoundRobin, Selector};
use crate::task::{SelectError, Task};
use crate::watch::Stopped;
use crate::weights::shares;
use ascent::{Ascent, ascend};
use field::{Duals, Field, RowState};

/// Rows whose costs one task of the thread pool evaluates.
const ROWS: usize = 192;

/// A share of the value that is not worth another search.
const CLOSED: f64 = 5e-5;

/// Searches among more and more rows, where not all fit memory.
const ROUNDS: usize = 12;

/// The queries of every task.
pub(super) fn spans(tasks: &[usize]) -> Vec<Range<usize>> {
    let mut end = 0;
    let span = |&count: &usize| {
        end += count;
        end - count..end
    };
    tasks.iter().map(span).collect()
}

/// Solves for one budget, in tokens if the constraints have one.
///
/// # Errors
/// If limits are in conflict, memory does not suffice, a row is bad, or the observer asks to stop.
pub(super) fn solve(
    task: &Task<'_>,
    scanned: &PoolScan,
    budget: usize,
    name: &'static str,
) -> Result<Budgeted, SelectError> {
    let set = task.constraints.filter(|set| !set.constraints().are_none() || set.tokens().is_some());
    let in_tokens = set.and_then(FeasibleSet::tokens);
    let budget = in_tokens.map_or(budget, |(tokens, _)| tokens.max as usize);
    if let Some((set, conflict)) = set.and_then(|set| Some((set, set.conflict(budget)?))) {
        return Err(SelectError::infeasible(set, budget, conflict));
    }
    let m = task.geometry.query_len();
    let prices = if set.is_some() { ascent::MOST } else { 0 };
    task.afford(name, newton::bytes(m + task.tasks.len() + prices))?;
    let turns = match Constrained::new(Box::new(RoundRobin)).select(task, scanned, &[budget]) {
        // Another choice may do.
        Err(SelectError::NoTokensFound { .. }) => Vec::new(),
        turns => turns?.pop().map(|chosen| chosen.rows).unwrap_or_default(),
    };
    let known = Active::of(task, name, scanned, &turns)?;
    let of_task = |span: Range<usize>| shares(task.weights.map(|weights| &weights[span.clone()]), span.len());
    let weights = spans(task.tasks).into_iter().flat_map(of_task).collect();
    let mut search = Search { task, set, budget, weights, turns, name, known, start: None };
    let Some((tokens, lengths)) = in_tokens else { return search.solve(budget) };
    let ends = (tokens.min, tokens.max);
    let (mut total, most) = (set.map_or(budget, |set| masses_of(set, budget)), budget);
    let mut found = search.solve(total)?;
    if found.lp_value > found.value + CLOSED * found.value.abs() {
        // Limits ask for more tokens than the fewest. The choice in hand has as many as they allow.
        total = found.rows.iter().map(|&row| lengths[row]).sum::<f64>() as usize;
        search.start = None;
        let known = std::mem::replace(&mut found, search.solve(total)?);
        found.take_better(Budgeted { lp_value: f64::NEG_INFINITY, ..known });
    }
    let whole = found.lp_value;
    found.lp_value = tokens::proved(search.earned(&found), &found, total, ends);
    if found.lp_value < whole - CLOSED * whole.abs() && most > total {
        match search.solve(most) {
            Ok(mut other) => {
                other.lp_value = tokens::proved(search.earned(&other), &other, most, ends);
                found.take_better(other);
            }
            // There is a choice and a bound already.
            Err(SelectError::NoTokensFound { .. }) => {}
            Err(other) => return Err(other),
        }
    }
    Ok(found)
}

/// What is the same for any number of tokens, and the rows known so far.
struct Search<'a> {
    task: &'a Task<'a>,
    set: Option<&'a FeasibleSet>,
    budget: usize,
    /// Of every query its share of its task.
    weights: Vec<f64>,
    /// The rows that queries choose in turns; none if these do not obey.
    turns: Vec<usize>,
    name: &'static str,
    known: Active,
    start: Option<Duals>,
}

impl Search<'_> {
    /// Solves for so many rows, or tokens.
    fn solve(&mut self, total: usize) -> Result<Budgeted, SelectError> {
        let Self { task, set, budget, name, .. } = *self;
        let mut rounds = 0..ROUNDS;
        loop {
            let last = rounds.next().is_none();
            let field = field(task, set, &self.known, (total, budget));
            let ascent = ascend(&field, &self.weights, self.start.as_ref(), task.watch)?;
            let done = self.known.are_all() || last;
            let missing = if done { Vec::new() } else { missing(task, set, &field, &ascent, self.turns.len())? };
            if missing.is_empty() {
                let found = subset::choose(task, set, &field, &ascent, &self.turns, name)?;
                let found = assemble(set, &field, &ascent, (found, budget));
                self.start = Some(ascent.duals);
                return Ok(found);
            }
            self.start = Some(ascent.duals);
            let known = std::mem::take(&mut self.known);
            self.known = known.with_more(task, name, &missing)?;
        }
    }

    /// The mean of the potentials: of every task's, by its share.
    fn earned(&self, found: &Budgeted) -> f64 {
        let total: f64 = found.shares.iter().sum();
        let of_task = |(span, share): (Range<usize>, &f64)| {
            let weighted = self.weights[span.clone()].iter().zip(&found.potentials[span]);
            share / total * weighted.map(|(b, g)| b * g).sum::<f64>()
        };
        spans(self.task.tasks).into_iter().zip(&found.shares).map(of_task).sum()
    }
}

/// Rows that are not known and of a value above the threshold, those of the largest values, ascending. About `chosen` rows are chosen.
///
/// # Errors
/// If the observer asks to stop.
fn missing(
    task: &Task<'_>,
    set: Option<&FeasibleSet>,
    field: &Field<'_>,
    ascent: &Ascent,
    chosen: usize,
) -> Result<Vec<usize>, SelectError> {
    let (n, m) = (task.geometry.pool_len(), task.geometry.query_len());
    task.watch.begin("values of all rows", n as u64);
    let may = |set: &FeasibleSet, row: usize| !set.is_excluded(row) && set.tokens().is_none_or(|(_, of)| of[row] > 0.0);
    let counts = |row: &usize| field.rows.binary_search(row).is_err() && set.is_none_or(|set| may(set, *row));
    let above = |first: usize| -> Result<Vec<(f64, usize)>, Stopped> {
        let rows: Vec<usize> = (first..n.min(first + ROWS)).filter(counts).collect();
        let mut costs = vec![0.0; rows.len() * m];
        costs_of(task, &rows, &mut costs);
        let values = rows.iter().zip(costs.chunks_exact(m));
        let values = values.map(|(&row, line)| (field.value_of(row, line, &ascent.duals), row));
        task.watch.advance(ROWS as u64)?;
        Ok(values.filter(|(value, _)| *value > ascent.threshold).collect())
    };
    let firsts: Vec<usize> = (0..n).step_by(ROWS).collect();
    let mut found = firsts.into_par_iter().map(above).collect::<Result<Vec<_>, _>>()?.concat();
    found.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    // The others have less worth once these take part.
    found.truncate((2 * chosen).max(n / 16));
    Ok(found.into_iter().map(|(_, row)| row).collect())
}

/// For so many rows or tokens in all, of a choice of `budget`.
fn field<'a>(
    task: &Task<'a>,
    set: Option<&'a FeasibleSet>,
    known: &'a Active,
    (total, budget): (usize, usize),
) -> Field<'a> {
    let (rows, costs) = known.parts();
    let lengths = set.and_then(FeasibleSet::tokens).map(|(_, lengths)| lengths);
    let masses: Vec<f64> = rows.iter().map(|&row| lengths.map_or(1.0, |lengths| lengths[row])).collect();
    let state = |(&row, &mass): (&usize, &f64)| match set {
        Some(set) if set.is_included(row) => RowState::Kept,
        Some(set) if set.is_excluded(row) || mass == 0.0 => RowState::Absent,
        _ => RowState::Free,
    };
    let mut states: Vec<RowState> = rows.iter().zip(&masses).map(state).collect();
    let mass = |of: RowState| -> f64 {
        states.iter().zip(&masses).filter(|(state, _)| **state == of).map(|(_, mass)| mass).sum()
    };
    let total = total as f64;
    let mut room = (total - mass(RowState::Kept)).max(0.0);
    if mass(RowState::Free) <= room {
        states.iter_mut().filter(|state| **state == RowState::Free).for_each(|state| *state = RowState::Kept);
        room = 0.0;
    }
    let sides = set.map(|set| {
        let ranges = set.ranges();
        let places = Family::places(set, &ranges, if lengths.is_some() { set.pool() } else { budget });
        Sides::of(set, &ranges, &places)
    });
    // Where nothing is left to choose, limits have no prices.
    let sides = sides.filter(|sides| room > 0.0 && !sides.sides.is_empty());
    Field { rows, costs, spans: spans(task.tasks), states, masses, sides, room, budget: total }
}

fn assemble(
    set: Option<&FeasibleSet>,
    field: &Field<'_>,
    ascent: &Ascent,
    (found, budget): (subset::Found, usize),
) -> Budgeted {
    let Ascent { duals, threshold, bound, .. } = ascent;
    let total: f64 = duals.shares.iter().sum();
    let mut potentials = duals.potentials.clone();
    for (span, &share) in field.spans.iter().zip(&duals.shares).filter(|(_, share)| **share > 0.0) {
        // The price of a row is contained in the potentials.
        potentials[span.clone()].iter_mut().for_each(|h| *h = *h / share - threshold / total);
    }
    let prices = match (set, &field.sides) {
        (Some(set), Some(sides)) => {
            let price = sides.sides.iter().zip(&duals.prices);
            price.filter_map(|(side, &price)| set.price(&side.range, side.group, price)).collect::<Vec<Price>>()
        }
        _ => Vec::new(),
    };
    let mut order: Vec<usize> = found.positions;
    order.sort_by(|&a, &b| ascent.values[b].total_cmp(&ascent.values[a]).then(a.cmp(&b)));
    Budgeted {
        budget,
        rows: order.iter().map(|&at| field.rows[at]).collect(),
        scores: order.iter().map(|&at| ascent.values[at] - threshold).collect(),
        potentials,
        shares: duals.shares.clone(),
        prices,
        lp_value: *bound,
        value: found.value,
        prefix: false,
        takers: None,
    }
}
