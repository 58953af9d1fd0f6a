//! Flags that say what chosen rows must obey, and what they are worth by themselves.

use std::num::NonZeroU32;
use std::path::PathBuf;

use clap::Args;
use clap::builder::{OsStringValueParser, TypedValueParser};

use crate::constraints::Quota;
use crate::pipeline::{Dedup, QualitySpec, RuleSpec, Tokens};
use crate::verify::NamedColumn;

use super::args::cosine;
use super::columns::named_column;
use super::count::count;

/// What chosen rows must obey.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Constraints")]
pub(super) struct ConstraintArguments {
    /// How many rows with a label to choose: source=web:..30%, source:..25% (each label), lang=de:20..40; counts or shares of
    /// the budget. FIELD is a field of --pool-jsonl or a --column
    #[arg(long, value_name = "FIELD[=VALUE]:MIN..MAX")]
    quota: Vec<Quota>,
    /// A label or number for every pool row, under the name by which other flags speak of it: text with one a line, or a field
    /// of JSON lines
    #[arg(long, value_name = "NAME=FILE[:FIELD]", value_parser = OsStringValueParser::new().try_map(named_column))]
    column: Vec<NamedColumn>,
    /// How long rows are: a field or --column of numbers, words:FIELD to count the words of a text, or tokenizer.json:FIELD to
    /// count the tokens of a text by the file of a tokenizer (feature `tokenizers`)
    #[arg(long, value_name = "FIELD", value_parser = tokens)]
    tokens: Option<Tokens>,
    /// Tokens that the chosen rows may have in all
    #[arg(long, value_name = "T", value_parser = count::<u64>, requires = "tokens")]
    max_tokens_total: Option<u64>,
    /// Choose at most one of rows that are much the same: exact (equal numbers), cosine=0.95 (clusters of near-duplicates), or a
    /// field or --column whose label they share
    #[arg(long, value_name = "exact|cosine=C|FIELD", value_parser = dedup)]
    dedup: Option<Dedup>,
    /// How many of such rows to choose at most, in the place of one
    #[arg(long, value_name = "R", requires = "dedup")]
    dedup_keep: Option<NonZeroU32>,
    /// Choose these rows whatever else is chosen: row numbers, or ids of the pool's examples
    #[arg(long, value_name = "FILE")]
    include: Vec<PathBuf>,
    /// Do not choose these rows
    #[arg(long, value_name = "FILE")]
    exclude: Vec<PathBuf>,
    /// Choose no row that is near a row of this file, such as a test set
    #[arg(long, value_name = "FILE")]
    exclude_near: Vec<PathBuf>,
    /// Cosine from which rows are near
    #[arg(long = "cosine", value_name = "C", default_value_t = 0.95, value_parser = cosine, requires = "exclude_near")]
    near_cosine: f64,
    /// What rows are worth by themselves, a number of any sign for each: a field of --pool-jsonl, a --column, or a file with one
    /// a line. Its mean over the choice, times --quality-weight, is taken off the distance that is minimised and certified
    #[arg(long, help_heading = "Selection", value_name = "FIELD|FILE[:FIELD]", requires = "quality_weight")]
    quality: Option<PathBuf>,
    /// What one unit of --quality weighs, in units of the cost to the power p (of a kernel's squared distance); with 0 its mean is
    /// said and nothing else
    #[arg(long, help_heading = "Selection", value_name = "W", requires = "quality", value_parser = quality_weight)]
    quality_weight: Option<f64>,
    /// Choose no row whose largest cosine to a query is less than this
    #[arg(long, value_name = "S", value_parser = similarity, allow_negative_numbers = true)]
    min_similarity: Option<f64>,
}

/// The names of its flags, without dashes.
pub(super) fn flags() -> Vec<String> {
    let command = ConstraintArguments::augment_args(clap::Command::default());
    command.get_arguments().filter_map(|argument| argument.get_long()).map(str::to_owned).collect()
}

impl ConstraintArguments {
    /// As rules.
    pub(super) fn rules(&self) -> RuleSpec {
        RuleSpec {
            quotas: self.quota.clone(),
            columns: self.column.clone(),
            tokens: self.tokens.clone(),
            max_tokens_total: self.max_tokens_total,
            in_tokens: false,
            dedup: self.dedup.clone(),
            dedup_keep: self.dedup_keep,
            include: self.include.clone(),
            exclude: self.exclude.clone(),
            exclude_near: self.exclude_near.clone(),
            near_cosine: self.near_cosine,
            min_similarity: self.min_similarity,
            quality: (self.quality.clone().zip(self.quality_weight)).map(|(from, weight)| QualitySpec {
                from,
                at: None,
                weight,
            }),
        }
    }
}

fn tokens(text: &str) -> Result<Tokens, String> {
    if let Some((file, field)) = text.split_once(".json:").filter(|(_, field)| !field.is_empty()) {
        return Ok(Tokens::Tokenizer(format!("{file}.json").into(), field.to_owned()));
    }
    match text.strip_prefix("words:").map_or((text, false), |field| (field, true)) {
        ("", _) => Err("name a field".to_owned()),
        (field, true) => Ok(Tokens::Words(field.to_owned())),
        (field, false) => Ok(Tokens::Column(field.to_owned())),
    }
}

fn dedup(text: &str) -> Result<Dedup, String> {
    match text.strip_prefix("cosine=") {
        _ if text.is_empty() => Err("say exact, cosine=0.95, or the name of a field".to_owned()),
        Some(number) => cosine(number).map(Dedup::Cosine),
        None if text == "exact" => Ok(Dedup::Exact),
        None => Ok(Dedup::Column(text.to_owned())),
    }
}

fn quality_weight(text: &str) -> Result<f64, String> {
    let value = text.parse::<f64>().ok().filter(|value| value.is_finite() && value.is_sign_positive());
    value.ok_or_else(|| {
        "give a number that is finite and not negative: turn the sign of the qualities instead".to_owned()
    })
}

fn similarity(text: &str) -> Result<f64, String> {
    let value = text.parse::<f64>().ok().filter(|value| (-1.0..=1.0).contains(value));
    value.ok_or_else(|| "give a number between -1 and 1".to_owned())
}
