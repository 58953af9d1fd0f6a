//! `kantor compare`.

use std::process::ExitCode;
use std::time::Instant;

use clap::builder::PossibleValuesParser;
use kantor_solvers::SolverSettings;
use kantor_solvers::registry::{self, SOLVERS};
use kantor_theory::cost::Family;
use kantor_theory::{Cost, Status};
use serde_json::json;

use super::progress::Progress;
use crate::compare::{CompareRequest, REPORT, Solvers, compare, write};
use crate::output::ResultDirectory;
use crate::pipeline::{ALL, Aggregate, InputSpec, Inputs, OVERFIT, Request};
use crate::record::{Comparison, Copies};
use crate::source::name::readable;
use crate::view::page;
use crate::view::remarks::by_kind;
use crate::view::terminal::tell;

use super::args::{FileArguments, RunArguments, check_methods, cost_parser, name, without_repeats};
use super::caching::CacheArguments;
use super::choice::SelectionArguments;
use super::copies::CopyArguments;
use super::count::{count, repeats};
use super::failure::Failure;
use super::output::{Place, doubt, say, tell_by_kind};
use super::settings::{ENTROPY, tell_idle, tell_idle_of_solvers};
use super::signals;

/// Compare methods, budgets, costs and solvers on one pool and query set.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    input: FileArguments,
    /// Pairwise costs: see `kantor costs`
    #[arg(long, help_heading = "Input", value_name = "COST[,COST…]", default_value = "cosine", value_delimiter = ',', value_parser = cost_parser())]
    cost: Vec<Cost>,
    /// Selection methods, or `all` of `kantor methods`
    #[arg(long, help_heading = "Selection", value_name = "NAME[,NAME…]", default_value = ALL, value_delimiter = ',', value_parser = name)]
    method: Vec<String>,
    #[command(flatten)]
    selection: SelectionArguments,
    /// Random subsets of every budget that selections are compared with; 0 for none
    #[arg(long, help_heading = "Selection", value_name = "R", default_value_t = 20, value_parser = repeats)]
    random_seeds: usize,
    /// Leave out energy distances that take more than 2·10⁹ multiplications and a quarter of those of the pass over the
    /// pool
    #[arg(long, help_heading = "Selection")]
    no_energy: bool,
    /// Also write what `select` writes of every selection
    #[arg(long, help_heading = "Selection")]
    write_selections: bool,
    #[command(flatten)]
    copies: CopyArguments,
    #[command(flatten)]
    solvers: SolverArguments,
    #[command(flatten)]
    cache: CacheArguments,
    #[command(flatten)]
    run: RunArguments,
}

/// ε of the solvers with entropy, in units of the cost.
const DEFAULT_EPSILON: f64 = 0.01;

/// Solvers to compare on every selection.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Solvers")]
struct SolverArguments {
    /// Transport solvers to run on every selection: see `kantor solvers`
    #[arg(long, value_name = "NAME[,NAME…]", value_delimiter = ',',
          value_parser = PossibleValuesParser::new(SOLVERS.iter().map(|entry| entry.name)))]
    solver: Vec<String>,
    /// Values of ε for the solvers with entropy, in units of the cost
    #[arg(long, value_name = "E[,E…]", value_delimiter = ',', default_values_t = [DEFAULT_EPSILON], requires = "solver", value_parser = epsilon)]
    solver_epsilon: Vec<f64>,
    /// Largest residual, or relative gap, at which a solver stops
    #[arg(long, value_name = "X", default_value_t = SolverSettings::default().tolerance, requires = "solver")]
    solver_tolerance: f64,
    /// Iterations of a solver at most
    #[arg(long, value_name = "COUNT", default_value_t = SolverSettings::default().iterations, requires = "solver", value_parser = count::<u64>)]
    solver_iterations: u64,
}

fn epsilon(text: &str) -> Result<f64, String> {
    let wrong = || "give a positive number".to_owned();
    let value: f64 = text.parse().map_err(|_| wrong())?;
    if value > 0.0 && value.is_finite() { Ok(value) } else { Err(wrong()) }
}

impl SolverArguments {
    fn solvers(&self, seed: u64, memory: u64) -> Result<Option<Solvers>, Failure> {
        if self.solver.is_empty() {
            return Ok(None);
        }
        if !(self.solver_tolerance > 0.0 && self.solver_tolerance.is_finite()) {
            let fault = format!("--solver-tolerance {}: it must be positive and finite", self.solver_tolerance);
            return Err(Failure::Usage(fault));
        }
        let names = without_repeats(self.solver.clone());
        let entries = names.iter().filter_map(|name| registry::solver(name)).collect();
        let (tolerance, iterations) = (self.solver_tolerance, self.solver_iterations);
        let effort = SolverSettings { tolerance, iterations, seed, memory, ..SolverSettings::default() };
        Ok(Some(Solvers { entries, epsilons: without_repeats(self.solver_epsilon.clone()), effort }))
    }
}

pub(super) fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    let begun = Instant::now();
    arguments.run.apply()?;
    check_methods(&arguments.method)?;
    let progress = Progress::new(arguments.run.detail(), signals::stop_flag());
    let selection = &arguments.selection;
    let spec = selection.spec(&arguments.input, &arguments.run)?;
    let spec = InputSpec { cache: arguments.cache.folder(), ..spec };
    if !arguments.solvers.solver.is_empty() && spec.aggregate == Aggregate::Worst {
        let fault = "--solver solves the transport to all queries together, not to the worst of several tasks: leave out one of it \
                     and --aggregate worst";
        return Err(Failure::Usage(fault.to_owned()));
    }
    let costs = without_repeats(arguments.cost);
    // Costs of directions ask more of rows than the others.
    let strictest = costs.iter().copied().find(|cost| cost.family() == Family::Angle).unwrap_or(costs[0]);
    let inputs = Inputs::open(&spec, strictest, &progress)?;
    doubt(&inputs, &arguments.run);
    let copies = Copies { card: None, ..arguments.copies.copies() };
    if arguments.write_selections {
        copies.check(&inputs)?;
    } else if !copies.are_default() {
        let fault = "--format and --with-ranks say how --write-selections writes records: add it";
        return Err(Failure::Usage(fault.to_owned()));
    }
    let place = Place::new(&selection.out);
    let staging = ResultDirectory::begin(&selection.out, selection.force, &arguments.run.read_files(&spec, &inputs))?;
    let goal = selection.choice.goal(strictest);
    let selecting = Request {
        energy: !arguments.no_energy,
        balance: selection.choice.balance(&inputs)?,
        ..selection.request(arguments.method, &arguments.run)
    };
    tell_idle(&goal, &selecting, &arguments.run);
    let solvers = arguments.solvers.solvers(selecting.seed, selecting.memory)?;
    if let Some(solvers) = &solvers {
        let default = SolverSettings::default();
        let changed = [
            ("solver-epsilon", ENTROPY, solvers.epsilons != [DEFAULT_EPSILON]),
            ("solver-tolerance", "tolerance", solvers.effort.tolerance != default.tolerance),
            ("solver-iterations", "iterations", solvers.effort.iterations != default.iterations),
        ];
        tell_idle_of_solvers(&solvers.entries, &changed, &arguments.run);
    }
    let request = CompareRequest {
        goal,
        solvers,
        selecting,
        costs,
        random_seeds: arguments.random_seeds,
        write_selections: arguments.write_selections.then_some(copies),
        on_bad_row: spec.on_bad_row,
        command: std::env::args_os().map(|word| readable(&word).into_owned()).collect(),
        begun,
    };
    let compared = compare(&inputs, &request, &progress)?;
    let comparison = &compared.comparison;
    write(staging, &inputs, &request, &compared, &page::comparison(comparison)?, &progress)?;
    drop(progress);
    let mut kinds = by_kind(&comparison.warnings);
    // Said below the table.
    kinds.retain(|kind| kind.name != OVERFIT || arguments.run.json);
    tell_by_kind("kantor:", &kinds, &selection.out.join(REPORT), &arguments.run);
    if arguments.run.json {
        say(json!(comparison))?;
    } else {
        say(comparison.text())?;
        if !arguments.run.quiet {
            place.say_written(begun.elapsed().as_secs_f64())?;
        }
    }
    let unmet = unmet(comparison);
    for line in &unmet {
        tell(format_args!("kantor: the tolerance was not met: {line}"));
    }
    Ok(if unmet.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The methods and solvers that did not meet their tolerance, with budget and status.
fn unmet(comparison: &Comparison) -> Vec<String> {
    let line = |name: &str, budget: usize, status: Status| format!("{name}, budget {budget}: {status}");
    let failed = |status: &Status| !status.is_success();
    let methods = comparison.results.iter().filter(|row| failed(&row.status));
    let solvers = comparison.solvers.iter().filter(|row| failed(&row.status));
    let methods = methods.map(|row| line(&row.method, row.budget, row.status));
    methods
        .chain(solvers.map(|row| line(&format!("{} on {}", row.solver, row.method), row.budget, row.status)))
        .collect()
}
