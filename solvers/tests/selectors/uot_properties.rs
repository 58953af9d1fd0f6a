//! What unbalanced transport is meant to do, on random clouds, and what published code got wrong.

use kantor_solvers::transport::sinkhorn::semidual;
use kantor_solvers::transport::sinkhorn::{Costs, Penalty};
use kantor_solvers::{PoolScan, Quiet, SelectError, Selection, Selector, Task, Uot};
use kantor_theory::{Cost, DenseRows, Geometry, Status};
use proptest::prelude::*;
use rand::RngExt;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// Random rows around a few centres, in random order.
fn cloud(rows: usize, dim: usize, spread: f32, seed: u64) -> DenseRows {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let centres: Vec<f32> = (0..5 * dim).map(|_| rng.random::<f32>() - 0.4).collect();
    let values = (0..rows)
        .flat_map(|_| {
            let centre = rng.random_range(0..5usize);
            (0..dim).map(|t| centres[centre * dim + t] + spread * (rng.random::<f32>() - 0.5)).collect::<Vec<f32>>()
        })
        .collect();
    DenseRows::from_f32(dim, values).unwrap()
}

fn try_select(
    geometry: &Geometry<'_>,
    epsilon: f64,
    rho: f64,
    memory: u64,
    budgets: &[usize],
) -> Result<Vec<Selection>, SelectError> {
    let task = Task { block: 64, ..Task::new(geometry, memory, &Quiet) };
    Uot { epsilon, rho }.select(&task, &PoolScan::default(), budgets)
}

fn select(geometry: &Geometry<'_>, epsilon: f64, rho: f64, budget: usize) -> Selection {
    try_select(geometry, epsilon, rho, 1 << 30, &[budget]).unwrap().remove(0)
}

fn by_row(selection: &Selection) -> Vec<f64> {
    let mut scores = vec![0.0; selection.rows.len()];
    for (&row, &score) in selection.rows.iter().zip(&selection.scores) {
        scores[row] = score;
    }
    scores
}

/// (1/M) Σ_j softmax_i(−c_ij/ε) with c = (1 − cos)/2.
fn softmax(geometry: &Geometry<'_>, epsilon: f64) -> Vec<f64> {
    let (n, m) = (geometry.pool_len(), geometry.query_len());
    let mut scores = vec![0.0; n];
    for j in 0..m {
        let costs: Vec<f64> = (0..n).map(|i| 0.5 * (1.0 - geometry.closeness(i, j))).collect();
        let least = costs.iter().copied().fold(f64::INFINITY, f64::min);
        let weights: Vec<f64> = costs.iter().map(|c| (-(c - least) / epsilon).exp()).collect();
        let total: f64 = weights.iter().sum();
        for (score, w) in scores.iter_mut().zip(weights) {
            *score += w / total / m as f64;
        }
    }
    scores
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// Without a penalty on the pool the plan is each query's softmax over the pool.
    #[test]
    fn no_penalty_is_softmax(n in 1usize..150, m in 1usize..12, log_epsilon in -3.0f64..0.0, seed in 0u64..1000) {
        let (pool, query) = (cloud(n, 5, 0.7, seed), cloud(m, 5, 0.7, seed + 1));
        let geometry = Geometry::new(&pool, &query, Cost::Cosine).unwrap();
        let epsilon = 10f64.powf(log_epsilon);
        let found = select(&geometry, epsilon, 0.0, n);
        prop_assert_eq!(found.status, Status::Uncertified);
        for (score, wanted) in by_row(&found).iter().zip(softmax(&geometry, epsilon)) {
            prop_assert!((score - wanted).abs() <= 1e-9 * wanted + 1e-15);
        }
    }

    /// The dual value is attained: primal objective of the plan that the potentials define, all terms by hand.
    #[test]
    fn primal_equals_dual(n in 2usize..80, m in 1usize..9, epsilon in 0.01f64..0.5, pool_rho in 1e-3f64..2.0, hard_pool: bool, query_rho in 0.05f64..2.0, hard_query: bool, seed in 0u64..1000) {
        let (pool, query) = (cloud(n, 5, 0.7, seed), cloud(m, 5, 0.7, seed + 1));
        let geometry = Geometry::new(&pool, &query, Cost::HalfCosine).unwrap();
        let penalty = Penalty {
            epsilon,
            pool: if hard_pool { f64::INFINITY } else { pool_rho },
            query: if hard_query { f64::INFINITY } else { query_rho },
        };
        let costs = Costs::new(&geometry, Cost::HalfCosine, u64::MAX);
        let found = semidual::solve(&costs, None, penalty, &Quiet).unwrap();
        prop_assert!(found.converged, "{:?}: {:e} after {}", penalty, found.residual, found.passes);
        let (a, b) = (1.0 / n as f64, 1.0 / m as f64);
        let kl = |x: f64, y: f64| if x > 0.0 { x * (x / y).ln() - x + y } else { y };
        let (mut transport, mut entropy) = (0.0, 0.0);
        let (mut rows, mut columns) = (vec![0.0; n], vec![0.0; m]);
        for (i, row) in rows.iter_mut().enumerate() {
            for (j, column) in columns.iter_mut().enumerate() {
                let c = geometry.cost_of(i, j);
                let mass = (found.log_marginal[i] - found.log_rows[i] + b.ln() + (found.potentials[j] - c) / epsilon).exp();
                transport += mass * c;
                entropy += kl(mass, a * b);
                *row += mass;
                *column += mass;
            }
        }
        let mut primal = transport + epsilon * entropy;
        if !hard_pool {
            primal += pool_rho * rows.iter().map(|&t| kl(t, a)).sum::<f64>();
        }
        if !hard_query {
            primal += query_rho * columns.iter().map(|&t| kl(t, b)).sum::<f64>();
        }
        prop_assert!((transport - found.transport).abs() < 1e-10);
        prop_assert!((primal - found.objective).abs() < 1e-8 * (1.0 + primal), "{} and {}", primal, found.objective);
        for (row, log) in rows.iter().zip(&found.log_marginal) {
            prop_assert!((row - log.exp()).abs() < 1e-9 * row);
        }
    }

    /// Renumbering the pool renumbers the selection.
    #[test]
    fn pool_permutation(n in 2usize..150, m in 1usize..9, rho in 1e-4f64..1.0, seed in 0u64..1000) {
        use kantor_theory::Rows;
        let (pool, query) = (cloud(n, 5, 0.7, seed), cloud(m, 5, 0.7, seed + 1));
        let mut values = vec![0.0; n * 5];
        pool.read(0, 0..5, &mut values);
        let reversed = DenseRows::from_f64(5, values.chunks(5).rev().flatten().copied().collect()).unwrap();
        let order = |pool: &DenseRows| select(&Geometry::new(pool, &query, Cost::Cosine).unwrap(), 0.01, rho, n);
        let renumbered: Vec<usize> = order(&reversed).rows.into_iter().map(|row| n - 1 - row).collect();
        prop_assert_eq!(order(&pool).rows, renumbered);
    }
}

/// Published code returns rows 0..k−1 once exp(−c/ε) underflows, and POT stops at its limit without a word.
#[test]
fn regression_small_epsilon_underflows_to_file_order() {
    let (pool, query) = (cloud(1500, 16, 0.9, 4), cloud(12, 16, 0.9, 5));
    let geometry = Geometry::new(&pool, &query, Cost::Cosine).unwrap();
    let nearest: Vec<usize> = (0..12)
        .map(|j| (0..1500).max_by(|&a, &b| geometry.closeness(a, j).total_cmp(&geometry.closeness(b, j))).unwrap())
        .collect();
    for rho in [1e-4, 1e-2, 1.0, f64::INFINITY] {
        for epsilon in [1.0, 0.1, 1e-2, 1e-3, 1e-4, 1e-5] {
            let found = select(&geometry, epsilon, rho, 60);
            assert_eq!(found.status, Status::Uncertified, "rho {rho:e} epsilon {epsilon:e}: {:?}", found.notes);
            assert!(found.notes["residual"].as_f64().unwrap() <= semidual::TOLERANCE);
            assert!(found.scores.iter().all(|score| score.is_finite()));
            assert!(found.scores.iter().any(|&score| score > 0.0));
            assert!(found.rows.iter().copied().ne(0..60));
            if rho < epsilon && epsilon <= 1e-4 {
                assert!(nearest.iter().all(|row| found.rows.contains(row)));
            }
        }
    }
}

/// Scores that underflow still order the rows: the far end of the order is by mass, not by index.
#[test]
fn regression_ties_after_underflow() {
    let (pool, query) = (cloud(400, 8, 0.9, 6), cloud(1, 8, 0.9, 7));
    let geometry = Geometry::new(&pool, &query, Cost::Cosine).unwrap();
    let found = select(&geometry, 1e-5, 0.0, 400);
    assert!(found.scores.contains(&0.0));
    assert!(found.rows.windows(2).all(|pair| geometry.closeness(pair[0], 0) >= geometry.closeness(pair[1], 0)));
}

/// Under a hard pool marginal all masses are equal; the order is the one that large ρ gives.
#[test]
fn hard_pool_marginal_orders_as_large_rho_does() {
    let (pool, query) = (cloud(300, 8, 0.9, 8), cloud(10, 8, 0.9, 9));
    let geometry = Geometry::new(&pool, &query, Cost::Cosine).unwrap();
    let hard = select(&geometry, 0.05, f64::INFINITY, 300);
    assert!(hard.scores.iter().all(|score| (score - 1.0 / 300.0).abs() < 1e-15));
    assert_eq!(hard.rows[..30], select(&geometry, 0.05, 1e9, 300).rows[..30]);
}

/// Equal bits for every thread count, held or re-evaluated costs, and every block size.
#[test]
fn neither_threads_nor_memory_matter() {
    let (pool, query) = (cloud(5000, 7, 0.8, 10), cloud(13, 7, 0.8, 11));
    let geometry = Geometry::new(&pool, &query, Cost::Cosine).unwrap();
    let with = |threads: usize, memory: u64, rho: f64| {
        let workers = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        workers.install(|| try_select(&geometry, 0.01, rho, memory, &[1, 500, 5000]).unwrap())
    };
    for rho in [1e-4, 0.1] {
        let one = with(1, u64::MAX, rho);
        assert_eq!(one, with(3, 0, rho));
        assert_eq!(one[1].rows, one[2].rows[..500]);
    }
}

#[test]
fn small_and_degenerate_inputs() {
    for (n, m) in [(1, 1), (1, 5), (2, 9), (9, 1), (65, 8)] {
        let (pool, query) = (cloud(n, 3, 0.7, 1), cloud(m, 3, 0.7, 2));
        let geometry = Geometry::new(&pool, &query, Cost::Cosine).unwrap();
        for rho in [0.0, 1e-4, 1.0, f64::INFINITY] {
            let found = select(&geometry, 0.01, rho, n);
            assert_eq!(found.status, Status::Uncertified);
            assert!((found.scores.iter().sum::<f64>() - 1.0).abs() < 1e-9);
        }
    }
    // Equal rows tie, and ties go to the lower row.
    let pool = DenseRows::from_f32(2, [1.0, 0.5].repeat(20)).unwrap();
    let query = DenseRows::from_f32(2, vec![1.0, 0.0, 0.0, 1.0]).unwrap();
    let geometry = Geometry::new(&pool, &query, Cost::Cosine).unwrap();
    assert!(select(&geometry, 0.01, 1.0, 20).rows.into_iter().eq(0..20));
}

#[test]
fn given_costs_and_distances() {
    let costs = DenseRows::from_f64(4, vec![3.0, 1.0, 2.0, 9.0, 3.0, 2.0, 1.0, 9.0]).unwrap();
    let geometry = Geometry::from_matrix(&costs, Cost::Precomputed).unwrap();
    let found = select(&geometry, 0.1, 1e-4, 4);
    assert_eq!((found.rows.as_slice(), &found.notes["cost"]), (&[1, 2, 0, 3][..], &"precomputed".into()));
    let (pool, query) = (cloud(200, 5, 3.0, 1), cloud(5, 5, 3.0, 2));
    for cost in [Cost::Euclidean, Cost::Sqeuclidean] {
        let geometry = Geometry::new(&pool, &query, cost).unwrap();
        for rho in [1e-4, 1.0, f64::INFINITY] {
            let found = select(&geometry, 0.01, rho, 200);
            assert_eq!((found.status, &found.notes["cost"]), (Status::Uncertified, &cost.name().into()));
        }
    }
}

#[test]
fn senseless_settings_are_refused_by_name() {
    let (pool, query) = (cloud(10, 3, 0.5, 1), cloud(2, 3, 0.5, 2));
    let geometry = Geometry::new(&pool, &query, Cost::Cosine).unwrap();
    for (epsilon, rho, wanted) in [
        (0.0, 1.0, "epsilon"),
        (-1.0, 1.0, "epsilon"),
        (f64::NAN, 1.0, "epsilon"),
        (f64::INFINITY, 1.0, "epsilon"),
        (0.1, -1e-9, "rho"),
        (0.1, f64::NAN, "rho"),
    ] {
        let found = try_select(&geometry, epsilon, rho, 0, &[1]);
        assert!(matches!(found, Err(SelectError::Setting { name, .. }) if name == wanted));
    }
    assert!(matches!(try_select(&geometry, 0.1, 1.0, 0, &[3, 11]), Err(SelectError::Budget { budget: 11, pool: 10 })));
}
