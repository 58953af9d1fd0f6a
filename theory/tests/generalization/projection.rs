//! T7.

use kantor_theory::Rows;
use kantor_theory::generalization::projection::{Projected, johnson_lindenstrauss, projection_bracket, residual};
use kantor_theory::generalization::{Cloud, Metric};
use proptest::prelude::*;

use crate::support::{Random, certified, cloud, costs, points};

/// Orthonormal rows by Gram and Schmidt.
fn orthonormal(random: &mut Random, r: usize, d: usize) -> Vec<f64> {
    let mut u: Vec<f64> = Vec::new();
    while u.len() < r * d {
        let mut v = points(random, 1, d);
        for line in u.chunks_exact(d) {
            let along: f64 = line.iter().zip(&v).map(|(a, b)| a * b).sum();
            v.iter_mut().zip(line).for_each(|(v, a)| *v -= along * a);
        }
        let norm = v.iter().map(|x| x * x).sum::<f64>().sqrt();
        if norm > 1e-2 {
            u.extend(v.iter().map(|x| x / norm));
        }
    }
    u
}

fn project(cloud_rows: &Cloud, u: &[f64], d: usize) -> (Cloud, Vec<f64>) {
    let mut rows = vec![0.0; cloud_rows.len() * d];
    cloud_rows.rows().read(0, 0..d, &mut rows);
    let image: Vec<f64> = rows
        .chunks_exact(d)
        .flat_map(|x| u.chunks_exact(d).map(move |line| line.iter().zip(x).map(|(a, b)| a * b).sum::<f64>()))
        .collect();
    (cloud(Metric::Euclidean, u.len() / d, &image), rows)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// T7: projected distance ≤ distance ≤ projected distance + residuals; equality when nothing is left out.
    #[test]
    fn t7_projection_brackets_the_distance(seed: u64) {
        let random = &mut Random(seed);
        let d = 1 + random.below(4);
        let (k, m) = (1 + random.below(5), 1 + random.below(5));
        let (s, q) = (points(random, k, d), points(random, m, d));
        let (s, q) = (cloud(Metric::Euclidean, d, &s), cloud(Metric::Euclidean, d, &q));
        let w = certified(&s, &q);
        let r = 1 + random.below(d);
        let u = orthonormal(random, r, d);
        let ((ps, rows_s), (pq, rows_q)) = (project(&s, &u, d), project(&q, &u, d));
        let ((left_s, defect), (left_q, _)) = (residual(&u, &rows_s, d), residual(&u, &rows_q, d));
        prop_assert!(defect < 1e-12);
        let (lower, upper) = projection_bracket(certified(&ps, &pq), left_s, left_q, defect);
        prop_assert!(lower.value() <= w.upper() && w.lower() <= upper.value());
        if r == d {
            prop_assert!(upper.value() - lower.value() <= 1e-12);
        }
    }

    /// T7 on clouds, chords included: the images are made, and what rounding moves is paid for, by theory itself.
    #[test]
    fn t7_projected_clouds_bracket_the_distance(seed: u64, chord: bool) {
        let random = &mut Random(seed);
        let metric = if chord { Metric::Chord } else { Metric::Euclidean };
        let d = 1 + random.below(4);
        let (k, m) = (1 + random.below(5), 1 + random.below(5));
        let (s, q) = (points(random, k, d), points(random, m, d));
        let (s, q) = (cloud(metric, d, &s), cloud(metric, d, &q));
        let w = certified(&s, &q);
        let r = 1 + random.below(d);
        let projected = Projected::new(&orthonormal(random, r, d), &s, &q).unwrap();
        let (images, of_queries) = projected.clouds();
        let (lower, upper) = projected.bracket(certified(images, of_queries));
        prop_assert!(lower.is_lower() && lower.value() <= w.upper() && w.lower() <= upper.value());
        if r == d {
            prop_assert!(upper.value() - lower.value() <= 1e-11);
        }
    }
}

#[test]
fn t7_needs_a_norm_and_orthonormal_rows() {
    let random = &mut Random(3);
    let values = points(random, 4, 3);
    let (flat, angles) = (cloud(Metric::Euclidean, 3, &values), cloud(Metric::Angular, 3, &values));
    assert!(Projected::new(&[1.0, 0.0, 0.0], &flat, &flat).is_some());
    assert!(Projected::new(&[1.0, 0.0, 0.0], &angles, &angles).is_none());
    assert!(Projected::new(&[2.0, 0.0, 0.0], &flat, &flat).is_none());
    assert!(Projected::new(&[1.0, 0.0], &flat, &flat).is_none());
    assert!(Projected::new(&[], &flat, &flat).is_none());
}

/// T7: the ε of the random projections of theory, and a Gaussian projection within it.
#[test]
fn t7_random_projection_table() {
    for (r, expected) in [(8192, 0.104), (4096, 0.149), (1024, 0.319), (384, 0.595)] {
        let epsilon = johnson_lindenstrauss(r, 100, 200_000, 0.05).unwrap().value();
        assert!((epsilon - expected).abs() <= 6e-4, "{r}: {epsilon}");
    }
    assert!(johnson_lindenstrauss(10, 100, 200_000, 0.05).is_none());
    let random = &mut Random(7);
    let (d, r, n) = (60, 1500, 6);
    let (s, q) = (points(random, n, d), points(random, n, d));
    let (s, q) = (cloud(Metric::Euclidean, d, &s), cloud(Metric::Euclidean, d, &q));
    let epsilon = johnson_lindenstrauss(r, n, n, 0.01).unwrap().value();
    // Twelve uniform numbers make a good enough normal one.
    let normal = |random: &mut Random| (0..12).map(|_| 0.5 * random.signed()).sum::<f64>();
    let u: Vec<f64> = (0..r * d).map(|_| normal(random) / (r as f64).sqrt()).collect();
    let (ps, pq) = (project(&s, &u, d).0, project(&q, &u, d).0);
    let (full, seen) = (costs(&s.pairs(&q).unwrap()), costs(&ps.pairs(&pq).unwrap()));
    for (a, b) in full.iter().flatten().zip(seen.iter().flatten()) {
        assert!(*b <= (1.0 + epsilon).sqrt() * a && *b >= (1.0 - epsilon).sqrt() * a);
    }
}

/// T7 holds whatever the size of the numbers: squares that underflow are counted all the same.
#[test]
fn t7_counts_what_underflows() {
    for size in [1e-152, 1e-160, 1e-200, 1e-300, 5e-324, 1e152, 1e200, 1e300_f64] {
        let d = 1000;
        let u: Vec<f64> = (0..d).map(|i| f64::from(u8::from(i == 0))).collect();
        let mut q = vec![0.0; d];
        q[0] = size;
        let mut p = vec![(size * 1.5e-10).max(5e-324); d];
        p[0] = size;
        // ‖p − q‖, as a multiple of one of its d − 1 equal numbers.
        let truth = p[1] * ((d - 1) as f64).sqrt();
        let (left, _) = residual(&u, &p, d);
        assert!(left >= truth * (1.0 - 1e-12), "{size}: {left} is below {truth}");
        if size > 1e70 {
            // A geometry refuses rows as large as that.
            continue;
        }
        let (p, q) = (cloud(Metric::Euclidean, d, &p), cloud(Metric::Euclidean, d, &q));
        let projected = Projected::new(&u, &p, &q).unwrap();
        let (ps, pq) = projected.clouds();
        let (lower, upper) = projected.bracket(certified(ps, pq));
        assert!(lower.value() <= truth && truth * (1.0 - 1e-12) <= upper.value(), "{size}: {}", upper.value());
        assert!(size > 1e-150 || upper.value() <= 1e-150);
    }
}
