//! The loss of a causal language model on the answers of a text, and its gradient by the low-rank maps beside the model.
//!
//! The passes are those of [`Causal`], of operations that can be differentiated: the fused ones have no backward pass and would leave
//! gradients out without an error. Layers are differentiated one by one from the last, each from the states that it was given. Of short
//! texts the graphs of all layers are kept; of long ones a layer is computed again, which makes the same numbers.
//!
//! Operations: 2 × 2 for each weight and token, and 2 more where layers are computed again. Limit: matrix products.

use candle_core::backprop::GradStore;
use candle_core::{D, Device, Result, Tensor, Var};
use candle_nn::Linear;
use candle_nn::ops::log_softmax;
use candle_nn::rotary_emb::rope_slow;

use super::frozen::frozen;
use super::lora::Lora;
use crate::represent::models::causal::{Causal, Layer, Shape, later};
use crate::represent::models::tensors::{HEAD, Tensors};
use crate::source::DataError;

/// Bytes that the graphs of all layers of a text may take.
const KEPT: u64 = 1 << 30;

/// Tokens whose words are told at a time.
const TOLD: usize = 64;

/// A model that can be differentiated.
pub(super) struct Differentiable {
    model: Causal,
    /// Vocabulary × width.
    head: Tensor,
    /// Bytes that the graphs of all layers of a text may take.
    pub(super) kept: u64,
}

/// The loss of a text and its gradient.
pub(super) struct Gradient {
    /// The mean over the answer's tokens of −ln of the probability of each.
    pub(super) loss: f64,
    /// By the tensors of the adapter, in their order.
    pub(super) by: Vec<Tensor>,
}

impl Differentiable {
    /// Of a model that was read, whose weights are these.
    pub(super) fn new(model: Causal, tensors: &dyn Tensors) -> std::result::Result<Self, DataError> {
        let head = match model.shape.is_tied {
            true => model.words.clone(),
            false => tensors.get(HEAD, &[model.shape.vocabulary, model.shape.width])?,
        };
        let model = untangled(model).map_err(|error| tensors.failed(&error))?;
        Ok(Self { model, head, kept: KEPT })
    }

    pub(super) fn shape(&self) -> &Shape {
        &self.model.shape
    }

    /// Bytes that a text of so many tokens takes while it is worked on, about.
    pub(super) fn working(shape: &Shape, tokens: usize) -> u64 {
        let states = shape.layers as u64 * tokens as u64 * shape.width as u64 * 4;
        let told = 3 * 4 * TOLD as u64 * shape.vocabulary as u64;
        let one = layer_bytes(shape, tokens);
        states + told + one.saturating_mul(2).max(KEPT.min(one.saturating_mul(shape.layers as u64)))
    }

    /// The gradient of the mean loss over the tokens at `answers`, none of which is the first.
    pub(super) fn gradient(&self, lora: &Lora, tokens: &[u32], answers: &[usize]) -> Result<Gradient> {
        let shape = &self.model.shape;
        let is_kept = layer_bytes(shape, tokens.len()).saturating_mul(shape.layers as u64) <= self.kept;
        let mask = later(tokens.len())?;
        let ids = Tensor::new(tokens, self.model.words.device())?;
        let mut states = self.model.words.index_select(&ids, 0)?;
        let mut passed = Vec::new();
        for at in 0..shape.layers {
            let given = Var::from_tensor(&states)?;
            let made = self.layer(lora, at, &given, &mask)?;
            states = made.detach();
            passed.push((given, is_kept.then_some(made)));
        }
        let last = Var::from_tensor(&states)?;
        let normed = rms_norm(&last, &self.model.norm, shape.eps)?;
        let (loss, by_normed) = self.loss(&normed.detach(), tokens, answers)?;
        let mut by_states = of(&backward(&normed, &by_normed)?, &last)?;
        let mut by = vec![Vec::new(); shape.layers];
        for (at, (given, made)) in passed.into_iter().enumerate().rev() {
            let made = made.map_or_else(|| self.layer(lora, at, &given, &mask), Ok)?;
            let gradients = backward(&made, &by_states)?;
            for (down, up) in lora.maps.range((at, 0)..(at + 1, 0)).map(|(_, pair)| pair) {
                by[at].extend([of(&gradients, down)?, of(&gradients, up)?]);
            }
            by_states = of(&gradients, &given)?;
        }
        Ok(Gradient { loss, by: by.concat() })
    }

    /// The loss, and its gradient by the normed states of all tokens.
    fn loss(&self, normed: &Tensor, tokens: &[u32], answers: &[usize]) -> Result<(f64, Tensor)> {
        let (length, width) = normed.dims2()?;
        let (mut loss, mut by) = (0.0, Tensor::zeros((length, width), normed.dtype(), &Device::Cpu)?);
        for part in answers.chunks(TOLD) {
            let before: Vec<u32> = part.iter().map(|&at| at as u32 - 1).collect();
            let said: Vec<u32> = part.iter().map(|&at| tokens[at]).collect();
            let (before, said) = (Tensor::new(before, &Device::Cpu)?, Tensor::new(said, &Device::Cpu)?);
            let told = log_softmax(&normed.index_select(&before, 0)?.matmul(&self.head.t()?)?, D::Minus1)?;
            let found: Vec<f32> = told.gather(&said.unsqueeze(1)?, 1)?.flatten_all()?.to_vec1()?;
            loss -= found.into_iter().map(f64::from).sum::<f64>();
            let expected = told.exp()?.matmul(&self.head)?;
            let by_part = ((expected - self.head.index_select(&said, 0)?)? / answers.len() as f64)?;
            by = by.index_add(&before, &by_part, 0)?;
        }
        Ok((loss / answers.len() as f64, by))
    }

    fn layer(&self, lora: &Lora, at: usize, states: &Tensor, mask: &Tensor) -> Result<Tensor> {
        let (layer, eps) = (&self.model.layers[at], self.model.shape.eps);
        let map = |target: usize, linear: &Linear, rows: &Tensor| {
            let made = frozen(rows, linear)?;
            match lora.maps.get(&(at, target)) {
                None => Ok(made),
                Some((down, up)) => made + (rows.matmul(&down.t()?)?.matmul(&up.t()?)? * lora.scale())?,
            }
        };
        let attended = self.attention(layer, &map, &rms_norm(states, &layer.norm, eps)?, mask)?;
        let states = (states + map(3, &layer.output, &attended)?)?;
        let normed = rms_norm(&states, &layer.wide_norm, eps)?;
        let wide = (map(4, &layer.gate, &normed)?.silu()? * map(5, &layer.up, &normed)?)?;
        states + map(6, &layer.down, &wide)?
    }

    fn attention(
        &self,
        layer: &Layer,
        map: &dyn Fn(usize, &Linear, &Tensor) -> Result<Tensor>,
        states: &Tensor,
        mask: &Tensor,
    ) -> Result<Tensor> {
        let Shape { heads, key_heads, head, eps, .. } = self.model.shape;
        let length = states.dim(0)?;
        let parted = |made: Tensor, heads: usize| made.reshape((1, length, heads, head))?.transpose(1, 2)?.contiguous();
        let mut query = parted(map(0, &layer.query, states)?, heads)?;
        let mut key = parted(map(1, &layer.key, states)?, key_heads)?;
        let value = parted(map(2, &layer.value, states)?, key_heads)?.squeeze(0)?;
        if let Some((of_query, of_key)) = &layer.head_norms {
            (query, key) = (rms_norm(&query, of_query, eps)?, rms_norm(&key, of_key, eps)?);
        }
        let (cos, sin) = &self.model.turns;
        let (query, key) = (rope_slow(&query, cos, sin)?, rope_slow(&key, cos, sin)?.squeeze(0)?);
        // Queries of one head of keys stand together.
        let share = heads / key_heads;
        let query = query.reshape((key_heads, share * length, head))?;
        let scores = (query.matmul(&key.transpose(1, 2)?.contiguous()?)? / (head as f64).sqrt())?;
        let scores = scores.reshape((key_heads, share, length, length))?.broadcast_add(mask)?;
        let shares = softmax(&scores)?.reshape((key_heads, share * length, length))?;
        shares.matmul(&value)?.reshape((heads, length, head))?.transpose(0, 1)?.reshape((length, heads * head))
    }
}

/// Bytes of the graph of a layer of a text of so many tokens, about.
fn layer_bytes(shape: &Shape, tokens: usize) -> u64 {
    let (tokens, of) = (tokens as u64, |numbers: usize| numbers as u64);
    let pairs = 6 * of(shape.heads) * tokens * tokens;
    4 * (pairs + tokens * (10 * of(shape.width) + 12 * of(shape.heads * shape.head) + 7 * of(shape.wide)))
}

/// The gradients of Σ made ⊙ by, in which `by` is the gradient by what was made.
fn backward(made: &Tensor, by: &Tensor) -> Result<GradStore> {
    (made * by)?.sum_all()?.backward()
}

/// The gradient by a variable. That there is none is a fault of the passes.
fn of(gradients: &GradStore, by: &Var) -> Result<Tensor> {
    match gradients.get(by) {
        Some(gradient) => Ok(gradient.detach()),
        None => candle_core::bail!("a gradient is missing: an operation has no backward pass"),
    }
}

fn rms_norm(states: &Tensor, scale: &Tensor, eps: f32) -> Result<Tensor> {
    let length = (states.sqr()?.mean_keepdim(D::Minus1)? + f64::from(eps))?.sqrt()?;
    states.broadcast_div(&length)?.broadcast_mul(scale)
}

/// Shares of the last dimension. The largest is taken off for the range of numbers alone, so nothing is differentiated by it.
fn softmax(scores: &Tensor) -> Result<Tensor> {
    let powers = scores.broadcast_sub(&scores.detach().max_keepdim(D::Minus1)?)?.exp()?;
    powers.broadcast_div(&powers.sum_keepdim(D::Minus1)?)
}

/// The model with the numbers of a head in the order that adapters are written for: those that turn together half a head apart.
fn untangled(mut model: Causal) -> Result<Causal> {
    let Shape { head, heads, key_heads, is_interleaved, .. } = model.shape;
    if !is_interleaved {
        return Ok(model);
    }
    let place = |at: usize| if at < head / 2 { 2 * at } else { 2 * (at - head / 2) + 1 };
    let sorted = |linear: &Linear, heads: usize| {
        let places = (0..heads * head).map(|at| (at / head * head + place(at % head)) as u32);
        let places = Tensor::from_iter(places, &Device::Cpu)?;
        Ok::<_, candle_core::Error>(Linear::new(linear.weight().index_select(&places, 0)?, None))
    };
    for layer in &mut model.layers {
        layer.query = sorted(&layer.query, heads)?;
        layer.key = sorted(&layer.key, key_heads)?;
    }
    model.shape.is_interleaved = false;
    Ok(model)
}
