//! `kantor warmup`.

use std::path::PathBuf;
use std::process::ExitCode;

use super::args::RunArguments;
use super::count::count;
use super::failure::Failure;
use super::output::say;
use super::progress::Progress;
use super::signals;
use crate::pipeline::Request;
use crate::represent::{EncoderOptions, LoraSettings, Template, files_within};
use crate::source::files_named;
use crate::source::name::readable;
use crate::warmup::{Training, WarmupSpec, warmup};

/// Train an adapter beside a language model on a part of a pool: the checkpoints of `kantor embed --less`
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Files of the pool's text (.jsonl, .csv, .tsv, packed or not; .parquet, .arrow, a dataset of HuggingFace); a directory or a pattern
    /// stands for its files, which are joined in order
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Folder of the model: config.json, tokenizer.json and model.safetensors, as HuggingFace lays them out; or its .gguf file
    #[arg(long, value_name = "DIR|FILE")]
    model: PathBuf,
    /// Directory of the checkpoints; must not exist yet, unless with --force
    #[arg(short, long, value_name = "DIR")]
    out: PathBuf,
    /// Replace older checkpoints of kantor
    #[arg(long)]
    force: bool,
    /// What is read of a line of text, such as '{prompt}\n{response}'; without it, its usual fields (prompt, response,
    /// instruction, input, output, messages, text, …)
    #[arg(long, value_name = "TEMPLATE")]
    text: Option<Template>,
    /// What every text begins with
    #[arg(long, value_name = "TEXT")]
    prompt: Option<String>,
    /// Tokens of a text that are read; at most 2,048 without it. What is longer is cut, and counted
    #[arg(long, value_name = "TOKENS", value_parser = count::<usize>)]
    max_length: Option<usize>,
    /// What to do with a text of which no answer is left: `drop` leaves it out
    #[arg(long, value_name = "error|drop", default_value = "error",
          value_parser = clap::builder::PossibleValuesParser::new(["error", "drop"]))]
    on_bad_row: String,
    #[command(flatten)]
    training: TrainingArguments,
    #[command(flatten)]
    run: RunArguments,
}

/// How the adapter is trained.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Training")]
struct TrainingArguments {
    /// The part of the rows that is trained on, drawn at random
    #[arg(long, value_name = "SHARE", default_value_t = 0.05)]
    share: f64,
    /// Passes over these rows, each with a checkpoint at its end
    #[arg(long, value_name = "COUNT", default_value = "4", value_parser = count::<usize>)]
    epochs: usize,
    /// The largest learning rate: it rises to it over 3 % of the steps and falls in a line
    #[arg(long, value_name = "RATE", default_value_t = 2e-5)]
    learning_rate: f64,
    /// Rows of a step
    #[arg(long, value_name = "ROWS", default_value = "128", value_parser = count::<usize>)]
    batch: usize,
    /// Rank of the low-rank maps (LoRA)
    #[arg(long, value_name = "RANK", default_value = "128", value_parser = count::<usize>)]
    rank: usize,
    /// They are scaled by this number over their rank
    #[arg(long, value_name = "ALPHA", default_value_t = 512.0)]
    alpha: f64,
    /// Maps of the model that have one beside them: q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj
    #[arg(long, value_name = "NAME[,NAME…]", value_delimiter = ',', default_value = "q_proj,k_proj,v_proj,o_proj")]
    targets: Vec<String>,
    /// Seed of the part, of the order of its rows and of the first numbers
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    seed: u64,
}

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    arguments.run.apply()?;
    let training = &arguments.training;
    let files = arguments.files.iter().map(|named| files_named(named)).collect::<Result<Vec<_>, _>>()?.concat();
    let progress = Progress::new(arguments.run.detail(), signals::stop_flag());
    let spec = WarmupSpec {
        files,
        template: arguments.text.clone(),
        model: arguments.model.clone(),
        options: EncoderOptions { max_length: arguments.max_length, prompt: arguments.prompt.clone(), less: None },
        adapter: LoraSettings { rank: training.rank, alpha: training.alpha, targets: training.targets.clone() },
        training: Training {
            share: training.share,
            epochs: training.epochs,
            learning_rate: training.learning_rate,
            batch: training.batch,
            seed: training.seed,
        },
        drop: arguments.on_bad_row == "drop",
        out: arguments.out.clone(),
        force: arguments.force,
        beside: files_within(&arguments.model).into_iter().chain(arguments.run.config.clone()).collect(),
        memory: arguments.run.max_memory.unwrap_or_else(|| Request::default().memory),
    };
    let record = warmup(&spec, &progress)?;
    if arguments.run.json {
        say(serde_json::to_value(&record).unwrap_or_default())?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut words =
        format!("{}: {} checkpoints of {} rows", readable(&spec.out), record.checkpoints.len(), record.rows);
    if record.cut > 0 {
        words += &format!("; {} texts were cut at {} tokens", record.cut, record.model.max_length);
    }
    if record.dropped > 0 {
        words += &format!("; {} without an answer were left out", record.dropped);
    }
    say(words)?;
    for passed in &record.checkpoints {
        let (path, loss, rate) = (&passed.path, passed.loss, passed.learning_rate);
        say(format!("{path}: loss {loss:.4}, mean learning rate {rate:.3e}"))?;
    }
    Ok(ExitCode::SUCCESS)
}
