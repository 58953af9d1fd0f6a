//! What a comparison found: the content of `results.json`, and everything that its report shows.
//!
//! Lists are in the order of the request: costs, then methods, then budgets. What cannot be known from the inputs (tokens
//! without text, groups without labels) is absent rather than zero.

use std::borrow::Cow;
use std::collections::BTreeMap;

use kantor_theory::cost_bounds::Power;
use kantor_theory::{Cost, Interval, Objective, Status};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::pipeline::{RandomReference, Unseen};
use crate::source::InputRecord;

use super::{Parameters, Prices, SelectionRecord};

/// Version of the format of `results.json`.
pub const COMPARISON_SCHEMA: &str = "kantor/compare/1";

/// All results of a comparison.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// [`COMPARISON_SCHEMA`].
    pub schema: Cow<'static, str>,
    /// Version of kantor.
    pub kantor: Cow<'static, str>,
    /// The words of the command line.
    pub command: Vec<String>,
    /// Input files with their digests.
    pub inputs: Vec<InputRecord>,
    /// Rows of the pool.
    pub pool_rows: usize,
    /// Rows of the queries.
    pub query_rows: usize,
    /// Numbers per row; absent for a matrix.
    pub dimension: Option<usize>,
    /// Costs compared, in the order given.
    pub costs: Vec<Cost>,
    /// Methods, budgets and settings; of the first cost where they depend on it.
    pub parameters: Parameters,
    /// Seed of every random choice.
    pub seed: u64,
    /// Seeds of the random reference.
    pub random_seeds: usize,
    /// What a reader must know before the numbers.
    pub warnings: Vec<Warning>,
    /// One entry per cost, method and budget.
    pub results: Vec<SelectionRecord>,
    /// One entry per cost and budget.
    pub references: Vec<RandomReference>,
    /// Methods on seen and on unseen queries, one entry per cost and budget, if that was measured.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unseen: Vec<Unseen>,
    /// One entry per cost and budget, if there are at least two methods.
    pub overlaps: Vec<Overlap>,
    /// One entry per selection and solver, if solvers were asked for.
    pub solvers: Vec<SolverRow>,
    /// Labels of the queries in order of first appearance, with their numbers of queries.
    pub groups: Vec<(String, usize)>,
    /// Sources named in the pool's examples, with their numbers of rows, most first.
    pub sources: Vec<(String, usize)>,
    /// Upper ends of the bins of [`Examined::lengths`](super::Examined::lengths), in tokens, ends included; the last bin holds all that is longer than
    /// the bin before it, whatever its end. Empty without text.
    pub length_bins: Vec<u64>,
    /// A few queries with the pool examples closest to them, if text is given.
    pub nearest: Vec<NearestExamples>,
    /// Some queries with what every choice under the first cost has for them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub queries: Vec<QueryRows>,
    /// How the texts of these rows begin, by row.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub row_texts: BTreeMap<usize, String>,
    /// Pool, queries and choices in a plane; absent for a matrix.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub map: Option<Map>,
    /// What limits, queries and new rows are worth, of the closest selection of every cost and budget.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prices: Vec<Prices>,
    /// Wall-clock seconds in all.
    pub seconds: f64,
    /// Processor seconds in all.
    pub cpu_seconds: f64,
    /// Largest resident memory in bytes.
    pub peak_memory_bytes: Option<u64>,
}

/// Something that the reader must know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Warning {
    /// A word for scripts: `order`, `across-budgets`, `overlap`, `dropped-rows`, `near-duplicates`, `length`,
    /// `uncertified`, `energy-left-out`, `overfit`, `split-groups`,
    /// `methods-left-out`.
    pub kind: Cow<'static, str>,
    /// The budget that it is about, if it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<usize>,
    /// In words.
    pub text: String,
    /// In numbers, if there are any.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub details: Value,
}

/// How much methods choose the same rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Overlap {
    /// Pairwise cost.
    pub cost: Cost,
    /// Number of rows chosen.
    pub budget: usize,
    /// Names of rows and columns.
    pub methods: Vec<String>,
    /// |A ∩ B| / |A ∪ B|.
    pub jaccard: Vec<Vec<f64>>,
}

/// What a transport solver says of one selection.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SolverRow {
    /// Pairwise cost.
    pub cost: Cost,
    /// Which selection.
    pub method: String,
    /// Its size.
    pub budget: usize,
    /// Name of the solver.
    pub solver: String,
    /// Entropic regularisation; 0 for solvers without.
    pub epsilon: f64,
    /// Proved to contain the plain transport distance, from this solver's output alone.
    pub distance: Interval,
    /// Value of the solved problem.
    pub value: Option<f64>,
    /// Iterations.
    pub iterations: usize,
    /// Largest error of the marginals.
    pub residual: Option<f64>,
    /// How it ended.
    pub status: Status,
    /// Wall-clock seconds.
    pub seconds: f64,
    /// Processor seconds.
    pub cpu_seconds: f64,
}

/// A query and what choices have for it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct QueryRows {
    /// Row of the query.
    pub query: usize,
    /// Its text, if known.
    pub text: Option<String>,
    /// In the order of the results.
    pub choices: Vec<QueryChoice>,
}

/// What a choice has for a query.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct QueryChoice {
    /// Who chose.
    pub method: String,
    /// How many rows.
    pub budget: usize,
    /// How far the query's potential in the bound for all subsets of that size is above the mean; `null` if there is none.
    pub price: Option<f64>,
    /// Chosen rows of which it is the closest query, with their cost to it, the closest first.
    pub rows: Vec<(usize, f64)>,
}

/// Rows in the plane of their two principal components.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Map {
    /// Of the draw of rows.
    pub seed: u64,
    /// Shares of the variance along both components.
    pub explained: [f64; 2],
    /// Rows drawn from the pool.
    pub pool: Vec<[f64; 2]>,
    /// Rows drawn from the queries.
    pub queries: Vec<[f64; 2]>,
    /// The closest choice of every cost and budget.
    pub choices: Vec<MapChoice>,
}

/// A choice on the map.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MapChoice {
    /// Under which cost.
    pub cost: Cost,
    /// How many rows were chosen.
    pub budget: usize,
    /// Who chose.
    pub method: String,
    /// Rows drawn from them.
    pub rows: Vec<[f64; 2]>,
}

/// A query and what is closest to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NearestExamples {
    /// Row of the query.
    pub query: usize,
    /// Its text, if known.
    pub text: Option<String>,
    /// Closest rows of the pool, closest first.
    pub examples: Vec<NearestExample>,
}

/// A pool example.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NearestExample {
    /// Row of the pool.
    pub row: usize,
    /// Its id.
    pub id: String,
    /// Cost to the query.
    pub cost: f64,
    /// The beginning of its text.
    pub text: String,
    /// Methods that chose it at the largest budget.
    pub chosen_by: Vec<String>,
}

impl Comparison {
    /// Under which distance.
    pub fn objective(&self) -> Objective {
        self.parameters.objective
    }

    /// Power of the transport distance.
    pub fn power(&self) -> Power {
        self.parameters.p
    }

    /// Names of the methods in the order of the request.
    pub fn methods(&self) -> &[String] {
        &self.parameters.methods
    }

    /// Budgets in the order of the request.
    pub fn budgets(&self) -> &[usize] {
        &self.parameters.budgets
    }

    /// Results of one cost and budget by method.
    pub fn at(&self, cost: Cost, budget: usize) -> BTreeMap<&str, &SelectionRecord> {
        let here = self.results.iter().filter(|row| row.cost == Some(cost) && row.budget == budget);
        here.map(|row| (row.method.as_str(), row)).collect()
    }
}
