//! What evidence proves, as formulas that the maker and the checker of a certificate share.
//!
//! The work is cut into tasks over rows. This crate starts no thread: the caller passes a [`Executor`] that runs the
//! tasks, one after the other or in parallel. Sums are exact, so the result does not depend on it.

mod below;
mod best;
mod blocks;
mod centre;
mod definite;
mod discrepancy;
mod distance;
mod feasible;
mod knapsack;
mod local;
mod means;
mod nearest;
mod outside;
mod root;
mod screened;
mod sensitivity;
pub(crate) mod tasks;
mod transport;
mod tsds;

use serde::{Deserialize, Serialize};

pub use below::transport_at_least;
pub use best::{BestBound, BestEvidence, best_bound, constrained_best_bound};
pub use blocks::{Executor, sequential};
pub use centre::mean_difference;
pub use definite::shift_holds;
pub use discrepancy::Witness;
use distance::check_weighted;
pub use distance::{DistanceBound, DistanceEvidence, constrained_distance_bound, distance_bound};
pub use means::{KernelMeans, kernel_means};
pub use nearest::{NearestDistances, nearest_distances};
pub use screened::{Candidates, Screened};
pub use sensitivity::{LimitEnd, NewRow, PricedEnd, Sensitivity};

use crate::rejection::Rejection;
use crate::rounding::{ExactSum, add_up, div_down, div_up};
use crate::statement::Objective;

/// A closed interval; a missing end is not bounded.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Interval {
    /// The quantity is at least this.
    pub lower: Option<f64>,
    /// The quantity is at most this.
    pub upper: Option<f64>,
}

/// upper / lower − 1, rounded up: how far a subset of distance ≤ `upper` can be above one of distance ≥ `lower`.
///
/// 0 if both are 0; `None` if only `lower` is, or if the numbers are no distances.
pub fn excess(upper: f64, lower: f64) -> Option<f64> {
    if upper == 0.0 && lower == 0.0 {
        return Some(0.0);
    }
    let ratio = div_up(upper, lower);
    (lower > 0.0 && ratio.is_finite()).then(|| add_up(ratio, -1.0).max(0.0))
}

/// A number ≤ x / (the sum of some weights), which is positive.
fn ratio_down(x: f64, total: &ExactSum) -> f64 {
    div_down(x, if x >= 0.0 { total.up() } else { total.down() })
}

/// Checks that there is one finite number per query.
fn check_potentials(g: &[f64], queries: usize, place: &str) -> Result<(), Rejection> {
    if g.len() != queries {
        return Err(Rejection::new("potentials", format!("{place} has {} numbers for {queries} queries", g.len())));
    }
    match g.iter().position(|x| !x.is_finite()) {
        Some(j) => Err(Rejection::new("potentials", format!("{place}[{j}] is not finite"))),
        None => Ok(()),
    }
}

/// Why evidence of one objective is refused for another.
fn misplaced(evidence: &str, objective: Objective) -> Rejection {
    Rejection::new("objective", format!("{evidence} prove nothing of `{}`", objective.name()))
}
