//! What evidence proves, as formulas that the maker and the checker of a certificate share.
//!
//! The work is cut into tasks over rows. This crate starts no thread: the caller passes a [`Spread`] that runs the
//! tasks, one after the other or in parallel. Sums are exact, so the result does not depend on it.

mod below;
mod best;
mod centre;
mod discrepancy;
mod distance;
mod means;
mod nearest;
mod screened;
mod tsds;

use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

pub use below::transport_at_least;
pub use best::{BestBound, BestEvidence, best_bound};
pub use centre::mean_difference;
pub use discrepancy::{Witness, best_discrepancy_bound, discrepancy_bound};
pub(crate) use distance::check_subset;
pub use distance::{DistanceBound, DistanceEvidence, distance_bound};
pub use means::{KernelMeans, kernel_means};
pub use nearest::{NearestDistances, nearest_distances};
pub use screened::{Candidates, Screened};
pub use tsds::{best_tsds_bound, tsds_bound};

use crate::rejection::Rejection;
use crate::rounding::{ExactSum, add_up, div_down, div_up};
use crate::statement::{Objective, Statement};

/// Rows per task: enough work to be worth a thread, few enough for even shares.
const TASK: usize = 1024;

/// Rows whose closeness is held at a time.
const BLOCK: usize = 64;

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

/// Runs `task(0)`, …, `task(count − 1)`, each once, in any order and on any thread.
pub type Spread<'a> = &'a dyn Fn(usize, &(dyn Fn(usize) + Sync));

/// The [`Spread`] that runs one task after the other on the calling thread.
pub fn in_turn(count: usize, task: &(dyn Fn(usize) + Sync)) {
    (0..count).for_each(task);
}

/// Runs all tasks and merges what they return; the first failure in task order wins.
///
/// A spread that leaves a task out (because somebody stopped it) gives an error; a task that it runs twice, or that does
/// not exist, counts once or not at all.
fn gather<T: Send>(
    count: usize,
    spread: Spread<'_>,
    task: impl Fn(usize) -> Result<T, Rejection> + Sync,
    empty: T,
    merge: impl Fn(&mut T, T) + Sync,
) -> Result<T, Rejection> {
    struct State<T> {
        total: T,
        done: Vec<bool>,
        failure: Option<(usize, Rejection)>,
    }
    let state = Mutex::new(State { total: empty, done: vec![false; count], failure: None });
    spread(count, &|index| {
        if index >= count {
            return;
        }
        let part = task(index);
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        if std::mem::replace(&mut state.done[index], true) {
            return;
        }
        match part {
            Ok(part) => merge(&mut state.total, part),
            Err(failure) if state.failure.as_ref().is_none_or(|(first, _)| index < *first) => {
                state.failure = Some((index, failure));
            }
            Err(_) => {}
        }
    });
    let state = state.into_inner().unwrap_or_else(PoisonError::into_inner);
    match state.failure {
        Some((_, failure)) => Err(failure),
        None if state.done.contains(&false) => Err(Rejection::new("complete", "the computation was stopped")),
        None => Ok(state.total),
    }
}

/// A number ≤ x / (the sum of some weights), which is positive.
fn ratio_down(x: f64, total: &ExactSum) -> f64 {
    div_down(x, if x >= 0.0 { total.up() } else { total.down() })
}

/// Checks that a statement is about transport, which the formulas for W are not to be used without.
fn check_transport(problem: &Statement) -> Result<(), Rejection> {
    match problem.objective {
        Objective::W => Ok(()),
        other => Err(Rejection::new("objective", format!("potentials and plans prove nothing of `{}`", other.name()))),
    }
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
