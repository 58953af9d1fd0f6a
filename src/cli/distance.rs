//! `kantor distance`.

use std::path::PathBuf;
use std::process::ExitCode;

use kantor_theory::Weights;
use serde_json::json;

use crate::certify::{self, Certified, Terms};
use crate::data::list::{read_rows, read_weights};
use crate::report::progress::Progress;
use crate::select::Inputs;

use super::args::{InputArguments, PowerArgument, RunArguments};
use super::failure::Failure;
use super::metric::MetricArguments;
use super::output::say;
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
    run: RunArguments,
}

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    arguments.run.apply()?;
    let progress = Progress::new(arguments.run.detail(), signals::stop_flag());
    let transport = arguments.metric.is_transport()?;
    if !transport && arguments.certificate.is_some() {
        return Err(Failure::Usage("--certificate goes with --metric transport".to_owned()));
    }
    let (cost, power) = (arguments.input.cost, arguments.power.get());
    let inputs = Inputs::open(&arguments.input.spec(), cost, &progress)?;
    let geometry = inputs.geometry(cost)?;
    let rows = match &arguments.subset {
        Some(path) => inputs.kept_rows(&read_rows(path, inputs.original_pool_len())?, path)?,
        None => (0..geometry.pool_len()).collect(),
    };
    let weights = Weights {
        subset: arguments.subset_weights.as_deref().map(|path| read_weights(path, rows.len())).transpose()?,
        query: arguments.query_weights.as_deref().map(|path| read_weights(path, geometry.query_len())).transpose()?,
    };
    if !transport {
        let terms = Terms { power, weights, ..Terms::default() };
        return arguments.metric.run(&geometry, &terms, &rows, &progress, arguments.run.json);
    }
    let needed = 8 * (rows.len() * geometry.query_len()) as u64;
    if let Some(allowed) = arguments.run.max_memory.filter(|&allowed| needed > allowed) {
        return Err(Failure::Resource(format!(
            "the costs of {} rows take {needed} bytes but --max-memory allows {allowed}",
            rows.len()
        )));
    }
    let terms = Terms { power, weights, ..Terms::default() };
    let distance = certify::distance(&geometry, &terms, &rows)?;
    let interval = distance.interval();
    let certified = Certified { distance, best: None };
    let status = certified.status();
    if let Some(path) = &arguments.certificate {
        let facts = certify::facts(&inputs.records(&progress)?, inputs.dropped());
        let certificate = certified.certificate(&geometry, &terms, &facts, None)?;
        inputs.check_unchanged()?;
        crate::report::staging::replace_file(path, &certificate.to_json())?;
    }
    if arguments.run.json {
        let (lower, upper) = (interval.lower, interval.upper);
        say(json!({"schema": "kantor/distance/1", "lower": lower, "upper": upper, "status": status}))?;
    } else {
        let ends = crate::report::table::interval(interval);
        say(format_args!("distance of {} rows to {} queries: {ends}  ({status})", rows.len(), geometry.query_len()))?;
    }
    Ok(ExitCode::SUCCESS)
}
