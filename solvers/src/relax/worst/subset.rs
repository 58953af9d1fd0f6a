//! From the duals to a subset: the rows of largest value, then exchanges near the threshold.
//!
//! The mean of the distances by the shares of the duals is nearly the bound then, and what is left is that one task is farther
//! than the others: swaps of rows near the threshold change that at hardly any cost of the mean.

use kantor_theory::FeasibleSet;

use super::ascent::Ascent;
use super::field::{Field, RowState};
use crate::admission::Admission;
use crate::relax::swaps::{Farthest, TaskCosts};
use crate::task::{SelectError, Task};

/// Rows outside the subset that may come in.
const NEAR: usize = 1024;

/// Rows that are exchanged in one pass, of each kind.
const LISTED: usize = 384;

/// Passes.
const PASSES: usize = 8;

/// A subset: positions, and the largest of its mean costs to the tasks.
pub(super) struct Found {
    pub(super) positions: Vec<usize>,
    pub(super) value: f64,
}

/// The best subset found: never worse than `turns`, the rows that queries choose in turns.
///
/// # Errors
/// If no subset that obeys the limits is found, costs are too large, or the observer asks to stop.
pub(super) fn choose(
    task: &Task<'_>,
    set: Option<&FeasibleSet>,
    field: &Field<'_>,
    ascent: &Ascent,
    turns: &[usize],
    name: &'static str,
) -> Result<Found, SelectError> {
    let positions = taken(set, field, ascent)?;
    let found = levelled(task, set, field, ascent, positions, name)?;
    let turns: Vec<usize> = turns.iter().filter_map(|row| field.rows.binary_search(row).ok()).collect();
    let value = measured(task, field, &turns, name)?;
    Ok(if value < found.value { Found { positions: turns, value } } else { found })
}

/// The rows of largest value, as far as limits admit them.
fn taken(set: Option<&FeasibleSet>, field: &Field<'_>, ascent: &Ascent) -> Result<Vec<usize>, SelectError> {
    let mut order: Vec<usize> = (0..field.rows.len()).filter(|&at| field.states[at] != RowState::Absent).collect();
    let kept = |at: usize| field.states[at] == RowState::Kept;
    let by = |a: &usize, b: &usize| ascent.values[*b].total_cmp(&ascent.values[*a]).then(a.cmp(b));
    order.sort_unstable_by(|a, b| kept(*b).cmp(&kept(*a)).then(by(a, b)));
    let Some(set) = set else {
        order.truncate(field.budget);
        return Ok(order);
    };
    let mut admission = Admission::new(set, field.budget)?;
    let mut taken = Vec::with_capacity(field.budget);
    for at in order {
        if admission.left() == 0 {
            break;
        }
        if admission.take(field.rows[at]) {
            taken.push(at);
        }
    }
    // Where not all rows are known, those of the completion may be unknown; the rows in turns are then the subset.
    taken.extend(admission.completion().filter_map(|row| field.rows.binary_search(&row).ok()));
    Ok(taken)
}

/// Exchanges rows near the threshold while that lowers the largest distance.
fn levelled(
    task: &Task<'_>,
    set: Option<&FeasibleSet>,
    field: &Field<'_>,
    ascent: &Ascent,
    positions: Vec<usize>,
    name: &'static str,
) -> Result<Found, SelectError> {
    if positions.len() < field.budget {
        return Ok(Found { positions, value: f64::INFINITY });
    }
    let mut is_in = vec![false; field.rows.len()];
    positions.iter().for_each(|&at| is_in[at] = true);
    let mut near: Vec<usize> =
        (0..field.rows.len()).filter(|&at| !is_in[at] && field.states[at] != RowState::Absent).collect();
    near.sort_unstable_by(|&a, &b| ascent.values[b].total_cmp(&ascent.values[a]).then(a.cmp(&b)));
    near.truncate(NEAR);
    let mut places = positions;
    places.extend(near);
    places.sort_unstable();
    let rows: Vec<usize> = places.iter().map(|&at| field.rows[at]).collect();
    let heights: Vec<f64> = places.iter().map(|&at| -ascent.values[at]).collect();
    let mut inside: Vec<bool> = places.iter().map(|&at| is_in[at]).collect();
    let costs = TaskCosts::of(&field.spans, places.iter().map(|&at| field.line(at)));
    let mut farthest = Farthest::new(task, name, &rows, &costs, ascent.duals.shares.clone(), field.budget)?;
    farthest.level(&heights, &mut inside, set, (LISTED, PASSES), task.watch)?;
    let positions: Vec<usize> = places.iter().zip(&inside).filter(|(_, inside)| **inside).map(|(at, _)| *at).collect();
    Ok(Found { positions, value: farthest.largest() })
}

/// The largest mean cost of a subset to a task.
fn measured(task: &Task<'_>, field: &Field<'_>, positions: &[usize], name: &'static str) -> Result<f64, SelectError> {
    let rows: Vec<usize> = positions.iter().map(|&at| field.rows[at]).collect();
    let costs = TaskCosts::of(&field.spans, positions.iter().map(|&at| field.line(at)));
    let mut farthest = Farthest::new(task, name, &rows, &costs, vec![1.0; field.spans.len()], field.budget)?;
    farthest.solve(&vec![true; rows.len()])?;
    Ok(farthest.largest())
}
