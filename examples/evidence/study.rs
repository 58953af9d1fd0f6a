//! The nouns of the study: candidates, queries, and what is measured of a selector, with the statistics over queries.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;

use kantor::statistics::{mean, spearman};

use super::bootstrap::{Bootstrap, Estimate, ratio};
use super::text::{Example, Vocabulary, read};
use super::trigram::{Trigram, UNKNOWN};

/// Bootstrap draws.
const DRAWS: usize = 1000;

/// Names of the distances: transport, energy, mean cost of a query and its closest row, mean cost of a row and its
/// closest query, difference of means.
pub(crate) const DISTANCES: [&str; 5] = ["W", "energy", "Q→S", "S→Q", "means"];
pub(crate) const W: usize = 0;
pub(crate) const ENERGY: usize = 1;
pub(crate) const TO_QUERY: usize = 3;
pub(crate) const MEANS: usize = 4;

/// The candidates.
pub(crate) struct Pool {
    pub(super) texts: Vec<Vec<u32>>,
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

/// All selectors at one budget, choosing by one half of the queries at a time.
pub(crate) struct Halves<'a> {
    pub(crate) queries: &'a Queries,
    pub(crate) budget: usize,
    pub(crate) entries: Vec<HeldOut>,
}

/// One selector: means over the halves.
pub(crate) struct HeldOut {
    pub(crate) method: &'static str,
    /// To the half that chose.
    pub(crate) seen: [f64; 5],
    /// To the other half.
    pub(crate) held: [f64; 5],
    /// Nats per query, by the model that the other half chose.
    pub(crate) nats: Vec<f64>,
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
    pub(super) fn tokens(&self, rows: &[usize]) -> usize {
        rows.iter().map(|&row| self.texts[row].len() + 1).sum()
    }

    /// How many of the rows, in their order, are begun within so many predictions.
    pub(super) fn begun(&self, rows: &[usize], limit: usize) -> usize {
        let mut left = limit as i64;
        let begun = |row: &&usize| {
            let begun = left > 0;
            left -= self.texts[**row].len() as i64 + 1;
            begun
        };
        rows.iter().take_while(begun).count()
    }

    pub(super) fn train(&self, rows: &[usize], limit: usize) -> Trigram {
        Trigram::train(rows.iter().map(|&row| self.texts[row].as_slice()), limit, self.vocabulary.len())
    }

    /// The commonest source among the rows, and its share.
    pub(super) fn source(&self, rows: &[usize]) -> (String, f64) {
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

    /// Nats per token of some of the queries.
    pub(super) fn loss_of(&self, list: &[usize], model: &Trigram) -> f64 {
        let nats: f64 = list.iter().map(|&query| model.nats(&self.texts[query])).sum();
        nats / list.iter().map(|&query| self.tokens[query]).sum::<f64>()
    }

    /// The share of words outside the vocabulary.
    pub(crate) fn unknown(&self) -> f64 {
        let unknown = self.texts.iter().flatten().filter(|&&word| word == UNKNOWN).count();
        unknown as f64 / self.tokens.iter().sum::<f64>()
    }

    pub(super) fn nats(&self, model: &Trigram) -> Vec<f64> {
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

impl Halves<'_> {
    /// The entry of a method, made if there is none.
    pub(super) fn entry(&mut self, method: &'static str) -> &mut HeldOut {
        let known = self.entries.iter().position(|entry| entry.method == method);
        let at = known.unwrap_or_else(|| {
            let nats = vec![0.0; self.queries.len()];
            self.entries.push(HeldOut { method, seen: [0.0; 5], held: [0.0; 5], nats });
            self.entries.len() - 1
        });
        &mut self.entries[at]
    }
}

impl Measured {
    pub(super) fn mean(of: &[Measured]) -> Self {
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
        self.correlation_without("", distance, equal)
    }

    /// Rank correlation over selectors but one.
    pub(crate) fn correlation_without(&self, method: &str, distance: usize, equal: Equal) -> Estimate {
        let kept: Vec<&Measured> =
            self.entries.iter().filter(|entry| entry.method != method).map(|entry| entry.at(equal)).collect();
        let distances: Vec<f64> = kept.iter().map(|entry| entry.distances[distance]).collect();
        let nats: Vec<&[f64]> = kept.iter().map(|entry| entry.nats.as_slice()).collect();
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
