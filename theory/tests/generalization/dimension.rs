//! Intrinsic dimension of sets whose dimension is known.

use kantor_theory::generalization::Kind;
use kantor_theory::generalization::dimension::{levina_bickel, rows_to_halve, two_nn};

use crate::support::Random;

/// Points of a d-dimensional torus, embedded in more coordinates: no borders.
fn neighbours(d: usize, n: usize, k: usize) -> Vec<Vec<f64>> {
    let random = &mut Random(d as u64);
    let x: Vec<f64> = (0..n * d).map(|_| random.signed()).collect();
    (0..n)
        .map(|i| {
            let mut distances: Vec<f64> = (0..n)
                .filter(|&j| j != i)
                .map(|j| {
                    let wrap = |t: usize| {
                        let gap = (x[i * d + t] - x[j * d + t]).abs();
                        gap.min(2.0 - gap)
                    };
                    (0..d).map(|t| wrap(t).powi(2)).sum::<f64>().sqrt()
                })
                .collect();
            distances.sort_by(f64::total_cmp);
            distances.truncate(k);
            distances
        })
        .collect()
}

#[test]
fn known_dimensions_are_found() {
    for d in [1usize, 2, 5] {
        let lists = neighbours(d, 1200, 10);
        let pairs: Vec<(f64, f64)> = lists.iter().map(|l| (l[0], l[1])).collect();
        for bound in [two_nn(&pairs).unwrap(), levina_bickel(&lists).unwrap()] {
            assert!((bound.value() - d as f64).abs() <= 0.12 * d as f64, "{d}: {}", bound.value());
            assert_eq!(bound.kind(), Kind::Estimate);
        }
    }
    assert_eq!(rows_to_halve(5.0), 32.0);
}

#[test]
fn duplicates_are_left_out() {
    let pairs = [(0.0, 1.0), (1.0, 2.0), (1.0, 2.0)];
    assert_eq!(two_nn(&pairs).unwrap().value(), two_nn(&pairs[1..]).unwrap().value());
    assert!(two_nn(&[(0.0, 0.0), (0.0, 1.0)]).is_none() && two_nn(&[(1.0, 1.0), (1.0, 1.0)]).is_none());
    assert!(levina_bickel(&[vec![0.0, 1.0, 2.0]]).is_none() && levina_bickel(&[]).is_none());
}
