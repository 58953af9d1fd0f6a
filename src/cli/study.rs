//! `kantor study`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::builder::{OsStringValueParser, TypedValueParser};
use serde_json::json;

use crate::output::{OutputFile, distinct};
use crate::source::name::split_once;
use crate::study::{Joined, Published, TaskRun, TrainingOutcome, joined, published, published_files, runs_of_batch};
use crate::view::escape::Text;
use crate::view::{page, table};

use super::args::RunArguments;
use super::curve::{FLAG, LearningCurve};
use super::failure::Failure;
use super::output::say;
use super::signals;

/// Whether distance predicts the outcome of training: in published tables, or in your own results. Or how much more queries, or a larger
/// pool, would help: choices by parts of both, measured on queries that were kept out
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("source").args(["tables", "results", FLAG]).required(true))]
pub(super) struct Arguments {
    /// Folder with the published tables (plot_data/quantile_budget/<model>/*.csv)
    #[arg(long, value_name = "DIR")]
    tables: Option<PathBuf>,
    /// Your results: CSV with the columns task, method, budget, seed, value
    #[arg(long, value_name = "FILE", requires = "runs")]
    results: Option<PathBuf>,
    /// What kantor select wrote for a task, or the output directory of kantor batch; repeat it
    #[arg(long = "run", id = "runs", value_name = "[TASK=]DIR", value_parser = OsStringValueParser::new().try_map(run_of), requires = "results")]
    runs: Vec<Runs>,
    #[command(flatten)]
    curve: LearningCurve,
    /// Write a page of HTML with figures as well
    #[arg(short = 'o', long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Replace an older page
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    run: RunArguments,
}

/// Results of one task, or of all tasks of a batch.
#[derive(Debug, Clone)]
enum Runs {
    Task(TaskRun),
    Batch(PathBuf),
}

fn run_of(word: OsString) -> Result<Runs, String> {
    match split_once(&word, b'=', false).map(|(task, path)| (task.to_str(), path)) {
        None if !word.is_empty() => Ok(Runs::Batch(word.into())),
        Some((Some(task), path)) if !task.is_empty() && !path.is_empty() => {
            Ok(Runs::Task(TaskRun { task: task.to_owned(), path: path.into() }))
        }
        _ => Err("give TASK=DIR, or the output directory of kantor batch".to_owned()),
    }
}

impl Arguments {
    /// The results, those of batches one by one.
    fn runs(&self) -> Result<Vec<TaskRun>, Failure> {
        let mut all = Vec::new();
        for runs in &self.runs {
            match runs {
                Runs::Task(run) => all.push(run.clone()),
                Runs::Batch(directory) => all.extend(runs_of_batch(directory)?),
            }
        }
        Ok(all)
    }

    /// The files that are read.
    fn inputs(&self) -> Result<Vec<PathBuf>, Failure> {
        let tables = self.tables.as_deref().map(published_files).transpose()?.unwrap_or_default();
        let runs = self.runs()?;
        Ok(tables.into_iter().chain(self.results.clone()).chain(runs.iter().map(TaskRun::manifest)).collect())
    }

    /// The page that was asked for, hidden until it is complete.
    fn page(&self) -> Result<Option<OutputFile>, Failure> {
        let Some(path) = &self.html else { return Ok(None) };
        distinct(&[("--html", path)], self.inputs()?.iter().map(PathBuf::as_path))?;
        Ok(Some(OutputFile::create(path, self.force)?))
    }
}

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    if let Some(curve) = &arguments.curve.0 {
        curve.run(arguments.html.as_deref(), arguments.force, &arguments.run)?;
        return Ok(ExitCode::SUCCESS);
    }
    signals::end_at_once();
    let page = arguments.page()?;
    if let Some(directory) = &arguments.tables {
        let found = published(directory)?;
        if let Some(file) = page {
            let page = page::published(&found)?;
            file.finish(page.html.as_bytes())?;
        }
        if arguments.run.json {
            let Published { correlations, budgets } = &found;
            say(json!({"schema": "kantor/study/1", "correlations": correlations, "budgets": budgets}))?;
        } else {
            say(correlation_table(&found))?;
            say("")?;
            say(budget_table(&found))?;
        }
    } else if let Some(results) = &arguments.results {
        let found = joined(results, &arguments.runs()?)?;
        if let Some(file) = page {
            let page = page::joined(&found)?;
            file.finish(page.html.as_bytes())?;
        }
        if arguments.run.json {
            let mut object = json!({"schema": "kantor/study/1"});
            if let (Some(object), Ok(serde_json::Value::Object(found))) =
                (object.as_object_mut(), serde_json::to_value(&found))
            {
                object.extend(found);
            }
            say(object)?;
        } else {
            say(joined_table(&found))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn number(value: Option<f64>, decimals: usize) -> String {
    value.map_or_else(|| "–".to_owned(), |value| format!("{value:.decimals$}"))
}

fn correlation_table(found: &Published) -> Text {
    let of = |outcome: TrainingOutcome| found.correlations.iter().filter(move |line| line.outcome == outcome);
    let rows = of(TrainingOutcome::Loss).map(|line| {
        let twin = of(TrainingOutcome::Metric).find(|other| {
            (other.pool, &other.model, &other.task, &other.representation)
                == (line.pool, &line.model, &line.task, &line.representation)
        });
        let (loss, metric) = (number(line.spearman, 2), number(twin.and_then(|twin| twin.spearman), 2));
        let (representation, n) = (line.representation.clone(), line.bins.to_string());
        vec![line.pool.to_owned(), line.model.clone(), line.task.clone(), representation, n, loss, metric]
    });
    let header = ["pool", "model", "task", "representation", "n", "quantile~loss", "quantile~metric"];
    table::plain(&header, rows)
}

fn budget_table(found: &Published) -> Text {
    let rows = found.budgets.iter().map(|line| {
        vec![
            line.pool.to_owned(),
            line.model.clone(),
            line.outcome.name().to_owned(),
            line.budget.to_string(),
            line.method.clone(),
            line.tasks.to_string(),
            format!("{:.3}", line.mean),
            format!("{:.1}", line.rank),
            number(line.minus_random, 3),
            number(line.p_value, 3),
        ]
    });
    let header = ["pool", "model", "outcome", "budget", "method", "n", "mean", "rank", "minus Random", "p"];
    table::plain(&header, rows)
}

fn joined_table(found: &Joined) -> Text {
    let rows = found.cells.iter().map(|cell| {
        let by_distance = {
            let mut pairs: Vec<_> = cell.pairs.iter().collect();
            pairs.sort_by(|a, b| a.distance.total_cmp(&b.distance));
            let shown = pairs.iter().map(|pair| {
                let around = pair
                    .value_interval
                    .map_or_else(String::new, |[low, high]| format!(" [{low:.4}, {high:.4}], n = {}", pair.n));
                format!("{} {:.4}→{:.4}{around}", pair.method, pair.distance, pair.value)
            });
            shown.collect::<Vec<_>>().join(", ")
        };
        let n = cell.pairs.len().to_string();
        vec![cell.task.clone(), cell.budget.to_string(), n, number(cell.spearman, 2), by_distance]
    });
    let header = ["task", "budget", "n", "distance~value", "methods by distance (distance→value, 95 % over seeds)"];
    let mut text = table::plain(&header, rows);
    let around =
        found.mean_spearman_interval.map_or_else(String::new, |[low, high]| format!(", 95 % [{low:.2}, {high:.2}]"));
    text.push(format_args!(
        "mean over tasks and budgets: {} (n = {}{around})",
        number(found.mean_spearman, 2),
        found.correlations
    ));
    for (what, list) in [
        ("without a certified distance", &found.without_distance),
        ("with a seed of which no run was given, so with the distance of another", &found.of_other_seeds),
    ] {
        let list: Vec<_> = list.iter().map(|(task, method, budget)| format!("{task} {method} {budget}")).collect();
        if !list.is_empty() {
            text.push(format_args!("{what}: {}", list.join(", ")));
        }
    }
    text
}
