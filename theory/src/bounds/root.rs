//! From bounds of a power of the distance to those of the distance itself: W_p is a root, and so is the distance of a kernel.

use crate::bounds::Interval;
use crate::cost::Cost;
use crate::cost_bounds::Power;
use crate::rounding::{sqrt_down, sqrt_up};
use crate::statement::Statement;

impl Statement {
    /// Whether distances can be negative: only under given costs to the first power.
    pub(crate) fn signed(&self) -> bool {
        let transport = self.objective.kernel().is_none();
        self.cost == Cost::Precomputed && self.p == Power::One && transport
    }

    /// The interval of D from that of D^q: q is p for W, 2 for the distance of a kernel, 1 for TSDS's problem.
    pub(crate) fn root(&self, powered: Interval) -> Interval {
        let Interval { lower, upper } = powered;
        match self.objective.kernel() {
            None => Interval {
                lower: lower.map(|lower| self.p.root_down(lower)),
                upper: upper.map(|upper| self.p.root_up(upper)),
            },
            Some(_) => Interval { lower: lower.map(sqrt_down), upper: upper.map(sqrt_up) },
        }
    }

    /// What a lower bound of D^q for all subsets, less what rows are worth by themselves, says of what certificates call the
    /// distance; `None` if it is too large for a double.
    pub(crate) fn lower_of_power(&self, powered: f64) -> Option<f64> {
        if self.quality.is_some() {
            return Some(powered).filter(|lower| lower.is_finite());
        }
        let lower = if self.signed() { powered } else { powered.max(0.0) };
        lower.is_finite().then(|| self.root(Interval { lower: Some(lower), upper: None }).lower)?
    }
}
