//! A sentence encoder: a BERT or the encoder of a T5, and what makes one row of its hidden states.

use candle_core::{Result as Computed, Tensor};
use candle_nn::{Linear, Module};
use kantor_solvers::Watch;

use super::bert::Bert;
use super::folder::{self, Dense, Folder, Pooling, Step};
use super::t5::{self, T5};
use super::tensors::Tensors;
use super::unit;
use super::weights::Files;
use crate::source::DataError;
use crate::source::memory::Allowance;

/// What a folder says of the layers.
pub(super) enum Config {
    Bert(folder::Config),
    T5(t5::Config),
}

impl Config {
    pub(super) fn vocabulary(&self) -> usize {
        match self {
            Self::Bert(config) => config.vocab_size,
            Self::T5(config) => config.vocab_size,
        }
    }

    /// Tokens of a text that can be read.
    pub(super) fn most(&self) -> usize {
        match self {
            Self::Bert(config) => config.max_position_embeddings,
            Self::T5(_) => t5::MOST,
        }
    }

    /// Tokens of a text that are meant to be read, where no other file says so.
    pub(super) fn usual(&self) -> usize {
        match self {
            Self::Bert(config) => config.max_position_embeddings,
            Self::T5(config) => config.n_positions,
        }
    }

    /// Bytes that a text of so many tokens takes while it is worked on, about.
    pub(super) fn working(&self, tokens: usize) -> u64 {
        match self {
            Self::Bert(config) => Bert::working(config, tokens),
            Self::T5(config) => config.working(tokens),
        }
    }
}

enum Layers {
    Bert(Bert),
    T5(T5),
}

pub(super) struct Sentence {
    layers: Layers,
    after: Vec<After>,
    pub(super) dim: usize,
}

enum After {
    Pool(Pooling),
    Dense(Linear, bool),
    Normalize,
}

impl Sentence {
    pub(super) fn read(
        folder: &mut Folder,
        config: &Config,
        allowance: &Allowance,
        watch: &dyn Watch,
    ) -> Result<Self, DataError> {
        let width = match config {
            Config::Bert(config) => config.hidden_size,
            Config::T5(config) => config.d_model,
        };
        let steps = folder.steps(width)?;
        let files = Files::open(folder, "", watch)?;
        let layers = match config {
            Config::Bert(config) => {
                let weights = files.weights(folder, "embeddings.word_embeddings.weight", allowance)?;
                Layers::Bert(Bert::read(config, &weights)?)
            }
            Config::T5(config) => {
                let weights = files.weights(folder, T5::KNOWN, allowance)?;
                Layers::T5(T5::read(config, &weights)?)
            }
        };
        files.check()?;
        let (mut after, mut dim) = (Vec::new(), width);
        for step in steps {
            after.push(match step {
                Step::Pool(pooling) => After::Pool(pooling),
                Step::Normalize => After::Normalize,
                Step::Dense(dense) => {
                    let made = self::dense(folder, &dense, dim, allowance, watch)?;
                    dim = dense.out_features;
                    After::Dense(made, dense.has_tanh())
                }
            });
        }
        Ok(Self { layers, after, dim })
    }

    /// The row of a text, 1 × numbers.
    pub(super) fn row(&self, tokens: &[u32]) -> Computed<Tensor> {
        let mut states = match &self.layers {
            Layers::Bert(bert) => bert.states(tokens),
            Layers::T5(t5) => t5.states(tokens),
        }?;
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
        Ok(states)
    }
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
    let weights = files.weights(folder, "linear.weight", allowance)?;
    let weight = weights.get("linear.weight", &[dense.out_features, dense.in_features])?;
    let bias = dense.bias.then(|| weights.get("linear.bias", &[dense.out_features])).transpose()?;
    files.check()?;
    Ok(Linear::new(weight, bias))
}
