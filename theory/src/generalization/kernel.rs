//! T14: maximum mean discrepancy and energy distance. Free of the dimension, and weaker in what they claim.

use super::assumption::Assumption;
use super::bound::{Bound, Kind};
use super::heldout::log_inverse;
use super::theorem::Theorem;
use super::{MetricDistance, Pairs};
use crate::rounding::{
    ExactSum, add_up, div_down, div_up, library_down, library_up, mul_down, mul_up, sqrt_down, sqrt_up, sub_down,
};

/// Ends of a number that is known to lie between them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Enclosure {
    /// At least this.
    pub lower: f64,
    /// At most this.
    pub upper: f64,
}

impl Enclosure {
    /// √ of both ends, cut at zero.
    pub fn sqrt(self) -> Enclosure {
        Enclosure { lower: sqrt_down(self.lower.max(0.0)), upper: sqrt_up(self.upper.max(0.0)) }
    }
}

/// Squared energy distance 2E‖X−Y‖ − E‖X−X'‖ − E‖Y−Y'‖ from the three mean distances ([`Pairs::mean`]).
pub fn energy_squared(between: MetricDistance, within_a: MetricDistance, within_b: MetricDistance) -> Enclosure {
    let lower = sub_down(2.0 * between.lower(), add_up(within_a.upper(), within_b.upper())).max(0.0);
    let upper = add_up(2.0 * between.upper(), -within_a.lower());
    Enclosure { lower, upper: add_up(upper, -within_b.lower()).max(0.0) }
}

/// The mean of exp(−d²/(2σ²)) over all pairs.
pub fn gaussian_mean(pairs: &Pairs<'_>, sigma: f64) -> Enclosure {
    let (mut low, mut high) = (ExactSum::default(), ExactSum::default());
    let (least, most) = (mul_down(2.0, mul_down(sigma, sigma)), mul_up(2.0, mul_up(sigma, sigma)));
    pairs.for_each_row(|_, lower, upper| {
        for (&l, &u) in lower.iter().zip(upper) {
            low.add(library_down((-div_up(mul_up(u, u), least)).exp()).max(0.0));
            high.add(library_up((-div_down(mul_down(l, l), most)).exp()).min(1.0));
        }
    });
    let count = (pairs.shape().0 * pairs.shape().1) as f64;
    Enclosure { lower: div_down(low.down(), count), upper: div_up(high.up(), count) }
}

/// MMD² of the Gaussian kernel from the three kernel means (biased form, which is the distance of the two samples).
pub fn mmd_squared(between: Enclosure, within_a: Enclosure, within_b: Enclosure) -> Enclosure {
    let lower = sub_down(sub_down(within_a.lower, -within_b.lower), 2.0 * between.upper).max(0.0);
    let upper = add_up(add_up(within_a.upper, within_b.upper), -2.0 * between.lower).max(0.0);
    Enclosure { lower, upper }
}

/// The MMD of two samples itself.
pub fn mmd_bound(sigma: f64, mmd: Enclosure) -> Bound {
    Bound::new(Theorem::T14, Kind::Deterministic, mmd.upper, [], &[("σ", sigma), ("at least", mmd.lower)])
}

/// The energy distance of two samples itself.
pub fn energy_bound(energy_squared: Enclosure) -> Bound {
    let energy = energy_squared.sqrt();
    Bound::new(Theorem::T14, Kind::Deterministic, energy.upper, [], &[("at least", energy.lower)])
}

/// T14: |R_Q − R_S| ≤ ‖l‖_H·MMD, only for losses in the kernel's space.
pub fn mmd_gap(norm: f64, mmd: Enclosure) -> Bound {
    let assumptions = [Assumption::InRkhs, Assumption::OneModel];
    let inputs = [("‖l‖_H", norm), ("MMD", mmd.upper)];
    Bound::new(Theorem::T14, Kind::Deterministic, mul_up(norm, mmd.upper), assumptions, &inputs)
}

/// T14: ‖μ̂_n − μ‖_H ≤ √(K/n) + √(2K ln(1/δ)/n) with probability ≥ 1 − δ, for k(x, x) ≤ K.
pub fn mmd_one_sample(kernel_max: f64, n: usize, delta: f64) -> Bound {
    let mean = sqrt_up(div_up(kernel_max, n as f64));
    let spread = sqrt_up(div_up(mul_up(mul_up(2.0, kernel_max), log_inverse(delta)), n as f64));
    let inputs = [("K", kernel_max), ("n", n as f64), ("δ", delta)];
    Bound::new(Theorem::T14, Kind::HighProbability(delta), add_up(mean, spread), [Assumption::QueriesIid], &inputs)
}

/// T14, herding: MMD(μ, S_k) ≤ R/√k when μ lies in the hull of the pool's features and rows may repeat;
/// `radius` ≥ max ‖μ − φ(x)‖. Neither need hold when k distinct rows are chosen for other queries.
pub fn herding_rate(radius: f64, k: usize) -> f64 {
    div_up(radius, sqrt_down(k as f64))
}

/// T14, Frank–Wolfe: ½MMD_k² − ½MMD_*² ≤ 2·diam²/(k + 2), with the weights of Frank–Wolfe.
pub fn frank_wolfe_gap(diameter_squared: f64, k: usize) -> f64 {
    div_up(mul_up(2.0, diameter_squared), k as f64 + 2.0)
}

/// T14: smoothing queries with a kernel of bandwidth h moves them by at most h·E‖Z‖ in W₁.
pub fn smoothing_cost(bandwidth: f64, mean_norm: f64) -> f64 {
    mul_up(bandwidth, mean_norm)
}
