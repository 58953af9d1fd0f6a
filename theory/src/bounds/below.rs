//! What a cheap lower bound of W_1 between points says of the transport distance that was asked for (theorem T6).
//!
//! Points are as a cost compares them, w ≤ W_1 under the Euclidean distance e between them, and π any coupling:
//! - euclidean: ∫e dπ ≥ w;
//! - sqeuclidean: ∫e² dπ ≥ (∫e dπ)² ≥ w²; cosine is half of it on unit rows, half-cosine a quarter;
//! - angular: the chord is e = 2 sin(πc/2) ≤ πc, so ∫c dπ ≥ w/π.
//!
//! For p = 2, W_2 ≥ W_1 of the same cost.

use crate::cost::Cost;
use crate::rounding::{div_down, mul_down};

/// A number ≤ W_1 and ≤ W_2 under `cost`, given w ≤ W_1 under the Euclidean distance between its points; `None` for
/// given costs, which have no points.
pub fn transport_at_least(cost: Cost, w: f64) -> Option<f64> {
    let w = w.max(0.0);
    match cost {
        Cost::Euclidean => Some(w),
        Cost::Sqeuclidean => Some(mul_down(w, w)),
        Cost::Cosine => Some(0.5 * mul_down(w, w)),
        Cost::HalfCosine => Some(0.25 * mul_down(w, w)),
        Cost::Angular => Some(div_down(w, std::f64::consts::PI.next_up()).max(0.0)),
        Cost::Precomputed => None,
    }
}
