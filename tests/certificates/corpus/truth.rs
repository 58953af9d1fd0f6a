//! Decides claims by solving all over again: the distance of the subset, and of every subset of its size.

use std::collections::HashMap;

use kantor::certify::{self, Terms};
use kantor::pipeline::Inputs;
use kantor::solvers::Quiet;
use kantor::theory::rounding::{ExactSum, add_up, mul_down, mul_up, sub_down};
use kantor::theory::{Certificate, Cost, Geometry, Interval, Proved, Weights};

use super::bases::Base;
use super::{quality, quotas};
use crate::support::{goal, subsets};

pub(super) struct Truth<'a> {
    base: &'a Base,
    inputs: HashMap<Cost, Inputs>,
    /// Least distance of all subsets, by the terms of the statement.
    least: HashMap<String, f64>,
}

impl<'a> Truth<'a> {
    pub(super) fn of(base: &'a Base) -> Self {
        Self { base, inputs: HashMap::new(), least: HashMap::new() }
    }

    /// Asserts that what is said of the statement of this certificate is so.
    pub(super) fn assert_holds(&mut self, certificate: &Certificate, said: Proved, what: &str) {
        let problem = &certificate.problem;
        let inputs = self
            .inputs
            .entry(problem.cost)
            .or_insert_with(|| Inputs::open(&self.base.spec, problem.cost, &Quiet).unwrap());
        let whole = inputs.problem(goal(problem.cost)).unwrap();
        let geometry = whole.geometry();
        let (power, weights) = (problem.p, problem.weights.clone());
        let terms = Terms { power, weights, objective: problem.objective, ..Terms::default() };
        let rows = inputs.kept_rows(&certificate.subset, std::path::Path::new("subset")).unwrap();
        let stored = geometry.pool_len() + certificate.dropped.pool.len();
        let unvalued = problem.clone().valued(None);
        let columns: Vec<_> = unvalued.columns().map(|of| quotas::column(&of.name)).collect();
        let set = unvalued.feasible(&columns, stored, &certificate.dropped.pool).unwrap();
        assert!(set.check(&rows).is_ok(), "{what}: {:?}", set.check(&rows));
        // The largest over the tasks, if there are several; rows weigh their lengths, if tokens are the budget.
        let distance = |rows: &[usize]| {
            let (mut first, mut found) = (0, Vec::new());
            let one = [problem.queries];
            for &count in if problem.tasks.is_empty() { &one[..] } else { &problem.tasks } {
                let list: Vec<usize> = (first..first + count).collect();
                let query = terms.weights.query.as_ref().map(|weights| weights[first..first + count].to_vec());
                let lengths = set.tokens().map(|(_, of)| rows.iter().map(|&row| of[row]).collect());
                let weights = Weights { subset: lengths.or(terms.weights.subset.clone()), query };
                let alone = Terms { weights, ..terms.clone() };
                let of = |geometry: &Geometry<'_>| {
                    let bound = certify::distance(geometry, &alone, rows).unwrap();
                    if problem.quality.is_some() { bound.powered() } else { bound.interval() }
                };
                found.push(if count == problem.queries {
                    of(geometry)
                } else {
                    geometry.with_queries(&list, of).unwrap()
                });
                first += count;
            }
            let most = |end: fn(&Interval) -> Option<f64>| found.iter().filter_map(end).reduce(f64::max);
            let whole = Interval { lower: most(|found| found.lower), upper: most(|found| found.upper) };
            let weights: Vec<f64> = rows.iter().map(|&row| set.tokens().map_or(1.0, |(_, of)| of[row])).collect();
            let less = |weight: f64| less_quality(whole, weight, (rows, &weights), &certificate.dropped.pool);
            problem.quality.as_ref().map_or(whole, |of| less(of.weight))
        };
        let interval = distance(&rows);
        assert!(said.distance.lower.is_none_or(|lower| lower <= interval.upper.unwrap()), "{what}: {said:?}");
        assert!(said.distance.upper.is_none_or(|upper| upper >= interval.lower.unwrap()), "{what}: {said:?}");
        let Some(best) = said.best else { return };
        assert!(problem.weights.subset.is_none() || problem.tokens.is_some(), "{what}");
        let key = format!("{:?}", problem.of_every_subset());
        let least = *self.least.entry(key).or_insert_with(|| {
            let n = geometry.pool_len();
            let sizes = if problem.tokens.is_some() { 1..=n } else { problem.budget..=problem.budget };
            let all = sizes.flat_map(|k| subsets(n, k)).filter(|rows| set.check(rows).is_ok());
            all.map(|rows| distance(&rows).upper.unwrap()).fold(f64::INFINITY, f64::min)
        });
        assert!(best <= least, "{what}: {best} is above {least}");
    }
}

/// The interval less weight times the mean score of these rows of the problem, weighted, some of whose stored rows are dropped.
fn less_quality(interval: Interval, weight: f64, (rows, of): (&[usize], &[f64]), dropped: &[usize]) -> Interval {
    let column = quality::column();
    let kept: Vec<usize> = (0..column.rows()).filter(|row| !dropped.contains(row)).collect();
    let (mut worth, mut total) = (ExactSum::default(), ExactSum::default());
    for (&row, &of) in rows.iter().zip(of) {
        worth.add_product(of, column.number(kept[row]).unwrap());
        total.add(of);
    }
    // A number ≥ weight·mean.
    let times_up = |mean: f64| if mean >= 0.0 { mul_up(weight, mean) } else { -mul_down(weight, -mean) };
    Interval {
        lower: interval.lower.map(|lower| sub_down(lower, times_up(worth.ratio_up(&total)))),
        upper: interval.upper.map(|upper| add_up(upper, times_up(-worth.ratio_down(&total)))),
    }
}
