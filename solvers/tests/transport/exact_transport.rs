//! What is true of an exact transport distance, whatever the numbers.

use kantor_solvers::transport::exact::masses;
use kantor_solvers::transport::exact::transport;
use kantor_solvers::transport::exact::{Transport, TransportError};
use proptest::prelude::*;

fn solve(costs: &[f64], n: usize, w: Option<&[f64]>, m: usize, v: Option<&[f64]>) -> Transport {
    let masses = masses(n, w, m, v).unwrap();
    let solved = transport(costs, &masses).unwrap();
    check(costs, &masses.supply, &masses.demand, &solved);
    solved
}

/// The plan has the marginals, and the potentials prove that it is optimal.
fn check(costs: &[f64], supply: &[u64], demand: &[u64], solved: &Transport) {
    let m = demand.len();
    let (mut rows, mut columns) = (vec![0u64; supply.len()], vec![0u64; m]);
    for s in &solved.plan {
        assert!(s.mass > 0);
        rows[s.row] += s.mass;
        columns[s.query] += s.mass;
    }
    assert_eq!(rows, supply);
    assert_eq!(columns, demand);
    assert!(solved.potentials.iter().all(|g| g.is_finite()), "{:?}", solved.potentials);
    let scale = costs.iter().fold(0.0f64, |a, c| a.max(c.abs()));
    let gap = solved.value - solved.dual;
    assert!(gap.abs() <= 1e-14 * scale, "gap {gap:e} at scale {scale:e}");
    for (row, line) in costs.chunks_exact(m).enumerate().filter(|(row, _)| supply[*row] > 0) {
        let f = line.iter().zip(&solved.potentials).map(|(c, g)| c - g).fold(f64::INFINITY, f64::min);
        for s in solved.plan.iter().filter(|s| s.row == row) {
            assert!(line[s.query] - solved.potentials[s.query] <= f + 1e-14 * scale, "slack on a used pair");
        }
    }
}

/// Least cost over all ways to send unit masses of the rows to the queries.
fn brute_force(costs: &[f64], supply: &mut [u64], demand: &mut [u64], row: usize) -> f64 {
    let m = demand.len();
    let Some(next) = (row..supply.len()).find(|&i| supply[i] > 0) else { return 0.0 };
    supply[next] -= 1;
    let mut best = f64::INFINITY;
    for j in 0..m {
        if demand[j] > 0 {
            demand[j] -= 1;
            best = best.min(costs[next * m + j] + brute_force(costs, supply, demand, next));
            demand[j] += 1;
        }
    }
    supply[next] += 1;
    best
}

fn cost() -> impl Strategy<Value = f64> {
    prop_oneof![4 => 0.0..2.0f64, 2 => (0u8..3).prop_map(f64::from), 1 => 0.0..1e-9f64]
}

fn problem(max_n: usize, max_m: usize) -> impl Strategy<Value = (usize, usize, Vec<f64>)> {
    (1..=max_n, 1..=max_m).prop_flat_map(|(n, m)| (Just(n), Just(m), prop::collection::vec(cost(), n * m)))
}

fn weight() -> impl Strategy<Value = f64> {
    prop_oneof![2 => 0.0..1.0f64, 1 => Just(0.0), 1 => (0u8..4).prop_map(f64::from), 1 => 1e-12..1e-11f64]
}

fn points(n: usize) -> impl Strategy<Value = Vec<(f64, f64)>> {
    prop::collection::vec((-1.0..1.0f64, -1.0..1.0f64), n)
}

fn euclidean(x: &[(f64, f64)], y: &[(f64, f64)]) -> Vec<f64> {
    x.iter().flat_map(|a| y.iter().map(|b| (a.0 - b.0).hypot(a.1 - b.1))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn uniform_optimum_is_that_of_brute_force((n, m, costs) in problem(4, 3)) {
        let solved = solve(&costs, n, None, m, None);
        let masses = masses(n, None, m, None).unwrap();
        let best = brute_force(&costs, &mut masses.supply.clone(), &mut masses.demand.clone(), 0);
        prop_assert!((solved.value - best / masses.total as f64).abs() <= 1e-13);
    }

    #[test]
    fn duality_closes_for_any_weights(
        (n, m, costs) in problem(60, 12),
        w in prop::collection::vec(weight(), 60),
        v in prop::collection::vec(weight(), 12),
    ) {
        prop_assume!(w[..n].iter().any(|x| *x > 0.0) && v[..m].iter().any(|x| *x > 0.0));
        solve(&costs, n, Some(&w[..n]), m, Some(&v[..m]));
        solve(&costs, n, Some(&w[..n]), m, None);
        solve(&costs, n, None, m, Some(&v[..m]));
    }

    #[test]
    fn order_of_rows_and_copies_of_all_rows_change_nothing((n, m, costs) in problem(30, 6), turn in 0usize..30) {
        let value = solve(&costs, n, None, m, None).value;
        let mut turned = costs.clone();
        turned.rotate_left(turn % n * m);
        prop_assert!((solve(&turned, n, None, m, None).value - value).abs() <= 1e-13);
        let doubled = [costs.clone(), costs].concat();
        prop_assert!((solve(&doubled, 2 * n, None, m, None).value - value).abs() <= 1e-13);
    }

    #[test]
    fn distance_of_uniform_sets_is_a_metric(x in points(7), y in points(5), z in points(9)) {
        let w = |a: &[(f64, f64)], b: &[(f64, f64)]| solve(&euclidean(a, b), a.len(), None, b.len(), None).value;
        prop_assert_eq!(w(&x, &x), 0.0);
        prop_assert!((w(&x, &y) - w(&y, &x)).abs() <= 1e-13);
        prop_assert!(w(&x, &z) <= w(&x, &y) + w(&y, &z) + 1e-13);
    }

    #[test]
    fn large_scales_change_nothing_but_the_scale((n, m, costs) in problem(20, 5), exponent in -300i32..300) {
        let value = solve(&costs, n, None, m, None).value;
        let factor = 2f64.powi(exponent);
        let scaled: Vec<f64> = costs.iter().map(|c| c * factor).collect();
        prop_assert!((solve(&scaled, n, None, m, None).value / factor - value).abs() <= 1e-13);
    }
}

#[test]
fn weights_over_twelve_orders_of_magnitude_keep_their_share() {
    let costs = [0.0, 1.0, 1.0, 0.0, 5.0, 5.0];
    let solved = solve(&costs, 3, Some(&[1.0, 1.0, 1e-12]), 2, None);
    assert!((solved.value / 2.5e-12 - 1.0).abs() < 1e-5, "{:e}", solved.value);
}

#[test]
fn points_without_weight_get_feasible_potentials_and_no_mass() {
    let costs = [3.0, 0.0, 1.0, 2.0, 0.0, 2.0];
    let solved = solve(&costs, 2, Some(&[0.0, 1.0]), 3, Some(&[1.0, 0.0, 0.0]));
    assert_eq!(solved.value, 2.0);
    for j in 0..3 {
        assert!(solved.potentials[j] <= costs[3 + j] - (costs[3] - solved.potentials[0]));
    }
}

#[test]
fn ties_everywhere_and_duplicates_are_solved_exactly() {
    for (n, m) in [(1, 1), (1, 7), (7, 1), (40, 7), (7, 40), (64, 64)] {
        assert!((solve(&vec![1.0; n * m], n, None, m, None).value - 1.0).abs() <= 1e-15);
        assert_eq!(solve(&vec![0.0; n * m], n, None, m, None).value, 0.0);
    }
}

#[test]
fn costs_and_masses_that_make_no_problem_are_refused() {
    let two = masses(2, None, 1, None).unwrap();
    assert!(matches!(transport(&[1.0], &two), Err(TransportError::Shape { .. })));
    assert_eq!(transport(&[1.0, f64::NAN], &two), Err(TransportError::NotFinite { row: 1, query: 0 }));
    let mut unbalanced = two;
    unbalanced.demand[0] += 1;
    assert_eq!(transport(&[1.0, 1.0], &unbalanced), Err(TransportError::Unbalanced));
}
