//! What is asked of a model that makes rows of text, and what it makes of one.

use std::path::PathBuf;

use half::f16;
use serde::{Deserialize, Serialize};

use crate::source::number::Number;

/// How a model reads texts, and what it makes of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EncoderOptions {
    /// Tokens of a text that are read; as many as its folder says if left out.
    pub max_length: Option<usize>,
    /// What every text begins with; what its folder says by default if left out.
    pub prompt: Option<String>,
    /// Rows are projected gradients of a causal language model; what it makes by itself if left out.
    pub less: Option<LessOptions>,
}

/// Which gradients rows are made of (LESS, arXiv 2402.04333).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LessOptions {
    /// The folder of a checkpoint, or one with several in it.
    pub checkpoints: PathBuf,
    /// What the rows are for.
    pub role: GradientRole,
    /// Numbers of a row for each checkpoint.
    pub dim: usize,
    /// Of the projection.
    pub seed: u64,
    /// Whether a text of which no answer is left is a row of zeros, not an error.
    pub drop: bool,
}

/// What rows of gradients are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GradientRole {
    /// To be chosen: the direction in which Adam would go by the gradient.
    Pool,
    /// To be matched: the gradient itself.
    Query,
}

/// What says how rows of gradients were made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LessRecord {
    /// What the rows are for.
    pub role: GradientRole,
    /// The folder of the checkpoints as it was named.
    pub path: String,
    /// Of the adapters.
    pub adapter: LoraSettings,
    /// The checkpoints, in the order of their numbers in a row.
    pub checkpoints: Vec<CheckpointRecord>,
    /// How gradients became short.
    pub projection: ProjectionRecord,
    /// Texts without an answer that was read, whose rows are zeros; said once all rows are made.
    pub dropped: Option<usize>,
}

/// A checkpoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CheckpointRecord {
    /// SHA-256 of the names and digests of its files, in hexadecimal.
    pub sha256: String,
    /// The mean learning rate of the steps before it, by which it weighs.
    pub learning_rate: f64,
}

/// How gradients became short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProjectionRecord {
    /// By what.
    pub kind: String,
    /// Its seed.
    pub seed: u64,
    /// Numbers that are left.
    pub dim: usize,
}

/// Low-rank maps that are trained beside those of a model (LoRA, arXiv 2106.09685).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LoraSettings {
    /// Their rank.
    pub rank: usize,
    /// They are scaled by this number over their rank.
    pub alpha: f64,
    /// The maps of a layer that have one beside them, by their names (`q_proj`, …).
    pub targets: Vec<String>,
}

/// Why a model makes no row of a text, and what to do.
pub(crate) type Unmade = (String, &'static str);

/// What a model makes of a text.
pub(crate) struct Made {
    pub(crate) row: Vec<f32>,
    /// Whether the text was longer than what is read.
    pub(crate) is_cut: bool,
    /// Whether no answer was left of it, so that the row is zero.
    pub(crate) is_dropped: bool,
}

/// How numbers of rows are stored that a model makes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StoredAs {
    /// 16 bits.
    F16,
    /// 32 bits.
    #[default]
    F32,
}

impl StoredAs {
    /// The type of numbers in files.
    pub(super) fn number(self) -> Number {
        match self {
            Self::F16 => Number::F16,
            Self::F32 => Number::F32,
        }
    }

    /// Bytes of a number.
    pub(crate) fn bytes(self) -> usize {
        self.number().size()
    }

    /// The name of it in safetensors.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::F16 => "F16",
            Self::F32 => "F32",
        }
    }

    /// Adds the bytes of a number, unless it is beyond what can be stored.
    pub(super) fn push(self, number: f32, bytes: &mut Vec<u8>) -> bool {
        match self {
            Self::F32 => bytes.extend_from_slice(&number.to_le_bytes()),
            Self::F16 => {
                let rounded = f16::from_f32(number);
                if !rounded.is_finite() {
                    return false;
                }
                bytes.extend_from_slice(&rounded.to_le_bytes());
            }
        }
        true
    }
}
