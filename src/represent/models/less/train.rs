//! A short training of low-rank maps, which makes the checkpoints that LESS needs.

use std::path::Path;

use candle_core::{Device, Result as Computed, Tensor};
use kantor_solvers::Watch;
use rayon::prelude::*;

use super::adam::Moments;
use super::checkpoint;
use super::gradient::Differentiable;
use super::lora::{self, Lora, checked};
use crate::represent::encoder::{EncoderOptions, LoraSettings, Unmade};
use crate::represent::models::folder::Folder;
use crate::represent::models::language::{self, Language};
use crate::represent::models::tensors::Tensors;
use crate::represent::models::tokens::{Tokenized, Tokens};
use crate::represent::models::{llama, unanswered};
use crate::source::DataError;
use crate::source::answers::Marked;
use crate::source::memory::{Allowance, Claim};

/// A model with an adapter that is trained.
pub(crate) struct Trainer {
    model: Differentiable,
    lora: Lora,
    /// The numbers of the adapter by tensor, and their moments.
    numbers: Vec<Vec<f32>>,
    moments: Moments,
    tokens: Tokens,
    prompt: String,
    longest: usize,
    digest: String,
}

/// A text as it is trained on.
pub(crate) struct Example(Tokenized);

impl Example {
    /// Whether the text was longer than what is read.
    pub(crate) fn is_cut(&self) -> bool {
        self.0.is_cut
    }
}

impl Trainer {
    /// Reads a language model and puts an adapter beside it that changes nothing yet.
    ///
    /// # Errors
    /// If it is none that is read, a file of it is damaged, or it takes more than `allowance`.
    pub(crate) fn open(
        path: &Path,
        options: &EncoderOptions,
        settings: &LoraSettings,
        seed: u64,
        allowance: &Allowance,
        watch: &dyn Watch,
    ) -> Result<Self, DataError> {
        let make = |language: Language, tensors: &dyn Tensors| {
            Self::of(path, language, tensors, options, settings, seed, allowance)
        };
        if language::is_one_file(path) {
            return language::of_file(path, options, true, allowance, watch, make);
        }
        let mut folder = Folder::open(path)?;
        match &folder.kind()?[..] {
            kind if llama::KINDS.contains(&kind) => language::of_folder(folder, options, true, allowance, watch, make),
            kind => {
                let remedy = "language models of type llama, mistral, qwen2 and qwen3 are trained";
                Err(folder.bad("config.json", format!("is of a model of type `{kind}`"), remedy))
            }
        }
    }

    fn of(
        path: &Path,
        language: Language,
        tensors: &dyn Tensors,
        options: &EncoderOptions,
        settings: &LoraSettings,
        seed: u64,
        allowance: &Allowance,
    ) -> Result<Self, DataError> {
        let bad = |fault: String| DataError::malformed(path, fault, "ask for another adapter");
        let settings = checked(settings).map_err(|fault| bad(format!("cannot have an adapter with {fault}")))?;
        let Language { model, tokens, longest, digest } = language;
        let model = Differentiable::new(model, tensors)?;
        let count = lora::numbers(&settings, model.shape()) as u64;
        // Numbers, moments and sums, and a gradient for every thread.
        let mut claim = Claim::new(allowance, path);
        let bytes = count.saturating_mul(32 + 8 * rayon::current_num_threads() as u64);
        claim.add(bytes, "the adapter and its gradients", "allow more with --max-memory, or take a lower rank")?;
        claim.keep();
        let lora = Lora::fresh(settings, model.shape(), seed).map_err(|error| tensors.failed(&error))?;
        let numbers = flat(lora.vars().map(|var| var.as_tensor())).map_err(|error| tensors.failed(&error))?;
        let moments = Moments::none(&numbers.iter().map(Vec::len).collect::<Vec<_>>());
        let prompt = options.prompt.clone().unwrap_or_default();
        Ok(Self { model, lora, numbers, moments, tokens, prompt, longest, digest })
    }

    /// Tokens of a text that are read.
    pub(crate) fn longest(&self) -> usize {
        self.longest
    }

    /// What every text begins with.
    pub(crate) fn prompt(&self) -> &str {
        &self.prompt
    }

    /// SHA-256 of the file, or of the names and digests of the files, of the model.
    pub(crate) fn digest(&self) -> &str {
        &self.digest
    }

    /// The adapter.
    pub(crate) fn adapter(&self) -> &LoraSettings {
        &self.lora.settings
    }

    /// A text as it is trained on, or why it cannot be and whether that is for want of an answer.
    pub(crate) fn example(&self, text: &Marked) -> Result<Example, (Unmade, bool)> {
        let of_text = |fault: String| ((fault, "give every line a text that its tokenizer reads"), false);
        let found = self.tokens.answering(&self.prompt, text).map_err(of_text)?;
        if found.within.is_empty() { Err((unanswered(found.is_cut), true)) } else { Ok(Example(found)) }
    }

    /// A step by the mean gradient of some examples, and their mean loss before it; or which of them has no gradient, and why. The
    /// same for any number of threads: gradients are added in the order of the examples.
    pub(crate) fn step(&mut self, rate: f64, batch: &[&Example], watch: &dyn Watch) -> Result<f64, Failed> {
        let (mut loss, share) = (0.0, 1.0 / batch.len() as f64);
        let mut sums: Vec<Vec<f64>> = self.numbers.iter().map(|numbers| vec![0.0; numbers.len()]).collect();
        let at_once = rayon::current_num_threads();
        for (first, part) in batch.chunks(at_once).enumerate() {
            let made: Vec<_> = part.par_iter().with_max_len(1).map(|example| self.gradient(example)).collect();
            for (at, made) in made.into_iter().enumerate() {
                let at = first * at_once + at;
                let (of, gradient) = made.map_err(|error| Failed::Example(at, error.to_string()))?;
                if !of.is_finite() || gradient.iter().flatten().any(|number| !number.is_finite()) {
                    return Err(Failed::Example(at, "the model makes numbers of it that are not finite".to_owned()));
                }
                loss += share * of;
                let sums = sums.iter_mut().flatten().zip(gradient.iter().flatten());
                sums.for_each(|(sum, number)| *sum += share * f64::from(*number));
            }
            watch.advance(part.len() as u64).map_err(|stopped| Failed::Stopped(stopped.into()))?;
        }
        self.moments.step(rate, &sums, &mut self.numbers);
        for (var, numbers) in self.lora.vars().zip(&self.numbers) {
            let set = Tensor::from_slice(numbers, var.shape(), &Device::Cpu).and_then(|numbers| var.set(&numbers));
            set.map_err(|error| Failed::Example(0, error.to_string()))?;
        }
        Ok(loss)
    }

    fn gradient(&self, example: &Example) -> Computed<(f64, Vec<Vec<f32>>)> {
        let made = self.model.gradient(&self.lora, &example.0.ids, &example.0.within)?;
        Ok((made.loss, flat(made.by.iter())?))
    }

    /// The files of a checkpoint: names and content.
    ///
    /// # Errors
    /// Says why there is none.
    pub(crate) fn files(&self, learning_rate: f64) -> Result<Vec<(&'static str, Vec<u8>)>, String> {
        checkpoint::files(&self.lora, &self.moments, learning_rate, &self.digest, self.model.shape())
    }
}

/// Why a step was not made.
pub(crate) enum Failed {
    /// By this one of its examples, for this reason.
    Example(usize, String),
    Stopped(DataError),
}

fn flat<'a>(tensors: impl Iterator<Item = &'a Tensor>) -> Computed<Vec<Vec<f32>>> {
    tensors.map(|tensor| tensor.flatten_all()?.to_vec1()).collect()
}
