//! `kantor distance`.

use std::path::PathBuf;
use std::process::ExitCode;

use kantor_solvers::divergence::sinkhorn_divergence;
use kantor_solvers::evidence::{Thresholded, compressed, thresholded};
use kantor_solvers::{Solution, SolveError, Watch};
use kantor_theory::{DistanceBound, Geometry, Problem, Status, Weights};
use serde_json::json;

use crate::certify::{self, Certified, Terms};
use crate::data::list::{read_rows, read_weights};
use crate::report::progress::Progress;
use crate::report::trace::Trace;
use crate::report::{memory, plan, staging, table};
use crate::select::Inputs;

use super::args::{InputArguments, PowerArgument, RunArguments};
use super::failure::Failure;
use super::metric::MetricArguments;
use super::output::say;
use super::problem::SolverArguments;
use super::signals;

/// Certified transport distance between a subset of the pool and the queries.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    input: InputArguments,
    /// Row numbers of the subset (1-d .npy, or text with one a line); the whole pool if left out
    #[arg(long, value_name = "FILE")]
    subset: Option<PathBuf>,
    /// One weight per subset row; uniform if left out
    #[arg(long, value_name = "FILE")]
    subset_weights: Option<PathBuf>,
    /// One weight per query; uniform if left out
    #[arg(long, value_name = "FILE")]
    query_weights: Option<PathBuf>,
    #[command(flatten)]
    metric: MetricArguments,
    #[command(flatten)]
    power: PowerArgument,
    /// Write the certificate to this file
    #[arg(long, value_name = "FILE")]
    certificate: Option<PathBuf>,
    #[command(flatten)]
    solver: SolverArguments,
    #[command(flatten)]
    run: RunArguments,
}

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    arguments.run.apply()?;
    let progress = Progress::new(arguments.run.detail(), signals::stop_flag());
    let transport = arguments.metric.is_transport()?;
    if !transport && arguments.certificate.is_some() {
        return Err(Failure::Usage("--certificate goes with --metric transport".to_owned()));
    }
    if !transport && !arguments.solver.are_default() {
        let fault = "--solver and what goes with it are for --metric transport: the other metrics have a formula";
        return Err(Failure::Usage(fault.to_owned()));
    }
    let (cost, power) = (arguments.input.cost, arguments.power.get());
    let inputs = Inputs::open(&arguments.input.spec(&arguments.run), cost, &progress)?;
    let geometry = inputs.geometry(cost)?;
    let rows = match &arguments.subset {
        Some(path) => inputs.kept_rows(&read_rows(path, inputs.original_pool_len())?, path)?,
        None => (0..geometry.pool_len()).collect(),
    };
    let weights = Weights {
        subset: arguments.subset_weights.as_deref().map(|path| read_weights(path, rows.len())).transpose()?,
        query: arguments.query_weights.as_deref().map(|path| read_weights(path, geometry.query_len())).transpose()?,
    };
    let terms = Terms { power, weights, ..Terms::default() };
    if !transport {
        return arguments.metric.run(&inputs, &geometry, &terms, &rows, &progress, arguments.run.json);
    }
    let (distance, solved) = inputs.guarded(&progress, |watch| {
        if arguments.solver.are_default() {
            return Ok((linear(arguments, &geometry, &terms, &rows)?, None));
        }
        let (distance, solved) = solve(arguments, &inputs, &geometry, &terms, &rows, watch)?;
        Ok::<_, Failure>((distance, Some(solved)))
    })?;
    inputs.check_unchanged()?;
    let certified = Certified { distance, best: None };
    let status = solved.as_ref().map(|solved| solved.status).filter(|status| !status.is_success());
    let status = status.unwrap_or(certified.status());
    if let Some(path) = &arguments.certificate {
        let facts = certify::facts(&inputs.records(&progress)?, inputs.dropped());
        let certificate = certified.certificate(&geometry, &terms, &facts, None)?;
        inputs.check_unchanged()?;
        staging::replace_file(path, &certificate.to_json())?;
    }
    let interval = certified.distance.interval();
    if arguments.run.json {
        let (lower, upper) = (interval.lower, interval.upper);
        let mut object = json!({"schema": "kantor/distance/1", "lower": lower, "upper": upper, "status": status});
        if let (Some(object), Some(solved)) = (object.as_object_mut(), &solved) {
            object.extend(solved.keys());
        }
        say(object)?;
    } else {
        let ends = table::interval(interval);
        say(format_args!("distance of {} rows to {} queries: {ends}  ({status})", rows.len(), geometry.query_len()))?;
        if let Some(solved) = &solved {
            say(solved.text())?;
        }
    }
    Ok(ExitCode::from(match status {
        Status::Interrupted => signals::INTERRUPTED,
        status => u8::from(!status.is_success()),
    }))
}

/// Exact transport, straight to its interval.
fn linear(
    arguments: &Arguments,
    geometry: &Geometry<'_>,
    terms: &Terms,
    rows: &[usize],
) -> Result<DistanceBound, Failure> {
    let needed = 8 * (rows.len() * geometry.query_len()) as u64;
    if let Some(allowed) = arguments.run.max_memory.filter(|&allowed| needed > allowed) {
        return Err(Failure::Resource(format!(
            "the costs of {} rows take {needed} bytes but --max-memory allows {allowed}",
            rows.len()
        )));
    }
    Ok(certify::distance(geometry, terms, rows)?)
}

/// What a solver found, for printing.
struct Solved {
    solver: &'static str,
    /// Of all that was asked for.
    status: Status,
    solution: Solution,
    divergence: Option<f64>,
    /// Entries of the plan that was written, and the mass that is not in it.
    written: Option<(usize, f64)>,
}

/// Asks the chosen solver, writes its plan and trace, and proves what its solution says of the linear problem.
fn solve(
    arguments: &Arguments,
    inputs: &Inputs,
    geometry: &Geometry<'_>,
    terms: &Terms,
    rows: &[usize],
    watch: &dyn Watch,
) -> Result<(DistanceBound, Solved), Failure> {
    let words = &arguments.solver;
    let entry = words.entry()?;
    let memory = arguments.run.max_memory.or_else(memory::available).unwrap_or(u64::MAX);
    let effort = words.effort(memory)?;
    let solver = (entry.build)(&effort);
    let whole = Problem { weights: terms.weights.clone(), ..Problem::new(geometry, terms.power) };
    let rows = arguments.subset.is_some().then_some(rows);
    let problem = words.apply(Problem { rows, ..whole });
    let work = |watch: &dyn Watch| -> Result<(Status, Solution, Option<f64>), SolveError> {
        if words.divergence {
            let found = sinkhorn_divergence(&problem, solver.as_ref(), &effort, watch)?;
            return Ok((found.status, found.cross, Some(found.value)));
        }
        let solution = solver.solve(&problem, None, watch)?;
        Ok((solution.status, solution, None))
    };
    let (status, solution, divergence) = match &words.trace {
        None => work(watch)?,
        Some(path) => {
            let trace = Trace::create(path, watch).map_err(|error| Failure::io(path, &error))?;
            let found = work(&trace)?;
            trace.finish().map_err(|error| Failure::io(path, &error))?;
            found
        }
    };
    let distance = certify::bracket(&problem, &solution, memory)?;
    inputs.check_unchanged()?;
    let written = match &words.plan {
        None => None,
        Some(path) => {
            let (n, m) = (problem.row_count(), geometry.query_len());
            let found = match distance.evidence().plan.as_ref().filter(|_| words.rounded) {
                Some(plan) => Thresholded { plan: compressed(plan, n, m), kept: 1.0, dropped: 0.0 },
                None => thresholded(&problem, &solution, words.threshold, memory)?,
            };
            let kind = if words.rounded { "rounded" } else { "solver" };
            let about = [("solver", entry.name.to_owned()), ("plan", kind.to_owned())];
            plan::write(path, &found, &about)?;
            Some((found.plan.nnz(), found.dropped))
        }
    };
    Ok((distance, Solved { solver: entry.name, status, solution, divergence, written }))
}

impl Solved {
    fn keys(&self) -> serde_json::Map<String, serde_json::Value> {
        let Solution { primal, dual, transport, residuals, iterations, .. } = &self.solution;
        let object = json!({
            "solver": self.solver, "value": primal, "dual": dual, "transport": transport, "iterations": iterations,
            "residual": residuals.largest(), "residuals": {"pool": residuals.pool, "query": residuals.query},
            "divergence": self.divergence, "plan": self.written.map(|(entries, dropped)| json!({"entries": entries, "dropped_mass": dropped})),
        });
        object.as_object().cloned().unwrap_or_default()
    }

    fn text(&self) -> String {
        let Solution { primal, dual, transport, residuals, iterations, .. } = &self.solution;
        let mut parts = Vec::new();
        for (name, number) in [("value", primal), ("dual value", dual), ("transport cost", transport)] {
            // A solver need not find a plan.
            if number.is_finite() {
                parts.push(format!("{name} {number:.9}"));
            }
        }
        parts.push(format!("{iterations} iterations, residual {:.1e}", residuals.largest()));
        let mut text = format!("{}: {}", self.solver, parts.join(", "));
        if let Some(divergence) = self.divergence {
            text.push_str(&format!("\nSinkhorn divergence {divergence:.9}"));
        }
        if let Some((entries, dropped)) = self.written {
            text.push_str(&format!("\nplan: {entries} entries, mass {dropped:.1e} left out"));
        }
        text
    }
}
