//! Many selections from one job file: tasks × methods × budgets × seeds, each done exactly once.
//!
//! A *job* is the smallest thing that one can ask for: one task, method, budget and seed. So whatever is added to the
//! job file later is new and nothing else is, a failure concerns one job, and a result that is there is done. Jobs are
//! not worked on one by one, though: all jobs of a task share one pass over the pool and one bound for all subsets per
//! budget ([`Prepared`](crate::pipeline::Prepared)), and all budgets of a method share its work. Results do not depend on
//! which jobs share, so the same rows come out however jobs are interrupted, sharded or added.
//!
//! A job's result is a directory as `select` writes it, with `job.json` beside the manifest: the digest of all that the
//! result depends on (contents of the inputs, parameters, version of kantor). A job is done if its directory is whole and
//! bears the digest that the job has now; else it is run and its directory replaced, all at once. Every job is worked on
//! under a lock of its own, so several runs may share an output directory, on several machines too if locks work there. The
//! output directory is taken before anything is read (module `claim`).
//!
//! `--jobs n` works on n tasks at a time with threads of one process: they share the mapped pool and one set of worker
//! threads, which n processes would multiply. A panic ends as the failure of its jobs. What ends the whole process (memory,
//! power) costs the jobs at work and nothing that is done; who wants processes runs shards.

mod claim;
mod identity;
mod report;
mod run;
mod seeds;
mod store;
mod work;

use std::any::Any;
use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;

use serde::Serialize;

use crate::pipeline::{InputSpec, Request};
use crate::problem::Goal;
use crate::record::Copies;

pub use crate::shard::Shard;
pub use report::{BatchReport, Event, JobLine, Options};
pub use run::{open_files, run, status};
pub use seeds::{OverSeeds, Spread};
pub(crate) use store::JOB;
pub use store::{JobFailure, State};

/// Everything to do, from the job file.
#[derive(Debug, Clone)]
pub struct JobPlan {
    /// Directory of all results.
    pub out: PathBuf,
    /// Inputs of every task.
    pub tasks: BTreeMap<String, InputSpec>,
    /// In the order in which they are worked on: by task, then seed, method and budget.
    pub jobs: Vec<Job>,
    /// What all jobs ask; budgets are those of each job instead.
    pub goal: Goal,
    /// How all jobs are done; methods and seed are those of each job instead.
    pub request: Request,
    /// How all jobs write chosen records.
    pub copies: Copies,
}

/// One selection to make.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Job {
    /// Name of the task.
    pub task: String,
    /// Name of the method.
    pub method: String,
    /// Rows to choose, or tokens.
    pub budget: usize,
    /// Whether the budget is in tokens; absent if it is in rows.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub in_tokens: bool,
    /// Seed of every random choice.
    pub seed: u64,
}

impl Job {
    /// Its directory, relative to that of all results.
    pub fn name(&self) -> String {
        let unit = if self.in_tokens { 't' } else { 'k' };
        format!("{}/{}-{unit}{}-seed{}", self.task, self.method, self.budget, self.seed)
    }
}

/// A product of lists.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grid {
    /// Names of methods.
    pub methods: Vec<String>,
    /// Rows to choose, or tokens.
    pub budgets: Vec<usize>,
    /// Whether budgets are in tokens.
    pub in_tokens: bool,
    /// Seeds.
    pub seeds: Vec<u64>,
}

/// Memory that a job takes until its line is printed, roughly.
pub const JOB_BYTES: u64 = 3000;

/// Jobs that one file may ask for; several files may share a directory of results.
pub const MOST_JOBS: usize = 100_000;

/// How many jobs these grids ask for, repeats counted.
pub fn job_count(tasks: usize, grids: &[Grid]) -> usize {
    let of = |grid: &Grid| {
        [grid.budgets.len(), grid.seeds.len(), tasks].into_iter().fold(grid.methods.len(), usize::saturating_mul)
    };
    grids.iter().map(of).fold(0, usize::saturating_add)
}

/// The jobs of these grids for every task, each once.
pub fn jobs<'a>(tasks: impl IntoIterator<Item = &'a String>, grids: &[Grid]) -> Vec<Job> {
    let mut seen = HashSet::new();
    let mut jobs = Vec::new();
    for task in tasks {
        for Grid { methods, budgets, in_tokens, seeds } in grids {
            for &seed in seeds {
                for method in methods {
                    for &budget in budgets {
                        let (task, method, in_tokens) = (task.clone(), method.clone(), *in_tokens);
                        let job = Job { task, method, budget, in_tokens, seed };
                        if seen.insert(job.clone()) {
                            jobs.push(job);
                        }
                    }
                }
            }
        }
    }
    jobs
}

/// What a panic said.
pub(crate) fn panic_message(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("no message")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_job_that_two_grids_name_is_one_job() {
        let grid = |methods: &[&str], seeds: &[u64]| Grid {
            methods: methods.iter().map(|&m| m.to_owned()).collect(),
            budgets: vec![5, 10],
            in_tokens: false,
            seeds: seeds.to_vec(),
        };
        let tasks = ["a".to_owned(), "b".to_owned()];
        let jobs = jobs(&tasks, &[grid(&["random"], &[0, 1, 2]), grid(&["random", "round-robin"], &[0])]);
        assert_eq!(jobs.len(), 2 * (6 + 2));
        assert_eq!(jobs[0].name(), "a/random-k5-seed0");
    }
}
