//! Kernels: how alike two points are, as a falling function of their distance.
//!
//! Points are rows as a [cost](crate::cost) compares them: divided by their norms for costs of the angle family (their
//! squared distance is then 2(1 − cos)), as they are for Euclidean costs. With d the distance and σ the bandwidth:
//!
//! | name | k | positive definite |
//! | --- | --- | --- |
//! | `gaussian` | exp(−d²/2σ²) | yes |
//! | `laplace` | exp(−d/σ) | yes |
//! | `inverse-multiquadric` | 1/√(1 + d²/σ²) | yes |
//! | `energy` | −d | conditionally: on measures of total mass zero |
//! | `cosine` | 1 − d²/2, the cosine of unit rows | yes, on unit rows |
//! | `compact` | max(0, 1 − d²/σ²), of KNN-KDE (arXiv 2410.11303) | not in general |
//!
//! The squared length of a measure ν of mass zero is ∬ k dν dν. It is a squared distance (the energy distance for
//! `energy`, else the maximum mean discrepancy) only if k is at least conditionally positive definite (Schoenberg 1938;
//! Sejdinovic and others, arXiv 1207.6076). `compact` is not: on the line, three points half a bandwidth apart have a
//! Gram matrix with the eigenvalue 1 − ¾√2 < 0. It is for densities only.
//!
//! All kernels fall with d, so an enclosure of d² gives one of k: [`Kernel::lower`] at its upper end and
//! [`Kernel::upper`] at its lower end. Errors (u = 2⁻⁵³): d²/2σ², d²/σ² and d/σ are within 4u of themselves; the
//! library's exponential is allowed 32u and four times the smallest number; sums, quotients and roots one unit each.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::rounding::{TINY, UNIT, add_up, div_down, div_up, sqrt_down, sqrt_up, sub_down};
use crate::simd;

/// Bandwidths outside this range are refused: inside it no argument of a kernel over- or underflows.
pub const BANDWIDTH_RANGE: (f64, f64) = (1e-70, 1e70);

/// Relative error allowed for the argument of a kernel, two or three roundings of it.
const ARGUMENT: f64 = 4.0 * UNIT;

/// Relative error allowed for the library's exponential.
const EXP_SLACK: f64 = 32.0 * UNIT;

/// Which function of the distance a kernel is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KernelName {
    /// exp(−d²/2σ²).
    Gaussian,
    /// exp(−d/σ).
    Laplace,
    /// 1/√(1 + d²/σ²).
    InverseMultiquadric,
    /// −d.
    Energy,
    /// 1 − d²/2.
    Cosine,
    /// max(0, 1 − d²/σ²).
    Compact,
}

impl KernelName {
    /// All of them, in the order in which users see them.
    pub const ALL: [KernelName; 6] = [
        KernelName::Gaussian,
        KernelName::Laplace,
        KernelName::InverseMultiquadric,
        KernelName::Energy,
        KernelName::Cosine,
        KernelName::Compact,
    ];

    /// The name on the command line and in files.
    pub fn name(self) -> &'static str {
        match self {
            KernelName::Gaussian => "gaussian",
            KernelName::Laplace => "laplace",
            KernelName::InverseMultiquadric => "inverse-multiquadric",
            KernelName::Energy => "energy",
            KernelName::Cosine => "cosine",
            KernelName::Compact => "compact",
        }
    }

    /// Its formula.
    pub fn formula(self) -> &'static str {
        match self {
            KernelName::Gaussian => "exp(−d²/2σ²)",
            KernelName::Laplace => "exp(−d/σ)",
            KernelName::InverseMultiquadric => "1/√(1 + d²/σ²)",
            KernelName::Energy => "−d",
            KernelName::Cosine => "1 − d²/2",
            KernelName::Compact => "max(0, 1 − d²/σ²)",
        }
    }

    /// Whether it has a bandwidth.
    pub fn has_bandwidth(self) -> bool {
        !matches!(self, KernelName::Energy | KernelName::Cosine)
    }

    /// Whether every Gram matrix (of unit rows, for `cosine`) is positive semidefinite.
    pub fn is_positive_definite(self) -> bool {
        !matches!(self, KernelName::Energy | KernelName::Compact)
    }

    /// Whether it is positive definite, never negative, and 1 at distance zero.
    pub fn is_nonnegative(self) -> bool {
        matches!(self, KernelName::Gaussian | KernelName::Laplace | KernelName::InverseMultiquadric)
    }

    /// Whether ∬ k dν dν ≥ 0 for every ν of total mass zero: whether it makes a distance.
    pub fn makes_a_distance(self) -> bool {
        self != KernelName::Compact
    }
}

impl fmt::Display for KernelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The text names no kernel.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown kernel `{0}`; known: gaussian, laplace, inverse-multiquadric, energy, cosine, compact")]
pub struct UnknownKernel(pub String);

impl FromStr for KernelName {
    type Err = UnknownKernel;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        KernelName::ALL.into_iter().find(|kernel| kernel.name() == text).ok_or_else(|| UnknownKernel(text.to_owned()))
    }
}

/// The bandwidth does not go with the kernel.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum KernelError {
    /// It must be a number of some size.
    #[error("the bandwidth {0} is not between 1e-70 and 1e70")]
    Bandwidth(f64),
    /// It must be missing or there.
    #[error("kernel `{0}` {1}")]
    Presence(KernelName, &'static str),
}

/// A kernel with its bandwidth.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct Kernel {
    name: KernelName,
    /// σ; 1 where there is none.
    bandwidth: f64,
}

/// A kernel as it stands in files.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    kernel: KernelName,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bandwidth: Option<f64>,
}

impl TryFrom<Written> for Kernel {
    type Error = KernelError;

    fn try_from(written: Written) -> Result<Self, KernelError> {
        Kernel::new(written.kernel, written.bandwidth)
    }
}

impl From<Kernel> for Written {
    fn from(kernel: Kernel) -> Self {
        Self { kernel: kernel.name, bandwidth: kernel.bandwidth() }
    }
}

impl Kernel {
    /// −d, of the energy distance.
    pub const ENERGY: Kernel = Kernel { name: KernelName::Energy, bandwidth: 1.0 };

    /// The kernel of that name; `bandwidth` must be there exactly for those that have one.
    ///
    /// # Errors
    /// If it is missing, superfluous, or outside [`BANDWIDTH_RANGE`].
    pub fn new(name: KernelName, bandwidth: Option<f64>) -> Result<Self, KernelError> {
        match bandwidth {
            Some(_) if !name.has_bandwidth() => Err(KernelError::Presence(name, "has no bandwidth")),
            None if name.has_bandwidth() => Err(KernelError::Presence(name, "needs a bandwidth")),
            Some(sigma) if !(BANDWIDTH_RANGE.0..=BANDWIDTH_RANGE.1).contains(&sigma) => {
                Err(KernelError::Bandwidth(sigma))
            }
            _ => Ok(Self { name, bandwidth: bandwidth.unwrap_or(1.0) }),
        }
    }

    /// Which function it is.
    pub fn name(&self) -> KernelName {
        self.name
    }

    /// σ, for kernels that have one.
    pub fn bandwidth(&self) -> Option<f64> {
        self.name.has_bandwidth().then_some(self.bandwidth)
    }

    /// The kernel at squared distance `squared` ≥ 0, evaluated in `f64`: a value, not a bound. NaN stays NaN.
    #[inline(always)]
    pub fn value(&self, squared: f64) -> f64 {
        let sigma = self.bandwidth;
        match self.name {
            KernelName::Gaussian => (-(squared / (2.0 * (sigma * sigma)))).exp(),
            KernelName::Laplace => (-(squared.sqrt() / sigma)).exp(),
            KernelName::InverseMultiquadric => 1.0 / (1.0 + squared / (sigma * sigma)).sqrt(),
            KernelName::Energy => -squared.sqrt(),
            KernelName::Cosine => 1.0 - 0.5 * squared,
            // Written so that NaN stays NaN.
            KernelName::Compact => {
                let value = 1.0 - squared / (sigma * sigma);
                if value < 0.0 { 0.0 } else { value }
            }
        }
    }

    /// The logarithm of the kernel at squared distance `squared` ≥ 0, evaluated in `f64`, also where the kernel itself
    /// is too small for a double; −∞ where it is 0, NaN where it is negative.
    pub fn ln_value(&self, squared: f64) -> f64 {
        let sigma = self.bandwidth;
        match self.name {
            KernelName::Gaussian => -(squared / (2.0 * (sigma * sigma))),
            KernelName::Laplace => -(squared.sqrt() / sigma),
            _ => self.value(squared).ln(),
        }
    }

    /// Turns enclosures of squared distances into enclosures of the kernel: `low` ≤ d² ≤ `high` (finite, `low` ≥ 0)
    /// becomes `low` ≥ k ≥ `high`, as [`Kernel::upper`] and [`Kernel::lower`] have it.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn ends(&self, low: &mut [f64], high: &mut [f64]) {
        assert_eq!(low.len(), high.len(), "ends of different length");
        simd::wide(
            #[inline(always)]
            || {
                // Roots go several at a time; exponentials are calls.
                if self.name == KernelName::Energy {
                    low.iter_mut().for_each(|x| *x = -sqrt_down(*x));
                    high.iter_mut().for_each(|x| *x = -sqrt_up(*x));
                } else {
                    low.iter_mut().for_each(|x| *x = self.upper(*x));
                    high.iter_mut().for_each(|x| *x = self.lower(*x));
                }
            },
        );
    }

    /// A number ≤ k for every pair whose squared distance is at most `squared` (finite, ≥ 0).
    #[inline(always)]
    pub fn lower(&self, squared: f64) -> f64 {
        let sigma = self.bandwidth;
        match self.name {
            KernelName::Gaussian => exp_down(up(squared / (2.0 * (sigma * sigma)))),
            KernelName::Laplace => exp_down(up(squared.sqrt() / sigma)),
            KernelName::InverseMultiquadric => div_down(1.0, sqrt_up(add_up(1.0, up(squared / (sigma * sigma))))),
            KernelName::Energy => -sqrt_up(squared),
            KernelName::Cosine => sub_down(1.0, 0.5 * squared),
            KernelName::Compact => sub_down(1.0, up(squared / (sigma * sigma))).max(0.0),
        }
    }

    /// A number ≥ k for every pair whose squared distance is at least `squared` (finite, ≥ 0).
    #[inline(always)]
    pub fn upper(&self, squared: f64) -> f64 {
        let sigma = self.bandwidth;
        match self.name {
            KernelName::Gaussian => exp_up(down(squared / (2.0 * (sigma * sigma)))),
            KernelName::Laplace => exp_up(down(squared.sqrt() / sigma)),
            KernelName::InverseMultiquadric => {
                div_up(1.0, sqrt_down(-add_up(-1.0, -down(squared / (sigma * sigma))))).min(1.0)
            }
            KernelName::Energy => -sqrt_down(squared),
            KernelName::Cosine => add_up(1.0, -0.5 * squared),
            KernelName::Compact => add_up(1.0, -down(squared / (sigma * sigma))).max(0.0),
        }
    }
}

impl fmt::Display for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.bandwidth() {
            Some(sigma) => write!(f, "{} (σ = {sigma})", self.name),
            None => f.write_str(self.name.name()),
        }
    }
}

/// A number ≥ the argument whose computed value this is.
#[inline(always)]
fn up(argument: f64) -> f64 {
    argument + (ARGUMENT * argument + TINY)
}

/// A number ≤ the argument whose computed value this is, and ≥ 0.
#[inline(always)]
fn down(argument: f64) -> f64 {
    (argument - (ARGUMENT * argument + TINY)).max(0.0)
}

/// A number ≤ exp(−t) and ≥ 0, for t ≥ 0.
#[inline(always)]
fn exp_down(t: f64) -> f64 {
    let value = (-t).exp();
    (value - (EXP_SLACK * value + 4.0 * TINY)).max(0.0)
}

/// A number ≥ exp(−t) and ≤ 1, for t ≥ 0.
#[inline(always)]
fn exp_up(t: f64) -> f64 {
    let value = (-t).exp();
    (value + (EXP_SLACK * value + 4.0 * TINY)).min(1.0)
}
