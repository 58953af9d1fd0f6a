//! Solvers that solve the same problem agree: every pair of the registry, on every kind of problem.
//!
//! A solver's dual value is at most the optimum and its primal value at least, so the intervals of any two that met their
//! tolerance overlap, and their values differ by no more than their gaps (weak duality).

use std::collections::BTreeMap;

use crate::support::{clustered, double, geometry};
use kantor_solvers::registry::{SOLVERS, solver};
use kantor_solvers::transport::evidence::conjugate;
use kantor_solvers::transport::evidence::round;
use kantor_solvers::transport::exact::costs;
use kantor_solvers::transport::exact::masses;
use kantor_solvers::transport::exact::transport;
use kantor_solvers::{Plan, Quiet, Solution, SolveError, SolverSettings};
use kantor_theory::transport_problem::{Marginal, Reference};
use kantor_theory::{
    Cost, DenseRows, DistanceEvidence, Geometry, Power, Statement, TransportProblem, Weights, distance_bound,
    sequential,
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const ROWS: usize = 40;
const QUERIES: usize = 6;

/// Values are sums of f64 products near 1: what is left after agreement in exact arithmetic.
const ROUNDING: f64 = 1e-8;

fn weights(seed: u64, some: bool) -> Weights {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut draw = |count: usize| -> Vec<f64> {
        (0..count).map(|i| if i % 7 == 3 { 0.0 } else { rng.random_range(0.1..2.0) }).collect()
    };
    if some { Weights { subset: Some(draw(ROWS)), query: Some(draw(QUERIES)) } } else { Weights::default() }
}

/// Every kind of problem on this geometry, with a name each.
fn problems<'a>(geometry: &'a Geometry<'a>, seed: u64) -> Vec<(String, TransportProblem<'a>)> {
    let hard = Marginal::Hard;
    let marginals = [
        (hard, hard),
        (Marginal::Kl(0.05), hard),
        (hard, Marginal::Kl(0.5)),
        (Marginal::Kl(1.0), Marginal::Kl(0.2)),
        (Marginal::Tv(0.1), hard),
        (hard, Marginal::Tv(0.2)),
        (Marginal::Tv(0.3), Marginal::Tv(0.1)),
        (Marginal::Capacity(2.0), hard),
        (hard, Marginal::Capacity(1.5)),
    ];
    let mut list = Vec::new();
    for (pool, query) in marginals {
        for (epsilon, reference) in [
            (0.0, Reference::Product),
            (0.3, Reference::Product),
            (0.02, Reference::Product),
            (0.1, Reference::Counting),
        ] {
            for power in [Power::One, Power::Two] {
                for weighted in [false, true] {
                    let weights = weights(seed, weighted);
                    let problem = TransportProblem {
                        pool,
                        query,
                        epsilon,
                        reference,
                        weights,
                        ..TransportProblem::new(geometry, power)
                    };
                    let cost = geometry.cost();
                    let name = format!(
                        "{cost} p={} {pool:?} {query:?} eps={epsilon} {reference:?} weighted={weighted}",
                        u8::from(power)
                    );
                    list.push((name, problem));
                }
            }
        }
    }
    list
}

/// The solution, unless the solver does not solve this kind of problem.
fn solve(entry: &kantor_solvers::registry::SolverEntry, problem: &TransportProblem<'_>) -> Option<Solution> {
    // A rank that represents the kernel of this many rows in full.
    let settings = SolverSettings { tolerance: 1e-9, rank: ROWS, ..SolverSettings::default() };
    match (entry.build)(&settings).solve(problem, None, &Quiet) {
        Ok(found) => Some(found),
        Err(SolveError::Unsupported { .. }) => None,
        Err(error) => panic!("{}: {error}", entry.name),
    }
}

#[test]
fn regression_a_refusal_named_a_solver_that_refuses_too() {
    let pool = double(3, &clustered(ROWS, 3, 5, 1));
    let query = double(3, &clustered(QUERIES, 3, 5, 101));
    let geometry = geometry(&pool, &query, Cost::Euclidean);
    let mut named = 0;
    for (name, problem) in problems(&geometry, 1) {
        for entry in SOLVERS {
            let refused = (entry.build)(&SolverSettings::default()).solve(&problem, None, &Quiet);
            let Err(SolveError::Unsupported { fault, .. }) = refused else { continue };
            let Some(other) = fault.split('`').skip(1).step_by(2).find(|word| *word != "epsilon") else { continue };
            let other = solver(other).unwrap_or_else(|| panic!("{}: {fault}", entry.name));
            let epsilon = if fault.contains("`epsilon` 0") { 0.0 } else { problem.epsilon };
            let taken = (other.build)(&SolverSettings::default()).solve(
                &TransportProblem { epsilon, ..problem.clone() },
                None,
                &Quiet,
            );
            assert!(taken.is_ok(), "{}: {name}: {fault}, but {taken:?}", entry.name);
            named += 1;
        }
    }
    assert!(named > 0);
}

#[test]
fn every_pair_agrees_to_its_gaps() {
    let mut solved: BTreeMap<&str, usize> = BTreeMap::new();
    let mut pairs: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for (seed, cost) in [(1, Cost::Cosine), (2, Cost::Euclidean), (3, Cost::Sqeuclidean)] {
        let pool = double(3, &clustered(ROWS, 3, 5, seed));
        let query = double(3, &clustered(QUERIES, 3, 5, seed + 100));
        let geometry = geometry(&pool, &query, cost);
        for (name, problem) in problems(&geometry, seed) {
            let mut found = Vec::new();
            for entry in SOLVERS {
                let Some(solution) = solve(entry, &problem) else { continue };
                let (dual, primal) = (solution.dual, solution.primal);
                assert!(!dual.is_nan() && !primal.is_nan(), "{}: {name}: {dual} {primal}", entry.name);
                assert!(dual <= primal + ROUNDING, "{}: {name}: {dual} is above {primal}", entry.name);
                // Bounds hold whatever the status; values agree if the tolerance was met.
                found.push((entry.name, dual, primal, solution.status.is_success()));
                *solved.entry(entry.name).or_default() += usize::from(solution.status.is_success());
            }
            for (at, &(one, dual, primal, success)) in found.iter().enumerate() {
                for &(other, other_dual, other_primal, other_success) in &found[at + 1..] {
                    let clash = format!("{name}: {one} [{dual}, {primal}], {other} [{other_dual}, {other_primal}]");
                    assert!(dual <= other_primal + ROUNDING && other_dual <= primal + ROUNDING, "{clash}");
                    if success && other_success {
                        let gaps = (primal - dual) + (other_primal - other_dual);
                        if primal.is_finite() && other_primal.is_finite() {
                            assert!((primal - other_primal).abs() <= gaps + 2.0 * ROUNDING, "{clash}");
                        }
                        *pairs.entry((one, other)).or_default() += 1;
                    }
                }
            }
        }
    }
    for entry in SOLVERS {
        assert!(
            solved.get(entry.name).is_some_and(|&count| count >= 3),
            "{} solved too little: {solved:?}",
            entry.name
        );
    }
    println!("{solved:?}\n{pairs:?}");
}

/// T5: from every solver's solution, whatever it solves, follows an interval that holds the distance; with the entropy
/// KL(π | a⊗b) and hard marginals it is no wider than ε·max ln(1/b_j) and what rounding the plan moves.
#[test]
fn every_solution_becomes_an_interval_around_the_distance() {
    let pool = double(3, &clustered(ROWS, 3, 5, 7));
    let query = double(3, &clustered(QUERIES, 3, 5, 8));
    let geometry = geometry(&pool, &query, Cost::Euclidean);
    for (name, problem) in problems(&geometry, 9) {
        let all: Vec<usize> = (0..ROWS).collect();
        let (subset, targets) = (problem.weights.subset.as_deref(), problem.weights.query.as_deref());
        let table = costs(&geometry, problem.power, &all);
        let exact = transport(&table, &masses(ROWS, subset, QUERIES, targets).unwrap()).unwrap().value;
        for entry in SOLVERS {
            let Some(solution) = solve(entry, &problem) else { continue };
            let g = conjugate(&problem, &solution.potentials.query);
            let plan = round(&problem, &solution, &g, u64::MAX).unwrap();
            let statement = Statement::new(&geometry, problem.power, ROWS).weighted(problem.weights.clone());
            let evidence = DistanceEvidence { potentials: Some(g), plan: Some(plan) };
            let interval = distance_bound(&geometry, &statement, &all, evidence, &sequential).unwrap().interval();
            let power = |x: f64| if problem.power == Power::Two { x * x } else { x };
            let (lower, upper) = (power(interval.lower.unwrap()), power(interval.upper.unwrap()));
            let holds = lower <= exact + ROUNDING && exact <= upper + ROUNDING;
            assert!(holds, "{}: {name}: {exact} is not in [{lower}, {upper}]", entry.name);
            let balanced = (problem.pool, problem.query) == (Marginal::Hard, Marginal::Hard);
            if solution.status.is_success() && balanced && solution.plan != Plan::Absent {
                let least = targets.map_or(1.0 / QUERIES as f64, |b| {
                    b.iter().copied().filter(|&b| b > 0.0).fold(f64::INFINITY, f64::min) / b.iter().sum::<f64>()
                });
                let largest = table.iter().copied().fold(0.0, f64::max);
                let blur =
                    if problem.reference == Reference::Product { -problem.epsilon * least.ln() } else { largest };
                let moved = 2.0 * 1e-4 * QUERIES as f64 * largest;
                assert!(upper - lower <= blur + moved + ROUNDING, "{}: {name}: [{lower}, {upper}]", entry.name);
            }
        }
    }
}

/// Users are told that a setting changes nothing where the registry does not name it.
#[test]
fn solvers_read_the_settings_that_the_registry_names() {
    let points = |count: usize, scale: f64| {
        let values = (0..count * 3).map(|at| ((at * at + 1) as f64 * scale).sin()).collect();
        DenseRows::from_f64(3, values).unwrap()
    };
    let (pool, queries) = (points(30, 1.3), points(12, 0.7));
    let geometry = Geometry::new(&pool, &queries, Cost::Euclidean).unwrap();
    let plain = SolverSettings { directions: 400, rank: 30, ..SolverSettings::default() };
    let others = [
        ("tolerance", SolverSettings { tolerance: 0.1, ..plain.clone() }),
        ("iterations", SolverSettings { iterations: 1, ..plain.clone() }),
        ("rank", SolverSettings { rank: 1, ..plain.clone() }),
        ("directions", SolverSettings { directions: 2, ..plain.clone() }),
        ("seed", SolverSettings { seed: 5, ..plain.clone() }),
    ];
    for entry in SOLVERS {
        let epsilon = if entry.entropic { 0.05 } else { 0.0 };
        let problem = TransportProblem { epsilon, ..TransportProblem::new(&geometry, Power::One) };
        let found = |settings: &SolverSettings| {
            let found = (entry.build)(settings).solve(&problem, None, &Quiet);
            format!("{:?}", found.map(|found| (found.status, found.iterations, found.dual, found.potentials)))
        };
        for (name, other) in &others {
            assert_eq!(found(&plain) != found(other), entry.reads.contains(name), "{}: {name}", entry.name);
        }
    }
}
