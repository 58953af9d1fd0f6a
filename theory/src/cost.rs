//! The pairwise rule: which number stands for "far apart".
//!
//! Every cost is a decreasing function of one number per pair, its *closeness*: the cosine for the cosine family,
//! minus the squared distance for the Euclidean family, minus the cost itself when costs are given. Orders are
//! decided on closeness, so all members of a family order pairs alike; distances are computed on costs.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A pairwise cost c(x, q) with its scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cost {
    /// 1 − cos(x, q), in [0, 2]. Half the squared chord; not a metric.
    #[default]
    Cosine,
    /// (1 − cos(x, q)) / 2, in [0, 1].
    HalfCosine,
    /// ‖x − q‖ on the rows as given.
    Euclidean,
    /// ‖x − q‖² on the rows as given.
    Sqeuclidean,
    /// arccos(cos(x, q)) / π, in [0, 1]; a metric on directions.
    Angular,
    /// The numbers in the given matrix are the costs.
    Precomputed,
}

/// What the closeness of a pair is, for a family of costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// Closeness is the cosine of the two rows.
    Angle,
    /// Closeness is minus the squared Euclidean distance.
    Distance,
    /// Closeness is minus the given cost.
    Given,
}

impl Family {
    /// The squared distance, in `f64`, of two points with this closeness: of rows divided by their norms, or of rows as
    /// they are. NaN for given numbers, which are no points.
    #[inline(always)]
    pub fn squared_distance(self, closeness: f64) -> f64 {
        match self {
            Family::Angle => 2.0 * (1.0 - closeness.clamp(-1.0, 1.0)),
            Family::Distance => -closeness,
            Family::Given => f64::NAN,
        }
    }
}

impl Cost {
    /// All costs, in the order in which they are listed to users.
    pub const ALL: [Cost; 6] =
        [Cost::Cosine, Cost::HalfCosine, Cost::Euclidean, Cost::Sqeuclidean, Cost::Angular, Cost::Precomputed];

    /// The name on the command line and in files.
    pub fn name(self) -> &'static str {
        match self {
            Cost::Cosine => "cosine",
            Cost::HalfCosine => "half-cosine",
            Cost::Euclidean => "euclidean",
            Cost::Sqeuclidean => "sqeuclidean",
            Cost::Angular => "angular",
            Cost::Precomputed => "precomputed",
        }
    }

    /// One line for `kantor costs`.
    pub fn summary(self) -> &'static str {
        match self {
            Cost::Cosine => "1 − cos, in [0, 2]; rows are normalised; half the squared chord, not a metric",
            Cost::HalfCosine => "(1 − cos)/2, in [0, 1]; rows are normalised; not a metric",
            Cost::Euclidean => "‖x − q‖ on the rows as given; a metric",
            Cost::Sqeuclidean => "‖x − q‖² on the rows as given; not a metric",
            Cost::Angular => "arccos(cos)/π, in [0, 1]; rows are normalised; a metric on directions",
            Cost::Precomputed => "the entries of the matrix given with `similarity` are the costs (lower is closer)",
        }
    }

    /// What its closeness is.
    pub fn family(self) -> Family {
        match self {
            Cost::Cosine | Cost::HalfCosine | Cost::Angular => Family::Angle,
            Cost::Euclidean | Cost::Sqeuclidean => Family::Distance,
            Cost::Precomputed => Family::Given,
        }
    }

    /// Whether the triangle inequality holds for it; `Precomputed` is never assumed to be a metric.
    pub fn is_metric(self) -> bool {
        matches!(self, Cost::Euclidean | Cost::Angular)
    }

    /// The cost of a pair with this closeness, evaluated in `f64`.
    ///
    /// A cosine that rounding pushed outside [−1, 1] is clamped first, so the result is never negative.
    /// NaN stays NaN.
    #[inline]
    pub fn from_closeness(self, closeness: f64) -> f64 {
        match self {
            Cost::Cosine => 1.0 - closeness.clamp(-1.0, 1.0),
            Cost::HalfCosine => 0.5 * (1.0 - closeness.clamp(-1.0, 1.0)),
            Cost::Angular => closeness.clamp(-1.0, 1.0).acos() / std::f64::consts::PI,
            Cost::Sqeuclidean => -closeness,
            Cost::Euclidean => (-closeness).sqrt(),
            Cost::Precomputed => -closeness,
        }
    }
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The text names no cost.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown cost `{0}`; known: cosine, half-cosine, euclidean, sqeuclidean, angular, precomputed")]
pub struct UnknownCost(pub String);

impl FromStr for Cost {
    type Err = UnknownCost;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Cost::ALL.into_iter().find(|cost| cost.name() == text).ok_or_else(|| UnknownCost(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_closeness_is_no_cost() {
        for cost in Cost::ALL {
            assert!(cost.from_closeness(f64::NAN).is_nan(), "{cost}");
        }
    }
}
