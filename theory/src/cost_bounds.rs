//! Between which numbers the true cost of a pair lies, given the closeness that was computed for it.
//!
//! The truth is the cost of the input bits in real arithmetic. Closeness is summed with D = [`depth`]`(d)` roundings
//! on the longest path, so (u = 2⁻⁵³, γ_n = nu/(1 − nu), Higham 2002, §3.1):
//! - inner product: error ≤ γ_D‖x‖‖q‖; squared norm: relative error ≤ γ_D; hence, with a square root on each norm,
//!   their product and the quotient, |computed cosine − cosine| ≤ (2D + 4)u + O((Du)²) ≤ η := (2D + 16)u;
//! - squared distance: relative error ≤ γ_{D+2} (each difference is rounded once and squared), plus d·2⁻¹⁰⁷⁴ for
//!   squares that underflow; its root: half of the relative error and one rounding;
//! - matrix entries are exact, once cosines beyond ±1 by rounding are read as ±1.
//!
//! Proofs: `notes/rounding.md`. The statements need d ≤ 2²⁸ and rows that [`row_fault`](crate::geometry::row_fault)
//! passes; NaN and infinities are refused here.

use serde::{Deserialize, Serialize};

use crate::cost::{Cost, Family};
use crate::dot::depth;
use crate::fault::{LARGE_COST, NEGATIVE_COST};
use crate::geometry::{Entry, Geometry, GeometryError};
use crate::rounding::{TINY, UNIT, mul_down, mul_up, sqrt_down, sqrt_up};
use crate::simd;

/// The largest dimension for which the error bounds are proved.
pub const LARGEST_DIM: usize = 1 << 28;

/// Relative error allowed for the library's arc cosine divided by π: 32 units, some ten times what libraries have.
const ACOS_SLACK: f64 = 32.0 * UNIT;

/// The exponent p of a transport distance W_p: costs enter as c^p and the root is taken of the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub enum Power {
    /// Costs as they are.
    #[default]
    One,
    /// Squared costs; distances are square roots.
    Two,
}

impl TryFrom<u8> for Power {
    type Error = &'static str;

    fn try_from(p: u8) -> Result<Self, Self::Error> {
        match p {
            1 => Ok(Power::One),
            2 => Ok(Power::Two),
            _ => Err("p must be 1 or 2"),
        }
    }
}

impl From<Power> for u8 {
    fn from(power: Power) -> u8 {
        match power {
            Power::One => 1,
            Power::Two => 2,
        }
    }
}

impl Power {
    /// Checks that costs can be raised to this power: those of a given matrix must not be negative for p = 2, as the
    /// order of squares is then not that of costs, nor so large that sums of squares overflow.
    ///
    /// # Errors
    /// Names the first entry that is.
    pub fn check(self, geometry: &Geometry<'_>) -> Result<(), GeometryError> {
        if self == Power::One {
            return Ok(());
        }
        let negative = geometry.negative_cost().map(|entry| (entry, NEGATIVE_COST));
        match negative.or_else(|| Some((geometry.large_cost()?, LARGE_COST))) {
            Some((Entry { query, pool, value }, fault)) => Err(GeometryError::BadEntry { query, pool, value, fault }),
            None => Ok(()),
        }
    }

    /// A number ≤ value^(1/p), for value ≥ 0 if p = 2.
    pub fn root_down(self, value: f64) -> f64 {
        if self == Power::Two { sqrt_down(value) } else { value }
    }

    /// A number ≥ value^(1/p), for value ≥ 0 if p = 2.
    pub fn root_up(self, value: f64) -> f64 {
        if self == Power::Two { sqrt_up(value) } else { value }
    }
}

/// How the cost that enters the bounds follows from closeness, before errors are allowed for.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Rule {
    /// scale·(1 − min(s, 1)).
    OneMinus(f64),
    /// arccos(s)/π where s is known up to this.
    Angle(f64),
    /// −s.
    Minus,
    /// √−s.
    Root,
}

/// Encloses c^p of a pair, given its closeness.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CostBounds {
    rule: Rule,
    /// The cost lies within `absolute` + `relative`·cost of the computed one, the arithmetic here included.
    absolute: f64,
    relative: f64,
    /// Whether the enclosed cost is still to be squared.
    square: bool,
    /// Whether the cost is known not to be negative, so that its lower bound need not be.
    clamp: bool,
    /// Whether equal rows are told apart from nearly equal ones by comparing them.
    points: bool,
}

impl CostBounds {
    /// The enclosure for this geometry's cost to the power p.
    pub fn new(geometry: &Geometry<'_>, power: Power) -> Self {
        let points = geometry.points();
        let dim = points.map_or(0, |rows| rows.dim());
        let (cosine_error, cost_error, cost_relative) = match points {
            // Two roundings of numbers up to 2 when 1 − s ± η is evaluated: 4u.
            Some(_) => ((2.0 * depth(dim) as f64 + 16.0) * UNIT, (2.0 * depth(dim) as f64 + 20.0) * UNIT, 0.0),
            None => (0.0, 0.0, 4.0 * UNIT),
        };
        let distance = (depth(dim) as f64 + 12.0) * UNIT;
        let underflow = (dim as f64 + 4.0) * TINY;
        let cost = geometry.cost();
        let two = power == Power::Two;
        let (rule, absolute, relative, square) = match cost {
            Cost::Cosine => (Rule::OneMinus(1.0), cost_error, cost_relative, two),
            Cost::HalfCosine => (Rule::OneMinus(0.5), 0.5 * cost_error, cost_relative, two),
            Cost::Angular => (Rule::Angle(cosine_error), 0.0, ACOS_SLACK, two),
            Cost::Sqeuclidean => (Rule::Minus, underflow, distance, two),
            Cost::Euclidean if two => (Rule::Minus, underflow, distance, false),
            Cost::Euclidean => (Rule::Root, underflow.sqrt().next_up(), distance, false),
            Cost::Precomputed => (Rule::Minus, 0.0, 0.0, two),
        };
        // Given costs that are squared are not negative either ([`Power::check`]); what a screen allows may be.
        let clamp = cost != Cost::Precomputed || two;
        Self { rule, absolute, relative, square, clamp, points: points.is_some() }
    }

    /// The enclosure of the squared distance of two points of this geometry, as
    /// [`Family::squared_distance`](crate::cost::Family::squared_distance) has it; `None` for a matrix.
    pub fn squared_distance(geometry: &Geometry<'_>) -> Option<Self> {
        let dim = geometry.points()?.dim();
        let (rule, absolute, relative) = match geometry.cost().family() {
            // Twice the cost 1 − cos.
            Family::Angle => (Rule::OneMinus(2.0), (4.0 * depth(dim) as f64 + 40.0) * UNIT, 0.0),
            _ => (Rule::Minus, (dim as f64 + 4.0) * TINY, (depth(dim) as f64 + 12.0) * UNIT),
        };
        Some(Self { rule, absolute, relative, square: false, clamp: true, points: true })
    }

    /// Whether c^p can be negative: only given costs to the first power can.
    pub fn signed(&self) -> bool {
        !self.clamp
    }

    /// A number ≤ c^p of every pair whose computed closeness is at most this. The closeness must be finite.
    pub fn lower(&self, closeness: f64) -> f64 {
        match self.rule {
            Rule::OneMinus(scale) => self.lower_by(closeness, |s| one_minus(scale, s)),
            Rule::Angle(slack) => self.lower_by(closeness, |s| angle(s + slack)),
            Rule::Minus => self.lower_by(closeness, |s| -s),
            // What a screen allows may lie above zero, which no computed closeness does.
            Rule::Root => self.lower_by(closeness, |s| (-s).max(0.0).sqrt()),
        }
    }

    /// A number ≥ c^p. The closeness must be finite; `equal` says whether the two rows are the same numbers and is
    /// asked only when the cost cannot be told from zero: equal rows have cost zero.
    pub fn upper(&self, closeness: f64, equal: impl FnOnce() -> bool) -> f64 {
        let cost = match self.rule {
            Rule::OneMinus(scale) => one_minus(scale, closeness),
            Rule::Angle(slack) => angle(closeness - slack),
            Rule::Minus => -closeness,
            Rule::Root => (-closeness).sqrt(),
        };
        if self.points && self.lower(closeness) == 0.0 && equal() {
            return 0.0;
        }
        self.upper_by(cost)
    }

    /// For each closeness a number ≤ c^p into `low` and one ≥ c^p into `high`: [`CostBounds::lower`], and
    /// [`CostBounds::upper`] before equal rows are told apart.
    ///
    /// # Panics
    /// If a length differs.
    pub fn ends(&self, closeness: &[f64], low: &mut [f64], high: &mut [f64]) {
        assert!(closeness.len() == low.len() && closeness.len() == high.len(), "ends of different length");
        simd::wide(
            #[inline(always)]
            || {
                self.each_lower(closeness, low, |cost| cost);
                self.each_upper(closeness, high, |cost| cost);
            },
        );
    }

    /// Writes `of` a number ≤ the enclosed quantity of every pair.
    #[inline(always)]
    pub(crate) fn each_lower(&self, closeness: &[f64], out: &mut [f64], of: impl Fn(f64) -> f64) {
        let pairs = out.iter_mut().zip(closeness);
        match self.rule {
            Rule::OneMinus(scale) => pairs.for_each(|(o, &s)| *o = of(self.lower_by(s, |s| one_minus(scale, s)))),
            Rule::Minus => pairs.for_each(|(o, &s)| *o = of(self.lower_by(s, |s| -s))),
            _ => pairs.for_each(|(o, &s)| *o = of(self.lower(s))),
        }
    }

    /// Writes `of` a number ≥ the enclosed quantity of every pair, rows taken as different.
    #[inline(always)]
    pub(crate) fn each_upper(&self, closeness: &[f64], out: &mut [f64], of: impl Fn(f64) -> f64) {
        let pairs = out.iter_mut().zip(closeness);
        match self.rule {
            Rule::OneMinus(scale) => pairs.for_each(|(o, &s)| *o = of(self.upper_by(one_minus(scale, s)))),
            Rule::Minus => pairs.for_each(|(o, &s)| *o = of(self.upper_by(-s))),
            _ => pairs.for_each(|(o, &s)| *o = of(self.upper(s, || false))),
        }
    }

    /// For each row of `block` (rows × M closeness, row-major) a number ≥ max_j (g_j − c_ij^p), into `out`;
    /// +∞ for a row with a closeness that is not finite.
    ///
    /// Limit: one pass over the block, a few operations per pair.
    pub fn best_replies(&self, g: &[f64], block: &[f64], out: &mut [f64]) {
        debug_assert_eq!(block.len(), g.len() * out.len());
        simd::wide(
            #[inline(always)]
            || {
                for (reply, closeness) in out.iter_mut().zip(block.chunks_exact(g.len())) {
                    *reply = match self.rule {
                        Rule::OneMinus(scale) => reply_by(g, closeness, |s| self.lower_by(s, |s| one_minus(scale, s))),
                        Rule::Angle(slack) => reply_by(g, closeness, |s| self.lower_by(s, |s| angle(s + slack))),
                        Rule::Minus => reply_by(g, closeness, |s| self.lower_by(s, |s| -s)),
                        Rule::Root => reply_by(g, closeness, |s| self.lower_by(s, |s| (-s).sqrt())),
                    };
                }
            },
        );
    }

    /// For each row of `block` a number ≥ Σ_j max(0, g_j − c_ij^p), into `out`; exactly 0 where every g_j is at most the
    /// lower end of c_ij^p, and +∞ for a row with a closeness that is not finite.
    ///
    /// Limit: one pass over the block, a few operations per pair.
    pub fn reply_sums(&self, g: &[f64], block: &[f64], out: &mut [f64]) {
        debug_assert_eq!(block.len(), g.len() * out.len());
        let mut low = vec![0.0; g.len()];
        // A difference and a sum of M terms that are not negative err by at most (M + 1)u relatively.
        let slack = 1.0 + (2.0 * g.len() as f64 + 8.0) * UNIT;
        simd::wide(
            #[inline(always)]
            || {
                for (reply, closeness) in out.iter_mut().zip(block.chunks_exact(g.len())) {
                    self.each_lower(closeness, &mut low, |cost| cost);
                    let sum = positive_sum(g, &low);
                    let finite = closeness.iter().fold(true, |finite, s| finite & s.is_finite());
                    *reply = match sum {
                        _ if !finite => f64::INFINITY,
                        0.0 => 0.0,
                        sum => (sum * slack).next_up(),
                    };
                }
            },
        );
    }

    #[inline(always)]
    fn upper_by(&self, cost: f64) -> f64 {
        let upper = cost + (self.absolute + self.relative * cost);
        if self.square { mul_up(upper, upper) } else { upper }
    }

    #[inline(always)]
    fn lower_by(&self, closeness: f64, cost: impl Fn(f64) -> f64) -> f64 {
        let cost = cost(closeness);
        let lower = cost - (self.absolute + self.relative * cost);
        let lower = if self.clamp && lower < 0.0 { 0.0 } else { lower };
        if self.square { mul_down(lower, lower) } else { lower }
    }
}

#[inline(always)]
fn one_minus(scale: f64, s: f64) -> f64 {
    scale * (1.0 - if s < 1.0 { s } else { 1.0 })
}

/// arccos(s)/π in `f64`, where s may lie outside [−1, 1].
#[inline(always)]
fn angle(s: f64) -> f64 {
    s.clamp(-1.0, 1.0).acos() / std::f64::consts::PI
}

/// Σ_j max(0, g_j − low_j), in lanes.
#[inline(always)]
fn positive_sum(g: &[f64], low: &[f64]) -> f64 {
    let mut sums = [0.0; LANES];
    let (g_lanes, g_rest) = g.as_chunks::<LANES>();
    let (low_lanes, low_rest) = low.as_chunks::<LANES>();
    for (g, low) in g_lanes.iter().zip(low_lanes) {
        for lane in 0..LANES {
            sums[lane] += (g[lane] - low[lane]).max(0.0);
        }
    }
    sums.iter().sum::<f64>() + g_rest.iter().zip(low_rest).map(|(g, low)| (g - low).max(0.0)).sum::<f64>()
}

/// Lanes of the maximum over queries.
const LANES: usize = 8;

#[inline(always)]
fn reply_by(g: &[f64], closeness: &[f64], lower: impl Fn(f64) -> f64) -> f64 {
    let mut best = [f64::NEG_INFINITY; LANES];
    // 0·x is zero unless x is not finite, which must not pass unnoticed through comparisons.
    let mut fault = [0.0; LANES];
    let (g_lanes, g_rest) = g.as_chunks::<LANES>();
    let (s_lanes, s_rest) = closeness.as_chunks::<LANES>();
    for (g, s) in g_lanes.iter().zip(s_lanes) {
        for lane in 0..LANES {
            let value = g[lane] - lower(s[lane]);
            best[lane] = if value > best[lane] { value } else { best[lane] };
            fault[lane] += 0.0 * s[lane];
        }
    }
    for (lane, (&g, &s)) in g_rest.iter().zip(s_rest).enumerate() {
        let value = g - lower(s);
        best[lane] = if value > best[lane] { value } else { best[lane] };
        fault[lane] += 0.0 * s;
    }
    if fault.iter().any(|&f| f != 0.0) {
        return f64::INFINITY;
    }
    // Rounding is monotone, so moving the largest difference outwards moves all of them. A difference is zero only if
    // it is exactly that; rows that cannot count then add nothing, whether they are evaluated or not.
    let best = best.into_iter().fold(f64::NEG_INFINITY, f64::max);
    if best == 0.0 { 0.0 } else { best.next_up() }
}
