//! `kantor embed`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::json;

use super::args::RunArguments;
use super::failure::Failure;
use super::output::say;
use super::progress::Progress;
use super::represent::EncoderArguments;
use super::signals;
use crate::batch::Shard;
use crate::embed::{EmbedSpec, Embedded, embed};
use crate::output::distinct;
use crate::pipeline::Request;
use crate::represent::{Template, files_within};
use crate::source::files_named;
use crate::source::name::readable;

/// Make rows of text by a sentence encoder or a language model
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Files of text (.jsonl, .csv, .tsv, packed or not; .parquet, .arrow, a dataset of HuggingFace); a directory or a pattern stands for
    /// its files, which are joined in order
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Folder of the model: config.json, tokenizer.json and model.safetensors, as HuggingFace lays them out; or its .gguf file
    #[arg(long, value_name = "DIR|FILE")]
    model: PathBuf,
    /// The file of rows (.safetensors); must not exist yet, unless with --force
    #[arg(short, long, value_name = "FILE")]
    out: PathBuf,
    /// Replace an older file, and rows of other text or settings that an unfinished run left
    #[arg(long)]
    force: bool,
    /// What is read of a line of text, such as '{prompt}\n{response}'; without it, its usual fields (prompt, response,
    /// instruction, input, output, messages, text, …)
    #[arg(long, value_name = "TEMPLATE")]
    text: Option<Template>,
    #[command(flatten)]
    encoder: EncoderArguments,
    /// Make the rows of one part of n: 0/n to (n−1)/n, or 1/n to n/n. Their files joined in order are those of all
    #[arg(long, value_name = "I/N")]
    shard: Option<Shard>,
    #[command(flatten)]
    run: RunArguments,
}

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    arguments.run.apply()?;
    let files = arguments.files.iter().map(|named| files_named(named)).collect::<Result<Vec<_>, _>>()?.concat();
    // What is not there yet is no file of the model.
    let of_model = if arguments.out.exists() { files_within(&arguments.model) } else { Vec::new() };
    let inputs = files.iter().chain(&of_model).map(PathBuf::as_path).chain(arguments.run.config.as_deref());
    distinct(&[("--out", &arguments.out)], inputs.collect::<Vec<&Path>>())?;
    let progress = Progress::new(arguments.run.detail(), signals::stop_flag());
    let spec = EmbedSpec {
        files,
        template: arguments.text.clone(),
        model: arguments.model.clone(),
        options: arguments.encoder.options(),
        element: arguments.encoder.element(),
        shard: arguments.shard.unwrap_or_default(),
        out: arguments.out.clone(),
        force: arguments.force,
        memory: arguments.run.max_memory.unwrap_or_else(|| Request::default().memory),
    };
    let Embedded { record, taken_over } = embed(&spec, &progress)?;
    if arguments.run.json {
        say(json!({"path": readable(&spec.out).to_string(), "rows_taken_over": taken_over, "record": record}))?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut words = format!("{}: {} rows of {} numbers", readable(&spec.out), record.rows, record.dim);
    if taken_over > 0 {
        words += &format!(", {taken_over} of which an earlier run had made");
    }
    if let Some(cut @ 1..) = record.cut {
        let most = record.model.max_length;
        words += &format!("; {cut} texts were cut at {most} tokens");
    }
    say(words)?;
    Ok(ExitCode::SUCCESS)
}
