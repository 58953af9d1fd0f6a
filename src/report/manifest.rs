//! `manifest.json`: how a result was made, in enough detail to make it again.

use std::collections::BTreeMap;
use std::path::PathBuf;

use kantor_solvers::Settings;
use kantor_theory::cost_bounds::Power;
use kantor_theory::{Cost, Interval, Objective, Status};
use serde::Serialize;
use serde_json::Value;

use crate::data::{DroppedRow, OnBadRow, name};
use crate::output::Written;
use crate::select::{GroupCoverage, HeldOut, Note};

/// Version of its format.
pub const SCHEMA: &str = "kantor/manifest/1";

/// One input file.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct InputRecord {
    /// `pool`, `query`, `similarity`, `pool-jsonl`, `query-jsonl` or `query-groups`.
    pub role: &'static str,
    /// As named on the command line; written as [`readable`](crate::data::name::readable) text.
    #[serde(serialize_with = "name::serialize")]
    pub path: PathBuf,
    /// `npy`, `safetensors`, `npz`, `jsonl`, `text`.
    pub format: &'static str,
    /// Which of its tensors was read; absent for formats that do not name them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tensor: Option<String>,
    /// Rows in the file.
    pub rows: usize,
    /// Numbers per row; absent for text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub columns: Option<usize>,
    /// Stored number type; absent for text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dtype: Option<&'static str>,
    /// Length of the file.
    pub bytes: u64,
    /// Digest of the file.
    pub sha256: String,
    /// Digest of the values of its rows, as certificates have it; absent for text, and if nothing was certified.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blake3: Option<String>,
}

/// A row that was left out on request.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DroppedRecord {
    /// Which input.
    pub role: &'static str,
    /// Which row of it, over all shards, and what was wrong.
    #[serde(flatten)]
    pub row: DroppedRow,
}

/// All parameters, defaults resolved.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Parameters {
    /// Methods in the order given.
    pub methods: Vec<String>,
    /// Budgets in the order given.
    pub budgets: Vec<usize>,
    /// Pairwise cost.
    pub cost: Cost,
    /// Power p of the distance.
    pub p: Power,
    /// Which distance was certified, the bandwidth of its kernel found.
    pub objective: Objective,
    /// Whether distances were certified.
    pub certify: bool,
    /// Whether energy distances were evaluated whatever that took.
    pub energy: bool,
    /// Folds of the queries for held-out distances; `null` if not asked for.
    pub cross_fit: Option<usize>,
    /// Whether every method balanced its choice over the groups of queries.
    pub balance_groups: bool,
    /// Parameters of the methods.
    #[serde(flatten)]
    pub settings: Settings,
    /// What happened to rows that cannot be measured.
    pub on_bad_row: OnBadRow,
}

/// One selection of the result.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ResultRecord {
    /// Which method.
    pub method: String,
    /// How many rows.
    pub budget: usize,
    /// Where its files are, relative to the manifest; `null` if they were not asked for.
    pub dir: Option<String>,
    /// Whether smaller budgets of this method are prefixes of larger ones.
    pub nested: bool,
    /// Proved to hold the subset's distance; `null` if nothing was proved.
    pub distance: Option<Interval>,
    /// Proved to hold for every subset of that size; `null` if nothing was proved.
    pub best: Option<BestRecord>,
    /// How far the subset can be above the best possible one: upper/lower − 1, rounded up.
    pub excess: Option<f64>,
    /// Proved to hold the subset's energy distance; `null` if it was left out, for a reason that the notes give.
    pub energy: Option<Interval>,
    /// Proved to hold the mean cost of a query and its closest row of the subset; `null` if nothing was proved.
    pub chamfer: Option<Interval>,
    /// What selections by some of the queries are worth for the others; `null` unless asked for.
    pub held_out: Option<HeldOut>,
    /// What the groups of queries get, in the order of [`Manifest::groups`].
    pub groups: Vec<GroupCoverage>,
    /// How the search ended.
    pub status: Status,
    /// What the method recorded of its run.
    pub notes: BTreeMap<String, Value>,
    /// Wall-clock seconds of this method's own work for all budgets.
    pub seconds: f64,
    /// Processor seconds of the process meanwhile; digests of the input files may be among them.
    pub cpu_seconds: f64,
    /// Wall-clock seconds of certifying this selection.
    pub certify_seconds: f64,
}

/// What was proved of every subset of a size.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct BestRecord {
    /// No subset of that size is closer than this.
    pub lower: f64,
}

/// What a result was made from, and by what.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Provenance {
    /// Version of kantor.
    pub kantor: &'static str,
    /// Inputs in the order given.
    pub inputs: Vec<InputRecord>,
    /// Rows left out on request.
    pub dropped_rows: Vec<DroppedRecord>,
    /// Rows of the pool that took part.
    pub pool_rows: usize,
    /// Rows of the query set that took part.
    pub query_rows: usize,
    /// Query rows that are also in the pool, by value after rounding to the coarser number type of the two.
    pub overlap: usize,
    /// Seed of every random choice.
    pub seed: u64,
    /// Generator of every random choice.
    pub rng: &'static str,
    /// Which of several equally good rows is taken.
    pub tie_rule: &'static str,
}

/// The whole record.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Manifest {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// What it was made from, and by what.
    #[serde(flatten)]
    pub provenance: Provenance,
    /// Labels of the queries in order of first appearance, with their numbers of queries.
    pub groups: Vec<(String, usize)>,
    /// All parameters.
    pub parameters: Parameters,
    /// Worker threads.
    pub threads: usize,
    /// The selections.
    pub results: Vec<ResultRecord>,
    /// What readers of these results should know.
    pub notes: Vec<Note>,
    /// Every other file of this result.
    pub outputs: Vec<Written>,
    /// Wall-clock seconds of the pass over the pool that all methods shared.
    pub scan_seconds: f64,
    /// Wall-clock seconds of the bounds for all subsets.
    pub best_seconds: f64,
    /// Wall-clock seconds of selecting and measuring fold by fold.
    pub cross_fit_seconds: f64,
    /// Wall-clock seconds from start to just before the manifest was written.
    pub seconds: f64,
    /// Largest resident memory so far, where the system tells.
    pub peak_memory_bytes: Option<u64>,
    /// The worst status of all selections.
    pub status: Status,
}
