//! Flags that say how rows are made of text.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};

use super::count::count;
use super::failure::Failure;
use crate::represent::{By, DIM, DIMS, EncoderOptions, ModelKind, ModelSpec, StoredAs, Template, TextSpec};

/// How rows are made of text.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Input")]
pub(super) struct TextArguments {
    /// What is read of a line of text, such as '{prompt}\n{response}'; without it, its usual fields (prompt, response,
    /// instruction, input, output, messages, text, …)
    #[arg(long, value_name = "TEMPLATE", conflicts_with = "similarity")]
    text: Option<Template>,
    /// Numbers in a row that is made of text without a model
    #[arg(long, value_name = "D", default_value_t = DIM, value_parser = dim, conflicts_with = "model")]
    ngram_dim: usize,
    /// How rows are made of text: by its words and pairs of words, a sentence encoder, or a causal language model (RDS+);
    /// without it by the model, if one is given, else by words
    #[arg(long, value_name = "ngrams|embed|rds", value_parser = represent())]
    represent: Option<Represent>,
    /// Model that makes rows of text: its folder (config.json, tokenizer.json and model.safetensors, as HuggingFace lays them out)
    /// or its .gguf file
    #[arg(long, value_name = "DIR|FILE", conflicts_with = "similarity")]
    model: Option<PathBuf>,
    #[command(flatten)]
    encoder: EncoderArguments,
    /// What every query begins with that a model reads, such as 'query: '; without it as other texts
    #[arg(long, value_name = "TEXT", requires = "model")]
    query_prompt: Option<String>,
}

/// How a model reads texts, and how its rows are stored.
#[derive(Debug, clap::Args)]
pub(super) struct EncoderArguments {
    /// What every text begins with that a model reads, such as 'passage: '; without it what the model's folder says by default
    #[arg(long, value_name = "TEXT", requires = "model")]
    prompt: Option<String>,
    /// Tokens of a text that a model reads; without it as many as its folder says. What is longer is cut, and counted
    #[arg(long, value_name = "TOKENS", value_parser = count::<usize>, requires = "model")]
    max_length: Option<usize>,
    /// How numbers of rows are stored that a model makes [default: f32]
    #[arg(long, value_name = "f16|f32", value_parser = dtype(), requires = "model")]
    dtype: Option<StoredAs>,
}

/// A way to make rows of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Represent {
    Ngrams,
    Model(ModelKind),
}

/// The name of rows by words.
const NGRAMS: &str = "ngrams";

fn represent() -> impl TypedValueParser<Value = Represent> {
    let of = |name: String| ModelKind::ALL.into_iter().find(|kind| kind.name() == name);
    let names = [NGRAMS].into_iter().chain(ModelKind::ALL.map(ModelKind::name));
    PossibleValuesParser::new(names).map(move |name| of(name).map_or(Represent::Ngrams, Represent::Model))
}

fn dtype() -> impl TypedValueParser<Value = StoredAs> {
    PossibleValuesParser::new(["f16", "f32"]).map(|name| if name == "f16" { StoredAs::F16 } else { StoredAs::F32 })
}

/// Reads how many numbers a row has.
fn dim(text: &str) -> Result<usize, String> {
    let rule = || format!("it must lie between {} and {}", DIMS.start(), DIMS.end());
    count::<usize>(text).and_then(|dim| if DIMS.contains(&dim) { Ok(dim) } else { Err(rule()) })
}

impl EncoderArguments {
    /// How the model reads texts.
    pub(super) fn options(&self) -> EncoderOptions {
        EncoderOptions { max_length: self.max_length, prompt: self.prompt.clone(), less: None }
    }

    /// How its rows are stored.
    pub(super) fn element(&self) -> StoredAs {
        self.dtype.unwrap_or_default()
    }
}

impl TextArguments {
    /// How rows are made of text.
    pub(super) fn spec(&self) -> Result<TextSpec, Failure> {
        let kind = match (self.represent, &self.model) {
            (Some(Represent::Ngrams), Some(_)) => {
                let fault = "--represent ngrams makes rows without a model: leave out --model, or give --represent embed or rds";
                return Err(Failure::Usage(fault.to_owned()));
            }
            (Some(Represent::Model(kind)), None) => {
                let fault =
                    format!("--represent {} makes rows by a model: give its folder or file with --model", kind.name());
                return Err(Failure::Usage(fault));
            }
            (Some(Represent::Model(kind)), Some(_)) => Some(kind),
            (None | Some(Represent::Ngrams), _) => None,
        };
        let by = match &self.model {
            None => By::Ngrams { dim: self.ngram_dim },
            Some(path) => By::Model(ModelSpec {
                path: path.clone(),
                kind,
                options: self.encoder.options(),
                query_prompt: self.query_prompt.clone(),
                element: self.encoder.element(),
                ..ModelSpec::default()
            }),
        };
        Ok(TextSpec { template: self.text.clone(), by })
    }
}
