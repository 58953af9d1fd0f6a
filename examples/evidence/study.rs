//! What every selector chooses for a query set, how far that is from the queries, and what a model trained on it loses.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;

use kantor::certify::{self, Metric, Terms, measure};
use kantor::select::{InputSpec, Inputs};
use kantor::solvers::kernels::scan;
use kantor::solvers::registry::SELECTORS;
use kantor::solvers::{Needs, Quiet, Settings, Task, exact, folds};
use kantor::statistics::{mean, spearman};
use kantor::theory::{Cost, Geometry, PickedRows, Power};
use rayon::prelude::*;

use super::bootstrap::{Bootstrap, Estimate, ratio};
use super::text::{Example, Vocabulary, read};
use super::trigram::{Trigram, UNKNOWN};

/// Bootstrap draws.
const DRAWS: usize = 1000;

/// Seeds over which `random` is averaged.
const SEEDS: u64 = 3;

/// These choose nearly the rows of `doubly-greedy` and of `energy`, which would count twice in every rank correlation.
const LEFT_OUT: [&str; 2] = ["knn-tv", "mmd"];

/// Names of the distances: transport, energy, mean cost of a query and its closest row, mean cost of a row and its
/// closest query, difference of means.
pub(crate) const DISTANCES: [&str; 5] = ["W", "energy", "Q→S", "S→Q", "means"];
pub(crate) const W: usize = 0;
pub(crate) const ENERGY: usize = 1;
pub(crate) const TO_QUERY: usize = 3;
pub(crate) const MEANS: usize = 4;

/// The candidates.
pub(crate) struct Pool {
    texts: Vec<Vec<u32>>,
    sources: Vec<String>,
    vocabulary: Vocabulary,
}

/// A query set.
pub(crate) struct Queries {
    /// Its name.
    pub(crate) name: String,
    /// Number of different tasks in it.
    pub(crate) subtasks: usize,
    texts: Vec<Vec<u32>>,
    /// Predictions per query: words and end.
    tokens: Vec<f64>,
    pub(crate) bootstrap: Bootstrap,
}

/// Chosen rows, or their means over seeds.
#[derive(Debug, Clone)]
pub(crate) struct Measured {
    /// Tokens trained on.
    pub(crate) tokens: f64,
    /// In the order of [`DISTANCES`].
    pub(crate) distances: [f64; 5],
    /// Nats per query.
    pub(crate) nats: Vec<f64>,
}

/// What is held equal between selectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Equal {
    /// The number of rows.
    Rows,
    /// The number of tokens: each selection is cut, in its order, where the shortest ends.
    Tokens,
}

/// One selector at one budget.
pub(crate) struct Entry {
    pub(crate) method: &'static str,
    /// All rows of the budget.
    pub(crate) rows: Measured,
    /// The same, cut.
    pub(crate) tokens: Measured,
    /// The commonest source among the rows, and its share.
    pub(crate) source: (String, f64),
}

/// All selectors at one budget.
pub(crate) struct Cell<'a> {
    pub(crate) queries: &'a Queries,
    pub(crate) budget: usize,
    /// Proved: no subset of this size has a lower W.
    pub(crate) best: f64,
    pub(crate) entries: Vec<Entry>,
}

/// One selector at one budget, choosing by one half of the queries at a time: means over the halves.
pub(crate) struct HeldOut {
    pub(crate) method: &'static str,
    /// To the half that chose.
    pub(crate) seen: [f64; 5],
    /// To the other half.
    pub(crate) held: [f64; 5],
    /// Nats per query, by the model that the other half chose.
    pub(crate) nats: Vec<f64>,
}

/// Rows that a method chose.
struct Choice {
    method: &'static str,
    /// Place among the budgets.
    at: usize,
    rows: Vec<usize>,
}

impl Pool {
    pub(crate) fn open(data: &Path) -> Result<Self, Box<dyn Error>> {
        let examples = read(data.join("pool.jsonl.gz"))?;
        let vocabulary = Vocabulary::of(&examples)?;
        let texts = vocabulary.encode(&examples);
        let source = |example: Example| example.source.unwrap_or_else(|| "unknown".to_owned());
        Ok(Self { texts, sources: examples.into_iter().map(source).collect(), vocabulary })
    }

    pub(crate) fn len(&self) -> usize {
        self.texts.len()
    }

    pub(crate) fn words(&self) -> usize {
        self.vocabulary.len()
    }

    /// Predictions per row, and all of them.
    fn tokens(&self, rows: &[usize]) -> usize {
        rows.iter().map(|&row| self.texts[row].len() + 1).sum()
    }

    fn train(&self, rows: &[usize], limit: usize) -> Trigram {
        Trigram::train(rows.iter().map(|&row| self.texts[row].as_slice()), limit, self.vocabulary.len())
    }

    /// The commonest source among the rows, and its share.
    fn source(&self, rows: &[usize]) -> (String, f64) {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        rows.iter().for_each(|&row| *counts.entry(&self.sources[row]).or_default() += 1);
        let commonest = counts.into_iter().max_by_key(|&(_, count)| count).unwrap_or_default();
        (commonest.0.to_owned(), commonest.1 as f64 / rows.len() as f64)
    }

    /// The share of a source in the pool.
    pub(crate) fn share(&self, source: &str) -> f64 {
        self.sources.iter().filter(|of| *of == source).count() as f64 / self.len() as f64
    }

    /// What a model trained on all candidates loses.
    pub(crate) fn loss_of_all(&self, queries: &Queries) -> Estimate {
        let all: Vec<usize> = (0..self.len()).collect();
        queries.loss(&queries.nats(&self.train(&all, usize::MAX)))
    }
}

impl Queries {
    pub(crate) fn open(data: &Path, name: &str, pool: &Pool) -> Result<Self, Box<dyn Error>> {
        let examples = read(data.join(format!("query_{name}.jsonl")))?;
        let texts = pool.vocabulary.encode(&examples);
        let mut tasks: Vec<_> = examples.into_iter().map(|example| example.task).collect();
        tasks.sort_unstable();
        tasks.dedup();
        Ok(Self::new(name, tasks.len(), texts))
    }

    /// Texts of words of the vocabulary.
    pub(crate) fn new(name: &str, subtasks: usize, texts: Vec<Vec<u32>>) -> Self {
        let tokens = texts.iter().map(|text| (text.len() + 1) as f64).collect();
        let bootstrap = Bootstrap::new(texts.len(), DRAWS, 0);
        Self { name: name.to_owned(), subtasks, texts, tokens, bootstrap }
    }

    pub(crate) fn len(&self) -> usize {
        self.texts.len()
    }

    /// The share of words outside the vocabulary.
    pub(crate) fn unknown(&self) -> f64 {
        let unknown = self.texts.iter().flatten().filter(|&&word| word == UNKNOWN).count();
        unknown as f64 / self.tokens.iter().sum::<f64>()
    }

    fn nats(&self, model: &Trigram) -> Vec<f64> {
        self.texts.iter().map(|text| model.nats(text)).collect()
    }

    /// Nats per token.
    pub(crate) fn loss(&self, nats: &[f64]) -> Estimate {
        self.bootstrap.estimate(|weights| ratio(weights, nats, &self.tokens))
    }

    /// The rank correlation of a number per selector with its loss.
    pub(crate) fn correlation(&self, distances: &[f64], nats: &[&[f64]]) -> Estimate {
        self.bootstrap.estimate(|weights| {
            let losses: Vec<f64> = nats.iter().map(|nats| ratio(weights, nats, &self.tokens)).collect();
            spearman(distances, &losses).unwrap_or(f64::NAN)
        })
    }
}

impl Measured {
    fn mean(of: &[Measured]) -> Self {
        let column = |at: &dyn Fn(&Measured) -> f64| mean(of.iter().map(at));
        Self {
            tokens: column(&|one| one.tokens),
            distances: std::array::from_fn(|d| column(&|one| one.distances[d])),
            nats: (0..of[0].nats.len()).map(|query| column(&|one| one.nats[query])).collect(),
        }
    }
}

impl Entry {
    pub(crate) fn at(&self, equal: Equal) -> &Measured {
        match equal {
            Equal::Rows => &self.rows,
            Equal::Tokens => &self.tokens,
        }
    }
}

impl Cell<'_> {
    pub(crate) fn entry(&self, method: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.method == method)
    }

    /// Rank correlation over selectors.
    pub(crate) fn correlation(&self, distance: usize, equal: Equal) -> Estimate {
        let distances: Vec<f64> = self.entries.iter().map(|entry| entry.at(equal).distances[distance]).collect();
        let nats: Vec<&[f64]> = self.entries.iter().map(|entry| entry.at(equal).nats.as_slice()).collect();
        self.queries.correlation(&distances, &nats)
    }

    /// Loss of `a` less loss of `b`, on the same queries.
    pub(crate) fn difference(&self, a: &str, b: &str, equal: Equal) -> Option<Estimate> {
        let (a, b) = (self.entry(a)?.at(equal), self.entry(b)?.at(equal));
        let nats: Vec<f64> = a.nats.iter().zip(&b.nats).map(|(a, b)| a - b).collect();
        Some(self.queries.loss(&nats))
    }

    /// W of `a` over W of `b`, less 1.
    pub(crate) fn farther(&self, a: &str, b: &str) -> Option<f64> {
        Some(self.entry(a)?.rows.distances[W] / self.entry(b)?.rows.distances[W] - 1.0)
    }
}

fn spec(data: &Path, name: &str) -> InputSpec {
    let (pool, query) = (data.join("pool.embed.npy"), data.join(format!("query_{name}.embed.npy")));
    InputSpec { pool: vec![pool], query: Some(query), ..InputSpec::default() }
}

/// What all selectors choose for all budgets, and a proved lower bound of W for every subset of these sizes.
fn choose(geometry: &Geometry<'_>, budgets: &[usize]) -> Result<(Vec<Choice>, Vec<f64>), Box<dyn Error>> {
    let largest = budgets.iter().copied().max().unwrap_or(0);
    let task = |seed| Task { geometry, power: Power::One, seed, block: 512, memory: u64::MAX, watch: &Quiet };
    let entries = SELECTORS.iter().filter(|entry| !LEFT_OUT.contains(&entry.name));
    let selectors: Vec<_> = entries.map(|entry| (entry.build)(&Settings::default())).collect();
    let exact = exact::needs(&task(0), largest);
    let needs = selectors.iter().fold(exact, |all: Needs, selector| all.union(selector.needs(&task(0), largest)));
    let mut findings = scan(&task(0), needs)?;
    let solved = exact::solve(&task(0), &findings, budgets)?;
    let lists = solved.lists.as_ref().or(findings.lists.as_ref());
    let best = |found| certify::best(geometry, Power::One, found, lists).map(|bound| bound.lower());
    let bests = solved.budgets.iter().map(best).collect::<Result<_, _>>()?;
    findings.optimum = Some(solved);
    let mut choices = Vec::new();
    for selector in selectors {
        let seeds = if selector.name() == "random" { SEEDS } else { 1 };
        for seed in 0..seeds {
            let selections = selector.select(&task(seed), &findings, budgets)?;
            let choice = |(at, rows)| Choice { method: selector.name(), at, rows };
            choices.extend(selections.into_iter().map(|selection| selection.rows).enumerate().map(choice));
        }
    }
    Ok((choices, bests))
}

/// All distances of these rows; the intervals that are proved are far narrower than what is printed.
fn distances(geometry: &Geometry<'_>, rows: &[usize]) -> Result<[f64; 5], String> {
    let terms = Terms::default();
    let mut found = [f64::NAN; 5];
    let transport = certify::distance(geometry, &terms, rows).map_err(|error| error.to_string())?;
    found[W] = transport.interval().upper.unwrap_or(f64::NAN);
    let others = [Metric::Energy, Metric::ChamferToSubset, Metric::ChamferToQuery, Metric::MeanDifference];
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
    let geometry = inputs.geometry(Cost::Cosine)?.remembering();
    let (choices, bests) = choose(&geometry, budgets)?;
    geometry.forget();
    let shortest: Vec<usize> = (0..budgets.len())
        .map(|at| choices.iter().filter(|c| c.at == at).map(|c| pool.tokens(&c.rows)).min().unwrap_or(0))
        .collect();
    let measured = |rows: &[usize], limit: usize| {
        let nats = queries.nats(&pool.train(rows, limit));
        let tokens = pool.tokens(rows).min(limit) as f64;
        Ok::<_, String>(Measured { tokens, distances: distances(&geometry, rows)?, nats })
    };
    let both = |choice: &Choice| {
        let (mut left, limit) = (shortest[choice.at] as i64, shortest[choice.at]);
        let kept = choice.rows.iter().take_while(|&&row| {
            let begun = left > 0;
            left -= pool.texts[row].len() as i64 + 1;
            begun
        });
        let kept = kept.count();
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

/// Every selector at one budget, choosing by half of the queries and measured on the others.
pub(crate) fn held_out(
    data: &Path,
    pool: &Pool,
    queries: &Queries,
    budget: usize,
) -> Result<Vec<HeldOut>, Box<dyn Error>> {
    let inputs = Inputs::open(&spec(data, &queries.name), Cost::Cosine, &Quiet)?;
    let halves = folds::folds(queries.len(), 2, 0);
    let mut found: Vec<HeldOut> = Vec::new();
    for (half, other) in [(0, 1), (1, 0)] {
        let [seen, held] = [half, other].map(|of| PickedRows::new(inputs.queries(), halves[of].clone()));
        let (seen, held) = (inputs.geometry_with(&seen, Cost::Cosine)?, inputs.geometry_with(&held, Cost::Cosine)?);
        let (choices, _) = choose(&seen, &[budget])?;
        let measured = choices.par_iter().map(|choice| {
            let nats = queries.nats(&pool.train(&choice.rows, usize::MAX));
            Ok::<_, String>((choice.method, distances(&seen, &choice.rows)?, distances(&held, &choice.rows)?, nats))
        });
        let measured = measured.collect::<Result<Vec<_>, _>>()?;
        for of_method in measured.chunk_by(|a, b| a.0 == b.0) {
            let method = of_method[0].0;
            let at = found.iter().position(|one| one.method == method).unwrap_or_else(|| {
                found.push(HeldOut { method, seen: [0.0; 5], held: [0.0; 5], nats: vec![0.0; queries.len()] });
                found.len() - 1
            });
            for d in 0..DISTANCES.len() {
                found[at].seen[d] += 0.5 * mean(of_method.iter().map(|one| one.1[d]));
                found[at].held[d] += 0.5 * mean(of_method.iter().map(|one| one.2[d]));
            }
            for &query in &halves[other] {
                found[at].nats[query] = mean(of_method.iter().map(|one| one.3[query]));
            }
        }
    }
    Ok(found)
}
