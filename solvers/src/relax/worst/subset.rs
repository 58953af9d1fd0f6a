//! From the duals to a subset: the rows of largest value, then exchanges near the threshold.
//!
//! The mean of the distances by the shares of the duals is nearly the bound then, and what is left is that one task is farther
//! than the others: swaps of rows near the threshold change that at hardly any cost of the mean.

use kantor_theory::FeasibleSet;

use super::ascent::Ascent;
use super::field::{Field, RowState};
use crate::admission::{Admission, TokenAdmission};
use crate::relax::budgeted::too_large;
use crate::relax::swaps::tokens::{self, Known};
use crate::relax::swaps::{Farthest, TaskCosts};
use crate::task::{SelectError, Task};

/// Rows outside the subset that may come in.
const NEAR: usize = 1024;

/// Rows that are exchanged in one pass, of each kind.
const LISTED: usize = 384;

/// Passes.
const PASSES: usize = 8;

/// Costs that transports of subsets of a budget in tokens read, and the most transports to each task.
const WORK: usize = 60_000_000;
const TRIES: usize = 400;

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
    if let Some(set) = set.filter(|set| set.tokens().is_some()) {
        return chosen_in_tokens(task, set, field, ascent, turns, name);
    }
    let positions = taken(set, field, ascent)?;
    let found = levelled(task, set, field, ascent, positions, name)?;
    let turns: Vec<usize> = turns.iter().filter_map(|row| field.rows.binary_search(row).ok()).collect();
    let value = measured(task, field, &turns, name)?;
    Ok(if value < found.value { Found { positions: turns, value } } else { found })
}

/// The rows of largest value first, those that must be chosen before all others.
fn by_value(field: &Field<'_>, ascent: &Ascent) -> Vec<usize> {
    let mut order: Vec<usize> = (0..field.rows.len()).filter(|&at| field.states[at] != RowState::Absent).collect();
    let kept = |at: usize| field.states[at] == RowState::Kept;
    let by = |a: &usize, b: &usize| ascent.values[*b].total_cmp(&ascent.values[*a]).then(a.cmp(b));
    order.sort_unstable_by(|a, b| kept(*b).cmp(&kept(*a)).then(by(a, b)));
    order
}

/// The same where tokens are the budget.
fn chosen_in_tokens(
    task: &Task<'_>,
    set: &FeasibleSet,
    field: &Field<'_>,
    ascent: &Ascent,
    turns: &[usize],
    name: &'static str,
) -> Result<Found, SelectError> {
    let m = field.queries();
    let known = Known { rows: field.rows, costs: field.costs, m };
    let improved = |rows: &[usize], most: usize| -> Result<Option<Found>, SelectError> {
        let positions: Option<Vec<usize>> = rows.iter().map(|row| field.rows.binary_search(row).ok()).collect();
        let Some(positions) = positions.filter(|positions| !positions.is_empty()) else { return Ok(None) };
        let tries = (WORK / (positions.len() * m)).min(most);
        let swapped = tokens::descend((task, name), set, known, positions, (usize::MAX, tries), &ascent.duals.shares)?;
        Ok(swapped.map(|swapped| Found { value: swapped.values[1], positions: swapped.chosen }))
    };
    let order = by_value(field, ascent).into_iter().map(|at| field.rows[at]);
    let taken = TokenAdmission::new(set).and_then(|admission| admission.ok_or(too_large(name))?.fill(order));
    let (found, fault) = match taken {
        Ok(rows) => (improved(&rows, TRIES)?, None),
        Err(fault @ SelectError::NoTokensFound { .. }) => (None, Some(fault)),
        Err(other) => return Err(other),
    };
    match improved(turns, 0)? {
        Some(of_turns) if found.as_ref().is_none_or(|found| of_turns.value < found.value) => {
            improved(turns, TRIES).map(|better| better.unwrap_or(of_turns))
        }
        _ => found.ok_or(fault.unwrap_or(too_large(name))),
    }
}

/// The rows of largest value, as far as limits admit them.
fn taken(set: Option<&FeasibleSet>, field: &Field<'_>, ascent: &Ascent) -> Result<Vec<usize>, SelectError> {
    let (mut order, budget) = (by_value(field, ascent), field.budget as usize);
    let Some(set) = set else {
        order.truncate(budget);
        return Ok(order);
    };
    let mut admission = Admission::new(set, budget)?;
    let mut taken = Vec::with_capacity(budget);
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
    let budget = field.budget as usize;
    if positions.len() < budget {
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
    let mut farthest = Farthest::new(task, name, &rows, &costs, ascent.duals.shares.clone(), budget)?;
    farthest.level(&heights, &mut inside, set, (LISTED, PASSES), task.watch)?;
    let positions: Vec<usize> = places.iter().zip(&inside).filter(|(_, inside)| **inside).map(|(at, _)| *at).collect();
    Ok(Found { positions, value: farthest.largest() })
}

/// The largest mean cost of a subset to a task.
fn measured(task: &Task<'_>, field: &Field<'_>, positions: &[usize], name: &'static str) -> Result<f64, SelectError> {
    let rows: Vec<usize> = positions.iter().map(|&at| field.rows[at]).collect();
    let costs = TaskCosts::of(&field.spans, positions.iter().map(|&at| field.line(at)));
    let mut farthest = Farthest::new(task, name, &rows, &costs, vec![1.0; field.spans.len()], rows.len())?;
    farthest.solve(&vec![true; rows.len()])?;
    Ok(farthest.largest())
}
