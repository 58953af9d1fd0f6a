//! Points of a metric space, and distances between them that err on a known side.
//!
//! Statements about losses need a metric d. `euclidean` and `angular` are metrics; for directions there is also the
//! chord d(x, y) = ‖x/‖x‖ − y/‖y‖‖, of which 1 − cos is half the square and no metric itself.

use serde::{Deserialize, Serialize};

use crate::bounds::Interval;
use crate::cost::Cost;
use crate::generalization::{Assumption, Bound, Kind, Refusal, Theorem};
use crate::rounding::{ExactSum, add_up, div_down, div_up, mul_up, sqrt_up, sub_down};

/// A distance that obeys the triangle inequality.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Metric {
    /// ‖x − y‖ on the rows as given.
    Euclidean,
    /// ‖x/‖x‖ − y/‖y‖‖, in [0, 2].
    Chord,
    /// arccos(cos(x, y))/π, in [0, 1].
    Angular,
}

impl Metric {
    /// The cost itself, if it is a metric.
    ///
    /// # Errors
    /// If it is not, or not known to be: then the refusal names the metric that belongs to it.
    pub fn of(cost: Cost, theorem: Theorem) -> Result<Self, Refusal> {
        let why = match cost {
            Cost::Euclidean => return Ok(Metric::Euclidean),
            Cost::Angular => return Ok(Metric::Angular),
            Cost::Cosine | Cost::HalfCosine => {
                "1 − cos is not a metric (angles 0°, 60°, 120°: 0.5 + 0.5 < 1.5); use the chord, W₁(chord) ≤ √(2·OT of 1 − cos)"
            }
            Cost::Sqeuclidean => {
                "a squared distance is not a metric; use `euclidean`, W₁(euclidean) ≤ √(OT of its square)"
            }
            Cost::Precomputed => "a given matrix is not known to be a metric",
        };
        Err(Refusal::new(theorem, Assumption::Metric, why))
    }

    /// The metric of which the cost is an increasing function; none for given costs.
    pub fn behind(cost: Cost) -> Option<Self> {
        match cost {
            Cost::Cosine | Cost::HalfCosine => Some(Metric::Chord),
            Cost::Euclidean | Cost::Sqeuclidean => Some(Metric::Euclidean),
            Cost::Angular => Some(Metric::Angular),
            Cost::Precomputed => None,
        }
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Metric::Euclidean => "euclidean",
            Metric::Chord => "chord",
            Metric::Angular => "angular",
        }
    }

    /// The diameter of the whole space, where it is known in advance.
    pub fn diameter(self) -> Option<f64> {
        match self {
            Metric::Euclidean => None,
            Metric::Chord => Some(2.0),
            Metric::Angular => Some(1.0),
        }
    }

    /// Whether it is the norm of a difference of vectors, which means and kernels need.
    pub fn is_norm(self) -> bool {
        self != Metric::Angular
    }
}

/// A number ≥ W₁ under the chord, given one ≥ the transport distance under 1 − cos (Jensen: W₁ ≤ W₂, chord² = 2(1 − cos)).
pub fn chord_from_cosine(ot_upper: f64) -> f64 {
    sqrt_up(mul_up(2.0, ot_upper))
}

/// A certified distance in a metric: it lies between these numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MetricDistance {
    lower: f64,
    upper: f64,
}

impl MetricDistance {
    /// The mean of `count` distances, from the sums of their ends.
    pub(super) fn mean(low: &ExactSum, high: &ExactSum, count: usize) -> Self {
        Self { lower: div_down(low.down(), count as f64), upper: div_up(high.up(), count as f64) }
    }

    /// From an interval that was proved; a missing lower end is zero.
    ///
    /// `None` if there is no upper end, or the ends are no distances.
    pub fn new(interval: Interval) -> Option<Self> {
        let (lower, upper) = (interval.lower.unwrap_or(0.0).max(0.0), interval.upper?);
        (lower <= upper && upper.is_finite()).then_some(Self { lower, upper })
    }

    /// At least this.
    pub fn lower(self) -> f64 {
        self.lower
    }

    /// At most this.
    pub fn upper(self) -> f64 {
        self.upper
    }

    /// The upper end as a bound of the distance itself.
    pub fn bound(self) -> Bound {
        Bound::new(Theorem::WeakDuality, Kind::Deterministic, self.upper, [], &[("at least", self.lower)])
    }

    /// Both ends, moved apart by the slack of the pairs that went in.
    pub(super) fn widened(self, slack: f64) -> Self {
        Self { lower: sub_down(self.lower, slack).max(0.0), upper: add_up(self.upper, slack) }
    }
}
