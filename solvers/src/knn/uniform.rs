//! `knn-uniform`: every query gives 1/(K·M) to each of its K nearest rows.
//!
//! Limit: the pass that finds the lists. The rule that fixes K costs O(L·M) here; written down literally it sums
//! K·M gaps for every K, which is quadratic in the list length.

use kantor_theory::Status;
use serde_json::json;

use super::{Tradeoff, cost_of, largest_budget, neighbours, rank};
use crate::kernels::lists::{Neighbour, NeighbourLists};
use crate::selector::{Findings, Needs, SelectError, Selection, Selector, Settings, Task};

/// Lists are evaluated this part longer than K is guessed to be, and at least as many entries.
const SLACK: usize = 8;

/// TSDS with the uniform-regulariser G = M·max |γ − 1/(MN)| (arXiv 2410.11303), as used in arXiv 2602.14696.
#[derive(Debug, Clone, PartialEq)]
pub struct KnnUniform {
    tradeoff: Tradeoff,
}

impl KnnUniform {
    /// Reads `alpha`, `tradeoff-c`, `list-cap` and `compat-reference`.
    pub fn new(settings: &Settings) -> Self {
        Self { tradeoff: Tradeoff::new(settings) }
    }

    fn list_len(&self, task: &Task<'_>) -> usize {
        self.tradeoff.list_cap.min(task.geometry.pool_len())
    }

    /// Exact lists, as long as the rule needs them, and its answer ([`level`]): it looks no further than K + 1.
    fn settle(&self, task: &Task<'_>, findings: &Findings) -> Result<(Vec<Vec<Neighbour>>, usize, bool), SelectError> {
        let longest = self.list_len(task);
        // Screened values only guess K; the loop ends when exact values have settled it.
        let guess = |lists: &NeighbourLists| level(task, &lists.screened(longest), &self.tradeoff).0;
        let mut count = findings.lists.as_ref().map_or(0, guess);
        loop {
            count = longest.min(count + count / SLACK + SLACK);
            let lists = neighbours(task, findings, count, self.name())?;
            let (k, fired) = level(task, &lists, &self.tradeoff);
            if fired || count == longest {
                return Ok((lists, k, fired));
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

    fn needs(&self, task: &Task<'_>, _largest: usize) -> Needs {
        Needs { row_best: !self.tradeoff.compat_reference, lists: self.list_len(task) }
    }

    fn select(&self, task: &Task<'_>, findings: &Findings, budgets: &[usize]) -> Result<Vec<Selection>, SelectError> {
        self.tradeoff.check()?;
        let largest = largest_budget(task, budgets)?;
        let (lists, k, fired) = self.settle(task, findings)?;

        // Counted in integers, so that rows tie exactly when they are listed equally often.
        let mut counts = vec![0.0; task.geometry.pool_len()];
        for neighbour in lists.iter().flat_map(|list| &list[..k]) {
            counts[neighbour.row] += 1.0;
        }
        let order = rank::order(task, findings, &lists, &counts, largest, &self.tradeoff, self.name())?;
        let unit = (k * lists.len()) as f64;
        let notes = [
            ("neighbours_per_query".to_owned(), json!(k)),
            ("list_cap_reached".to_owned(), json!(!fired && k < task.geometry.pool_len())),
            ("rows_with_mass".to_owned(), json!(counts.iter().filter(|&&count| count > 0.0).count())),
        ];
        Ok(budgets
            .iter()
            .map(|&budget| Selection {
                rows: order[..budget].to_vec(),
                scores: order[..budget].iter().map(|&row| counts[row] / unit).collect(),
                status: Status::Uncertified,
                notes: notes.iter().cloned().collect(),
            })
            .collect())
    }
}

/// The least K ≥ 1 with (α/C) Σ_j Σ_{l≤K} (d_{j,K+1} − d_{j,l}) ≥ (1−α)M, and whether there is one within the lists;
/// if there is none, the length of the lists.
///
/// The double sum grows from K−1 to K by K·Σ_j (d_{j,K+1} − d_{j,K}): terms that are never negative, nothing cancels.
fn level(task: &Task<'_>, lists: &[Vec<Neighbour>], tradeoff: &Tradeoff) -> (usize, bool) {
    let cost = task.geometry.cost();
    let longest = lists.iter().map(Vec::len).min().unwrap_or(0);
    let mut gap = 0.0;
    for k in 1..longest {
        let step: f64 = lists.iter().map(|list| cost_of(cost, &list[k]) - cost_of(cost, &list[k - 1])).sum();
        gap += k as f64 * step;
        if tradeoff.outweighs(gap, lists.len()) {
            return (k, true);
        }
    }
    (longest, false)
}
