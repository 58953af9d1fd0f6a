//! The random reference: distances of random subsets, and a selection's place among them.
//!
//! Every seed draws one order of which the budgets are prefixes, by a stream of the generator of its own, so that the
//! method `random` is not among its own references. If a selection were itself a random draw, its rank among the
//! references would be uniform: the p-value is exact, whatever the distribution. Under constraints a draw takes the
//! admissible rows of a random order, as the method `random` does.
//!
//! Limit: the costs of R·k rows in `f64`, once, and R exact transports for every budget, side by side.

use std::borrow::Cow;

use kantor_solvers::draw::without_replacement;
use kantor_solvers::transport::exact::costs;
use kantor_solvers::{Admission, Stopped, Watch};
use kantor_theory::{Objective, Power};
use rayon::prelude::*;

use crate::certify::{self, CertifyError, Terms, transports};
use crate::pipeline::{Error, Outcome, Request};
use crate::problem::Problem;
use crate::record::{AgainstRandom, RandomReference};
use crate::statistics::mean;

/// First stream of the generator for references; others use small numbers.
const REFERENCES: u64 = 1 << 40;

/// Distances under the objective of the outcome of `seeds` random subsets of every budget, with the bounds for all subsets
/// of these sizes.
///
/// For transport the distances are the values of the exact solver; for the distances of kernels the upper ends of
/// proved intervals. Advances `watch` by draws.
///
/// # Errors
/// If it takes more memory than allowed, a distance cannot be evaluated or `watch` asks to stop.
pub(super) fn references(
    problem: &Problem<'_>,
    outcome: &Outcome,
    seeds: usize,
    watch: &dyn Watch,
) -> Result<Vec<RandomReference>, Error> {
    if seeds == 0 {
        return Ok(Vec::new());
    }
    let (geometry, power, budgets) = (problem.geometry(), problem.goal().power, &problem.goal().budgets);
    let Request { seed, memory, .. } = outcome.request;
    let terms = problem.terms(outcome.objective);
    let (n, m, largest) = (geometry.pool_len(), geometry.query_len(), budgets.iter().copied().max().unwrap_or(0));
    let needed = (rayon::current_num_threads().min(seeds) * 2 * 8 * largest * m) as u64;
    if needed > memory {
        return Err(Error::Memory { needed, allowed: memory });
    }
    // Draws that together cover the pool meet its rows again and again; others would fill the cache in vain.
    let keep = seeds.saturating_mul(largest) >= n && (8 * n * m) as u64 <= memory / 4;
    watch.begin("random reference", (seeds * budgets.len()) as u64);
    let sets = budgets.iter().map(|&budget| problem.feasible(budget)).collect::<Result<Vec<_>, _>>()?;
    let mut admissions = Vec::with_capacity(budgets.len());
    for (set, &budget) in sets.iter().zip(budgets) {
        admissions.push(set.as_ref().map(|set| Admission::new(set, budget)).transpose()?);
    }
    let free = admissions.iter().all(Option::is_none);
    let draw = |r: usize| -> Result<Vec<f64>, Error> {
        let order = without_replacement(seed, REFERENCES + r as u64, n, if free { largest } else { n });
        let transport = terms.objective == Objective::W;
        let all = if transport && free { costs(geometry, power, &order) } else { Vec::new() };
        if !keep {
            geometry.clear_cache();
        }
        let distances = budgets.iter().zip(&admissions).map(|(&budget, admission)| {
            watch.advance(1).map_err(|Stopped| Error::from(Stopped))?;
            let rows = admission.as_ref().map_or(Cow::Borrowed(&order[..budget]), |start| {
                let mut admission = start.clone();
                order.iter().copied().filter(|&row| admission.take(row)).take(budget).collect()
            });
            match transport {
                true if free => Ok(exact(&all[..budget * m], budget, &terms)?),
                true => Ok(exact(&costs(geometry, power, &rows), budget, &terms)?),
                false => Ok(certify::distance(geometry, &terms, &rows)?.interval().upper.unwrap_or(f64::INFINITY)),
            }
        });
        distances.collect()
    };
    let by_seed = (0..seeds).into_par_iter().map(draw).collect::<Result<Vec<_>, _>>()?;
    geometry.clear_cache();
    let reference = |(at, &budget): (usize, &usize)| {
        let best = outcome.chosen.iter().find_map(|chosen| chosen.selections[at].best()).unwrap_or(0.0);
        let distances: Vec<f64> = by_seed.iter().map(|distances| distances[at]).collect();
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

/// The transport distance of k rows with these costs (k×M) from the queries, or from the farthest of several tasks.
fn exact(costs: &[f64], rows: usize, terms: &Terms) -> Result<f64, CertifyError> {
    let solved = transports(costs, rows, &terms.weights, &terms.tasks)?;
    let value = solved.iter().map(|(_, solved)| solved.value).fold(f64::NEG_INFINITY, f64::max);
    Ok(if terms.power == Power::Two { value.max(0.0).sqrt() } else { value })
}

/// The place of a selection whose distance is at most `upper` among random ones.
pub(super) fn place(upper: f64, distances: &[f64]) -> AgainstRandom {
    let closer = distances.iter().filter(|&&distance| distance <= upper).count() as f64;
    let drawn = distances.len() as f64;
    AgainstRandom { percentile: closer / drawn, p_value: (1.0 + closer) / (1.0 + drawn) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_with_the_selection_among_the_draws() {
        let drawn = [0.5, 0.4, 0.6, 0.7];
        assert_eq!(place(0.3, &drawn), AgainstRandom { percentile: 0.0, p_value: 0.2 });
        // A draw at the same distance is at least as close.
        assert_eq!(place(0.5, &drawn), AgainstRandom { percentile: 0.5, p_value: 0.6 });
        assert_eq!(place(0.9, &drawn), AgainstRandom { percentile: 1.0, p_value: 1.0 });
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
