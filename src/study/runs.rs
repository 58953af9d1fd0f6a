//! The certified distances of result directories, as long as those of one task can stand in one list.
//!
//! Distances are ranked across methods, so those of a task must have been measured alike, runs of one seed must be about
//! the same queries, and no selection may have two distances.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use kantor_theory::{Cost, Interval, Objective, Power, json};
use serde::{Deserialize, Serialize};

use crate::data::DataError;
use crate::data::name::readable;
use crate::data::whole::{self, Whole};
use crate::output::MANIFEST;

/// A result directory of `kantor select` and the task whose queries it was made for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// The task's name in the results.
    pub task: String,
    /// The directory, or its manifest.
    pub path: PathBuf,
}

impl Run {
    /// The manifest that is read.
    pub fn manifest(&self) -> PathBuf {
        if self.path.is_dir() { self.path.join(MANIFEST) } else { self.path.clone() }
    }
}

/// A manifest, as far as it is read.
#[derive(Debug, Deserialize)]
struct Manifest {
    schema: String,
    seed: u64,
    #[serde(default)]
    inputs: Vec<Input>,
    parameters: Measure,
    results: Vec<Entry>,
}

/// What distances mean.
#[derive(Debug, Deserialize)]
struct Measure {
    cost: Cost,
    p: Power,
    objective: Objective,
}

#[derive(Debug, PartialEq, Deserialize)]
struct Input {
    role: String,
    tensor: Option<String>,
    sha256: String,
}

#[derive(Debug, Deserialize)]
struct Entry {
    method: String,
    budget: u64,
    distance: Option<Interval>,
}

impl Manifest {
    fn read(path: &Path) -> Result<Self, DataError> {
        let malformed = |fault: String| {
            DataError::malformed(path, fault, "give a directory that kantor select wrote, or its manifest.json")
        };
        let manifest: Self = json::from_slice(&whole::read(path, Whole::Record)?)
            .map_err(|error| malformed(format!("is no manifest: {error}")))?;
        if manifest.schema.starts_with("kantor/manifest/") {
            Ok(manifest)
        } else {
            Err(malformed(format!("is of schema `{}`", manifest.schema)))
        }
    }

    /// The selections with a distance: method, budget, and the middle of the certified interval.
    fn distances(&self) -> impl Iterator<Item = (&str, u64, f64)> {
        self.results.iter().filter_map(|entry| {
            let Interval { lower, upper } = entry.distance?;
            Some((entry.method.as_str(), entry.budget, f64::midpoint(lower?, upper?)))
        })
    }

    /// The inputs that say which queries: a matrix of similarities is of pool and queries.
    fn queries(&self) -> Vec<&Input> {
        self.inputs.iter().filter(|input| ["query", "similarity"].contains(&input.role.as_str())).collect()
    }

    /// Why distances of both cannot stand in one list of distances of a task, and what to do about it.
    fn conflict(&self, other: &Self) -> Option<(String, &'static str)> {
        let (ours, theirs) = (&self.parameters, &other.parameters);
        let measures = [
            ("cost", text(&ours.cost), text(&theirs.cost)),
            ("p", text(&ours.p), text(&theirs.p)),
            ("objective", text(&ours.objective), text(&theirs.objective)),
        ];
        if let Some((name, ours, theirs)) = measures.into_iter().find(|(_, ours, theirs)| ours != theirs) {
            let remedy = "distances of different measures have no common order: give runs of one measure only, or the others under \
                          another task name";
            return Some((format!("their {name} differs: {ours} and {theirs}"), remedy));
        }
        if self.seed != other.seed {
            return None;
        }
        if self.queries() != other.queries() {
            let digests = |manifest: &Self| {
                let all: Vec<&str> = manifest.queries().iter().map(|input| input.sha256.as_str()).collect();
                if all.is_empty() { "none".to_owned() } else { all.join(", ") }
            };
            let remedy = "distances to different queries have no common order: give each its own task name, or the seed that its \
                          results have";
            let (ours, theirs) = (digests(self), digests(other));
            return Some((format!("their queries differ for seed {}: {ours} and {theirs}", self.seed), remedy));
        }
        let twice = |(method, budget, ours): (_, _, f64)| {
            let theirs = other.distances().find(|&(name, size, _)| (name, size) == (method, budget))?.2;
            (ours != theirs).then(|| {
                format!(
                    "the distances of method {method}, budget {budget}, seed {} differ: {ours} and {theirs}",
                    self.seed
                )
            })
        };
        let remedy = "a selection has one distance: leave out one of the runs, or give it another task name";
        Some((self.distances().find_map(twice)?, remedy))
    }
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
pub(super) fn distances(runs: &[Run]) -> Result<Distances, DataError> {
    let mut read: Vec<(&str, PathBuf, Manifest)> = Vec::with_capacity(runs.len());
    let mut distances = Distances::new();
    for run in runs {
        let path = run.manifest();
        let manifest = Manifest::read(&path)?;
        if manifest.distances().next().is_none() {
            continue;
        }
        for (_, earlier, other) in read.iter().filter(|(task, ..)| *task == run.task) {
            if let Some((what, remedy)) = other.conflict(&manifest) {
                let fault = format!("and {} are both of task {}, but {what}", readable(&path), run.task);
                return Err(DataError::malformed(earlier, fault, remedy));
            }
        }
        for (method, budget, distance) in manifest.distances() {
            let key = (run.task.clone(), method.to_owned(), budget);
            distances.entry(key).or_default().insert(manifest.seed, distance);
        }
        read.push((&run.task, path, manifest));
    }
    Ok(distances)
}
