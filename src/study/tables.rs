//! The published result tables of arXiv 2602.14696: does a nearer quantile have a lower loss, does a method beat Random?
//!
//! `<pool>/quantile_budget/<model>/<table>.csv` with pool `plot_data` (Tulu) or `dolci_plot_data` (Dolci).

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Paired;
use crate::source::DataError;
use crate::source::name::readable;
use crate::statistics::{mean, ranks, sign_flip, spearman};

/// The folder of each pool and its short name.
const POOLS: [(&str, &str); 2] = [("plot_data", "tulu"), ("dolci_plot_data", "dolci")];

/// The method that others are compared with.
const RANDOM: &str = "Random";

/// What was measured after training.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum TrainingOutcome {
    /// Cross-entropy on the task's query examples; lower is better.
    Loss,
    /// The task's own score; higher is better.
    Metric,
}

impl TrainingOutcome {
    /// Both.
    pub const ALL: [TrainingOutcome; 2] = [TrainingOutcome::Loss, TrainingOutcome::Metric];

    /// The word in tables.
    pub fn name(self) -> &'static str {
        match self {
            TrainingOutcome::Loss => "loss",
            TrainingOutcome::Metric => "metric",
        }
    }

    /// The tables of a model by quantile and by budget.
    fn tables(self, model: &Path) -> [PathBuf; 2] {
        let quantity = if self == TrainingOutcome::Loss { "ce_loss" } else { "true_metric" };
        [("binning", "quantile"), ("budget", "budget")]
            .map(|(of, suffix)| model.join(format!("{of}_{quantity}_{suffix}.csv")))
    }
}

/// Rank correlation of distance quantile and outcome.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Correlation {
    /// `tulu` or `dolci`.
    pub pool: &'static str,
    /// The model's folder.
    pub model: String,
    /// The task.
    pub task: String,
    /// `LESS`, `RDS+` or `EMBED`.
    pub representation: String,
    /// What was measured.
    pub outcome: TrainingOutcome,
    /// Quantiles that have a value.
    pub bins: usize,
    /// Quantile, 0 being the nearest, and value.
    #[serde(skip)]
    pub values: Vec<(u64, f64)>,
    /// Spearman's correlation; `null` if all values are equal.
    pub spearman: Option<f64>,
}

/// How one method did at one budget.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BudgetResult {
    /// `tulu` or `dolci`.
    pub pool: &'static str,
    /// The model's folder.
    pub model: String,
    /// Training examples.
    pub budget: u64,
    /// The method as the tables name it.
    pub method: String,
    /// What was measured.
    pub outcome: TrainingOutcome,
    /// Tasks that have a value; seeds are averaged within a task.
    pub tasks: usize,
    /// Mean over tasks.
    pub mean: f64,
    /// Mean over tasks of the rank among the methods, 1 being best.
    pub rank: f64,
    /// Mean over tasks of the method's value minus Random's.
    pub minus_random: Option<f64>,
    /// Two-sided sign-flip test of these differences, paired by task; with five tasks never below 1/16.
    pub p_value: Option<f64>,
}

/// All that the tables say.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Published {
    /// One per pool, model, task, representation and outcome.
    pub correlations: Vec<Correlation>,
    /// One per pool, model, budget, method and outcome.
    pub budgets: Vec<BudgetResult>,
}

/// A line of any of the tables.
#[derive(Debug, Deserialize)]
struct Line {
    dataset: String,
    method: String,
    bin: Option<u32>,
    num_samples: Option<u64>,
    dev: Option<f64>,
    true_metric: Option<f64>,
}

/// Reads the tables below `directory`.
///
/// ```
/// use kantor::study::published;
/// let tables = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/published");
/// assert!(!published(&tables)?.correlations.is_empty());
/// # Ok::<_, kantor::source::DataError>(())
/// ```
///
/// # Errors
/// If there are none, or one cannot be read.
pub fn published(directory: &Path) -> Result<Published, DataError> {
    let mut found = Published { correlations: Vec::new(), budgets: Vec::new() };
    for (pool, model) in models(directory)? {
        let name = readable(model.file_name().unwrap_or_default()).into_owned();
        for outcome in TrainingOutcome::ALL {
            let [binning, budget] = outcome.tables(&model);
            found.correlations.extend(correlations(pool, &name, outcome, &read(&binning, outcome)?));
            found.budgets.extend(budgets(pool, &name, outcome, &read(&budget, outcome)?));
        }
    }
    if found.correlations.is_empty() {
        return Err(DataError::Malformed {
            file: directory.to_owned(),
            fault: "holds no plot_data/quantile_budget/<model> and no dolci_plot_data/quantile_budget/<model>"
                .to_owned(),
            remedy: "give the folder that holds the published tables".to_owned(),
        });
    }
    Ok(found)
}

/// The files that [`published`] reads.
///
/// # Errors
/// If a folder cannot be listed.
pub fn published_files(directory: &Path) -> Result<Vec<PathBuf>, DataError> {
    let tables =
        |(_, model): (_, PathBuf)| TrainingOutcome::ALL.into_iter().flat_map(move |outcome| outcome.tables(&model));
    Ok(models(directory)?.into_iter().flat_map(tables).collect())
}

/// The folder of every model, with the short name of its pool.
fn models(directory: &Path) -> Result<Vec<(&'static str, PathBuf)>, DataError> {
    let mut found = Vec::new();
    for (folder, pool) in POOLS {
        let models = subfolders(&directory.join(folder).join("quantile_budget"))?;
        found.extend(models.into_iter().map(|model| (pool, model)));
    }
    Ok(found)
}

/// The folders in `path`, by name, but for hidden ones; none if it does not exist.
pub(super) fn subfolders(path: &Path) -> Result<Vec<PathBuf>, DataError> {
    let io = |cause| DataError::Io { file: path.to_owned(), doing: "list the folder", cause };
    if !path.is_dir() {
        return Ok(Vec::new());
    }
    let mut folders = Vec::new();
    for entry in fs::read_dir(path).map_err(io)? {
        let entry = entry.map_err(io)?;
        if entry.path().is_dir() && !entry.file_name().as_encoded_bytes().starts_with(b".") {
            folders.push(entry.path());
        }
    }
    folders.sort();
    Ok(folders)
}

/// A value of a table.
struct Cell {
    task: String,
    method: String,
    /// Quantile or budget.
    level: u64,
    value: f64,
}

fn read(path: &Path, outcome: TrainingOutcome) -> Result<Vec<Cell>, DataError> {
    super::read_csv(path, |line: Line| {
        let value = if outcome == TrainingOutcome::Loss { line.dev } else { line.true_metric };
        let level = line.num_samples.or(line.bin.map(u64::from));
        Some(Cell {
            task: line.dataset,
            method: line.method,
            level: level?,
            value: value.filter(|value| value.is_finite())?,
        })
    })
}

fn correlations(pool: &'static str, model: &str, outcome: TrainingOutcome, cells: &[Cell]) -> Vec<Correlation> {
    let mut series: BTreeMap<(&str, &str), Paired> = BTreeMap::new();
    for cell in cells {
        let (bins, values) = series.entry((&cell.task, &cell.method)).or_default();
        bins.push(cell.level as f64);
        values.push(cell.value);
    }
    series
        .into_iter()
        .map(|((task, method), (bins, values))| Correlation {
            pool,
            model: model.to_owned(),
            task: task.to_owned(),
            // The tables say `LESS (RR)`: quantiles of the round-robin order.
            representation: method.split(' ').next().unwrap_or(method).to_owned(),
            outcome,
            bins: bins.len(),
            values: bins.iter().map(|bin| *bin as u64).zip(values.iter().copied()).collect(),
            spearman: spearman(&bins, &values),
        })
        .collect()
}

fn budgets(pool: &'static str, model: &str, outcome: TrainingOutcome, cells: &[Cell]) -> Vec<BudgetResult> {
    let mut seeds: BTreeMap<(u64, &str, &str), Vec<f64>> = BTreeMap::new();
    for cell in cells {
        seeds.entry((cell.level, &cell.task, &cell.method)).or_default().push(cell.value);
    }
    let values: BTreeMap<_, f64> = seeds.into_iter().map(|(key, seeds)| (key, mean(seeds.into_iter()))).collect();
    let levels: BTreeSet<u64> = values.keys().map(|key| key.0).collect();
    levels.into_iter().flat_map(|budget| at_budget(pool, model, outcome, budget, &values)).collect()
}

fn at_budget(
    pool: &'static str,
    model: &str,
    outcome: TrainingOutcome,
    budget: u64,
    values: &BTreeMap<(u64, &str, &str), f64>,
) -> Vec<BudgetResult> {
    let mut by_task: BTreeMap<&str, Vec<(&str, f64)>> = BTreeMap::new();
    let mut by_method: BTreeMap<&str, Vec<(&str, f64)>> = BTreeMap::new();
    for (&(_, task, method), &value) in values.range((budget, "", "")..).take_while(|(key, _)| key.0 == budget) {
        by_task.entry(task).or_default().push((method, value));
        by_method.entry(method).or_default().push((task, value));
    }
    let mut rank_of: BTreeMap<(&str, &str), f64> = BTreeMap::new();
    for (task, found) in by_task {
        let (methods, mut scores): (Vec<&str>, Vec<f64>) = found.into_iter().unzip();
        if outcome == TrainingOutcome::Metric {
            scores.iter_mut().for_each(|score| *score = -*score);
        }
        rank_of.extend(methods.iter().zip(ranks(&scores)).map(|(method, rank)| ((task, *method), rank)));
    }
    let result = |(method, own): (&str, Vec<(&str, f64)>)| {
        let differences: Vec<f64> = (own.iter().filter(|_| method != RANDOM))
            .filter_map(|(task, value)| Some(value - values.get(&(budget, *task, RANDOM))?))
            .collect();
        BudgetResult {
            pool,
            model: model.to_owned(),
            budget,
            method: method.to_owned(),
            outcome,
            tasks: own.len(),
            mean: mean(own.iter().map(|(_, value)| *value)),
            rank: mean(own.iter().map(|(task, _)| rank_of[&(*task, method)])),
            minus_random: (!differences.is_empty()).then(|| mean(differences.iter().copied())),
            p_value: sign_flip(&differences),
        }
    };
    by_method.into_iter().map(result).collect()
}
