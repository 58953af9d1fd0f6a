//! Whose distribution the choice follows: the queries of one file or of several tasks, with weights.

use std::path::{Path, PathBuf};

use kantor_solvers::Watch;
use kantor_solvers::task::LEAST_WEIGHT;
use kantor_solvers::transport::exact::gcd;
use kantor_theory::Rows;
use serde::{Deserialize, Serialize};

use crate::source::cells::ValueFile;
use crate::source::list::read_weight_file;
use crate::source::name::readable;
use crate::source::{DataError, JsonlRows, SourceFile};

use super::{Error, Inputs};
use crate::problem::Problem;

/// What several tasks are together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Aggregate {
    /// One set of queries, in which each task has its share.
    #[default]
    Mixture,
    /// Each by itself: the distance is that to the task which is farthest.
    Worst,
}

impl Aggregate {
    /// Whether it is the one that records need not name.
    pub(crate) fn is_mixture(&self) -> bool {
        *self == Self::Mixture
    }
}

/// How much each query counts.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum QueryWeighting {
    /// All the same.
    #[default]
    Equal,
    /// As a file says: one positive number for each query.
    File(PathBuf),
    /// Every file of queries is a task of this share, which its queries have in equal parts.
    Shares(Vec<f64>),
}

/// Largest common multiple of the tasks' numbers of queries that weights are given in.
const MOST_COMMON: usize = 1 << 30;

/// Weights of the queries that take part, and the file that they are from.
#[derive(Debug, Default)]
pub(super) struct ReadWeights {
    pub(super) values: Option<Vec<f64>>,
    pub(super) file: Option<ValueFile>,
}

impl QueryWeighting {
    /// The same, with its file as `place` says where it is.
    #[cfg(feature = "cli")]
    #[must_use]
    pub(crate) fn placed(self, place: impl Fn(&Path) -> PathBuf) -> Self {
        match self {
            QueryWeighting::File(path) => QueryWeighting::File(place(&path)),
            other => other,
        }
    }

    /// The shares of tasks; none if they are not given so.
    pub(crate) fn shares(&self) -> &[f64] {
        match self {
            QueryWeighting::Shares(shares) => shares,
            _ => &[],
        }
    }

    /// The file, if there is one.
    pub(super) fn file(&self) -> Option<(&'static str, &Path)> {
        match self {
            QueryWeighting::File(path) => Some(("query-weights", path)),
            _ => None,
        }
    }

    /// The weights of these inputs' queries.
    pub(super) fn read(&self, inputs: &Inputs, watch: &dyn Watch) -> Result<ReadWeights, Error> {
        let kept: Vec<usize> = (0..inputs.queries().len()).map(|query| inputs.original_query(query)).collect();
        match self {
            QueryWeighting::Equal => Ok(ReadWeights::default()),
            QueryWeighting::File(path) => {
                let (values, file) = read_weight_file(path, inputs.original_query_len(), kept.iter().copied(), watch)?;
                let largest = values.iter().copied().fold(0.0, f64::max);
                if let Some(at) = values.iter().position(|weight| *weight < LEAST_WEIGHT * largest) {
                    let fault = format!("weight {} is {:e}, which is nothing beside the largest", kept[at], values[at]);
                    let remedy =
                        "a query that is to count for nothing is left out: take it and its weight out of the files";
                    return Err(DataError::malformed(path, fault, remedy).into());
                }
                Ok(ReadWeights { values: Some(values), file: Some(file) })
            }
            QueryWeighting::Shares(shares) => {
                let counts = inputs.query_counts();
                if let Some(task) = counts.iter().position(|count| *count == 0) {
                    return Err(no_query_left(&inputs.tasks[task]));
                }
                // Whole shares make whole weights, whose sums are exact.
                let common = counts.iter().try_fold(1usize, |common, &count| {
                    let multiple = common.checked_mul(count / gcd(common as u64, count as u64) as usize)?;
                    Some(multiple).filter(|&multiple| multiple <= MOST_COMMON)
                });
                let largest = shares.iter().copied().fold(0.0, f64::max);
                if let Some(task) = shares.iter().position(|share| *share < LEAST_WEIGHT * largest) {
                    let fault = format!(
                        "--query-shares: the share {:e} of `{}` is nothing beside the largest: leave the task out",
                        shares[task], inputs.tasks[task]
                    );
                    return Err(Error::Request(fault));
                }
                // Shares near the ends of the range of numbers are brought into its middle.
                let unit = if (1e-100..1e100).contains(&largest) { 1.0 } else { largest };
                let weight = |task: usize| match common {
                    Some(common) => shares[task] / unit * (common / counts[task]) as f64,
                    None => shares[task] / unit / counts[task] as f64,
                };
                let tasks = counts.iter().enumerate().flat_map(|(task, &count)| std::iter::repeat_n(task, count));
                Ok(ReadWeights { values: Some(tasks.map(weight).collect()), file: None })
            }
        }
    }
}

fn no_query_left(task: &str) -> Error {
    Error::Request(format!("the task `{task}` has no query left: all were dropped as bad rows"))
}

impl Inputs {
    /// What each query counts, if that was given.
    pub(crate) fn query_weights(&self) -> Option<&[f64]> {
        self.weights.values.as_deref()
    }

    /// Fails if there are several files of text, and not one for each task with a line for each of its queries.
    pub(super) fn check_query_texts(&self, texts: &JsonlRows, tasks: &[String]) -> Result<(), Error> {
        let files = texts.files();
        let queries: Vec<usize> =
            self.points().map_or_else(Vec::new, |(_, query)| query.files().iter().map(|file| file.rows).collect());
        if files.len() < 2 {
            return Ok(());
        }
        if files.len() != tasks.len() {
            return Err(Error::Request(format!(
                "there are {} files of --query-jsonl for {} tasks: give one file with the lines of all queries, or one for each \
                 task, in their order",
                files.len(),
                tasks.len().max(1)
            )));
        }
        match files.iter().zip(&queries).zip(tasks).find(|((file, queries), _)| file.rows != **queries) {
            None => Ok(()),
            Some(((file, queries), task)) => Err(Error::Request(format!(
                "{} has {} lines for the {queries} queries of `{task}`: give --query-jsonl in the order of the tasks",
                readable(&file.path),
                file.rows
            ))),
        }
    }

    /// The problem with the distance to the worst of the tasks, if that is asked for.
    pub(super) fn aggregated<'a>(&self, problem: Problem<'a>) -> Result<Problem<'a>, Error> {
        if self.tasks.len() < 2 {
            return Ok(problem);
        }
        let counts = self.query_counts();
        if self.aggregate.is_mixture() {
            return Ok(problem.in_parts(counts));
        }
        match counts.iter().position(|count| *count == 0) {
            Some(task) => Err(no_query_left(&self.tasks[task])),
            None => Ok(problem.worst_of(counts)),
        }
    }

    /// The names of several tasks, in the order of their queries.
    pub(crate) fn task_names(&self) -> &[String] {
        &self.tasks
    }

    /// The tasks and their shares of a total of 1; none if there is one file of queries.
    pub(crate) fn tasks(&self) -> Vec<(String, f64)> {
        let shares = match &self.weights.values {
            _ if self.tasks.len() < 2 => return Vec::new(),
            Some(weights) => {
                let mut starts = 0;
                let sums = self.query_counts().into_iter().map(|count| {
                    starts += count;
                    weights[starts - count..starts].iter().sum::<f64>()
                });
                sums.collect::<Vec<_>>()
            }
            None => self.query_counts().into_iter().map(|count| count as f64).collect(),
        };
        let total: f64 = shares.iter().sum();
        self.tasks.iter().cloned().zip(shares.into_iter().map(|share| share / total)).collect()
    }

    /// How many queries of each file take part; of a matrix all together.
    pub(super) fn query_counts(&self) -> Vec<usize> {
        let Some((_, query)) = self.points() else { return vec![self.queries().len()] };
        let mut ends = query.files().iter().scan(0, |end, file: &SourceFile| {
            *end += file.rows;
            Some(*end)
        });
        let mut counts = vec![0; query.files().len()];
        let (mut file, mut end) = (0, ends.next().unwrap_or(0));
        for row in 0..query.len() {
            let original = query.original_row(row);
            while original >= end {
                (file, end) = (file + 1, ends.next().unwrap_or(usize::MAX));
            }
            counts[file] += 1;
        }
        counts
    }
}
