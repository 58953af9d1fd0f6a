//! The random reference: distances of random subsets, by which the distance of a selection is read.
//!
//! Every seed draws one order of which the budgets are prefixes, by a stream of the generator of its own, so that the
//! method `random` is not among its own references. If a selection were itself a random draw, its rank among the
//! references would be uniform: the p-value is exact, whatever the distribution. Under constraints a draw takes the
//! admissible rows of a random order, as the method `random` does.
//!
//! Limit: the costs of R·k rows in `f64`, once, and R exact transports for every budget, side by side.

use std::borrow::Cow;

use kantor_solvers::admission::rows_within;
use kantor_solvers::draw::without_replacement;
use kantor_solvers::transport::exact::costs;
use kantor_solvers::{Admission, Stopped, TokenAdmission, Watch};
use kantor_theory::{Cost, FeasibleSet, Objective, Power, Quality};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::certify::{self, CertifyError, Terms, transports};
use crate::constraints::Rules;
use crate::problem::Problem;
use crate::statistics::mean;

use super::Error;
use super::feasible::mean_quality;

/// First stream of the generator for references; others use small numbers.
const REFERENCES: u64 = 1 << 40;

/// Distances of random subsets of one size; to their power and less quality, where that counts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RandomReference {
    /// Pairwise cost.
    pub cost: Cost,
    /// Number of rows drawn.
    pub budget: usize,
    /// Mean distance over the draws, an `f64` value.
    pub mean: f64,
    /// Smallest and largest distance over the draws.
    pub range: (f64, f64),
    /// No subset of this size is closer.
    pub best: f64,
    /// The distances by draw.
    pub distances: Vec<f64>,
}

impl RandomReference {
    /// How much of the way from random subsets to the best possible a subset has gone that is no farther than `upper`: 1 at the best, 0 at
    /// what random subsets have on average, negative beyond; nothing where these are the best possible.
    pub fn share_of_way(&self, upper: f64) -> Option<f64> {
        let way = self.mean - self.best;
        // Less is rounding.
        (way > 1e-6 * self.mean.abs().max(self.best.abs()) && upper.is_finite()).then(|| (self.mean - upper) / way)
    }
}

/// Draws that cost little beside the pass over the pool: a quarter of its pairs of rows, or some millions; none that take more than
/// `memory`.
pub fn cheap_draws(pool: usize, queries: usize, budget: usize, memory: u64) -> usize {
    let pairs = budget.saturating_mul(queries);
    let (few, part) = (CHEAP / pairs.max(1), pool / 4 / budget.max(1));
    let draws = few.max(part).min(DRAWS);
    if bytes(draws, budget, queries) > memory { 0 } else { draws }
}

/// Bytes that draws take, as many as are made at a time.
fn bytes(draws: usize, budget: usize, queries: usize) -> u64 {
    (rayon::current_num_threads().min(draws) * 2 * 8).saturating_mul(budget).saturating_mul(queries) as u64
}

/// Draws that nobody asked for.
const DRAWS: usize = 3;

/// Pairs of rows that are always worth draws.
const CHEAP: usize = 5_000_000;

/// What random subsets are measured by.
pub(crate) struct Drawing<'a> {
    /// Sizes.
    pub(crate) budgets: &'a [usize],
    /// Draws of each size.
    pub(crate) draws: usize,
    /// The distance.
    pub(crate) objective: Objective,
    /// Seed of all draws.
    pub(crate) seed: u64,
    /// Bytes that may be used.
    pub(crate) memory: u64,
}

/// Distances of random subsets that obey the constraints of the problem. `best` is the bound for all subsets of each of the sizes.
///
/// For transport the distances are the values of the exact solver; for the distances of kernels the upper ends of
/// proved intervals. Advances `watch` by draws.
///
/// # Errors
/// If it takes more memory than allowed, a distance cannot be evaluated or `watch` asks to stop.
pub(crate) fn references(
    problem: &Problem<'_>,
    of: &Drawing<'_>,
    best: impl Fn(usize) -> Option<f64>,
    watch: &dyn Watch,
) -> Result<Vec<RandomReference>, Error> {
    let &Drawing { budgets, draws, objective, seed, memory } = of;
    if draws == 0 {
        return Ok(Vec::new());
    }
    let (geometry, power) = (problem.geometry(), problem.goal().power);
    let terms = problem.terms(objective);
    let sets = budgets.iter().map(|&budget| problem.feasible(budget)).collect::<Result<Vec<_>, _>>()?;
    let of_rows = |(set, &budget): (&Option<FeasibleSet>, &usize)| set.as_ref().and_then(rows_within).unwrap_or(budget);
    let largest = sets.iter().zip(budgets).map(of_rows).max().unwrap_or(0);
    let (n, m) = (geometry.pool_len(), geometry.query_len());
    let needed = bytes(draws, largest, m);
    if needed > memory {
        return Err(Error::Memory { needed, allowed: memory });
    }
    // Draws that together cover the pool meet its rows again and again; others would fill the cache in vain.
    let keep = draws.saturating_mul(largest) >= n && (8 * n * m) as u64 <= memory / 4;
    watch.begin("random reference", (draws * budgets.len()) as u64);
    let mut admissions = Vec::with_capacity(budgets.len());
    for (set, &budget) in sets.iter().zip(budgets) {
        let constrained = set.as_ref().filter(|set| !set.constraints().are_none() || set.tokens().is_some());
        admissions.push(constrained.map(|set| Draw::new(set, budget)).transpose()?);
    }
    let free = admissions.iter().all(Option::is_none);
    let quality = problem.rules().and_then(Rules::valued).filter(|quality| quality.weight != 0.0).zip(problem.scores());
    let squared = power == Power::Two || objective.kernel().is_some();
    let less_quality = |set: Option<&FeasibleSet>, rows: &[usize], distance: f64| match &quality {
        None => distance,
        Some((Quality { weight, .. }, scores)) => {
            let powered = if squared { distance * distance } else { distance };
            powered - weight * mean_quality(set, scores, rows)
        }
    };
    let draw = |r: usize| -> Result<Vec<f64>, Error> {
        let order = without_replacement(seed, REFERENCES + r as u64, n, if free { largest } else { n });
        let transport = terms.objective == Objective::W;
        let all = if transport && free { costs(geometry, power, &order) } else { Vec::new() };
        if !keep {
            geometry.clear_cache();
        }
        let distances = budgets.iter().zip(&admissions).zip(&sets).map(|((&budget, admission), set)| {
            watch.advance(1).map_err(|Stopped| Error::from(Stopped))?;
            let rows: Cow<'_, [usize]> = match admission {
                None => order[..budget].into(),
                Some(start) => start.of(&order, budget)?.into(),
            };
            let terms = terms.clone().of_rows(set.as_ref(), &rows);
            let distance = match transport {
                true if free => exact(&all[..budget * m], budget, &terms)?,
                true => exact(&costs(geometry, power, &rows), rows.len(), &terms)?,
                false => certify::distance(geometry, &terms, &rows)?.interval().upper.unwrap_or(f64::INFINITY),
            };
            Ok(less_quality(set.as_ref(), &rows, distance))
        });
        distances.collect()
    };
    let by_draw = (0..draws).into_par_iter().map(draw).collect::<Result<Vec<_>, _>>()?;
    geometry.clear_cache();
    let reference = |(at, &budget): (usize, &usize)| {
        let best = best(at).unwrap_or(0.0);
        let distances: Vec<f64> = by_draw.iter().map(|distances| distances[at]).collect();
        let least = distances.iter().copied().fold(f64::INFINITY, f64::min);
        let most = distances.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        RandomReference {
            cost: geometry.cost(),
            budget,
            mean: mean(distances.iter().copied()),
            range: (least, most),
            best,
            distances,
        }
    };
    Ok(budgets.iter().enumerate().map(reference).collect())
}

/// How the rows of a random order are taken that may be chosen.
enum Draw<'a> {
    Rows(Box<Admission<'a>>),
    Tokens(Box<TokenAdmission<'a>>),
}

impl<'a> Draw<'a> {
    fn new(set: &'a FeasibleSet, budget: usize) -> Result<Self, Error> {
        Ok(match TokenAdmission::new(set)? {
            Some(start) => Draw::Tokens(Box::new(start)),
            None => Draw::Rows(Box::new(Admission::new(set, budget)?)),
        })
    }

    /// Those of this order, which has all rows.
    fn of(&self, order: &[usize], budget: usize) -> Result<Vec<usize>, Error> {
        Ok(match self {
            Draw::Rows(start) => {
                let mut admission = start.clone();
                order.iter().copied().filter(|&row| admission.take(row)).take(budget).collect()
            }
            Draw::Tokens(start) => {
                let mut admission = start.clone();
                let rows = order.iter().copied().filter(|&row| !admission.is_met() && admission.take(row)).collect();
                if admission.is_met() { rows } else { admission.complete(rows)? }
            }
        })
    }
}

/// The transport distance of k rows with these costs (k×M) from the queries, or from the farthest of several tasks.
fn exact(costs: &[f64], rows: usize, terms: &Terms) -> Result<f64, CertifyError> {
    let solved = transports(costs, rows, &terms.weights, &terms.tasks)?;
    let value = solved.iter().map(|(_, solved)| solved.value).fold(f64::NEG_INFINITY, f64::max);
    Ok(if terms.power == Power::Two { value.max(0.0).sqrt() } else { value })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_goes_from_random_to_the_best() {
        let reference = |mean, best| RandomReference {
            cost: Cost::Cosine,
            budget: 1,
            mean,
            range: (mean, mean),
            best,
            distances: vec![mean],
        };
        let drawn = reference(0.75, 0.25);
        assert_eq!([0.25, 0.5, 0.75, 1.0].map(|upper| drawn.share_of_way(upper)), [1.0, 0.5, 0.0, -0.5].map(Some));
        assert_eq!((reference(0.25, 0.25).share_of_way(0.25), drawn.share_of_way(f64::INFINITY)), (None, None));
    }

    #[test]
    fn unasked_draws_are_few_beside_the_pass() {
        assert_eq!(cheap_draws(5_005, 100, 500, u64::MAX), 3);
        assert_eq!(cheap_draws(197_000, 100, 10_000, u64::MAX), 3);
        assert_eq!(cheap_draws(1_000_000, 1_000, 50_000, u64::MAX), 3);
        assert_eq!(cheap_draws(5_005, 100, 500, 1000), 0);
        assert_eq!(
            (cheap_draws(100_000, 1_000, 20_000, u64::MAX), cheap_draws(100_000, 1_000, 50_000, u64::MAX)),
            (1, 0)
        );
    }

    #[test]
    fn exact_values_are_those_of_the_cheapest_plan() {
        // Rows cost (0, 2) and (1, 1): the first query is served by the first row, the second by the second.
        let costs = [0.0, 2.0, 1.0, 1.0];
        assert_eq!(exact(&costs, 2, &Terms::default()).ok(), Some(0.5));
        let squared = Terms { power: Power::Two, ..Terms::default() };
        assert_eq!(exact(&costs, 2, &squared).ok(), Some(0.5f64.sqrt()));
        // Each of two tasks by itself: the second is at (2 + 1)/2 from both rows.
        let tasks = Terms { tasks: vec![1, 1], ..Terms::default() };
        assert_eq!(exact(&costs, 2, &tasks).ok(), Some(1.5));
    }
}
