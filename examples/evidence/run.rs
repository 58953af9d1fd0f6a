//! What every selector chooses for a query set, how far that is from the queries, and what a model trained on it loses.

use std::error::Error;
use std::path::Path;

use kantor::certify::{self, SubsetMetric, Terms, measure};
use kantor::pipeline::{InputSpec, Inputs};
use kantor::problem::{Goal, Problem};
use kantor::solvers::relax::budgeted;
use kantor::solvers::scan::scan;
use kantor::solvers::{Optimum, Quiet, ScanRequest, Settings, folds, registry};
use kantor::statistics::mean;
use kantor::theory::{Cost, Geometry, PickedRows};
use rayon::prelude::*;

use super::study::{Cell, DISTANCES, ENERGY, Entry, Halves, Measured, Pool, Queries, W};

/// Seeds over which `random` is averaged.
const SEEDS: u64 = 3;

/// The selectors. Left out are `knn-tv` and `mmd`, which choose nearly the rows of `doubly-greedy` and `energy` and would
/// count twice in every rank correlation.
const METHODS: [&str; 10] = [
    "optimal",
    "random",
    "mean-similarity",
    "round-robin",
    "doubly-greedy",
    "knn-uniform",
    "knn-kde",
    "kde-ratio",
    "uot",
    "energy",
];

/// Rows that a method chose.
struct Choice {
    method: &'static str,
    /// Place among the budgets.
    at: usize,
    rows: Vec<usize>,
}

pub(super) fn spec(data: &Path, name: &str) -> InputSpec {
    let (pool, query) = (data.join("pool.embed.npy"), data.join(format!("query_{name}.embed.npy")));
    InputSpec { pool: vec![pool], query: vec![query], ..InputSpec::default() }
}

/// What all selectors choose for all budgets, and a proved lower bound of W for every subset of these sizes.
fn choose(problem: &Problem<'_>, budgets: &[usize]) -> Result<(Vec<Choice>, Vec<f64>), Box<dyn Error>> {
    let largest = budgets.iter().copied().max().unwrap_or(0);
    let task = |seed| problem.task(seed, u64::MAX, &Quiet);
    let selectors: Vec<_> =
        METHODS.iter().filter_map(|name| Some((registry::selector(name)?.build)(&Settings::default()))).collect();
    let exact = budgeted::needs(&task(0), largest);
    let needs = selectors.iter().fold(exact, |all: ScanRequest, selector| all.union(selector.needs(&task(0), largest)));
    let scanned = scan(&task(0), needs)?;
    let solved = budgeted::solve(&task(0), &scanned, budgets)?;
    let lists = solved.lists.as_ref().or(scanned.lists.as_ref());
    let best = |found| certify::best(problem.geometry(), &Terms::default(), found, lists).map(|bound| bound.lower());
    let bests = solved.budgets.iter().map(best).collect::<Result<_, _>>()?;
    let optimum = Optimum::Transport(solved);
    let mut choices = Vec::new();
    for selector in selectors {
        let seeds = if selector.name() == "random" { SEEDS } else { 1 };
        for seed in 0..seeds {
            let known = selector.of_optimum(&task(seed), &optimum, budgets);
            let selections = known.map_or_else(|| selector.select(&task(seed), &scanned, budgets), Ok)?;
            let choice = |(at, rows)| Choice { method: selector.name(), at, rows };
            choices.extend(selections.into_iter().map(|selection| selection.rows).enumerate().map(choice));
        }
    }
    Ok((choices, bests))
}

/// All distances of these rows; the intervals that are proved are far narrower than what is printed.
pub(super) fn distances(geometry: &Geometry<'_>, rows: &[usize]) -> Result<[f64; 5], String> {
    let terms = Terms::default();
    let mut found = [f64::NAN; 5];
    let transport = certify::distance(geometry, &terms, rows).map_err(|error| error.to_string())?;
    found[W] = transport.interval().upper.unwrap_or(f64::NAN);
    let others = [
        SubsetMetric::Energy,
        SubsetMetric::ChamferToSubset,
        SubsetMetric::ChamferToQuery,
        SubsetMetric::MeanDifference,
    ];
    for (found, metric) in found[ENERGY..].iter_mut().zip(others) {
        let measured = measure(geometry, metric, &terms, rows, &certify::in_parallel);
        *found = measured.map_err(|error| error.to_string())?.interval.upper.unwrap_or(f64::NAN);
    }
    Ok(found)
}

/// Every selector at every budget.
pub(crate) fn cells<'a>(
    data: &Path,
    pool: &Pool,
    queries: &'a Queries,
    budgets: &[usize],
) -> Result<Vec<Cell<'a>>, Box<dyn Error>> {
    let inputs = Inputs::open(&spec(data, &queries.name), Cost::Cosine, &Quiet)?;
    let problem = inputs.problem(Goal::default())?.with_cache();
    let geometry = problem.geometry();
    let (choices, bests) = choose(&problem, budgets)?;
    geometry.clear_cache();
    let shortest: Vec<usize> = (0..budgets.len())
        .map(|at| choices.iter().filter(|c| c.at == at).map(|c| pool.tokens(&c.rows)).min().unwrap_or(0))
        .collect();
    let measured = |rows: &[usize], limit: usize| {
        let nats = queries.nats(&pool.train(rows, limit));
        let tokens = pool.tokens(rows).min(limit) as f64;
        Ok::<_, String>(Measured { tokens, distances: distances(geometry, rows)?, nats })
    };
    let both = |choice: &Choice| {
        let limit = shortest[choice.at];
        let kept = pool.begun(&choice.rows, limit);
        Ok::<_, String>((measured(&choice.rows, usize::MAX)?, measured(&choice.rows[..kept], limit)?))
    };
    let all = choices.par_iter().map(both).collect::<Result<Vec<_>, _>>()?;
    let mut cells = Vec::new();
    for (at, &budget) in budgets.iter().enumerate() {
        let mut entries: Vec<Entry> = Vec::new();
        let here: Vec<_> = choices.iter().zip(&all).filter(|(choice, _)| choice.at == at).collect();
        for of_method in here.chunk_by(|a, b| a.0.method == b.0.method) {
            let (rows, tokens): (Vec<_>, Vec<_>) = of_method.iter().map(|(_, both)| (*both).clone()).unzip();
            entries.push(Entry {
                method: of_method[0].0.method,
                rows: Measured::mean(&rows),
                tokens: Measured::mean(&tokens),
                source: pool.source(&of_method[0].0.rows),
            });
        }
        cells.push(Cell { queries, budget, best: bests[at], entries });
    }
    Ok(cells)
}

/// Every selector at each of these budgets, choosing by half of the queries and measured on the others.
pub(crate) fn held_out<'a>(
    data: &Path,
    pool: &Pool,
    queries: &'a Queries,
    budgets: &[usize],
) -> Result<Vec<Halves<'a>>, Box<dyn Error>> {
    let inputs = Inputs::open(&spec(data, &queries.name), Cost::Cosine, &Quiet)?;
    let problem = inputs.problem(Goal::default())?;
    let halves = folds::folds(queries.len(), 2, 0);
    let mut found: Vec<Halves<'a>> =
        budgets.iter().map(|&budget| Halves { queries, budget, entries: Vec::new() }).collect();
    for (half, other) in [(0, 1), (1, 0)] {
        let [seen, held] = [half, other].map(|of| PickedRows::new(problem.queries(), halves[of].clone()));
        let (seen, held) = (problem.with_queries(&seen)?, problem.with_queries(&held)?);
        let (choices, _) = choose(&seen, budgets)?;
        let (seen, held) = (seen.geometry(), held.geometry());
        let measured = choices.par_iter().map(|choice| {
            let nats = queries.nats(&pool.train(&choice.rows, usize::MAX));
            Ok::<_, String>((distances(seen, &choice.rows)?, distances(held, &choice.rows)?, nats))
        });
        let measured = measured.collect::<Result<Vec<_>, _>>()?;
        for (at, found) in found.iter_mut().enumerate() {
            let here: Vec<_> = choices.iter().zip(&measured).filter(|(choice, _)| choice.at == at).collect();
            for of_method in here.chunk_by(|a, b| a.0.method == b.0.method) {
                let one = found.entry(of_method[0].0.method);
                for d in 0..DISTANCES.len() {
                    one.seen[d] += 0.5 * mean(of_method.iter().map(|(_, measured)| measured.0[d]));
                    one.held[d] += 0.5 * mean(of_method.iter().map(|(_, measured)| measured.1[d]));
                }
                for &query in &halves[other] {
                    one.nats[query] = mean(of_method.iter().map(|(_, measured)| measured.2[query]));
                }
            }
        }
    }
    Ok(found)
}
