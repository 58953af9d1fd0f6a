//! Rows of text by models from local files; the feature `models` of the package.
//!
//! Sentence encoders make one row of a text by themselves. Of causal language models the row is the mean of the hidden states after
//! the last norm, in which a token weighs in proportion to its place, at unit length (RDS+, arXiv 2503.01807); or, if that is asked
//! for, its gradients at checkpoints of a training ([`less`]).
//!
//! Nothing is fetched and nothing is executed: weights are safetensors or GGUF, settings are JSON. A row depends on its text, the
//! model and the options alone, bit by bit, on one kind of processor.

mod bert;
mod causal;
mod folder;
mod gguf;
mod language;
mod less;
mod llama;
mod sentence;
mod t5;
mod tensors;
mod tokens;
mod weights;

use std::path::Path;

use candle_core::{Device, Result as Computed, Tensor};
use kantor_solvers::Watch;

use super::encoder::{EncoderOptions, LessRecord, Made, Unmade};
use crate::source::DataError;
use crate::source::answers::Marked;
use crate::source::memory::{Allowance, Claim};
use causal::Causal;
use folder::Folder;
use language::Language;
use less::Less;
pub(crate) use less::{Example, Failed, Trainer};
use sentence::Sentence;
use tensors::Tensors;
use tokens::{Tokenized, Tokens};

/// A model that makes rows of text.
pub(crate) struct Encoder {
    network: Network,
    tokens: Tokens,
    /// What every text begins with.
    prompt: String,
    longest: usize,
    dim: usize,
    digest: String,
}

enum Network {
    Sentence(Sentence),
    Causal(Causal),
    Less(Box<Less>),
}

/// Version of the rows: to be raised with any change of them, or of what is read of a line, so that what caches keep of older versions is
/// not taken for them.
pub(crate) const VERSION: u32 = 1;

impl Encoder {
    /// Reads a folder, or a GGUF file.
    ///
    /// # Errors
    /// If it is none of a model that is read, a file in it is damaged, or it takes more than `allowance`.
    pub(crate) fn open(
        path: &Path,
        options: &EncoderOptions,
        allowance: &Allowance,
        watch: &dyn Watch,
    ) -> Result<Self, DataError> {
        let of_language =
            |language: Language, tensors: &dyn Tensors| Self::of_language(language, tensors, options, allowance, watch);
        if language::is_one_file(path) {
            return language::of_file(path, options, options.less.is_some(), allowance, watch, of_language);
        }
        let mut folder = Folder::open(path)?;
        match &folder.kind()?[..] {
            folder::BERT => {
                let config = sentence::Config::Bert(folder.config()?);
                Self::of_sentences(folder, &config, options, allowance, watch)
            }
            t5::KIND => {
                let config = sentence::Config::T5(t5::Config::read(&mut folder)?);
                Self::of_sentences(folder, &config, options, allowance, watch)
            }
            kind if llama::KINDS.contains(&kind) => {
                language::of_folder(folder, options, options.less.is_some(), allowance, watch, of_language)
            }
            kind => Err(folder.unread(kind)),
        }
    }

    fn of_sentences(
        mut folder: Folder,
        config: &sentence::Config,
        options: &EncoderOptions,
        allowance: &Allowance,
        watch: &dyn Watch,
    ) -> Result<Self, DataError> {
        if options.less.is_some() {
            let remedy = "gradients are made by language models of type llama, mistral, qwen2 and qwen3";
            return Err(folder.bad("config.json", "is of a sentence encoder", remedy));
        }
        let said = folder.longest()?.unwrap_or(config.usual());
        let longest = longest(&folder.path, options, config.most(), Some(said))?;
        let prompt = prompt(&mut folder, options)?;
        let tokens = Tokens::read(&mut folder, longest, config.vocabulary())?;
        claim_working(&folder.path, config.working(longest), allowance)?;
        let sentence = Sentence::read(&mut folder, config, allowance, watch)?;
        let dim = sentence.dim;
        Ok(Self { network: Network::Sentence(sentence), tokens, prompt, longest, dim, digest: folder.digest() })
    }

    fn of_language(
        language: Language,
        tensors: &dyn Tensors,
        options: &EncoderOptions,
        allowance: &Allowance,
        watch: &dyn Watch,
    ) -> Result<Self, DataError> {
        let Language { model, tokens, longest, digest } = language;
        let (dim, network) = match &options.less {
            None => (model.shape.width, Network::Causal(model)),
            Some(asked) => {
                let less = Less::read(model, tensors, &digest, asked, allowance, watch)?;
                (less.dim(), Network::Less(Box::new(less)))
            }
        };
        let prompt = options.prompt.clone().unwrap_or_default();
        Ok(Self { network, tokens, prompt, longest, dim, digest })
    }

    /// What the rows are called: `embed` of a sentence encoder, `rds` of a causal model, `less` if they are gradients.
    pub(crate) fn name(&self) -> &'static str {
        match self.network {
            Network::Sentence(_) => "embed",
            Network::Causal(_) => "rds",
            Network::Less(_) => "less",
        }
    }

    /// How gradients are made, if rows are some.
    pub(crate) fn less(&self) -> Option<LessRecord> {
        match &self.network {
            Network::Less(less) => Some(less.record()),
            _ => None,
        }
    }

    /// Numbers in a row.
    pub(crate) fn dim(&self) -> usize {
        self.dim
    }

    /// Tokens of a text that are read.
    pub(crate) fn longest(&self) -> usize {
        self.longest
    }

    /// What every text begins with, unless it is to begin otherwise.
    pub(crate) fn prompt(&self) -> &str {
        &self.prompt
    }

    /// SHA-256 of the file, or of the names and digests of the files, that were read.
    pub(crate) fn digest(&self) -> &str {
        &self.digest
    }

    /// The row of a text after a prompt.
    ///
    /// # Errors
    /// Says why there is none.
    pub(crate) fn row(&self, prompt: &str, text: &Marked) -> Result<Made, Unmade> {
        let of_text = |fault: String| (fault, "give every line a text that its tokenizer reads");
        let of_model = |fault: String| (fault, "take another model, or leave the line out");
        let found = match self.network {
            Network::Sentence(_) => self.tokens.of(&format!("{prompt}{}", text.text.trim()), &[]),
            // White space is part of what a language model reads.
            Network::Causal(_) => self.tokens.of(&format!("{prompt}{}", text.text), &[]),
            Network::Less(_) => self.tokens.answering(prompt, text),
        }
        .map_err(of_text)?;
        if found.ids.is_empty() {
            return Err(of_text("the text has no tokens".to_owned()));
        }
        let is_cut = found.is_cut;
        if let Network::Less(less) = &self.network
            && found.within.is_empty()
        {
            return match less.drops() {
                true => Ok(Made { row: vec![0.0; self.dim], is_cut, is_dropped: true }),
                false => Err(unanswered(is_cut)),
            };
        }
        let row = self.numbers(&found).map_err(|error| of_model(error.to_string()))?;
        if row.iter().any(|number| !number.is_finite()) {
            return Err(of_model("the model makes numbers of it that are not finite".to_owned()));
        }
        Ok(Made { row, is_cut, is_dropped: false })
    }

    fn numbers(&self, tokens: &Tokenized) -> Computed<Vec<f32>> {
        let row = match &self.network {
            Network::Sentence(sentence) => sentence.row(&tokens.ids)?,
            Network::Causal(causal) => unit(&by_place(&causal.states(&tokens.ids)?)?)?,
            Network::Less(less) => return less.row(&tokens.ids, &tokens.within),
        };
        row.flatten_all()?.to_vec1()
    }
}

/// That no token of an answer is left of a text.
fn unanswered(is_cut: bool) -> Unmade {
    const FIELDS: &str = "name its answer (response, output, completion, answer, targets, or messages of the assistant) in --text, or go on \
                          without it by --on-bad-row drop";
    const LONGER: &str = "read more with --max-length, or go on without it by --on-bad-row drop";
    match is_cut {
        true => ("no token of its answer is left where the text is cut".to_owned(), LONGER),
        false => ("the text has no token of an answer after its first token".to_owned(), FIELDS),
    }
}

/// Σ_i i/(T(T+1)/2)·h_i of the states h_1, …, h_T of tokens: 1 × width.
fn by_place(states: &Tensor) -> Computed<Tensor> {
    let count = states.dim(0)?;
    let all = count as f64 * (count as f64 + 1.0) / 2.0;
    let weights: Vec<f32> = (1..=count).map(|place| (place as f64 / all) as f32).collect();
    Tensor::from_vec(weights, (1, count), &Device::Cpu)?.matmul(states)
}

/// Rows of unit length; zero stays zero.
fn unit(rows: &Tensor) -> Computed<Tensor> {
    /// Of lengths, below which PyTorch's `normalize` divides by this.
    const LEAST: f64 = 1e-12;
    rows.broadcast_div(&rows.sqr()?.sum_keepdim(1)?.sqrt()?.maximum(LEAST)?)
}

/// Counts what texts take while every thread works on one.
fn claim_working(path: &Path, bytes: u64, allowance: &Allowance) -> Result<(), DataError> {
    let mut claim = Claim::new(allowance, path);
    let all = bytes.saturating_mul(rayon::current_num_threads() as u64);
    claim.add(
        all,
        "the work on texts of the greatest length",
        "allow more with --max-memory, or less with --max-length or --threads",
    )?;
    claim.keep();
    Ok(())
}

/// How many tokens of a text are read: what is asked for, what is said, or the most.
fn longest(path: &Path, options: &EncoderOptions, most: usize, said: Option<usize>) -> Result<usize, DataError> {
    /// Of any text: its two ends and a token between them.
    const LEAST: usize = 3;
    match options.max_length {
        None => match said.unwrap_or(most).min(most) {
            little @ ..LEAST => {
                let fault = format!("says that it reads texts of {little} tokens, where two are the ends of any text");
                Err(DataError::malformed(path, fault, "give --max-length"))
            }
            said => Ok(said),
        },
        Some(asked) if (LEAST..=most).contains(&asked) => Ok(asked),
        Some(asked) => {
            let fault = format!("reads texts of {LEAST} to {most} tokens, not {asked}");
            Err(DataError::malformed(path, fault, "give another --max-length, or leave it out"))
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
