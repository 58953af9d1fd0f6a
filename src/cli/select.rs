//! `kantor select`.

use std::process::ExitCode;
use std::time::Instant;

use kantor_solvers::registry::all_selectors;
use serde_json::{Value, json};

use super::progress::Progress;
use crate::output::{MANIFEST, ResultDirectory};
use crate::pipeline::{ALL, InputSpec, Inputs, Law, OVERFIT, Request, cheap_draws, select};
use crate::record::{Manifest, Run, SelectionRecord, write_copied};
use crate::view::remarks::by_kind;
use crate::view::table;
use crate::view::terminal::tell;

use super::args::{CertifyArguments, InputArguments, RunArguments, check_methods, name};
use super::caching::CacheArguments;
use super::choice::SelectionArguments;
use super::copies::CopyArguments;
use super::failure::Failure;
use super::output::{Place, placed, say, tell_by_kind, warn};
use super::settings::tell_idle;
use super::signals;

/// Choose k pool rows for the queries and write them out.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    input: InputArguments,
    /// Selection methods, or `all` of `kantor methods` that take these inputs
    #[arg(
        long,
        help_heading = "Selection",
        value_name = "NAME[,NAME…]",
        default_value = "round-robin",
        value_delimiter = ',',
        value_parser = name
    )]
    method: Vec<String>,
    #[command(flatten)]
    selection: SelectionArguments,
    #[command(flatten)]
    certify: CertifyArguments,
    #[command(flatten)]
    copies: CopyArguments,
    #[command(flatten)]
    cache: CacheArguments,
    #[command(flatten)]
    run: RunArguments,
}

pub(super) fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    let begun = Instant::now();
    arguments.run.apply()?;
    check_methods(&arguments.method)?;
    let takes_all = arguments.method.iter().any(|name| name == ALL);
    let progress = Progress::new(arguments.run.detail(), signals::stop_flag());
    let (selection, cost) = (arguments.selection, arguments.input.cost);
    let spec = selection.spec(&arguments.input.files, &arguments.run)?;
    let spec = InputSpec { cache: arguments.cache.folder(), ..spec };
    let inputs = Inputs::open_to_select(&spec, cost, &progress)?;
    let goal = selection.choice.goal(cost);
    let request = Request {
        certify: !arguments.certify.no_certify,
        energy: arguments.certify.energy,
        balance: selection.choice.balance(&inputs)?,
        ..selection.request(arguments.method, &arguments.run)
    };
    let largest = goal.budgets.iter().map(|&budget| inputs.rules().rows_about(budget)).max().unwrap_or(0);
    let memory = request.memory.saturating_sub(inputs.taken());
    let random = cheap_draws(inputs.pool_len(), inputs.queries().len(), largest, memory);
    let request = Request { random, ..request };
    let copies = arguments.copies.copies();
    copies.check(&inputs)?;
    warn(&inputs, &arguments.run);
    tell_idle(&goal, &request, &arguments.run);
    let place = Place::new(&selection.out);
    let staging = ResultDirectory::begin(&selection.out, selection.force, &arguments.run.read_files(&spec, &inputs))?;
    let outcome = select(&inputs, &goal, &request, &progress)?;
    let run = Run { begun, on_bad_row: spec.on_bad_row };
    let manifest = write_copied(staging, &inputs, &outcome, run, &copies, &progress)?;
    drop(progress);
    let chosen_by = &outcome.request.methods;
    let left_out: Vec<&str> =
        all_selectors().map(|entry| entry.name).filter(|name| !chosen_by.iter().any(|chosen| chosen == name)).collect();
    if takes_all && !left_out.is_empty() && !arguments.run.quiet {
        tell(format_args!("kantor: note: {} do not take such inputs", left_out.join(", ")));
    }
    let mut kinds = by_kind(&manifest.notes);
    // What is left out shows in the table; why, to those who ask.
    kinds.retain(|kind| kind.name != "energy-left-out" || arguments.run.verbose);
    // That is said below the table.
    kinds.retain(|kind| kind.name != OVERFIT || arguments.run.json);
    tell_by_kind("kantor: note:", &kinds, &selection.out.join(MANIFEST), &arguments.run);
    if arguments.run.json {
        say(as_json(&manifest, &selection.out))?;
    } else {
        say(manifest.text())?;
        let laws: Vec<_> = manifest.results.iter().filter_map(|r| Some((r, r.held_out?.law?))).collect();
        if let Some((_, law)) = laws.first() {
            let (likely, metric) = (1.0 - law.delta, law.metric.name());
            say("")?;
            say(format_args!(
                "if queries are independent draws: W₁ ({metric}) of every fold to their law, w.p. ≥ {likely} (T10)"
            ))?;
            let up = |law: &Law| format!("≤ {}", table::bound(law.distance, false));
            let rows = laws.iter().map(|(result, law)| vec![result.method.clone(), result.budget.to_string(), up(law)]);
            say(table::wrapped(rows))?;
        }
        if !arguments.run.quiet {
            place.say_written(manifest.seconds)?;
        }
    }
    Ok(if manifest.status.is_success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn as_json(manifest: &Manifest, out: &std::path::Path) -> Value {
    let result = |result: &SelectionRecord| {
        let mut object = placed(result, out);
        object["objective"] = json!(manifest.parameters.objective.name());
        object["seconds"] = json!(result.total_seconds());
        object
    };
    let results: Vec<Value> = manifest.results.iter().map(result).collect();
    json!({"schema": "kantor/select/1", "results": results, "random": manifest.random, "unseen": manifest.unseen, "groups": manifest.groups, "notes": manifest.notes})
}
