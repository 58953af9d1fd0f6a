//! Rows of text by sentence encoders from local folders; the feature `models` of the package.
//!
//! Nothing is fetched and nothing is executed: weights are safetensors, settings are JSON. A row depends on its text, the folder
//! and the options alone, bit by bit, on one kind of processor.

mod bert;
mod folder;
mod tokens;
mod weights;

use std::path::Path;

use candle_core::{Result as Computed, Tensor};
use candle_nn::{Linear, Module};
use kantor_solvers::Watch;

use crate::source::DataError;
use crate::source::memory::Allowance;
use bert::Bert;
use folder::{Dense, Folder, Pooling, Step};
use tokens::Tokens;
use weights::Files;

use super::encoder::{EncoderOptions, Made};

/// A sentence encoder.
pub(crate) struct Encoder {
    bert: Bert,
    tokens: Tokens,
    after: Vec<After>,
    /// What every text begins with.
    prompt: String,
    longest: usize,
    dim: usize,
    digest: String,
}

enum After {
    Pool(Pooling),
    Dense(Linear, bool),
    Normalize,
}

impl Encoder {
    /// Reads a folder.
    ///
    /// # Errors
    /// If it is none of a model that is read, a file in it is damaged, or it takes more than `allowance`.
    pub(crate) fn open(
        path: &Path,
        options: &EncoderOptions,
        allowance: &Allowance,
        watch: &dyn Watch,
    ) -> Result<Self, DataError> {
        let mut folder = Folder::open(path)?;
        let config = folder.config()?;
        let steps = folder.steps()?;
        let longest = longest(&mut folder, options, config.max_position_embeddings)?;
        let prompt = prompt(&mut folder, options)?;
        let tokens = Tokens::read(&mut folder, longest, config.vocab_size)?;
        let files = Files::open(&mut folder, "", watch)?;
        let bert = Bert::read(&config, &files.weights(&folder, allowance)?)?;
        files.check()?;
        let (mut after, mut dim) = (Vec::new(), config.hidden_size);
        for step in steps {
            after.push(match step {
                Step::Pool(pooling) => After::Pool(pooling),
                Step::Normalize => After::Normalize,
                Step::Dense(dense) => {
                    let made = self::dense(&mut folder, &dense, dim, allowance, watch)?;
                    dim = dense.out_features;
                    After::Dense(made, dense.has_tanh())
                }
            });
        }
        Ok(Self { bert, tokens, after, prompt, longest, dim, digest: folder.digest() })
    }

    /// Numbers in a row.
    pub(crate) fn dim(&self) -> usize {
        self.dim
    }

    /// Tokens of a text that are read.
    pub(crate) fn longest(&self) -> usize {
        self.longest
    }

    /// What every text begins with.
    pub(crate) fn prompt(&self) -> &str {
        &self.prompt
    }

    /// SHA-256 of the names and digests of the files that were read.
    pub(crate) fn digest(&self) -> &str {
        &self.digest
    }

    /// The row of a text.
    ///
    /// # Errors
    /// Says why there is none.
    pub(crate) fn row(&self, text: &str) -> Result<Made, String> {
        let found = self.tokens.of(&format!("{}{}", self.prompt, text.trim()))?;
        if found.ids.is_empty() {
            return Err("the text has no tokens".to_owned());
        }
        let row = self.pooled(&found.ids).map_err(|error| error.to_string())?;
        if row.iter().any(|number| !number.is_finite()) {
            return Err("the model makes numbers of it that are not finite".to_owned());
        }
        Ok(Made { row, is_cut: found.is_cut })
    }

    fn pooled(&self, tokens: &[u32]) -> Computed<Vec<f32>> {
        let mut states = self.bert.states(tokens)?;
        for step in &self.after {
            states = match step {
                After::Pool(Pooling::Mean) => states.mean(0)?.unsqueeze(0)?,
                After::Pool(Pooling::First) => states.narrow(0, 0, 1)?,
                After::Dense(linear, has_tanh) => {
                    let mapped = linear.forward(&states)?;
                    if *has_tanh { mapped.tanh()? } else { mapped }
                }
                After::Normalize => unit(&states)?,
            };
        }
        states.flatten_all()?.to_vec1()
    }
}

/// Rows of unit length; zero stays zero.
fn unit(rows: &Tensor) -> Computed<Tensor> {
    /// Of lengths, below which PyTorch's `normalize` divides by this.
    const LEAST: f64 = 1e-12;
    rows.broadcast_div(&rows.sqr()?.sum_keepdim(1)?.sqrt()?.maximum(LEAST)?)
}

fn dense(
    folder: &mut Folder,
    dense: &Dense,
    from: usize,
    allowance: &Allowance,
    watch: &dyn Watch,
) -> Result<Linear, DataError> {
    let name = &dense.folder;
    if dense.in_features != from {
        let fault = format!("maps {} numbers, and there are {from}", dense.in_features);
        return Err(folder.bad(&format!("{name}/config.json"), fault, folder::HOW));
    }
    let files = Files::open(folder, &format!("{name}/"), watch)?;
    let weights = files.weights(folder, allowance)?;
    let weight = weights.get("linear.weight", &[dense.out_features, dense.in_features])?;
    let bias = dense.bias.then(|| weights.get("linear.bias", &[dense.out_features])).transpose()?;
    files.check()?;
    Ok(Linear::new(weight, bias))
}

/// How many tokens of a text are read.
fn longest(folder: &mut Folder, options: &EncoderOptions, most: usize) -> Result<usize, DataError> {
    /// Of any text: its two ends and a token between them.
    const LEAST: usize = 3;
    let said = folder.longest()?.map(|said| said.min(most));
    match options.max_length {
        None => Ok(said.unwrap_or(most)),
        Some(asked) if (LEAST..=most).contains(&asked) => Ok(asked),
        Some(asked) => {
            let fault = format!("reads texts of {LEAST} to {most} tokens, not {asked}");
            Err(DataError::malformed(&folder.path, fault, "give another --max-length, or leave it out"))
        }
    }
}

/// What every text begins with: what was asked for, or what the folder says by default.
fn prompt(folder: &mut Folder, options: &EncoderOptions) -> Result<String, DataError> {
    let prompts = folder.prompts()?;
    match (&options.prompt, &prompts.default_prompt_name) {
        (Some(prompt), _) => Ok(prompt.clone()),
        (None, None) => Ok(String::new()),
        (None, Some(name)) => prompts.prompts.get(name).cloned().ok_or_else(|| {
            let fault = format!("takes the prompt `{name}` by default, and has none of that name");
            folder.bad("config_sentence_transformers.json", fault, "give one with --prompt")
        }),
    }
}
