//! Decides claims by solving all over again: the distance of the subset, and of every subset of its size.

use std::collections::HashMap;

use kantor::certify::{self, Terms};
use kantor::pipeline::Inputs;
use kantor::solvers::Quiet;
use kantor::theory::{Certificate, Cost, FeasibleSet, Geometry, Interval, Proved, Weights};

use super::bases::Base;
use super::quotas;
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
        // The largest over the tasks, if there are several.
        let distance = |rows: &[usize]| {
            let (mut first, mut found) = (0, Vec::new());
            let one = [problem.queries];
            for &count in if problem.tasks.is_empty() { &one[..] } else { &problem.tasks } {
                let list: Vec<usize> = (first..first + count).collect();
                let query = terms.weights.query.as_ref().map(|weights| weights[first..first + count].to_vec());
                let weights = Weights { query, ..terms.weights.clone() };
                let alone = Terms { weights, ..terms.clone() };
                let of = |geometry: &Geometry<'_>| certify::distance(geometry, &alone, rows).unwrap().interval();
                found.push(if count == problem.queries {
                    of(geometry)
                } else {
                    geometry.with_queries(&list, of).unwrap()
                });
                first += count;
            }
            let most = |end: fn(&Interval) -> Option<f64>| found.iter().filter_map(end).reduce(f64::max);
            Interval { lower: most(|found| found.lower), upper: most(|found| found.upper) }
        };
        let rows = inputs.kept_rows(&certificate.subset, std::path::Path::new("subset")).unwrap();
        let stored = geometry.pool_len() + certificate.dropped.pool.len();
        let columns: Vec<_> = problem.constraints.columns.iter().map(|of| quotas::column(&of.name)).collect();
        let set = FeasibleSet::new(&problem.constraints, &columns, stored, &certificate.dropped.pool).unwrap();
        assert!(set.check(&rows).is_ok(), "{what}: {:?}", set.check(&rows));
        let interval = distance(&rows);
        assert!(said.distance.lower.is_none_or(|lower| lower <= interval.upper.unwrap()), "{what}: {said:?}");
        assert!(said.distance.upper.is_none_or(|upper| upper >= interval.lower.unwrap()), "{what}: {said:?}");
        let Some(best) = said.best else { return };
        assert!(problem.weights.subset.is_none(), "{what}");
        let key = format!(
            "{} {:?} {} {:?} {:?} {:?} {:?}",
            problem.cost, problem.p, problem.budget, terms.weights, terms.objective, problem.constraints, problem.tasks
        );
        let least = *self.least.entry(key).or_insert_with(|| {
            let all = subsets(geometry.pool_len(), problem.budget).filter(|rows| set.check(rows).is_ok());
            all.map(|rows| distance(&rows).upper.unwrap()).fold(f64::INFINITY, f64::min)
        });
        assert!(best <= least, "{what}: {best} is above {least}");
    }
}
