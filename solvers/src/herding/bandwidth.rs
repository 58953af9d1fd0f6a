//! Bandwidths of kernels: given, or by a rule from the queries.
//!
//! The rules look at the queries only: they say at which scale the target lives, whatever else is in the pool and in
//! which order. With a single query, at its distances to the pool rows.

use std::fmt;
use std::str::FromStr;

use kantor_theory::cost::Family;
use kantor_theory::{DenseRows, Geometry, Kernel, KernelName};
use serde::{Deserialize, Serialize};

use crate::selector::SelectError;

/// How the bandwidth σ of a kernel is found.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub enum Bandwidth {
    /// The median distance between two queries (Gretton and others, JMLR 13, 2012).
    #[default]
    Median,
    /// M^(−1/(d+4)) times the standard deviation of the queries per coordinate (Scott 1992).
    Scott,
    /// Scott's, times (4/(d+2))^(1/(d+4)) (Silverman 1986).
    Silverman,
    /// This number.
    Given(f64),
}

/// As it stands in files: a number or a word.
#[derive(Clone, Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    Number(f64),
    Word(String),
}

impl From<Bandwidth> for Written {
    fn from(bandwidth: Bandwidth) -> Self {
        match bandwidth {
            Bandwidth::Given(sigma) => Written::Number(sigma),
            rule => Written::Word(rule.to_string()),
        }
    }
}

impl TryFrom<Written> for Bandwidth {
    type Error = UnknownBandwidth;

    fn try_from(written: Written) -> Result<Self, UnknownBandwidth> {
        match written {
            Written::Number(sigma) => Ok(Bandwidth::Given(sigma)),
            Written::Word(word) => word.parse(),
        }
    }
}

impl fmt::Display for Bandwidth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Bandwidth::Median => f.write_str("median"),
            Bandwidth::Scott => f.write_str("scott"),
            Bandwidth::Silverman => f.write_str("silverman"),
            Bandwidth::Given(sigma) => write!(f, "{sigma}"),
        }
    }
}

/// The text is no bandwidth.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("bandwidth `{0}` is neither a number nor median, scott or silverman")]
pub struct UnknownBandwidth(pub String);

impl FromStr for Bandwidth {
    type Err = UnknownBandwidth;

    fn from_str(text: &str) -> Result<Self, UnknownBandwidth> {
        match text {
            "median" => Ok(Bandwidth::Median),
            "scott" => Ok(Bandwidth::Scott),
            "silverman" => Ok(Bandwidth::Silverman),
            _ => text.parse().map(Bandwidth::Given).map_err(|_| UnknownBandwidth(text.to_owned())),
        }
    }
}

/// The kernel of that name for the queries of this geometry.
///
/// # Errors
/// If a bandwidth is given or found that makes no kernel, or there are no points to find one from.
pub fn kernel(geometry: &Geometry<'_>, name: KernelName, bandwidth: Bandwidth) -> Result<Kernel, SelectError> {
    let sigma = match bandwidth {
        _ if !name.has_bandwidth() => None,
        Bandwidth::Given(sigma) => Some(sigma),
        Bandwidth::Median => Some(median(distances(geometry))),
        Bandwidth::Scott => Some(scott(geometry)),
        Bandwidth::Silverman => {
            let d = geometry.points().map_or(0, |rows| rows.dim()) as f64;
            Some(scott(geometry) * (4.0 / (d + 2.0)).powf(1.0 / (d + 4.0)))
        }
    };
    Kernel::new(name, sigma).map_err(|_| SelectError::Setting {
        name: "bandwidth",
        value: sigma.unwrap_or(f64::NAN),
        rule: match bandwidth {
            Bandwidth::Given(_) => "it must lie between 1e-70 and 1e70",
            _ => "that is what the rule gives for these queries: give a positive number",
        },
    })
}

/// The queries as rows.
fn rows(geometry: &Geometry<'_>) -> Option<DenseRows> {
    let (queries, norms) = geometry.queries()?;
    DenseRows::from_f64(queries.len() / norms.len(), queries.to_vec())
}

/// Distances of all pairs of queries, or of the only query to the pool rows.
fn distances(geometry: &Geometry<'_>) -> Vec<f64> {
    let family = geometry.cost().family();
    let distance = |s: f64| family.squared_distance(s).sqrt();
    let Some(rows) = rows(geometry) else { return Vec::new() };
    let Ok(around) = Geometry::new(&rows, &rows, geometry.cost()) else { return Vec::new() };
    match around.query_len() {
        1 => (0..geometry.pool_len()).map(|i| distance(geometry.closeness(i, 0))).filter(|d| !d.is_nan()).collect(),
        m => (0..m * m).filter(|t| t / m < t % m).map(|t| distance(around.closeness(t / m, t % m))).collect(),
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    if values.is_empty() {
        return f64::NAN;
    }
    let middle = values.len() / 2;
    *values.select_nth_unstable_by(middle, f64::total_cmp).1
}

/// M^(−1/(d+4)) times the root of the mean variance of the coordinates.
fn scott(geometry: &Geometry<'_>) -> f64 {
    let Some((queries, norms)) = geometry.queries() else { return f64::NAN };
    let (m, d) = (norms.len(), queries.len() / norms.len());
    let unit = geometry.cost().family() == Family::Angle;
    let scale = |j: usize| if unit { 1.0 / norms[j] } else { 1.0 };
    let mut variance = 0.0;
    for t in 0..d {
        let mean = (0..m).map(|j| queries[j * d + t] * scale(j)).sum::<f64>() / m as f64;
        variance += (0..m).map(|j| (queries[j * d + t] * scale(j) - mean).powi(2)).sum::<f64>() / m as f64;
    }
    (variance / d as f64).sqrt() * (m as f64).powf(-1.0 / (d as f64 + 4.0))
}
