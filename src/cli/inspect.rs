//! `kantor inspect`.

use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::json;

use super::progress::{Detail, Progress};
use crate::inspect::{NearOptions, inspect_near};
use crate::source::{OpenOptions, files_named};

use super::args::cosine;
use super::count::count;
use super::failure::Failure;
use super::output::say;
use super::signals;
use super::threads;

/// Say what is in a file of rows, and what selecting from it would cost.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Files of rows (.npy, .npz, .safetensors, .pt, a store of gradients), or directories of them
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Name of the tensor, where a file holds several
    #[arg(long, value_name = "NAME")]
    tensor: Option<String>,
    /// Read integers as numbers
    #[arg(long)]
    cast: bool,
    /// Least cosine of two rows that count as near-duplicates
    #[arg(long, value_name = "COSINE", default_value_t = NearOptions::default().cosine, value_parser = cosine)]
    near: f64,
    /// Rows that are compared for near-duplicates, each with each; of larger files this many are drawn. 0 compares none
    #[arg(long, value_name = "ROWS", default_value_t = NearOptions::default().rows, value_parser = count::<usize>)]
    near_rows: usize,
    /// Print one JSON object instead of text
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    threads::start(0)?;
    let options = OpenOptions { tensor: arguments.tensor.clone(), cast: arguments.cast, ..OpenOptions::default() };
    let near = NearOptions { cosine: arguments.near, rows: arguments.near_rows };
    let progress = Progress::new(if arguments.json { Detail::Quiet } else { Detail::Normal }, signals::stop_flag());
    let mut inspections = Vec::with_capacity(arguments.files.len());
    let files = arguments.files.iter().map(|named| files_named(named)).collect::<Result<Vec<_>, _>>()?;
    for file in files.iter().flatten() {
        let inspection = inspect_near(file, &options, near, &progress)?;
        if !arguments.json {
            say(inspection.text())?;
        }
        inspections.push(inspection);
    }
    if arguments.json {
        say(json!({"schema": "kantor/inspect/1", "files": inspections}))?;
    }
    Ok(ExitCode::SUCCESS)
}
