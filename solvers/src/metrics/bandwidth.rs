//! Bandwidths of kernels: given, or by the rules of Scott and Silverman, or the median heuristic.
//!
//! A rule looks at the pool alone, so that all subsets and all query sets of a pool are measured with one kernel. It
//! takes up to [`SAMPLE`] rows at equal steps and the squared distances of all their pairs, of points as the cost
//! compares them; s² = (their mean)/(2d) is the mean variance of a coordinate, N the number of pool rows:
//! - `scott`: s·N^(−1/(d+4)) (Scott 1992, with one s for all coordinates);
//! - `silverman`: s·(4/((d + 2)N))^(1/(d+4)) (Silverman 1986, §4.3.2);
//! - `median`: the median of the distances (Gretton and others 2012; the lower one of two).
//!
//! The first two are rules for densities in few dimensions: with hundreds of columns they come out far below the
//! distances between points, and a kernel with such a bandwidth tells equal from different and nothing else.

use std::fmt;
use std::str::FromStr;

use kantor_theory::{Geometry, Kernel, KernelError, KernelName};

/// Pool rows that a rule looks at, at most.
pub const SAMPLE: usize = 1024;

/// Where a bandwidth comes from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Bandwidth {
    /// This number.
    Given(f64),
    /// Scott's rule.
    Scott,
    /// Silverman's rule.
    Silverman,
    /// The median distance.
    Median,
}

impl fmt::Display for Bandwidth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Bandwidth::Given(sigma) => write!(f, "{sigma}"),
            Bandwidth::Scott => f.write_str("scott"),
            Bandwidth::Silverman => f.write_str("silverman"),
            Bandwidth::Median => f.write_str("median"),
        }
    }
}

/// Why there is no bandwidth, or no kernel with it.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum BandwidthError {
    /// The text is neither a number nor a rule.
    #[error("`{0}` is no bandwidth: give a number, scott, silverman or median")]
    Unknown(String),
    /// A matrix has no points.
    #[error("rule `{0}` needs rows, which a matrix of similarities has not: give --bandwidth a number")]
    Matrix(Bandwidth),
    /// All rows looked at are the same.
    #[error("rule `{0}` finds no spread among the pool's rows: give --bandwidth a number")]
    Degenerate(Bandwidth),
    /// The number does not go with the kernel.
    #[error(transparent)]
    Kernel(#[from] KernelError),
}

impl FromStr for Bandwidth {
    type Err = BandwidthError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "scott" => Ok(Bandwidth::Scott),
            "silverman" => Ok(Bandwidth::Silverman),
            "median" => Ok(Bandwidth::Median),
            number => number.parse().map(Bandwidth::Given).map_err(|_| BandwidthError::Unknown(text.to_owned())),
        }
    }
}

/// The kernel of that name for this geometry's points; `bandwidth` is looked at only if the kernel has one, and is the
/// median heuristic if missing.
///
/// # Errors
/// If the rule finds no bandwidth, or a number is given that does not go with the kernel.
pub fn kernel(
    geometry: &Geometry<'_>,
    name: KernelName,
    bandwidth: Option<Bandwidth>,
) -> Result<Kernel, BandwidthError> {
    let sigma = match bandwidth {
        Some(Bandwidth::Given(sigma)) => Some(sigma),
        _ if !name.has_bandwidth() => None,
        rule => Some(by_rule(geometry, rule.unwrap_or(Bandwidth::Median))?),
    };
    Ok(Kernel::new(name, sigma)?)
}

fn by_rule(geometry: &Geometry<'_>, rule: Bandwidth) -> Result<f64, BandwidthError> {
    let Some(points) = geometry.points() else { return Err(BandwidthError::Matrix(rule)) };
    let (n, d) = (geometry.pool_len() as f64, points.dim() as f64);
    let mut squared = sampled(geometry);
    if squared.is_empty() {
        return Err(BandwidthError::Degenerate(rule));
    }
    let spread = (squared.iter().sum::<f64>() / squared.len() as f64 / (2.0 * d)).sqrt();
    let sigma = match rule {
        Bandwidth::Given(sigma) => sigma,
        Bandwidth::Scott => spread * n.powf(-1.0 / (d + 4.0)),
        Bandwidth::Silverman => spread * (4.0 / ((d + 2.0) * n)).powf(1.0 / (d + 4.0)),
        Bandwidth::Median => {
            let middle = (squared.len() - 1) / 2;
            squared.select_nth_unstable_by(middle, f64::total_cmp).1.sqrt()
        }
    };
    if sigma > 0.0 && sigma.is_finite() { Ok(sigma) } else { Err(BandwidthError::Degenerate(rule)) }
}

/// Squared distances of all pairs of the rows that a rule looks at.
fn sampled(geometry: &Geometry<'_>) -> Vec<f64> {
    let Some(points) = geometry.points() else { return Vec::new() };
    let (n, dim) = (geometry.pool_len(), points.dim());
    let count = n.min(SAMPLE);
    let (mut x, mut norms) = (vec![0.0; count * dim], vec![0.0; count]);
    for (position, x) in x.chunks_exact_mut(dim).enumerate() {
        points.read_row((position as u128 * n as u128 / count as u128) as usize, x);
    }
    geometry.row_norms(&x, &mut norms);
    let mut squared = Vec::with_capacity(count * (count - 1) / 2);
    let mut line = vec![0.0; count];
    for row in 0..count {
        let line = &mut line[row + 1..];
        if !line.is_empty() {
            let (one, norm) = (&x[row * dim..(row + 1) * dim], &norms[row..row + 1]);
            geometry.closeness_between(one, norm, &x[(row + 1) * dim..], &norms[row + 1..], line);
            squared.extend(line.iter().map(|&s| geometry.cost().family().squared_distance(s)));
        }
    }
    squared
}
