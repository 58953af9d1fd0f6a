//! T5: what entropic transport says about transport.

use super::bound::{Bound, Kind};
use super::metric::MetricDistance;
use super::theorem::Theorem;
use crate::rounding::{ExactSum, add_up, library_up, mul_up};

/// T5: 0 ≤ ⟨C, π_ε⟩ − OT ≤ ε·min(H(a), H(b)) for the entropic optimum π_ε, and the same for its value with the term
/// ε·KL(π|a⊗b). A number ≥ the right-hand side, for weights of total 1.
pub fn entropic_excess(epsilon: f64, a: &[f64], b: &[f64]) -> f64 {
    mul_up(epsilon, entropy_up(a).min(entropy_up(b)))
}

/// T5: [`entropic_excess`] for k and m points weighted alike: ε·ln min(k, m).
pub fn uniform_excess(epsilon: f64, k: usize, m: usize) -> Bound {
    let points = k.min(m) as f64;
    let value = mul_up(epsilon, library_up(points.ln()).max(0.0));
    Bound::new(Theorem::T5, Kind::Deterministic, value, [], &[("ε", epsilon), ("points", points)])
}

/// T5: both ends of W₁ from an entropic solution: its potentials made feasible below, its plan made feasible above.
pub fn entropic_interval(distance: MetricDistance, epsilon: f64) -> (Bound, Bound) {
    let bound = |value| Bound::new(Theorem::T5, Kind::Deterministic, value, [], &[("ε", epsilon)]);
    (bound(distance.lower()).below(), bound(distance.upper()))
}

/// T5: the Sinkhorn divergence S_ε. It tends to W₁ as ε → 0, and lies on neither side of it in general.
pub fn divergence(value: f64, epsilon: f64) -> Bound {
    Bound::new(Theorem::T5, Kind::Estimate, value, [], &[("ε", epsilon)])
}

/// A number ≥ −Σ a ln a.
pub fn entropy_up(weights: &[f64]) -> f64 {
    let mut sum = ExactSum::default();
    for &a in weights.iter().filter(|&&a| a > 0.0) {
        // a·ln a may have either sign; −a ln a of weights up to 1 is not negative.
        let log = library_up(-a.ln());
        sum.add(if log >= 0.0 { mul_up(a, log) } else { 0.0 });
    }
    sum.up()
}

/// T5, upper end: rounding a plan with row and column residuals r, c (in L¹) to a feasible one moves ⟨C, π⟩ by at most
/// 2(r + c)·max C (Altschuler, Weed, Rigollet, arXiv 1705.09634, lemma 7).
pub fn rounding_change(row_residual: f64, column_residual: f64, largest_cost: f64) -> f64 {
    mul_up(mul_up(2.0, add_up(row_residual, column_residual)), largest_cost)
}
