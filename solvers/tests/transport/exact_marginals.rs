//! Exact solvers with marginals that are not hard: capacities (theorem T3) and total variation (theorems T4 and T1b).

use kantor_solvers::{Plan, Quiet, Solution, SolveError, SolverSettings, registry};
use kantor_theory::transport_problem::Marginal;
use kantor_theory::{Cost, DenseRows, Geometry, Power, TransportProblem, Weights};
use proptest::prelude::*;

fn run(solver: &str, problem: &TransportProblem<'_>) -> Result<Solution, SolveError> {
    (registry::solver(solver).unwrap().build)(&SolverSettings::default()).solve(problem, None, &Quiet)
}

/// Rows × queries of a plan.
fn entries(solution: &Solution) -> Vec<(usize, usize, f64)> {
    let Plan::Sparse(plan) = &solution.plan else { panic!("a plan was promised") };
    plan.iter().map(|(&mass, (i, j))| (i, j, mass)).collect()
}

fn normalised(weights: &Option<Vec<f64>>, count: usize) -> Vec<f64> {
    let weights = weights.clone().unwrap_or_else(|| vec![1.0; count]);
    let sum: f64 = weights.iter().sum();
    weights.iter().map(|w| w / sum).collect()
}

fn marginals(solution: &Solution, n: usize, m: usize) -> (Vec<f64>, Vec<f64>) {
    let (mut x, mut y) = (vec![0.0; n], vec![0.0; m]);
    for (i, j, mass) in entries(solution) {
        assert!(mass > 0.0);
        x[i] += mass;
        y[j] += mass;
    }
    (x, y)
}

fn l1(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| (x - y).abs()).sum()
}

fn inner(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| x * y).sum()
}

/// M×N costs as a geometry wants them, and a closure that reads them by row and query.
fn matrix(n: usize, m: usize, costs: &[f64]) -> DenseRows {
    let turned = (0..m).flat_map(|j| (0..n).map(move |i| costs[i * m + j])).collect();
    DenseRows::from_f64(n, turned).unwrap()
}

fn paid(solution: &Solution, costs: &[f64], m: usize) -> f64 {
    entries(solution).iter().map(|&(i, j, mass)| mass * costs[i * m + j]).sum()
}

/// The potentials prove that no plan costs less, the plan that none needs to cost more.
fn check_capacity(costs: &[f64], n: usize, m: usize, weights: &Weights, factor: f64, pool: bool) -> f64 {
    let table = matrix(n, m, costs);
    let geometry = Geometry::from_matrix(&table, Cost::Precomputed).unwrap();
    let scaled = Marginal::Capacity(factor);
    let (rows, queries) = if pool { (scaled, Marginal::Hard) } else { (Marginal::Hard, scaled) };
    let problem = TransportProblem {
        pool: rows,
        query: queries,
        weights: weights.clone(),
        ..TransportProblem::new(&geometry, Power::One)
    };
    let solution = run("exact", &problem).unwrap();
    let (a, b) = (normalised(&weights.subset, n), normalised(&weights.query, m));
    let (x, y) = marginals(&solution, n, m);
    let (hard, exact, free, most) = if pool { (&y, &b, &x, &a) } else { (&x, &a, &y, &b) };
    assert!(l1(hard, exact) < 1e-12);
    assert!(free.iter().zip(most).all(|(x, w)| *x <= factor * w + 1e-12));
    let (f, g) = (&solution.potentials.pool, &solution.potentials.query);
    let (f, g): (Vec<f64>, Vec<f64>) = if pool {
        let reply = |i: usize| (0..m).map(|j| costs[i * m + j] - g[j]).fold(0.0, f64::min);
        ((0..n).map(reply).collect(), g.clone())
    } else {
        (f.clone(), (0..m).map(|j| (0..n).map(|i| costs[i * m + j] - f[i]).fold(0.0, f64::min)).collect())
    };
    let scale = |scaled: bool| if scaled { factor } else { 1.0 };
    let dual = scale(pool) * inner(&a, &f) + scale(!pool) * inner(&b, &g);
    let size = 1.0 + factor;
    assert!((dual - solution.primal).abs() <= 1e-12 * size, "dual {dual} primal {}", solution.primal);
    assert!((solution.dual - solution.primal).abs() <= 1e-12 * size);
    assert!((paid(&solution, costs, m) - solution.primal).abs() <= 1e-12 * size);
    assert!(l1(&solution.potentials.pool, &f) <= 1e-12 * size * n as f64);
    solution.primal
}

fn table(max_n: usize, max_m: usize) -> impl Strategy<Value = (usize, usize, Vec<f64>)> {
    let cost = prop_oneof![4 => 0.0..2.0f64, 1 => (0u8..3).prop_map(f64::from), 1 => -0.3..0.0f64];
    (1..=max_n, 1..=max_m).prop_flat_map(move |(n, m)| (Just(n), Just(m), prop::collection::vec(cost.clone(), n * m)))
}

fn weights(n: usize, m: usize) -> impl Strategy<Value = Weights> {
    let side = |count: usize| {
        let weight = prop_oneof![3 => 0.05..1.0f64, 1 => (1u8..4).prop_map(f64::from)];
        prop::option::of(prop::collection::vec(weight, count))
    };
    (side(n), side(m)).prop_map(|(subset, query)| Weights { subset, query })
}

fn weighted(max_n: usize, max_m: usize) -> impl Strategy<Value = (usize, usize, Vec<f64>, Weights)> {
    table(max_n, max_m).prop_flat_map(|(n, m, costs)| (Just(n), Just(m), Just(costs), weights(n, m)))
}

fn points(n: usize) -> impl Strategy<Value = Vec<f64>> {
    prop::collection::vec(-1.0..1.0f64, 2 * n)
}

/// A factor that was cut to what is just enough left a price on a capacity that the stated problem does not use up.
#[test]
fn a_capacity_that_nothing_uses_up_has_no_price() {
    for pool in [false, true] {
        let (n, m) = if pool { (2, 1) } else { (1, 2) };
        for factor in [2.0, 2.5, 3.168_426_206_285_688_7, 100.0] {
            let value = check_capacity(&[0.0, -0.233_323_930_706_543_03], n, m, &Weights::default(), factor, pool);
            assert!((value + 0.233_323_930_706_543_03).abs() < 1e-12);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    /// T3: OT_1 is the distance, OT_∞ the mean cost of every query to its nearest row; between them the path is convex
    /// and does not rise.
    #[test]
    fn capacities_lead_from_the_distance_to_the_chamfer((n, m, costs, weights) in weighted(12, 6)) {
        let path: Vec<f64> =
            [1.0, 1.25, 1.5, 1.75, 2.0].iter().map(|l| check_capacity(&costs, n, m, &weights, *l, true)).collect();
        let table = matrix(n, m, &costs);
        let geometry = Geometry::from_matrix(&table, Cost::Precomputed).unwrap();
        let hard = TransportProblem { weights: weights.clone(), ..TransportProblem::new(&geometry, Power::One) };
        prop_assert!((path[0] - run("exact", &hard).unwrap().primal).abs() < 1e-12);
        for at in path.windows(3) {
            prop_assert!(at[1] <= at[0] + 1e-12 && at[1] <= 0.5 * (at[0] + at[2]) + 1e-12);
        }
        let a = normalised(&weights.subset, n);
        let enough = 1.0 / a.iter().copied().fold(f64::INFINITY, f64::min);
        let b = normalised(&weights.query, m);
        let nearest = |j: usize| (0..n).map(|i| costs[i * m + j]).fold(f64::INFINITY, f64::min);
        let chamfer: f64 = (0..m).map(|j| b[j] * nearest(j)).sum();
        let end = check_capacity(&costs, n, m, &weights, enough * (1.0 + 1e-12), true);
        prop_assert!((end - chamfer).abs() < 1e-12 * (1.0 + enough));
    }

    /// The other side likewise.
    #[test]
    fn capacities_of_queries_mirror_those_of_rows((n, m, costs, weights) in weighted(8, 8), factor in 1.0..4.0f64) {
        let rows = check_capacity(&costs, n, m, &weights, factor, false);
        let turned: Vec<f64> = (0..m).flat_map(|j| (0..n).map(move |i| (i, j))).map(|(i, j)| costs[i * m + j]).collect();
        let mirrored = Weights { subset: weights.query, query: weights.subset };
        prop_assert!((rows - check_capacity(&turned, m, n, &mirrored, factor, true)).abs() < 1e-11);
    }

    /// T4: plan and potentials of `partial` are feasible and have one value, so both are optimal.
    #[test]
    fn partial_plans_are_proved_optimal(
        (n, m, costs, weights) in weighted(10, 6),
        pool in prop::option::of(0.2..1.5f64),
        query in prop::option::of(0.2..1.5f64),
    ) {
        let table = matrix(n, m, &costs);
        let geometry = Geometry::from_matrix(&table, Cost::Precomputed).unwrap();
        let marginal = |rho: Option<f64>| rho.map_or(Marginal::Hard, Marginal::Tv);
        let problem = TransportProblem {
            pool: marginal(pool),
            query: marginal(query),
            weights: weights.clone(),
            ..TransportProblem::new(&geometry, Power::One)
        };
        let solution = run("partial", &problem).unwrap();
        let (a, b) = (normalised(&weights.subset, n), normalised(&weights.query, m));
        let (x, y) = marginals(&solution, n, m);
        let mut value = paid(&solution, &costs, m);
        prop_assert!((value - solution.transport).abs() < 1e-12);
        for (rho, missed) in [(pool, l1(&x, &a)), (query, l1(&y, &b))] {
            match rho {
                Some(rho) => value += rho * missed,
                None => prop_assert!(missed < 1e-12),
            }
        }
        prop_assert!((value - solution.primal).abs() < 1e-12);
        let (f, g) = (&solution.potentials.pool, &solution.potentials.query);
        for i in 0..n {
            for j in 0..m {
                prop_assert!(f[i] + g[j] <= costs[i * m + j] + 1e-12);
            }
        }
        prop_assert!(f.iter().all(|f| f.abs() <= pool.unwrap_or(f64::INFINITY)));
        prop_assert!(g.iter().all(|g| g.abs() <= query.unwrap_or(f64::INFINITY)));
        let dual = inner(&a, f) + inner(&b, g);
        prop_assert!((dual - solution.dual).abs() < 1e-12 && (dual - value).abs() < 1e-12, "{dual} {value}");
        if pool.is_none() && query.is_none() {
            prop_assert!((run("exact", &problem).unwrap().primal - value).abs() < 1e-12);
        }
    }

    /// T1b and T4: V(L) = OT of min(L·d, B), which `partial` finds as L times its value at ρ = B/2L on each side, is at
    /// most L·W and B, rises with L, is concave, and bounds what an L-Lipschitz loss of range B can differ by; so
    /// does L·⟨d, π⟩ + (B/2)(‖a − x‖ + ‖b − y‖) of any plan, never by less.
    #[test]
    fn truncated_distances_bound_losses_and_any_plan_bounds_them(
        (x, y) in (points(7), points(4)),
        anchors in prop::collection::vec((-1.0..1.0f64, -1.0..1.0f64, 0.0..0.5f64), 1..4),
        any in prop::collection::vec(0.0..0.1f64, 28),
        slope in 0.3..4.0f64,
        range in 0.2..2.0f64,
    ) {
        let pool = DenseRows::from_f64(2, x.clone()).unwrap();
        let query = DenseRows::from_f64(2, y.clone()).unwrap();
        let geometry = Geometry::new(&pool, &query, Cost::Euclidean).unwrap();
        let hard = TransportProblem::new(&geometry, Power::One);
        let distance = run("exact", &hard).unwrap().primal;
        let truncated = |slope: f64| {
            let rho = Marginal::Tv(0.5 * range / slope);
            slope * run("partial", &TransportProblem { pool: rho, query: rho, ..hard.clone() }).unwrap().primal
        };
        let value = truncated(slope);
        prop_assert!(value <= (slope * distance).min(range) + 1e-12);
        prop_assert!(truncated(1.5 * slope) >= value - 1e-12);
        prop_assert!(value >= 0.5 * (truncated(0.5 * slope) + truncated(1.5 * slope)) - 1e-12);
        let diameter = (0..28).map(|k| geometry.cost_of(k / 4, k % 4)).fold(0.0, f64::max);
        let gentle = range / (diameter + 1e-9);
        prop_assert!((truncated(gentle) - gentle * distance).abs() < 1e-12);

        let loss = |z: &[f64]| {
            let cone = |(u, v, c): &(f64, f64, f64)| c + slope * (z[0] - u).hypot(z[1] - v);
            anchors.iter().map(cone).fold(range, f64::min)
        };
        let mean = |z: &[f64]| z.chunks(2).map(loss).sum::<f64>() / (z.len() / 2) as f64;
        let gap = (mean(&y) - mean(&x)).abs();
        prop_assert!(gap <= value + 1e-12);

        let (mut rows, mut columns, mut carried) = (vec![0.0; 7], vec![0.0; 4], 0.0);
        for (k, mass) in any.iter().enumerate() {
            rows[k / 4] += mass;
            columns[k % 4] += mass;
            carried += mass * geometry.cost_of(k / 4, k % 4);
        }
        let bound = slope * carried + 0.5 * range * (l1(&rows, &[1.0 / 7.0; 7]) + l1(&columns, &[0.25; 4]));
        prop_assert!(value <= bound + 1e-12);
    }
}

#[test]
fn excess_over_a_weight_is_used_where_it_is_cheaper_than_a_far_row() {
    // Query 1 is far from row 1, and row 0 may send twice its weight for 0.5 per unit too much and too little.
    let table = DenseRows::from_f64(2, vec![0.0, 9.0, 0.1, 9.0]).unwrap();
    let geometry = Geometry::from_matrix(&table, Cost::Precomputed).unwrap();
    let problem = TransportProblem { pool: Marginal::Tv(0.5), ..TransportProblem::new(&geometry, Power::One) };
    let solution = run("partial", &problem).unwrap();
    assert_eq!(entries(&solution), [(0, 0, 0.5), (0, 1, 0.5)]);
    assert!((solution.primal - (0.5 * 0.1 + 0.5 * 0.5 * 2.0)).abs() < 1e-15);
}

#[test]
fn what_has_no_least_value_is_refused() {
    let table = DenseRows::from_f64(1, vec![-1.0]).unwrap();
    let geometry = Geometry::from_matrix(&table, Cost::Precomputed).unwrap();
    let tv = Marginal::Tv(0.4);
    let problem = TransportProblem { pool: tv, query: tv, ..TransportProblem::new(&geometry, Power::One) };
    assert!(matches!(run("partial", &problem), Err(SolveError::Unsupported { .. })));
    let capacity = Marginal::Capacity(2.0);
    let problem = TransportProblem { pool: capacity, query: capacity, ..problem };
    assert!(matches!(run("exact", &problem), Err(SolveError::Unsupported { .. })));
}
