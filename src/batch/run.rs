//! Works through the jobs of a plan: which are to be done, each under its lock, failures kept apart.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use kantor_solvers::{SelectError, Stopped, Watch};

use crate::pipeline::{Error, Inputs};
use crate::source::{DataError, Digests};

use super::claim::{self, Claim};
use super::identity::{Identity, digest_all};
use super::report::{BatchReport, Event, JobLine, Options};
use super::store::{self, JobFailure, State, Store};
use super::{Job, JobPlan, Shard, panic_message};

/// Most jobs at work at a time: each has a file open, of which a process may have a few hundred.
const TOGETHER: usize = 64;

/// Open files that a further task at work at the same time takes: what it reads, and those of a result that are synced
/// together.
const TASK_FILES: usize = 12;

/// How many files so many jobs have open at a time, beside what every command needs.
pub fn open_files(jobs: usize, parallel: usize) -> usize {
    let tasks = parallel.clamp(1, jobs.max(1));
    // And the directory that is in use.
    1 + jobs.min(TOGETHER.max(tasks)) + (tasks - 1) * TASK_FILES
}

/// Time between two looks at jobs that another run works on.
const PATIENCE: Duration = Duration::from_millis(200);

/// Where every job stands; nothing is done.
///
/// # Errors
/// If the output directory is the result of another command, or the observer asks to stop.
pub fn status(plan: &JobPlan, shard: Shard, watch: &dyn Watch) -> Result<BatchReport, Error> {
    claim::check(plan)?;
    let batch = Batch::new(plan, Options { parallel: 1, shard }, watch, &|_| {})?;
    let line = |at: usize| {
        let state = match &batch.identities[at] {
            Ok(digest) => batch.store.state(batch.jobs[at], digest),
            Err(error) => State::Failed(JobFailure::new("", error.clone())),
        };
        batch.line(at, state, false)
    };
    Ok(BatchReport { lines: (0..batch.jobs.len()).map(line).collect(), stopped: false })
}

/// Does every job that is not done yet and says where all of them stand then.
///
/// Jobs that another run works on are waited for, so that at the end every job is done or failed unless `watch` asked
/// to stop. What the other run failed at meanwhile is not tried again.
///
/// # Errors
/// If the output directory is the result of another command or becomes one before the first job, two tasks have one
/// directory there, or nothing can be written or locked there.
pub fn run(
    plan: &JobPlan,
    options: Options,
    watch: &dyn Watch,
    tell: &(dyn Fn(&Event<'_>) + Sync),
) -> Result<BatchReport, Error> {
    // In use until the end, so that no other run takes it away.
    let mut claim = Claim::take(plan)?;
    let Ok(batch) = Batch::new(plan, options, watch, tell) else {
        return Ok(BatchReport { lines: Vec::new(), stopped: true });
    };
    // To digest the inputs takes minutes where they are large.
    claim.keep()?;
    batch.store.sweep(&batch.jobs);
    let mut left = Vec::new();
    for (at, identity) in batch.identities.iter().enumerate() {
        match identity {
            Err(error) => batch.settle(at, State::Failed(JobFailure::new("", error.clone())), true),
            Ok(digest) => match batch.store.finished(batch.jobs[at], digest) {
                Some(found) => batch.settle(at, State::Done(found), false),
                None => left.push(at),
            },
        }
    }
    let mut told = false;
    while !left.is_empty() && watch.advance(0).is_ok() {
        left = batch.round(&left);
        if !left.is_empty() {
            if !std::mem::replace(&mut told, true) {
                tell(&Event::Waiting(left.len()));
            }
            std::thread::sleep(PATIENCE);
        }
    }
    Ok(batch.report())
}

/// A run of the jobs that are meant; jobs go by their place among them.
pub(super) struct Batch<'a> {
    pub(super) plan: &'a JobPlan,
    pub(super) options: Options,
    pub(super) store: Store,
    pub(super) digests: Digests,
    pub(super) jobs: Vec<&'a Job>,
    /// The digest of every job, or why its inputs cannot be read.
    identities: Vec<Result<String, String>>,
    /// The input files of all tasks: none of them may go with an outdated result.
    pub(super) files: Vec<&'a Path>,
    settled: Mutex<BTreeMap<usize, JobLine>>,
    pub(super) watch: &'a dyn Watch,
    pub(super) tell: &'a (dyn Fn(&Event<'_>) + Sync),
    /// When the run began.
    begun: u64,
}

impl<'a> Batch<'a> {
    /// Digests every input file once.
    fn new(
        plan: &'a JobPlan,
        options: Options,
        watch: &'a dyn Watch,
        tell: &'a (dyn Fn(&Event<'_>) + Sync),
    ) -> Result<Self, Stopped> {
        let meant = |(at, job): (usize, &'a Job)| options.shard.holds(at, plan.jobs.len()).then_some(job);
        let jobs: Vec<&Job> = plan.jobs.iter().enumerate().filter_map(meant).collect();
        let mut digests = Digests::default();
        let mut unread: BTreeMap<&str, String> = BTreeMap::new();
        let meant: BTreeSet<&str> = jobs.iter().map(|job| &job.task[..]).collect();
        for (task, spec) in plan.tasks.iter().filter(|(task, _)| meant.contains(&task[..])) {
            match digest_all(spec, &mut digests, watch) {
                Ok(()) => {}
                Err(DataError::Stopped(stopped)) => return Err(stopped),
                Err(error) => {
                    unread.insert(task, error.to_string());
                }
            }
        }
        let identity = |job: &&Job| match unread.get(job.task.as_str()) {
            Some(error) => Err(error.clone()),
            None => Identity::new(job, plan, &digests).digest().map_err(|error| error.to_string()),
        };
        let identities = jobs.iter().map(identity).collect();
        let store = Store::new(&plan.out);
        let files: BTreeSet<&Path> = plan.tasks.values().flat_map(|spec| spec.files().map(|(_, path)| path)).collect();
        let (files, settled, begun) = (Vec::from_iter(files), Mutex::default(), store::now());
        Ok(Self { plan, options, store, digests, jobs, identities, files, settled, watch, tell, begun })
    }

    pub(super) fn digest(&self, at: usize) -> &str {
        self.identities[at].as_deref().unwrap_or_default()
    }

    pub(super) fn line(&self, at: usize, state: State, ran: bool) -> JobLine {
        let job = self.jobs[at];
        JobLine { job: job.clone(), directory: self.store.directory(job), state, ran, replaced: false }
    }

    /// Notes how a job ended.
    pub(super) fn settle(&self, at: usize, state: State, ran: bool) {
        self.note(at, self.line(at, state, ran));
    }

    pub(super) fn note(&self, at: usize, line: JobLine) {
        let mut settled = self.settled.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        settled.insert(at, line.clone());
        (self.tell)(&Event::Settled(&line, settled.len(), self.jobs.len()));
    }

    pub(super) fn is_settled(&self, at: usize) -> bool {
        self.settled.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).contains_key(&at)
    }

    /// Records why these jobs failed, unless the reason is the wish to stop.
    pub(super) fn fail(&self, places: &[usize], error: &Error) -> Result<(), Stopped> {
        match error {
            Error::Selector(SelectError::Stopped(stopped)) | Error::Data(DataError::Stopped(stopped)) => Err(*stopped),
            _ => {
                places.iter().for_each(|&at| self.fail_with(at, error.to_string()));
                Ok(())
            }
        }
    }

    /// As [`Batch::fail`], unless an input file has changed: then that is why.
    pub(super) fn fail_on(&self, inputs: &Inputs, places: &[usize], error: &Error) -> Result<(), Stopped> {
        match inputs.check_content() {
            Err(changed) if !places.is_empty() => self.fail(places, &changed.into()),
            _ => self.fail(places, error),
        }
    }

    pub(super) fn fail_with(&self, at: usize, error: String) {
        let mut failure = JobFailure::new(self.digest(at), error);
        if let Err(unrecorded) = self.store.fail(self.jobs[at], &failure) {
            failure.error.push_str(&format!(" (and this could not be recorded: {unrecorded})"));
        }
        self.settle(at, State::Failed(failure), true);
    }

    /// Where all jobs stand at the end of the run, which stopped early if some are not settled.
    fn report(self) -> BatchReport {
        let mut settled = std::mem::take(&mut *self.settled.lock().unwrap_or_else(|poisoned| poisoned.into_inner()));
        let stopped = settled.len() < self.jobs.len();
        let line = |at: usize| {
            settled
                .remove(&at)
                .unwrap_or_else(|| self.line(at, self.store.state(self.jobs[at], self.digest(at)), false))
        };
        BatchReport { lines: (0..self.jobs.len()).map(line).collect(), stopped }
    }

    /// Works on these jobs, and returns those that another run works on.
    fn round(&self, places: &[usize]) -> Vec<usize> {
        let units: Vec<&[usize]> = places
            .chunk_by(|&a, &b| self.jobs[a].task == self.jobs[b].task)
            .flat_map(|of_task| of_task.chunks((TOGETHER / self.options.parallel.max(1)).max(1)))
            .collect();
        let (next, left) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
        let work = || {
            while let Some(unit) = units.get(next.fetch_add(1, Ordering::Relaxed)) {
                match self.unit(unit) {
                    Ok(busy) => left.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).extend(busy),
                    Err(Stopped) => break,
                }
            }
        };
        std::thread::scope(|scope| {
            for _ in 1..self.options.parallel.min(units.len()) {
                // Without it the tasks are left to fewer threads.
                let _ = crate::thread::builder().spawn_scoped(scope, work);
            }
            work();
        });
        let mut left = left.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
        left.sort_unstable();
        left
    }

    /// Works on jobs of one task under their locks, and returns those that another run works on.
    fn unit(&self, places: &[usize]) -> Result<Vec<usize>, Stopped> {
        self.watch.advance(0)?;
        let (mut held, mut locks, mut busy): (Vec<usize>, Vec<File>, Vec<usize>) = Default::default();
        // The clock may have been set back since a record was written.
        let since_then = |failure: &JobFailure| (self.begun..=store::now()).contains(&failure.at);
        let outdated = |&at: &usize| self.store.is_outdated(self.jobs[at], self.digest(at));
        let outdated = places.iter().any(outdated);
        let locked =
            places.first().filter(|_| outdated).and_then(|&at| self.store.check_replaceable(self.jobs[at]).err());
        for &at in places {
            let (job, digest) = (self.jobs[at], self.digest(at));
            match self.store.lock(job) {
                Ok(Some(lock)) => {
                    // Another run may have ended it since it was looked at.
                    if let Some(summary) = self.store.finished(job, digest) {
                        self.settle(at, State::Done(summary), false);
                    } else if let Some(failure) = self.store.failure(job, digest).filter(since_then) {
                        self.settle(at, State::Failed(failure), false);
                    } else if let Some(error) = locked.as_ref().filter(|_| self.store.is_outdated(job, digest)) {
                        self.fail_with(at, error.to_string());
                    } else if let Err(error) = self.store.check_place(job) {
                        self.fail_with(at, error.to_string());
                    } else {
                        held.push(at);
                        locks.push(lock);
                    }
                }
                Ok(None) => busy.push(at),
                Err(error) => self.settle(at, State::Failed(JobFailure::new(digest, error.to_string())), true),
            }
        }
        if held.is_empty() {
            return Ok(busy);
        }
        let worked = catch_unwind(AssertUnwindSafe(|| self.work(&held)));
        let ended = worked.unwrap_or_else(|panic| {
            let text = panic_message(panic.as_ref());
            for &at in held.iter().filter(|&&at| !self.is_settled(at)) {
                self.fail_with(at, format!("kantor has a defect, please report it: panic: {text}"));
            }
            Ok(())
        });
        drop(locks);
        ended.map(|()| busy)
    }
}
