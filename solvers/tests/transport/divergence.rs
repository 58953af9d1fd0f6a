//! What is true of the Sinkhorn divergence (theorem T5).

use kantor_solvers::{Divergence, Quiet, SolveError, Solver, SolverSettings, registry, sinkhorn_divergence};
use kantor_theory::transport_problem::{Marginal, Reference};
use kantor_theory::{Cost, DenseRows, Geometry, Power, Status, TransportProblem, Weights};
use proptest::prelude::*;

fn settings() -> SolverSettings {
    SolverSettings { tolerance: 1e-11, ..SolverSettings::default() }
}

fn solver(name: &str) -> Box<dyn Solver> {
    (registry::solver(name).unwrap().build)(&settings())
}

fn divergence(problem: &TransportProblem<'_>) -> Divergence {
    let found = sinkhorn_divergence(problem, &*solver("sinkhorn-newton"), &settings(), &Quiet).unwrap();
    assert_eq!(found.status, Status::Optimal, "{found:?}");
    found
}

fn rows(dim: usize, values: &[f64]) -> DenseRows {
    DenseRows::from_f64(dim, values.to_vec()).unwrap()
}

fn cloud(n: usize) -> impl Strategy<Value = Vec<f64>> {
    prop::collection::vec(prop_oneof![4 => -1.0..1.0f64, 1 => Just(0.5)], 3 * n)
        .prop_filter("no zero row", |x| x.chunks(3).all(|x| x.iter().any(|x| x.abs() > 1e-3)))
}

fn weights(n: usize) -> impl Strategy<Value = Option<Vec<f64>>> {
    prop::option::of(prop::collection::vec(0.1..1.0f64, n))
}

const COSTS: [Cost; 5] = [Cost::Cosine, Cost::HalfCosine, Cost::Euclidean, Cost::Sqeuclidean, Cost::Angular];

fn marginal() -> impl Strategy<Value = Marginal> {
    prop_oneof![Just(Marginal::Hard), (0.05..5.0f64).prop_map(Marginal::Kl)]
}

#[test]
fn it_is_no_upper_bound_of_the_distance() {
    // One point against two at distance 1 on either side: W = 1.
    let (one, two) = (rows(1, &[0.0]), rows(1, &[-1.0, 1.0]));
    let geometry = Geometry::new(&one, &two, Cost::Euclidean).unwrap();
    for (epsilon, value) in [(0.01, 0.997), (0.1, 0.965), (1.0, 0.717), (10.0, 0.525), (1000.0, 0.500)] {
        let found = divergence(&TransportProblem { epsilon, ..TransportProblem::new(&geometry, Power::One) }).value;
        assert!((found - value).abs() < 6e-4, "{found} at {epsilon}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn it_separates_measures_and_knows_no_sides(
        (x, y) in (cloud(6), cloud(4)),
        (a, b) in (weights(6), weights(4)),
        marginal in marginal(),
        epsilon in 0.05..3.0f64,
        which in 0usize..5,
    ) {
        let (pool, queries) = (rows(3, &x), rows(3, &y));
        let of = |pool: &DenseRows, queries: &DenseRows, subset: &Option<Vec<f64>>, query: &Option<Vec<f64>>| {
            let geometry = Geometry::new(pool, queries, COSTS[which]).unwrap();
            let weights = Weights { subset: subset.clone(), query: query.clone() };
            let problem = TransportProblem::new(&geometry, Power::One);
            divergence(&TransportProblem { epsilon, weights, pool: marginal, query: marginal, ..problem }).value
        };
        let value = of(&pool, &queries, &a, &b);
        prop_assert!(value >= -1e-10, "{value}");
        prop_assert!((value - of(&queries, &pool, &b, &a)).abs() < 1e-10);
        prop_assert!(of(&pool, &pool, &a, &a).abs() < 1e-10);
        prop_assert!(of(&queries, &queries, &b, &b).abs() < 1e-10);
    }

    /// Rows that do not take part, rows without weight and copies of a row with its weight shared change nothing.
    #[test]
    fn it_depends_on_the_measures_alone((x, y) in (cloud(6), cloud(4)), a in prop::collection::vec(0.1..1.0f64, 6)) {
        let (pool, queries) = (rows(3, &x), rows(3, &y));
        let geometry = Geometry::new(&pool, &queries, Cost::Euclidean).unwrap();
        let base = TransportProblem { epsilon: 0.3, ..TransportProblem::new(&geometry, Power::Two) };
        let weighted = |subset: &[f64]| Weights { subset: Some(subset.to_vec()), query: None };
        let taken = [4, 1, 3];
        let value = divergence(&TransportProblem { rows: Some(&taken), weights: weighted(&[a[4], a[1], a[3]]), ..base.clone() }).value;
        let zeros = [0.0, a[1], 0.0, a[3], a[4], 0.0];
        let padded = divergence(&TransportProblem { weights: weighted(&zeros), ..base.clone() }).value;
        prop_assert!((padded - value).abs() < 1e-10);
        let split = [4, 1, 3, 1];
        let shared = weighted(&[a[4], 0.3 * a[1], a[3], 0.7 * a[1]]);
        let copied = divergence(&TransportProblem { rows: Some(&split), weights: shared, ..base }).value;
        prop_assert!((copied - value).abs() < 1e-10);
    }

    /// ε → 0: the transport cost. ε → ∞: half the energy distance, with costs in the place of distances.
    #[test]
    fn its_limits_are_transport_and_energy((x, y) in (cloud(5), cloud(4)), which in 0usize..5) {
        let (pool, queries) = (rows(3, &x), rows(3, &y));
        let geometry = Geometry::new(&pool, &queries, COSTS[which]).unwrap();
        let problem = TransportProblem::new(&geometry, Power::One);
        let exact = (registry::solver("exact").unwrap().build)(&settings()).solve(&problem, None, &Quiet).unwrap().primal;
        let sharp = divergence(&TransportProblem { epsilon: 0.002, ..problem.clone() }).value;
        prop_assert!((sharp - exact).abs() < 0.002 * 5f64.ln() + 1e-9, "{sharp} {exact}");
        let mean = |p: &DenseRows, q: &DenseRows, n: usize, m: usize| {
            let geometry = Geometry::new(p, q, COSTS[which]).unwrap();
            (0..n * m).map(|k| geometry.cost_of(k / m, k % m)).sum::<f64>() / (n * m) as f64
        };
        let within = mean(&pool, &pool, 5, 5) + mean(&queries, &queries, 4, 4);
        let energy = mean(&pool, &queries, 5, 4) - 0.5 * within;
        let blurred = divergence(&TransportProblem { epsilon: 1e5, ..problem }).value;
        prop_assert!((blurred - energy).abs() < 1e-3 * (1.0 + energy), "{blurred} {energy}");
    }
}

#[test]
fn costs_that_do_not_fit_are_evaluated_again_to_the_same_bits() {
    let values = |n: usize, s: f64| (0..3 * n).map(|i| (i as f64 * s).sin()).collect::<Vec<_>>();
    let (pool, queries) = (rows(3, &values(500, 0.7)), rows(3, &values(30, 1.3)));
    let geometry = Geometry::new(&pool, &queries, Cost::Cosine).unwrap();
    let problem = TransportProblem { epsilon: 0.05, ..TransportProblem::new(&geometry, Power::One) };
    let with = |memory| {
        let settings = SolverSettings { memory, ..settings() };
        sinkhorn_divergence(&problem, &*solver("sinkhorn"), &settings, &Quiet).unwrap().pool
    };
    assert_eq!(with(u64::MAX), with(0));
}

#[test]
fn what_it_is_not_defined_for_is_refused() {
    let (pool, queries) = (rows(1, &[0.0, 1.0]), rows(1, &[2.0]));
    let geometry = Geometry::new(&pool, &queries, Cost::Euclidean).unwrap();
    let good = TransportProblem { epsilon: 1.0, ..TransportProblem::new(&geometry, Power::One) };
    let matrix = rows(2, &[0.0, 1.0]);
    let of_matrix = Geometry::from_matrix(&matrix, Cost::Precomputed).unwrap();
    let bad = [
        TransportProblem { epsilon: 0.0, ..good.clone() },
        TransportProblem { reference: Reference::Counting, ..good.clone() },
        TransportProblem { pool: Marginal::Kl(1.0), ..good.clone() },
        TransportProblem { pool: Marginal::Kl(1.0), query: Marginal::Kl(2.0), ..good.clone() },
        TransportProblem { pool: Marginal::Tv(1.0), query: Marginal::Tv(1.0), ..good.clone() },
        TransportProblem { epsilon: 1.0, ..TransportProblem::new(&of_matrix, Power::One) },
    ];
    for problem in bad {
        let found = sinkhorn_divergence(&problem, &*solver("sinkhorn"), &settings(), &Quiet);
        assert!(matches!(found, Err(SolveError::Unsupported { .. })));
    }
    assert!(divergence(&good).value > 0.0);
}

#[test]
fn who_stops_early_says_so() {
    let (pool, queries) = (rows(1, &[0.0, 1.0, 3.0]), rows(1, &[2.0]));
    let geometry = Geometry::new(&pool, &queries, Cost::Euclidean).unwrap();
    let problem = TransportProblem { epsilon: 0.1, ..TransportProblem::new(&geometry, Power::One) };
    let settings = SolverSettings { iterations: 1, ..settings() };
    let found = sinkhorn_divergence(&problem, &*solver("sinkhorn"), &settings, &Quiet).unwrap();
    assert_eq!((found.pool.status, found.status), (Status::IterationLimit, Status::IterationLimit));
    assert!(found.pool.residual > 1e-3);
}
