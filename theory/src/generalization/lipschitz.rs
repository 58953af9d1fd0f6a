//! From distance to loss: T1 (Kantorovich–Rubinstein), T1b (truncated metric), T2 (best reweighting), T9 (probabilistic
//! Lipschitz).

use super::assumption::Assumption;
use super::bound::{Bound, Kind};
use super::cloud::Chamfer;
use super::metric::MetricDistance;
use super::theorem::Theorem;
use crate::rounding::{ExactSum, add_up, div_down, div_up, mul_up, sub_down};

const LOSS: [Assumption; 2] = [Assumption::Lipschitz, Assumption::OneModel];

/// T1: |R_Q − R_S| ≤ L·W₁(S, Q), for the weights under which the distance was measured.
pub fn gap(lipschitz: f64, distance: MetricDistance) -> Bound {
    let inputs = [("W", distance.upper()), ("L", lipschitz)];
    Bound::new(Theorem::T1, Kind::Deterministic, mul_up(lipschitz, distance.upper()), LOSS, &inputs)
}

/// T1b: R_Q − R_S ≤ OT under min(L·d, B), given a number ≥ that value ([`Pairs::capped_cost`](super::Pairs::capped_cost)
/// with [`truncate`]); never above B.
pub fn truncated_gap(lipschitz: f64, range: f64, truncated_ot: f64) -> Bound {
    let value = truncated_ot.min(range);
    let inputs = [("OT truncated", truncated_ot), ("L", lipschitz), ("B", range)];
    Bound::new(Theorem::T1b, Kind::Deterministic, value, LOSS, &inputs).assuming([Assumption::Bounded])
}

/// min(L·d, B), rounded up.
pub fn truncate(lipschitz: f64, range: f64, distance: f64) -> f64 {
    mul_up(lipschitz, distance).min(range)
}

/// T2: |R_Q − Σ_j w_j l(s_j)| ≤ L·c(Q→S), with the weights w of [`Chamfer::counts`] over M. Not for uniform weights.
pub fn reweighted_gap(lipschitz: f64, chamfer: &Chamfer) -> Bound {
    let upper = chamfer.columns_to_rows.upper();
    let inputs = [("chamfer Q→S", upper), ("L", lipschitz)];
    Bound::new(Theorem::T2, Kind::Deterministic, mul_up(lipschitz, upper), LOSS, &inputs)
        .assuming([Assumption::BestWeights])
}

/// T2, worst case: max over Q of l ≤ max over S of l + L·h(Q→S); what k-center minimises.
pub fn worst_case(lipschitz: f64, chamfer: &Chamfer, largest_loss: f64) -> Bound {
    let inputs = [("hausdorff Q→S", chamfer.hausdorff), ("L", lipschitz), ("max loss on S", largest_loss)];
    let value = add_up(largest_loss, mul_up(lipschitz, chamfer.hausdorff));
    Bound::new(Theorem::T2, Kind::Deterministic, value, LOSS, &inputs)
}

/// One pair of a transport plan with the losses at its ends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Carried {
    /// Mass, in units of the plan.
    pub mass: u64,
    /// An upper end of the distance.
    pub distance: f64,
    /// Loss at the subset's end.
    pub subset_loss: f64,
    /// Loss at the query's end.
    pub query_loss: f64,
}

impl Carried {
    /// A number ≤ |l_i − l_j| / d: this pair's own Lipschitz constant, judged by the upper end of the distance.
    pub fn ratio(&self) -> f64 {
        let gap = sub_down(self.subset_loss.max(self.query_loss), self.subset_loss.min(self.query_loss));
        if gap <= 0.0 {
            0.0
        } else if self.distance > 0.0 {
            div_down(gap, self.distance)
        } else {
            f64::INFINITY
        }
    }
}

/// T9: R_Q − R_S ≤ λ⟨π, d⟩ + B·π{|l_i − l_j| > λ·d_ij}, measured on one plan π with measured losses.
///
/// A pair for which `|l_i − l_j| ≤ λ·d` cannot be told for certain counts as one that fails it.
pub fn measured_gap(lambda: f64, range: f64, plan: &[Carried]) -> Bound {
    let (mut cost, mut failing, mut total) = (ExactSum::default(), ExactSum::default(), ExactSum::default());
    for pair in plan {
        total.add_times(pair.mass, 1.0);
        cost.add_times(pair.mass, pair.distance);
        let gap = add_up(pair.subset_loss.max(pair.query_loss), -pair.subset_loss.min(pair.query_loss));
        if gap > crate::rounding::mul_down(lambda, pair.distance) {
            failing.add_times(pair.mass, 1.0);
        }
    }
    let failing = failing.ratio_up(&total).min(1.0);
    let value = add_up(mul_up(lambda, cost.ratio_up(&total)), mul_up(range, failing));
    let inputs = [("λ", lambda), ("B", range), ("failing mass", failing)];
    Bound::new(Theorem::T9, Kind::Deterministic, value, [Assumption::Bounded, Assumption::OneModel], &inputs)
}

/// max |l_i − l_j|/d_ij over the pairs of a plan: a *lower* estimate of L, sufficient for these points only.
pub fn observed_lipschitz(plan: &[Carried]) -> Bound {
    let value = plan.iter().map(Carried::ratio).fold(0.0, f64::max);
    Bound::new(Theorem::T9, Kind::Estimate, value, [Assumption::OneModel], &[])
}

/// The critical Lipschitz constant: only below it does R_P ≤ R_S + L·(W₁ + statistical term) say more than R_P ≤ B, for
/// losses in [0, B].
///
/// `statistical` is the part that is added to the distance for fresh queries; 0 for the queries at hand.
pub fn critical_lipschitz(range: f64, subset_loss: f64, distance: MetricDistance, statistical: f64) -> Bound {
    let per_unit = add_up(distance.upper(), statistical);
    let room = sub_down(range, subset_loss).max(0.0);
    let value = if per_unit > 0.0 { div_down(room, per_unit) } else { f64::INFINITY };
    let assumptions = [Assumption::Bounded, Assumption::NonNegative, Assumption::OneModel];
    let inputs = [("B", range), ("R_S", subset_loss), ("W", distance.upper()), ("statistical term", statistical)];
    Bound::new(Theorem::T1, Kind::Deterministic, value, assumptions, &inputs).below()
}

/// The mean of losses, enclosed; uniform weights if none are given.
///
/// `None` if there are no losses, the lengths differ, or a number is not finite.
pub fn mean_loss(losses: &[f64], weights: Option<&[f64]>) -> Option<(f64, f64)> {
    let mut sum = ExactSum::default();
    if losses.is_empty() || losses.iter().any(|x| !x.is_finite()) {
        return None;
    }
    match weights {
        None => {
            losses.iter().for_each(|&x| sum.add(x));
            let n = losses.len() as f64;
            Some((div_down(sum.down(), n), div_up(sum.up(), n)))
        }
        Some(w) => {
            if w.len() != losses.len() || w.iter().any(|w| !(w.is_finite() && *w >= 0.0)) || w.iter().all(|&w| w == 0.0)
            {
                return None;
            }
            let mut total = ExactSum::default();
            w.iter().zip(losses).for_each(|(&w, &x)| {
                sum.add_product(w, x);
                total.add(w);
            });
            Some((sum.ratio_down(&total), sum.ratio_up(&total)))
        }
    }
}
