//! Weights of one side divided by their sum.

/// Weights of total 1, uniform where none are given; they are not negative, and one is positive.
///
/// They are divided by the largest first, so that a sum of huge or of subnormal weights neither overflows nor vanishes.
pub(crate) fn shares(weights: Option<&[f64]>, count: usize) -> Vec<f64> {
    let Some(weights) = weights else { return vec![1.0 / count as f64; count] };
    let largest = weights.iter().copied().fold(0.0, f64::max);
    let total: f64 = weights.chunks(1024).map(|chunk| chunk.iter().map(|w| w / largest).sum::<f64>()).sum();
    weights.iter().map(|w| w / largest / total).collect()
}

/// Those of the [`shares`] that are positive, and where they are if some are not.
pub(crate) fn positive_shares(weights: Option<&[f64]>, count: usize) -> (Vec<f64>, Option<Vec<usize>>) {
    let mut shares = shares(weights, count);
    let positive: Vec<usize> = (0..count).filter(|&i| shares[i] > 0.0).collect();
    shares.retain(|&share| share > 0.0);
    (shares, (positive.len() < count).then_some(positive))
}
