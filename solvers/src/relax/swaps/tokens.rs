//! Swaps within a budget in tokens under the transport distance: the better the fewer the rows, whose rounding moves much of it.
//!
//! With the potentials g of the subset's own transport, u_i = −max_j (g_j − c_ij) is what a token of row i costs to first order. The
//! swaps, additions and removals that keep to the budget and all limits and promise most are tried by solving the transport again; the
//! first that lowers the distance is made. So the distance falls, and the search ends.
//!
//! Limit: a transport of k·M costs for every try.

use std::ops::Range;

use kantor_theory::FeasibleSet;

use super::transport::{Active, NAME};
use super::{Improved, LeftOpen};
use crate::admission::TokenExchanges;
use crate::relax::budgeted::too_large;
use crate::relax::worst::spans;
use crate::task::{SelectError, Task};
use crate::transport::exact::masses::masses;
use crate::transport::exact::transport::transport;

/// Rows that may leave, and that may come in, of which pairs are made.
const LISTED: usize = 48;

/// Pairs that are tried before the search ends.
const PAIRS: usize = 16;

/// Costs that all transports of the selector may read: some ten seconds.
const WORK: usize = 100_000_000;

/// Changes below this share of the largest cost of the subset are rounding.
const SMALLEST: f64 = 1e-12;

/// Rows and their costs to the queries, row-major, less what each is worth by itself.
#[derive(Clone, Copy)]
pub(in crate::relax) struct Known<'a> {
    pub(in crate::relax) rows: &'a [usize],
    pub(in crate::relax) costs: &'a [f64],
    pub(in crate::relax) m: usize,
}

impl<'a> Known<'a> {
    fn line(&self, at: usize) -> &'a [f64] {
        &self.costs[at * self.m..][..self.m]
    }
}

/// What became of a subset.
pub(in crate::relax) struct Swapped {
    /// Positions among the rows that are known.
    pub(in crate::relax) chosen: Vec<usize>,
    /// The p-th power of the distance before and after, less what rows are worth.
    pub(in crate::relax) values: [f64; 2],
    /// Minus what a token of every row that is known costs to first order.
    worths: Vec<f64>,
    swaps: usize,
}

/// What a token of every row costs to first order under one task, and what that says of the subset in hand.
struct FirstOrder {
    /// The p-th power of the distance to the task.
    value: f64,
    costs: Vec<f64>,
    /// Of the subset.
    spent: f64,
}

/// Improves a subset, as positions among the rows that are known, which obeys `set`, by at most so many swaps and transports. Of
/// several tasks that to the farthest counts; rows seem promising by it, and by the mean of all by `shares`.
///
/// # Errors
/// If costs are too large to be added up, or the observer asks to stop.
pub(in crate::relax) fn descend(
    (task, method): (&Task<'_>, &'static str),
    set: &FeasibleSet,
    known: Known<'_>,
    mut chosen: Vec<usize>,
    (limit, tries): (usize, usize),
    shares: &[f64],
) -> Result<Option<Swapped>, SelectError> {
    let rows = |chosen: &[usize]| chosen.iter().map(|&at| known.rows[at]).collect::<Vec<_>>();
    let (Some((_, lengths)), Some(mut exchanges)) = (set.tokens(), TokenExchanges::new(set, &rows(&chosen))) else {
        return Ok(None);
    };
    let spans = if task.tasks.is_empty() { std::iter::once(0..known.m).collect() } else { spans(task.tasks) };
    let length = |at: usize| lengths[known.rows[at]];
    let solve = |chosen: &[usize]| {
        let of_rows: Vec<f64> = chosen.iter().map(|&at| length(at)).collect();
        let mut found = Vec::with_capacity(spans.len());
        for span in &spans {
            let costs: Vec<f64> = chosen.iter().flat_map(|&at| &known.line(at)[span.clone()]).copied().collect();
            let weights = task.weights.map(|weights| &weights[span.clone()]);
            let masses = masses(chosen.len(), Some(&of_rows), span.len(), weights).map_err(|_| too_large(method))?;
            let solved = transport(&costs, &masses).map_err(|_| too_large(method))?;
            found.push((solved.value, solved.potentials));
        }
        Ok::<_, SelectError>(found)
    };
    let largest = |found: &[(f64, Vec<f64>)]| found.iter().map(|(value, _)| *value).fold(f64::NEG_INFINITY, f64::max);
    let mut solved = solve(&chosen)?;
    let before = largest(&solved);
    let (mut tried, mut swaps) = (0, 0);
    loop {
        task.watch.advance(0)?;
        let value = largest(&solved);
        let first_order = |((value, potentials), span): (&(f64, Vec<f64>), &Range<usize>)| {
            let cost_of = |at: usize| {
                let gains = potentials.iter().zip(&known.line(at)[span.clone()]).map(|(g, cost)| g - cost);
                -gains.fold(f64::NEG_INFINITY, f64::max)
            };
            let costs: Vec<f64> = (0..known.rows.len()).map(cost_of).collect();
            let spent = chosen.iter().map(|&at| length(at) * costs[at]).sum();
            FirstOrder { value: *value, costs, spent }
        };
        let of_tasks: Vec<FirstOrder> = solved.iter().zip(&spans).map(first_order).collect();
        let by = |a: &&FirstOrder, b: &&FirstOrder| a.value.total_cmp(&b.value);
        let Some(farthest) = of_tasks.iter().max_by(by) else { return Ok(None) };
        let mut inside = vec![false; known.rows.len()];
        chosen.iter().for_each(|&at| inside[at] = true);
        let used = exchanges.used();
        // Tokens and cost with one row less, one more, or both; a place of nobody stands for no row.
        let (mut leaving, mut coming) = (Vec::new(), Vec::new());
        let mut list = |costs: &[f64], spent: f64| {
            let mean = spent / used;
            let outs = chosen.iter().enumerate().filter(|(_, at)| exchanges.may_leave(known.rows[**at]));
            let outs = outs.map(|(place, &at)| (length(at) * (mean - costs[at]), place)).collect();
            let news = (0..known.rows.len()).filter(|&at| !inside[at] && exchanges.may_enter(known.rows[at]));
            let news = news.map(|at| (length(at) * (costs[at] - mean), at)).collect();
            add_least(outs, &mut leaving);
            add_least(news, &mut coming);
        };
        list(&farthest.costs, farthest.spent);
        if of_tasks.len() > 1 {
            let mean = |of: &dyn Fn(&FirstOrder) -> f64| -> f64 {
                of_tasks.iter().zip(shares).map(|(task, share)| share * of(task)).sum()
            };
            let costs: Vec<f64> = (0..known.rows.len()).map(|at| mean(&|task| task.costs[at])).collect();
            list(&costs, mean(&|task| task.spent));
        }
        let some = |list: Vec<usize>| list.into_iter().map(Some).chain([None]).collect::<Vec<_>>();
        let (leaving, coming) = (some(leaving), some(coming));
        let mut pairs = Vec::new();
        for &old in &leaving {
            for &new in coming.iter().filter(|new| old.is_some() || new.is_some()) {
                let (out, into) = (old.map(|place| chosen[place]), new);
                let row = |at: Option<usize>| at.map(|at| known.rows[at]);
                if let Some(after) = exchanges.after(row(out), row(into)) {
                    let after_it = |task: &FirstOrder| {
                        let of = |at: Option<usize>| at.map_or(0.0, |at| length(at) * task.costs[at]);
                        task.value + ((task.spent - of(out) + of(into)) / after - task.spent / used)
                    };
                    pairs.push((of_tasks.iter().map(after_it).fold(f64::NEG_INFINITY, f64::max), old, new));
                }
            }
        }
        pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
        let promising = pairs.into_iter().filter(|pair| pair.0 < value);
        let mut better = None;
        let most = if swaps == limit { 0 } else { PAIRS.min(tries - tried) };
        for (_, old, new) in promising.take(most) {
            let mut other = chosen.clone();
            let out = old.map(|place| other.remove(place));
            other.extend(new);
            tried += 1;
            let found = solve(&other)?;
            if largest(&found) < value {
                better = Some((other, found, out, new));
                break;
            }
        }
        let Some((other, found, out, new)) = better else {
            let worths = farthest.costs.iter().map(|cost| -cost).collect();
            return Ok(Some(Swapped { chosen, values: [before, value], worths, swaps }));
        };
        exchanges.exchange(out.map(|at| known.rows[at]), new.map(|at| known.rows[at]));
        (chosen, solved) = (other, found);
        swaps += 1;
    }
}

/// Adds the places of the least numbers that are not there yet.
fn add_least(mut of: Vec<(f64, usize)>, list: &mut Vec<usize>) {
    of.sort_by(|a, b| a.0.total_cmp(&b.0));
    for (_, place) in of.into_iter().take(LISTED) {
        if !list.contains(&place) {
            list.push(place);
        }
    }
}

/// Improves a subset of rows that obeys `set`, at most by so many swaps.
///
/// # Errors
/// As [`descend`].
pub(super) fn improve(
    task: &Task<'_>,
    set: &FeasibleSet,
    known: &Active,
    subset: &[usize],
    limit: usize,
) -> Result<Option<Improved>, SelectError> {
    let (rows, costs) = known.parts();
    let m = task.geometry.query_len();
    let inside = known.inside(subset);
    let chosen: Vec<usize> = (0..rows.len()).filter(|&at| inside[at]).collect();
    let largest = chosen.iter().flat_map(|&at| known.line(at)).fold(0.0f64, |most, cost| most.max(cost.abs()));
    let (tries, equal) = (WORK / (subset.len() * m).max(1), vec![1.0; task.tasks.len().max(1)]);
    let found = descend((task, NAME), set, Known { rows, costs, m }, chosen, (limit, tries), &equal)?;
    let Some(Swapped { mut chosen, values, worths, swaps, .. }) = found else { return Ok(None) };
    chosen.sort_by(|&a, &b| worths[b].total_cmp(&worths[a]).then(rows[a].cmp(&rows[b])));
    Ok(Some(Improved {
        rows: chosen.iter().map(|&at| rows[at]).collect(),
        scores: chosen.iter().map(|&at| worths[at]).collect(),
        values,
        swaps,
        least_gain: SMALLEST * largest,
        compared: rows.len(),
        // The rows that promise most to first order are tried, which shows nothing of the others.
        left_open: Some(LeftOpen::Limit),
    }))
}
