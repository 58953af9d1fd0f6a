//! A user's own results beside what kantor proved of the selections: does the certified distance predict the outcome?
//!
//! Correlations are taken across methods at one task and budget, never across budgets: the distance rises with the
//! budget while the loss falls.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::Paired;
use super::runs::{TaskRun, distances};
use crate::source::DataError;
use crate::statistics::{mean, mean_interval, spearman};

/// One line of the results: what training on a selection gave.
#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Measured {
    task: String,
    method: String,
    budget: u64,
    seed: Option<u64>,
    value: f64,
}

/// A selection with its certified distance and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Pair {
    /// The method.
    pub method: String,
    /// Middle of the certified interval, averaged over runs.
    pub distance: f64,
    /// The outcome, averaged over seeds.
    pub value: f64,
    /// How many results that is the mean of.
    pub n: usize,
    /// Student's interval for it, 95 %, over these results; `null` for one.
    pub value_interval: Option<[f64; 2]>,
}

/// The methods at one task and budget.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Cell {
    /// The task.
    pub task: String,
    /// The budget.
    pub budget: u64,
    /// By method.
    pub pairs: Vec<Pair>,
    /// Across the methods; `null` for fewer than three methods or a constant side.
    pub spearman: Option<f64>,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Joined {
    /// By task, then budget.
    pub cells: Vec<Cell>,
    /// Mean of the correlations that exist.
    pub mean_spearman: Option<f64>,
    /// How many these are.
    pub correlations: usize,
    /// Student's interval for their mean, 95 %, over tasks and budgets as if those were independent; `null` for one.
    pub mean_spearman_interval: Option<[f64; 2]>,
    /// Results for which no run says a distance: task, method, budget.
    pub without_distance: Vec<(String, String, u64)>,
    /// Results with a seed of which there is no run, joined with the only run there is: task, method, budget.
    pub of_other_seeds: Vec<(String, String, u64)>,
}

/// Joins `results` (CSV: task, method, budget, seed, value) with the manifests of `runs`.
///
/// A selection is found by task, method and budget. If several runs of a task used that method and budget with different
/// seeds, a result belongs to the run of its own seed; if there is one run only, to that.
///
/// # Errors
/// If a file cannot be read, nothing matches, a line is said twice, or distances of one task do not make one list: of different measures, of one seed and
/// different queries, or two of one selection.
pub fn joined(results: &Path, runs: &[TaskRun]) -> Result<Joined, DataError> {
    let measured: Vec<Measured> = super::read_csv(results, Some)?;
    if let Some(Measured { task, method, budget, value, .. }) = measured.iter().find(|line| !line.value.is_finite()) {
        let fault = format!(
            "says that the value of task {task}, method {method}, budget {budget} is {value}, which has no rank"
        );
        let remedy = "leave the line out, or give the number that training ended with".to_owned();
        return Err(DataError::Malformed { file: results.to_owned(), fault, remedy });
    }
    let mut said = BTreeSet::new();
    let again = |line: &&Measured| {
        line.seed.is_some_and(|seed| !said.insert((line.task.clone(), line.method.clone(), line.budget, seed)))
    };
    if let Some(Measured { task, method, budget, seed: Some(seed), .. }) = measured.iter().find(again) {
        let fault = format!("says twice what task {task}, method {method}, budget {budget}, seed {seed} gave");
        let remedy = "leave one line out, or give each training a seed of its own".to_owned();
        return Err(DataError::Malformed { file: results.to_owned(), fault, remedy });
    }
    let distances = distances(runs)?;
    let mut groups: BTreeMap<(String, u64), BTreeMap<String, Paired>> = BTreeMap::new();
    let (mut without_distance, mut of_other_seeds) = (Vec::new(), Vec::new());
    for line in measured {
        let key = (line.task, line.method, line.budget);
        let found = distances.get(&key).and_then(|runs| match line.seed.and_then(|seed| runs.get(&seed)) {
            Some(distance) => Some(*distance),
            None => (runs.len() == 1).then(|| runs.values().copied().next()).flatten(),
        });
        if let (None, Some(runs)) = (found, distances.get(&key)) {
            let (task, method, budget) = &key;
            let seeds: Vec<String> = runs.keys().map(u64::to_string).collect();
            let said = line.seed.map_or_else(|| "no seed".to_owned(), |seed| format!("seed {seed}"));
            let (file, seeds) = (results.to_owned(), seeds.join(", "));
            let fault = format!(
                "says {said} for task {task}, method {method}, budget {budget}, of which runs with the seeds {seeds} are given"
            );
            let remedy = "give every line the seed of its run, or the run of one seed only".to_owned();
            return Err(DataError::Malformed { file, fault, remedy });
        }
        match found {
            Some(distance) => {
                let own = |seed| distances.get(&key).is_some_and(|runs| runs.contains_key(&seed));
                if line.seed.is_some_and(|seed| !own(seed)) {
                    of_other_seeds.push(key.clone());
                }
                let (distances, values) = groups.entry((key.0, key.2)).or_default().entry(key.1).or_default();
                distances.push(distance);
                values.push(line.value);
            }
            None => without_distance.push(key),
        }
    }
    if groups.is_empty() {
        return Err(DataError::Malformed {
            file: results.to_owned(),
            fault: "has no line whose task, method and budget are those of a certified selection given".to_owned(),
            remedy: "give the result directories with --run TASK=DIR, with the names that the results use".to_owned(),
        });
    }
    for list in [&mut without_distance, &mut of_other_seeds] {
        list.sort();
        list.dedup();
    }
    let cells: Vec<Cell> = groups.into_iter().map(|((task, budget), methods)| cell(task, budget, methods)).collect();
    let known: Vec<f64> = cells.iter().filter_map(|cell| cell.spearman).collect();
    let mean_spearman = (!known.is_empty()).then(|| mean(known.iter().copied()));
    let (correlations, mean_spearman_interval) = (known.len(), mean_interval(&known));
    Ok(Joined { cells, mean_spearman, correlations, mean_spearman_interval, without_distance, of_other_seeds })
}

/// Distances that differ by no more than intervals are wide become one: their order is that of roundings.
fn tie(distances: &mut [f64]) {
    const ALIKE: f64 = 1e-9;
    let mut order: Vec<usize> = (0..distances.len()).collect();
    order.sort_by(|a, b| distances[*a].total_cmp(&distances[*b]));
    for pair in 1..order.len() {
        let (before, this) = (distances[order[pair - 1]], distances[order[pair]]);
        if this - before <= ALIKE * before.abs() {
            distances[order[pair]] = before;
        }
    }
}

fn cell(task: String, budget: u64, methods: BTreeMap<String, Paired>) -> Cell {
    let pairs: Vec<Pair> = methods
        .into_iter()
        .map(|(method, (distances, values))| Pair {
            method,
            distance: mean(distances.into_iter()),
            n: values.len(),
            value_interval: mean_interval(&values),
            value: mean(values.into_iter()),
        })
        .collect();
    let (mut x, y): (Vec<f64>, Vec<f64>) = pairs.iter().map(|pair| (pair.distance, pair.value)).unzip();
    tie(&mut x);
    let spearman = if pairs.len() < 3 { None } else { spearman(&x, &y) };
    Cell { task, budget, pairs, spearman }
}
