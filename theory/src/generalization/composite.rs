//! The main statement: truncated metric (T1b), capacity path (T3) and held-out queries (T10), or the same queries (T11),
//! with direct evaluation (T12) where the model can be run.

use super::assumption::Assumption;
use super::bound::{Bound, Kind};
use super::capacity::{PathPoint, path_minimum};
use super::heldout::log_inverse;
use super::theorem::Theorem;
use crate::rounding::{add_up, div_up, library_up, mul_up, sqrt_up};

const LOSS: [Assumption; 4] =
    [Assumption::Lipschitz, Assumption::Bounded, Assumption::NonNegative, Assumption::QueriesIid];

/// Constants of the loss and the metric, fixed before looking at the queries.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Constants {
    /// L.
    pub lipschitz: f64,
    /// B.
    pub range: f64,
    /// D.
    pub diameter: f64,
    /// A number ≥ R_S ≥ 0.
    pub subset_loss: f64,
    /// δ.
    pub delta: f64,
}

/// R_P ≤ min_λ { λ·R_S + OT_λ under min(L·d, B) + min(L·D, B)·√(ln(|Λ|/δ)/(2M_e)) } with probability ≥ 1 − δ, for every
/// model at once; S chosen without the M_e held-out queries.
///
/// `path` holds OT_λ *under the truncated metric* to the held-out queries, on a grid Λ that was fixed without looking at
/// them. `None` if no point has λ ≥ 1.
pub fn held_out(x: &Constants, path: &[PathPoint], held_out: usize) -> Option<Bound> {
    let log = add_up(log_inverse(x.delta), library_up((path.len() as f64).ln()));
    let width = mul_up(x.lipschitz, x.diameter).min(x.range);
    let term = mul_up(width, sqrt_up(div_up(log, 2.0 * held_out as f64)));
    let (value, point) = path_minimum(x.subset_loss, path, |upper| add_up(upper, term))?;
    let inputs = [
        ("λ", point.capacity.value()),
        ("OT_λ truncated", point.upper),
        ("R_S", x.subset_loss),
        ("statistical term", term),
        ("|Λ|", path.len() as f64),
        ("L", x.lipschitz),
        ("B", x.range),
        ("D", x.diameter),
        ("M held out", held_out as f64),
        ("δ", x.delta),
    ];
    let bound = Bound::new(Theorem::Composite, Kind::HighProbability(x.delta), value, LOSS, &inputs);
    Some(bound.assuming([Assumption::HeldOut, Assumption::PriorDiameter]))
}

/// The same when S saw the queries: R_P ≤ min_λ { λ·R_S + OT_λ under min(L·d, B) + min(L·(W₁(Q, P) bound), B) }, uniform in
/// S and λ, with T11's bound of W₁(Q, P).
pub fn same_queries(x: &Constants, path: &[PathPoint], law: &Bound) -> Option<Bound> {
    let term = mul_up(x.lipschitz, law.value()).min(x.range);
    let (value, point) = path_minimum(x.subset_loss, path, |upper| add_up(upper, term))?;
    let inputs = [
        ("λ", point.capacity.value()),
        ("OT_λ truncated", point.upper),
        ("R_S", x.subset_loss),
        ("W₁(Q,P) bound", law.value()),
        ("L", x.lipschitz),
        ("B", x.range),
    ];
    let bound = Bound::new(Theorem::Composite, law.kind(), value, LOSS, &inputs);
    Some(bound.assuming(law.assumptions().iter().copied()))
}
