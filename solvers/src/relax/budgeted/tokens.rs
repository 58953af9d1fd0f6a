//! The best subset of a budget in tokens: transport in which a row of length t_i gives at most t_i/T of the mass, T the fewest
//! tokens (T17).
//!
//! The search is that of a budget in rows, in which a path carries what is left of a row: its tokens, each in as many units as
//! make the shares of the queries whole. At the optimum few rows are used in part, at most one for each query. The
//! subset takes the rows that are used whole, then those used in part, by their share, and then the rows nearest to the queries at
//! the potentials found, as far as they fit. A small one is improved by swaps ([`improved`]). With limits, or rows that are worth
//! something by themselves, it is the search of `constrained`.
//!
//! Limit: as without tokens, with one path more for every part of a row.

use kantor_theory::{FeasibleSet, TokenBudget};

use super::candidates::{CandidateLists, list_length};
use super::demand::{Demands, largest_share};
use super::exchange::Exchange;
use super::slots::Slots;
use super::{Budgeted, BudgetedOptima, NAME, PREFETCHED, State, TOO_LARGE, Units, worth};
use crate::admission::{TokenAdmission, rows_within};
use crate::relax::constrained;
use crate::relax::swaps::tokens::{Known, descend};
use crate::scan::PoolScan;
use crate::task::{SelectError, Task};

/// The most tokens, so that units can be counted.
const MOST: f64 = (1u64 << 31) as f64;

/// Largest k·M at which swaps are tried where no limits hold.
const COSTS: usize = 30_000;

/// Costs that transports for swaps read where limits hold and k·M is larger.
const WORK: usize = 16_000_000;

/// Most transports that are solved for swaps.
const TRIES: usize = 300;

/// Solves for one budget in tokens.
pub(super) fn solve(
    task: &Task<'_>,
    set: &FeasibleSet,
    (tokens, lengths): (&TokenBudget, &[f64]),
    scanned: &PoolScan,
) -> Result<BudgetedOptima, SelectError> {
    let (n, m) = (task.geometry.pool_len(), task.geometry.query_len());
    if tokens.max > MOST {
        let fault = "counts to 2,147,483,648 tokens: give lengths in a larger unit";
        return Err(SelectError::Unsupported { method: NAME, fault });
    }
    if !set.constraints().limits.is_empty() || task.quality.is_some() {
        let rows = rows_within(set).unwrap_or(n);
        let (asked, first) = (list_length(task, rows), 2 * largest_share(rows, m, task.weights) + 16);
        let candidates = CandidateLists::new(task, scanned.lists.as_ref(), asked, first)?.without_more();
        return constrained::solve(task, set, candidates, scanned, tokens.max as usize);
    }
    let (rows, demands) = (rows_within(set).unwrap_or(n), Demands::new(tokens.min as usize, m, task.weights));
    task.afford(NAME, Exchange::bytes(m, 2 * rows) + 16 * (rows as u64 + m as u64) * m as u64 + 12 * n as u64)?;
    let (asked, first) = (list_length(task, rows), 2 * largest_share(rows, m, task.weights) + 16);
    let candidates = CandidateLists::new(task, scanned.lists.as_ref(), asked, first)?;
    let mut pool = Slots::new(candidates, n, m, n.min(rows + PREFETCHED * m));
    let capacity = |row: usize| if set.is_excluded(row) { 0 } else { lengths[row] as u64 * demands.unit };
    let capacities: Vec<u64> = (0..n).map(capacity).collect();
    let units = Units::OfRow(&capacities);

    task.watch.begin("choosing the best subset", tokens.min as u64);
    let mut state = State::new(&mut pool, m);
    let (mut wanted, mut entered) = (demands.of.clone(), Vec::with_capacity(rows));
    while wanted.iter().any(|&wanted| wanted > 0) {
        state.prefetch(&mut pool, &units);
        let mut brought = 0;
        for (source, wanted) in wanted.iter_mut().enumerate() {
            if *wanted > 0 {
                let (slot, mass) = state.augment(&mut pool, source, *wanted, &units)?;
                if state.free[slot as usize] + mass == capacities[pool.rows[slot as usize] as usize] {
                    entered.push(slot);
                }
                *wanted -= mass;
                brought += mass / demands.unit;
            }
        }
        task.watch.advance(brought)?;
    }
    let total = tokens.min * demands.unit as f64;
    let lp_value = state.total_cost(&pool) / total;
    let potentials = state.exchange.potentials.clone();
    let chosen = rounded(set, &capacities, &state, &pool, entered)?;
    let slots: Vec<u32> = chosen.iter().map(|&row| pool.slot(row as u32)).collect();
    let mut slots = improved(task, set, &pool, slots)?;
    slots.sort_by(|&a, &b| {
        let (a, b) = ((worth(&potentials, &pool, a), a), (worth(&potentials, &pool, b), b));
        b.0.total_cmp(&a.0).then(pool.rows[a.1 as usize].cmp(&pool.rows[b.1 as usize]))
    });
    let value = pool.distance(&slots, Some(lengths))?;
    let rows = slots.iter().map(|&slot| pool.rows[slot as usize] as usize).collect();
    let scores = slots.iter().map(|&slot| worth(&potentials, &pool, slot)).collect();
    let (budget, prices) = (tokens.max as usize, Vec::new());
    let found = Budgeted {
        budget,
        rows,
        scores,
        potentials,
        prices,
        shares: Vec::new(),
        lp_value,
        value,
        prefix: false,
        takers: None,
    };
    Ok(BudgetedOptima { budgets: vec![found], lists: pool.candidates.into_longer_lists() })
}

/// Swaps rows of a small subset while that helps.
///
/// # Errors
/// If costs are too large to be added up, or the observer asks to stop.
pub(in crate::relax) fn improved(
    task: &Task<'_>,
    set: &FeasibleSet,
    pool: &Slots<'_>,
    chosen: Vec<u32>,
) -> Result<Vec<u32>, SelectError> {
    let limited = !set.constraints().limits.is_empty() || task.quality.is_some();
    let tries = match chosen.len() * pool.m {
        costs if costs <= COSTS => TRIES,
        // Limits leave more to be rounded.
        costs if limited => WORK / costs,
        _ => 0,
    };
    if tries == 0 {
        return Ok(chosen);
    }
    let rows: Vec<usize> = pool.rows.iter().map(|&row| row as usize).collect();
    let known = Known { rows: &rows, costs: &pool.costs, m: pool.m };
    let positions = chosen.iter().map(|&slot| slot as usize).collect();
    let swapped = descend((task, NAME), set, known, positions, (usize::MAX, tries), &[1.0])?;
    Ok(swapped.map_or(chosen, |swapped| swapped.chosen.into_iter().map(|at| at as u32).collect()))
}

/// Rows for the budget, from those that entered: those used whole, then those used in part, then others near the queries.
fn rounded(
    set: &FeasibleSet,
    capacities: &[u64],
    state: &State,
    pool: &Slots<'_>,
    mut entered: Vec<u32>,
) -> Result<Vec<usize>, SelectError> {
    let row = |slot: u32| pool.rows[slot as usize] as usize;
    let unused = |slot: u32| state.free[slot as usize] as f64 / capacities[row(slot)].max(1) as f64;
    // Whole ones, of which nothing is unused, stay in the order in which they entered.
    entered.sort_by(|&a, &b| unused(a).total_cmp(&unused(b)));
    let worth = |slot: u32| worth(&state.exchange.potentials, pool, slot);
    let mut others: Vec<(u32, f64)> = (0..pool.rows.len() as u32).map(|slot| (slot, worth(slot))).collect();
    others.sort_by(|a, b| b.1.total_cmp(&a.1).then(row(a.0).cmp(&row(b.0))));
    let known = entered.into_iter().chain(others.into_iter().map(|(slot, _)| slot)).map(row);
    TokenAdmission::new(set)?.ok_or(TOO_LARGE)?.fill(known)
}
