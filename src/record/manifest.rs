//! `manifest.json`: how a result was made, in enough detail to make it again.

use std::borrow::Cow;
use std::path::Path;
use std::time::Instant;

use kantor_solvers::Settings;
use kantor_theory::cost_bounds::Power;
use kantor_theory::{Cost, Objective, Quality, Status, json};
use serde::{Deserialize, Serialize};

use crate::output::{Header, Written};
use crate::pipeline::{Aggregate, Chosen, Note, Outcome, ProvedSelection, RandomReference, Unseen, notes};
use crate::probe;
use crate::source::name::readable;
use crate::source::whole::{self, Whole};
use crate::source::{DataError, DroppedRecord, InputRecord, OnBadRow};

use super::selection::{SelectionRecord, worst};
use super::{Origin, files};

/// Version of its format.
pub const SCHEMA: &str = "kantor/manifest/1";

/// All parameters, defaults resolved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Parameters {
    /// Methods in the order given.
    pub methods: Vec<String>,
    /// Budgets in the order given.
    pub budgets: Vec<usize>,
    /// Whether budgets are in tokens; absent if they are in rows.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub budgets_in_tokens: bool,
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
    /// Parameters of the methods and the objective; those that nothing read have their defaults.
    #[serde(flatten)]
    pub settings: Settings,
    /// What chosen rows obey, one phrase for each rule.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub constraints: Vec<String>,
    /// What rows are worth by themselves, if a column says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quality: Option<Quality>,
    /// The tasks that the queries are, and what each counts of a total of 1.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tasks: Vec<(String, f64)>,
    /// What the tasks are together; absent if they are a mixture.
    #[serde(default, skip_serializing_if = "Aggregate::is_mixture")]
    pub aggregate: Aggregate,
    /// What happened to rows that cannot be measured.
    pub on_bad_row: OnBadRow,
}

impl Parameters {
    /// What the queries count, unless all count the same.
    pub(crate) fn query_weights_in_words(&self, inputs: &[InputRecord]) -> Option<String> {
        if let Some(file) = inputs.iter().find(|input| input.role == "query-weights") {
            return Some(format!("the weights of queries of {}", readable(&file.path)));
        }
        if self.tasks.is_empty() || !self.aggregate.is_mixture() {
            return None;
        }
        let task = |(name, share): &(String, f64)| format!("`{name}` {}", (share * 1e4).round() / 1e4);
        Some(format!(
            "the queries of tasks in these shares: {}",
            self.tasks.iter().map(task).collect::<Vec<_>>().join(", ")
        ))
    }

    /// Whether quality counts in what is minimised and proved.
    pub(crate) fn counts_quality(&self) -> bool {
        self.quality.as_ref().is_some_and(|quality| quality.weight != 0.0)
    }

    /// What that is, in words.
    pub(crate) fn quality_in_words(&self) -> Option<String> {
        let Quality { weight, column } = self.quality.as_ref()?;
        let name = &column.name;
        let distance = match (self.objective, self.p) {
            (Objective::W, Power::One) => "the distance",
            _ => "the squared distance",
        };
        Some(match self.counts_quality() {
            true => format!("{distance} less {weight} × the mean of `{name}` is what is minimised and bounded"),
            false => format!("that of `{name}`, which has no weight"),
        })
    }

    /// What budgets count.
    pub(crate) fn unit(&self) -> &'static str {
        if self.budgets_in_tokens { "tokens" } else { "rows" }
    }

    /// What is claimed of several tasks and who chooses for that, unless they are a mixture.
    pub(crate) fn aggregate_in_words(&self) -> Option<String> {
        if self.aggregate.is_mixture() {
            return None;
        }
        let names = self.tasks.iter().map(|(name, _)| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        Some(format!(
            "the worst of the tasks {names}; optimal and swap choose for it, other methods for the mixture of the tasks"
        ))
    }

    /// Of an outcome.
    pub(crate) fn of(outcome: &Outcome, on_bad_row: OnBadRow) -> Self {
        let Outcome { goal, request, .. } = outcome;
        Self {
            methods: request.methods.clone(),
            budgets: goal.budgets.clone(),
            budgets_in_tokens: outcome.in_tokens,
            cost: goal.cost,
            p: goal.power,
            objective: outcome.objective,
            certify: request.certify,
            energy: request.energy,
            cross_fit: request.cross_fit,
            balance_groups: request.balance.is_some(),
            settings: request.settings_read_by(&request.methods, goal),
            constraints: outcome.constraints.clone(),
            quality: outcome.quality.clone(),
            tasks: outcome.tasks.clone(),
            aggregate: outcome.aggregate,
            on_bad_row,
        }
    }
}

/// How `quantiles` cuts an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cut {
    /// Number of bins.
    pub bins: usize,
    /// Rows to take of each, the first in the order.
    pub take: usize,
    /// Cut this bin once more, into as many, and take these instead.
    pub focus_bin: Option<usize>,
}

/// The whole record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`SCHEMA`], or that of [`quantiles`](crate::quantiles::SCHEMA).
    pub schema: Cow<'static, str>,
    /// Version of kantor.
    pub kantor: Cow<'static, str>,
    /// Inputs in the order given; none if the rows were in memory.
    pub inputs: Vec<InputRecord>,
    /// Rows left out on request.
    pub dropped_rows: Vec<DroppedRecord>,
    /// Rows of the pool that took part.
    pub pool_rows: usize,
    /// Rows of the query set that took part.
    pub query_rows: usize,
    /// Query rows that are also in the pool, by value after rounding to the coarser number type of the two; 0 if the rows were in
    /// memory, where nobody looks for them.
    pub overlap: usize,
    /// Seed of every random choice.
    pub seed: u64,
    /// Generator of every random choice.
    pub rng: Cow<'static, str>,
    /// Which of several equally good rows is taken.
    pub tie_rule: Cow<'static, str>,
    /// How the order was cut; only of `quantiles`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cut: Option<Cut>,
    /// Labels of the queries in order of first appearance, with their numbers of queries.
    pub groups: Vec<(String, usize)>,
    /// All parameters.
    pub parameters: Parameters,
    /// Worker threads.
    pub threads: usize,
    /// The selections.
    pub results: Vec<SelectionRecord>,
    /// Random subsets of each budget, by which distances are read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub random: Vec<RandomReference>,
    /// Methods on seen and on unseen queries, by budget, if that was asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unseen: Vec<Unseen>,
    /// What readers of these results should know.
    pub notes: Vec<Note>,
    /// Every other file of this result.
    pub outputs: Vec<Written>,
    /// Wall-clock seconds of ordering the pool; only of `quantiles`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order_seconds: Option<f64>,
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

/// What a result must record besides inputs and outcome.
#[derive(Debug, Clone, Copy)]
pub struct Run {
    /// When the run began.
    pub begun: Instant,
    /// What was done with rows that cannot be measured.
    pub on_bad_row: OnBadRow,
}

impl Manifest {
    /// Of the outcome of a run. `dir` says where the files of a selection are.
    pub(crate) fn of(
        origin: Origin<'_>,
        outcome: &Outcome,
        run: Run,
        dir: impl Fn(&Chosen, &ProvedSelection) -> Option<String>,
        outputs: Vec<Written>,
    ) -> Self {
        let request = &outcome.request;
        let record = |(chosen, proved)| SelectionRecord::of(origin, request, chosen, proved, dir(chosen, proved));
        let results: Vec<SelectionRecord> = outcome.selections().map(record).collect();
        Self {
            schema: SCHEMA.into(),
            kantor: env!("CARGO_PKG_VERSION").into(),
            inputs: outcome.inputs.clone(),
            dropped_rows: origin.dropped().to_vec(),
            pool_rows: outcome.pool_rows,
            query_rows: outcome.query_rows,
            overlap: origin.overlap(),
            seed: request.seed,
            rng: "ChaCha8".into(),
            tie_rule: "lower pool row first".into(),
            cut: None,
            groups: origin.groups(),
            parameters: Parameters::of(outcome, run.on_bad_row),
            threads: rayon::current_num_threads(),
            status: worst(&results),
            results,
            random: outcome.random.clone(),
            unseen: outcome.unseen.clone(),
            notes: notes(origin.labels(), outcome),
            outputs,
            order_seconds: None,
            scan_seconds: outcome.scan_seconds,
            best_seconds: outcome.best_seconds,
            cross_fit_seconds: outcome.cross_fit_seconds,
            seconds: run.begun.elapsed().as_secs_f64(),
            peak_memory_bytes: probe::peak_memory(),
        }
    }

    /// Reads the manifest of any result of kantor; `None` if it is of another program.
    ///
    /// # Errors
    /// If the file cannot be read, or is a manifest of kantor that something was done to.
    pub fn read(path: &Path) -> Result<Option<Self>, DataError> {
        let bytes = whole::read(path, Whole::Record)?;
        if !json::from_slice(&bytes).is_ok_and(|header: Header| header.is_of_kantor()) {
            return Ok(None);
        }
        let damaged = |error| {
            let remedy = "give a result as this version of kantor wrote it, or make it again";
            DataError::malformed(path, format!("is a damaged manifest: {error}"), remedy)
        };
        json::from_slice(&bytes).map(Some).map_err(damaged)
    }
}

/// Where `select` puts the files of a selection, in directories whose names begin with `under`.
pub(crate) fn directory(under: &str, chosen: &Chosen, proved: &ProvedSelection) -> String {
    format!("{under}{}", files::directory(&chosen.method, proved))
}
