//! The subset that is closest to the worst of several tasks (T18).
//!
//! Every task has a coupling of its own with the whole subset, and the largest of their costs counts. The relaxation mixes rows:
//! it has one mass x_i ≤ 1/k per row, from which every task is served. Its duals are shares of the tasks, potentials, and prices
//! of limits (`field`, `newton`, `ascent`); they prove the bound. The rows that they value most are taken, as far as limits
//! admit them, and rows near the threshold are exchanged until the distances to the tasks are level (`subset`).
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
use super::swaps::Active;
use crate::PoolScan;
use crate::select::{Constrained, RoundRobin, Selector};
use crate::task::{SelectError, Task};
use crate::watch::Stopped;
use crate::weights::shares;
use ascent::{Ascent, ascend};
use field::{Field, RowState};

/// Rows whose costs one task of the thread pool evaluates.
const ROWS: usize = 192;

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

/// Solves for one budget.
///
/// # Errors
/// If limits are in conflict, memory does not suffice, a row is bad, or the observer asks to stop.
pub(super) fn solve(
    task: &Task<'_>,
    scanned: &PoolScan,
    budget: usize,
    name: &'static str,
) -> Result<Budgeted, SelectError> {
    let set = task.constraints.filter(|set| !set.constraints().are_none());
    if let Some(conflict) = set.and_then(|set| set.conflict(budget)) {
        return Err(SelectError::Infeasible { budget, conflict });
    }
    let m = task.geometry.query_len();
    let prices = if set.is_some() { ascent::MOST } else { 0 };
    task.afford(name, newton::bytes(m + task.tasks.len() + prices))?;
    let turns = Constrained::new(Box::new(RoundRobin)).select(task, scanned, &[budget])?.pop();
    let turns = turns.map(|chosen| chosen.rows).unwrap_or_default();
    let mut known = Active::of(task, name, scanned, &turns)?;
    let of_task = |span: Range<usize>| shares(task.weights.map(|weights| &weights[span.clone()]), span.len());
    let weights: Vec<f64> = spans(task.tasks).into_iter().flat_map(of_task).collect();
    let mut start = None;
    let mut rounds = 0..ROUNDS;
    loop {
        let last = rounds.next().is_none();
        let field = field(task, set, &known, budget);
        let ascent = ascend(&field, &weights, start.as_ref(), task.watch)?;
        let missing = if known.are_all() || last { Vec::new() } else { missing(task, set, &field, &ascent)? };
        if missing.is_empty() {
            let found = subset::choose(task, set, &field, &ascent, &turns, name)?;
            return Ok(assemble(set, &field, &ascent, found));
        }
        start = Some(ascent.duals);
        known = known.with_more(task, name, &missing)?;
    }
}

/// Rows that are not known and of a value above the threshold, those of the largest values, ascending.
///
/// # Errors
/// If the observer asks to stop.
fn missing(
    task: &Task<'_>,
    set: Option<&FeasibleSet>,
    field: &Field<'_>,
    ascent: &Ascent,
) -> Result<Vec<usize>, SelectError> {
    let (n, m) = (task.geometry.pool_len(), task.geometry.query_len());
    task.watch.begin("values of all rows", n as u64);
    let counts = |row: &usize| field.rows.binary_search(row).is_err() && set.is_none_or(|set| !set.is_excluded(*row));
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
    found.truncate((2 * field.budget).max(n / 16));
    Ok(found.into_iter().map(|(_, row)| row).collect())
}

fn field<'a>(task: &Task<'a>, set: Option<&'a FeasibleSet>, known: &'a Active, budget: usize) -> Field<'a> {
    let (rows, costs) = known.parts();
    let state = |&row: &usize| match set {
        Some(set) if set.is_included(row) => RowState::Kept,
        Some(set) if set.is_excluded(row) => RowState::Absent,
        _ => RowState::Free,
    };
    let mut states: Vec<RowState> = rows.iter().map(state).collect();
    let count = |of: RowState| states.iter().filter(|state| **state == of).count();
    let mut room = budget.saturating_sub(count(RowState::Kept));
    if count(RowState::Free) <= room {
        states.iter_mut().filter(|state| **state == RowState::Free).for_each(|state| *state = RowState::Kept);
        room = 0;
    }
    let sides = set.map(|set| {
        let ranges = set.ranges();
        let places = Family::places(set, &ranges, budget);
        Sides::of(set, &ranges, &places)
    });
    // Where nothing is left to choose, limits have no prices.
    let sides = sides.filter(|sides| room > 0 && !sides.sides.is_empty());
    Field { rows, costs, spans: spans(task.tasks), states, sides, room, budget }
}

fn assemble(set: Option<&FeasibleSet>, field: &Field<'_>, ascent: &Ascent, found: subset::Found) -> Budgeted {
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
        budget: field.budget,
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
