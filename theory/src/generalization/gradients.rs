//! T8 and T8b: rows that are gradients, where the constant can be measured and a benefit bounded from below.

use super::assumption::{Assumption, Refusal};
use super::bound::{Bound, Kind};
use super::kernel::Enclosure;
use super::theorem::Theorem;
use crate::rounding::{add_up, div_up, mul_down, mul_up, sub_down};

/// Norms that agree to this relative accuracy are taken for normalised rows.
const SAME_NORM: f64 = 1e-3;

/// T8 speaks of raw gradients. Rows of one common length have been normalised, and then the distance may be zero while
/// losses fall at different rates.
///
/// # Errors
/// If there are several rows and all have the same norm to a thousandth.
pub fn require_raw(norms: &[f64]) -> Result<(), Refusal> {
    let (least, most) = norms.iter().fold((f64::INFINITY, 0.0f64), |(l, m), &x| (l.min(x), m.max(x)));
    if norms.len() > 1 && most - least <= SAME_NORM * most {
        let why = format!("all rows have norm {most:.6}: they are normalised; give the raw gradients");
        return Err(Refusal::new(Theorem::T8, Assumption::RawGradients, why));
    }
    Ok(())
}

/// T8: |(R_Q(θ) − R_Q(θ₀)) − (R_S(θ) − R_S(θ₀))| ≤ ‖Δ‖·m + β‖Δ‖², Δ = θ − θ₀.
///
/// `mismatch` is a number ≥ ‖ḡ_Q − ḡ_S‖, or the W₁ of the gradients, which is never less.
pub fn loss_change_gap(step: f64, mismatch: f64, smoothness: f64) -> Bound {
    let value = add_up(mul_up(step, mismatch), mul_up(smoothness, mul_up(step, step)));
    let inputs = [("‖Δ‖", step), ("gradient mismatch", mismatch), ("β", smoothness)];
    Bound::new(Theorem::T8, Kind::Deterministic, value, [Assumption::Smooth, Assumption::RawGradients], &inputs)
}

/// T8b: r = ‖ḡ_Q − ḡ_S‖/‖ḡ_Q‖, rounded up. Below 1 a short step on S provably lowers the loss on Q.
pub fn relative_matching_error(mismatch: Enclosure, query_norm: Enclosure) -> Bound {
    let value = if mismatch.upper == 0.0 { 0.0 } else { div_up(mismatch.upper, query_norm.lower) };
    let inputs = [("‖ḡ_Q − ḡ_S‖", mismatch.upper), ("‖ḡ_Q‖", query_norm.lower)];
    Bound::new(Theorem::T8b, Kind::Deterministic, value, [Assumption::RawGradients], &inputs)
}

/// T8b: one step of size η ≤ 1/β on S lowers R_Q by at least (η/2)(‖ḡ_Q‖² − ‖ḡ_Q − ḡ_S‖²). Rounded down; negative
/// means that nothing is promised.
pub fn descent(step_size: f64, mismatch: Enclosure, query_norm: Enclosure) -> Bound {
    let gain = sub_down(mul_down(query_norm.lower, query_norm.lower), mul_up(mismatch.upper, mismatch.upper));
    let half = step_size / 2.0;
    let value = if gain >= 0.0 { mul_down(half, gain) } else { -mul_up(half, -gain) };
    let inputs = [("η", step_size), ("‖ḡ_Q − ḡ_S‖", mismatch.upper), ("‖ḡ_Q‖", query_norm.lower)];
    let assumptions = [Assumption::Smooth, Assumption::StepSize, Assumption::RawGradients];
    Bound::new(Theorem::T8b, Kind::Deterministic, value, assumptions, &inputs).below()
}

/// Several checkpoints as one vector: the rows scaled by √η_t and joined, so that its inner products are
/// Σ_t η_t⟨g_t, h_t⟩. Scaling by η_t, as some published code does, gives Σ η_t² instead.
pub fn concatenate(checkpoints: &[&[f64]], learning_rates: &[f64]) -> Vec<f64> {
    let scaled = checkpoints.iter().zip(learning_rates).flat_map(|(row, eta)| row.iter().map(move |x| x * eta.sqrt()));
    scaled.collect()
}
