//! Files of queries: one, or several tasks as `NAME=FILE`, and what each counts.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};

use crate::pipeline::{Aggregate, InputSpec, QueryWeighting};
use crate::source::name::{readable, split_once};
use crate::suggest::did_you_mean;

use super::args::{FileArguments, RunArguments};
use super::failure::Failure;

/// The files of queries that are named as `FILE` or `NAME=FILE`, where no name matters.
pub(super) fn unnamed(words: &[PathBuf]) -> Vec<PathBuf> {
    let file = |word: &PathBuf| match split_once(word.as_os_str(), b'=', false) {
        Some((_, file)) if !word.exists() && !file.is_empty() && words.len() > 1 => file.into(),
        _ => word.clone(),
    };
    words.iter().map(file).collect()
}

/// The files and, if there are several, the names of the tasks. One word is a path, as it has no use for a name; of several,
/// each is `NAME=FILE`, unless it is itself a file.
pub(super) fn tasks(words: &[PathBuf]) -> Result<(Vec<PathBuf>, Vec<String>), Failure> {
    if words.len() < 2 {
        return Ok((words.to_vec(), Vec::new()));
    }
    let (mut paths, mut names) = (Vec::with_capacity(words.len()), Vec::with_capacity(words.len()));
    for word in words {
        let Some((name, file)) = split_once(word.as_os_str(), b'=', false).filter(|_| !word.exists()) else {
            let word = readable(word);
            let fault =
                format!("several --query are several tasks, and {word} has no name: give each as --query NAME=FILE");
            return Err(Failure::Usage(fault));
        };
        let name = name.to_str().map(str::trim).filter(|name| !name.is_empty() && name.len() <= 200);
        let Some(name) = name.filter(|_| !file.is_empty()) else {
            let word = readable(word);
            let fault = format!("--query {word}: give a task's name, which is text, and its file as NAME=FILE");
            return Err(Failure::Usage(fault));
        };
        if names.iter().any(|other| other == name) {
            return Err(Failure::Usage(format!("--query names the task `{name}` twice: give each a name of its own")));
        }
        names.push(name.to_owned());
        paths.push(file.into());
    }
    Ok((paths, names))
}

/// What several tasks are together.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Selection")]
pub(super) struct TaskArguments {
    /// What several tasks are together: one mixture of all their queries, or the worst of them, where distance, bound and
    /// certificate are those of the task that is farthest, and optimal and swap choose for that
    #[arg(long, value_name = "mixture|worst", default_value = "mixture", value_parser = aggregate_parser())]
    aggregate: Aggregate,
    /// How much each task counts, where --query is given as NAME=FILE for several; its queries share that equally. Without
    /// it, all tasks count the same
    #[arg(long, value_name = "NAME=SHARE[,…]", value_delimiter = ',', value_parser = share)]
    query_shares: Vec<(String, f64)>,
}

/// How much each query counts, and what several tasks are together.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Selection")]
pub(super) struct WeightArguments {
    #[command(flatten)]
    pub(super) tasks: TaskArguments,
    /// How much each query counts: one positive number for each, a list in text or .npy. Without it, all count the same
    #[arg(long, value_name = "FILE", conflicts_with = "query_shares")]
    query_weights: Option<PathBuf>,
}

fn share(text: &str) -> Result<(String, f64), String> {
    let (name, share) = text.split_once('=').ok_or("give a task's name and its share as NAME=SHARE")?;
    match share.trim().parse::<f64>() {
        Ok(share) if share > 0.0 && share.is_finite() => Ok((name.trim().to_owned(), share)),
        _ => Err(format!(
            "the share of `{name}` must be a positive number: leave a task out that is to count for nothing"
        )),
    }
}

impl FileArguments {
    /// The files as they were named, of which those of queries may be several tasks, with what each query counts.
    pub(super) fn with_weights(&self, weights: &WeightArguments, run: &RunArguments) -> Result<InputSpec, Failure> {
        let spec = self.with_tasks(run)?;
        Ok(InputSpec { query_weights: weights.weighting(&spec.tasks)?, aggregate: weights.tasks.aggregate(), ..spec })
    }
}

fn aggregate_parser() -> impl TypedValueParser<Value = Aggregate> {
    PossibleValuesParser::new(["mixture", "worst"]).map(|name| match &name[..] {
        "worst" => Aggregate::Worst,
        _ => Aggregate::Mixture,
    })
}

impl WeightArguments {
    /// For queries of these tasks, of which there are none if there is one file.
    pub(super) fn weighting(&self, tasks: &[String]) -> Result<QueryWeighting, Failure> {
        match &self.query_weights {
            Some(path) => Ok(QueryWeighting::File(path.clone())),
            None => self.tasks.weighting(tasks),
        }
    }
}

impl TaskArguments {
    /// What several tasks are together.
    pub(super) fn aggregate(&self) -> Aggregate {
        self.aggregate
    }

    /// What the queries of these tasks count, of which there are none if there is one file.
    pub(super) fn weighting(&self, tasks: &[String]) -> Result<QueryWeighting, Failure> {
        if !self.query_shares.is_empty() && self.aggregate == Aggregate::Worst {
            let fault = "--query-shares says what tasks count in a mixture, but for --aggregate worst every task counts whole: leave out \
                         one of them";
            return Err(Failure::Usage(fault.to_owned()));
        }
        if !self.query_shares.is_empty() && tasks.is_empty() {
            let fault = "--query-shares is for several tasks: give several --query NAME=FILE";
            return Err(Failure::Usage(fault.to_owned()));
        }
        if let Some((name, _)) = self.query_shares.iter().find(|(name, _)| !tasks.contains(name)) {
            let meant = did_you_mean(name, tasks.iter().map(String::as_str));
            let fault = format!("--query-shares names the task `{name}`, but --query does not{meant}");
            return Err(Failure::Usage(fault));
        }
        let mut shares = Vec::with_capacity(tasks.len());
        for task in tasks {
            let given: Vec<f64> =
                self.query_shares.iter().filter(|(name, _)| name == task).map(|(_, share)| *share).collect();
            match given[..] {
                [] if self.query_shares.is_empty() => shares.push(1.0),
                [share] => shares.push(share),
                [] => {
                    return Err(Failure::Usage(format!(
                        "--query-shares has no share for the task `{task}`: give it one"
                    )));
                }
                _ => return Err(Failure::Usage(format!("--query-shares gives the task `{task}` several shares"))),
            }
        }
        Ok(if tasks.is_empty() { QueryWeighting::Equal } else { QueryWeighting::Shares(shares) })
    }
}
