//! `kantor distance`.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use kantor_solvers::transport::divergence::sinkhorn_divergence;
use kantor_solvers::transport::evidence::{ThresholdedPlan, compressed, thresholded};
use kantor_solvers::{Solution, Watch};
use kantor_theory::{
    BestBound, DistanceBound, FeasibleSet, Geometry, Interval, Objective, Power, Status, TransportProblem, Weights,
};
use serde_json::json;

use super::progress::Progress;
use crate::certify::{self, Terms};
use crate::output::{OutputFile, distinct};
use crate::pipeline::{
    Aggregate, Drawing, Error, InputSpec, Inputs, RandomReference, Request, RuleSpec, cheap_draws, references,
};
use crate::probe;
use crate::problem::{Goal, Problem};
use crate::source::list::read_weights;
use crate::view::escape::Text;
use crate::view::terminal::tell;
use crate::view::trace::Trace;
use crate::view::{plan, table, verdict};

use super::admissible::{Admissible, refuse_beside};
use super::args::{InputArguments, PowerArgument, RunArguments};
use super::best::{self, When};
use super::caching::CacheArguments;
use super::constraints::ConstraintArguments;
use super::count::count;
use super::failure::Failure;
use super::metric::MetricArguments;
use super::output::{doubt, doubt_list, say};
use super::problem::SolverArguments;
use super::queries::TaskArguments;
use super::settings::tell_idle_of_solvers;
use super::signals;

/// Certified transport distance between a subset of the pool and the queries.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    input: InputArguments,
    /// Rows of the subset: selection.jsonl or indices.npy of a selection, or text with one row number a line; the whole
    /// pool if left out
    #[arg(long, value_name = "FILE")]
    subset: Option<PathBuf>,
    /// One weight per subset row; uniform if left out, but the tokens of rows that were chosen for a budget in these
    #[arg(long, value_name = "FILE")]
    subset_weights: Option<PathBuf>,
    /// One weight per query, dropped ones included; uniform if left out
    #[arg(long, value_name = "FILE", conflicts_with = "query_shares")]
    query_weights: Option<PathBuf>,
    #[command(flatten)]
    tasks: TaskArguments,
    #[command(flatten)]
    constraints: ConstraintArguments,
    /// Judge the subset as a choice of this many tokens, by the lengths of --tokens: each row weighs its length, and the bound is for
    /// every choice of so many
    #[arg(long, help_heading = "Constraints", value_name = "T", value_parser = count::<usize>, requires = "tokens")]
    token_budget: Option<usize>,
    #[command(flatten)]
    metric: MetricArguments,
    #[command(flatten)]
    power: PowerArgument,
    /// Write the certificate to this file
    #[arg(long, help_heading = "Proof", value_name = "FILE")]
    certificate: Option<PathBuf>,
    /// Replace files that --certificate, --plan and --trace name
    #[arg(long, help_heading = "Proof")]
    force: bool,
    /// Prove how close any subset of that size can be, for a subset with uniform weights: auto where it takes at most 10¹¹
    /// multiplications
    #[arg(long, help_heading = "Proof", value_name = "WHEN", default_value = "auto", value_parser = When::parser())]
    best: When,
    #[command(flatten)]
    solver: SolverArguments,
    #[command(flatten)]
    cache: CacheArguments,
    #[command(flatten)]
    run: RunArguments,
}

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    arguments.run.apply()?;
    let progress = Progress::new(arguments.run.detail(), signals::stop_flag());
    let transport = arguments.metric.is_transport()?;
    if !transport && (arguments.certificate.is_some() || arguments.best == When::Always) {
        return Err(Failure::Usage("--certificate and --best always go with --metric transport".to_owned()));
    }
    if !arguments.metric.has_power() && arguments.power.get() != Power::One {
        let fault =
            "--p 2 goes with --metric transport, chamfer-to-subset or chamfer-to-query: the others have no power";
        return Err(Failure::Usage(fault.to_owned()));
    }
    if !transport && !arguments.solver.are_default() {
        let fault = "--solver and what goes with it are for --metric transport: the other metrics have a formula";
        return Err(Failure::Usage(fault.to_owned()));
    }
    let comparable = arguments.subset.is_some() && arguments.subset_weights.is_none();
    if arguments.best == When::Always && !comparable {
        return Err(Failure::Usage("--best always is for a --subset with uniform weights".to_owned()));
    }
    let spec = spec(arguments)?;
    let metric = arguments.metric.flag();
    let others = [("--solver and what goes with it", !arguments.solver.are_default()), (&metric[..], !transport)];
    if !spec.rules.is_none() {
        let what = "a limit or --quality";
        if arguments.subset.is_none() {
            return Err(Failure::Usage(format!("{what} is about the rows of a --subset: give one")));
        }
        refuse_beside(what, &others)?;
        refuse_beside(what, &[("--subset-weights", arguments.subset_weights.is_some())])?;
    }
    let several = spec.aggregate == Aggregate::Worst && spec.tasks.len() > 1;
    if several {
        refuse_beside("--aggregate worst", &others)?;
    }
    let outputs = Outputs::create(arguments, &spec)?;
    let (cost, power) = (arguments.input.cost, arguments.power.get());
    let inputs = Inputs::open(&spec, cost, &progress)?;
    doubt(&inputs, &arguments.run);
    // The ids of a subset's rows are compared with those of the pool.
    let idle_examples = !arguments.input.files.pool_jsonl.is_empty() && arguments.subset.is_none();
    if idle_examples && !arguments.run.quiet {
        tell("kantor: warning: --pool-jsonl changes nothing here: a distance is one of rows");
    }
    let solvers = if transport { vec![arguments.solver.entry()?] } else { Vec::new() };
    tell_idle_of_solvers(&solvers, &arguments.solver.changed(), &arguments.run);
    if arguments.solver.is_threshold_idle() && !arguments.run.quiet {
        tell("kantor: warning: --threshold changes nothing here, as --rounded writes its whole plan");
    }
    let problem = inputs.problem(Goal { cost, power, ..Goal::default() })?;
    let rows = match &arguments.subset {
        Some(path) => {
            doubt_list(&inputs, path, &arguments.run, &progress)?;
            inputs.subset_rows(path, &progress)?
        }
        None => (0..inputs.pool_len()).collect(),
    };
    let size = arguments.token_budget.unwrap_or(rows.len());
    let problem = problem.with_budgets(vec![size]);
    let of_subset = |path| read_weights(path, rows.len(), 0..rows.len());
    let queries = || (0..inputs.queries().len()).map(|query| inputs.original_query(query));
    let of_queries = |path| read_weights(path, inputs.original_query_len(), queries());
    let problem = match arguments.query_weights.as_deref().map(of_queries).transpose()? {
        Some(weights) => problem.weighted(Some(weights)),
        None => problem,
    };
    let geometry = problem.geometry();
    let lengths = match (&arguments.subset, &arguments.subset_weights) {
        (Some(path), None) if arguments.token_budget.is_none() => inputs.subset_lengths(path, &progress)?,
        _ => None,
    };
    if let Some((column, _)) = lengths.as_ref().filter(|_| !arguments.run.quiet) {
        tell(format_args!("kantor: note: the rows were chosen for a budget in tokens: each weighs its `{column}`"));
    }
    let comparable = comparable && lengths.is_none();
    if arguments.best == When::Always && !comparable {
        let fault = "--best always is for a --subset with uniform weights, and these rows weigh their tokens: --token-budget with \
                     --tokens asks for the bound of every choice of so many";
        return Err(Failure::Usage(fault.to_owned()));
    }
    if lengths.is_some() && !spec.rules.is_none() {
        let fault = "a limit or --quality is about rows that weigh the same, and these weigh their tokens: give --token-budget and \
                     --tokens too, or their numbers without the weights";
        return Err(Failure::Usage(fault.to_owned()));
    }
    let admissible = Admissible::of(&inputs, &problem, (size, &rows))?;
    let lengths = lengths.map(|(_, lengths)| lengths).or(admissible.lengths.clone());
    let subset = arguments.subset_weights.as_deref().map(of_subset).transpose()?.or(lengths);
    let plain = problem.terms(Objective::W);
    let terms = Terms { weights: Weights { subset, ..plain.weights }, ..plain };
    if !transport {
        return arguments.metric.run(&inputs, geometry, &terms, &rows, &progress, arguments.run.json);
    }
    let Outputs { certificate, plan, trace } = outputs;
    let mut written = Vec::new();
    let (best, drawn, distance, solved) = inputs.guarded(&progress, |watch| {
        // Search and bound are for queries that all count.
        let comparable = comparable && problem.query_weights().is_none_or(|weights| weights.iter().all(|&w| w > 0.0));
        let best = match comparable {
            true => best::of_size(size, &inputs, &problem, arguments.best, &arguments.run, watch)?,
            false => None,
        };
        let compared = best.as_ref().filter(|_| admissible.broken.is_empty());
        let drawn = compared.map_or(Ok(None), |best| drawn(arguments, &inputs, &problem, (best, size), watch))?;
        if arguments.solver.are_default() {
            return Ok((
                best,
                drawn,
                unheard(watch, || linear(arguments, geometry, &terms, &rows, admissible.set.as_ref()))?,
                None,
            ));
        }
        let outputs = (plan, trace, &mut written);
        let (distance, solved) = solve(arguments, geometry, &terms, &rows, outputs, watch)?;
        Ok::<_, Failure>((best, drawn, distance, Some(solved)))
    })?;
    let (certified, among) = admissible.certified(distance, best)?;
    let status = solved.as_ref().map(|solved| solved.status).filter(|status| !status.is_success());
    let status = status.unwrap_or(certified.status());
    if let Some(mut file) = certificate {
        let facts = certify::facts(&inputs.records(true, &progress)?, inputs.dropped());
        let text = certified.certificate(&facts, None)?.to_json();
        file.write_all(&text).map_err(|error| file.failed(error))?;
        written.push(file);
    }
    inputs.check_unchanged()?;
    OutputFile::commit_all(written)?;
    let interval = certified.distance().interval();
    if arguments.run.json {
        let Interval { lower, upper } = certified.distance().plain();
        let mut object = json!({"schema": "kantor/distance/1", "lower": lower, "upper": upper, "status": status});
        let best = among.filter(|_| certified.less_quality().is_none());
        object["best"] = json!(best.map(|lower| json!({"lower": lower})));
        object["excess"] = json!(certified.excess());
        object["random"] = json!(drawn);
        if let Some(object) = object.as_object_mut() {
            object.extend(admissible.keys(&certified));
            object.extend(solved.iter().flat_map(Solved::keys));
        }
        say(object)?;
    } else {
        let ends = table::interval(certified.distance().plain());
        say(format_args!("distance of {} rows to {} queries: {ends}  ({status})", rows.len(), geometry.query_len()))?;
        for line in admissible.lines(&certified) {
            say(format_args!("{line}"))?;
        }
        if let Some(best) = among {
            say(format_args!("{}: at least {}", admissible.every(), table::bound(best, true)))?;
        }
        if let Some(excess) = certified.excess() {
            say(format_args!("the subset is at most {} above the best possible", table::percent_up(excess)))?;
        }
        let upper = interval.upper.unwrap_or(f64::INFINITY);
        let beside = drawn.and_then(|drawn| verdict::beside_random(upper, certified.status(), &drawn));
        if let Some(beside) = beside {
            say(beside)?;
        }
        if let Some(solved) = &solved {
            say(solved.text())?;
        }
    }
    Ok(ExitCode::from(match status {
        Status::Interrupted => signals::INTERRUPTED,
        status => u8::from(!status.is_success() || !admissible.broken.is_empty()),
    }))
}

/// The input files, with what they and the choice must obey.
fn spec(arguments: &Arguments) -> Result<InputSpec, Failure> {
    let Arguments { input, tasks, constraints, .. } = arguments;
    let spec = input.files.with_tasks(&arguments.run)?.expanded()?;
    let (query_weights, rules) = (tasks.weighting(&spec.tasks)?, constraints.rules());
    let rules = RuleSpec { in_tokens: arguments.token_budget.is_some(), ..rules };
    let cache = arguments.cache.folder();
    Ok(InputSpec { query_weights, aggregate: tasks.aggregate(), rules, cache, ..spec })
}

/// The files that were asked for, hidden until all is known.
struct Outputs {
    certificate: Option<OutputFile>,
    plan: Option<OutputFile>,
    trace: Option<OutputFile>,
}

impl Outputs {
    fn create(arguments: &Arguments, spec: &InputSpec) -> Result<Self, Failure> {
        let Arguments { certificate, solver, subset, subset_weights, query_weights, .. } = arguments;
        let named = [("--certificate", certificate), ("--plan", &solver.plan), ("--trace", &solver.trace)];
        let named: Vec<_> = named.into_iter().filter_map(|(flag, path)| Some((flag, path.as_deref()?))).collect();
        let more = [subset, subset_weights, query_weights, &arguments.run.config];
        distinct(&named, spec.files().map(|(_, path)| path).chain(more.into_iter().flatten().map(PathBuf::as_path)))?;
        let extension = solver.plan.as_deref().and_then(Path::extension).unwrap_or_default();
        if ["npy", "npz", "json", "jsonl", "csv", "parquet"].iter().any(|other| extension.eq_ignore_ascii_case(other)) {
            let fault = format!("--plan writes a .safetensors file, not .{}: name it so", extension.to_string_lossy());
            return Err(Failure::Usage(fault));
        }
        let create =
            |path: &Option<PathBuf>| path.as_deref().map(|path| OutputFile::create(path, arguments.force)).transpose();
        Ok(Self { certificate: create(certificate)?, plan: create(&solver.plan)?, trace: create(&solver.trace)? })
    }
}

/// Random subsets of the `size` that `best` bounds, where they cost little.
fn drawn(
    arguments: &Arguments,
    inputs: &Inputs,
    problem: &Problem<'_>,
    (best, size): (&BestBound, usize),
    watch: &dyn Watch,
) -> Result<Option<RandomReference>, Failure> {
    let Request { seed, memory, .. } = inputs.within(&arguments.run.request());
    let (budgets, objective) = ([size], Objective::W);
    let draws = cheap_draws(inputs.pool_len(), inputs.queries().len(), size.min(inputs.pool_len()), memory);
    let of = Drawing { budgets: &budgets, draws, objective, seed, memory };
    Ok(references(problem, &of, |_| Some(best.lower()), watch)?.pop())
}

/// Does the stage that does not ask `watch` whether to stop.
fn unheard<T, E>(watch: &dyn Watch, work: impl FnOnce() -> Result<T, E>) -> Result<T, Failure>
where
    Failure: From<E>,
{
    watch.begin("transport", 0);
    Ok(signals::unheard(work).map_err(Error::from)??)
}

/// Bytes that a row takes beside its costs: its mass and potential, its arcs in the plan, and what is proved of it.
const OF_ROW: usize = 80;

/// Exact transport, straight to its interval.
fn linear(
    arguments: &Arguments,
    geometry: &Geometry<'_>,
    terms: &Terms,
    rows: &[usize],
    set: Option<&FeasibleSet>,
) -> Result<DistanceBound, Failure> {
    let needed = (rows.len() * (8 * geometry.query_len() + OF_ROW)) as u64;
    if let Some(allowed) = arguments.run.max_memory.filter(|&allowed| needed > allowed) {
        return Err(Failure::Resource(format!(
            "the costs of {} rows and their plan take {needed} bytes but --max-memory allows {allowed}",
            rows.len()
        )));
    }
    Ok(match set {
        None => certify::distance(geometry, terms, rows)?,
        Some(set) => certify::distance_among(geometry, terms, rows, set)?,
    })
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

/// Asks the chosen solver, writes its plan and trace, and proves what its solution says of the linear problem. Files
/// that are complete are added to the last of the `outputs`.
fn solve(
    arguments: &Arguments,
    geometry: &Geometry<'_>,
    terms: &Terms,
    rows: &[usize],
    outputs: (Option<OutputFile>, Option<OutputFile>, &mut Vec<OutputFile>),
    watch: &dyn Watch,
) -> Result<(DistanceBound, Solved), Failure> {
    let words = &arguments.solver;
    let entry = words.entry()?;
    let memory = arguments.run.max_memory.or_else(probe::available_memory).unwrap_or(u64::MAX);
    let effort = words.effort(memory)?;
    let solver = (entry.build)(&effort);
    let whole = TransportProblem { weights: terms.weights.clone(), ..TransportProblem::new(geometry, terms.power) };
    let rows = arguments.subset.is_some().then_some(rows);
    let problem = words.apply(TransportProblem { rows, ..whole });
    let work = |watch: &dyn Watch| -> Result<(Status, Solution, Option<f64>), Failure> {
        if words.divergence {
            let found = sinkhorn_divergence(&problem, solver.as_ref(), &effort, watch)?;
            return Ok((found.status, found.cross, Some(found.value)));
        }
        let solve = || solver.solve(&problem, None, watch);
        // Without entropy there are no iterations to stop between.
        let solution = if entry.entropic { solve()? } else { unheard(watch, solve)? };
        Ok((solution.status, solution, None))
    };
    let (plan_file, trace_file, complete) = outputs;
    let (status, solution, divergence) = match trace_file {
        None => work(watch)?,
        Some(file) => {
            let trace = Trace::new(file, watch);
            let found = work(&trace)?;
            complete.push(trace.finish()?);
            found
        }
    };
    let distance = certify::bracket(&problem, &solution, memory)?;
    let written = match plan_file {
        None => None,
        Some(mut file) => {
            let (n, m) = (problem.row_count(), geometry.query_len());
            let found = match distance.evidence().plan.as_ref().filter(|_| words.rounded) {
                Some(plan) => ThresholdedPlan { plan: compressed(plan, n, m), kept: 1.0, dropped: 0.0 },
                None => thresholded(&problem, &solution, words.threshold, memory)?,
            };
            let kind = if words.rounded { "rounded" } else { "solver" };
            let about = [("solver", entry.name.to_owned()), ("plan", kind.to_owned())];
            plan::write(&mut file, &found, &about).map_err(|error| file.failed(error))?;
            complete.push(file);
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

    fn text(&self) -> Text {
        let Solution { primal, dual, transport, residuals, iterations, .. } = &self.solution;
        let mut parts = Vec::new();
        for (name, number) in [("value", primal), ("dual value", dual), ("transport cost", transport)] {
            // A solver need not find a plan.
            if number.is_finite() {
                parts.push(format!("{name} {number:.9}"));
            }
        }
        parts.push(format!("{iterations} iterations, residual {:.1e}", residuals.largest()));
        let mut text = Text::default();
        text.push(format_args!("{}: {}", self.solver, parts.join(", ")));
        if let Some(divergence) = self.divergence {
            text.push(format_args!("Sinkhorn divergence {divergence:.9}"));
        }
        if let Some((entries, dropped)) = self.written {
            text.push(format_args!("plan: {entries} entries, mass {dropped:.1e} left out"));
        }
        text
    }
}
