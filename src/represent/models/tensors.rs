//! Where a network finds its weights, whatever the file is.

use candle_core::Tensor;

use crate::source::DataError;

/// The table by which words are told, which stands beside the layers.
pub(super) const HEAD: &str = "lm_head.weight";

/// Tensors by the names that HuggingFace gives them, in `f32`.
pub(super) trait Tensors {
    /// The tensor of this name, which has this shape.
    fn get(&self, name: &str, shape: &[usize]) -> Result<Tensor, DataError>;

    /// What the computation says, as a fault of the file.
    fn failed(&self, error: &candle_core::Error) -> DataError;
}
