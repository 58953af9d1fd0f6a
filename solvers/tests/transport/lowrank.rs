//! What a low-rank kernel is worth.

use kantor_solvers::transport::lowrank::{Factor, low_rank};
use kantor_solvers::{Quiet, Solution, SolveError, Solver, SolverSettings, registry};
use kantor_theory::transport_problem::{Marginal, Reference};
use kantor_theory::{Cost, DenseRows, Geometry, Power, Status, TransportProblem, Weights};
use proptest::prelude::*;

const KERNELS: [(Cost, Power); 6] = [
    (Cost::Cosine, Power::One),
    (Cost::HalfCosine, Power::One),
    (Cost::Angular, Power::One),
    (Cost::Sqeuclidean, Power::One),
    (Cost::Euclidean, Power::One),
    (Cost::Euclidean, Power::Two),
];

fn rows(dim: usize, values: &[f64]) -> DenseRows {
    DenseRows::from_f64(dim, values.to_vec()).unwrap()
}

fn settings(rank: usize) -> SolverSettings {
    SolverSettings { tolerance: 1e-12, rank, ..SolverSettings::default() }
}

fn truth(problem: &TransportProblem<'_>) -> Solution {
    let found =
        (registry::solver("sinkhorn-newton").unwrap().build)(&settings(0)).solve(problem, None, &Quiet).unwrap();
    assert_eq!(found.status, Status::Optimal);
    found
}

fn factor(problem: &TransportProblem<'_>, rank: usize) -> Factor {
    Factor::new(problem, rank, u64::MAX, &Quiet).unwrap().unwrap()
}

fn cost_of(problem: &TransportProblem<'_>, i: usize, j: usize) -> f64 {
    let cost = problem.geometry.cost_of(problem.row(i), j);
    if problem.power == Power::Two { cost * cost } else { cost }
}

fn cloud(n: usize) -> impl Strategy<Value = Vec<f64>> {
    prop::collection::vec(prop_oneof![4 => -1.0..1.0f64, 1 => Just(0.5)], 3 * n)
        .prop_filter("no zero row", |x| x.chunks(3).all(|x| x.iter().any(|x| x.abs() > 1e-3)))
}

fn marginal() -> impl Strategy<Value = Marginal> {
    prop_oneof![Just(Marginal::Hard), (0.05..3.0f64).prop_map(Marginal::Kl)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// K ≤ K̃ everywhere, with equality once all queries are pivots; the optimum with K̃ is below that with K by at most
    /// the mean excess of its plan, which is at most the largest; and the bracket of the solver holds the optimum.
    #[test]
    fn the_kernel_is_never_smaller_and_values_differ_by_no_more_than_it_is_larger(
        (x, y) in (cloud(14), cloud(8)),
        (a, b) in (prop::collection::vec(0.1..1.0f64, 14), prop::option::of(prop::collection::vec(0.1..1.0f64, 8))),
        (pool_marginal, query_marginal) in (marginal(), marginal()),
        blur in 0.06..2.0f64,
        which in 0usize..6,
        rank in 1usize..8,
    ) {
        let (pool, queries) = (rows(3, &x), rows(3, &y));
        let (cost, power) = KERNELS[which];
        let geometry = Geometry::new(&pool, &queries, cost).unwrap();
        let base = TransportProblem::new(&geometry, power);
        let most = (0..112).map(|k| cost_of(&base, k / 8, k % 8)).fold(0.0, f64::max);
        let problem = TransportProblem {
            epsilon: blur * most,
            weights: Weights { subset: Some(a), query: b },
            pool: pool_marginal,
            query: query_marginal,
            ..base
        };
        let exact = truth(&problem);
        for rank in [rank, 8] {
            let factor = factor(&problem, rank);
            prop_assert!(factor.rank() <= rank);
            for i in 0..14 {
                for j in 0..8 {
                    let kernel = (-cost_of(&problem, i, j) / problem.epsilon).exp();
                    prop_assert!(factor.entry(i, j) >= kernel - 1e-13 && factor.entry(i, j) <= 1.0 + 1e-12);
                    if rank == 8 {
                        prop_assert!((factor.entry(i, j) - kernel).abs() < 1e-6, "{}", factor.entry(i, j) - kernel);
                    }
                }
            }
            let near = factor.optimum(&problem, &settings(rank), &Quiet).unwrap();
            prop_assert_eq!(near.status, Status::Optimal);
            let excess = factor.excess(&problem, &near.potentials).unwrap();
            let slack = 1e-9 * (1.0 + problem.epsilon);
            prop_assert!(near.value <= exact.dual + slack, "{} above {}", near.value, exact.dual);
            prop_assert!(exact.dual <= near.value + excess.mean + slack, "{:?} {}", excess, exact.dual - near.value);
            let mass: f64 = 1.0 + slack;
            let hard = (pool_marginal, query_marginal) == (Marginal::Hard, Marginal::Hard);
            prop_assert!(!hard || excess.mean <= excess.largest * mass);

            let solved = low_rank(&settings(rank)).solve(&problem, None, &Quiet).unwrap();
            prop_assert!(solved.dual <= exact.primal + slack && exact.dual <= solved.primal + slack);
            prop_assert!(solved.primal - solved.dual <= 2.0 * (excess.largest + slack) + excess.mean.abs());
            prop_assert!(matches!(solved.status, Status::Optimal | Status::GapNotMet));
        }
    }
}

#[test]
fn queries_that_repeat_themselves_need_few_pivots() {
    let values = |n: usize, s: f64| (0..3 * n).map(|i| (i as f64 * s).sin()).collect::<Vec<_>>();
    let few = values(5, 1.3);
    let queries = rows(3, &[few.clone(), few.clone(), few].concat());
    let pool = rows(3, &values(60, 0.7));
    let geometry = Geometry::new(&pool, &queries, Cost::Sqeuclidean).unwrap();
    let problem = TransportProblem { epsilon: 0.7, ..TransportProblem::new(&geometry, Power::One) };
    assert_eq!(factor(&problem, 15).rank(), 5);
    let solved = low_rank(&SolverSettings { tolerance: 1e-8, rank: 15, ..SolverSettings::default() });
    let solved = solved.solve(&problem, None, &Quiet).unwrap();
    assert_eq!(solved.status, Status::Optimal);
    assert!((solved.dual - truth(&problem).dual).abs() < 1e-9);
}

#[test]
fn potentials_of_a_poor_rank_are_honest_and_of_use() {
    let values = |n: usize, s: f64| (0..4 * n).map(|i| (i as f64 * s).sin()).collect::<Vec<_>>();
    let (pool, queries) = (rows(4, &values(300, 0.71)), rows(4, &values(40, 1.37)));
    let geometry = Geometry::new(&pool, &queries, Cost::Cosine).unwrap();
    let problem = TransportProblem { epsilon: 0.2, ..TransportProblem::new(&geometry, Power::One) };
    let exact = truth(&problem);
    let mut gaps = Vec::new();
    for rank in [2, 8, 20, 40] {
        let solved = low_rank(&SolverSettings { rank, tolerance: 1e-10, ..SolverSettings::default() });
        let solved = solved.solve(&problem, None, &Quiet).unwrap();
        assert!(solved.dual <= exact.dual + 1e-12 && exact.dual <= solved.primal + 1e-12, "rank {rank}");
        gaps.push(exact.dual - solved.dual);
        if rank == 2 {
            assert_eq!(solved.status, Status::GapNotMet);
        }
    }
    assert!(gaps[2] < 0.1 * gaps[0] && gaps[3] < 1e-12, "{gaps:?}");
}

#[test]
fn the_same_bits_for_any_number_of_threads() {
    let values = |n: usize, s: f64| (0..4 * n).map(|i| (i as f64 * s).sin()).collect::<Vec<_>>();
    let (pool, queries) = (rows(4, &values(5000, 0.71)), rows(4, &values(20, 1.37)));
    let geometry = Geometry::new(&pool, &queries, Cost::Euclidean).unwrap();
    let problem = TransportProblem { epsilon: 0.5, ..TransportProblem::new(&geometry, Power::One) };
    let run = |threads: usize| {
        let threads = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        threads.install(|| factor(&problem, 9).optimum(&problem, &settings(9), &Quiet).unwrap())
    };
    assert_eq!(run(1), run(3));
}

#[test]
fn kernels_that_are_not_positive_definite_and_other_problems_are_refused() {
    let (pool, queries) = (rows(2, &[0.0, 1.0]), rows(2, &[2.0, 1.0]));
    let cosine = Geometry::new(&pool, &queries, Cost::Cosine).unwrap();
    let matrix = rows(2, &[0.0, 1.0]);
    let of_matrix = Geometry::from_matrix(&matrix, Cost::Precomputed).unwrap();
    let good = TransportProblem { epsilon: 1.0, ..TransportProblem::new(&cosine, Power::One) };
    let bad = [
        TransportProblem { power: Power::Two, ..good.clone() },
        TransportProblem { epsilon: 0.0, ..good.clone() },
        TransportProblem { pool: Marginal::Tv(1.0), ..good.clone() },
        TransportProblem { reference: Reference::Counting, ..good.clone() },
        TransportProblem { epsilon: 1.0, ..TransportProblem::new(&of_matrix, Power::One) },
    ];
    for problem in bad {
        let found = low_rank(&SolverSettings::default()).solve(&problem, None, &Quiet);
        assert!(matches!(found, Err(SolveError::Unsupported { solver: "low-rank", .. })), "{found:?}");
    }
    let small = low_rank(&SolverSettings { memory: 10, ..SolverSettings::default() });
    assert!(matches!(small.solve(&good, None, &Quiet), Err(SolveError::Memory { .. })));
}
