//! One selection: the same record for every command that makes or reads selections.
//!
//! Fields are keys of manifests and of `results.json`, in this order. Fields that the first version did not have are
//! optional, so that older results can still be read.

use std::collections::BTreeMap;

use kantor_theory::rounding::add_up;
use kantor_theory::{Cost, Interval, Status};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::certify::Certified;
use crate::constraints::LimitUse;
use crate::pipeline::{
    Chosen, GroupCoverage, HeldOut, ProvedSelection, RandomReference, Request, TokensUsed, coverage,
};

use super::Origin;

/// A selection and what is known of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SelectionRecord {
    /// Pairwise cost; only in comparisons, which have several costs. Manifests have it among their parameters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
    /// Which bin of the method's order, the nearest first; only from `quantiles`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bin: Option<usize>,
    /// Which method.
    pub method: String,
    /// How many rows, or tokens if those are counted.
    pub budget: usize,
    /// What the rows use of a budget in tokens; absent if rows are counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_tokens: Option<TokensUsed>,
    /// Where its files are, relative to the result; `null` if they were not asked for.
    pub dir: Option<String>,
    /// The places in the method's order from which the rows were taken; only from `quantiles`.
    #[serde(flatten)]
    pub ranks: Option<RankRange>,
    /// Whether smaller budgets of this method are prefixes of larger ones.
    pub nested: bool,
    /// Proved to contain the subset's distance; `null` if nothing was proved.
    pub distance: Option<Interval>,
    /// Proved to contain the distance to each of the result's tasks, in their order, if the worst of them counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub task_distances: Vec<Interval>,
    /// A proved lower bound for the distance of every subset of that size; `null` if nothing was proved.
    pub best: Option<Best>,
    /// How far the subset can be above the best possible one: upper/lower − 1, rounded up.
    pub excess: Option<f64>,
    /// Proved to contain the subset's energy distance; `null` if it was left out, for a reason that the notes give.
    pub energy: Option<Interval>,
    /// Proved to contain the mean cost between a query and its closest row of the subset, for p = 2 the root of the mean
    /// squared cost; `null` if nothing was proved.
    pub chamfer: Option<Interval>,
    /// Distances to held-out queries of selections by the other queries; `null` unless asked for.
    pub held_out: Option<HeldOut>,
    /// Further measurements, made by `compare` only.
    #[serde(flatten)]
    pub examined: Option<Examined>,
    /// How well the selection covers each group of queries, in the order of the result's groups.
    pub groups: Vec<GroupCoverage>,
    /// Chosen rows per source, in the order of the result's sources; only in comparisons.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sources: Option<Vec<usize>>,
    /// What the chosen rows use of every limit that they obey.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<LimitUse>,
    /// Whether the method works on what is certified over the choices that obey constraints; absent without constraints.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub solves_constrained: Option<bool>,
    /// What the rows are worth by themselves, if a column says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quality: Option<QualityRecord>,
    /// How the search ended, or what was proved.
    pub status: Status,
    /// What the method recorded of its run.
    pub notes: BTreeMap<String, Value>,
    /// Wall-clock seconds of this method's own work for all budgets; of a bin, those of its proof.
    pub seconds: f64,
    /// Processor seconds of the process meanwhile; digests of the input files may be among them.
    pub cpu_seconds: f64,
    /// Wall-clock seconds of certifying this selection.
    pub certify_seconds: f64,
    /// Largest resident memory of the process by the end of this method, in bytes.
    pub peak_memory_bytes: Option<u64>,
}

/// A lower bound for the distance of every subset of the size: a number in `results.json`, an object in manifests.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Best {
    /// In `results.json`.
    Number(f64),
    /// In manifests.
    Bound {
        /// The number.
        lower: f64,
    },
}

impl Best {
    /// The number.
    pub fn lower(self) -> f64 {
        match self {
            Best::Number(lower) | Best::Bound { lower } => lower,
        }
    }
}

/// The quality of a selection, and its distance less that.
///
/// What is minimised and proved is then the distance to the power p (the square of a kernel's) less weight times mean quality,
/// which may be negative: neither has a best possible subset's distance a bound, nor an excess a meaning.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct QualityRecord {
    /// Mean quality of the rows.
    pub mean: f64,
    /// Proved to contain the distance to its power less weight times mean quality; `null` if nothing was proved, or quality
    /// has no weight.
    pub less_quality: Option<Interval>,
    /// A proved lower bound of the same for every subset of that size.
    pub best: Option<f64>,
    /// At most this much is the subset above the best possible one.
    pub gap: Option<f64>,
}

impl QualityRecord {
    fn of(proved: &ProvedSelection) -> Option<Self> {
        let (less_quality, best) = proved.certified.as_ref().and_then(Certified::less_quality).unzip();
        let (best, upper) = (best.flatten(), less_quality.and_then(|interval: Interval| interval.upper));
        let gap = upper.zip(best).map(|(upper, best)| add_up(upper, -best));
        Some(Self { mean: proved.mean_quality?, less_quality, best, gap })
    }
}

/// A part of a method's order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RankRange {
    /// Its first place, from 0.
    pub first_rank: usize,
    /// Its last place.
    pub last_rank: usize,
    /// How many rows were taken of it.
    pub rows: usize,
}

/// What only comparisons say of a selection.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Examined {
    /// Against the random reference; absent if there is none.
    pub against_random: Option<AgainstRandom>,
    /// Tokens (runs of letters or digits, and single marks) of the chosen examples, if text is given.
    pub tokens: Option<u64>,
    /// Chosen examples by length: one count per bin of [`Comparison::length_bins`](super::Comparison::length_bins).
    pub lengths: Vec<usize>,
    /// Share of the chosen rows that are a near-duplicate of another chosen row.
    pub near_duplicates: Option<f64>,
    /// For each query the cost to its closest chosen row, an `f64` value.
    pub query_costs: Vec<f64>,
    /// For each query how many chosen rows have it as their closest.
    pub query_rows: Vec<usize>,
}

/// A selection's place among random subsets of its size.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct AgainstRandom {
    /// Share of random subsets that are closer.
    pub percentile: f64,
    /// Exact p-value of the permutation test: (1 + number at least as close) / (1 + number drawn).
    pub p_value: f64,
}

/// Two distances that differ by less, relatively, are the same: those of random subsets are no intervals.
const SAME: f64 = 1e-9;

impl AgainstRandom {
    /// The place of a selection whose distance lies in this interval among random ones; one that cannot be told to be farther counts
    /// against it in the test, and one that cannot be told to be closer is not closer.
    pub(crate) fn among(interval: Interval, distances: &[f64]) -> Self {
        let upper = interval.upper.unwrap_or(f64::INFINITY);
        let lower = interval.lower.unwrap_or(upper);
        let count = |which: &dyn Fn(f64) -> bool| distances.iter().filter(|&&distance| which(distance)).count() as f64;
        let closer = count(&|distance| distance < lower - SAME * lower.abs());
        let as_close = count(&|distance| distance <= upper + SAME * upper.abs());
        let drawn = distances.len() as f64;
        Self { percentile: closer / drawn, p_value: (1.0 + as_close) / (1.0 + drawn) }
    }
}

impl SelectionRecord {
    /// The record of one selection of `chosen`, as manifests have it.
    pub(crate) fn of(
        origin: Origin<'_>,
        request: &Request,
        chosen: &Chosen,
        proved: &ProvedSelection,
        dir: Option<String>,
    ) -> Self {
        let certified = proved.certified.as_ref();
        let less_quality = certified.is_some_and(|certified| certified.less_quality().is_some());
        Self {
            cost: None,
            bin: None,
            method: chosen.method.clone(),
            budget: proved.budget,
            in_tokens: proved.tokens,
            dir,
            ranks: None,
            nested: chosen.nested,
            distance: certified.map(|certified| certified.distance().plain()),
            task_distances: certified.map_or_else(Vec::new, |of| of.distance().of_tasks().to_vec()),
            best: proved.best().filter(|_| !less_quality).map(|lower| Best::Bound { lower }),
            excess: certified.and_then(Certified::excess),
            energy: proved.beside.and_then(|beside| beside.energy),
            chamfer: proved.beside.map(|beside| beside.chamfer),
            held_out: proved.held_out,
            examined: None,
            groups: origin
                .labels()
                .map_or_else(Vec::new, |labels| coverage(labels, origin.query_weights(), request, proved)),
            sources: None,
            limits: proved.limits.clone(),
            solves_constrained: chosen.minimises,
            quality: QualityRecord::of(proved),
            status: proved.status(),
            notes: proved.selection.notes.clone(),
            seconds: chosen.seconds,
            cpu_seconds: chosen.cpu_seconds,
            certify_seconds: proved.seconds,
            peak_memory_bytes: chosen.peak_memory,
        }
    }

    /// At most this is what the choice was for: the distance, less quality if that counts.
    pub(crate) fn upper(&self) -> Option<f64> {
        self.chosen_for()?.upper
    }

    /// The interval of what the choice was for.
    fn chosen_for(&self) -> Option<Interval> {
        self.quality.and_then(|quality| quality.less_quality).or(self.distance)
    }

    /// Its place among random subsets.
    pub(crate) fn against(&self, drawn: &RandomReference) -> Option<AgainstRandom> {
        Some(AgainstRandom::among(self.chosen_for()?, &drawn.distances))
    }

    /// The task that is farthest, by number; `None` if the worst of several is not what counts.
    pub(crate) fn worst_task(&self) -> Option<usize> {
        let upper = |task: usize| self.task_distances[task].upper.unwrap_or(f64::INFINITY);
        (0..self.task_distances.len()).reduce(|worst, task| if upper(task) > upper(worst) { task } else { worst })
    }

    /// Seconds of the method and of the proof.
    pub fn total_seconds(&self) -> f64 {
        self.seconds + self.certify_seconds
    }
}

/// The places of the closest selection of every cost and number of rows (less quality, where that counts), of those that are
/// proved; the first if none is.
pub(crate) fn closest(results: &[SelectionRecord]) -> Vec<usize> {
    let (mut places, upper) = (Vec::<usize>::new(), |at: usize| results[at].upper());
    for (at, result) in results.iter().enumerate() {
        let same = |of: &&mut usize| (results[**of].cost, results[**of].budget) == (result.cost, result.budget);
        match places.iter_mut().find(same) {
            None => places.push(at),
            Some(place) if upper(at).unwrap_or(f64::INFINITY) < upper(*place).unwrap_or(f64::INFINITY) => *place = at,
            Some(_) => {}
        }
    }
    places
}

/// The status of a result: the first that is no success, else that of the first selection.
pub(crate) fn worst(results: &[SelectionRecord]) -> Status {
    let failed = results.iter().find(|result| !result.status.is_success());
    failed.or(results.first()).map_or(Status::Uncertified, |result| result.status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_with_the_selection_among_the_draws() {
        let drawn = [0.5, 0.4, 0.6, 0.7];
        let place = |percentile, p_value| AgainstRandom { percentile, p_value };
        let at = |distance| Interval { lower: Some(distance), upper: Some(distance) };
        assert_eq!(AgainstRandom::among(at(0.3), &drawn), place(0.0, 0.2));
        // A draw at the same distance is at least as close, and no closer.
        assert_eq!(AgainstRandom::among(at(0.5), &drawn), place(0.25, 0.6));
        assert_eq!(AgainstRandom::among(at(0.5 - 1e-13), &drawn), place(0.25, 0.6));
        assert_eq!(AgainstRandom::among(at(0.9), &drawn), place(1.0, 1.0));
    }
}
