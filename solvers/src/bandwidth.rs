//! How wide a kernel is: given, or by a rule from some points.
//!
//! With s² the mean variance of a coordinate and n rows in d dimensions (of directions for costs of the angle family):
//! - Scott: s·n^(−1/(d+4));
//! - Silverman: that times (4/(d+2))^(1/(d+4));
//! - median: the median distance between two rows;
//! - local: as much less that a Gaussian or Laplacian kernel is exp(−6) for two rows at the median distance, so that two typical
//!   rows hardly see each other; as for the Gaussian for other kernels.
//!
//! The first two are made for few dimensions. With hundreds, where all distances are many times s, a density then
//! covers little more than the row itself; the median heuristic keeps the kernel as wide as the cloud, and density ratios are
//! then nearly even. On 21,276 sentence embeddings (d = 384) with 100 queries, the weights of `kde-ratio` are worth 1 row
//! by Scott's rule, 470 at σ = 0.2, 5,900 at 0.3 and 21,200 by the median (`effective_rows` in the manifest): σ should make them
//! about the budget.
//!
//! s and the median are those of at most 1,000 rows at even spacing. The rules are conventions, not estimates with an error.

use std::fmt;
use std::str::FromStr;

use kantor_theory::cost::Family;
use kantor_theory::kernel::BANDWIDTH_RANGE;
use kantor_theory::{DenseRows, Geometry, Kernel, KernelName, Rows, dot};
use serde::{Deserialize, Serialize};

use crate::task::SelectError;

/// What a local kernel is worth for two rows at the median distance: exp(−6), if it falls exponentially.
const LOCAL: f64 = 6.0;

/// Rows that stand for all.
const SAMPLE: usize = 1000;

/// What bandwidths must be.
pub(crate) const RANGE: &str = "it must lie between 1e-70 and 1e70";

pub(crate) fn in_range(sigma: f64) -> bool {
    (BANDWIDTH_RANGE.0..=BANDWIDTH_RANGE.1).contains(&sigma)
}

/// A bandwidth or a rule for one.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub enum Bandwidth {
    /// This one.
    Given(f64),
    /// Scott's rule.
    Scott,
    /// Silverman's rule.
    Silverman,
    /// The median heuristic.
    #[default]
    Median,
    /// A part of it, that tells near rows from far ones.
    Local,
}

/// A bandwidth as it stands in files.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    Number(f64),
    Word(String),
}

impl From<Bandwidth> for Written {
    fn from(bandwidth: Bandwidth) -> Self {
        match bandwidth {
            Bandwidth::Given(sigma) if sigma.is_finite() => Written::Number(sigma),
            // JSON has no number that is not finite.
            other => Written::Word(other.to_string()),
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

/// The text is neither a number nor a rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("bandwidth `{0}` is neither a number nor one of scott, silverman, median, local")]
pub struct UnknownBandwidth(String);

impl UnknownBandwidth {
    /// The text.
    pub fn text(&self) -> &str {
        &self.0
    }
}

impl FromStr for Bandwidth {
    type Err = UnknownBandwidth;

    fn from_str(text: &str) -> Result<Self, UnknownBandwidth> {
        match Bandwidth::RULES.into_iter().find(|(name, _)| *name == text) {
            Some((_, rule)) => Ok(rule),
            None => text.parse().map(Bandwidth::Given).map_err(|_| UnknownBandwidth(text.to_owned())),
        }
    }
}

impl fmt::Display for Bandwidth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Bandwidth::Given(sigma) => sigma.fmt(f),
            Bandwidth::Scott => f.write_str("scott"),
            Bandwidth::Silverman => f.write_str("silverman"),
            Bandwidth::Median => f.write_str("median"),
            Bandwidth::Local => f.write_str("local"),
        }
    }
}

impl Bandwidth {
    /// The rules and their names.
    pub const RULES: [(&str, Bandwidth); 4] = [
        ("median", Bandwidth::Median),
        ("local", Bandwidth::Local),
        ("scott", Bandwidth::Scott),
        ("silverman", Bandwidth::Silverman),
    ];

    /// The kernel of that name with this bandwidth, for the rows of `points` as `family` compares them.
    ///
    /// # Errors
    /// If the bandwidth given is not between 1e-70 and 1e70, or all rows are alike and the rule finds none.
    pub fn kernel(self, name: KernelName, points: &dyn Rows, family: Family) -> Result<Kernel, SelectError> {
        let (sigma, rule) = match self {
            _ if !name.has_bandwidth() => (None, ""),
            Bandwidth::Given(sigma) => (Some(sigma), RANGE),
            rule => {
                let fault =
                    "that is what the rule gives for these rows, which are too much alike: give a positive number";
                (Some(rule.of(name, points, family)), fault)
            }
        };
        let value = sigma.unwrap_or_default().to_string();
        let refused = || SelectError::Setting { name: "bandwidth".to_owned(), value, rule: rule.to_owned() };
        Kernel::new(name, sigma).map_err(|_| refused())
    }

    /// The same for the queries of a geometry; a rule that finds nothing there asks the pool, and takes 1 where all rows
    /// are alike, which no bandwidth tells apart.
    ///
    /// # Errors
    /// If the bandwidth given makes no kernel, or the geometry is a matrix.
    pub fn for_queries(self, name: KernelName, geometry: &Geometry<'_>) -> Result<Kernel, SelectError> {
        let (Some(pool), Some((queries, _))) = (geometry.points(), geometry.queries()) else {
            let fault = "needs the rows of pool and queries, not only similarities: give `pool` and `query`";
            return Err(SelectError::Distance { distance: "mmd", fault });
        };
        let family = geometry.cost().family();
        let Some(queries) = DenseRows::from_f64(pool.dim(), queries.to_vec()) else {
            unreachable!("queries have as many columns as the pool")
        };
        let found = self.kernel(name, &queries, family);
        match self {
            Bandwidth::Given(_) => found,
            rule => found
                .or_else(|_| rule.kernel(name, pool, family))
                .or_else(|_| Bandwidth::Given(1.0).kernel(name, pool, family)),
        }
    }

    fn of(self, name: KernelName, points: &dyn Rows, family: Family) -> f64 {
        let (n, dim) = (points.len(), points.dim());
        let count = n.min(SAMPLE);
        let mut rows = vec![0.0; count * dim];
        for (i, row) in rows.chunks_exact_mut(dim).enumerate() {
            points.read_row(i * n / count, row);
            if family == Family::Angle {
                let norm = dot::dot(row, row).sqrt();
                row.iter_mut().for_each(|x| *x /= norm);
            }
        }
        let power = 1.0 / (dim as f64 + 4.0);
        match self {
            Bandwidth::Median => median_distance(dim, &rows),
            Bandwidth::Local if name == KernelName::Laplace => median_distance(dim, &rows) / LOCAL,
            Bandwidth::Local => median_distance(dim, &rows) / (2.0 * LOCAL).sqrt(),
            Bandwidth::Silverman => {
                deviation(dim, &rows) * (n as f64).powf(-power) * (4.0 / (dim as f64 + 2.0)).powf(power)
            }
            _ => deviation(dim, &rows) * (n as f64).powf(-power),
        }
    }
}

/// The root of the mean variance of a coordinate.
fn deviation(dim: usize, rows: &[f64]) -> f64 {
    let count = (rows.len() / dim) as f64;
    let mut mean = vec![0.0; dim];
    for row in rows.chunks_exact(dim) {
        mean.iter_mut().zip(row).for_each(|(mean, x)| *mean += x / count);
    }
    let squared: f64 = rows.chunks_exact(dim).map(|row| dot::squared_distance(row, &mean)).sum();
    (squared / (count * dim as f64)).sqrt()
}

/// The median distance of two different rows, the upper one if there are two.
fn median_distance(dim: usize, rows: &[f64]) -> f64 {
    let mut squared = Vec::new();
    let mut line = Vec::new();
    for (i, row) in rows.chunks_exact(dim).enumerate() {
        let others = &rows[(i + 1) * dim..];
        line.resize(others.len() / dim, 0.0);
        dot::squared_distances(dim, row, others, &mut line);
        squared.extend_from_slice(&line);
    }
    let middle = squared.len() / 2;
    if squared.is_empty() { 0.0 } else { squared.select_nth_unstable_by(middle, f64::total_cmp).1.sqrt() }
}
