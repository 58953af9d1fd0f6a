//! Linear maps whose weights are not trained: of them no gradient is made, only of what they are given. That is half of the work of a
//! backward pass, and memory for as many numbers as the model has.

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};
use candle_nn::Linear;

/// x ↦ x·Wᵀ.
struct Frozen {
    /// To × from.
    weight: Tensor,
}

/// The linear map of rows, its bias included.
pub(super) fn frozen(rows: &Tensor, linear: &Linear) -> Result<Tensor> {
    let made = rows.contiguous()?.apply_op1(Frozen { weight: linear.weight().clone() })?;
    linear.bias().map_or(Ok(made.clone()), |bias| made.broadcast_add(bias))
}

impl CustomOp1 for Frozen {
    fn name(&self) -> &'static str {
        "frozen-linear"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let numbers: &[f32] = storage.as_slice()?;
        let Some((start, end)) = layout.contiguous_offsets() else {
            candle_core::bail!("{} takes rows one after the other", self.name());
        };
        let rows = Tensor::from_slice(&numbers[start..end], layout.shape(), self.weight.device())?;
        let made = rows.matmul(&self.weight.t()?)?;
        Ok((CpuStorage::F32(made.flatten_all()?.to_vec1()?), made.shape().clone()))
    }

    fn bwd(&self, _: &Tensor, _: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        gradient.matmul(&self.weight).map(Some)
    }
}
