//! `kantor verify`.

use std::path::PathBuf;
use std::process::ExitCode;

use kantor_theory::{Certificate, Objective, Verdict, in_turn, verify};
use serde_json::json;

use crate::certify;
use crate::data::whole::{self, Whole};
use crate::data::{DataError, OnBadRow};
use crate::report::progress::{Detail, Progress};
use crate::report::table;
use crate::select::{Error, InputSpec, Inputs};

use super::failure::Failure;
use super::output::say;
use super::signals;

/// Check a certificate against the files that it speaks of.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The certificate
    #[arg(value_name = "CERT")]
    certificate: PathBuf,
    /// Pool rows, as they were given when the certificate was made
    #[arg(long, value_name = "FILE", required_unless_present = "similarity")]
    pool: Vec<PathBuf>,
    /// Query rows
    #[arg(long, value_name = "FILE", required_unless_present = "similarity")]
    query: Option<PathBuf>,
    /// The matrix, if the certificate was made from one
    #[arg(long, value_name = "FILE", conflicts_with_all = ["pool", "query"])]
    similarity: Option<PathBuf>,
    /// Name of the tensor, where a file holds several
    #[arg(long, value_name = "NAME")]
    tensor: Option<String>,
    /// Read integers as numbers
    #[arg(long)]
    cast: bool,
    /// Worker threads; the verdict does not depend on it
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Print one JSON object instead of text
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    super::args::use_threads(arguments.threads)?;
    let bytes = whole::read(&arguments.certificate, Whole::Certificate)?;
    let (verdict, objective) = match Certificate::parse(&bytes) {
        Ok(certificate) => (check(arguments, &certificate)?, Some(certificate.problem.objective)),
        Err(rejection) => (Verdict::Rejected(rejection), None),
    };
    let proved = verdict.proved().unwrap_or_default();
    if arguments.json {
        say(json!({
            "schema": "kantor/verify/1",
            "verdict": verdict.name(),
            "lower": proved.distance.lower,
            "upper": proved.distance.upper,
            "best": proved.best,
            "objective": objective.map(Objective::name),
            "reason": verdict.reason(),
        }))?;
    } else {
        say(verdict.name())?;
        if verdict.proved().is_some() {
            let distance = table::distance_name(objective.unwrap_or_default());
            say(format_args!("{distance} of the subset: {}", table::interval(proved.distance)))?;
            if let Some(best) = proved.best {
                say(format_args!("every subset of that size: at least {best}"))?;
            }
            if let Some(excess) = proved.excess() {
                say(format_args!("the subset is at most {} above the best possible", table::percent_up(excess)))?;
            }
        }
        if let Some(reason) = verdict.reason() {
            say(&reason)?;
        }
    }
    Ok(match verdict {
        Verdict::Verified(_) => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

fn check(arguments: &Arguments, certificate: &Certificate) -> Result<Verdict, Failure> {
    let drops = !certificate.dropped.pool.is_empty() || !certificate.dropped.query.is_empty();
    let spec = InputSpec {
        pool: arguments.pool.clone(),
        query: arguments.query.clone(),
        similarity: arguments.similarity.clone(),
        tensor: arguments.tensor.clone(),
        cast: arguments.cast,
        on_bad_row: if drops { OnBadRow::Drop } else { OnBadRow::Error },
        ..InputSpec::default()
    };
    let progress = Progress::new(if arguments.json { Detail::Quiet } else { Detail::Normal }, signals::stop_flag());
    let cost = certificate.problem.cost;
    let inputs = match Inputs::open(&spec, cost, &progress) {
        Ok(inputs) => inputs,
        // The certificate was made of rows that can be measured, so these are others.
        Err(Error::Data(error @ (DataError::BadRows { .. } | DataError::BadEntry { .. }))) => {
            return Ok(Verdict::CannotCheck(format!("this is not the input that the certificate speaks of: {error}")));
        }
        Err(error) => return Err(error.into()),
    };
    let verdict = inputs.guarded(&progress, |watch| {
        let facts = certify::facts(&inputs.records(watch)?, inputs.dropped());
        let geometry = match inputs.geometry(cost) {
            Ok(geometry) => geometry,
            Err(error) => return Ok(Verdict::CannotCheck(error.to_string())),
        };
        Ok::<_, Error>(if arguments.threads == 1 {
            verify(certificate, &facts, &geometry, &in_turn)
        } else {
            verify(certificate, &facts, &geometry, &certify::in_parallel)
        })
    })?;
    inputs.check_unchanged()?;
    Ok(verdict)
}
