//! The certified distances of result directories, as long as those of one task can stand in one list.
//!
//! Distances are ranked across methods, so those of a task must have been measured alike, runs of one seed must be about
//! the same queries, and no selection may have two distances.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use kantor_theory::Interval;
use serde::Serialize;

use crate::batch::JOB;
use crate::output::MANIFEST;
use crate::record::{Manifest, Parameters};
use crate::represent::weighted_by_pool;
use crate::source::DataError;
use crate::source::name::readable;

use super::tables::subfolders;

/// A result directory of `kantor select` and the task whose queries it was made for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskRun {
    /// The task's name in the results.
    pub task: String,
    /// The directory, or its manifest.
    pub path: PathBuf,
}

impl TaskRun {
    /// The manifest that is read.
    pub fn manifest(&self) -> PathBuf {
        if self.path.is_dir() { self.path.join(MANIFEST) } else { self.path.clone() }
    }
}

/// The finished jobs in an output directory of `kantor batch`, each a run of its task.
///
/// # Errors
/// If there is none, or the directory cannot be listed.
pub fn runs_of_batch(directory: &Path) -> Result<Vec<TaskRun>, DataError> {
    let mut runs = Vec::new();
    for task in subfolders(directory)? {
        for job in subfolders(&task)?.into_iter().filter(|job| job.join(JOB).is_file() && job.join(MANIFEST).is_file())
        {
            runs.push(TaskRun { task: readable(task.file_name().unwrap_or_default()).into_owned(), path: job });
        }
    }
    if runs.is_empty() {
        let fault = "holds no finished job of kantor batch";
        return Err(DataError::malformed(directory, fault, "give the `out` of a job file, or a result as TASK=DIR"));
    }
    Ok(runs)
}

/// A manifest of `kantor select`.
fn read(path: &Path) -> Result<Manifest, DataError> {
    let other = || {
        let fault = "is no manifest of kantor select";
        DataError::malformed(path, fault, "give a directory that kantor select wrote, or its manifest.json")
    };
    Manifest::read(path)?.filter(|manifest| manifest.schema.starts_with("kantor/manifest/")).ok_or_else(other)
}

/// The selections with a distance: method, budget, and the middle of the certified interval.
fn certified(manifest: &Manifest) -> impl Iterator<Item = (&str, u64, f64)> {
    manifest.results.iter().filter_map(|found| {
        let Interval { lower, upper } = found.distance?;
        Some((found.method.as_str(), found.budget as u64, f64::midpoint(lower?, upper?)))
    })
}

/// Tensors and digests of the inputs in these roles.
fn inputs<'a>(manifest: &'a Manifest, roles: &[&str]) -> Vec<(Option<&'a str>, &'a str)> {
    let inputs = manifest.inputs.iter().filter(|input| roles.contains(&&*input.role));
    inputs.map(|input| (input.tensor.as_deref(), input.sha256.as_str())).collect()
}

/// Which queries: a matrix of similarities is of pool and queries.
fn queries(manifest: &Manifest) -> Vec<(Option<&str>, &str)> {
    inputs(manifest, &["query", "similarity"])
}

/// What each of them weighs, unless all weigh the same.
fn weights(manifest: &Manifest) -> Vec<(Option<&str>, &str)> {
    inputs(manifest, &["query-weights"])
}

/// What each task counts, if there are several: names in results are the user's own.
fn shares(manifest: &Manifest) -> String {
    let shares: Vec<f64> = manifest.parameters.tasks.iter().map(|(_, share)| *share).collect();
    text(&shares)
}

/// What the rows are among which distances were measured: words of text are weighted by the pool.
fn representation(manifest: &Manifest) -> String {
    let of = |role: &'static str| manifest.inputs.iter().filter(move |input| input.role == role);
    let Some(query) = of("query").next() else { return "a matrix".to_owned() };
    let numbers = query.columns.unwrap_or_default();
    let text = query.tensor.as_deref().and_then(|name| Some((name, weighted_by_pool(name)?)));
    match text {
        Some((name, true)) => {
            let pool: Vec<&str> = of("pool").map(|input| input.sha256.as_str()).collect();
            format!("{name}, {numbers} numbers, words weighted by the pool {}", pool.join(", "))
        }
        Some((name, false)) => format!("{name}, {numbers} numbers"),
        None => format!("vectors of {numbers} numbers"),
    }
}

/// Why distances of both cannot stand in one list of distances of a task, and what to do about it.
fn conflict(ours: &Manifest, theirs: &Manifest) -> Option<(String, &'static str)> {
    let terms = |of: &Manifest| {
        let Parameters { cost, p, objective, aggregate, .. } = &of.parameters;
        let weights = if weights(of).is_empty() { "none" } else { "those of a file" };
        [
            ("unit of budgets", of.parameters.unit().to_owned()),
            ("aggregate of tasks", text(aggregate)),
            ("representation", representation(of)),
            ("cost", text(cost)),
            ("p", text(p)),
            ("objective", text(objective)),
            ("weighting of the queries", weights.into()),
        ]
    };
    if let Some(((name, a), (_, b))) = terms(ours).into_iter().zip(terms(theirs)).find(|(a, b)| a != b) {
        let remedy = "distances of different measures have no common order: give runs of one measure only, or the others under \
                      another task name";
        return Some((format!("their {name} differs: {a} and {b}"), remedy));
    }
    if ours.seed != theirs.seed {
        return None;
    }
    let seed = ours.seed;
    let (a, b) = (queries(ours), queries(theirs));
    let digests = |all: Vec<(Option<&str>, &str)>| all.iter().map(|(_, sha256)| *sha256).collect::<Vec<_>>().join(", ");
    if a != b {
        let remedy = "distances to different queries have no common order: give each its own task name, or the seed that its \
                      results have";
        return Some((format!("their queries differ for seed {seed}: {} and {}", digests(a), digests(b)), remedy));
    }
    let (a, b) = (shares(ours), shares(theirs));
    let files = (digests(weights(ours)), digests(weights(theirs)));
    let (what, a, b) = if a != b { ("shares", a, b) } else { ("weights", files.0, files.1) };
    if a != b {
        let remedy = "distances to queries that count for more here than there have no common order: give each its own task name";
        return Some((format!("their {what} of the queries differ for seed {seed}: {a} and {b}"), remedy));
    }
    let twice = |(method, budget, a): (&str, u64, f64)| {
        let b = certified(theirs).find(|(name, size, _)| (*name, *size) == (method, budget))?.2;
        let words = || format!("the distances of method {method}, budget {budget}, seed {seed} differ: {a} and {b}");
        (a != b).then(words)
    };
    let remedy = "a selection has one distance: leave out one of the runs, or give it another task name";
    Some((certified(ours).find_map(twice)?, remedy))
}

/// A value as the manifest has it.
fn text(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// Certified distances by task, method and budget, then seed.
pub(super) type Distances = BTreeMap<(String, String, u64), BTreeMap<u64, f64>>;

/// Reads the distances of all runs.
///
/// # Errors
/// If a manifest cannot be read, or distances of one task cannot stand in one list; names both manifests then.
pub(super) fn distances(runs: &[TaskRun]) -> Result<Distances, DataError> {
    let mut earlier: Vec<(&str, PathBuf, Manifest)> = Vec::with_capacity(runs.len());
    let mut distances = Distances::new();
    for run in runs {
        let path = run.manifest();
        let manifest = self::read(&path)?;
        if certified(&manifest).next().is_none() {
            continue;
        }
        for (_, first, other) in earlier.iter().filter(|(task, ..)| *task == run.task) {
            if let Some((what, remedy)) = conflict(other, &manifest) {
                let fault = format!("and {} are both of task {}, but {what}", readable(&path), run.task);
                return Err(DataError::malformed(first, fault, remedy));
            }
        }
        for (method, budget, distance) in certified(&manifest) {
            let key = (run.task.clone(), method.to_owned(), budget);
            distances.entry(key).or_default().insert(manifest.seed, distance);
        }
        earlier.push((&run.task, path, manifest));
    }
    Ok(distances)
}
