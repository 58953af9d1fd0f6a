//! Query cross-fitting: choose for one part of the queries, measure on the other (T10 for every fold).

use super::bound::{Bound, Kind};
use super::heldout::held_out_distance;
use super::metric::MetricDistance;
use super::theorem::Theorem;

/// One fold: how far its subset is from the queries it was chosen for and from those it never saw.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fold {
    /// Distance to the queries of the selection.
    pub seen: MetricDistance,
    /// Distance to the queries left out.
    pub unseen: MetricDistance,
    /// Number of queries left out.
    pub unseen_queries: usize,
}

/// T10 for every fold at once: fold f's subset is within the f-th number of the law, all with probability ≥ 1 − δ
/// (δ shared by the folds).
pub fn fold_bounds(folds: &[Fold], diameter: f64, delta: f64) -> Vec<Bound> {
    // Rounded down, so that the shares never sum to more than δ.
    let share = (delta / folds.len() as f64).next_down();
    folds.iter().map(|fold| held_out_distance(fold.unseen, diameter, fold.unseen_queries, share)).collect()
}

/// The mean of unseen − seen over folds: by how much the distance flatters itself on the queries it was chosen for.
pub fn over_fitting(folds: &[Fold]) -> Option<Bound> {
    let gap = |fold: &Fold| fold.unseen.upper() - fold.seen.upper();
    let mean = folds.iter().map(gap).sum::<f64>() / folds.len() as f64;
    let inputs = [("folds", folds.len() as f64)];
    (!folds.is_empty()).then(|| Bound::new(Theorem::T10, Kind::Estimate, mean, [], &inputs))
}
