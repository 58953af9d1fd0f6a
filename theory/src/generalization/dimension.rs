//! Intrinsic dimension: with d̂ dimensions, halving a nearest distance takes 2^d̂ times as many rows. Estimates only.

use super::assumption::Assumption;
use super::bound::{Bound, Kind};
use super::theorem::Theorem;

fn estimate(value: f64, inputs: &[(&'static str, f64)]) -> Bound {
    Bound::new(Theorem::IntrinsicDimension, Kind::Estimate, value, [Assumption::LocallyUniform], inputs)
}

/// TwoNN (Facco et al. 2017, arXiv 1803.06992): (n − 1)/Σ ln(r₂/r₁) over the distances to the two nearest neighbours.
///
/// Points whose nearest neighbour is at distance zero (duplicates) are left out. `None` if fewer than two points are
/// left or all ratios are one.
pub fn two_nn(nearest_two: &[(f64, f64)]) -> Option<Bound> {
    let logs: Vec<f64> =
        nearest_two.iter().filter(|(first, _)| *first > 0.0).map(|(first, second)| (second / first).ln()).collect();
    let sum: f64 = logs.iter().sum();
    (logs.len() > 1 && sum > 0.0).then(|| estimate((logs.len() - 1) as f64 / sum, &[("points", logs.len() as f64)]))
}

/// Levina and Bickel 2004 with the mean of inverses (MacKay and Ghahramani 2005): the inverse of the mean over points of
/// (1/(k − 1))·Σ_{j<k} ln(T_k/T_j), T_j the distance to the j-th neighbour.
///
/// `neighbours` holds the k ≥ 3 smallest distances of each point, ascending; points with duplicates are left out.
/// `None` if no point is left.
pub fn levina_bickel(neighbours: &[Vec<f64>]) -> Option<Bound> {
    let mut inverses = Vec::new();
    for distances in neighbours.iter().filter(|distances| distances.len() >= 3 && distances[0] > 0.0) {
        let last = distances[distances.len() - 1];
        let sum: f64 = distances[..distances.len() - 1].iter().map(|t| (last / t).ln()).sum();
        inverses.push(sum / (distances.len() - 1) as f64);
    }
    let mean = inverses.iter().sum::<f64>() / inverses.len() as f64;
    let k = neighbours.iter().map(Vec::len).max().unwrap_or(0);
    (!inverses.is_empty() && mean > 0.0)
        .then(|| estimate(1.0 / mean, &[("points", inverses.len() as f64), ("neighbours", k as f64)]))
}

/// How many times as many rows halve the distance to the nearest, in d̂ dimensions.
pub fn rows_to_halve(dimension: f64) -> f64 {
    dimension.exp2()
}

/// [`rows_to_halve`] of an estimated dimension, an estimate too.
pub fn growth_to_halve(dimension: &Bound) -> Bound {
    let value = rows_to_halve(dimension.value());
    Bound::new(Theorem::IntrinsicDimension, Kind::Estimate, value, [], &[("dimension", dimension.value())])
        .assuming(dimension.assumptions().iter().copied())
}
