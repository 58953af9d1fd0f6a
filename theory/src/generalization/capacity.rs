//! T3: the capacity path λ ↦ OT_λ, between the distance W₁ (λ = 1) and the chamfer distance (λ = k).

use super::assumption::Assumption;
use super::bound::{Bound, Kind};
use super::cloud::Capacity;
use super::theorem::Theorem;
use crate::rounding::{add_up, mul_up};

/// A point of the path: a number ≥ OT_λ, the least transport cost if each row may give λ times its weight 1/k.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PathPoint {
    /// λ ≥ 1.
    pub capacity: Capacity,
    /// At least OT_λ.
    pub upper: f64,
}

impl PathPoint {
    /// The upper end as a bound of OT_λ.
    pub fn bound(self) -> Bound {
        Bound::new(Theorem::T3, Kind::Deterministic, self.upper, [], &[("λ", self.capacity.value())])
    }
}

/// T3: R_Q ≤ min_λ λ·R_S + L·OT_λ over the points of the path, for losses that are never negative.
///
/// Every λ ≥ 1 is valid, so the least over any points is a bound; with the path's breakpoints among them it is the least
/// over all λ. `subset_loss` is a number ≥ R_S ≥ 0. `None` if there is no point with λ ≥ 1.
pub fn path_bound(lipschitz: f64, subset_loss: f64, path: &[PathPoint]) -> Option<Bound> {
    path_minimum(subset_loss, path, |upper| mul_up(lipschitz, upper)).map(|(value, point)| {
        let inputs = [("λ", point.capacity.value()), ("OT_λ", point.upper), ("R_S", subset_loss), ("L", lipschitz)];
        let assumptions = [Assumption::Lipschitz, Assumption::NonNegative, Assumption::OneModel];
        Bound::new(Theorem::T3, Kind::Deterministic, value, assumptions, &inputs)
    })
}

/// The least of λ·R_S + f(OT_λ), rounded up, and where.
pub(crate) fn path_minimum(subset_loss: f64, path: &[PathPoint], f: impl Fn(f64) -> f64) -> Option<(f64, PathPoint)> {
    let valid = path.iter().filter(|point| point.capacity.den > 0 && point.capacity.num >= point.capacity.den);
    valid
        .map(|&point| (add_up(mul_up(point.capacity.up(), subset_loss.max(0.0)), f(point.upper)), point))
        .min_by(|a, b| a.0.total_cmp(&b.0))
}
