//! The hidden states of the encoder of a T5 (Raffel et al., arXiv 1910.10683), in `f32`: RMS norms before each part, scores that are
//! not scaled, and a bias for the distance of two tokens, which all layers share.
//!
//! One text at a time: no padding and no mask, so that a row is the same whatever its company.

use candle_core::{D, Result, Tensor};
use candle_nn::ops::{rms_norm, softmax_last_dim};
use candle_nn::{Linear, Module};
use serde::Deserialize;

use super::folder::{Folder, LARGEST};
use super::tensors::Tensors;
use crate::source::DataError;

/// The kind of model.
pub(super) const KIND: &str = "t5";

/// Tokens of a text at most: distances have no end, but scores are of all pairs.
pub(super) const MOST: usize = 1 << 14;

const NAME: &str = "config.json";

/// What `config.json` says of a T5.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Config {
    pub(super) vocab_size: usize,
    pub(super) d_model: usize,
    d_kv: usize,
    d_ff: usize,
    num_layers: usize,
    num_heads: usize,
    relative_attention_num_buckets: usize,
    #[serde(default = "published_distance")]
    relative_attention_max_distance: usize,
    layer_norm_epsilon: f64,
    #[serde(default = "relu")]
    feed_forward_proj: String,
    /// Tokens of a text that it was trained on.
    #[serde(default = "published_length")]
    pub(super) n_positions: usize,
}

fn published_distance() -> usize {
    128
}

fn published_length() -> usize {
    512
}

fn relu() -> String {
    "relu".to_owned()
}

impl Config {
    pub(super) fn read(folder: &mut Folder) -> std::result::Result<Self, DataError> {
        let config: Self = folder.json(NAME)?;
        let refuse = |fault: String| {
            Err(folder.bad(NAME, fault, "encoders of type `t5` as published (GTR, T5, T5 v1.1) are read"))
        };
        let sizes = [
            ("vocab_size", config.vocab_size),
            ("d_model", config.d_model),
            ("d_kv", config.d_kv),
            ("d_ff", config.d_ff),
            ("num_layers", config.num_layers),
            ("num_heads", config.num_heads),
            ("relative_attention_num_buckets", config.relative_attention_num_buckets),
            ("relative_attention_max_distance", config.relative_attention_max_distance),
            ("n_positions", config.n_positions),
        ];
        if let Some((name, size)) = sizes.iter().find(|(_, size)| !(1..=LARGEST).contains(size)) {
            return refuse(format!("has {name} = {size}"));
        }
        let (buckets, distance) = (config.relative_attention_num_buckets, config.relative_attention_max_distance);
        if buckets < 4 || !buckets.is_multiple_of(4) || distance <= buckets / 4 {
            return refuse(format!("has {buckets} buckets of distances up to {distance}"));
        }
        if !(config.layer_norm_epsilon > 0.0 && config.layer_norm_epsilon < 1.0) {
            return refuse(format!("has layer_norm_epsilon = {:e}", config.layer_norm_epsilon));
        }
        if !["relu", "gated-gelu"].contains(&&config.feed_forward_proj[..]) {
            return refuse(format!("has units `{}`, not relu or gated-gelu", config.feed_forward_proj));
        }
        Ok(config)
    }

    /// Bytes that a text of so many tokens takes while it is worked on, about: scores of all pairs of tokens, and what a layer makes.
    pub(super) fn working(&self, tokens: usize) -> u64 {
        let (tokens, of) = (tokens as u64, |numbers: usize| numbers as u64);
        let pairs = 4 * of(self.num_heads) * tokens * tokens;
        4 * (pairs + tokens * (4 * of(self.d_model) + 4 * of(self.num_heads * self.d_kv) + 3 * of(self.d_ff)))
    }

    /// The bucket of the distance of a token to one that looks at it, negative if it stands before.
    fn bucket(&self, distance: isize) -> usize {
        let half = self.relative_attention_num_buckets / 2;
        let exact = half / 2;
        let after = if distance > 0 { half } else { 0 };
        let far = distance.unsigned_abs();
        if far < exact {
            return after + far;
        }
        // In f32, as it is published: bounds of buckets are where this rounds them to.
        let range = libm::log(self.relative_attention_max_distance as f64 / exact as f64) as f32;
        let place = libm::logf(far as f32 / exact as f32) / range * (half - exact) as f32;
        after + (exact + place as usize).min(half - 1)
    }
}

pub(super) struct T5 {
    words: Tensor,
    /// Of every bucket by head.
    biases: Tensor,
    layers: Vec<Layer>,
    norm: Tensor,
    config: Config,
}

struct Layer {
    norm: Tensor,
    query: Linear,
    key: Linear,
    value: Linear,
    output: Linear,
    wide_norm: Tensor,
    wide: Wide,
    narrow: Linear,
}

enum Wide {
    Relu(Linear),
    /// GELU of the first times the second.
    Gated(Linear, Linear),
}

impl T5 {
    /// A tensor that is among those of the encoder and of no other part.
    pub(super) const KNOWN: &str = "encoder.final_layer_norm.weight";

    pub(super) fn read(config: &Config, weights: &dyn Tensors) -> std::result::Result<Self, DataError> {
        let (width, attended) = (config.d_model, config.num_heads * config.d_kv);
        let layer = |at: usize| {
            let get =
                |name: &str, shape: &[usize]| weights.get(&format!("encoder.block.{at}.layer.{name}.weight"), shape);
            let linear = |name: &str, from, to| Ok::<_, DataError>(Linear::new(get(name, &[to, from])?, None));
            let wide = |name: &str| linear(&format!("1.DenseReluDense.{name}"), width, config.d_ff);
            Ok::<_, DataError>(Layer {
                norm: get("0.layer_norm", &[width])?,
                query: linear("0.SelfAttention.q", width, attended)?,
                key: linear("0.SelfAttention.k", width, attended)?,
                value: linear("0.SelfAttention.v", width, attended)?,
                output: linear("0.SelfAttention.o", attended, width)?,
                wide_norm: get("1.layer_norm", &[width])?,
                wide: match &config.feed_forward_proj[..] {
                    "relu" => Wide::Relu(wide("wi")?),
                    _ => Wide::Gated(wide("wi_0")?, wide("wi_1")?),
                },
                narrow: linear("1.DenseReluDense.wo", config.d_ff, width)?,
            })
        };
        let table = [config.vocab_size, width];
        // Both names are of one tensor, of which files hold one.
        let words = weights.get("shared.weight", &table);
        let words = words.or_else(|error| weights.get("encoder.embed_tokens.weight", &table).map_err(|_| error))?;
        let biases = "encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight";
        Ok(Self {
            words,
            biases: weights.get(biases, &[config.relative_attention_num_buckets, config.num_heads])?,
            layers: (0..config.num_layers).map(layer).collect::<std::result::Result<_, _>>()?,
            norm: weights.get(Self::KNOWN, &[width])?,
            config: config.clone(),
        })
    }

    /// The hidden states of all tokens: tokens × width.
    pub(super) fn states(&self, tokens: &[u32]) -> Result<Tensor> {
        let eps = self.config.layer_norm_epsilon as f32;
        let ids = Tensor::new(tokens, self.words.device())?;
        let mut states = self.words.index_select(&ids, 0)?;
        let bias = self.bias(tokens.len())?;
        for layer in &self.layers {
            let attended = self.attention(layer, &rms_norm(&states, &layer.norm, eps)?, &bias)?;
            states = (states + layer.output.forward(&attended)?)?;
            let normed = rms_norm(&states, &layer.wide_norm, eps)?;
            let wide = match &layer.wide {
                Wide::Relu(wide) => wide.forward(&normed)?.relu()?,
                Wide::Gated(gate, wide) => (gate.forward(&normed)?.gelu()? * wide.forward(&normed)?)?,
            };
            states = (states + layer.narrow.forward(&wide)?)?;
        }
        rms_norm(&states, &self.norm, eps)
    }

    /// What is added to scores: heads × tokens × tokens.
    fn bias(&self, length: usize) -> Result<Tensor> {
        let bucket = |at: usize, other: usize| self.config.bucket(other as isize - at as isize) as u32;
        let buckets: Vec<u32> = (0..length).flat_map(|at| (0..length).map(move |other| bucket(at, other))).collect();
        let ids = Tensor::from_vec(buckets, length * length, self.biases.device())?;
        self.biases.index_select(&ids, 0)?.t()?.contiguous()?.reshape((self.config.num_heads, length, length))
    }

    fn attention(&self, layer: &Layer, states: &Tensor, bias: &Tensor) -> Result<Tensor> {
        let (heads, size, length) = (self.config.num_heads, self.config.d_kv, states.dim(0)?);
        let parted =
            |linear: &Linear| linear.forward(states)?.reshape((length, heads, size))?.transpose(0, 1)?.contiguous();
        let (query, key, value) = (parted(&layer.query)?, parted(&layer.key)?, parted(&layer.value)?);
        let scores = (query.matmul(&key.transpose(D::Minus1, D::Minus2)?.contiguous()?)? + bias)?;
        softmax_last_dim(&scores)?.matmul(&value)?.transpose(0, 1)?.reshape((length, heads * size))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where buckets of the published sizes begin, as `T5Attention._relative_position_bucket` of transformers 5.24.0 has them.
    #[test]
    fn buckets_begin_where_those_of_transformers_do() {
        let config = Config {
            vocab_size: 1,
            d_model: 1,
            d_kv: 1,
            d_ff: 1,
            num_layers: 1,
            num_heads: 1,
            relative_attention_num_buckets: 32,
            relative_attention_max_distance: 128,
            layer_norm_epsilon: 1e-6,
            feed_forward_proj: relu(),
            n_positions: 512,
        };
        let starts = [1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 23, 32, 46, 64, 91];
        for far in 0..=300 {
            let bucket = starts.iter().filter(|&&start| start <= far).count();
            assert_eq!(config.bucket(-far), bucket, "{far} before");
            assert_eq!(config.bucket(far), if far > 0 { 16 + bucket } else { 0 }, "{far} after");
        }
    }
}
