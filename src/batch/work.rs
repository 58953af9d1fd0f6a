//! Work on jobs of one task: one pass over the pool for all of them, one result for each.

use std::time::Instant;

use kantor_solvers::{SelectError, Stopped, Watch};

use crate::label::Labelled;
use crate::output::ResultDirectory;
use crate::pipeline::{Error, InputSpec, Inputs, Outcome, Prepared, Request};
use crate::problem::Goal;
use crate::record::{Run, texts, write_with};
use crate::represent::Cache;
use crate::source::InputRecord;

use super::Job;
use super::identity::Identity;
use super::report::{Event, JobLine};
use super::run::Batch;
use super::store::{JOB, State};

/// The inputs of the task at work.
struct Opened {
    inputs: Inputs,
    records: Vec<InputRecord>,
}

impl Batch<'_> {
    /// Does jobs of one task.
    pub(super) fn work(&self, places: &[usize]) -> Result<(), Stopped> {
        let task = &self.jobs[places[0]].task;
        let watch = Labelled::new(self.watch, format!("task {task}"));
        let open = || {
            let spec = &self.plan.tasks[task];
            // Jobs at work at the same time share what is allowed, here as in their requests.
            let memory = spec.memory.map(|memory| memory / self.options.parallel as u64);
            let spec = InputSpec { memory, ..spec.clone() };
            let inputs = Inputs::open_to_select(&spec, self.plan.goal.cost, &watch)?;
            self.plan.copies.check(&inputs)?;
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
        let cache = inputs.cache().map_or_else(Vec::new, Cache::faults);
        for text in inputs.doubts().into_iter().chain(overlap).chain(dropped).chain(cache) {
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
            places.iter().partition(|&&at| self.jobs[at].in_tokens || (1..=pool).contains(&self.jobs[at].budget));
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
                // What constraints forbid at one budget, they may allow at others.
                Err(error) => {
                    let of = |at: &usize| error.budget().is_none_or(|budget| self.jobs[*at].budget == budget);
                    let (failed, others): (Vec<usize>, Vec<usize>) = fit.iter().partition(|at| of(at));
                    self.fail_on(inputs, &failed, &error)?;
                    parts.push(others);
                }
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
        outcome.tasks = inputs.tasks();
        self.write(opened, &outcome, places, begun)
    }

    /// Writes the results of jobs of one task, method and seed.
    fn write(&self, opened: &Opened, outcome: &Outcome, places: &[usize], begun: Instant) -> Result<(), Stopped> {
        let inputs = &opened.inputs;
        let texts = match texts(inputs, outcome, self.plan.copies.clone(), self.watch) {
            Ok(texts) => texts,
            Err(error) => return self.fail_on(inputs, places, &error),
        };
        for &at in places {
            let (job, digest) = (self.jobs[at], self.digest(at));
            let spec = &self.plan.tasks[&job.task];
            let (goal, request) = self.asked(&[at]);
            let mut single = Outcome { goal, request, ..outcome.clone() };
            for chosen in &mut single.chosen {
                chosen.selections.retain(|proved| proved.budget == job.budget);
            }
            let write = || {
                let mut staging = ResultDirectory::begin(&self.store.directory(job), true, &self.files)?;
                // What is there now is all that may be replaced in the end.
                self.store.check_place(job)?;
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
