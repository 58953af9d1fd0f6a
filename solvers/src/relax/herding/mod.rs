//! Subsets of least energy distance or maximum mean discrepancy, and the measures that prove how good they are.
//!
//! [`choose`] picks rows one by one, many per pass (`greedy`), and then swaps rows until no swap helps (`swap`).
//! [`dual`] solves the convex relaxation (`relax`), whose optimum is the evidence for a bound below every subset
//! (`kantor_theory::bounds`); for large budgets it is projected on fewer rows (`landmarks`), so that proving and
//! checking cost less and the bound stays valid. Under local kernels few rows are active and the others count alone (`local`), with a diagonal that is
//! shifted as far as the kernel allows (`shift`). Under constraints herding picks admissible rows, swaps are those that
//! keep all limits, and the relaxation (`polytope`) finds the prices of the limits with the measure. Where tokens are the budget,
//! rows weigh their lengths (`tokens`).
//!
//! Everything is decided in `f64` in the canonical order, so neither threads nor block sizes nor instruction sets
//! change a row.
//!
//! Cost: the passes of herding take 2kWd operations for the W active rows (all N up to 98,304 rows, else at least 4k);
//! memory is some 32 bytes per active row and budget, and 260 MB for mutual kernel values.

pub(crate) mod cloud;
mod greedy;
mod landmarks;
mod local;
mod polytope;
mod relax;
mod score;
mod shift;
mod swap;
mod tokens;

use std::collections::HashSet;

use kantor_theory::constraints::Price;
use kantor_theory::{BestEvidence, FeasibleSet, Kernel, Witness};

use super::swaps::{Improved, LeftOpen, in_order};
use crate::admission::Admission;
use crate::task::{SelectError, Task};
use cloud::KernelPoints;
use greedy::{ActiveSet, Herd};
pub use score::scores;

/// Most rows of a witness; beyond that it is projected on this many.
pub const LANDMARKS: usize = 4096;

/// A subset of small distance under a kernel.
pub struct KernelSubset {
    herd: Herd,
    /// The budget that it was chosen for, in rows or tokens.
    pub budget: usize,
    /// The squared distance to the queries after herding and at the end, as `f64` arithmetic has it.
    pub values: [f64; 2],
    /// Swaps made.
    pub swaps: usize,
    /// Swaps that take less than this from the squared distance are not told from rounding.
    pub least_gain: f64,
    /// Rows of the pool that were compared to the end.
    pub compared: usize,
    /// Why it is not shown that no swap of two rows takes more than that; `None` if it is shown.
    pub left_open: Option<LeftOpen>,
    /// How many of the rows, the first, stand as herding picked them.
    pub herded: usize,
    among_queries: f64,
}

impl KernelSubset {
    /// Distinct pool rows: those that herding picked in its order, then those that swaps brought.
    pub fn rows(&self) -> &[usize] {
        &self.herd.rows
    }

    /// Minus the potential of every row when it was chosen.
    pub fn scores(&self) -> &[f64] {
        &self.herd.scores
    }
}

/// What was chosen for all budgets under one kernel.
pub struct HerdedSubsets {
    /// The kernel.
    pub kernel: Kernel,
    /// In the order of the budgets asked for.
    pub budgets: Vec<KernelSubset>,
}

/// What the rows must obey, if anything.
fn constraints<'a>(task: &Task<'a>) -> Option<&'a FeasibleSet> {
    task.constraints.filter(|set| !set.constraints().are_none() || set.tokens().is_some())
}

/// Chooses one subset per budget; it obeys the constraints of the task.
///
/// # Errors
/// If a budget does not fit, no subset obeys the constraints, the geometry is a matrix, the kernel makes no distance, memory does not suffice or the
/// observer asks to stop.
pub fn choose(task: &Task<'_>, kernel: Kernel, budgets: &[usize]) -> Result<HerdedSubsets, SelectError> {
    if let Some(set) = constraints(task).filter(|set| set.tokens().is_some()) {
        return tokens::choose(task, kernel, set);
    }
    let largest = task.largest(budgets)?;
    let cloud = KernelPoints::new(task, kernel, method(kernel))?;
    task.afford(method(kernel), bytes(task, largest, budgets.len()))?;
    let among_queries = cloud.among_queries()?;
    let set = constraints(task);
    let admission = set.map(|set| Admission::new(set, largest)).transpose()?;
    let herds = greedy::herd(&cloud, budgets, ActiveSet::default(), admission, task.watch)?;
    let chosen = herds.into_iter().map(|herd| swapped(task, &cloud, herd, among_queries, usize::MAX));
    Ok(HerdedSubsets { kernel, budgets: chosen.collect::<Result<_, SelectError>>()? })
}

/// Swaps rows of a herd, at most `limit` times.
fn swapped(
    task: &Task<'_>,
    cloud: &KernelPoints<'_>,
    mut herd: Herd,
    among_queries: f64,
    limit: usize,
) -> Result<KernelSubset, SelectError> {
    let (budget, before) = (herd.rows.len(), value(&herd, among_queries));
    let picked: HashSet<usize> = herd.rows.iter().copied().collect();
    let swapped = swap::swap(cloud, &mut herd, before, constraints(task), limit, task.watch)?;
    let herded = herd.rows.iter().filter(|row| picked.contains(row)).count();
    let values = [before, value(&herd, among_queries)];
    let (least_gain, compared) = (swap::unnoticed(cloud, &herd), herd.field.rows.len());
    let left_open = if !swapped.exhausted {
        Some(LeftOpen::Limit)
    } else if compared < task.geometry.pool_len() {
        Some(LeftOpen::Rows)
    } else {
        Some(LeftOpen::Rounding).filter(|_| values[1].is_nan() || least_gain >= cloud.size(values[1]))
    };
    let swaps = swapped.swaps;
    Ok(KernelSubset { herd, budget, values, swaps, least_gain, compared, left_open, herded, among_queries })
}

/// Swaps rows of any subset that obeys the constraints of the task, at most `limit` times.
///
/// # Errors
/// As [`choose`].
pub(super) fn improve(task: &Task<'_>, kernel: Kernel, rows: &[usize], limit: usize) -> Result<Improved, SelectError> {
    if let Some(set) = constraints(task).filter(|set| set.tokens().is_some()) {
        return tokens::improve(task, kernel, set, rows, limit);
    }
    let cloud = KernelPoints::new(task, kernel, method(kernel))?;
    task.afford(method(kernel), bytes(task, rows.len(), 1))?;
    let among_queries = cloud.among_queries()?;
    let start = || Herd::of(&cloud, rows, ActiveSet::default());
    let found = swapped(task, &cloud, start()?, among_queries, limit)?;
    let KernelSubset { mut herd, mut values, mut swaps, least_gain, compared, left_open, .. } = found;
    if values[1] > values[0] {
        // No more than rounding.
        (herd, values[1], swaps) = (start()?, values[0], 0);
    }
    let potentials = herd.field.potentials(rows.len() as f64);
    let (rows, scores) = in_order(&herd.field.rows, &potentials, &herd.inside());
    Ok(Improved { rows, scores, values, swaps, least_gain, compared, left_open })
}

/// The first `count` rows of the order in which herding picks them, of which the order for fewer is a prefix; no swaps, and
/// no constraints.
///
/// # Errors
/// As [`choose`].
pub fn order(task: &Task<'_>, kernel: Kernel, count: usize) -> Result<Vec<usize>, SelectError> {
    task.largest(&[count])?;
    let cloud = KernelPoints::new(task, kernel, method(kernel))?;
    Ok(greedy::herd(&cloud, &[count], ActiveSet::default(), None, task.watch)?
        .into_iter()
        .flat_map(|herd| herd.rows)
        .collect())
}

/// What proves how close any subset of some size can be.
#[derive(Debug, Clone, PartialEq)]
pub struct KernelDual {
    /// A measure on the pool; masses of active rows in units of 1/k, where there is a shift.
    pub witness: Witness,
    /// What is taken from the diagonal of each of its rows, under a local kernel (T19); else empty.
    pub shift: Vec<f64>,
    /// Of the limits of the constraints.
    pub prices: Vec<Price>,
}

impl KernelDual {
    /// The evidence for a bound.
    pub fn evidence(self) -> BestEvidence {
        let Self { witness, shift, .. } = self;
        if shift.is_empty() { witness.into() } else { BestEvidence::Local { witness, shift } }
    }
}

/// What proves how close any subset of that size can be which obeys the constraints of the task.
///
/// # Errors
/// If a row is bad or the observer asks to stop.
pub fn dual(task: &Task<'_>, kernel: Kernel, chosen: &KernelSubset) -> Result<KernelDual, SelectError> {
    let cloud = KernelPoints::new(task, kernel, method(kernel))?;
    let field = chosen.herd.field.clone();
    let positions: Vec<usize> = chosen.rows().iter().filter_map(|&row| field.position(row)).collect();
    if let Some(set) = constraints(task).filter(|set| set.tokens().is_some()) {
        let dual = tokens::relax(&cloud, set, field, &positions, chosen.among_queries, task.watch)?;
        return Ok(KernelDual { witness: landmarks::project(&cloud, &dual.witness, LANDMARKS)?, ..dual });
    }
    let of_subset = (chosen.among_queries, chosen.values[1]);
    let local = local::relax(&cloud, &field, &positions, of_subset, constraints(task), task.watch)?;
    if let Some(local) = local.as_ref().filter(|local| local.settled) {
        return Ok(local.dual.clone());
    }
    let known = local.as_ref().map(|_| field.clone());
    let plain = relax::relax(&cloud, field, &positions, chosen.among_queries, constraints(task), task.watch)?;
    let dual = KernelDual { witness: landmarks::project(&cloud, &plain.dual.witness, LANDMARKS)?, ..plain.dual };
    let (Some(local), Some(field)) = (local, known) else { return Ok(dual) };
    let polytope = constraints(task).map(|set| {
        let subset = chosen.rows().iter().map(|&row| (row, 1.0));
        polytope::Polytope::new(set, positions.len(), subset)
    });
    let of_all = (positions.len() as f64, chosen.among_queries);
    let lower = relax::proved(&cloud, field, &dual.witness, of_all, polytope.as_ref())?;
    Ok(if local.lower >= lower { local.dual } else { dual })
}

/// Bytes that choosing takes beyond the input, for budgets up to `largest`.
pub fn bytes(task: &Task<'_>, largest: usize, budgets: usize) -> u64 {
    let dim = task.geometry.points().map_or(0, |rows| rows.dim());
    let columns = largest.clamp(1024, LANDMARKS);
    let mutual = LANDMARKS.min(task.geometry.pool_len());
    (32 * task.geometry.pool_len() * (budgets + 2) + 8 * dim * columns + 16 * mutual * mutual) as u64
}

fn method(kernel: Kernel) -> &'static str {
    if kernel == Kernel::ENERGY { "energy" } else { "mmd" }
}

/// The squared distance of a subset, less the mean worth of its rows, from its field.
fn value(herd: &Herd, among_queries: f64) -> f64 {
    let k = herd.rows.len() as f64;
    let (mut own, mut cross) = (0.0, 0.0);
    for at in herd.rows.iter().filter_map(|&row| herd.field.position(row)) {
        own += herd.field.sums[at];
        cross += herd.field.queries[at];
    }
    own / (k * k) - 2.0 * cross / k + among_queries
}
