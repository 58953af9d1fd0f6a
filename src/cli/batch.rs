//! `kantor batch`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use kantor_solvers::SelectError;
use serde_json::{Value, json};

use super::progress::{Detail, Progress};
use crate::batch::{self, BatchReport, Event, JobLine, Options, OverSeeds, Shard, Spread, State};
use crate::decimal::difference;
use crate::pipeline::{Error, Request};
use crate::source::name::readable;
use crate::view::escape::Text;
use crate::view::table;
use crate::view::terminal::tell;

use super::args::RunArguments;
use super::caching::CacheArguments;
use super::failure::Failure;
use super::job_file;
use super::limits::check_open_files;
use super::output::{placed, say};
use super::settings::tell_idle;
use super::signals::{self, INTERRUPTED};
use super::threads;

/// What `--help` says of the job file.
const HELP: &str = r#"A job file:

  out = "results"                  # paths are relative to the job file
  pool = "pool.npy"                # inputs and settings: names of flags of
  cost = "cosine"                  # `kantor select`
  methods = ["round-robin", "uot"] # every task with every method, budget, seed
  budgets = [500, "1k"]            # rows; or token-budgets, with tokens
  seeds = [0]                      # only methods that draw depend on them

  [tasks]                          # names of directories, with their queries
  gsm8k = "gsm8k.npy"              # and perhaps a pool of their own
  bbh = { query = "bbh.npy", pool = ["other-1.npy", "other-2.npy"] }

Several grids, in the place of methods, budgets and seeds or beside them as
defaults, are written

  [[grid]]
  methods = ["random"]
  seeds = [0, 1, 2, 3, 4]

Results are in OUT/TASK/METHOD-kBUDGET-seedSEED, each as `kantor select`
writes it. A job whose result is there, made from the same inputs by the same
parameters and version, is not done again; one of others is replaced."#;

/// Do the jobs of a file: tasks × methods × budgets × seeds, each exactly once
#[derive(Debug, clap::Args)]
#[command(after_long_help = HELP)]
pub(super) struct Arguments {
    /// The job file: inputs and settings by the names of the flags of `select`, [tasks], methods, budgets and seeds
    #[arg(value_name = "JOBS.toml")]
    file: PathBuf,
    /// Directory of the results; wins over `out` in the job file
    #[arg(short, long, help_heading = "Jobs", value_name = "DIR")]
    out: Option<PathBuf>,
    /// Tasks to work on at a time, at most four per processor
    #[arg(long, help_heading = "Jobs", value_name = "N", default_value = "1", value_parser = threads::at_least_one)]
    jobs: usize,
    /// Do the i-th of n equal parts of the jobs; i counts from 0 or from 1
    #[arg(long, help_heading = "Jobs", value_name = "I/N")]
    shard: Option<Shard>,
    /// Only say which jobs are done, pending, running or failed
    #[arg(long, help_heading = "Jobs")]
    status: bool,
    #[command(flatten)]
    cache: CacheArguments,
    #[command(flatten)]
    run: RunArguments,
}

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    arguments.run.apply()?;
    let detail = arguments.run.detail();
    let mut plan = job_file::read(&arguments.file, arguments.out.as_deref(), &arguments.run)?;
    plan.tasks.values_mut().for_each(|spec| spec.cache = arguments.cache.folder());
    let methods: BTreeSet<&String> = plan.jobs.iter().map(|job| &job.method).collect();
    let methods = methods.into_iter().cloned().collect();
    tell_idle(&plan.goal, &Request { methods, ..plan.request.clone() }, &arguments.run);
    let shard = arguments.shard.unwrap_or_default();
    // Stages of several tasks at a time would make no sense to a reader.
    let stages = if arguments.jobs > 1 { Detail::Quiet } else { detail };
    let progress = Progress::new(stages, signals::stop_flag());
    let report = if arguments.status {
        match batch::status(&plan, shard, &progress) {
            Ok(report) => report,
            Err(Error::Selector(SelectError::Stopped(_))) => return Ok(ExitCode::from(INTERRUPTED)),
            Err(error) => return Err(error.into()),
        }
    } else {
        let count = (0..plan.jobs.len()).filter(|&at| shard.holds(at, plan.jobs.len())).count();
        check_open_files(batch::open_files(count, threads::capped(arguments.jobs)))?;
        let options = Options { parallel: threads::capped(arguments.jobs), shard };
        batch::run(&plan, options, &progress, &|event| follow(event, detail))?
    };
    drop(progress);
    if report.stopped {
        let settled = report.lines.iter().filter(|line| matches!(line.state, State::Done(_))).count();
        tell(format_args!("kantor: stopped; {settled} jobs are done, the next run goes on from there"));
        return Ok(ExitCode::from(INTERRUPTED));
    }
    if arguments.run.json {
        say(as_json(&report, &plan.out))?;
    } else {
        say(as_table(&report))?;
        let over_seeds = report.over_seeds();
        if over_seeds.iter().any(|group| group.n > 1) {
            say("")?;
            say(seeds_table(&over_seeds))?;
        }
        say(summary(&report))?;
    }
    Ok(if arguments.status || report.lines.iter().all(is_good) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What is said of a job whose directory held another result.
const OLDER: &str = ", in the place of a result of other inputs or parameters";

/// Whether a job is done and ended as was asked for.
fn is_good(line: &JobLine) -> bool {
    matches!(&line.state, State::Done(summary) if summary.status.is_success())
}

/// Says what happens while the run goes on.
fn follow(event: &Event<'_>, detail: Detail) {
    match event {
        // Failures are errors.
        Event::Settled(JobLine { state: State::Done(_), .. }, ..) | Event::Warning(_) | Event::Waiting(_)
            if detail == Detail::Quiet => {}
        Event::Warning(text) => tell(format_args!("kantor: warning: {text}")),
        Event::Waiting(count) => {
            tell(format_args!("kantor: another run works on the last {count} jobs: waiting for it"));
        }
        Event::Settled(line, place, total) => {
            let what = match &line.state {
                State::Done(_) if !line.ran && detail != Detail::Verbose => return,
                State::Done(summary) if line.ran => {
                    let older = if line.replaced { OLDER } else { "" };
                    format!("{}, {:.2} s{older}", summary.status, summary.total_seconds())
                }
                State::Done(_) => "was done before".to_owned(),
                State::Failed(failure) => format!("failed: {}", failure.error),
                State::Running | State::Pending { .. } => return,
            };
            tell(format_args!("[{place}/{total}] {}: {what}", line.job.name()));
        }
    }
}

/// The word for a state.
fn word(state: &State) -> &'static str {
    match state {
        State::Done(_) => "done",
        State::Failed(_) => "failed",
        State::Running => "running",
        State::Pending { .. } => "pending",
    }
}

fn as_json(report: &BatchReport, out: &Path) -> Value {
    let jobs: Vec<Value> = report
        .lines
        .iter()
        .map(|line| {
            let mut job = json!({
                "task": line.job.task, "method": line.job.method, "budget": line.job.budget, "seed": line.job.seed,
                "dir": readable(&line.directory), "state": word(&line.state), "ran": line.ran,
                "replaced": line.replaced,
            });
            if line.job.in_tokens {
                job["in_tokens"] = json!(true);
            }
            match &line.state {
                State::Done(done) => {
                    job["status"] = json!(done.status);
                    job["selection"] = placed(done, &line.directory)["dir"].clone();
                    job["distance"] = json!(done.distance);
                    job["excess"] = json!(done.excess);
                    if let Some(quality) = &done.quality {
                        job["quality"] = json!(quality);
                    }
                    if !done.task_distances.is_empty() {
                        job["task_distances"] = json!(done.task_distances);
                    }
                    job["energy"] = json!(done.energy);
                    job["seconds"] = json!(done.total_seconds());
                }
                State::Failed(failure) => {
                    job["error"] = json!(failure.error);
                    job["failed_at"] = json!(failure.at);
                }
                State::Pending { outdated } => job["outdated"] = json!(outdated),
                State::Running => {}
            }
            job
        })
        .collect();
    json!({"schema": "kantor/batch/1", "out": readable(out), "counts": counts(report), "jobs": jobs,
        "over_seeds": report.over_seeds()})
}

fn counts(report: &BatchReport) -> Value {
    let count = |name: &str| report.lines.iter().filter(|line| word(&line.state) == name).count();
    let not_met = report.lines.iter().filter(|line| matches!(line.state, State::Done(_)) && !is_good(line)).count();
    let [done, failed, running, pending] = ["done", "failed", "running", "pending"].map(count);
    let ran = report.lines.iter().filter(|line| line.ran).count();
    json!({"jobs": report.lines.len(), "done": done, "failed": failed, "running": running, "pending": pending,
        "ran": ran, "not_met": not_met})
}

/// Means over seeds with their standard deviations.
fn seeds_table(groups: &[OverSeeds]) -> Text {
    let decimals = |spread: Option<Spread>, scale: f64, decimals: usize| {
        let number = |x: f64| format!("{:.decimals$}", scale * x);
        match spread {
            None => ["–".to_owned(), "–".to_owned()],
            Some(Spread { mean, sd }) => [number(mean), sd.map_or_else(|| "–".to_owned(), number)],
        }
    };
    let rows = groups.iter().map(|group| {
        let mut cells = vec![group.task.clone(), group.method.clone(), group.budget.to_string(), group.n.to_string()];
        cells.extend(decimals(group.distance, 1.0, 6));
        cells.extend(decimals(group.excess, 100.0, 2));
        cells
    });
    let header = ["task", "method", "budget", "n", "mean distance", "sd", "mean above best possible %", "sd"];
    table::plain(&header, rows)
}

fn as_table(report: &BatchReport) -> Text {
    let none = || "–".to_owned();
    let quality = |line: &JobLine| match &line.state {
        State::Done(done) => done.quality,
        _ => None,
    };
    let valued = report.lines.iter().any(|line| quality(line).is_some());
    let rows = report.lines.iter().map(|line| {
        let (mut distance, mut excess, mut time) = (none(), none(), none());
        let state = match &line.state {
            State::Done(done) => {
                distance = done.distance.map_or_else(none, table::interval);
                let gap = done.quality.and_then(|quality| quality.gap);
                let gap = gap.map_or_else(none, |gap| format!("≤ {}", table::bound(gap, false)));
                excess = done.excess.map_or(gap, |excess| format!("≤ {}", table::percent_up(excess)));
                time = format!("{:.2} s", done.total_seconds());
                if is_good(line) { done.status.to_string() } else { format!("not met: {}", done.status) }
            }
            State::Failed(failure) => format!("failed: {}", failure.error),
            State::Pending { outdated: true } => "pending (inputs or parameters changed)".to_owned(),
            state => word(state).to_owned(),
        };
        let job = &line.job;
        let (seed, unit) = (job.seed.to_string(), if job.in_tokens { " tokens" } else { "" });
        let worth = valued.then(|| {
            let less = quality(line).and_then(|quality| quality.less_quality).map_or_else(none, table::value);
            [quality(line).map_or_else(none, |quality| difference(quality.mean)), less]
        });
        let first = [job.task.clone(), job.method.clone(), format!("{}{unit}", job.budget), seed, distance];
        first.into_iter().chain(worth.into_iter().flatten()).chain([excess, time, state]).collect()
    });
    let first = ["task", "method", "budget", "seed", "distance"];
    let worth = valued.then_some(["mean quality", "less quality"]);
    let last = ["above best possible", "time", "state"];
    let header: Vec<&str> = first.into_iter().chain(worth.into_iter().flatten()).chain(last).collect();
    table::plain(&header, rows)
}

fn summary(report: &BatchReport) -> String {
    let counts = counts(report);
    let mut text = format!("{} of {} jobs done", counts["done"], counts["jobs"]);
    let done_now = report.lines.iter().filter(|line| line.ran && matches!(line.state, State::Done(_))).count();
    if done_now != 0 {
        text.push_str(&format!(", {done_now} of them in this run"));
    }
    for (name, words) in [("failed", "failed"), ("running", "running"), ("pending", "pending"), ("not_met", "not met")]
    {
        if counts[name] != 0 {
            text.push_str(&format!(", {} {words}", counts[name]));
        }
    }
    text
}
