//! Paired comparison of methods by scores of the same queries.

use serde::Serialize;

use crate::folds::by_group;
use crate::weights::QueryWeights;

/// A method beside the one of least mean score.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Paired {
    /// The (weighted) mean of the scores.
    pub(super) score: f64,
    /// By how much it is above the least.
    pub(super) above_best: f64,
    /// Standard error of that, from the differences of the scores query by query; NaN for one query.
    pub(super) standard_error: f64,
}

impl Paired {
    /// Whether it is not shown to be worse than the best: the difference is at most so many standard errors.
    pub(super) fn is_within(&self, errors: f64) -> bool {
        // Where nothing is known of the error, nothing is shown.
        self.above_best <= 0.0 || self.standard_error.is_nan() || self.above_best <= errors * self.standard_error
    }
}

/// Compares the scores of each method (`scores[method][query]`), of which less is better. Each query counts by its weight.
pub(super) fn compare(scores: &[Vec<f64>], weights: &QueryWeights) -> Vec<Paired> {
    let QueryWeights { of, total } = weights;
    let mean = |scores: &[f64]| of.iter().zip(scores).map(|(weight, score)| weight * score).sum::<f64>() / total;
    let means: Vec<f64> = scores.iter().map(|scores| mean(scores)).collect();
    let Some(best) = (0..means.len()).min_by(|&a, &b| means[a].total_cmp(&means[b])) else { return Vec::new() };
    let beside_best = |method: usize| {
        let above_best = means[method] - means[best];
        // Of a weighted mean of independent differences; for equal weights the usual one.
        let pairs = scores[method].iter().zip(&scores[best]).zip(of);
        let squares: f64 = pairs.map(|((score, least), weight)| (weight * (score - least - above_best)).powi(2)).sum();
        let count = of.len() as f64;
        let standard_error = (squares * count / (count - 1.0)).sqrt() / total;
        Paired { score: means[method], above_best, standard_error }
    };
    (0..means.len()).map(beside_best).collect()
}

/// Compares them where only queries of different groups are independent: a group counts by the weights of its queries, and what
/// differs is its mean score.
pub(super) fn compare_groups(scores: &[Vec<f64>], weights: &QueryWeights, groups: &[usize]) -> Vec<Paired> {
    let of = by_group(groups, weights.of.iter().copied());
    let means = |scores: &Vec<f64>| {
        let sums = by_group(groups, weights.of.iter().zip(scores).map(|(weight, score)| weight * score));
        sums.iter().zip(&of).map(|(sum, weight)| sum / weight).collect()
    };
    let means: Vec<Vec<f64>> = scores.iter().map(means).collect();
    compare(&means, &QueryWeights { total: of.iter().sum(), of })
}

#[cfg(test)]
mod tests {
    use super::{QueryWeights, compare, compare_groups};

    /// Against the figures of a paired t-test: differences 1, 2, 3, 6 have mean 3 and standard error √(14/3)/2.
    #[test]
    fn differences_have_their_standard_error() {
        let (one, other) = (vec![0.0, 5.0, -1.0, 2.0], vec![1.0, 7.0, 2.0, 8.0]);
        let weights = QueryWeights::of(None, 4);
        let [best, worse] = compare(&[one.clone(), other.clone()], &weights)[..] else { panic!("two methods") };
        assert_eq!((best.above_best, best.standard_error), (0.0, 0.0));
        assert!((worse.above_best - 3.0).abs() < 1e-15);
        assert!((worse.standard_error - (14.0f64 / 3.0).sqrt() / 2.0).abs() < 1e-15);
        assert!(!worse.is_within(2.0) && worse.is_within(3.0) && best.is_within(0.0));
        // A query that counts for nothing beside the others changes nothing but the number of queries.
        let weighted = QueryWeights::of(Some(&[1.0, 1.0, 1.0, 1e-90]), 4);
        let [_, worse] = compare(&[one, other], &weighted)[..] else { panic!("two methods") };
        assert!((worse.above_best - 2.0).abs() < 1e-15);
    }

    /// Queries that are repeated as a group say what one of them says, with the same error: copies are no evidence.
    #[test]
    fn copies_in_a_group_are_no_evidence() {
        let (one, other) = (vec![0.0, 5.0, -1.0, 2.0], vec![1.0, 7.0, 2.0, 8.0]);
        let plain = compare(&[one.clone(), other.clone()], &QueryWeights::of(None, 4));
        let thrice = |scores: &[f64]| scores.iter().flat_map(|&score| [score; 3]).collect::<Vec<f64>>();
        let groups: Vec<usize> = (0..12).map(|query| query / 3).collect();
        let grouped = compare_groups(&[thrice(&one), thrice(&other)], &QueryWeights::of(None, 12), &groups);
        for (plain, grouped) in plain.iter().zip(&grouped) {
            assert!((plain.above_best - grouped.above_best).abs() < 1e-14);
            assert!((plain.standard_error - grouped.standard_error).abs() < 1e-14);
        }
    }

    #[test]
    fn one_query_shows_nothing() {
        let found = compare(&[vec![1.0], vec![2.0]], &QueryWeights::of(None, 1));
        assert!(found.iter().all(|paired| paired.is_within(0.0)));
    }
}
