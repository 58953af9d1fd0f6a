//! Flags that several commands share.

use std::convert::Infallible;
use std::path::{Path, PathBuf};

use clap::builder::TypedValueParser;
use kantor_solvers::Settings;
use kantor_theory::Cost;
use kantor_theory::cost_bounds::Power;

use super::progress::Detail;
use crate::pipeline::{ALL, ForbidOverlap, InputSpec, Inputs, Request, method};
use crate::problem::{Goal, Target};
use crate::source::OnBadRow;

use super::count::{bytes, count};
use super::failure::Failure;
use super::queries::tasks;
use super::represent::TextArguments;
use super::threads;

/// Where pool and queries come from, and the cost between them.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Input")]
pub(super) struct InputArguments {
    #[command(flatten)]
    pub(super) files: FileArguments,
    /// Pairwise cost: see `kantor costs`
    #[arg(long, default_value_t = Cost::Cosine, value_parser = cost_parser())]
    pub(super) cost: Cost,
}

/// Where pool and queries come from.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Input")]
pub(super) struct FileArguments {
    /// Pool rows (.npy, .npz, .safetensors, .pt, a store of gradients; a column of .parquet or .arrow as FILE:COLUMN), or text of
    /// which rows are made (.jsonl, .csv, .tsv, packed or not; .parquet, .arrow, a dataset of HuggingFace); repeat it for shards, or
    /// name a directory or a pattern: they are joined in order
    #[arg(long, value_name = "FILE", required_unless_present = "similarity")]
    pub(super) pool: Vec<PathBuf>,
    /// Query rows, or text; for `select` and `compare` repeat it as NAME=FILE for several tasks: the choice follows
    /// their mixture, or the worst of them (--aggregate)
    #[arg(long, value_name = "[NAME=]FILE", required_unless_present = "similarity")]
    query: Vec<PathBuf>,
    /// M×N similarities in [−1, 1] (costs with --cost precomputed) instead of pool and query rows
    #[arg(long, value_name = "FILE", conflicts_with_all = ["pool", "query"])]
    pub(super) similarity: Option<PathBuf>,
    /// The pool's examples, one JSON object a line (.jsonl, .gz, .zst), as many as rows: copied out where the
    /// chosen rows are written
    #[arg(long, value_name = "FILE")]
    pub(super) pool_jsonl: Vec<PathBuf>,
    #[command(flatten)]
    text: TextArguments,
    /// Take vectors together although their files say that different models or settings made them
    #[arg(long)]
    mixed_models: bool,
    /// Name of the tensor or column, where a file holds several; or FILE:NAME for one file
    #[arg(long, value_name = "NAME")]
    pub(super) tensor: Option<String>,
    /// Read integers as numbers
    #[arg(long)]
    pub(super) cast: bool,
    /// What to do with rows that cannot be measured
    #[arg(long, value_name = "error|drop", default_value = "error",
          value_parser = clap::builder::PossibleValuesParser::new(["error", "drop"]))]
    pub(super) on_bad_row: String,
    /// Fail if a query row is also in the pool: by value, after rounding to the coarser number type of the two; or, with
    /// a number, if it has at least this cosine to a pool row
    #[arg(long, value_name = "COSINE", num_args = 0..=1, require_equals = true, default_missing_value = "equal",
          value_parser = forbid_overlap)]
    pub(super) forbid_overlap: Option<ForbidOverlap>,
}

/// Refuses methods that do not exist, before anything is read.
pub(super) fn check_methods<'a>(names: impl IntoIterator<Item = &'a String>) -> Result<(), Failure> {
    names.into_iter().filter(|name| *name != ALL).try_for_each(|name| Ok(method(name, &Settings::default()).map(drop)?))
}

/// Reads a name of a list, in which a space may follow the comma.
pub(super) fn name(text: &str) -> Result<String, Infallible> {
    Ok(text.trim().to_owned())
}

/// The list without later repeats of an item.
pub(super) fn without_repeats<T: PartialEq>(items: Vec<T>) -> Vec<T> {
    let mut kept = Vec::with_capacity(items.len());
    for item in items {
        if !kept.contains(&item) {
            kept.push(item);
        }
    }
    kept
}

pub(super) fn cost_parser() -> impl TypedValueParser<Value = Cost> {
    clap::builder::PossibleValuesParser::new(Cost::ALL.map(Cost::name)).try_map(|name| name.parse::<Cost>())
}

fn forbid_overlap(text: &str) -> Result<ForbidOverlap, String> {
    if text == "equal" { Ok(ForbidOverlap::Equal) } else { cosine(text).map(ForbidOverlap::Near) }
}

/// Reads a cosine that two rows may have without being the same.
pub(super) fn cosine(text: &str) -> Result<f64, String> {
    let value: f64 = text.parse().map_err(|_| String::from("give a number between 0 and 1"))?;
    if value > 0.0 && value < 1.0 { Ok(value) } else { Err("it must lie strictly between 0 and 1".into()) }
}

impl InputArguments {
    pub(super) fn spec(&self, run: &RunArguments) -> Result<InputSpec, Failure> {
        self.files.spec(run)
    }
}

impl FileArguments {
    /// The files, of one set of queries.
    pub(super) fn spec(&self, run: &RunArguments) -> Result<InputSpec, Failure> {
        let spec = self.with_tasks(run)?;
        if spec.tasks.is_empty() {
            return Ok(spec.expanded()?);
        }
        let fault = "several --query are several tasks, which only `kantor select`, `compare`, `distance` and `batch` mix: give one --query";
        Err(Failure::Usage(fault.to_owned()))
    }

    /// The files, of which those of queries may be several tasks.
    pub(super) fn with_tasks(&self, run: &RunArguments) -> Result<InputSpec, Failure> {
        let (query, tasks) = tasks(&self.query)?;
        Ok(InputSpec {
            pool: self.pool.clone(),
            query,
            tasks,
            text: self.text.spec()?,
            similarity: self.similarity.clone(),
            pool_jsonl: self.pool_jsonl.clone(),
            mixed_models: self.mixed_models,
            tensor: self.tensor.clone(),
            cast: self.cast,
            on_bad_row: if self.on_bad_row == "drop" { OnBadRow::Drop } else { OnBadRow::Error },
            forbid_overlap: self.forbid_overlap.unwrap_or_default(),
            memory: run.max_memory,
            ..InputSpec::default()
        })
    }
}

/// By which distance selections are judged.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Selection")]
pub(super) struct JudgeArguments {
    #[command(flatten)]
    power: PowerArgument,
    /// Distance whose value, bound for all subsets and certificate are written: w, energy or mmd (under --kernel)
    #[arg(long, value_name = "w|energy|mmd", default_value_t = Target::W, value_parser = target_parser())]
    objective: Target,
}

impl JudgeArguments {
    /// What is asked under a cost, but for budgets.
    pub(super) fn goal(&self, cost: Cost) -> Goal {
        Goal { cost, power: self.power.get(), objective: self.objective, ..Goal::default() }
    }
}

/// Whether distances are certified.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Selection")]
pub(super) struct CertifyArguments {
    /// Leave out the certified distances; the status is then `uncertified`
    #[arg(long)]
    pub(super) no_certify: bool,
    /// Evaluate the energy distance of every selection whatever it takes; without this, where it takes at most 2·10⁹
    /// multiplications or a quarter of those of the pass over the pool
    #[arg(long, conflicts_with = "no_certify")]
    pub(super) energy: bool,
}

/// What is proved of a selection.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Selection")]
pub(super) struct TermsArguments {
    #[command(flatten)]
    certify: CertifyArguments,
    #[command(flatten)]
    pub(super) judge: JudgeArguments,
}

/// What is proved of a selection for a budget.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Selection")]
pub(super) struct ProofArguments {
    #[command(flatten)]
    pub(super) terms: TermsArguments,
    /// Also split the queries into F folds, select by all folds but one, and measure on that one; every fold counts the same
    /// in the mean, whatever its queries weigh
    #[arg(long, value_name = "F", value_parser = count::<usize>)]
    cross_fit: Option<usize>,
}

fn target_parser() -> impl TypedValueParser<Value = Target> {
    clap::builder::PossibleValuesParser::new(Target::ALL.map(Target::name)).try_map(|name| name.parse::<Target>())
}

impl TermsArguments {
    /// A request under these terms; methods and seed are for the caller to add.
    pub(super) fn request(&self, settings: Settings, run: &RunArguments) -> Request {
        Request { certify: !self.certify.no_certify, energy: self.certify.energy, settings, ..run.request() }
    }
}

impl ProofArguments {
    /// As [`TermsArguments::request`].
    pub(super) fn request(&self, settings: Settings, run: &RunArguments) -> Request {
        Request { cross_fit: self.cross_fit, ..self.terms.request(settings, run) }
    }
}

/// How to work and how much to say.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Running")]
pub(super) struct RunArguments {
    /// Worker threads, at most four per processor; 0 takes one per processor. Results do not depend on it
    #[arg(long, value_name = "COUNT", default_value = "0", value_parser = threads::number)]
    pub(super) threads: usize,
    /// Memory that may be used beyond the input files, such as 500M or 4G (what is unpacked counts); by default
    /// three quarters of what the system has free. Refuses before allocating more
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    pub(super) max_memory: Option<u64>,
    /// Print one JSON object on standard output instead of text
    #[arg(long)]
    pub(super) json: bool,
    /// Say nothing on standard error but errors
    #[arg(short, long)]
    pub(super) quiet: bool,
    /// Say on standard error what each stage took
    #[arg(short, long, conflicts_with = "quiet")]
    pub(super) verbose: bool,
    /// Take flags from this TOML file too, such as budget = [500, "1k"]; flags given here win. Its paths count from the
    /// current directory
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
}

impl RunArguments {
    /// How much to say on standard error.
    pub(super) fn detail(&self) -> Detail {
        match (self.quiet, self.verbose) {
            (true, _) => Detail::Quiet,
            (false, true) => Detail::Verbose,
            (false, false) => Detail::Normal,
        }
    }

    /// All files that are read, which no output may replace: inputs, lists of rows, and the settings.
    pub(super) fn read_files<'a>(&'a self, spec: &'a InputSpec, inputs: &'a Inputs) -> Vec<&'a Path> {
        let named = spec.files().map(|(_, path)| path).chain(self.config.as_deref());
        inputs.paths().into_iter().chain(named).collect()
    }

    /// A request within the memory that is allowed.
    pub(super) fn request(&self) -> Request {
        let default = Request::default();
        Request { memory: self.max_memory.unwrap_or(default.memory), ..default }
    }

    /// Puts them into force.
    pub(super) fn apply(&self) -> Result<(), Failure> {
        threads::start(self.threads)
    }
}

/// The power p of the distance W_p.
#[derive(Debug, clap::Args)]
pub(super) struct PowerArgument {
    /// Distances are W_p: costs enter to this power and the root is taken of the bounds
    #[arg(long = "p", help_heading = "Selection", value_name = "1|2", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=2))]
    p: u8,
}

impl PowerArgument {
    pub(super) fn get(&self) -> Power {
        if self.p == 2 { Power::Two } else { Power::One }
    }
}
