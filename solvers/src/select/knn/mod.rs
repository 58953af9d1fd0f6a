//! Selection from the nearest rows of every query, with a price on concentration (TSDS, arXiv 2410.11303).
//!
//! Every query spreads its mass (1/M, or its weight) over its nearest rows. A short list is close, a long one is even; the trade-off
//! α/C : (1−α) fixes the length. [`uniform`] gives all listed rows the same mass; [`crate::select::knn::kde`] divides it by the
//! density around each row; [`tv`] has another penalty. Rows are then ranked by the mass that they receive from all queries
//! together, or drawn in proportion to it (module `rank`). How good any k rows are for this problem with the first
//! penalty, and how good k rows can be, is proved from the potentials of [`tsds`](crate::relax::tsds).

pub mod kde;
mod level;
pub(crate) mod rank;
pub mod tv;
pub mod uniform;

use kantor_theory::Cost;

use crate::draw::Sampling;
use crate::objective::ObjectiveSettings;
use crate::scan::PoolScan;
use crate::scan::lists::{Neighbour, NeighbourLists};
use crate::settings::settings;
use crate::task::SelectError;

settings! {
    /// The trade-off between closeness and evenness, and how rows are taken by the masses that it gives them.
    pub struct Tradeoff {
        /// Trade-off of the KNN methods: near 0 spreads out, near 1 takes the nearest only
        alpha: f64 = 0.01 => range(|alpha| alpha > 0.0 && alpha < 1.0, "it must lie strictly between 0 and 1");
        /// Scale of the KNN methods' trade-off
        tradeoff_c: f64 = 5.0 => positive();
        diversity: Option<f64> as ObjectiveSettings;
        /// How the KNN methods take rows: `top-k` by mass, or drawn by mass without replacement (`multinomial`, by `seed`)
        sampling: Sampling = Sampling::TopK => value_name("WAY");
        /// Break ties of the KNN methods by row number alone, as the published code does
        compat_reference: bool = false;
    }
}

impl Tradeoff {
    /// Whether a total gap (what evenness costs in distance) outweighs the gain in evenness of `queries` queries.
    pub(crate) fn outweighs(&self, gap: f64, queries: usize) -> bool {
        match self.diversity {
            Some(diversity) => gap >= diversity * queries as f64,
            None => (self.alpha / self.tradeoff_c) * gap >= (1.0 - self.alpha) * queries as f64,
        }
    }
}

/// The nearest rows of every query, as the pass found them.
pub(crate) fn lists_of<'a>(scanned: &'a PoolScan, method: &'static str) -> Result<&'a NeighbourLists, SelectError> {
    let fault = "was given no neighbour lists: answer its needs first";
    scanned.lists.as_ref().ok_or(SelectError::Unsupported { method, fault })
}

/// The cost of a listed pair; a pair whose closeness is not a number is infinitely far.
pub(crate) fn cost_of(cost: Cost, neighbour: &Neighbour) -> f64 {
    if neighbour.closeness.is_nan() { f64::INFINITY } else { cost.from_closeness(neighbour.closeness) }
}
