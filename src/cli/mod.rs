//! The command line: words in, a typed request to the library, words and an exit code out.

mod args;
mod batch;
mod bound;
mod compare;
mod config;
mod distance;
mod failure;
mod inspect;
mod job_file;
mod metric;
mod output;
mod problem;
mod quantiles;
mod registries;
mod select;
mod signals;
mod study;
mod verify;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::data::outlive_cuts;

use failure::Failure;

/// Selects training data by optimal transport and proves how good the selection is.
#[derive(Debug, Parser)]
#[command(name = "kantor", version, propagate_version = true, args_override_self = false)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Choose k pool rows for the queries and write them out
    Select(select::Arguments),
    /// Compare methods, budgets, costs and solvers on one pool and query set
    Compare(Box<compare::Arguments>),
    /// Certified transport distance between a subset of the pool and the queries
    Distance(distance::Arguments),
    /// What the distance of a subset implies for losses: every bound with its assumptions, and when it says nothing
    Bound(Box<bound::Arguments>),
    /// Check a certificate against the files that it speaks of
    Verify(verify::Arguments),
    /// Say what is in a file of rows, and what selecting from it would cost
    Inspect(inspect::Arguments),
    /// Do the jobs of a file: tasks × methods × budgets × seeds, each exactly once, however often it is interrupted
    Batch(batch::Arguments),
    /// Order the whole pool by a method, cut the order into bins, and write some rows of each with their distance
    Quantiles(quantiles::Arguments),
    /// Say whether distance predicts the outcome of training, in published tables or in your own results
    Study(study::Arguments),
    /// List the selection methods and their defaults
    Methods(registries::MethodArguments),
    /// List the transport solvers and the problems that they solve
    Solvers(registries::Arguments),
    /// List the costs
    Costs(registries::Arguments),
}

/// Runs the command line `words` (program name first).
///
/// Exit codes: 0 done, 1 tolerance not met or rejected, 2 usage, 3 bad input, 4 input/output failure,
/// 5 resource limit, 130 interrupted.
pub fn run(words: impl IntoIterator<Item = OsString>) -> ExitCode {
    if let Err(error) = outlive_cuts() {
        eprintln!("kantor: if an input is cut while it is read, that ends the program ({error})");
    }
    let outcome = config::expand(words.into_iter().collect()).and_then(|words| match Cli::try_parse_from(words) {
        Ok(cli) => execute(cli.command),
        Err(message) => {
            // Help and version are messages too, and go to standard output with code 0.
            let code = if message.use_stderr() { failure::USAGE } else { 0 };
            let _ = message.print();
            Ok(ExitCode::from(code))
        }
    });
    outcome.unwrap_or_else(|failure| {
        eprintln!("kantor: {failure}");
        ExitCode::from(failure.exit_code())
    })
}

fn execute(command: Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Select(arguments) => select::run(arguments),
        Command::Compare(arguments) => compare::run(*arguments),
        Command::Distance(arguments) => distance::run(&arguments),
        Command::Bound(arguments) => bound::run(&arguments),
        Command::Verify(arguments) => verify::run(&arguments),
        Command::Inspect(arguments) => inspect::run(&arguments),
        Command::Batch(arguments) => batch::run(&arguments),
        Command::Quantiles(arguments) => quantiles::run(&arguments),
        Command::Study(arguments) => study::run(&arguments),
        Command::Methods(arguments) => registries::methods(&arguments),
        Command::Solvers(arguments) => registries::solvers(&arguments),
        Command::Costs(arguments) => registries::costs(&arguments),
    }
}
