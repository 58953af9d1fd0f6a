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
//! The first three may have several bandwidths: the kernel is then the mean of those of each, which is positive definite, 1 at
//! distance zero and falling too.
//!
//! The squared length of a measure ν of mass zero is ∬ k dν dν. It is a squared distance (the energy distance for
//! `energy`, else the maximum mean discrepancy) only if k is at least conditionally positive definite (Schoenberg 1938;
//! Sejdinovic and others, arXiv 1207.6076). `compact` is not: on the line, three points half a bandwidth apart have a
//! Gram matrix with the eigenvalue 1 − ¾√2 < 0. It is for densities only.
//!
//! All kernels fall with d, so an enclosure of d² gives one of k: [`Kernel::lower`] at its upper end and
//! [`Kernel::upper`] at its lower end. Errors (u = 2⁻⁵³): d²/2σ², d²/σ² and d/σ are within 4u of themselves; the
//! library's exponential is allowed 32u and four times the smallest number; sums, quotients and roots one unit each. Ends
//! of a mean are rounded away from it.

mod name;
mod term;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use self::name::{KernelName, UnknownKernel};
use self::term::Term;
use crate::rounding::{add_down, add_up, div_down, div_up, sqrt_down, sqrt_up};
use crate::simd;

/// Bandwidths outside this range are refused: inside it no argument of a kernel over- or underflows.
pub const BANDWIDTH_RANGE: (f64, f64) = (1e-70, 1e70);

/// Bandwidths that a kernel has at most.
pub const MOST_BANDWIDTHS: usize = 8;

/// The bandwidth does not go with the kernel.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum KernelError {
    /// It must be a number of some size.
    #[error("the bandwidth {0} is not between 1e-70 and 1e70")]
    Bandwidth(f64),
    /// It must be missing or there.
    #[error("kernel `{0}` {1}")]
    Presence(KernelName, &'static str),
    /// There are too many.
    #[error("{0} bandwidths: a kernel has at most {MOST_BANDWIDTHS}")]
    Many(usize),
}

/// A kernel with its bandwidth, or the mean of one with several.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct Kernel {
    name: KernelName,
    /// The first [`Kernel::count`], ascending: every σ; 1 elsewhere.
    sigmas: [f64; MOST_BANDWIDTHS],
    count: usize,
}

/// A kernel as it stands in files.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    kernel: KernelName,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bandwidth: Option<Bandwidths>,
}

/// Bandwidths as they stand in files: a number, or a list of several.
#[derive(Clone, Serialize, Deserialize)]
#[serde(untagged)]
enum Bandwidths {
    One(f64),
    Several(Vec<f64>),
}

impl TryFrom<Written> for Kernel {
    type Error = KernelError;

    fn try_from(written: Written) -> Result<Self, KernelError> {
        match written.bandwidth {
            None => Kernel::new(written.kernel, None),
            Some(Bandwidths::One(sigma)) => Kernel::new(written.kernel, Some(sigma)),
            Some(Bandwidths::Several(sigmas)) if sigmas.len() < 2 => {
                Err(KernelError::Presence(written.kernel, "has a list of bandwidths with fewer than two"))
            }
            Some(Bandwidths::Several(sigmas)) => Kernel::mean_of(written.kernel, &sigmas),
        }
    }
}

impl From<Kernel> for Written {
    fn from(kernel: Kernel) -> Self {
        let bandwidth = match *kernel.bandwidths() {
            [] => None,
            [sigma] => Some(Bandwidths::One(sigma)),
            ref sigmas => Some(Bandwidths::Several(sigmas.to_vec())),
        };
        Self { kernel: kernel.name, bandwidth }
    }
}

impl Kernel {
    /// −d, of the energy distance.
    pub const ENERGY: Kernel = Kernel { name: KernelName::Energy, sigmas: [1.0; MOST_BANDWIDTHS], count: 0 };

    /// The kernel of that name; `bandwidth` must be there exactly for those that have one.
    ///
    /// # Errors
    /// If it is missing, superfluous, or outside [`BANDWIDTH_RANGE`].
    pub fn new(name: KernelName, bandwidth: Option<f64>) -> Result<Self, KernelError> {
        match bandwidth {
            Some(_) if !name.has_bandwidth() => Err(KernelError::Presence(name, "has no bandwidth")),
            None if name.has_bandwidth() => Err(KernelError::Presence(name, "needs a bandwidth")),
            Some(sigma) => Self::of(name, &[sigma]),
            None => Self::of(name, &[]),
        }
    }

    /// The mean of the kernels of that name with these bandwidths, one or more; one that is there twice counts twice.
    ///
    /// # Errors
    /// If there are none or more than [`MOST_BANDWIDTHS`], one is outside [`BANDWIDTH_RANGE`], or there are several and the kernel is not
    /// [never negative](KernelName::is_nonnegative).
    pub fn mean_of(name: KernelName, bandwidths: &[f64]) -> Result<Self, KernelError> {
        match bandwidths {
            [] => Err(KernelError::Presence(name, "needs a bandwidth")),
            [sigma] => Self::new(name, Some(*sigma)),
            _ if !name.is_nonnegative() => Err(KernelError::Presence(name, "does not have several bandwidths")),
            sigmas => Self::of(name, sigmas),
        }
    }

    fn of(name: KernelName, bandwidths: &[f64]) -> Result<Self, KernelError> {
        let count = bandwidths.len();
        if count > MOST_BANDWIDTHS {
            return Err(KernelError::Many(count));
        }
        let fits = |sigma: &f64| (BANDWIDTH_RANGE.0..=BANDWIDTH_RANGE.1).contains(sigma);
        if let Some(sigma) = bandwidths.iter().find(|sigma| !fits(sigma)) {
            return Err(KernelError::Bandwidth(*sigma));
        }
        let mut sigmas = [1.0; MOST_BANDWIDTHS];
        sigmas[..count].copy_from_slice(bandwidths);
        sigmas[..count].sort_unstable_by(f64::total_cmp);
        Ok(Self { name, sigmas, count })
    }

    /// Which function it is.
    pub fn name(&self) -> KernelName {
        self.name
    }

    /// σ, if there is one and no other.
    pub fn bandwidth(&self) -> Option<f64> {
        match *self.bandwidths() {
            [sigma] => Some(sigma),
            _ => None,
        }
    }

    /// Every σ, ascending; none for kernels that have none.
    pub fn bandwidths(&self) -> &[f64] {
        &self.sigmas[..self.count]
    }

    /// The kernels of which this is the mean.
    fn terms(&self) -> impl Iterator<Item = Term> {
        let sigmas = if self.count == 0 { &self.sigmas[..1] } else { self.bandwidths() };
        let name = self.name;
        sigmas.iter().map(move |&sigma| Term { name, sigma })
    }

    /// The first of them.
    #[inline(always)]
    fn first(&self) -> Term {
        Term { name: self.name, sigma: self.sigmas[0] }
    }

    /// The kernel at squared distance `squared` ≥ 0, evaluated in `f64`: a value, not a bound. NaN stays NaN.
    #[inline(always)]
    pub fn value(&self, squared: f64) -> f64 {
        match self.count {
            0 | 1 => self.first().value(squared),
            count => self.terms().map(|term| term.value(squared)).sum::<f64>() / count as f64,
        }
    }

    /// The logarithm of the kernel at squared distance `squared` ≥ 0, evaluated in `f64`, also where the kernel itself
    /// is too small for a double; −∞ where it is 0, NaN where it is negative.
    pub fn ln_value(&self, squared: f64) -> f64 {
        // Of all, the widest is the largest.
        let widest = Term { name: self.name, sigma: self.sigmas[self.count.saturating_sub(1)] };
        let largest = widest.ln_value(squared);
        match self.count {
            0 | 1 => largest,
            _ if largest == f64::NEG_INFINITY => largest,
            count => {
                let sum: f64 = self.terms().map(|term| (term.ln_value(squared) - largest).exp()).sum();
                largest + (sum / count as f64).ln()
            }
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
        match self.count {
            0 | 1 => self.first().lower(squared),
            count => {
                let sum = self.terms().fold(0.0, |sum, term| add_down(sum, term.lower(squared)));
                div_down(sum, count as f64).max(0.0)
            }
        }
    }

    /// A number ≥ k for every pair whose squared distance is at least `squared` (finite, ≥ 0).
    #[inline(always)]
    pub fn upper(&self, squared: f64) -> f64 {
        match self.count {
            0 | 1 => self.first().upper(squared),
            count => {
                let sum = self.terms().fold(0.0, |sum, term| add_up(sum, term.upper(squared)));
                div_up(sum, count as f64).min(1.0)
            }
        }
    }
}

impl fmt::Display for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.bandwidths() {
            [] => f.write_str(self.name.name()),
            [sigma] => write!(f, "{} (σ = {sigma})", self.name),
            sigmas => {
                let sigmas: Vec<String> = sigmas.iter().map(f64::to_string).collect();
                write!(f, "{} (mean over σ = {})", self.name, sigmas.join(", "))
            }
        }
    }
}
