//! A sentence encoder: a BERT, and what makes one row of its hidden states.

use candle_core::{Result as Computed, Tensor};
use candle_nn::{Linear, Module};
use kantor_solvers::Watch;

use super::bert::Bert;
use super::folder::{self, Config, Dense, Folder, Pooling, Step};
use super::tensors::Tensors;
use super::unit;
use super::weights::Files;
use crate::source::DataError;
use crate::source::memory::Allowance;

pub(super) struct Sentence {
    bert: Bert,
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
        let steps = folder.steps()?;
        let files = Files::open(folder, "", watch)?;
        let bert = Bert::read(config, &files.weights(folder, "embeddings.word_embeddings.weight", allowance)?)?;
        files.check()?;
        let (mut after, mut dim) = (Vec::new(), config.hidden_size);
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
        Ok(Self { bert, after, dim })
    }

    /// The row of a text, 1 × numbers.
    pub(super) fn row(&self, tokens: &[u32]) -> Computed<Tensor> {
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
