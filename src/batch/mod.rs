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

/// One of several equal parts of the jobs, in their order, so that jobs that share work stay together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    index: usize,
    count: usize,
}

impl Default for Shard {
    /// All jobs.
    fn default() -> Self {
        Self { index: 0, count: 1 }
    }
}

impl Shard {
    /// Whether the job at this place of `total` is in this part.
    pub(crate) fn holds(self, place: usize, total: usize) -> bool {
        place as u128 * self.count as u128 / total as u128 == self.index as u128
    }
}

impl std::str::FromStr for Shard {
    type Err = String;

    /// Reads `i/n`. Arrays of Slurm may count from 0 or from 1: `n/n` is the same as `0/n`.
    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str| text.parse::<usize>().ok();
        let numbers = text.split_once('/').map(|(index, count)| (number(index), number(count)));
        match numbers {
            Some((Some(index), Some(count))) if count > 0 && index <= count => Ok(Self { index: index % count, count }),
            _ => Err("give i/n, such as 0/4 to 3/4 or 1/4 to 4/4".to_owned()),
        }
    }
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
    fn shards_part_the_jobs() {
        for total in [1, 2, 7, 24, 100] {
            for count in 1..=9 {
                let from_0: Vec<Shard> = (0..count).map(|i| format!("{i}/{count}").parse().unwrap()).collect();
                let from_1: Vec<Shard> = (1..=count).map(|i| format!("{i}/{count}").parse().unwrap()).collect();
                for shards in [from_0, from_1] {
                    let sizes: Vec<usize> =
                        shards.iter().map(|s| (0..total).filter(|&at| s.holds(at, total)).count()).collect();
                    for at in 0..total {
                        assert_eq!(shards.iter().filter(|shard| shard.holds(at, total)).count(), 1);
                    }
                    assert!(sizes.iter().max().unwrap() - sizes.iter().min().unwrap() <= 1, "{sizes:?}");
                }
            }
        }
        for bad in ["", "1", "3/2", "0/0", "-1/2", "1/2/3", "a/b"] {
            assert!(bad.parse::<Shard>().is_err(), "{bad}");
        }
    }

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
