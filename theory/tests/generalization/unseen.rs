//! `notes/unseen.md`: what the optimum on seen queries loses on their law.

use kantor_theory::{Cost, DenseRows, Geometry, Kernel, KernelName, Weights, kernel_means, sequential};
use proptest::prelude::*;

/// W₁ on the line between measures with these atoms: the integral of the difference of their distribution functions.
fn line(a: &[(f64, f64)], b: &[(f64, f64)]) -> f64 {
    let mut steps: Vec<(f64, f64)> = a.iter().copied().chain(b.iter().map(|&(x, w)| (x, -w))).collect();
    steps.sort_by(|x, y| x.0.total_cmp(&y.0));
    let mut height = 0.0;
    steps.windows(2).fold(0.0, |sum, pair| {
        height += pair[0].1;
        sum + height.abs() * (pair[1].0 - pair[0].0)
    })
}

fn uniform(points: &[f64]) -> Vec<(f64, f64)> {
    points.iter().map(|&x| (x, 1.0 / points.len() as f64)).collect()
}

fn pairs(pool: &[f64]) -> Vec<[f64; 2]> {
    let later = |at: usize| pool[at + 1..].iter().map(move |&y| [pool[at], y]);
    (0..pool.len()).flat_map(later).collect()
}

fn closest(pool: &[f64], to: &[(f64, f64)]) -> [f64; 2] {
    let distance = |pair: &[f64; 2]| line(&uniform(pair), to);
    pairs(pool).into_iter().min_by(|a, b| distance(a).total_cmp(&distance(b))).unwrap()
}

#[test]
fn the_seen_optimum_may_lose_twice_the_distance_of_the_sample() {
    for eta in [0.4, 0.1, 1e-3, 1e-6] {
        let pool = [-3.0 + 2.0 * eta, -1.0, 1.0, 3.0 - 2.0 * eta];
        let law = uniform(&[-1.0, 1.0]);
        assert_eq!(line(&uniform(&closest(&pool, &law)), &law), 0.0);
        for query in [-1.0, 1.0] {
            let seen = uniform(&[query]);
            let lost = line(&uniform(&closest(&pool, &seen)), &law);
            let sample = line(&seen, &law);
            assert!((sample - 1.0).abs() < 1e-12 && (lost - (2.0 - eta)).abs() < 1e-12, "{eta}: {lost}");
        }
    }
}

/// The squared distance under a Gaussian kernel.
fn squared(pool: &[f64], rows: &[usize], queries: &[f64], weights: Option<Vec<f64>>) -> f64 {
    let rows_of = |points: &[f64]| DenseRows::from_f64(1, points.to_vec()).unwrap();
    let (pool, query) = (rows_of(pool), rows_of(queries));
    let geometry = Geometry::new(&pool, &query, Cost::Euclidean).unwrap();
    let kernel = Kernel::new(KernelName::Gaussian, Some(0.5)).unwrap();
    let weights = Weights { subset: None, query: weights };
    kernel_means(&geometry, kernel, rows, &weights, &sequential).unwrap().squared().upper.unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// (a) and (b) on random laws of a few atoms: regrets are within their bounds.
    #[test]
    fn what_kernels_lose_is_bounded_by_the_sample(
        pool in prop::collection::vec(-2.0f64..2.0, 5..8),
        atoms in prop::collection::vec((-2.0f64..2.0, 0.05f64..1.0), 2..5),
        draws in prop::collection::vec(0usize..4, 1..5),
    ) {
        let total: f64 = atoms.iter().map(|(_, w)| w).sum();
        let law: Vec<(f64, f64)> = atoms.iter().map(|(x, w)| (*x, w / total)).collect();
        let seen: Vec<f64> = draws.iter().map(|at| law[at % law.len()].0).collect();
        let sample = uniform(&seen);
        let lost = line(&uniform(&closest(&pool, &sample)), &law) - line(&uniform(&closest(&pool, &law)), &law);
        prop_assert!(lost <= 2.0 * line(&sample, &law) + 1e-9);

        let (points, weights): (Vec<f64>, Vec<f64>) = law.iter().copied().unzip();
        let of_law = |rows: &[usize]| squared(&pool, rows, &points, Some(weights.clone()));
        let of_seen = |rows: &[usize]| squared(&pool, rows, &seen, None);
        let all: Vec<Vec<usize>> =
            (0..pool.len()).flat_map(|a| (a + 1..pool.len()).map(move |b| vec![a, b])).collect();
        let best = |of: &dyn Fn(&[usize]) -> f64| {
            all.iter().min_by(|a, b| of(a).total_cmp(&of(b))).unwrap().clone()
        };
        let (star, ideal) = (best(&of_seen), best(&of_law));
        let sides: Vec<f64> = star.iter().chain(&ideal).map(|&row| pool[row]).collect();
        let apart = squared(&sides, &[0, 1], &sides[2..], None).max(0.0).sqrt();
        let missed = squared(&seen, &(0..seen.len()).collect::<Vec<_>>(), &points, Some(weights.clone())).max(0.0).sqrt();
        prop_assert!(of_law(&star) - of_law(&ideal) <= 2.0 * apart * missed + 1e-9);
    }

    /// (c) for a law with finitely many atoms and any densities there.
    #[test]
    fn log_ratios_are_differences_of_divergences(
        law in prop::collection::vec((0.05f64..1.0, 0.01f64..3.0, 0.01f64..3.0), 1..6),
    ) {
        let total: f64 = law.iter().map(|(p, _, _)| p).sum();
        let mean = |of: &dyn Fn(f64, f64, f64) -> f64| law.iter().map(|&(p, s, d)| p / total * of(p / total, s, d)).sum::<f64>();
        let ratio = mean(&|_, subset, pool| (subset / pool).ln());
        let (of_pool, of_subset) = (mean(&|p, _, pool| (p / pool).ln()), mean(&|p, subset, _| (p / subset).ln()));
        prop_assert!((ratio - (of_pool - of_subset)).abs() < 1e-9);
    }
}
