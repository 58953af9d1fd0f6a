//! Rank correlation and a paired test: small samples, no distribution assumed.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Differences up to which all sign patterns are counted; with more, [`DRAWS`] are drawn.
const EXACT: usize = 16;

/// Random sign patterns.
const DRAWS: u32 = 100_000;

/// Ranks from 1; equal values share the mean of their ranks.
pub fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    let mut first = 0;
    for ties in order.chunk_by(|&a, &b| values[a] == values[b]) {
        let mean = first as f64 + (ties.len() + 1) as f64 / 2.0;
        ties.iter().for_each(|&at| ranks[at] = mean);
        first += ties.len();
    }
    ranks
}

/// Spearman's rank correlation: the correlation of the ranks. `None` for fewer than two pairs or a constant side.
pub fn spearman(x: &[f64], y: &[f64]) -> Option<f64> {
    let (x, y) = (ranks(x), ranks(y));
    let mean = (x.len() + 1) as f64 / 2.0;
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - mean) * (b - mean)).sum::<f64>();
    let scale = (product(&x, &x) * product(&y, &y)).sqrt();
    (scale > 0.0).then(|| product(&x, &y) / scale)
}

/// Two-sided p-value of the sign-flip test: how often a sum of the differences with random signs is at least as far
/// from 0 as theirs. With n differences it is never below 2^(1−n).
///
/// Exact up to 16 differences, else from 100,000 seeded draws, the observed one counted among them.
pub fn sign_flip(differences: &[f64]) -> Option<f64> {
    if differences.is_empty() || differences.iter().any(|d| !d.is_finite()) {
        return None;
    }
    let magnitude: f64 = differences.iter().map(|d| d.abs()).sum();
    // Sums that differ by rounding only are equal.
    let observed = differences.iter().sum::<f64>().abs() - 1e-12 * magnitude;
    let flipped = |sign: &mut dyn FnMut(usize) -> bool| {
        let sum: f64 = differences.iter().enumerate().map(|(i, d)| if sign(i) { -d } else { *d }).sum();
        sum.abs() >= observed
    };
    if differences.len() <= EXACT {
        let patterns = 1u32 << differences.len();
        let extreme = (0..patterns).filter(|pattern| flipped(&mut |i| pattern >> i & 1 == 1)).count();
        return Some(extreme as f64 / f64::from(patterns));
    }
    let mut generator = ChaCha8Rng::seed_from_u64(0);
    let extreme = (0..DRAWS).filter(|_| flipped(&mut |_| generator.random())).count();
    Some((extreme as f64 + 1.0) / f64::from(DRAWS + 1))
}

/// The arithmetic mean; NaN of nothing.
pub fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = values.len() as f64;
    values.sum::<f64>() / count
}

/// The standard deviation, with n − 1 below; `None` for fewer than two values.
pub fn standard_deviation(values: &[f64]) -> Option<f64> {
    let centre = mean(values.iter().copied());
    let squares: f64 = values.iter().map(|value| (value - centre).powi(2)).sum();
    (values.len() > 1).then(|| (squares / (values.len() - 1) as f64).sqrt())
}

/// Student's interval of the mean that holds it with a probability of 95 %, if the values are independent draws from a normal law;
/// `None` for fewer than two values.
pub fn mean_interval(values: &[f64]) -> Option<[f64; 2]> {
    let half = student(values.len().checked_sub(1)?) * standard_deviation(values)? / (values.len() as f64).sqrt();
    let centre = mean(values.iter().copied());
    Some([centre - half, centre + half])
}

/// The 97.5 % quantile of Student's law: by table for few degrees of freedom, else by its expansion around the normal one, which is
/// off by less than 2·10⁻⁵ there.
fn student(degrees: usize) -> f64 {
    const FEW: [f64; 11] =
        [f64::INFINITY, 12.7062, 4.30265, 3.18245, 2.77645, 2.57058, 2.44691, 2.36462, 2.306, 2.26216, 2.22814];
    if let Some(quantile) = FEW.get(degrees) {
        return *quantile;
    }
    let (z, v) = (1.959_963_984_540_054_f64, degrees as f64);
    let terms = [
        (z.powi(3) + z) / 4.0,
        (5.0 * z.powi(5) + 16.0 * z.powi(3) + 3.0 * z) / 96.0,
        (3.0 * z.powi(7) + 19.0 * z.powi(5) + 17.0 * z.powi(3) - 15.0 * z) / 384.0,
        (79.0 * z.powi(9) + 776.0 * z.powi(7) + 1482.0 * z.powi(5) - 1920.0 * z.powi(3) - 945.0 * z) / 92160.0,
        (79.0 * z.powi(9) + 776.0 * z.powi(7) + 1482.0 * z.powi(5) - 1920.0 * z.powi(3) - 945.0 * z) / 92160.0,
    ];
    terms.iter().rev().fold(0.0, |sum, term| (sum + term) / v) + z
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn ties_share_their_mean_rank() {
        assert_eq!(ranks(&[2.0, 1.0, 2.0, 5.0]), [2.5, 1.0, 2.5, 4.0]);
    }

    #[test]
    fn correlation_is_one_for_any_increasing_map() {
        let x = [3.0, -1.0, 0.5, 8.0, 2.0];
        let y = x.map(|x: f64| x.powi(3) + 7.0);
        assert!((spearman(&x, &y).unwrap() - 1.0).abs() < 1e-15);
        assert!((spearman(&x, &y.map(|y| -y)).unwrap() + 1.0).abs() < 1e-15);
        assert_eq!(spearman(&x, &[1.0; 5]), None);
        // Ranks 1, 2.5, 2.5, 4 and 1, 4, 2.5, 2.5.
        let tied = spearman(&[1.0, 2.0, 2.0, 4.0], &[1.0, 3.0, 2.0, 2.0]).unwrap();
        assert!((tied - 0.5).abs() < 1e-15, "{tied}");
    }

    #[test]
    fn intervals_of_means_are_those_of_the_tables() {
        assert_eq!(standard_deviation(&[1.0]), None);
        assert_eq!(standard_deviation(&[1.0, 3.0]), Some(2f64.sqrt()));
        // Quantiles of Student's law at 11, 20 and 120 degrees of freedom.
        for (degrees, quantile) in [(11, 2.200985), (20, 2.085963), (120, 1.979930)] {
            assert!((student(degrees) - quantile).abs() < 2e-5, "{degrees}: {}", student(degrees));
        }
        let [low, high] = mean_interval(&[1.0, 2.0, 3.0]).unwrap();
        assert!((low - (2.0 - 4.30265 / 3f64.sqrt())).abs() < 1e-5 && (low + high - 4.0).abs() < 1e-12);
    }

    #[test]
    fn sign_flips_of_equal_signs_are_the_rarest() {
        assert_eq!(sign_flip(&[1.0, 2.0, 0.5, 3.0, 0.1]), Some(2.0 / 32.0));
        assert_eq!(sign_flip(&[1.0, -1.0]), Some(1.0));
        assert_eq!(sign_flip(&[]), None);
        let many: Vec<f64> = (0..40).map(|i| 1.0 + f64::from(i)).collect();
        assert!(sign_flip(&many).unwrap() < 1e-4);
    }
}
