//! The hidden states of a causal language model of the Llama family (Touvron et al., arXiv 2302.13971): RMS norms, rotary positions
//! (arXiv 2104.09864), grouped queries (arXiv 2305.13245) and gated units; one text at a time, in `f32`.

use candle_core::{D, Device, Result, Tensor};
use candle_nn::ops::{rms_norm, silu, softmax_last_dim};
use candle_nn::rotary_emb::{rope, rope_i};
use candle_nn::{Linear, Module};

use super::tensors::Tensors;
use crate::source::DataError;

/// Sizes and switches of a model.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Shape {
    pub(super) vocabulary: usize,
    pub(super) width: usize,
    pub(super) layers: usize,
    /// Heads of the queries, and of keys and values, each of which serves as many of them.
    pub(super) heads: usize,
    pub(super) key_heads: usize,
    /// Numbers of a head.
    pub(super) head: usize,
    pub(super) wide: usize,
    /// Tokens of a text that it can read.
    pub(super) positions: usize,
    /// The base of the wavelengths of positions.
    pub(super) theta: f64,
    pub(super) eps: f32,
    /// Whether queries, keys and values have a bias (Qwen2).
    pub(super) has_bias: bool,
    /// Whether queries and keys are normalised by head (Qwen3).
    pub(super) has_head_norms: bool,
    /// Whether numbers that turn together stand side by side (GGUF), not half a head apart.
    pub(super) is_interleaved: bool,
    /// Whether words are told by the same table as they are read by.
    pub(super) is_tied: bool,
}

impl Shape {
    /// Bytes that a text of so many tokens takes while it is worked on, about: scores of all pairs of tokens, and what a layer makes.
    pub(super) fn working(&self, tokens: usize) -> u64 {
        let (tokens, of) = (tokens as u64, |numbers: usize| numbers as u64);
        let pairs = 3 * of(self.heads) * tokens * tokens;
        4 * (pairs + tokens * (4 * of(self.width) + 3 * of(self.wide)))
    }
}

pub(super) struct Causal {
    pub(super) words: Tensor,
    pub(super) layers: Vec<Layer>,
    pub(super) norm: Tensor,
    pub(super) shape: Shape,
    /// Cosines and sines of positions: positions × half a head.
    pub(super) turns: (Tensor, Tensor),
}

pub(super) struct Layer {
    pub(super) norm: Tensor,
    pub(super) query: Linear,
    pub(super) key: Linear,
    pub(super) value: Linear,
    pub(super) head_norms: Option<(Tensor, Tensor)>,
    pub(super) output: Linear,
    pub(super) wide_norm: Tensor,
    pub(super) gate: Linear,
    pub(super) up: Linear,
    pub(super) down: Linear,
}

impl Causal {
    /// Reads a model that is given texts of `longest` tokens at most.
    pub(super) fn read(shape: Shape, longest: usize, tensors: &dyn Tensors) -> std::result::Result<Self, DataError> {
        let (width, queries, keys) = (shape.width, shape.heads * shape.head, shape.key_heads * shape.head);
        let layer = |at: usize| {
            let get = |name: &str, of: &[usize]| tensors.get(&format!("layers.{at}.{name}"), of);
            let plain = |name: &str, from: usize, to: usize| {
                Ok::<_, DataError>(Linear::new(get(&format!("{name}.weight"), &[to, from])?, None))
            };
            let attending = |name: &str, to: usize| {
                let weight = get(&format!("self_attn.{name}.weight"), &[to, width])?;
                let bias = shape.has_bias.then(|| get(&format!("self_attn.{name}.bias"), &[to])).transpose()?;
                Ok::<_, DataError>(Linear::new(weight, bias))
            };
            let of_heads = |name: &str| get(&format!("self_attn.{name}.weight"), &[shape.head]);
            Ok::<_, DataError>(Layer {
                norm: get("input_layernorm.weight", &[width])?,
                query: attending("q_proj", queries)?,
                key: attending("k_proj", keys)?,
                value: attending("v_proj", keys)?,
                head_norms: match shape.has_head_norms {
                    true => Some((of_heads("q_norm")?, of_heads("k_norm")?)),
                    false => None,
                },
                output: plain("self_attn.o_proj", queries, width)?,
                wide_norm: get("post_attention_layernorm.weight", &[width])?,
                gate: plain("mlp.gate_proj", width, shape.wide)?,
                up: plain("mlp.up_proj", width, shape.wide)?,
                down: plain("mlp.down_proj", shape.wide, width)?,
            })
        };
        Ok(Self {
            words: tensors.get("embed_tokens.weight", &[shape.vocabulary, width])?,
            layers: (0..shape.layers).map(layer).collect::<std::result::Result<_, _>>()?,
            norm: tensors.get("norm.weight", &[width])?,
            turns: turns(&shape, longest).map_err(|error| tensors.failed(&error))?,
            shape,
        })
    }

    /// The hidden states after the last norm: tokens × width.
    pub(super) fn states(&self, tokens: &[u32]) -> Result<Tensor> {
        let ids = Tensor::new(tokens, self.words.device())?;
        let mut states = self.words.index_select(&ids, 0)?;
        let mask = later(tokens.len())?;
        for layer in &self.layers {
            states = self.next(layer, &states, &mask)?;
        }
        rms_norm(&states, &self.norm, self.shape.eps)
    }

    fn next(&self, layer: &Layer, states: &Tensor, mask: &Tensor) -> Result<Tensor> {
        let eps = self.shape.eps;
        let attended = self.attention(layer, &rms_norm(states, &layer.norm, eps)?, mask)?;
        let states = (states + layer.output.forward(&attended)?)?;
        let normed = rms_norm(&states, &layer.wide_norm, eps)?;
        let wide = (silu(&layer.gate.forward(&normed)?)? * layer.up.forward(&normed)?)?;
        states + layer.down.forward(&wide)?
    }

    fn attention(&self, layer: &Layer, states: &Tensor, mask: &Tensor) -> Result<Tensor> {
        let Shape { heads, key_heads, head, eps, is_interleaved, .. } = self.shape;
        let length = states.dim(0)?;
        let parted = |made: Tensor, heads: usize| made.reshape((1, length, heads, head))?.transpose(1, 2)?.contiguous();
        let mut query = parted(layer.query.forward(states)?, heads)?;
        let mut key = parted(layer.key.forward(states)?, key_heads)?;
        let value = parted(layer.value.forward(states)?, key_heads)?;
        if let Some((of_query, of_key)) = &layer.head_norms {
            (query, key) = (rms_norm(&query, of_query, eps)?, rms_norm(&key, of_key, eps)?);
        }
        let turn = if is_interleaved { rope_i } else { rope };
        let turns = (self.turns.0.narrow(0, 0, length)?, self.turns.1.narrow(0, 0, length)?);
        let (query, key) = (turn(&query, &turns.0, &turns.1)?, turn(&key, &turns.0, &turns.1)?);
        // Queries of one head of keys stand together.
        let share = heads / key_heads;
        let query = query.reshape((key_heads, share * length, head))?;
        let (key, value) = (key.squeeze(0)?, value.squeeze(0)?);
        let scores = (query.matmul(&key.transpose(D::Minus1, D::Minus2)?.contiguous()?)? / (head as f64).sqrt())?;
        let scores = scores.reshape((key_heads, share, length, length))?.broadcast_add(mask)?;
        let shares = softmax_last_dim(&scores)?.reshape((key_heads, share * length, length))?;
        shares.matmul(&value)?.reshape((heads, length, head))?.transpose(0, 1)?.reshape((length, heads * head))
    }
}

/// What is added to scores, so that no token looks at a later one.
pub(super) fn later(length: usize) -> Result<Tensor> {
    let of = |(at, other): (usize, usize)| if other > at { f32::NEG_INFINITY } else { 0.0 };
    let mask: Vec<f32> = (0..length).flat_map(|at| (0..length).map(move |other| of((at, other)))).collect();
    Tensor::from_vec(mask, (length, length), &Device::Cpu)
}

fn turns(shape: &Shape, positions: usize) -> Result<(Tensor, Tensor)> {
    let half = shape.head / 2;
    let angle = |at: usize, pair: usize| at as f64 / shape.theta.powf(2.0 * pair as f64 / shape.head as f64);
    let angles: Vec<f64> = (0..positions).flat_map(|at| (0..half).map(move |pair| angle(at, pair))).collect();
    let made = |of: fn(f64) -> f64| {
        let values: Vec<f32> = angles.iter().map(|&angle| of(angle) as f32).collect();
        Tensor::from_vec(values, (positions, half), &Device::Cpu)
    };
    Ok((made(libm::cos)?, made(libm::sin)?))
}
