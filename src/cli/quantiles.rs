//! `kantor quantiles`.

use std::path::PathBuf;
use std::process::ExitCode;

use kantor_theory::Interval;
use serde_json::{Value, json};

use super::progress::Progress;
use crate::output::ResultDirectory;
use crate::pipeline::{ALL, InputSpec, Inputs, Request};
use crate::quantiles;
use crate::record::columns::distance_name;
use crate::record::{Cut, Manifest};
use crate::statistics::spearman;

use super::args::{InputArguments, RunArguments, TermsArguments, check_methods};
use super::caching::CacheArguments;
use super::count::count;
use super::failure::Failure;
use super::output::{Place, placed, say, warn};
use super::settings::{SettingsArguments, tell_idle};
use super::signals;

/// Order the whole pool by a method, cut the order into bins, and write some rows of each with their distance
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    input: InputArguments,
    /// Method that makes the order; smaller budgets must be prefixes of larger ones
    #[arg(long, help_heading = "Selection", value_name = "NAME", default_value = "round-robin")]
    method: String,
    /// Bins of equal size; if that does not come out even, the first hold one row more
    #[arg(long, help_heading = "Selection", value_name = "B", default_value_t = 10, value_parser = count::<usize>)]
    bins: usize,
    /// Rows to take of each bin, the first in the order
    #[arg(long, help_heading = "Selection", value_name = "T", default_value_t = 500, value_parser = count::<usize>)]
    take: usize,
    /// Cut this bin once more, into as many, and take these; 0 is the first
    #[arg(long, help_heading = "Selection", value_name = "BIN", value_parser = count::<usize>)]
    focus_bin: Option<usize>,
    /// Directory of the results; must not exist yet, unless with --force
    #[arg(short, long, help_heading = "Selection", value_name = "DIR")]
    out: PathBuf,
    /// Replace an older result of kantor
    #[arg(long, help_heading = "Selection")]
    force: bool,
    #[command(flatten)]
    terms: TermsArguments,
    /// Seed of every random choice
    #[arg(long, help_heading = "Selection", default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    settings: SettingsArguments,
    #[command(flatten)]
    cache: CacheArguments,
    #[command(flatten)]
    run: RunArguments,
}

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    arguments.run.apply()?;
    check_methods([&arguments.method])?;
    if arguments.method == ALL {
        let fault = "--method all: the pool is ordered by one method: name it";
        return Err(Failure::Usage(fault.to_owned()));
    }
    let progress = Progress::new(arguments.run.detail(), signals::stop_flag());
    let spec = InputSpec { cache: arguments.cache.folder(), ..arguments.input.spec(&arguments.run)? };
    let goal = arguments.terms.judge.goal(arguments.input.cost);
    let request = Request {
        methods: vec![arguments.method.clone()],
        seed: arguments.seed,
        ..arguments.terms.request(arguments.settings.settings(), &arguments.run)
    };
    let inputs = Inputs::open_to_select(&spec, goal.cost, &progress)?;
    warn(&inputs, &arguments.run);
    tell_idle(&goal, &request, &arguments.run);
    let place = Place::new(&arguments.out);
    let staging = ResultDirectory::begin(&arguments.out, arguments.force, &arguments.run.read_files(&spec, &inputs))?;
    let cut = Cut { bins: arguments.bins, take: arguments.take, focus_bin: arguments.focus_bin };
    let manifest = quantiles::run(staging, &inputs, &goal, &request, cut, spec.on_bad_row, &progress)?;
    drop(progress);
    if arguments.run.json {
        say(as_json(&manifest, &arguments.out))?;
    } else {
        say(manifest.text())?;
        if !arguments.run.quiet {
            if let Some(rank) = correlation(&manifest) {
                let of = distance_name(manifest.parameters.objective);
                say(format_args!("rank correlation of bin and {of}: {rank:.2}"))?;
            }
            place.say_written(manifest.seconds)?;
        }
    }
    Ok(if manifest.status.is_success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Spearman's, of bins and the middles of their intervals.
fn correlation(manifest: &Manifest) -> Option<f64> {
    let middle = |interval: Interval| Some(f64::midpoint(interval.lower?, interval.upper?));
    let distances: Option<Vec<f64>> = manifest.results.iter().map(|bin| middle(bin.distance?)).collect();
    let bins: Vec<f64> = (0..manifest.results.len()).map(|bin| bin as f64).collect();
    spearman(&bins, &distances?)
}

fn as_json(manifest: &Manifest, out: &std::path::Path) -> Value {
    let results: Vec<Value> = manifest.results.iter().map(|bin| placed(bin, out)).collect();
    json!({
        "schema": "kantor/quantiles/1",
        "method": manifest.parameters.methods[0],
        "objective": manifest.parameters.objective.name(),
        "bins": manifest.cut.map(|cut| cut.bins),
        "take": manifest.cut.map(|cut| cut.take),
        "focus_bin": manifest.cut.and_then(|cut| cut.focus_bin),
        "results": results,
        "spearman": correlation(manifest),
    })
}
