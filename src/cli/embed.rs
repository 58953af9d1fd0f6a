//! `kantor embed`.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::json;

use super::args::RunArguments;
use super::count::count;
use super::failure::Failure;
use super::output::say;
use super::progress::Progress;
use super::represent::EncoderArguments;
use super::signals;
use crate::batch::Shard;
use crate::embed::{EmbedSpec, Embedded, embed};
use crate::output::distinct;
use crate::pipeline::Request;
use crate::represent::{EncoderOptions, GradientRole, LessOptions, Template, files_within};
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
    less: LessArguments,
    #[command(flatten)]
    run: RunArguments,
}

/// Rows of gradients.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Gradients")]
struct LessArguments {
    /// Make rows of the gradients of a language model's answers, by which LESS chooses, at the checkpoints in this folder, as `kantor
    /// warmup` writes them
    #[arg(long, value_name = "DIR", requires = "role")]
    less: Option<PathBuf>,
    /// What the rows are for: of a pool they are the directions in which Adam would go, of queries the gradients
    #[arg(long, value_name = "pool|query", requires = "less",
          value_parser = clap::builder::PossibleValuesParser::new(["pool", "query"]))]
    role: Option<String>,
    /// Numbers to which gradients are projected, for each checkpoint
    #[arg(long, value_name = "D", requires = "less", default_value = "8192", value_parser = less_dim)]
    less_dim: usize,
    /// Seed of the projection
    #[arg(long, value_name = "SEED", requires = "less", default_value_t = 0)]
    seed: u64,
    /// What to do with a text of which no answer is left: `drop` makes it a row of zeros, which `--on-bad-row drop` of other commands
    /// leaves out
    #[arg(long, value_name = "error|drop", requires = "less", default_value = "error",
          value_parser = clap::builder::PossibleValuesParser::new(["error", "drop"]))]
    on_bad_row: String,
}

impl LessArguments {
    fn options(&self) -> Option<LessOptions> {
        let role = if self.role.as_deref() == Some("query") { GradientRole::Query } else { GradientRole::Pool };
        let options = |checkpoints: &PathBuf| LessOptions {
            checkpoints: checkpoints.clone(),
            role,
            dim: self.less_dim,
            seed: self.seed,
            drop: self.on_bad_row == "drop",
        };
        self.less.as_ref().map(options)
    }
}

fn less_dim(text: &str) -> Result<usize, String> {
    const DIMS: RangeInclusive<usize> = 8..=1 << 20;
    let dim = count::<usize>(text)?;
    if DIMS.contains(&dim) { Ok(dim) } else { Err(format!("must be {} to {}", DIMS.start(), DIMS.end())) }
}

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    arguments.run.apply()?;
    let files = arguments.files.iter().map(|named| files_named(named)).collect::<Result<Vec<_>, _>>()?.concat();
    // What is not there yet is no file of the model.
    let folders = [Some(&arguments.model), arguments.less.less.as_ref()].into_iter().flatten();
    let of_model: Vec<PathBuf> = match arguments.out.exists() {
        true => folders.flat_map(|folder| files_within(folder)).collect(),
        false => Vec::new(),
    };
    let inputs = files.iter().chain(&of_model).map(PathBuf::as_path).chain(arguments.run.config.as_deref());
    distinct(&[("--out", &arguments.out)], inputs.collect::<Vec<&Path>>())?;
    let progress = Progress::new(arguments.run.detail(), signals::stop_flag());
    let spec = EmbedSpec {
        files,
        template: arguments.text.clone(),
        model: arguments.model.clone(),
        options: EncoderOptions { less: arguments.less.options(), ..arguments.encoder.options() },
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
    if let Some(dropped @ 1..) = record.less.as_ref().and_then(|less| less.dropped) {
        words += &format!("; {dropped} have no answer that was read, and rows of zeros");
    }
    say(words)?;
    Ok(ExitCode::SUCCESS)
}
