//! Swaps of one row for another until none lowers the objective, whichever it is.
//!
//! At every subset each objective has a *height* of every row, such that putting a row in the place of another lowers the
//! objective only if its height is the lesser of the two: the potential of a kernel's distance, and minus the value v_i of
//! the duals that are optimal for the subset elsewhere (`Landscape`). So only rows of the subset above the least height
//! outside, and rows outside below the greatest inside, can take part. A pass makes swaps among the `LIST` most
//! promising of both kinds, of which the objective knows exactly what they are worth, and then brings all heights up to date.
//!
//! Under constraints only swaps that keep every limit are made. Rows of a group that a limit keeps small may all lie below
//! rows of others, and would fill the list: so rows are promising by their distance from the threshold of their group,
//! the dual of the linear step.

pub(super) mod tokens;
mod transport;
mod tsds;
mod worst;

use kantor_theory::{FeasibleSet, Objective};

use super::constrained::linear::Limited;
use super::herding;
use crate::admission::Exchanges;
use crate::task::{SelectError, Task};
use crate::watch::Watch;

pub(crate) use transport::Active;
use transport::NAME;
pub(super) use transport::Shipping;
pub(super) use worst::{Farthest, TaskCosts};

/// Rows of each kind on the list of a pass, to begin with.
const LIST: usize = 512;

/// The same once no swap on shorter lists helps.
const LONGEST: usize = 2048;

/// Most passes.
const PASSES: usize = 64;

/// Why it is not shown that no swap of two rows lowers the objective.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeftOpen {
    /// Swaps ended before none was left.
    Limit,
    /// Only a part of the pool was compared.
    Rows,
    /// The objective is no larger than what rounding hides of a swap.
    Rounding,
    /// Swaps may help if each query has its mass on more or fewer rows.
    Shares,
}

impl LeftOpen {
    /// The reason in words.
    pub fn words(self) -> &'static str {
        match self {
            LeftOpen::Limit => {
                "swaps ended before none was left, as the last ones gained too little or there were too many"
            }
            LeftOpen::Rows => {
                "only a part of the pool was compared, the rows that are near to the queries or were least"
            }
            LeftOpen::Rounding => "the distance is no larger than what rounding hides of a swap",
            LeftOpen::Shares => {
                "swaps were looked at with the mass of every query on as many rows as now, or one more or less"
            }
        }
    }
}

/// A subset after swaps.
#[derive(Debug, Clone, PartialEq)]
pub struct Improved {
    /// Distinct pool rows: those whose height is least first, of equals the lower.
    pub rows: Vec<usize>,
    /// Minus the height of every row.
    pub scores: Vec<f64>,
    /// The objective before and after, as `f64` arithmetic has it: the p-th power of a transport distance, the square of a
    /// kernel's.
    pub values: [f64; 2],
    /// Swaps made.
    pub swaps: usize,
    /// Swaps that take less than this from it are not told from rounding.
    pub least_gain: f64,
    /// Rows of the pool that were compared to the end.
    pub compared: usize,
    /// Why it is not shown that no swap of two rows takes more than that; `None` if it is shown.
    pub left_open: Option<LeftOpen>,
}

/// Swaps rows of a subset that obeys the constraints of the task while that lowers its objective, at most `limit` times. The
/// result is never worse, as `f64` arithmetic has it.
///
/// `needs` says what of the pass over the pool is used; lists that are missing are made here.
///
/// # Errors
/// If memory does not suffice, a row is bad, the objective makes no sense here, or the observer asks to stop.
pub fn improve(
    task: &Task<'_>,
    scanned: &crate::PoolScan,
    rows: &[usize],
    limit: usize,
) -> Result<Improved, SelectError> {
    if let Some(kernel) = task.objective.kernel() {
        return herding::improve(task, kernel, rows, limit);
    }
    let known = Active::of(task, NAME, scanned, rows)?;
    if let Some(set) = task.constraints
        && let Some(improved) = tokens::improve(task, set, &known, rows, limit)?
    {
        return Ok(improved);
    }
    match task.objective {
        Objective::Tsds { diversity } => tsds::improve(task, &known, diversity, rows, limit),
        _ if !task.tasks.is_empty() => worst::improve(task, NAME, &known, rows, limit),
        _ => transport::improve(task, &known, rows, limit),
    }
}

/// An objective around a subset.
pub(super) trait Landscape {
    /// The pool rows that can take part; positions are places in this list.
    fn rows(&self) -> &[usize];

    /// Of every row. Called before every pass.
    ///
    /// # Errors
    /// If numbers are too large.
    fn heights(&mut self, inside: &[bool]) -> Result<Vec<f64>, SelectError>;

    /// Makes swaps among the rows of a list that lower the objective, at most so many, and enters them in `inside`.
    ///
    /// # Errors
    /// If a row is bad.
    fn swap(
        &mut self,
        list: &List,
        heights: &[f64],
        inside: &mut [bool],
        limits: Option<&mut Exchanges<'_>>,
        most: usize,
    ) -> Result<Pass, SelectError>;
}

/// A landscape whose heights are made with the objective of the subset.
trait Measured: Landscape {
    /// The objective of the subset that heights were made of last.
    fn objective(&self) -> f64;

    /// Less than this of the objective of so many rows is not told from rounding.
    fn least_gain(&self, count: usize) -> f64;

    /// Why it is not shown that no swap helps, though all rows were compared to the end.
    fn left_open(&self, swapped: Swapped, count: usize) -> Option<LeftOpen> {
        let hidden = !swapped.proved && self.least_gain(count) >= self.objective().abs();
        Some(LeftOpen::Rounding).filter(|_| hidden)
    }
}

/// Swaps rows of a subset of the known rows while that lowers the objective of their landscape, and undoes it all if it did not.
fn improved(
    landscape: &mut dyn Measured,
    task: &Task<'_>,
    known: &Active,
    subset: &[usize],
    limit: usize,
) -> Result<Improved, SelectError> {
    let original = known.inside(subset);
    let mut inside = original.clone();
    landscape.heights(&inside)?;
    let before = landscape.objective();
    let mut swapped = descend(landscape, &mut inside, task.constraints, limit, task.watch)?;
    let mut heights = landscape.heights(&inside)?;
    if landscape.objective() > before {
        // No more than rounding.
        (inside, swapped.swaps) = (original, 0);
        heights = landscape.heights(&inside)?;
    }
    let left_open = if !swapped.exhausted {
        Some(LeftOpen::Limit)
    } else if !known.are_all() {
        Some(LeftOpen::Rows)
    } else {
        landscape.left_open(swapped, subset.len())
    };
    let (rows, scores) = in_order(known.rows(), &heights, &inside);
    let (values, least_gain) = ([before, landscape.objective()], landscape.least_gain(subset.len()));
    let compared = known.rows().len();
    Ok(Improved { rows, scores, values, swaps: swapped.swaps, least_gain, compared, left_open })
}

/// What a pass did.
pub(super) struct Pass {
    /// How many swaps were made.
    pub(super) swaps: usize,
    /// Whether another pass is worth it.
    pub(super) goes_on: bool,
    /// Whether all pairs of the list were looked at.
    pub(super) complete: bool,
}

/// What became of the swaps.
#[derive(Debug, Clone, Copy)]
pub(super) struct Swapped {
    /// How many were made.
    pub(super) swaps: usize,
    /// Whether no swap of two of the rows lowers the objective any more, by as much as is told from rounding.
    pub(super) exhausted: bool,
    /// Whether no two rows are such that the heights leave a swap open.
    pub(super) proved: bool,
}

/// Swaps while that helps, at most `limit` times.
///
/// # Errors
/// If the observer asks to stop, or as [`Landscape`].
pub(super) fn descend(
    landscape: &mut dyn Landscape,
    inside: &mut [bool],
    constraints: Option<&FeasibleSet>,
    limit: usize,
    watch: &dyn Watch,
) -> Result<Swapped, SelectError> {
    let chosen: Vec<usize> =
        landscape.rows().iter().zip(&*inside).filter(|(_, inside)| **inside).map(|(&row, _)| row).collect();
    let mut swapped = Swapped { swaps: 0, exhausted: false, proved: false };
    let mut limits = constraints.map(|set| (Limited::new(set, chosen.len()), Exchanges::new(set, &chosen)));
    let mut length = LIST;
    watch.begin("swapping", PASSES as u64);
    for _ in 0..PASSES {
        watch.advance(1)?;
        let heights = landscape.heights(inside)?;
        let list = list(landscape.rows(), &heights, inside, length, limits.as_ref());
        if list.positions.is_empty() {
            (swapped.exhausted, swapped.proved) = (true, true);
            break;
        }
        let most = limit - swapped.swaps;
        let exchanges = limits.as_mut().map(|(_, exchanges)| exchanges);
        let Pass { swaps, goes_on, complete } = landscape.swap(&list, &heights, inside, exchanges, most)?;
        swapped.swaps += swaps;
        if swaps == 0 && most > 0 {
            swapped.exhausted = list.complete && complete;
            if list.complete || !complete || length >= LONGEST {
                break;
            }
            length *= 2;
        }
        if !goes_on || swapped.swaps >= limit {
            break;
        }
    }
    Ok(swapped)
}

/// Rows that may take part in a swap.
pub(super) struct List {
    /// Positions: rows of the subset, then others.
    pub(super) positions: Vec<usize>,
    pub(super) within: Vec<bool>,
    /// Whether all that may take part are there.
    complete: bool,
}

fn list(
    rows: &[usize],
    heights: &[f64],
    inside: &[bool],
    length: usize,
    limits: Option<&(Limited<'_>, Exchanges<'_>)>,
) -> List {
    let may_move = |at: usize| match limits {
        Some((_, exchanges)) if inside[at] => exchanges.may_leave(rows[at]),
        Some((_, exchanges)) => exchanges.may_enter(rows[at]),
        None => true,
    };
    let of = |kind: bool| (0..inside.len()).filter(move |&at| inside[at] == kind && may_move(at));
    let greatest = of(true).map(|at| heights[at]).fold(f64::NEG_INFINITY, f64::max);
    let least = of(false).map(|at| heights[at]).fold(f64::INFINITY, f64::min);
    let out: Vec<usize> = of(true).filter(|&at| heights[at] > least).collect();
    let new: Vec<usize> = of(false).filter(|&at| heights[at] < greatest).collect();
    let complete = out.len() <= length && new.len() <= length;
    let above = limits.and_then(|(limited, _)| limited.above_thresholds(rows, heights));
    let above = above.as_deref().unwrap_or(heights);
    let negated: Vec<f64> = above.iter().map(|h| -h).collect();
    // Of equal rows the last one leaves first.
    let mut out = least_of(&negated, out.into_iter().rev().collect(), length);
    let mut new = least_of(above, new, length);
    out.sort_unstable_by(|a, b| b.cmp(a));
    new.sort_unstable();
    let within = (0..out.len() + new.len()).map(|at| at < out.len()).collect();
    out.extend(new);
    List { positions: out, within, complete }
}

/// The `count` of these positions of least value, the lower position first at a tie; in any order.
pub(crate) fn least_of(values: &[f64], mut positions: Vec<usize>, count: usize) -> Vec<usize> {
    if (1..positions.len()).contains(&count) {
        positions.select_nth_unstable_by(count - 1, |&a, &b| values[a].total_cmp(&values[b]).then(a.cmp(&b)));
    }
    positions.truncate(count);
    positions
}

/// Rows of the subset by rising height, of equals the lower, with minus their heights.
pub(super) fn in_order(rows: &[usize], heights: &[f64], inside: &[bool]) -> (Vec<usize>, Vec<f64>) {
    let mut order: Vec<usize> = (0..rows.len()).filter(|&at| inside[at]).collect();
    order.sort_by(|&a, &b| heights[a].total_cmp(&heights[b]).then(rows[a].cmp(&rows[b])));
    (order.iter().map(|&at| rows[at]).collect(), order.iter().map(|&at| -heights[at]).collect())
}
