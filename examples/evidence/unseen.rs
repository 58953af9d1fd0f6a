//! What choices are worth for queries that they have not seen: every method chooses by a random half of the queries, and
//! the model trained on its choice is tried on the other half, beside that of round robin.

use std::error::Error;
use std::fs::File;
use std::path::Path;

use kantor::pipeline::Inputs;
use kantor::problem::{Goal, Problem};
use kantor::solvers::scan::scan;
use kantor::solvers::{Quiet, ScanRequest, Selector, Settings, folds, registry};
use kantor::statistics::mean;
use kantor::theory::{Cost, PickedRows};
use rayon::prelude::*;
use serde_json::json;

use super::run::{distances, spec};
use super::study::{ENERGY, Pool, Queries, W};

/// The method beside which losses are given.
const BESIDE: &str = "round-robin";

/// Methods with their settings: the published ones, the best for seen queries, kernels from wide to local, and the choice
/// between them.
const METHODS: [(&str, Option<(&str, &str)>); 14] = [
    (BESIDE, None),
    ("random", None),
    ("mean-similarity", None),
    ("doubly-greedy", None),
    ("knn-uniform", None),
    ("knn-kde", None),
    ("uot", None),
    ("uot", Some(("epsilon", "0.05"))),
    ("optimal", None),
    ("energy", None),
    ("mmd", Some(("bandwidth", "median"))),
    ("mmd", Some(("bandwidth", "0.5"))),
    ("mmd", Some(("bandwidth", "local"))),
    ("auto", None),
];

fn label((method, setting): (&str, Option<(&str, &str)>)) -> String {
    setting.map_or_else(|| method.to_owned(), |(name, value)| format!("{method}, {name} {value}"))
}

fn selectors() -> Result<Vec<Box<dyn Selector>>, Box<dyn Error>> {
    let build = |(method, setting): (&str, Option<(&str, &str)>)| {
        let mut settings = Settings::default();
        if let Some((name, value)) = setting {
            settings.set(name, &value.parse::<f64>().map_or_else(|_| json!(value), |number| json!(number)))?;
        }
        let entry = registry::selector(method).ok_or("a method of the registry")?;
        Ok((entry.build)(&settings))
    };
    METHODS.into_iter().map(build).collect()
}

/// One choice by one half.
struct Choice {
    tokens: f64,
    seen: f64,
    unseen: f64,
    unseen_energy: f64,
    /// On the other half: of all rows, and of as many tokens as the shortest choice has.
    losses: [f64; 2],
}

/// Every method and budget for one half: by budget, then method.
fn half(
    problem: &Problem<'_>,
    pool: &Pool,
    queries: &Queries,
    budgets: &[usize],
    seed: u64,
) -> Result<Vec<Vec<Choice>>, Box<dyn Error>> {
    let [seen, unseen]: [Vec<usize>; 2] = folds::folds(queries.len(), 2, seed).try_into().map_err(|_| "two halves")?;
    let [shown, held] = [&seen, &unseen].map(|list| PickedRows::new(problem.queries(), list.clone()));
    let (shown, held) = (problem.with_queries(&shown)?, problem.with_queries(&held)?);
    let (selectors, largest) = (selectors()?, budgets.iter().copied().max().unwrap_or(0));
    let task = shown.task(seed, u64::MAX, &Quiet);
    let needs = selectors.iter().fold(ScanRequest::default(), |all, of| all.union(of.needs(&task, largest)));
    let scanned = scan(&task, needs)?;
    let chosen = selectors.iter().map(|of| of.select(&task, &scanned, budgets)).collect::<Result<Vec<_>, _>>()?;
    let of_budget = |at: usize| {
        let rows: Vec<&[usize]> = chosen.iter().map(|selections| &selections[at].rows[..]).collect();
        let shortest = rows.iter().map(|rows| pool.tokens(rows)).min().unwrap_or(0);
        let measure = |rows: &&[usize]| {
            let (near, far) = (distances(shown.geometry(), rows)?, distances(held.geometry(), rows)?);
            let cut = &rows[..pool.begun(rows, shortest)];
            let models = [pool.train(rows, usize::MAX), pool.train(cut, shortest)];
            Ok::<_, String>(Choice {
                tokens: pool.tokens(rows) as f64,
                seen: near[W],
                unseen: far[W],
                unseen_energy: far[ENERGY],
                losses: models.map(|model| queries.loss_of(&unseen, &model)),
            })
        };
        Ok(rows.par_iter().map(measure).collect::<Result<Vec<_>, _>>()?)
    };
    (0..budgets.len()).map(of_budget).collect()
}

/// Mean and standard error over halves.
fn summary(of: &[f64]) -> (f64, f64) {
    let (middle, count) = (mean(of.iter().copied()), of.len() as f64);
    let squares: f64 = of.iter().map(|x| (x - middle).powi(2)).sum();
    (middle, (squares / (count - 1.0) / count).sqrt())
}

/// Prints a table for every query set and budget.
pub(crate) fn study(
    data: &Path,
    pool: &Pool,
    queries: &[Queries],
    budgets: &[usize],
    halves: u64,
    csv: Option<&Path>,
) -> Result<(), Box<dyn Error>> {
    let mut writer = csv.map(File::create_new).transpose()?.map(csv::Writer::from_writer);
    if let Some(writer) = &mut writer {
        let distances = ["tokens", "seen_w", "unseen_w", "unseen_energy", "loss_equal_rows", "loss_equal_tokens"];
        writer.write_record(["queries", "k", "half", "method"].into_iter().chain(distances))?;
    }
    for queries in queries {
        let inputs = Inputs::open(&spec(data, &queries.name), Cost::Cosine, &Quiet)?;
        let problem = inputs.problem(Goal::default())?;
        // By half, budget and method.
        let mut found = Vec::new();
        for seed in 0..halves {
            eprintln!("{}: half {} of {halves}", queries.name, seed + 1);
            found.push(half(&problem, pool, queries, budgets, seed)?);
        }
        for (at, budget) in budgets.iter().enumerate() {
            println!("\n{}, k = {budget}, chosen by {halves} halves of {} queries", queries.name, queries.len());
            println!(
                "{:<24} {:>8} {:>7} {:>7} {:>7}  loss on the unseen half less that of {BESIDE}, ± standard error",
                "method", "tokens", "seen W", "unseen", "energy"
            );
            for (method, named) in METHODS.into_iter().enumerate() {
                let of: Vec<&Choice> = found.iter().map(|half| &half[at][method]).collect();
                let average = |number: &dyn Fn(&Choice) -> f64| mean(of.iter().map(|choice| number(choice)));
                let beside = |which: usize| {
                    let less = found.iter().map(|half| half[at][method].losses[which] - half[at][0].losses[which]);
                    summary(&less.collect::<Vec<_>>())
                };
                let ((rows, rows_error), (tokens, tokens_error)) = (beside(0), beside(1));
                println!(
                    "{:<24} {:>8.0} {:>7.4} {:>7.4} {:>7.4}  {rows:+.3} ±{rows_error:.3} at equal rows  {tokens:+.3} ±{tokens_error:.3} at equal tokens",
                    label(named),
                    average(&|of| of.tokens),
                    average(&|of| of.seen),
                    average(&|of| of.unseen),
                    average(&|of| of.unseen_energy),
                );
                for (half, choice) in of.iter().enumerate() {
                    let Some(writer) = &mut writer else { break };
                    let Choice { tokens, seen, unseen, unseen_energy, losses: [rows, cut] } = choice;
                    let place = [queries.name.clone(), budget.to_string(), half.to_string(), label(named)];
                    let numbers = [tokens, seen, unseen, unseen_energy, rows, cut].map(f64::to_string);
                    writer.write_record(place.iter().chain(&numbers))?;
                }
            }
        }
    }
    writer.map_or(Ok(()), |mut writer| Ok(writer.flush()?))
}
