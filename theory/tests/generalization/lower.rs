//! T6.

use kantor_theory::generalization::Metric;
use kantor_theory::generalization::kernel::{energy_squared, gaussian_mean, mmd_squared};
use kantor_theory::generalization::lower::{
    energy_lower, mean_difference, mmd_lower, one_dimensional_down, one_dimensional_up, product_upper,
    projected_distance, sliced_constant,
};
use proptest::prelude::*;

use crate::support::{EPS, METRICS, Random, certified, cloud, clouds, dim, points, unit};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(80))]

    /// T6: every cheap bound is on its side of the certified distance.
    #[test]
    fn t6_chain_of_inequalities(seed: u64, which in 0usize..3) {
        let random = &mut Random(seed);
        let (s, q) = clouds(random, METRICS[which], 6, 5);
        let (pairs, w) = (s.pairs(&q).unwrap(), certified(&s, &q));
        let (within_s, within_q) = (s.pairs(&s).unwrap(), q.pairs(&q).unwrap());
        let chamfer = pairs.chamfer();
        prop_assert!(chamfer.columns_to_rows.lower() <= w.upper());
        prop_assert!(chamfer.rows_to_columns.lower() <= w.upper());
        prop_assert!(w.lower() <= product_upper(pairs.mean()).value());
        if METRICS[which].is_norm() {
            // Euclidean distances have negative type, so the energy distance and the Gaussian MMD apply.
            let energy = energy_squared(pairs.mean(), within_s.mean(), within_q.mean());
            prop_assert!(energy_lower(energy) <= w.upper());
            prop_assert!(energy.upper + EPS >= 0.0);
            let sigma = 0.1 + unit(random);
            let kernel = |p| gaussian_mean(p, sigma);
            let mmd = mmd_squared(kernel(&pairs), kernel(&within_s), kernel(&within_q)).sqrt();
            prop_assert!(mmd_lower(sigma, mmd) <= w.upper() && mmd.lower <= mmd.upper);
            let difference = mean_difference(&s, &q).unwrap();
            prop_assert!(difference.lower <= difference.upper && difference.upper - difference.lower <= EPS);
            prop_assert!(difference.lower <= w.upper());
            let mut largest: f64 = 0.0;
            for _ in 0..20 {
                let direction = points(random, 1, dim(&s));
                largest = largest.max(projected_distance(&s, &q, &direction).unwrap());
            }
            prop_assert!(largest <= w.upper(), "valid for any directions, {} {}", largest, w.upper());
        } else {
            prop_assert!(mean_difference(&s, &q).is_err() && projected_distance(&s, &q, &points(random, 1, dim(&s))).is_err());
        }
    }

    /// In one dimension the projection is the distance itself.
    #[test]
    fn t6_one_dimension_is_exact(seed: u64) {
        let random = &mut Random(seed);
        let (k, m) = (1 + random.below(7), 1 + random.below(6));
        let (x, y) = (points(random, k, 1), points(random, m, 1));
        let w = certified(&cloud(Metric::Euclidean, 1, &x), &cloud(Metric::Euclidean, 1, &y));
        prop_assert!(one_dimensional_down(&x, &y) <= w.upper() && w.lower() <= one_dimensional_up(&x, &y));
        prop_assert!(one_dimensional_up(&x, &y) - one_dimensional_down(&x, &y) <= EPS);
    }
}

/// ½·energy² = W₁ for two points, and the mean difference is W₁ for a translation.
#[test]
fn t6_equality_cases() {
    let (a, b) = (cloud(Metric::Euclidean, 2, &[0.0, 0.0]), cloud(Metric::Euclidean, 2, &[3.0, 4.0]));
    let mean = |x: &kantor_theory::generalization::Cloud, y| x.pairs(y).unwrap().mean();
    let energy = energy_squared(mean(&a, &b), mean(&a, &a), mean(&b, &b));
    assert!((energy_lower(energy) - 5.0).abs() < 1e-12);
    assert!((mean_difference(&a, &b).unwrap().lower - 5.0).abs() < 1e-12);
}

/// The mean over directions estimates c_d·(a lower bound) and can overshoot; its constant is that of theory.
#[test]
fn t6_sliced_constants() {
    assert!(
        (sliced_constant(1) - 1.0).abs() < 1e-15 && (sliced_constant(2) - 2.0 / std::f64::consts::PI).abs() < 1e-15
    );
    assert!((sliced_constant(3) - 0.5).abs() < 1e-15);
    assert!((sliced_constant(384) - 0.0407).abs() < 5e-5 && (sliced_constant(8192) - 0.00882).abs() < 5e-6);
    // One direction along the only difference: |⟨u, v⟩|/c_d overshoots W₁ = 1.
    let (a, b) = (cloud(Metric::Euclidean, 3, &[0.0; 3]), cloud(Metric::Euclidean, 3, &[1.0, 0.0, 0.0]));
    let along = projected_distance(&a, &b, &[1.0, 0.0, 0.0]).unwrap();
    assert!(along <= 1.0 && along > 0.999_999 && along / sliced_constant(3) > 1.9);
}

/// The distance along a direction is a lower bound whatever the sizes of direction and points.
#[test]
fn t6_projection_on_tiny_directions_and_of_tiny_points_is_below() {
    for size in [1e-155, 1e-162, 1e-170, 1e-300, 1e150] {
        for points in [1.0, 1e-150, 1e-165, 1e-310] {
            let a = cloud(Metric::Euclidean, 3, &[points, 0.5 * points, 0.0]);
            let b = cloud(Metric::Euclidean, 3, &[0.0, points, 0.25 * points]);
            let truth = points * (1.0f64 + 0.25 + 0.0625).sqrt();
            let found = projected_distance(&a, &b, &[size, -0.3 * size, 0.7 * size]).unwrap();
            assert!((0.0..=truth * (1.0 + 1e-15)).contains(&found), "{size} {points}: {found} is above {truth}");
        }
    }
}
