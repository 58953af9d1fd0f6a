//! What a run is asked and what it tells.

use std::path::PathBuf;

use super::store::State;
use super::{Job, Shard};

/// How to work.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Tasks to work on at a time, at least one.
    pub parallel: usize,
    /// Which jobs are meant.
    pub shard: Shard,
}

/// A job and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct JobLine {
    /// The job.
    pub job: Job,
    /// Its directory.
    pub directory: PathBuf,
    /// Where it stands.
    pub state: State,
    /// Whether this run brought it there.
    pub ran: bool,
    /// Whether this run replaced a result of other inputs or parameters.
    pub replaced: bool,
}

/// All jobs that were meant.
#[derive(Debug, Clone, PartialEq)]
pub struct BatchReport {
    /// In the order of the plan.
    pub lines: Vec<JobLine>,
    /// Whether the observer asked to stop before the end.
    pub stopped: bool,
}

/// Something to tell while the run goes on.
#[derive(Debug)]
pub enum Event<'a> {
    /// A job is done or failed: so many of so many are.
    Settled(&'a JobLine, usize, usize),
    /// Something about the inputs of a task.
    Warning(String),
    /// Only so many jobs are left that another run works on.
    Waiting(usize),
}
