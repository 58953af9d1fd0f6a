//! Jobs that differ in nothing but their seed, together.

use std::collections::HashMap;

use serde::Serialize;

use super::report::BatchReport;
use super::store::State;
use crate::record::SelectionRecord;
use crate::statistics::{mean, standard_deviation};

/// Mean and spread of a number over seeds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Spread {
    /// The arithmetic mean.
    pub mean: f64,
    /// The standard deviation over the seeds, with n − 1 below; `null` for one seed.
    pub sd: Option<f64>,
}

/// What the finished jobs of one task, method and budget came to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OverSeeds {
    /// The task.
    pub task: String,
    /// The method.
    pub method: String,
    /// The budget.
    pub budget: usize,
    /// Finished jobs, one for each seed.
    pub n: usize,
    /// Of the middles of the proved intervals; `null` if one of them has none.
    pub distance: Option<Spread>,
    /// Of what is at most above the best possible; `null` if that is not known of one of them.
    pub excess: Option<Spread>,
}

/// Task, method and budget.
type Key<'a> = (&'a str, &'a str, usize);

impl BatchReport {
    /// The finished jobs by task, method and budget, in the order of the first of each.
    pub fn over_seeds(&self) -> Vec<OverSeeds> {
        let mut groups: Vec<(Key<'_>, Vec<&SelectionRecord>)> = Vec::new();
        let mut places = HashMap::new();
        for line in &self.lines {
            let State::Done(done) = &line.state else { continue };
            let key = (line.job.task.as_str(), line.job.method.as_str(), line.job.budget);
            let place = *places.entry(key).or_insert(groups.len());
            if place == groups.len() {
                groups.push((key, Vec::new()));
            }
            groups[place].1.push(done);
        }
        let group = |((task, method, budget), done): (Key<'_>, Vec<&SelectionRecord>)| OverSeeds {
            task: task.to_owned(),
            method: method.to_owned(),
            budget,
            n: done.len(),
            distance: spread(&done, |done| Some(f64::midpoint(done.distance?.lower?, done.distance?.upper?))),
            excess: spread(&done, |done| done.excess),
        };
        groups.into_iter().map(group).collect()
    }
}

fn spread(done: &[&SelectionRecord], value: impl Fn(&SelectionRecord) -> Option<f64>) -> Option<Spread> {
    let values: Vec<f64> = done.iter().map(|done| value(done)).collect::<Option<_>>()?;
    Some(Spread { mean: mean(values.iter().copied()), sd: standard_deviation(&values) })
}
