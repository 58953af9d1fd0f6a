//! The selector `auto`: what several methods choose is compared on queries that they have not seen, and one of them then
//! chooses by all queries.
//!
//! The queries are split into folds. For each fold every candidate chooses by the queries of all other folds, and each
//! query of the fold scores what it chose (`theory/notes/kernel-score.md`): the mean of these scores estimates, without
//! bias and up to a term that is the same for all candidates, the squared kernel distance of a candidate's choice to the
//! law that the queries are drawn from. The first candidate in the order of preference is taken that is not worse than the
//! best by more than one standard error of the paired differences. Queries of a group stay together, in no more folds than there are groups, and
//! groups are paired; one group alone is split. Why seen queries do not decide: `theory/notes/unseen.md`.
//!
//! Limit: for each fold one pass over the pool and the work of all candidates, so with F folds and C candidates about F·C
//! times that of one; k² + kM kernel values for each of them.

mod candidates;
mod paired;

use std::collections::BTreeMap;

use kantor_theory::{Geometry, Kernel};
use serde::Serialize;
use serde_json::json;

use crate::bandwidth::Bandwidth;
use crate::folds::{kept_together, split};
use crate::relax::herding;
use crate::relax::herding::cloud::comparable;
use crate::scan::{PoolScan, ScanRequest, scan};
use crate::select::{Selection, Selector, notes};
use crate::settings::{SettingGroup, settings};
use crate::task::{SelectError, Task};
use crate::weights::QueryWeights;

use candidates::{Candidate, KERNEL, candidates};
use paired::{Paired, compare, compare_groups};

/// Name on the command line.
const NAME: &str = "auto";

/// The first candidate is taken that is above the best by no more standard errors than this (the one-standard-error rule).
const PREFERRED: f64 = 1.0;

/// Candidates that are above the best by no more standard errors than this cannot be told from it.
const TOLD_APART: f64 = 2.0;

settings! {
    /// Chooses by the method whose choices are closest to queries that it has not seen.
    pub struct Auto {
        /// Folds of the queries by which auto compares methods
        auto_folds: usize = 5 => range(|folds| folds >= 2.0, "it must be at least 2"), value_name("FOLDS");
    }
}

/// A candidate and how it compares, as it is recorded.
#[derive(Serialize)]
struct Compared<'a> {
    method: &'static str,
    settings: &'a BTreeMap<&'static str, f64>,
    #[serde(flatten)]
    paired: Paired,
}

impl Auto {
    /// The kernel by which unseen queries score.
    fn kernel(geometry: &Geometry<'_>) -> Result<Kernel, SelectError> {
        Bandwidth::Local.for_queries(KERNEL, geometry)
    }

    fn candidates(task: &Task<'_>) -> Result<Vec<Candidate>, SelectError> {
        Ok(candidates(task, Self::kernel(task.geometry)?.bandwidth().unwrap_or(1.0)))
    }

    /// In how many folds queries are compared, and the group of every query, if there are groups: they stay together, so there are no more
    /// folds than groups. One group alone is split.
    fn folds(&self, task: &Task<'_>) -> (usize, Option<Vec<usize>>) {
        let m = task.geometry.query_len();
        match kept_together(&[m], task.groups, 2) {
            Some(groups) => {
                let count = groups.iter().max().map_or(0, |last| last + 1);
                (self.auto_folds.min(count), Some(groups))
            }
            None => (self.auto_folds.min(m), None),
        }
    }

    /// For every budget and candidate the score that each query gives what was chosen without it.
    fn scores(
        &self,
        task: &Task<'_>,
        candidates: &[Candidate],
        budgets: &[usize],
    ) -> Result<Vec<Vec<Vec<f64>>>, SelectError> {
        let (m, kernel) = (task.geometry.query_len(), Self::kernel(task.geometry)?);
        let (count, groups) = self.folds(task);
        let folds = split(&[m], groups.as_deref(), count, task.seed);
        let mut scores = vec![vec![vec![0.0; m]; candidates.len()]; budgets.len()];
        for (place, unseen) in folds.iter().enumerate() {
            let seen: Vec<usize> = (0..m).filter(|query| unseen.binary_search(query).is_err()).collect();
            task.watch.begin(&format!("comparing methods, fold {} of {count}", place + 1), 0);
            let weights: Option<Vec<f64>> = task.weights.map(|all| seen.iter().map(|&query| all[query]).collect());
            let chosen = task.geometry.with_queries(&seen, |geometry| {
                choose(&Task { geometry, weights: weights.as_deref(), groups: None, ..*task }, candidates, budgets)
            })??;
            task.geometry.with_queries(unseen, |geometry| {
                let task = Task { geometry, weights: None, groups: None, ..*task };
                for (at, selections) in chosen.iter().enumerate() {
                    for (selection, scores) in selections.iter().zip(&mut scores) {
                        let of_unseen = herding::scores(&task, kernel, &selection.rows)?;
                        unseen.iter().zip(of_unseen).for_each(|(&query, score)| scores[at][query] = score);
                    }
                }
                Ok::<_, SelectError>(())
            })??;
        }
        Ok(scores)
    }
}

/// What every candidate chooses, for every budget.
fn choose(task: &Task<'_>, candidates: &[Candidate], budgets: &[usize]) -> Result<Vec<Vec<Selection>>, SelectError> {
    let largest = budgets.iter().copied().max().unwrap_or(0);
    let scanned = scan(task, needs(task, candidates, largest))?;
    candidates.iter().map(|candidate| candidate.selector.select(task, &scanned, budgets)).collect()
}

fn needs(task: &Task<'_>, candidates: &[Candidate], largest: usize) -> ScanRequest {
    let none = ScanRequest::default();
    candidates.iter().fold(none, |needs, candidate| needs.union(candidate.selector.needs(task, largest)))
}

impl Selector for Auto {
    fn name(&self) -> &'static str {
        NAME
    }

    /// Another method may be taken for another budget.
    fn nested(&self) -> bool {
        false
    }

    fn runs_others(&self) -> bool {
        true
    }

    fn obeys_constraints(&self) -> bool {
        true
    }

    fn obeys_token_budgets(&self) -> bool {
        true
    }

    fn supports(&self, task: &Task<'_>) -> Result<(), SelectError> {
        self.check()?;
        if !task.tasks.is_empty() {
            let fault = "compares methods on unseen queries of one task: it is not for the worst of several tasks";
            return Err(SelectError::Unsupported { method: NAME, fault });
        }
        if task.quality.is_some() {
            let fault = "compares methods by how close their choices are to unseen queries, which quality is no part of: name a method that \
                         weighs it (optimal, swap, energy, mmd)";
            return Err(SelectError::Unsupported { method: NAME, fault });
        }
        comparable(task.geometry, KERNEL, NAME)
    }

    fn needs(&self, task: &Task<'_>, largest: usize) -> ScanRequest {
        Self::candidates(task).map_or_else(|_| ScanRequest::default(), |candidates| needs(task, &candidates, largest))
    }

    fn select(&self, task: &Task<'_>, scanned: &PoolScan, budgets: &[usize]) -> Result<Vec<Selection>, SelectError> {
        self.supports(task)?;
        if task.constraints.is_none_or(|set| set.tokens().is_none()) {
            task.largest(budgets)?;
        }
        let candidates = Self::candidates(task)?;
        let m = task.geometry.query_len();
        let scores = match m {
            // Nothing is known of one query if it is not seen.
            1 => vec![vec![vec![0.0]; candidates.len()]; budgets.len()],
            _ => self.scores(task, &candidates, budgets)?,
        };
        let weights = QueryWeights::of(task.weights, m);
        let (kernel, (count, groups)) = (Self::kernel(task.geometry)?, self.folds(task));
        let choose = |(&budget, scores): (&usize, &Vec<Vec<f64>>)| {
            let compared = match &groups {
                None => compare(scores, &weights),
                Some(groups) => compare_groups(scores, &weights, groups),
            };
            let taken = compared.iter().position(|paired| paired.is_within(PREFERRED)).unwrap_or(0);
            // Every candidate is of this crate, and gives one selection for each budget.
            let Some(mut selection) = candidates[taken].selector.select(task, scanned, &[budget])?.pop() else {
                unreachable!("one selection per budget")
            };
            let like = (0..candidates.len()).filter(|&at| at != taken && compared[at].is_within(TOLD_APART));
            let like: Vec<String> = like.map(|at| candidates[at].label()).collect();
            let listed = candidates.iter().zip(&compared).map(|(Candidate { settings, selector }, &paired)| {
                json!(Compared { method: selector.name(), settings, paired })
            });
            selection.notes.append(&mut notes([
                ("auto-took", json!(candidates[taken].label())),
                ("auto-not-told-apart", json!(like)),
                ("auto-compared", listed.collect()),
                ("auto-kernel", json!(kernel)),
                ("auto-folds", json!(count)),
            ]));
            if let Some(last) = groups.iter().flatten().max() {
                selection.notes.append(&mut notes([("auto-groups", json!(last + 1))]));
            }
            Ok(selection)
        };
        budgets.iter().zip(&scores).map(choose).collect()
    }
}
