//! `kantor select`.

use std::process::ExitCode;
use std::time::Instant;

use kantor_theory::{Interval, Objective};
use serde_json::{Value, json};

use super::progress::Progress;
use crate::data::name::readable;
use crate::output::ResultDirectory;
use crate::report::escape::Text;
use crate::report::manifest::Manifest;
use crate::report::table;
use crate::report::terminal::tell;
use crate::select::{Inputs, Law, Request, Run, select, write};

use super::args::{CertifyArguments, InputArguments, RunArguments, SelectionArguments, check_methods, name};
use super::failure::Failure;
use super::output::{Place, say, warn};
use super::settings::tell_idle;
use super::signals;

/// Choose k pool rows for the queries and write them out.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    input: InputArguments,
    /// Selection methods: see `kantor methods`
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
    run: RunArguments,
}

pub(super) fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    let begun = Instant::now();
    arguments.run.apply()?;
    check_methods(&arguments.method)?;
    let progress = Progress::new(arguments.run.detail(), signals::stop_flag());
    let (selection, cost) = (arguments.selection, arguments.input.cost);
    let spec = selection.spec(&arguments.input.files, &arguments.run);
    let inputs = Inputs::open_to_select(&spec, cost, &progress)?;
    let request = Request {
        certify: !arguments.certify.no_certify,
        energy: arguments.certify.energy,
        balance: selection.balance(&inputs),
        ..selection.request(arguments.method, cost, &arguments.run)
    };
    warn(&inputs, &arguments.run);
    tell_idle(&request, &arguments.run);
    let place = Place::new(&selection.out);
    let staging = ResultDirectory::begin(&selection.out, selection.force, &inputs.paths())?;
    let outcome = select(&inputs, &request, &progress)?;
    let run = Run { begun, on_bad_row: spec.on_bad_row };
    let manifest = write(staging, &inputs, &request, &outcome, run, &progress)?;
    drop(progress);
    for note in &manifest.notes {
        // What is left out shows in the table; why, to those who ask.
        if !arguments.run.quiet && (note.kind != "energy-left-out" || arguments.run.verbose) {
            tell(format_args!("kantor: note: {}", note.text));
        }
    }
    if arguments.run.json {
        say(as_json(&manifest, &selection.out))?;
    } else {
        say(as_table(&manifest))?;
        let laws: Vec<_> = manifest.results.iter().filter_map(|r| Some((r, r.held_out?.law?))).collect();
        if let Some((_, law)) = laws.first() {
            let (likely, metric) = (1.0 - law.delta, law.metric);
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
    let results: Vec<Value> = manifest
        .results
        .iter()
        .map(|result| {
            json!({
                "method": result.method,
                "budget": result.budget,
                "objective": manifest.parameters.objective.name(),
                "dir": result.dir.as_ref().map(|dir| readable(&out.join(dir)).into_owned()),
                "distance": result.distance,
                "best": result.best,
                "excess": result.excess,
                "energy": result.energy,
                "chamfer": result.chamfer,
                "held_out": result.held_out,
                "groups": result.groups,
                "status": result.status,
                "seconds": result.seconds + result.certify_seconds,
            })
        })
        .collect();
    json!({"schema": "kantor/select/1", "results": results, "groups": manifest.groups, "notes": manifest.notes})
}

fn as_table(manifest: &Manifest) -> Text {
    let folds = manifest.parameters.cross_fit.is_some();
    let distance = table::distance_name(manifest.parameters.objective);
    // Where the energy distance is the objective, it stands there already.
    let beside = manifest.parameters.objective != Objective::Energy;
    let mut header = vec!["method", "budget", distance, "above best possible"];
    header.extend(["energy"].into_iter().filter(|_| beside));
    header.push("chamfer Q→S");
    header.extend(["held-out"].into_iter().filter(|_| folds));
    header.extend(["held-out energy"].into_iter().filter(|_| folds && beside));
    let groups = &manifest.groups;
    header.extend(["worst group"].into_iter().filter(|_| !groups.is_empty()));
    header.extend(["status", "time"]);
    let none = || "–".to_owned();
    let value = |interval: Option<Interval>| interval.map_or_else(none, table::value);
    let rows = manifest.results.iter().map(|result| {
        let mut cells = vec![
            result.method.clone(),
            result.budget.to_string(),
            result.distance.map_or_else(none, table::interval),
            result.excess.map_or_else(none, |excess| format!("≤ {}", table::percent_up(excess))),
        ];
        cells.extend(beside.then(|| value(result.energy)));
        cells.push(value(result.chamfer));
        if let Some(held_out) = result.held_out {
            cells.push(value(Some(held_out.held_out.distance)));
            cells.extend(beside.then(|| value(held_out.held_out.energy)));
        }
        cells.extend(table::worst_group(groups, &result.groups));
        cells.extend([result.status.to_string(), format!("{:.2} s", result.seconds + result.certify_seconds)]);
        cells
    });
    table::plain(&header, rows)
}
