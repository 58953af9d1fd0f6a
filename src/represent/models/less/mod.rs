//! Rows of gradients, by which LESS chooses data (Xia et al., arXiv 2402.04333).
//!
//! A row has a part for each checkpoint of a training by low-rank maps. Of a pool row it is the direction in which Adam would go by the
//! gradient of the example's loss, of a query row the gradient itself; either is projected ([`Sketch`]) and scaled to length √w, w the
//! checkpoint's share of the learning rates. So rows have unit length, and their inner product is Σ w cos: the score of LESS, divided by
//! the sum of the learning rates (`theory/notes/less.md`).

mod adam;
mod checkpoint;
mod frozen;
mod gradient;
mod lora;
mod sketch;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
mod train;

use candle_core::Result as Computed;
use kantor_solvers::Watch;

use super::causal::{Causal, Shape};
use super::tensors::Tensors;
use crate::represent::encoder::{GradientRole, LessOptions, LessRecord, ProjectionRecord};
use crate::source::DataError;
use crate::source::memory::{Allowance, Claim};
use crate::source::name::readable;
use checkpoint::Checkpoint;
use gradient::{Differentiable, Gradient};
use sketch::Sketch;
pub(crate) use train::{Example, Failed, Trainer};

/// What makes rows of gradients.
pub(super) struct Less {
    model: Differentiable,
    checkpoints: Vec<Checkpoint>,
    sketch: Sketch,
    options: LessOptions,
}

impl Less {
    /// Of a model with this digest, whose weights are these.
    pub(super) fn read(
        model: Causal,
        tensors: &dyn Tensors,
        digest: &str,
        options: &LessOptions,
        allowance: &Allowance,
        watch: &dyn Watch,
    ) -> Result<Self, DataError> {
        let model = Differentiable::new(model, tensors)?;
        let checkpoints = Checkpoint::all(&options.checkpoints, digest, model.shape(), allowance, watch)?;
        let sketch = Sketch { dim: options.dim, seed: options.seed };
        // A gradient and a row for every thread.
        let numbers = checkpoints.iter().map(|of| lora::numbers(&of.lora.settings, model.shape())).max().unwrap_or(0);
        let row = options.dim.saturating_mul(checkpoints.len());
        let bytes = (8 * numbers as u64).saturating_add(12 * row as u64);
        let mut claim = Claim::new(allowance, &options.checkpoints);
        let remedy = "allow more with --max-memory, or less with --threads";
        claim.add(bytes.saturating_mul(rayon::current_num_threads() as u64), "the gradients of texts", remedy)?;
        claim.keep();
        Ok(Self { model, checkpoints, sketch, options: options.clone() })
    }

    /// Bytes that work on a text of so many tokens takes, about.
    pub(super) fn working(shape: &Shape, tokens: usize) -> u64 {
        Differentiable::working(shape, tokens)
    }

    /// Numbers in a row.
    pub(super) fn dim(&self) -> usize {
        self.sketch.dim * self.checkpoints.len()
    }

    /// Whether texts without an answer that is read have rows of zeros.
    pub(super) fn drops(&self) -> bool {
        self.options.drop
    }

    /// What rows say of how they were made.
    pub(super) fn record(&self) -> LessRecord {
        LessRecord {
            role: self.options.role,
            path: readable(&self.options.checkpoints).to_string(),
            adapter: self.checkpoints[0].lora.settings.clone(),
            checkpoints: self.checkpoints.iter().map(|checkpoint| checkpoint.record.clone()).collect(),
            projection: ProjectionRecord {
                kind: sketch::KIND.to_owned(),
                seed: self.sketch.seed,
                dim: self.sketch.dim,
            },
            dropped: None,
        }
    }

    /// The row of a text by the places of its answer's tokens, none of which is the first.
    pub(super) fn row(&self, tokens: &[u32], answers: &[usize]) -> Computed<Vec<f32>> {
        let rates: f64 = self.checkpoints.iter().map(|checkpoint| checkpoint.record.learning_rate).sum();
        let mut row = Vec::with_capacity(self.dim());
        for checkpoint in &self.checkpoints {
            let Gradient { by, .. } = self.model.gradient(&checkpoint.lora, tokens, answers)?;
            let (mut part, mut start) = (vec![0.0; self.sketch.dim], 0);
            for (at, gradient) in by.iter().enumerate() {
                let numbers: Vec<f32> = gradient.flatten_all()?.to_vec1()?;
                let [first, second] = &checkpoint.moments;
                match self.options.role {
                    GradientRole::Query => self.sketch.add(start, numbers.iter().map(|&x| f64::from(x)), &mut part),
                    GradientRole::Pool => {
                        let moments = first[at].iter().zip(&second[at]);
                        let directions = numbers.iter().zip(moments).map(|(&g, (&m, &v))| adam::direction(g, m, v));
                        self.sketch.add(start, directions, &mut part);
                    }
                }
                start += numbers.len();
            }
            let length = part.iter().map(|x| x * x).sum::<f64>().sqrt();
            if !(length.is_finite() && length > 0.0) {
                candle_core::bail!("its gradient has length {length}");
            }
            let scale = (checkpoint.record.learning_rate / rates).sqrt() / length;
            row.extend(part.iter().map(|x| (x * scale) as f32));
        }
        Ok(row)
    }
}
