//! Cross-fitting: select by some of the queries, measure on the others.
//!
//! A selection fits the queries that it was chosen by, so its distance to them is less than its distance to other
//! queries from the same source. The queries are split into folds; for each fold, every method chooses by the queries of
//! all other folds, and what it chose is measured on the fold and, for comparison, on the queries that it saw. A
//! selection never sees the queries on which it is measured, nor do rules that exclude rows by queries, so theorem T10
//! bounds its distance to the law of the queries. The result itself is still chosen by all queries. Several tasks are split each
//! by itself, and each keeps its share. Queries of a group stay together if there are as many groups as folds; nothing is then said of a law, as
//! they may be no independent draws.

use std::time::Instant;

use kantor_solvers::Watch;
use kantor_solvers::folds::{by_group, kept_together, split};
use kantor_theory::generalization::cross_fit::{Fold, fold_bounds};
use kantor_theory::generalization::metric::chord_from_cosine;
use kantor_theory::generalization::{Bound, Metric, MetricDistance};
use kantor_theory::{Cost, DistanceBound, FeasibleSet, Geometry, Interval, Objective, PickedRows, Power};
use serde::{Deserialize, Serialize};

use super::heldout::{Means, choose_and_measure, mean, middle};
use super::likeness::unlike_anew;
use super::unseen::{PairedBy, Unseen, Values};
use super::{Error, Outcome, Request};
use crate::label::Labelled;
use crate::problem::Problem;

/// The probability with which T10 may fail.
const DELTA: f64 = 0.05;

/// What theorem T10 says of selections by the other folds, if the queries are independent draws from one law.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Law {
    /// The metric of `distance`: the cost, or the metric behind a cost that is none.
    pub metric: Metric,
    /// `distance` holds with probability at least 1 − this over the draw of the queries.
    pub delta: f64,
    /// At least W₁ from every one of the selections to the law of the queries.
    pub distance: f64,
}

/// What selections by the other folds are worth.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct HeldOut {
    /// Number of folds.
    pub folds: usize,
    /// To the queries that were held out.
    #[serde(flatten)]
    pub held_out: Means,
    /// The same selections, to the queries by which they were chosen.
    pub seen: Means,
    /// What that proves of the law of the queries; `null` where there is no metric, or none with a known diameter.
    pub law: Option<Law>,
}

/// Adds to an outcome what [`Request::cross_fit`] asks for.
pub(super) fn measure(problem: &Problem<'_>, mut outcome: Outcome, watch: &dyn Watch) -> Result<Outcome, Error> {
    let (power, request) = (outcome.goal.power, outcome.request.clone());
    let Some(count) = request.cross_fit else { return Ok(outcome) };
    let begun = Instant::now();
    let (cost, m) = (problem.goal().cost, problem.geometry().query_len());
    let parts = problem.parts();
    let least = parts.iter().copied().min().unwrap_or(0);
    if count < 2 || count > least {
        let of = if parts.len() > 1 { " of the smallest task" } else { "" };
        return Err(Error::Request(format!("--cross-fit {count} is not between 2 and the {least} queries{of}")));
    }
    // One kernel for all folds: that of all queries.
    let objective = outcome.objective;
    let groups = kept_together(&parts, problem.groups(), count);
    outcome.splits_groups = problem.groups().is_some() && groups.is_none();
    let folds = split(&parts, groups.as_deref(), count, request.seed);
    // Rows weigh their lengths where tokens are the budget.
    let sets: Vec<Option<FeasibleSet>> =
        outcome.goal.budgets.iter().map(|&budget| problem.feasible(budget)).collect::<Result<_, _>>()?;
    // By method, budget and fold: distances to the held-out queries, and to those that the selection was chosen by.
    let mut found: Vec<Vec<Vec<[Means; 2]>>> =
        outcome.chosen.iter().map(|chosen| vec![Vec::with_capacity(count); chosen.selections.len()]).collect();
    // By method and budget, for each query: what it costs to serve it unseen and seen.
    let mut served: Vec<Vec<[Vec<f64>; 2]>> =
        found.iter().map(|budgets| vec![[vec![0.0; m], vec![0.0; m]]; budgets.len()]).collect();
    // The distance to the worst task is no sum over queries.
    let by_query = objective == Objective::W && power == Power::One && problem.tasks().is_empty();
    let scale = m as f64 / count as f64;
    for (place, fold) in folds.iter().enumerate() {
        let watch = &Labelled::new(watch, format!("fold {} of {count}", place + 1));
        let others: Vec<usize> = (0..m).filter(|query| fold.binary_search(query).is_err()).collect();
        let balance = request.balance.as_ref().map(|labels| others.iter().map(|&query| labels[query]).collect());
        let by_seen = Request { balance, ..request.clone() };
        let rows = |list: &[usize]| PickedRows::new(problem.queries(), list.to_vec());
        let (held, seen) = (rows(fold), rows(&others));
        let held = problem.among(&held, fold)?;
        let seen = problem.among(&seen, &others)?.with_budgets(outcome.goal.budgets.clone());
        let seen = unlike_anew(seen, watch)?;
        let lists = [&fold[..], &others];
        choose_and_measure([&held, &seen], &by_seen, objective, &sets, watch, |method, budget, measured| {
            let sides = [&held, &seen].into_iter().zip(lists).zip(&mut served[method][budget]);
            for (((by, queries), served), measured) in sides.zip(&measured) {
                for (query, cost) in shares(by.geometry(), &measured.proof).filter(|_| by_query) {
                    served[queries[query]] += scale * cost;
                }
            }
            found[method][budget].push(measured.map(|measured| measured.means));
        })?;
    }
    for (chosen, found) in outcome.chosen.iter_mut().zip(&found) {
        for (proved, measured) in chosen.selections.iter_mut().zip(found) {
            let side = |side: usize| Means {
                distance: mean(measured.iter().map(|part| part[side].distance)),
                energy: measured.iter().map(|part| part[side].energy).collect::<Option<Vec<_>>>().map(mean),
            };
            // Queries of several tasks are no draws from one law.
            let law = if objective == Objective::W
                && problem.query_weights().is_none()
                && parts.len() == 1
                && groups.is_none()
            {
                law(cost, power, &folds, measured)
            } else {
                None
            };
            proved.held_out = Some(HeldOut { folds: count, held_out: side(0), seen: side(1), law });
        }
    }
    outcome.unseen = (0..outcome.goal.budgets.len())
        .filter_map(|at| {
            let values: Vec<Values<'_>> = outcome
                .chosen
                .iter()
                .zip(found.iter().zip(&served))
                .map(|(chosen, (found, served))| {
                    let of_folds = |side: usize| found[at].iter().map(|part| middle(part[side].distance)).collect();
                    let values = |side: usize| match &groups {
                        _ if !by_query => of_folds(side),
                        None => served[at][side].clone(),
                        Some(groups) => {
                            let sums = by_group(groups, served[at][side].iter().copied());
                            // So that their mean is that over queries.
                            let scale = sums.len() as f64 / m as f64;
                            sums.into_iter().map(|sum| scale * sum).collect()
                        }
                    };
                    Values { method: &chosen.method, unseen: values(0), seen: values(1) }
                })
                .collect();
            let paired_by = match &groups {
                _ if !by_query => PairedBy::Fold,
                None => PairedBy::Query,
                Some(_) => PairedBy::Group,
            };
            Unseen::of(cost, outcome.goal.budgets[at], count, paired_by, &values)
        })
        .collect();
    outcome.cross_fit_seconds = begun.elapsed().as_secs_f64();
    Ok(outcome)
}

/// What every piece of the plan that proves this distance adds to it, by query.
fn shares<'a>(geometry: &'a Geometry<'_>, distance: &'a DistanceBound) -> impl Iterator<Item = (usize, f64)> + 'a {
    let plan = distance.evidence().plan.as_ref();
    let total = plan.map_or(1, |plan| plan.total()) as f64;
    let entries = plan.into_iter().flat_map(|plan| plan.entries());
    entries.map(move |(row, query, mass)| (query, mass as f64 / total * geometry.cost_of(distance.rows()[row], query)))
}

/// T10 for all folds at once. It takes the number of held-out queries of each fold, and the distances to these and to the
/// others (`parts`), which are bounded under the metric first.
fn law(cost: Cost, power: Power, folds: &[Vec<usize>], parts: &[[Means; 2]]) -> Option<Law> {
    let metric = Metric::behind(cost)?;
    let diameter = metric.diameter().filter(|_| power == Power::One)?;
    let distance = |of: Interval| {
        let upper = match cost {
            Cost::Cosine => chord_from_cosine(of.upper?),
            Cost::HalfCosine => chord_from_cosine(2.0 * of.upper?),
            _ => of.upper?,
        };
        MetricDistance::new(Interval { lower: None, upper: Some(upper) })
    };
    let fold = |(fold, [unseen, seen]): (&Vec<usize>, &[Means; 2])| {
        let (unseen, seen) = (distance(unseen.distance)?, distance(seen.distance)?);
        Some(Fold { seen, unseen, unseen_queries: fold.len() })
    };
    let folds: Option<Vec<Fold>> = folds.iter().zip(parts).map(fold).collect();
    let distance = fold_bounds(&folds?, diameter, DELTA).iter().map(Bound::value).fold(0.0, f64::max);
    Some(Law { metric, delta: DELTA, distance })
}
