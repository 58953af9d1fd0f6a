//! One bandwidth, or several of whose kernels the mean is taken.
//!
//! Where no single scale is known to be right, wide kernels see what is far and narrow ones what is near: the mean of kernels is one,
//! and what is proved of kernels holds of it. Its squared distance is the mean of theirs.

use std::fmt;
use std::str::FromStr;

use kantor_theory::kernel::MOST_BANDWIDTHS;
use kantor_theory::{Geometry, Kernel, KernelName};
use serde::{Deserialize, Serialize};

use crate::bandwidth::{Bandwidth, RANGE, UnknownBandwidth, in_range};
use crate::task::SelectError;

/// Bandwidths whose kernels count alike; written with `+` between them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct Bandwidths {
    of: [Bandwidth; MOST_BANDWIDTHS],
    count: usize,
}

/// As they stand in files: a number, or words.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    One(Bandwidth),
    Several(String),
}

impl From<Bandwidths> for Written {
    fn from(bandwidths: Bandwidths) -> Self {
        match *bandwidths.of() {
            [one] => Written::One(one),
            _ => Written::Several(bandwidths.to_string()),
        }
    }
}

impl TryFrom<Written> for Bandwidths {
    type Error = BandwidthsError;

    fn try_from(written: Written) -> Result<Self, BandwidthsError> {
        match written {
            Written::One(one) => Ok(one.into()),
            Written::Several(words) => words.parse(),
        }
    }
}

impl Default for Bandwidths {
    fn default() -> Self {
        Bandwidth::default().into()
    }
}

impl From<Bandwidth> for Bandwidths {
    fn from(one: Bandwidth) -> Self {
        Self { of: [one; MOST_BANDWIDTHS], count: 1 }
    }
}

/// The text names no bandwidths.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum BandwidthsError {
    /// One of them is none.
    #[error(transparent)]
    Unknown(#[from] UnknownBandwidth),
    /// There are too many.
    #[error("{0} bandwidths: there are at most {MOST_BANDWIDTHS}")]
    Many(usize),
    /// One of several is out of range.
    #[error("bandwidth {0}: {RANGE}")]
    Range(f64),
}

impl FromStr for Bandwidths {
    type Err = BandwidthsError;

    fn from_str(text: &str) -> Result<Self, BandwidthsError> {
        // A plus after an `e`, with which no rule ends, is the sign of an exponent.
        let text = text.strip_prefix('+').unwrap_or(text).replace("e+", "e").replace("E+", "E");
        let parts: Vec<Bandwidth> = text.split('+').map(str::parse).collect::<Result<_, _>>()?;
        let count = parts.len();
        if let [one] = parts[..] {
            return Ok(one.into());
        }
        for part in &parts {
            if let Bandwidth::Given(sigma) = *part
                && !in_range(sigma)
            {
                return Err(BandwidthsError::Range(sigma));
            }
        }
        // Past the last stands the first again, so that equal ones are equal.
        let mut of = [parts[0]; MOST_BANDWIDTHS];
        of.get_mut(..count).ok_or(BandwidthsError::Many(count))?.copy_from_slice(&parts);
        Ok(Self { of, count })
    }
}

impl fmt::Display for Bandwidths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<String> = self.of().iter().map(Bandwidth::to_string).collect();
        f.write_str(&words.join("+"))
    }
}

impl Bandwidths {
    /// All of them.
    pub fn of(&self) -> &[Bandwidth] {
        &self.of[..self.count]
    }

    /// The mean of the kernels of that name with these bandwidths, for the queries of a geometry.
    ///
    /// # Errors
    /// As [`Bandwidth::for_queries`], and if there are several and the kernel has one at most.
    pub fn for_queries(self, name: KernelName, geometry: &Geometry<'_>) -> Result<Kernel, SelectError> {
        if self.count > 1 && !name.is_nonnegative() {
            return Err(SelectError::Setting {
                name: "bandwidth".to_owned(),
                value: self.to_string(),
                rule: format!("the kernel `{name}` does not have several"),
            });
        }
        let kernels = self.of().iter().map(|bandwidth| bandwidth.for_queries(name, geometry));
        let kernels = kernels.collect::<Result<Vec<Kernel>, SelectError>>()?;
        let sigmas: Vec<f64> = kernels.iter().flat_map(|kernel| kernel.bandwidths().to_vec()).collect();
        if self.count == 1 {
            return Ok(kernels[0]);
        }
        Kernel::mean_of(name, &sigmas).map_err(|error| SelectError::Setting {
            name: "bandwidth".to_owned(),
            value: self.to_string(),
            rule: error.to_string(),
        })
    }
}
