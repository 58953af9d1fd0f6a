//! A kernel with one bandwidth: its value, and numbers that enclose it.

use super::KernelName;
use crate::rounding::{TINY, UNIT, add_up, div_down, div_up, sqrt_down, sqrt_up, sub_down};

/// Relative error allowed for the argument of a kernel, two or three roundings of it.
const ARGUMENT: f64 = 4.0 * UNIT;

/// Relative error allowed for the library's exponential.
const EXP_SLACK: f64 = 32.0 * UNIT;

/// A kernel with one bandwidth.
#[derive(Clone, Copy)]
pub(super) struct Term {
    pub(super) name: KernelName,
    /// 1 where there is none.
    pub(super) sigma: f64,
}

impl Term {
    #[inline(always)]
    pub(super) fn value(&self, squared: f64) -> f64 {
        let sigma = self.sigma;
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

    pub(super) fn ln_value(&self, squared: f64) -> f64 {
        let sigma = self.sigma;
        match self.name {
            KernelName::Gaussian => -(squared / (2.0 * (sigma * sigma))),
            KernelName::Laplace => -(squared.sqrt() / sigma),
            _ => self.value(squared).ln(),
        }
    }

    #[inline(always)]
    pub(super) fn lower(&self, squared: f64) -> f64 {
        let sigma = self.sigma;
        match self.name {
            KernelName::Gaussian => exp_down(up(squared / (2.0 * (sigma * sigma)))),
            KernelName::Laplace => exp_down(up(squared.sqrt() / sigma)),
            KernelName::InverseMultiquadric => div_down(1.0, sqrt_up(add_up(1.0, up(squared / (sigma * sigma))))),
            KernelName::Energy => -sqrt_up(squared),
            KernelName::Cosine => sub_down(1.0, 0.5 * squared),
            KernelName::Compact => sub_down(1.0, up(squared / (sigma * sigma))).max(0.0),
        }
    }

    #[inline(always)]
    pub(super) fn upper(&self, squared: f64) -> f64 {
        let sigma = self.sigma;
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
