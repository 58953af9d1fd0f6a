//! The hidden states of a BERT (Devlin et al., arXiv 1810.04805), in `f32`.
//!
//! One text at a time: no padding and no mask, so that a row is the same whatever its company.

use candle_core::{D, Result, Tensor};
use candle_nn::ops::softmax_last_dim;
use candle_nn::{LayerNorm, Linear, Module};

use super::folder::Config;
use super::tensors::Tensors;
use crate::source::DataError;

pub(super) struct Bert {
    words: Tensor,
    /// Of every position, with what is added for the type of the text, which is the first.
    positions: Tensor,
    norm: LayerNorm,
    layers: Vec<Layer>,
}

struct Layer {
    /// Queries, keys and values in one map.
    attended: Linear,
    output: Linear,
    output_norm: LayerNorm,
    wide: Linear,
    narrow: Linear,
    narrow_norm: LayerNorm,
    heads: usize,
    activation: Activation,
}

#[derive(Clone, Copy)]
enum Activation {
    /// x·Φ(x).
    Gelu,
    /// The approximation of it by tanh.
    GeluTanh,
    Relu,
}

impl Bert {
    pub(super) fn read(config: &Config, weights: &dyn Tensors) -> std::result::Result<Self, DataError> {
        let h = config.hidden_size;
        let table = |name: &str, rows: usize| weights.get(&format!("embeddings.{name}.weight"), &[rows, h]);
        let norm = |name: &str| {
            let part = |end: &str| weights.get(&format!("{name}.LayerNorm.{end}"), &[h]);
            Ok::<_, DataError>(LayerNorm::new(part("weight")?, part("bias")?, config.layer_norm_eps))
        };
        let positions = table("position_embeddings", config.max_position_embeddings)?;
        let kinds = table("token_type_embeddings", config.type_vocab_size)?;
        let positions =
            kinds.get(0).and_then(|first| positions.broadcast_add(&first)).map_err(|e| weights.failed(&e))?;
        let activation = match &config.hidden_act[..] {
            "gelu" => Activation::Gelu,
            "relu" => Activation::Relu,
            _ => Activation::GeluTanh,
        };
        let layer = |at: usize| {
            let linear = |name: &str, from: usize, to: usize| {
                let part = |end: &str, shape: &[usize]| weights.get(&format!("encoder.layer.{at}.{name}.{end}"), shape);
                Ok::<_, DataError>((part("weight", &[to, from])?, part("bias", &[to])?))
            };
            let whole = |name: &str, from: usize, to: usize| {
                let (weight, bias) = linear(name, from, to)?;
                Ok::<_, DataError>(Linear::new(weight, Some(bias)))
            };
            let parts = ["query", "key", "value"].map(|name| linear(&format!("attention.self.{name}"), h, h));
            let [query, key, value] = parts;
            let (query, key, value) = (query?, key?, value?);
            let joined = Tensor::cat(&[query.0, key.0, value.0], 0)
                .and_then(|weight| Ok((weight, Tensor::cat(&[query.1, key.1, value.1], 0)?)));
            let (weight, bias) = joined.map_err(|error| weights.failed(&error))?;
            Ok::<_, DataError>(Layer {
                attended: Linear::new(weight, Some(bias)),
                output: whole("attention.output.dense", h, h)?,
                output_norm: norm(&format!("encoder.layer.{at}.attention.output"))?,
                wide: whole("intermediate.dense", h, config.intermediate_size)?,
                narrow: whole("output.dense", config.intermediate_size, h)?,
                narrow_norm: norm(&format!("encoder.layer.{at}.output"))?,
                heads: config.num_attention_heads,
                activation,
            })
        };
        Ok(Self {
            words: table("word_embeddings", config.vocab_size)?,
            positions,
            norm: norm("embeddings")?,
            layers: (0..config.num_hidden_layers).map(layer).collect::<std::result::Result<_, _>>()?,
        })
    }

    /// Bytes that a text of so many tokens takes while it is worked on, about: scores of all pairs of tokens, and what a layer makes.
    pub(super) fn working(config: &Config, tokens: usize) -> u64 {
        let pairs = 3 * config.num_attention_heads * tokens * tokens;
        4 * (pairs + tokens * (6 * config.hidden_size + 3 * config.intermediate_size)) as u64
    }

    /// The hidden states of all tokens: tokens × hidden size.
    pub(super) fn states(&self, tokens: &[u32]) -> Result<Tensor> {
        let ids = Tensor::new(tokens, self.words.device())?;
        let words = self.words.index_select(&ids, 0)?;
        let mut states = self.norm.forward(&(words + self.positions.narrow(0, 0, tokens.len())?)?)?;
        for layer in &self.layers {
            states = layer.states(&states)?;
        }
        Ok(states)
    }
}

impl Layer {
    fn states(&self, states: &Tensor) -> Result<Tensor> {
        let attended = self.output.forward(&self.attention(states)?)?;
        let states = self.output_norm.forward(&(attended + states)?)?;
        let wide = self.wide.forward(&states)?;
        let wide = match self.activation {
            Activation::Gelu => wide.gelu_erf(),
            Activation::GeluTanh => wide.gelu(),
            Activation::Relu => wide.relu(),
        }?;
        self.narrow_norm.forward(&(self.narrow.forward(&wide)? + states)?)
    }

    fn attention(&self, states: &Tensor) -> Result<Tensor> {
        let (length, width) = states.dims2()?;
        let size = width / self.heads;
        // Three × heads × tokens × size.
        let parts = self.attended.forward(states)?.reshape((length, 3, self.heads, size))?.permute((1, 2, 0, 3))?;
        let part = |at: usize| parts.get(at)?.contiguous();
        let (query, key, value) = (part(0)?, part(1)?, part(2)?);
        let scores = (query.matmul(&key.transpose(D::Minus1, D::Minus2)?)? / (size as f64).sqrt())?;
        softmax_last_dim(&scores)?.matmul(&value)?.transpose(0, 1)?.reshape((length, width))
    }
}
