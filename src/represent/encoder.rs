//! What is asked of a model that makes rows of text, and what it makes of one.

use half::f16;
use serde::{Deserialize, Serialize};

use crate::source::number::Number;

/// How a model reads texts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EncoderOptions {
    /// Tokens of a text that are read; as many as its folder says if left out.
    pub max_length: Option<usize>,
    /// What every text begins with; what its folder says by default if left out.
    pub prompt: Option<String>,
}

/// Why a model makes no row of a text, and what to do.
pub(crate) type Unmade = (String, &'static str);

/// What a model makes of a text.
pub(crate) struct Made {
    pub(crate) row: Vec<f32>,
    /// Whether the text was longer than what is read.
    pub(crate) is_cut: bool,
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
