//! Selection from the nearest rows of every query, with a price on concentration (TSDS, arXiv 2410.11303).
//!
//! Every query spreads its mass 1/M over its nearest rows. A short list is close, a long one is even; the trade-off
//! α/C : (1−α) fixes the length. [`uniform`] gives all listed rows the same mass; [`crate::kde`] divides it by the
//! density around each row; [`tv`] has another penalty. Rows are then ranked by the mass that they receive from all queries
//! together, or drawn in proportion to it (module `rank`). How good any k rows are for this problem with the first
//! penalty, and how good k rows can be, is proved from the potentials of [`dual`].

pub mod dual;
pub(crate) mod rank;
pub mod tv;
pub mod uniform;

use kantor_theory::Cost;

use crate::draw::Sampling;
use crate::kernels::lists::{Neighbour, NeighbourLists};
use crate::selector::{PoolScan, SelectError, Settings};

/// The trade-off between closeness and evenness, and the lists on which it is decided.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Tradeoff {
    alpha: f64,
    scale: f64,
    /// λ = (1 − α)C/α, if it is given instead.
    diversity: Option<f64>,
    /// Longest list that is looked at.
    pub(crate) list_cap: usize,
    /// Whether ties go to the lower row at once, as in the published code.
    pub(crate) compat_reference: bool,
    /// How rows are taken by their masses.
    pub(crate) sampling: Sampling,
}

impl Tradeoff {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            alpha: settings.alpha,
            scale: settings.tradeoff_c,
            diversity: settings.diversity,
            list_cap: settings.list_cap,
            compat_reference: settings.compat_reference,
            sampling: settings.sampling,
        }
    }

    pub(crate) fn check(&self) -> Result<(), SelectError> {
        let setting = |name, value, rule| Err(SelectError::Setting { name, value, rule });
        if !(self.alpha > 0.0 && self.alpha < 1.0) {
            return setting("alpha", self.alpha, "it must lie strictly between 0 and 1");
        }
        if !(self.scale > 0.0 && self.scale.is_finite()) {
            return setting("tradeoff-c", self.scale, "it must be positive and finite");
        }
        if let Some(diversity) = self.diversity
            && !(diversity > 0.0 && diversity.is_finite())
        {
            return setting("diversity", diversity, "it must be positive and finite");
        }
        if self.list_cap == 0 {
            return setting("list-cap", 0.0, "it must be at least 1");
        }
        Ok(())
    }

    /// Whether a total gap (what evenness costs in distance) outweighs the gain in evenness of `queries` queries.
    pub(crate) fn outweighs(&self, gap: f64, queries: usize) -> bool {
        match self.diversity {
            Some(diversity) => gap >= diversity * queries as f64,
            None => (self.alpha / self.scale) * gap >= (1.0 - self.alpha) * queries as f64,
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
