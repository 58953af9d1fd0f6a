//! The greedy selectors and the neighbour lists against their definitions, written out naively on exact closeness.

use crate::support::{MEMORY, clustered, double, geometry, matrix_of, run, single};
use kantor_solvers::registry::selector;
use kantor_solvers::scan;
use kantor_solvers::{Quiet, ScanRequest, Task};
use kantor_theory::{Cost, DenseRows, Geometry};
use proptest::prelude::*;

/// Larger closeness first, NaN last, ties to the lower row.
fn closest_first(a: &(usize, f64), b: &(usize, f64)) -> std::cmp::Ordering {
    let key = |x: f64| if x.is_nan() { f64::NEG_INFINITY } else { x + 0.0 };
    key(b.1).total_cmp(&key(a.1)).then(a.0.cmp(&b.0))
}

fn sorted(geometry: &Geometry<'_>, score: impl Fn(usize) -> f64) -> Vec<usize> {
    let mut order: Vec<(usize, f64)> = (0..geometry.pool_len()).map(|i| (i, score(i))).collect();
    order.sort_by(closest_first);
    order.into_iter().map(|(i, _)| i).collect()
}

fn naive_round_robin(geometry: &Geometry<'_>) -> Vec<usize> {
    let (n, m) = (geometry.pool_len(), geometry.query_len());
    let lists: Vec<Vec<usize>> = (0..m).map(|j| sorted(geometry, |i| geometry.closeness(i, j))).collect();
    let mut used = vec![false; n];
    (0..n)
        .map(|turn| {
            let row = *lists[turn % m].iter().find(|&&row| !used[row]).unwrap();
            used[row] = true;
            row
        })
        .collect()
}

fn naive_doubly_greedy(geometry: &Geometry<'_>) -> Vec<usize> {
    sorted(geometry, |i| (0..geometry.query_len()).map(|j| geometry.closeness(i, j)).fold(f64::NEG_INFINITY, f64::max))
}

fn check(geometry: &Geometry<'_>) {
    let n = geometry.pool_len();
    for memory in [0, 3000, MEMORY] {
        let found = run(selector("round-robin").unwrap(), geometry, &[n], 16, memory).unwrap().remove(0);
        assert_eq!(found.rows, naive_round_robin(geometry), "round-robin with {memory} bytes");
        for (turn, (&row, &score)) in found.rows.iter().zip(&found.scores).enumerate() {
            let exact = geometry.closeness(row, turn % geometry.query_len());
            assert!(score == exact || exact.is_nan());
        }
    }
    let found = run(selector("doubly-greedy").unwrap(), geometry, &[n], 16, MEMORY).unwrap().remove(0);
    assert_eq!(found.rows, naive_doubly_greedy(geometry), "doubly-greedy");
    for count in [1, n.div_ceil(3), n] {
        let task = Task { block: 16, ..Task::new(geometry, MEMORY, &Quiet) };
        let lists = scan::scan(&task, ScanRequest { row_best: false, lists: count }).unwrap().lists.unwrap();
        for asked in [1, count] {
            for (j, list) in lists.exact(geometry, asked).into_iter().enumerate() {
                let expected = &sorted(geometry, |i| geometry.closeness(i, j))[..asked];
                assert_eq!(list.iter().map(|near| near.row).collect::<Vec<_>>(), expected, "list of {count}");
                assert!(list.iter().all(|near| {
                    let exact = geometry.closeness(near.row, j);
                    near.closeness == exact || exact.is_nan()
                }));
            }
        }
    }
}

/// Rows whose closeness differs by less than single precision can see, copies among them.
fn near_ties(n: usize, dim: usize, seed: u64) -> Vec<f64> {
    let noise = clustered(n, dim, 3, seed);
    let mut rows: Vec<f64> = noise.iter().enumerate().map(|(t, x)| ((t % dim) as f64 + 1.0) + x * 1e-9).collect();
    rows.copy_within(0..dim, (n / 2) * dim);
    rows
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn definitions_hold(seed in 0u64..1000, n in 1usize..90, m in 1usize..12, dim in 1usize..20, cost in 0usize..5) {
        let pool = clustered(n, dim, 4, seed);
        let query = single(dim, &clustered(m, dim, 4, seed + 1));
        check(&geometry(&single(dim, &pool), &query, Cost::ALL[cost]));
        check(&geometry(&double(dim, &pool), &query, Cost::ALL[cost]));
    }

    #[test]
    fn what_the_screen_cannot_see_is_decided_exactly(seed in 0u64..1000, n in 2usize..90, dim in 2usize..20, cost in 0usize..5) {
        let pool = double(dim, &near_ties(n, dim, seed));
        let query = double(dim, &near_ties(6, dim, seed + 1));
        check(&geometry(&pool, &query, Cost::ALL[cost]));
    }
}

#[test]
fn matrices_are_decided_on_their_entries() {
    let pool = double(9, &near_ties(80, 9, 1));
    let points = geometry(&pool, &double(9, &near_ties(5, 9, 2)), Cost::Cosine);
    for (cost, costs) in [(Cost::Cosine, false), (Cost::Precomputed, true)] {
        let matrix = matrix_of(&points, costs);
        check(&Geometry::from_matrix(&matrix, cost).unwrap());
    }
    // Few distinct values, beyond the range of single precision, and both zeros.
    let values = (0..400).map(|t| [0.0, -0.0, 1e200, -3e200, 5.0][(t * t + t / 7) % 5]).collect();
    check(&Geometry::from_matrix(&DenseRows::from_f64(80, values).unwrap(), Cost::Precomputed).unwrap());
    let values = (0..400).map(|t| [0.0f32, -0.0, 1e30, -1e-40, 5.0][(t * t + t / 7) % 5]).collect();
    check(&Geometry::from_matrix(&DenseRows::from_f32(80, values).unwrap(), Cost::Precomputed).unwrap());
    // Cosines, some of them outside [−1, 1] by rounding: they tie with ±1.
    let beyond = [1.0, 1.0f32.next_up(), -1.0, -1.0f32.next_down(), 0.25];
    let values = (0..400).map(|t| beyond[(t * t + t / 7) % 5] * if t % 3 == 0 { 1.0 } else { -1.0 }).collect();
    check(&Geometry::from_matrix(&DenseRows::from_f32(80, values).unwrap(), Cost::Cosine).unwrap());
}

/// The data layer refuses rows of NaN; should one come through, it must not be chosen before any other row.
#[test]
fn rows_of_nan_come_last() {
    let mut rows = clustered(60, 8, 3, 1);
    rows[17 * 8] = f64::NAN;
    rows[44 * 8..45 * 8].fill(f64::NAN);
    rows[45 * 8..46 * 8].fill(0.0);
    let query = single(8, &clustered(4, 8, 3, 2));
    for pool in [single(8, &rows), double(8, &rows)] {
        for cost in [Cost::Cosine, Cost::Euclidean] {
            let geometry = geometry(&pool, &query, cost);
            check(&geometry);
            for method in ["round-robin", "doubly-greedy", "mean-similarity"] {
                let rows = run(selector(method).unwrap(), &geometry, &[60], 16, MEMORY).unwrap().remove(0).rows;
                let bad: &[usize] = if cost == Cost::Cosine { &[17, 44, 45] } else { &[17, 44] };
                assert_eq!(&rows[60 - bad.len()..], bad, "{method} on {cost}");
            }
        }
    }
}

/// mean-similarity sums on the query side first; the mean of all M values must agree up to rounding.
#[test]
fn mean_similarity_scores_are_means() {
    let pool = single(12, &clustered(100, 12, 3, 1));
    let query = single(12, &clustered(9, 12, 3, 2));
    for cost in [Cost::Cosine, Cost::Sqeuclidean] {
        let points = geometry(&pool, &query, cost);
        let matrix = matrix_of(&points, cost == Cost::Sqeuclidean);
        let given = if cost == Cost::Cosine { cost } else { Cost::Precomputed };
        for geometry in [&points, &Geometry::from_matrix(&matrix, given).unwrap()] {
            let found = run(selector("mean-similarity").unwrap(), geometry, &[100], 16, MEMORY).unwrap().remove(0);
            assert!(found.scores.is_sorted_by(|a, b| a >= b));
            for (&row, &score) in found.rows.iter().zip(&found.scores) {
                let mean = (0..9).map(|j| points.closeness(row, j)).sum::<f64>() / 9.0;
                assert!((mean - score).abs() <= 1e-12 * mean.abs().max(1.0), "{mean} is not {score}");
            }
        }
    }
}

/// The draw is part of the contract: the same seed must give the same rows in every version.
#[test]
fn random_depends_on_the_seed_alone() {
    let pool = single(2, &clustered(1000, 2, 3, 1));
    let query = single(2, &clustered(1, 2, 3, 2));
    let geometry = geometry(&pool, &query, Cost::Cosine);
    let rows = run(selector("random").unwrap(), &geometry, &[1000], 16, MEMORY).unwrap().remove(0).rows;
    assert_eq!(rows[..5], RANDOM_WITH_SEED_3);
    let hits = rows[..500].iter().filter(|&&row| row < 500).count();
    assert!((200..300).contains(&hits), "{hits} of 500 draws from the first half");
}

const RANDOM_WITH_SEED_3: [usize; 5] = [622, 82, 324, 86, 597];
