//! `kantor select`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use serde_json::{Value, json};

use crate::report::manifest::Manifest;
use crate::report::progress::Progress;
use crate::report::staging::Staging;
use crate::report::table;
use crate::select::{CrossFit, Inputs, Request, Run, cross_fit, select, write};

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
    /// Also choose for all but one of F parts of the queries and measure on that part, for every part: how far the distance
    /// over-fits the queries it was minimised for. What is written is chosen for all queries
    #[arg(long, help_heading = "Selection", value_name = "F")]
    cross_fit: Option<usize>,
    #[command(flatten)]
    power: PowerArgument,
    /// Seed of every random choice
    #[arg(long, help_heading = "Selection", default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    settings: SettingsArguments,
    #[command(flatten)]
    run: RunArguments,
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
        certify: !arguments.no_certify,
        settings: arguments.settings.settings(),
        seed: arguments.seed,
        memory: arguments.run.max_memory.unwrap_or(Request::default().memory),
    };
    let inputs = Inputs::open(&spec, request.cost, &progress)?;
    if inputs.overlap() > 0 && !arguments.run.quiet {
        eprintln!(
            "kantor: warning: {} query rows are also in the pool; --forbid-overlap makes this an error",
            inputs.overlap()
        );
    }
    if !inputs.dropped().is_empty() && !arguments.run.quiet {
        eprintln!("kantor: warning: {} rows dropped, listed in the manifest", inputs.dropped().len());
    }
    let fitted = arguments.cross_fit.map(|folds| cross_fit(&inputs, &request, folds, &progress)).transpose()?;
    let staging = Staging::begin(&arguments.out, arguments.force, &inputs.paths())?;
    let outcome = select(&inputs, &request, &progress)?;
    let run = Run { begun, on_bad_row: spec.on_bad_row };
    let manifest = write(staging, &inputs, &request, &outcome, run, &progress)?;
    drop(progress);
    if arguments.run.json {
        say(as_json(&manifest, &arguments.out, fitted.as_deref()))?;
    } else {
        say(as_table(&manifest))?;
        if let Some(fitted) = &fitted {
            say(folds_table(fitted))?;
        }
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

fn as_json(manifest: &Manifest, out: &std::path::Path, fitted: Option<&[CrossFit]>) -> Value {
    let results: Vec<Value> = manifest
        .results
        .iter()
        .map(|result| {
            json!({
                "method": result.method,
                "budget": result.budget,
                "dir": out.join(&result.dir),
                "distance": result.distance,
                "best": result.best,
                "excess": result.excess,
                "status": result.status,
                "seconds": result.seconds + result.certify_seconds,
            })
        })
        .collect();
    let mut printed = json!({"schema": "kantor/select/1", "results": results});
    if let Some(fitted) = fitted {
        printed["cross_fit"] = json!(fitted);
    }
    printed
}

fn folds_table(fitted: &[CrossFit]) -> String {
    let energy = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |x| format!("{x:.4}"));
    let rows = fitted.iter().map(|fit| {
        vec![
            fit.method.clone(),
            fit.budget.to_string(),
            format!("{:.4}", fit.seen),
            format!("{:.4}", fit.unseen),
            format!("{:+.4}", fit.over_fitting),
            energy(fit.energy_seen),
            energy(fit.energy_unseen),
        ]
    });
    let header = ["cross-fit", "budget", "seen", "unseen", "over-fitting", "energy seen", "energy unseen"];
    table::plain(&header, rows)
}

fn as_table(manifest: &Manifest) -> String {
    let rows = manifest.results.iter().map(|result| {
        vec![
            result.method.clone(),
            result.budget.to_string(),
            result.distance.map_or_else(|| "–".to_owned(), table::interval),
            result.excess.map_or_else(|| "–".to_owned(), |excess| format!("≤ {}", table::percent_up(excess))),
            result.status.to_string(),
            format!("{:.2} s", result.seconds + result.certify_seconds),
        ]
    });
    table::plain(&["method", "budget", "distance", "above best possible", "status", "time"], rows)
}
