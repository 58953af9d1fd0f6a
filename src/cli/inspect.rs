//! `kantor inspect`.

use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::json;

use crate::data::OpenOptions;
use crate::inspect::inspect;
use crate::report::progress::{Detail, Progress};

use super::failure::Failure;
use super::output::say;
use super::signals;

/// Say what is in a file of rows, and what selecting from it would cost.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Files of rows (.npy, .npz, .safetensors)
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Name of the tensor, where a file holds several
    #[arg(long, value_name = "NAME")]
    tensor: Option<String>,
    /// Read integers as numbers
    #[arg(long)]
    cast: bool,
    /// Print one JSON object instead of text
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let options = OpenOptions { tensor: arguments.tensor.clone(), cast: arguments.cast };
    let progress = Progress::new(if arguments.json { Detail::Quiet } else { Detail::Normal }, signals::stop_flag());
    let mut inspections = Vec::with_capacity(arguments.files.len());
    for file in &arguments.files {
        let inspection = inspect(file, &options, &progress)?;
        if !arguments.json {
            say(&inspection)?;
        }
        inspections.push(inspection);
    }
    if arguments.json {
        say(json!({"schema": "kantor/inspect/1", "files": inspections}))?;
    }
    Ok(ExitCode::SUCCESS)
}
