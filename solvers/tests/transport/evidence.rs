//! Evidence made from any output of any solver: always feasible, and as close as theorem T5 and the rounding lemma say.

use kantor_solvers::transport::evidence::conjugate;
use kantor_solvers::transport::evidence::round;
use kantor_solvers::transport::evidence::{compressed, thresholded};
use kantor_solvers::transport::exact::costs;
use kantor_solvers::transport::exact::masses;
use kantor_solvers::transport::exact::transport;
use kantor_solvers::{Plan, Potentials, Residuals, Solution};
use kantor_theory::transport_problem::Reference;
use kantor_theory::{
    Cost, DenseRows, DistanceEvidence, Geometry, Power, Statement, Status, TransportProblem, Weights, distance_bound,
    sequential,
};
use proptest::prelude::*;
use sprs::{CsMat, TriMat};

/// A problem and something that claims to be its solution.
#[derive(Debug, Clone)]
struct Case {
    pool: Vec<f64>,
    query: Vec<f64>,
    weights: Weights,
    epsilon: f64,
    reference: Reference,
    g: Vec<f64>,
    /// n×m.
    plan: Vec<f64>,
    power: Power,
}

const DIM: usize = 2;

fn cases() -> impl Strategy<Value = Case> {
    let sizes = (2usize..40, 1usize..7);
    sizes.prop_flat_map(|(n, m)| {
        let weights = |count| prop::option::of(prop::collection::vec(prop_oneof![Just(0.0), 0.01f64..3.0], count));
        let nonzero = |w: Option<Vec<f64>>| w.filter(|w| w.iter().any(|&w| w > 0.0));
        let points = |count: usize| prop::collection::vec(-1.0f64..1.0, count * DIM);
        let mass = prop_oneof![2 => Just(0.0), 1 => 0.0f64..1.0];
        (
            (points(n), points(m), weights(n).prop_map(nonzero), weights(m).prop_map(nonzero)),
            (-4.0f64..1.0, any::<bool>(), prop::collection::vec(-2.0f64..2.0, m), prop::collection::vec(mass, n * m)),
            any::<bool>(),
        )
            .prop_map(|((pool, query, subset, targets), (log_epsilon, counting, g, plan), squared)| Case {
                pool,
                query,
                weights: Weights { subset, query: targets },
                epsilon: 10f64.powf(log_epsilon),
                reference: if counting { Reference::Counting } else { Reference::Product },
                g,
                plan,
                power: if squared { Power::Two } else { Power::One },
            })
    })
}

fn rows(values: &[f64]) -> DenseRows {
    DenseRows::from_f64(DIM, values.to_vec()).unwrap()
}

/// A solution that claims nothing.
fn claim(g: Vec<f64>, plan: Plan) -> Solution {
    Solution {
        status: Status::IterationLimit,
        potentials: Potentials { pool: Vec::new(), query: g },
        plan,
        primal: f64::INFINITY,
        dual: f64::NEG_INFINITY,
        transport: f64::NAN,
        residuals: Residuals::default(),
        iterations: 0,
    }
}

fn shares(weights: &Option<Vec<f64>>, count: usize) -> Vec<f64> {
    let weights = weights.clone().unwrap_or(vec![1.0; count]);
    let sum: f64 = weights.iter().sum();
    weights.iter().map(|w| w / sum).collect()
}

fn dense(plan: &CsMat<f64>, n: usize, m: usize) -> Vec<f64> {
    let mut values = vec![0.0; n * m];
    plan.iter().for_each(|(&mass, (i, j))| values[i * m + j] = mass);
    values
}

fn marginals(plan: &[f64], m: usize) -> (Vec<f64>, Vec<f64>) {
    let rows = plan.chunks_exact(m).map(|row| row.iter().sum()).collect();
    (rows, (0..m).map(|j| plan.iter().skip(j).step_by(m).sum()).collect())
}

fn l1(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).sum()
}

/// Σ b g + Σ a min_j (c − g).
fn dual(case: &Case, costs: &[f64], g: &[f64]) -> f64 {
    let m = g.len();
    let (a, b) = (shares(&case.weights.subset, costs.len() / m), shares(&case.weights.query, m));
    let f = |line: &[f64]| line.iter().zip(g).map(|(c, g)| c - g).fold(f64::INFINITY, f64::min);
    let rows = costs.chunks_exact(m).zip(&a).map(|(line, a)| a * f(line)).sum::<f64>();
    rows + b.iter().zip(g).map(|(b, g)| b * g).sum::<f64>()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// T5: any potentials and any plan become an interval that holds the exact distance, whatever the solver returned.
    #[test]
    fn intervals_hold_the_exact_value(case in cases(), kind in 0..4) {
        let (pool, query) = (rows(&case.pool), rows(&case.query));
        let geometry = Geometry::new(&pool, &query, Cost::Euclidean).unwrap();
        let (n, m) = (geometry.pool_len(), geometry.query_len());
        let problem = TransportProblem {
            weights: case.weights.clone(), epsilon: case.epsilon, reference: case.reference,
            ..TransportProblem::new(&geometry, case.power)
        };
        let solution = match kind {
            0 => claim(case.g.clone(), Plan::Gibbs),
            1 => claim(case.g.clone(), Plan::Sparse(triplets(&case.plan, n, m).to_csr())),
            // What broke down leaves behind.
            2 => claim(vec![f64::NAN; m], Plan::Gibbs),
            _ => claim(Vec::new(), Plan::Absent),
        };
        let g = conjugate(&problem, &solution.potentials.query);
        let plan = round(&problem, &solution, &g, u64::MAX).unwrap();
        let statement = Statement::new(&geometry, case.power, n).weighted(case.weights.clone());
        let all: Vec<usize> = (0..n).collect();
        let evidence = DistanceEvidence { potentials: Some(g), plan: Some(plan) };
        let interval = distance_bound(&geometry, &statement, &all, evidence, &sequential).unwrap().interval();
        let (subset, targets) = (case.weights.subset.as_deref(), case.weights.query.as_deref());
        let exact = transport(&costs(&geometry, case.power, &all), &masses(n, subset, m, targets).unwrap()).unwrap();
        let value = case.power.root_up(exact.value.max(0.0));
        let (lower, upper) = (interval.lower.unwrap(), interval.upper.unwrap());
        prop_assert!(lower <= value + 1e-12 && value <= upper + 1e-12, "{value} is not in [{lower}, {upper}]");
    }

    /// ‖F − G‖₁ ≤ 2‖r − a‖₁ + ‖c − b‖₁, and the marginals of G are the weights.
    #[test]
    fn rounding_moves_no_more_than_the_marginals_are_off(case in cases()) {
        let (pool, query) = (rows(&case.pool), rows(&case.query));
        let geometry = Geometry::new(&pool, &query, Cost::Euclidean).unwrap();
        let (n, m) = (geometry.pool_len(), geometry.query_len());
        let problem = TransportProblem { weights: case.weights.clone(), ..TransportProblem::new(&geometry, case.power) };
        let total: f64 = case.plan.iter().sum();
        prop_assume!(total > 0.0);
        let before: Vec<f64> = case.plan.iter().map(|x| x / total).collect();
        let solution = claim(case.g.clone(), Plan::Sparse(triplets(&before, n, m).to_csr()));
        let plan = round(&problem, &solution, &case.g, u64::MAX).unwrap();
        let after = dense(&compressed(&plan, n, m), n, m);
        let (a, b) = (shares(&case.weights.subset, n), shares(&case.weights.query, m));
        let ((r, c), (sent, received)) = (marginals(&before, m), marginals(&after, m));
        prop_assert!(l1(&sent, &a) < 1e-12 && l1(&received, &b) < 1e-12);
        // Entries below 1e-4 of the largest in their row are dropped and added again.
        let faint = 2.0 * 1e-4 * m as f64;
        prop_assert!(l1(&before, &after) <= 2.0 * l1(&r, &a) + l1(&c, &b) + faint);
    }

    /// Conjugation never lowers the dual value, and leaves nothing that is not finite.
    #[test]
    fn conjugation_raises_the_dual(case in cases()) {
        let (pool, query) = (rows(&case.pool), rows(&case.query));
        let geometry = Geometry::new(&pool, &query, Cost::Euclidean).unwrap();
        let problem = TransportProblem { weights: case.weights.clone(), ..TransportProblem::new(&geometry, case.power) };
        let all: Vec<usize> = (0..geometry.pool_len()).collect();
        let costs = costs(&geometry, case.power, &all);
        let g = conjugate(&problem, &case.g);
        prop_assert!(dual(&case, &costs, &g) >= dual(&case, &costs, &case.g) - 1e-12);
        let mut broken = case.g.clone();
        broken[0] = f64::NEG_INFINITY;
        prop_assert!(conjugate(&problem, &broken).iter().all(|g| g.is_finite()));
    }

    /// A thresholded Gibbs plan is the formula of its potentials, and what is missing was counted.
    #[test]
    fn thresholding_accounts_for_every_mass(case in cases(), threshold in 0.0f64..0.5) {
        let (pool, query) = (rows(&case.pool), rows(&case.query));
        let geometry = Geometry::new(&pool, &query, Cost::Euclidean).unwrap();
        let (n, m) = (geometry.pool_len(), geometry.query_len());
        let problem = TransportProblem {
            weights: case.weights.clone(), epsilon: case.epsilon.max(0.05), reference: case.reference,
            ..TransportProblem::new(&geometry, case.power)
        };
        let all: Vec<usize> = (0..n).collect();
        let costs = costs(&geometry, case.power, &all);
        let f: Vec<f64> = (0..n).map(|i| 0.1 * (i as f64).sin()).collect();
        let mut solution = claim(case.g.clone(), Plan::Gibbs);
        solution.potentials.pool.clone_from(&f);
        let found = thresholded(&problem, &solution, threshold, u64::MAX).unwrap();
        let (a, b) = (shares(&case.weights.subset, n), shares(&case.weights.query, m));
        let mass = |i: usize, j: usize| {
            let prior = match case.reference {
                Reference::Product => a[i] * b[j],
                Reference::Counting => f64::from(u8::from(a[i] * b[j] > 0.0)),
            };
            prior * ((f[i] + case.g[j] - costs[i * m + j]) / problem.epsilon).exp()
        };
        let mut total = 0.0;
        for i in 0..n {
            let row: f64 = (0..m).map(|j| mass(i, j)).sum();
            total += row;
            for j in 0..m {
                let (truth, kept) = (mass(i, j), found.plan.get(i, j).copied().unwrap_or(0.0));
                let right = if kept > 0.0 { (kept - truth).abs() <= 1e-9 * truth } else { truth <= threshold * row * 1.000_001 };
                prop_assert!(right, "({i}, {j}): {kept} for {truth}");
            }
        }
        prop_assert!((found.kept + found.dropped - total).abs() <= 1e-9 * total);
        prop_assert!(found.dropped <= threshold * m as f64 * total);
    }
}

fn triplets(plan: &[f64], n: usize, m: usize) -> TriMat<f64> {
    let mut matrix = TriMat::new((n, m));
    for (at, &mass) in plan.iter().enumerate().filter(|(_, mass)| **mass > 0.0) {
        matrix.add_triplet(at / m, at % m, mass);
    }
    matrix
}

#[test]
fn too_little_memory_is_said_before_it_is_used() {
    let (pool, query) = (rows(&[0.0; 200]), rows(&[1.0; 20]));
    let geometry = Geometry::new(&pool, &query, Cost::Euclidean).unwrap();
    let problem = TransportProblem { epsilon: 1.0, ..TransportProblem::new(&geometry, Power::One) };
    let solution = claim(vec![0.0; 10], Plan::Gibbs);
    assert!(round(&problem, &solution, &[0.0; 10], 1000).is_err());
    assert!(thresholded(&problem, &solution, 0.0, 1000).is_err());
}

#[test]
fn an_exact_plan_stays_as_sparse_as_it_is() {
    let n = 60;
    let pool: Vec<f64> = (0..2 * n).map(|i| (i as f64 * 0.7).sin()).collect();
    let (pool, query) = (rows(&pool), rows(&[0.3, 0.1, -0.5, 0.2, 0.4, -0.9, 0.0, 0.6]));
    let geometry = Geometry::new(&pool, &query, Cost::Euclidean).unwrap();
    let problem = TransportProblem::new(&geometry, Power::One);
    let all: Vec<usize> = (0..n).collect();
    let exact = transport(&costs(&geometry, Power::One, &all), &masses(n, None, 4, None).unwrap()).unwrap();
    let mut plan = TriMat::new((n, 4));
    exact.plan.iter().for_each(|s| plan.add_triplet(s.row, s.query, s.mass as f64 / exact.total as f64));
    let solution = claim(exact.potentials.clone(), Plan::Sparse(plan.to_csr()));
    let rounded = round(&problem, &solution, &exact.potentials, u64::MAX).unwrap();
    assert!(rounded.len() <= exact.plan.len() + 8, "{} entries from {}", rounded.len(), exact.plan.len());
}
