//! From the solution of the relaxed problem to a subset.
//!
//! A point that chooses whole rows and obeys all limits is a subset of known cost. Otherwise the rows that the best mixture of
//! points uses most are taken in order, as far as the limits admit them (module `admission`). Then rows are exchanged while
//! that raises Σ v_i for the values v_i of the best potentials: the transport cost of a subset is at least a constant less
//! that sum, and near the optimum hardly more.
//!
//! Where that leaves a gap (rows held by parts, or prices that were not found), the best of these subsets and the one that
//! queries choose in turns is improved by swaps (`swaps`), so it is never worse than that one.

use std::cmp::Ordering;

use super::ascent::Ascent;
use super::search::{Point, Search};
use crate::PoolScan;
use crate::admission::{Admission, Exchanges};
use crate::relax::budgeted::TOO_LARGE;
use crate::relax::budgeted::exchange::Exchange;
use crate::relax::swaps::{Shipping, descend};
use crate::select::{RoundRobin, Selector};
use crate::task::SelectError;

/// Rows that may leave, and rows that may come in, that are tried with each other.
const TRIED: usize = 256;

/// Numbers that swaps may read in vain: about a second.
const PATIENCE: usize = 1 << 27;

/// Rounds of exchanges.
const ROUNDS: usize = 16;

/// A subset: slots, its cost per row, and the query that takes each row if the best potentials prove that.
pub(super) struct Rounded {
    pub(super) slots: Vec<u32>,
    pub(super) value: f64,
    pub(super) takers: Option<Vec<usize>>,
}

/// The best subset found; `scanned` is the pass over the pool.
///
/// # Errors
/// If no subset that obeys the limits is found, or the observer asks to stop.
pub(super) fn round(search: &mut Search<'_>, ascent: &Ascent, scanned: &PoolScan) -> Result<Rounded, SelectError> {
    let best = &ascent.points[ascent.best];
    let k = search.budget as f64;
    let whole = ascent.points.iter().enumerate().filter(|(_, point)| is_subset(search, point));
    let whole = whole.min_by(|a, b| a.1.cost.total_cmp(&b.1.cost));
    let mut found: Option<Rounded> = whole.map(|(at, point)| Rounded {
        slots: point.plan.iter().map(|&(slot, ..)| slot).collect(),
        value: point.cost / k,
        takers: (at == ascent.best).then(|| point.plan.iter().map(|&(_, query, _)| query as usize).collect()),
    });
    let lower = best.value / k;
    let is_close = |found: &mut Rounded| found.value - lower <= super::CLOSED * lower.abs();
    let mut tried = Vec::new();
    if let Some(found) = found.take_if(is_close) {
        return Ok(found);
    }
    tried.extend(found.iter().map(|found| found.slots.clone()));
    match taken(search, ascent) {
        Ok(slots) => tried.push(slots),
        Err(error) if found.is_none() => return Err(error),
        Err(_) => {}
    }
    for slots in tried {
        let slots = exchanged(search, best, slots);
        keep(search, &mut found, slots)?;
    }
    if let Some(found) = found.take_if(is_close) {
        return Ok(found);
    }
    match RoundRobin.select(search.task, scanned, &[search.budget]) {
        Ok(chosen) => {
            for chosen in chosen {
                let slots = chosen.rows.into_iter().map(|row| search.slots.slot(row as u32)).collect();
                keep(search, &mut found, slots)?;
            }
        }
        Err(SelectError::NoneFound { .. }) if found.is_some() => {}
        Err(error) => return Err(error),
    }
    swapped(search, found.ok_or(TOO_LARGE)?)
}

/// Keeps a subset if it is better than the one found.
fn keep(search: &Search<'_>, found: &mut Option<Rounded>, slots: Vec<u32>) -> Result<(), SelectError> {
    let value = search.slots.distance(&slots, None)?;
    if found.as_ref().is_none_or(|found| value < found.value) {
        *found = Some(Rounded { slots, value, takers: None });
    }
    Ok(())
}

/// Swaps rows among those known while that lowers the distance, if memory allows.
fn swapped(search: &Search<'_>, found: Rounded) -> Result<Rounded, SelectError> {
    let Search { task, slots, budget, .. } = search;
    if task.afford(super::NAME, Exchange::bytes(slots.m, *budget) + 32 * slots.rows.len() as u64).is_err() {
        return Ok(found);
    }
    let rows: Vec<usize> = slots.rows.iter().map(|&row| row as usize).collect();
    let mut inside = vec![false; rows.len()];
    found.slots.iter().for_each(|&slot| inside[slot as usize] = true);
    let mut shipping = Shipping::new(super::NAME, &rows, &slots.costs, search.demands.clone(), PATIENCE);
    descend(&mut shipping, &mut inside, Some(search.set), usize::MAX, task.watch)?;
    let chosen: Vec<u32> = (0..).zip(inside).filter(|(_, inside)| *inside).map(|(slot, _)| slot).collect();
    let value = slots.distance(&chosen, None)?;
    Ok(if value < found.value { Rounded { slots: chosen, value, takers: None } } else { found })
}

/// Whether a point chooses whole rows that obey all limits.
fn is_subset(search: &Search<'_>, point: &Point) -> bool {
    let unit = search.network.unit;
    !point.plan.is_empty() && point.plan.iter().all(|&(_, _, mass)| mass == unit) && {
        let rows: Vec<usize> = point.plan.iter().map(|&(slot, ..)| search.slots.rows[slot as usize] as usize).collect();
        search.set.check(&rows).is_ok()
    }
}

/// Takes the rows that the mixture uses most, among equals those of largest value.
fn taken(search: &mut Search<'_>, ascent: &Ascent) -> Result<Vec<u32>, SelectError> {
    let best = &ascent.points[ascent.best];
    let unit = search.network.unit as f64;
    let mut mass = vec![0.0; search.slots.rows.len()];
    for (point, share) in ascent.points.iter().zip(&ascent.shares).filter(|(_, share)| **share > 0.0) {
        point.plan.iter().for_each(|&(slot, _, of)| mass[slot as usize] += share * of as f64 / unit);
    }
    let key = |slot: u32| {
        // Shares add up to one but for rounding.
        let mass = (mass[slot as usize] * 1e9).round();
        (mass, search.worth(slot, &best.potentials) - search.bar(slot, best), slot)
    };
    let mut order: Vec<(f64, f64, u32)> = (0..search.slots.rows.len() as u32).map(key).collect();
    order.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(b.1.total_cmp(&a.1)).then(a.2.cmp(&b.2)));
    let mut admission = Admission::new(search.set, search.budget)?;
    let mut slots = Vec::with_capacity(search.budget);
    for (_, _, slot) in order {
        if admission.left() == 0 {
            break;
        }
        if admission.take(search.slots.rows[slot as usize] as usize) {
            slots.push(slot);
        }
    }
    let rest: Vec<usize> = admission.completion().collect();
    for row in rest {
        slots.push(search.slots.slot(row as u32));
    }
    Ok(slots)
}

/// Exchanges rows while the sum of values rises.
fn exchanged(search: &Search<'_>, best: &Point, mut slots: Vec<u32>) -> Vec<u32> {
    let rows = &search.slots.rows;
    let row = |slot: u32| rows[slot as usize] as usize;
    let chosen: Vec<usize> = slots.iter().map(|&slot| row(slot)).collect();
    let mut exchanges = Exchanges::new(search.set, &chosen);
    let worth: Vec<f64> = (0..rows.len() as u32).map(|slot| search.worth(slot, &best.potentials)).collect();
    let excess = |slot: u32| worth[slot as usize] - search.bar(slot, best);
    let mut inside = vec![false; rows.len()];
    slots.iter().for_each(|&slot| inside[slot as usize] = true);
    let by = |a: &(f64, u32), b: &(f64, u32)| -> Ordering { a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)) };
    for _ in 0..ROUNDS {
        let mut leave: Vec<(f64, u32)> =
            slots.iter().filter(|&&slot| exchanges.may_leave(row(slot))).map(|&slot| (excess(slot), slot)).collect();
        let outside = (0..rows.len() as u32).filter(|&slot| !inside[slot as usize] && exchanges.may_enter(row(slot)));
        let mut enter: Vec<(f64, u32)> = outside.map(|slot| (-excess(slot), slot)).collect();
        for list in [&mut leave, &mut enter] {
            if list.len() > TRIED {
                list.select_nth_unstable_by(TRIED, by);
                list.truncate(TRIED);
            }
            list.sort_unstable_by(by);
        }
        let mut changed = false;
        for &(_, new) in &enter {
            let gain = |old: u32| worth[new as usize] - worth[old as usize];
            let may = |old: &u32| inside[*old as usize] && gain(*old) > 0.0 && exchanges.allows(row(*old), row(new));
            let partner = leave.iter().map(|&(_, old)| old).filter(may).max_by(|&a, &b| gain(a).total_cmp(&gain(b)));
            if let Some(old) = partner {
                exchanges.exchange(row(old), row(new));
                (inside[old as usize], inside[new as usize]) = (false, true);
                changed = true;
            }
        }
        slots = (0..rows.len() as u32).filter(|&slot| inside[slot as usize]).collect();
        if !changed {
            break;
        }
    }
    slots
}
