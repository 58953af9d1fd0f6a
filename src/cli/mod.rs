//! The command line: words in, a typed request to the library, words and an exit code out.

mod admissible;
mod args;
mod batch;
mod best;
mod bound;
mod caching;
mod choice;
mod columns;
mod compare;
mod config;
mod constraints;
mod copies;
mod count;
mod curve;
mod distance;
mod embed;
mod example;
mod failure;
mod help;
mod inspect;
mod job_file;
mod limits;
mod metric;
mod output;
mod parse_error;
mod prices;
mod problem;
mod progress;
mod quantiles;
mod quantities;
mod queries;
mod registries;
mod represent;
mod select;
mod settings;
mod shell;
mod signals;
mod study;
mod threads;
mod verify;
mod warmup;

use std::backtrace::{Backtrace, BacktraceStatus};
use std::ffi::OsString;
use std::io::ErrorKind;
use std::panic::{self, PanicHookInfo};
use std::path::Path;
use std::process::ExitCode;

use clap::{Arg, CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::batch::panic_message;
use crate::pipeline::unless_explained;
use crate::source::outlive_cuts;
use crate::view::escape::Text;
use crate::view::terminal::tell;

use config::Expanded;
use failure::Failure;

/// Selects training data by optimal transport and proves how good the selection is.
#[derive(Debug, Parser)]
#[command(name = "kantor", bin_name = "kantor", version, propagate_version = true, args_override_self = false)]
#[command(after_help = EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Choose k pool rows for the queries and write them out
    Select(Box<select::Arguments>),
    /// Compare methods, budgets, costs and solvers on one pool and query set
    Compare(Box<compare::Arguments>),
    /// Certified transport distance between a subset of the pool and the queries
    Distance(Box<distance::Arguments>),
    /// What the distance of a subset implies for losses: every bound with its assumptions, and when it says nothing
    Bound(Box<bound::Arguments>),
    /// Check a certificate against the files that it speaks of
    Verify(verify::Arguments),
    /// Say what limits, queries and new rows are worth, by the proofs of a result
    Prices(prices::Arguments),
    /// Say what is in a file of rows, and what selecting from it would cost
    Inspect(Box<inspect::Arguments>),
    /// Make rows of text by a sentence encoder or a language model
    Embed(Box<embed::Arguments>),
    /// Train an adapter beside a language model on a part of a pool: the checkpoints of `kantor embed --less`
    Warmup(Box<warmup::Arguments>),
    /// Do the jobs of a file: tasks × methods × budgets × seeds, each exactly once, however often it is interrupted
    Batch(Box<batch::Arguments>),
    /// Order the whole pool by a method, cut the order into bins, and write some rows of each with their distance
    Quantiles(Box<quantiles::Arguments>),
    /// Say whether distance predicts the outcome of training, in published tables or in your own results; or what more queries, or a
    /// larger pool, would be worth
    Study(Box<study::Arguments>),
    /// List the selection methods and their defaults
    Methods(registries::MethodArguments),
    /// List the transport solvers and the problems that they solve
    Solvers(registries::Arguments),
    /// List the costs
    Costs(registries::Arguments),
    /// Print a file for --config
    Config(example::Arguments),
    /// Print a script that completes commands and flags in a shell
    Completions(shell::CompletionArguments),
    /// Print the manual page, or write those of all commands
    Man(shell::ManArguments),
}

/// What `--help` says at its end.
const EXIT_CODES: &str = "Exit codes: 0 done, 1 tolerance not met or rejected, 2 usage, 3 bad input, 4 input/output \
                          failure, 5 resource limit, 130 interrupted.";

/// Runs the command line `words` (program name first).
///
/// Exit codes: 0 done, 1 tolerance not met or rejected, 2 usage, 3 bad input, 4 input/output failure,
/// 5 resource limit, 130 interrupted.
pub fn run(words: impl IntoIterator<Item = OsString>) -> ExitCode {
    panic::set_hook(Box::new(tell_of_defect));
    limits::fail_at_the_size_limit();
    limits::keep_own_access();
    if let Err(error) = outlive_cuts() {
        tell(format_args!("kantor: if an input is cut while it is read, that ends the program ({error})"));
    }
    limits::check_open_files(0).and_then(|()| parse(words.into_iter().collect())).unwrap_or_else(|failure| {
        signals::yield_to_the_end();
        tell(format_args!("kantor: {}", failure.message()));
        ExitCode::from(failure.exit_code())
    })
}

/// Reads a job file of `kantor batch` and does nothing of what it says.
///
/// # Errors
/// Says what is wrong with it.
pub fn check_job_file(path: &Path) -> Result<(), String> {
    let run = RunOnly::try_parse_from(["kantor"]).map_err(|error| error.to_string())?.run;
    job_file::read(path, None, &run).map(drop).map_err(|failure| failure.to_string())
}

/// How to work, by the defaults.
#[derive(Debug, Parser)]
struct RunOnly {
    #[command(flatten)]
    run: args::RunArguments,
}

/// The command line; a negative number after a flag is its value, to be refused as such.
fn program() -> clap::Command {
    let values = |flag: Arg| {
        let takes_values = flag.get_action().takes_values() && !flag.is_positional();
        if takes_values { flag.allow_negative_numbers(true) } else { flag }
    };
    help::arranged(Cli::command().mut_subcommands(|command| command.mut_args(values)))
}

fn parse(words: Vec<OsString>) -> Result<ExitCode, Failure> {
    let mut program = program();
    let Expanded { words, config } = config::expand(words, &program)?;
    let cli = program.try_get_matches_from_mut(words).and_then(|found| Cli::from_arg_matches(&found));
    match cli.map_err(|error| error.format(&mut program)) {
        Ok(cli) => execute(cli.command),
        // Help and version: nothing in them was typed.
        Err(message) if !message.use_stderr() => match message.print() {
            Err(error) if error.kind() != ErrorKind::BrokenPipe => {
                Err(Failure::io(Path::new("standard output"), &error))
            }
            _ => Ok(ExitCode::SUCCESS),
        },
        Err(message) => {
            let place = parse_error::flag(&message).and_then(|flag| config.as_ref()?.place_of(flag));
            tell(parse_error::text(message));
            if let Some(place) = place {
                tell(place);
            }
            Ok(ExitCode::from(failure::USAGE))
        }
    }
}

/// The message of a panic may repeat what was read, too.
fn tell_of_defect(panic: &PanicHookInfo<'_>) {
    // What is caught is told by whoever catches it.
    if crate::source::is_guarded() {
        return;
    }
    let text = panic_message(panic.payload());
    let place = panic.location().map_or_else(String::new, |place| format!(" at {place}"));
    let message = format!("kantor: this is a defect, please report it: panic{place}: {text}");
    let trace = Backtrace::capture();
    let trace = (trace.status() == BacktraceStatus::Captured).then(|| trace.to_string().lines().collect::<Text>());
    unless_explained(move || {
        tell(message);
        if let Some(trace) = trace {
            tell(trace);
        }
    });
}

fn execute(command: Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Select(arguments) => select::run(*arguments),
        Command::Compare(arguments) => compare::run(*arguments),
        Command::Distance(arguments) => distance::run(&arguments),
        Command::Bound(arguments) => bound::run(&arguments),
        Command::Verify(arguments) => verify::run(&arguments),
        Command::Prices(arguments) => prices::run(&arguments),
        Command::Embed(arguments) => embed::run(&arguments),
        Command::Warmup(arguments) => warmup::run(&arguments),
        Command::Inspect(arguments) => inspect::run(&arguments),
        Command::Batch(arguments) => batch::run(&arguments),
        Command::Quantiles(arguments) => quantiles::run(&arguments),
        Command::Study(arguments) => study::run(&arguments),
        Command::Methods(arguments) => registries::methods(&arguments),
        Command::Solvers(arguments) => registries::solvers(&arguments),
        Command::Costs(arguments) => registries::costs(&arguments),
        Command::Config(arguments) => example::run(&arguments, &program()),
        Command::Completions(arguments) => shell::completions(&arguments, program()),
        Command::Man(arguments) => shell::man(&arguments, program()),
    }
}
