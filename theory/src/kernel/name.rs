//! The kernels by name.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

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
