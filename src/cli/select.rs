//! `kantor select`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::builder::TypedValueParser;
use kantor_theory::{Interval, Objective};
use serde_json::{Value, json};

use crate::report::manifest::Manifest;
use crate::report::progress::Progress;
use crate::report::staging::Staging;
use crate::report::table;
use crate::select::{Inputs, Request, Run, Target, select, write};

use super::args::{InputArguments, PowerArgument, RunArguments, SettingsArguments};
use super::failure::Failure;
use super::output::say;
use super::signals;

/// Choose k pool rows for the queries and write them out.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    input: InputArguments,
    /// Rows to choose; several budgets share the work
    #[arg(long, help_heading = "Selection", value_name = "K[,K…]", required = true, value_delimiter = ',')]
    budget: Vec<usize>,
    /// Selection methods: see `kantor methods`
    #[arg(
        long,
        help_heading = "Selection",
        value_name = "NAME[,NAME…]",
        default_value = "round-robin",
        value_delimiter = ','
    )]
    method: Vec<String>,
    /// Directory of the results; must not exist yet, unless with --force
    #[arg(short, long, help_heading = "Selection", value_name = "DIR")]
    out: PathBuf,
    /// Replace an older result of kantor
    #[arg(long, help_heading = "Selection")]
    force: bool,
    /// Leave out the certified distances; the status is then `uncertified`
    #[arg(long, help_heading = "Selection")]
    no_certify: bool,
    /// Evaluate the energy distance of every selection whatever it takes; without this, where it takes at most 2·10⁹
    /// multiplications or a quarter of those of the pass over the pool
    #[arg(long, help_heading = "Selection", conflicts_with = "no_certify")]
    energy: bool,
    /// Also split the queries into F folds, select by all folds but one, and measure on that one
    #[arg(long, help_heading = "Selection", value_name = "F")]
    cross_fit: Option<usize>,
    #[command(flatten)]
    power: PowerArgument,
    /// Distance whose value, bound for all subsets and certificate are written: w, energy or mmd (under --kernel)
    #[arg(long, help_heading = "Selection", value_name = "w|energy|mmd", default_value_t = Target::W, value_parser = target_parser())]
    objective: Target,
    /// Seed of every random choice
    #[arg(long, help_heading = "Selection", default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    settings: SettingsArguments,
    #[command(flatten)]
    run: RunArguments,
}

fn target_parser() -> impl TypedValueParser<Value = Target> {
    clap::builder::PossibleValuesParser::new(Target::ALL.map(Target::name)).try_map(|name| name.parse::<Target>())
}

pub(super) fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    let begun = Instant::now();
    arguments.run.apply()?;
    let progress = Progress::new(arguments.run.detail(), signals::stop_flag());
    let spec = arguments.input.spec();
    let request = Request {
        methods: without_repeats(arguments.method),
        budgets: without_repeats(arguments.budget),
        cost: arguments.input.cost,
        power: arguments.power.get(),
        objective: arguments.objective,
        certify: !arguments.no_certify,
        energy: arguments.energy,
        cross_fit: arguments.cross_fit,
        settings: arguments.settings.settings(),
        seed: arguments.seed,
        memory: arguments.run.max_memory.unwrap_or(Request::default().memory),
    };
    let inputs = Inputs::open_to_select(&spec, request.cost, &progress)?;
    if inputs.overlap() > 0 && !arguments.run.quiet {
        eprintln!(
            "kantor: warning: {} query rows are also in the pool; --forbid-overlap makes this an error",
            inputs.overlap()
        );
    }
    if !inputs.dropped().is_empty() && !arguments.run.quiet {
        eprintln!("kantor: warning: {} rows dropped, listed in the manifest", inputs.dropped().len());
    }
    let staging = Staging::begin(&arguments.out, arguments.force, &inputs.paths())?;
    let outcome = select(&inputs, &request, &progress)?;
    let run = Run { begun, on_bad_row: spec.on_bad_row };
    let manifest = write(staging, &inputs, &request, &outcome, run, &progress)?;
    drop(progress);
    for note in &manifest.notes {
        // What is left out shows in the table; why, to those who ask.
        if !arguments.run.quiet && (note.kind == "order" || arguments.run.verbose) {
            eprintln!("kantor: note: {}", note.text);
        }
    }
    if arguments.run.json {
        say(as_json(&manifest, &arguments.out))?;
    } else {
        say(as_table(&manifest))?;
        if !arguments.run.quiet {
            say(format_args!("written to {} in {:.1} s", arguments.out.display(), manifest.seconds))?;
        }
    }
    Ok(if manifest.status.is_success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The list without later repeats of an item.
fn without_repeats<T: PartialEq>(items: Vec<T>) -> Vec<T> {
    let mut kept = Vec::with_capacity(items.len());
    for item in items {
        if !kept.contains(&item) {
            kept.push(item);
        }
    }
    kept
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
                "dir": out.join(&result.dir),
                "distance": result.distance,
                "best": result.best,
                "excess": result.excess,
                "energy": result.energy,
                "chamfer": result.chamfer,
                "held_out": result.held_out,
                "status": result.status,
                "seconds": result.seconds + result.certify_seconds,
            })
        })
        .collect();
    json!({"schema": "kantor/select/1", "results": results, "notes": manifest.notes})
}

fn as_table(manifest: &Manifest) -> String {
    let folds = manifest.parameters.cross_fit.is_some();
    let distance = match manifest.parameters.objective {
        Objective::W => "distance",
        Objective::Energy => "energy distance",
        Objective::Mmd(_) => "discrepancy",
        Objective::Tsds { .. } => "regularised cost",
    };
    // Where the energy distance is the objective, it stands there already.
    let beside = manifest.parameters.objective != Objective::Energy;
    let mut header = vec!["method", "budget", distance, "above best possible"];
    header.extend(["energy"].into_iter().filter(|_| beside));
    header.push("chamfer Q→S");
    header.extend(["held-out"].into_iter().filter(|_| folds));
    header.extend(["held-out energy"].into_iter().filter(|_| folds && beside));
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
        cells.extend([result.status.to_string(), format!("{:.2} s", result.seconds + result.certify_seconds)]);
        cells
    });
    table::plain(&header, rows)
}
