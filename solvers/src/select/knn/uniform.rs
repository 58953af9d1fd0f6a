//! `knn-uniform`: every query gives each of its K nearest rows the same share of its mass, 1/M or its weight.
//!
//! Limit: the pass that finds the lists. The rule that fixes K costs O(L·M) here; written down literally it sums
//! K·M gaps for every K, which is quadratic in the list length. Where screened sums and their proved error leave only
//! one K, no exact cost is evaluated.

use kantor_theory::{Cost, Status};
use serde_json::json;

use super::rank;
use super::{Tradeoff, cost_of, lists_of};
use crate::scan::lists::{Neighbour, NeighbourLists};
use crate::scan::{PoolScan, ScanRequest};
use crate::select::{Selection, Selector, notes};
use crate::settings::{SettingGroup, settings};
use crate::task::{SelectError, Task};
use crate::weights::QueryWeights;

/// Lists are evaluated this part longer than K is guessed to be, and at least as many entries.
const SLACK: usize = 8;

settings! {
    /// TSDS with the uniform-regulariser G = M·max |γ − 1/(MN)| (arXiv 2410.11303), as used in arXiv 2602.14696.
    pub struct KnnUniform {
        ..tradeoff: Tradeoff;
        /// Longest neighbour list of the KNN methods
        list_cap: usize = 5000 => some_rows();
    }
}

impl KnnUniform {
    fn list_len(&self, task: &Task<'_>) -> usize {
        self.list_cap.min(task.geometry.pool_len())
    }

    /// K by the rule, and whether the rule fired within the lists.
    fn settle(&self, task: &Task<'_>, lists: &NeighbourLists) -> (usize, bool) {
        let (longest, masses) = (self.list_len(task), QueryWeights::new(task).masses());
        let mut count = match screened_level(task, lists, longest, &masses, &self.tradeoff) {
            Ok(settled) => return settled,
            Err(guess) => guess,
        };
        loop {
            // The rule looks no further than K + 1.
            count = longest.min(count + count / SLACK + SLACK);
            let (k, fired) = level(task, &lists.exact(task.geometry, count), &masses, &self.tradeoff);
            if fired || count == longest {
                return (k, fired);
            }
        }
    }
}

impl Selector for KnnUniform {
    fn name(&self) -> &'static str {
        "knn-uniform"
    }

    fn nested(&self) -> bool {
        true
    }

    fn supports(&self, _task: &Task<'_>) -> Result<(), SelectError> {
        self.check()
    }

    fn needs(&self, task: &Task<'_>, _largest: usize) -> ScanRequest {
        ScanRequest { row_best: !self.tradeoff.compat_reference, lists: self.list_len(task) }
    }

    fn select(&self, task: &Task<'_>, scanned: &PoolScan, budgets: &[usize]) -> Result<Vec<Selection>, SelectError> {
        self.supports(task)?;
        let largest = task.largest(budgets)?;
        let lists = lists_of(scanned, self.name())?;
        let (k, fired) = self.settle(task, lists);
        let nearest = lists.nearest(task.geometry, k);

        // Without weights counted in integers, so that rows tie exactly when they are listed equally often.
        let mut counts = vec![0.0; task.geometry.pool_len()];
        for (rows, mass) in nearest.iter().zip(QueryWeights::new(task).masses()) {
            rows.iter().for_each(|&row| counts[row as usize] += mass);
        }
        let order = rank::order(task, scanned, &counts, largest, &self.tradeoff, self.name())?;
        let unit = (k * nearest.len()) as f64;
        let notes = notes([
            ("neighbours_per_query", json!(k)),
            ("list_cap_reached", json!(!fired && k < task.geometry.pool_len())),
            ("sampling", json!(self.tradeoff.sampling)),
            ("rows_with_mass", json!(counts.iter().filter(|&&count| count > 0.0).count())),
        ]);
        let scores = order.iter().map(|&row| counts[row] / unit).collect();
        Ok(Selection { rows: order, scores, status: Status::Uncertified, notes }.prefixes(budgets))
    }
}

/// The least K ≥ 1 with (α/C) Σ_j m_j Σ_{l≤K} (d_{j,K+1} − d_{j,l}) ≥ (1−α)M, m_j the mass of a query in units of 1/M, and
/// whether there is one within the lists; if there is none, the length of the lists.
///
/// The sum grows from K−1 to K by K·Σ_j m_j (d_{j,K+1} − d_{j,K}): terms that are never negative, nothing cancels.
fn level(task: &Task<'_>, lists: &[Vec<Neighbour>], masses: &[f64], tradeoff: &Tradeoff) -> (usize, bool) {
    let cost = task.geometry.cost();
    let longest = lists.iter().map(Vec::len).min().unwrap_or(0);
    let mut gap = 0.0;
    for k in 1..longest {
        let rise = |list: &[Neighbour]| cost_of(cost, &list[k]) - cost_of(cost, &list[k - 1]);
        let step: f64 = lists.iter().zip(masses).map(|(list, mass)| mass * rise(list)).sum();
        gap += k as f64 * step;
        if tradeoff.outweighs(gap, lists.len()) {
            return (k, true);
        }
    }
    (longest, false)
}

/// [`level`] of the exact costs, decided on screened ones; a guess of K if they cannot decide it.
///
/// Let every cost err by at most η. Then so does the l-th least cost of every query, and the double sum errs by at
/// most 2·K·M·η, as masses sum to M. Either computed sum has at most K + M + 6 roundings on the way of each of its terms,
/// which are never negative.
fn screened_level(
    task: &Task<'_>,
    lists: &NeighbourLists,
    longest: usize,
    masses: &[f64],
    tradeoff: &Tradeoff,
) -> Result<(usize, bool), usize> {
    let cost = task.geometry.cost();
    let error = cost_error(cost, lists.error() * lists.unit());
    let screened = lists.screened(longest);
    let longest = screened.iter().map(Vec::len).min().unwrap_or(0);
    let mut gap = 0.0;
    let mut earliest = None;
    for k in 1..longest {
        let rise = |list: &[Neighbour]| cost_of(cost, &list[k]) - cost_of(cost, &list[k - 1]);
        let step: f64 = screened.iter().zip(masses).map(|(list, mass)| mass * rise(list)).sum();
        gap += k as f64 * step;
        let spread = 2.0 * (k * screened.len()) as f64 * error;
        let spread = spread + (k + screened.len() + 8) as f64 * (2.0 * f64::EPSILON) * (gap + spread);
        if earliest.is_none() && tradeoff.outweighs(gap + spread, screened.len()) {
            earliest = Some(k);
        }
        if tradeoff.outweighs(gap, screened.len()) {
            let settled = earliest == Some(k) && tradeoff.outweighs(gap - spread, screened.len());
            return if settled { Ok((k, true)) } else { Err(k) };
        }
    }
    if earliest.is_none() && gap.is_finite() { Ok((longest, false)) } else { Err(longest) }
}

/// How far the cost of a pair can be off if its closeness is off by at most `error`; infinite if there is no bound.
fn cost_error(cost: Cost, error: f64) -> f64 {
    match cost {
        // No steeper than closeness itself; 1 − cos is rounded on either side.
        Cost::Cosine | Cost::HalfCosine => error + 4.0 * f64::EPSILON,
        Cost::Sqeuclidean | Cost::Precomputed => error,
        Cost::Angular | Cost::Euclidean => f64::INFINITY,
    }
}
