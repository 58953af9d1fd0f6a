//! Works through the jobs of a plan: shared passes, one result per job, failures kept apart.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use kantor_solvers::{SelectError, Stopped, Watch};

use crate::label::Labelled;
use crate::output::{OutputError, ResultDirectory};
use crate::pipeline::{Error, InputSpec, Inputs, Outcome, Prepared, Request};
use crate::problem::Goal;
use crate::record::{Run, texts, write_with};
use crate::source::{DataError, Digests, InputRecord};

use super::identity::{Identity, digest_all};
use super::report::{BatchReport, Event, JobLine, Options};
use super::store::{self, JOB, JobFailure, State, Store};
use super::{Job, JobPlan, Shard, panic_message};

/// Most jobs at work at a time: each has a file open, of which a process may have a few hundred.
const TOGETHER: usize = 64;

/// Time between two looks at jobs that another run works on.
const PATIENCE: Duration = Duration::from_millis(200);

/// Where every job stands; nothing is done.
///
/// # Errors
/// If the output directory is the result of another command, or the observer asks to stop.
pub fn status(plan: &JobPlan, shard: Shard, watch: &dyn Watch) -> Result<BatchReport, Error> {
    plan.check_out()?;
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
/// If the output directory is the result of another command, or nothing can be written to it.
pub fn run(
    plan: &JobPlan,
    options: Options,
    watch: &dyn Watch,
    tell: &(dyn Fn(&Event<'_>) + Sync),
) -> Result<BatchReport, Error> {
    plan.check_out()?;
    fs::create_dir_all(&plan.out).map_err(|error| OutputError::Io { path: plan.out.clone(), error })?;
    let Ok(batch) = Batch::new(plan, options, watch, tell) else {
        return Ok(BatchReport { lines: Vec::new(), stopped: true });
    };
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
struct Batch<'a> {
    plan: &'a JobPlan,
    options: Options,
    store: Store,
    digests: Digests,
    jobs: Vec<&'a Job>,
    /// The digest of every job, or why its inputs cannot be read.
    identities: Vec<Result<String, String>>,
    /// The input files of all tasks: none of them may go with an outdated result.
    files: Vec<&'a Path>,
    settled: Mutex<BTreeMap<usize, JobLine>>,
    watch: &'a dyn Watch,
    tell: &'a (dyn Fn(&Event<'_>) + Sync),
    /// When the run began.
    begun: u64,
}

/// The inputs of the task at work.
struct Opened {
    inputs: Inputs,
    records: Vec<InputRecord>,
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

    fn digest(&self, at: usize) -> &str {
        self.identities[at].as_deref().unwrap_or_default()
    }

    fn line(&self, at: usize, state: State, ran: bool) -> JobLine {
        let job = self.jobs[at];
        JobLine { job: job.clone(), directory: self.store.directory(job), state, ran, replaced: false }
    }

    /// Notes how a job ended.
    fn settle(&self, at: usize, state: State, ran: bool) {
        self.note(at, self.line(at, state, ran));
    }

    fn note(&self, at: usize, line: JobLine) {
        let mut settled = self.settled.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        settled.insert(at, line.clone());
        (self.tell)(&Event::Settled(&line, settled.len(), self.jobs.len()));
    }

    fn is_settled(&self, at: usize) -> bool {
        self.settled.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).contains_key(&at)
    }

    /// Records why these jobs failed, unless the reason is the wish to stop.
    fn fail(&self, places: &[usize], error: &Error) -> Result<(), Stopped> {
        match error {
            Error::Selector(SelectError::Stopped(stopped)) | Error::Data(DataError::Stopped(stopped)) => Err(*stopped),
            _ => {
                places.iter().for_each(|&at| self.fail_with(at, error.to_string()));
                Ok(())
            }
        }
    }

    /// As [`Batch::fail`], unless an input file has changed: then that is why.
    fn fail_on(&self, inputs: &Inputs, places: &[usize], error: &Error) -> Result<(), Stopped> {
        match inputs.check_content() {
            Err(changed) if !places.is_empty() => self.fail(places, &changed.into()),
            _ => self.fail(places, error),
        }
    }

    fn fail_with(&self, at: usize, error: String) {
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
        for &at in places {
            let (job, digest) = (self.jobs[at], self.digest(at));
            match self.store.lock(job) {
                Ok(Some(lock)) => {
                    // Another run may have ended it since it was looked at.
                    if let Some(summary) = self.store.finished(job, digest) {
                        self.settle(at, State::Done(summary), false);
                    } else if let Some(failure) = self.store.failure(job, digest).filter(since_then) {
                        self.settle(at, State::Failed(failure), false);
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

    /// Does jobs of one task.
    fn work(&self, places: &[usize]) -> Result<(), Stopped> {
        let task = &self.jobs[places[0]].task;
        let watch = Labelled::new(self.watch, format!("task {task}"));
        let open = || {
            let spec = &self.plan.tasks[task];
            // Jobs at work at the same time share what is allowed, here as in their requests.
            let memory = spec.memory.map(|memory| memory / self.options.parallel as u64);
            let spec = InputSpec { memory, ..spec.clone() };
            let inputs = Inputs::open_to_select(&spec, self.plan.goal.cost, &watch)?;
            let records = inputs.records_known(&self.digests, self.plan.request.certify, &watch)?;
            Ok(Opened { inputs, records })
        };
        // What is wrong with a file that is no longer the one that was digested is that.
        let digested = |error| {
            let mut paths = self.plan.tasks[task].files().map(|(_, path)| path);
            paths.try_for_each(|path| self.digests.check_unchanged(path)).map_or_else(Error::from, |()| error)
        };
        let opened = match open().map_err(digested) {
            Ok(opened) => opened,
            Err(error) => return self.fail(places, &error),
        };
        let inputs = &opened.inputs;
        let overlap = inputs.overlap_in_words().map(|rows| format!("{rows}; `forbid-overlap` makes this an error"));
        let dropped = inputs.dropped_in_words().map(|rows| format!("{rows}, listed in the manifests"));
        for text in inputs.doubts().into_iter().chain(overlap).chain(dropped) {
            (self.tell)(&Event::Warning(format!("{task}: {text}")));
        }
        let shared = inputs.guarded(&watch, |watch| Ok(self.share(&opened, places, watch)?));
        shared.or_else(|error: Error| {
            let left: Vec<usize> = places.iter().copied().filter(|&at| !self.is_settled(at)).collect();
            self.fail(&left, &error)
        })
    }

    /// Does jobs of one task with one pass over the pool.
    fn share(&self, opened: &Opened, places: &[usize], watch: &dyn Watch) -> Result<(), Stopped> {
        let inputs = &opened.inputs;
        let mut problem = match inputs.problem(self.plan.goal.clone()) {
            Ok(problem) if self.plan.request.certify => problem.with_cache(),
            Ok(problem) => problem,
            Err(error) => return self.fail_on(inputs, places, &error),
        };
        let pool = problem.geometry().pool_len();
        let (fit, unfit): (Vec<usize>, Vec<usize>) =
            places.iter().partition(|&&at| (1..=pool).contains(&self.jobs[at].budget));
        for at in unfit {
            self.fail_on(inputs, &[at], &SelectError::Budget { budget: self.jobs[at].budget, pool }.into())?;
        }
        // The last part first.
        let mut parts = vec![fit];
        while let Some(mut fit) = parts.pop() {
            if fit.is_empty() {
                continue;
            }
            let (goal, request) = self.asked(&fit);
            problem = problem.with_budgets(goal.budgets);
            problem.geometry().clear_cache();
            let request = inputs.within(&request);
            let prepared = Prepared::new(&problem, &request, watch);
            match prepared.map_err(|error| inputs.named(error, goal.cost)) {
                Ok(prepared) => {
                    let together = |&a: &usize, &b: &usize| {
                        (self.jobs[a].seed, &self.jobs[a].method) == (self.jobs[b].seed, &self.jobs[b].method)
                    };
                    fit.chunk_by(together).try_for_each(|group| self.group(opened, &prepared, group))?;
                }
                // What is too much for all may do for some.
                Err(Error::Memory { .. } | Error::BoundMemory { .. } | Error::Selector(SelectError::Memory { .. }))
                    if fit.len() > 1 =>
                {
                    fit.sort_by_key(|&at| (self.jobs[at].budget, at));
                    let more = fit.split_off(fit.len() / 2);
                    parts.extend([more, fit]);
                }
                // What one method does not take, others may.
                Err(Error::Selector(error @ SelectError::Unsupported { method, .. }))
                    if fit.iter().any(|&at| self.jobs[at].method == method) =>
                {
                    let (failed, others): (Vec<usize>, Vec<usize>) =
                        fit.iter().partition(|&&at| self.jobs[at].method == method);
                    self.fail_on(inputs, &failed, &error.into())?;
                    parts.push(others);
                }
                Err(error) => self.fail_on(inputs, &fit, &error)?,
            }
        }
        Ok(())
    }

    /// What these jobs ask together, and how they are done.
    fn asked(&self, places: &[usize]) -> (Goal, Request) {
        let mut goal = Goal { budgets: Vec::new(), ..self.plan.goal.clone() };
        let mut request = Request { methods: Vec::new(), ..self.plan.request.clone() };
        request.memory /= self.options.parallel as u64;
        for &at in places {
            let Job { method, budget, seed, .. } = self.jobs[at];
            request.seed = *seed;
            if !request.methods.contains(method) {
                request.methods.push(method.clone());
            }
            if !goal.budgets.contains(budget) {
                goal.budgets.push(*budget);
            }
        }
        (goal, request)
    }

    /// Does jobs of one task, method and seed.
    fn group(&self, opened: &Opened, prepared: &Prepared<'_>, places: &[usize]) -> Result<(), Stopped> {
        let (begun, inputs) = (Instant::now(), &opened.inputs);
        let (goal, request) = self.asked(places);
        let mut outcome = match prepared.part(&request, &goal.budgets) {
            Ok(outcome) => outcome,
            // What fails for one budget may do for another; to stop is no failure.
            Err(error) if places.len() > 1 => {
                self.fail_on(inputs, &[], &error)?;
                return places.iter().try_for_each(|&at| self.group(opened, prepared, &[at]));
            }
            Err(error) => return self.fail_on(inputs, places, &error),
        };
        outcome.inputs.clone_from(&opened.records);
        self.write(opened, &outcome, places, begun)
    }

    /// Writes the results of jobs of one task, method and seed.
    fn write(&self, opened: &Opened, outcome: &Outcome, places: &[usize], begun: Instant) -> Result<(), Stopped> {
        let inputs = &opened.inputs;
        let texts = match texts(inputs, outcome, self.watch) {
            Ok(texts) => texts,
            Err(error) => return self.fail_on(inputs, places, &error),
        };
        for &at in places {
            let (job, digest) = (self.jobs[at], self.digest(at));
            let spec = &self.plan.tasks[&job.task];
            let (goal, request) = self.asked(&[at]);
            let mut single = Outcome { goal, request, ..outcome.clone() };
            for chosen in &mut single.chosen {
                chosen.selections.retain(|proved| proved.selection.budget() == job.budget);
            }
            let write = || {
                self.store.check_place(job)?;
                let mut staging = ResultDirectory::begin(&self.store.directory(job), true, &self.files)?;
                let identity = Identity::new(job, self.plan, &self.digests);
                let of = serde_json::json!({
                    "schema": "kantor/job/1", "task": job.task, "digest": digest, "depends_on": identity,
                });
                staging.file(JOB, |out| Ok(serde_json::to_writer_pretty(out, &of)?))?;
                let run = Run { begun, on_bad_row: spec.on_bad_row };
                write_with(staging, inputs, &single, run, &texts)
            };
            let replaced = self.store.is_outdated(job, digest);
            match write().map(|_| self.store.finished(job, digest)) {
                Ok(Some(summary)) => {
                    self.store.forget_failure(job);
                    self.note(at, JobLine { replaced, ..self.line(at, State::Done(summary), true) });
                }
                Ok(None) => self.fail_with(at, "the result was changed while it was written".to_owned()),
                Err(error) => self.fail_on(inputs, &[at], &error)?,
            }
        }
        Ok(())
    }
}
