//! From the solution of the relaxed problem to a subset, where tokens are the budget.
//!
//! The rows that the best mixture of points uses most, as shares of their tokens, are taken in order, as far as budget and limits
//! admit them. The better of that and what queries choose in turns is improved by swaps (`budgeted::tokens`).

use super::ascent::Ascent;
use super::rounding::Rounded;
use super::search::Search;
use crate::PoolScan;
use crate::admission::TokenAdmission;
use crate::relax::budgeted::{TOO_LARGE, tokens};
use crate::select::{Constrained, RoundRobin, Selector};
use crate::task::SelectError;

/// The best subset found; `scanned` is the pass over the pool.
///
/// # Errors
/// If no subset that obeys the limits is found, or the observer asks to stop.
pub(super) fn round(
    search: &mut Search<'_>,
    lengths: &[f64],
    ascent: &Ascent,
    scanned: &PoolScan,
) -> Result<Rounded, SelectError> {
    let (task, set) = (search.task, search.set);
    let mut found = taken(search, ascent).map(|rows| search.slots_of(&rows));
    let turns = Constrained::new(Box::new(RoundRobin)).select(task, scanned, &[search.budget]);
    for chosen in turns.into_iter().flatten() {
        let slots = search.slots_of(&chosen.rows);
        let value = |slots: &[u32]| search.slots.distance(slots, Some(lengths));
        let better = match &found {
            Ok(known) => value(&slots)? < value(known)?,
            Err(_) => true,
        };
        if better {
            found = Ok(slots);
        }
    }
    let slots = tokens::improved(task, set, &search.slots, found?)?;
    let value = search.slots.distance(&slots, Some(lengths))?;
    Ok(Rounded { slots, value, takers: None })
}

/// Takes the rows of which the mixture uses most, among equals those of largest value.
fn taken(search: &Search<'_>, ascent: &Ascent) -> Result<Vec<usize>, SelectError> {
    let best = &ascent.points[ascent.best];
    let row = |slot: u32| search.slots.rows[slot as usize];
    let mut mass = vec![0.0; search.slots.rows.len()];
    for (point, share) in ascent.points.iter().zip(&ascent.shares).filter(|(_, share)| **share > 0.0) {
        point.plan.iter().for_each(|&(slot, _, of)| mass[slot as usize] += share * of as f64);
    }
    let key = |slot: u32| {
        let share = mass[slot as usize] / search.network.mass(row(slot)).max(1) as f64;
        // Shares add up to one but for rounding.
        ((share * 1e9).round(), search.worth(slot, &best.potentials) - search.bar(slot, best), row(slot))
    };
    let mut order: Vec<(f64, f64, u32)> = (0..search.slots.rows.len() as u32).map(key).collect();
    order.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(b.1.total_cmp(&a.1)).then(a.2.cmp(&b.2)));
    TokenAdmission::new(search.set)?.ok_or(TOO_LARGE)?.fill(order.into_iter().map(|(.., row)| row as usize))
}

impl Search<'_> {
    fn slots_of(&mut self, rows: &[usize]) -> Vec<u32> {
        rows.iter().map(|&row| self.slots.slot(row as u32)).collect()
    }
}
