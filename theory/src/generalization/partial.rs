//! T4: any plan certifies, if what it leaves undelivered is paid for; what unbalanced transport bounds and what not.

use super::assumption::Assumption;
use super::bound::{Bound, Kind};
use super::theorem::Theorem;
use crate::rounding::{add_up, div_up, mul_up, sqrt_up};

/// T4: |R_Q − R_S| ≤ L⟨π, d⟩ + (B/2)(‖a − a'‖₁ + ‖b − b'‖₁) for any π ≥ 0 with marginals a' and b'.
///
/// `cost` is a number ≥ ⟨π, d⟩; the two deviations are numbers ≥ the L¹ distances of the plan's marginals from the
/// weights (each of total 1). The *value* of an unbalanced problem without these terms bounds nothing.
pub fn partial_plan_gap(lipschitz: f64, range: f64, cost: f64, query_deviation: f64, subset_deviation: f64) -> Bound {
    let missing = mul_up(range / 2.0, add_up(query_deviation, subset_deviation));
    let inputs =
        [("⟨π,d⟩", cost), ("‖b−b'‖₁", query_deviation), ("‖a−a'‖₁", subset_deviation), ("L", lipschitz), ("B", range)];
    let value = add_up(mul_up(lipschitz, cost), missing);
    let assumptions = [Assumption::Lipschitz, Assumption::Bounded, Assumption::OneModel];
    Bound::new(Theorem::T4, Kind::Deterministic, value, assumptions, &inputs)
}

/// T4: ⟨π, d⟩ of a plan that leaves a share of the mass out on both sides: |R_Q − R_S| ≤ L·(this) + B·(that share). Both
/// are numbers ≥ the truth.
pub fn partial_plan_cost(cost: f64, missing: f64) -> Bound {
    Bound::new(Theorem::T4, Kind::Deterministic, cost, [], &[("share left out", missing)])
}

/// T4, generalised Pinsker: a number ≥ ‖x − y‖₁ from KL(x|y) = Σ x ln(x/y) − x + y and the totals of x and y:
/// ‖x − y‖₁² ≤ (⅔‖x‖₁ + ⁴⁄₃‖y‖₁)·KL(x|y). Looser than the deviation itself; for when only the KL was kept.
pub fn pinsker(total_x: f64, total_y: f64, kl: f64) -> f64 {
    let weight = add_up(div_up(mul_up(2.0, total_x), 3.0), div_up(mul_up(4.0, total_y), 3.0));
    sqrt_up(mul_up(weight, kl.max(0.0)))
}
