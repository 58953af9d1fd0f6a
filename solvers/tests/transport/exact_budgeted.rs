//! What is true of the best subset of every size.

use kantor_solvers::relax::budgeted::{self, Budgeted};
use kantor_solvers::scan;
use kantor_solvers::transport::exact::masses;
use kantor_solvers::transport::exact::transport;
use kantor_solvers::{PoolScan, Quiet, SelectError, Task};
use kantor_theory::{Cost, DenseRows, Geometry};
use proptest::prelude::*;

/// Costs N×M, row-major.
#[derive(Debug)]
struct Instance {
    n: usize,
    m: usize,
    costs: Vec<f64>,
}

fn task<'a>(geometry: &'a Geometry<'a>) -> Task<'a> {
    Task { block: 16, ..Task::new(geometry, 1 << 30, &Quiet) }
}

impl Instance {
    fn matrix(&self) -> DenseRows {
        let turned = (0..self.m).flat_map(|j| (0..self.n).map(move |i| self.costs[i * self.m + j])).collect();
        DenseRows::from_f64(self.n, turned).unwrap()
    }

    fn solve(&self, budgets: &[usize]) -> Vec<Budgeted> {
        let matrix = self.matrix();
        let geometry = Geometry::from_matrix(&matrix, Cost::Precomputed).unwrap();
        let task = task(&geometry);
        let solved = budgeted::solve(&task, &PoolScan::default(), budgets).unwrap().budgets;
        for found in &solved {
            self.check(found);
        }
        solved
    }

    fn distance(&self, rows: &[usize]) -> f64 {
        let costs: Vec<f64> = rows.iter().flat_map(|&i| &self.costs[i * self.m..][..self.m]).copied().collect();
        transport(&costs, &masses(rows.len(), None, self.m, None).unwrap()).unwrap().value
    }

    /// L(g) over the whole pool.
    fn lower(&self, g: &[f64], k: usize) -> f64 {
        let rows = self.costs.chunks_exact(self.m);
        let gain: f64 = rows.map(|line| g.iter().zip(line).map(|(g, c)| g - c).fold(0.0, f64::max)).sum();
        g.iter().sum::<f64>() / self.m as f64 - gain / k as f64
    }

    fn check(&self, found: &Budgeted) {
        let scale = self.costs.iter().fold(0.0f64, |a, c| a.max(c.abs()));
        let tolerance = 1e-13 * scale;
        let mut rows = found.rows.clone();
        rows.sort_unstable();
        rows.dedup();
        assert_eq!(rows.len(), found.budget, "distinct rows");
        assert!((self.lower(&found.potentials, found.budget) - found.lp_value).abs() <= tolerance, "strong duality");
        assert!((self.distance(&found.rows) - found.value).abs() <= tolerance, "its own distance");
        assert!(found.lp_value <= found.value + tolerance, "weak duality");
        if found.budget.is_multiple_of(self.m) {
            assert!((found.value - found.lp_value).abs() <= tolerance, "integral optimum");
        }
    }
}

fn cost() -> impl Strategy<Value = f64> {
    prop_oneof![4 => 0.0..2.0f64, 2 => (0u8..3).prop_map(f64::from), 1 => 0.0..1e-9f64]
}

fn instance(max_n: usize, max_m: usize) -> impl Strategy<Value = Instance> {
    (1..=max_n, 1..=max_m)
        .prop_flat_map(|(n, m)| prop::collection::vec(cost(), n * m).prop_map(move |costs| Instance { n, m, costs }))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_subset_beats_it_and_none_beats_the_bound(instance in instance(9, 4)) {
        let solved = instance.solve(&(1..=instance.n).collect::<Vec<_>>());
        for found in solved {
            let mut best = f64::INFINITY;
            for bits in 0u32..1 << instance.n {
                if bits.count_ones() as usize == found.budget {
                    let rows: Vec<usize> = (0..instance.n).filter(|i| bits >> i & 1 == 1).collect();
                    best = best.min(instance.distance(&rows));
                }
            }
            prop_assert!(found.lp_value <= best + 1e-12);
            prop_assert!(found.value >= best - 1e-12);
            if found.budget.is_multiple_of(instance.m) {
                prop_assert!((found.value - best).abs() <= 1e-12);
            }
        }
    }

    #[test]
    fn every_full_round_of_the_order_is_optimal(instance in instance(120, 7)) {
        let budgets: Vec<usize> = (1..=instance.n / instance.m).map(|t| t * instance.m).collect();
        let together = instance.solve(&budgets);
        let order = together.last().map(|found| found.rows.clone()).unwrap_or_default();
        for found in &together {
            prop_assert!(found.prefix);
            prop_assert_eq!(&found.rows[..], &order[..found.budget]);
            let alone = &instance.solve(&[found.budget])[0];
            prop_assert!((alone.value - found.value).abs() <= 1e-13);
        }
    }

    #[test]
    fn fractional_budgets_reach_the_dual_optimum(instance in instance(60, 12), k in 1usize..60) {
        instance.solve(&[k.min(instance.n)]);
    }

    #[test]
    fn order_of_the_pool_and_copies_of_everything_change_no_value(instance in instance(40, 5), turn in 0usize..40) {
        let k = (instance.n / instance.m * instance.m).max(1);
        let value = instance.solve(&[k])[0].lp_value;
        let mut turned = instance.costs.clone();
        turned.rotate_left(turn % instance.n * instance.m);
        let turned = Instance { costs: turned, ..instance };
        prop_assert!((turned.solve(&[k])[0].lp_value - value).abs() <= 1e-13);
        let doubled =
            Instance { n: 2 * turned.n, m: turned.m, costs: [turned.costs.clone(), turned.costs].concat() };
        prop_assert!((doubled.solve(&[2 * k])[0].lp_value - value).abs() <= 1e-13);
    }
}

#[test]
fn ties_everywhere_are_solved_for_every_budget() {
    for m in [1, 3, 8] {
        let all: Vec<usize> = (1..=40).collect();
        for found in (Instance { n: 40, m, costs: vec![1.0; 40 * m] }).solve(&all) {
            assert!((found.value - 1.0).abs() <= 1e-15);
        }
    }
}

#[test]
fn the_whole_pool_has_its_own_distance() {
    let costs: Vec<f64> = (0..300).map(|i| f64::from((i * 7919 + 13) % 1009) / 1009.0).collect();
    let instance = Instance { n: 100, m: 3, costs };
    let found = &instance.solve(&[100])[0];
    assert!((found.value - instance.distance(&(0..100).collect::<Vec<_>>())).abs() <= 1e-15);
    assert!((found.value - found.lp_value).abs() <= 1e-13);
}

/// All queries crowd around the same rows, so lists of the usual length run out.
#[test]
fn lists_grow_when_queries_crowd_together() {
    let (n, m, k) = (4000, 20, 800);
    let noise = |i: usize, j: usize| ((i * 31 + j * 17 + i * j) % 997) as f64 * 1e-9;
    let costs = (0..n).flat_map(|i| (0..m).map(move |j| i as f64 / n as f64 + noise(i, j))).collect();
    let instance = Instance { n, m, costs };
    let matrix = instance.matrix();
    let geometry = Geometry::from_matrix(&matrix, Cost::Precomputed).unwrap();
    let task = Task { block: 256, ..task(&geometry) };
    assert!(budgeted::needs(&task, k).lists < k, "the lists start too short for this pool");
    let scanned = scan::scan(&task, budgeted::needs(&task, k)).unwrap();
    let found = budgeted::solve(&task, &scanned, &[k]).unwrap().budgets.remove(0);
    instance.check(&found);
    assert!(found.rows.iter().all(|&row| row < k + 2), "the nearest rows are the best");
}

#[test]
fn squared_costs_have_their_own_optimum() {
    let instance = Instance { n: 3, m: 2, costs: vec![0.0, 3.0, 2.0, 2.0, 3.0, 1.5] };
    let matrix = instance.matrix();
    let geometry = Geometry::from_matrix(&matrix, Cost::Precomputed).unwrap();
    let task = Task { power: kantor_theory::Power::Two, ..task(&geometry) };
    let found = budgeted::solve(&task, &PoolScan::default(), &[2]).unwrap().budgets.remove(0);
    assert_eq!(found.rows, [0, 2]);
    assert_eq!((found.value, found.lp_value), (1.125, 1.125));
}

#[test]
fn budgets_that_do_not_fit_are_refused() {
    let instance = Instance { n: 3, m: 2, costs: vec![0.0; 6] };
    let matrix = instance.matrix();
    let geometry = Geometry::from_matrix(&matrix, Cost::Precomputed).unwrap();
    let task = task(&geometry);
    for budget in [0, 4] {
        let refused = budgeted::solve(&task, &PoolScan::default(), &[budget]);
        assert_eq!(refused, Err(SelectError::Budget { budget, pool: 3 }));
    }
    let small = Task { memory: 64, ..task };
    let refused = budgeted::solve(&small, &PoolScan::default(), &[2]);
    assert!(matches!(refused, Err(SelectError::Memory { .. })));
}
