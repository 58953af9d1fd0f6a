//! T13 and the paper's Theorem 6.2.

use kantor_theory::bounds::Interval;
use kantor_theory::generalization::rates::{
    AprioriGain, a_priori_distance, a_priori_gain, dyadic_rate, gain_over_random,
};
use kantor_theory::generalization::{Kind, Metric, MetricDistance};
use proptest::prelude::*;

use crate::support::{EPS, Random, certified, cloud, points};

/// The a-priori rate as a share of the diameter: vacuous in high dimension at any size.
#[test]
fn t13_table_of_rates() {
    for (dim, n, expected) in
        [(10, 1e4, 0.82), (10, 1e6, 0.53), (5, 1e4, 0.47), (5, 1e6, 0.19), (3, 1e4, 0.25), (3, 1e6, 0.06)]
    {
        let rate = dyadic_rate(dim, n, &[]);
        assert!((rate - expected).abs() <= 0.0051, "d={dim} n={n}: {rate}");
    }
    for n in [1e2, 1e4, 1e9] {
        assert_eq!(dyadic_rate(384, n, &[]), 1.0);
    }
    // Fewer cells hit, a smaller bound: 384 dimensions of which one is used.
    let cells: Vec<f64> = (1..=40).map(|level| f64::from(level).exp2()).collect();
    assert!(dyadic_rate(384, 1e6, &cells) < 0.01);
    assert!((1e4f64.powf(-1.0 / 384.0) - 0.976).abs() < 1e-3);
    assert!(a_priori_distance(384, 10_000, 0.05).value() >= 384f64.sqrt());
    assert!(a_priori_distance(1, 10_000, 0.05).value() < 0.1);
}

/// E W₁ of samples of a law on [0, 1] stays below the dyadic bound.
#[test]
fn t13_rate_holds_in_one_dimension() {
    let random = &mut Random(11);
    let grid: Vec<f64> = (0..4000).map(|i| (f64::from(i) + 0.5) / 4000.0).collect();
    for n in [10usize, 100] {
        let runs = 50;
        let mean = (0..runs)
            .map(|_| {
                let sample: Vec<f64> = (0..n).map(|_| 0.5 + 0.5 * random.signed()).collect();
                kantor_theory::generalization::lower::one_dimensional_up(&sample, &grid)
            })
            .sum::<f64>()
            / f64::from(runs);
        assert!(mean <= dyadic_rate(1, n as f64, &[]), "{mean}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// Theorem 6.2 as rebuilt: quadratic losses ½‖θ − x‖² have μ = G = 1; risks are minimised by means, and target losses
    /// differ by at most K·W₁(S_random, S).
    #[test]
    fn paper_gain_is_bounded_by_the_distance_of_the_subsets(seed: u64) {
        let random = &mut Random(seed);
        let d = 1 + random.below(3);
        let (n, k) = (4 + random.below(6), 1 + random.below(4));
        let pool = points(random, n, d);
        let draw = |random: &mut Random| -> Vec<f64> {
            (0..k).flat_map(|_| { let i = random.below(n); pool[i * d..(i + 1) * d].to_vec() }).collect()
        };
        let (a, b) = (draw(random), draw(random));
        let target = points(random, 3, d);
        let mean = |x: &[f64]| -> Vec<f64> { (0..d).map(|t| x.iter().skip(t).step_by(d).sum::<f64>() / (x.len() / d) as f64).collect() };
        let (ta, tb) = (mean(&a), mean(&b));
        let loss = |theta: &[f64]| target.chunks_exact(d).map(|x| x.iter().zip(theta).map(|(x, t)| (x - t).powi(2)).sum::<f64>() / 2.0).sum::<f64>() / 3.0;
        // K: the gradient of the loss in θ is at most the largest distance of a mean to a target point.
        let largest = |theta: &[f64]| target.chunks_exact(d).map(|x| x.iter().zip(theta).map(|(x, t)| (x - t).powi(2)).sum::<f64>().sqrt()).fold(0.0, f64::max);
        let lipschitz = largest(&ta).max(largest(&tb));
        let w = certified(&cloud(Metric::Euclidean, d, &a), &cloud(Metric::Euclidean, d, &b));
        let bound = gain_over_random(lipschitz, w);
        prop_assert!((loss(&ta) - loss(&tb)).abs() <= bound.value() + EPS);
        prop_assert_eq!(bound.kind(), Kind::Deterministic);
    }
}

#[test]
fn paper_right_hand_side_is_a_heuristic() {
    let distance = |x: f64| MetricDistance::new(Interval { lower: Some(x), upper: Some(x) }).unwrap();
    let x = AprioriGain {
        c_star: 1.0,
        c_d: 1.0,
        diameter: 2.0,
        dim: 384,
        budget: 10_000,
        delta: 0.05,
        pool_to_queries: distance(0.9),
        subset_to_queries: distance(0.8),
    };
    let bound = a_priori_gain(&x).unwrap();
    assert_eq!(bound.kind(), Kind::Heuristic);
    let expected = 2.0 * 1e4f64.powf(-1.0 / 384.0) + 2.0 * (20f64.ln() / 2e4).sqrt() + 1.7;
    assert!((bound.value() - expected).abs() < 1e-9);
    // Above the diameter, which no distance exceeds: it says nothing here.
    assert!(bound.value() > x.diameter);
    assert!(a_priori_gain(&AprioriGain { dim: 2, ..x }).is_none());
}
