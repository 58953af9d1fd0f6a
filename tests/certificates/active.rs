//! Rows that the lists rule out do not count: the bound for all subsets has the same bits with them and without.

use kantor::solvers::scan::scan;
use kantor::solvers::scan::screened::active_rows;
use kantor::solvers::{Quiet, ScanRequest, Task};
use kantor::theory::{Candidates, Cost, DenseRows, Geometry, Power, Statement, best_bound, sequential};
use proptest::prelude::*;

use crate::support::numbers;

/// Both bounds of these potentials, and how many rows the lists left; `None` if the lists are too short.
fn both(geometry: &Geometry<'_>, power: Power, count: usize, g: &[f64]) -> Option<(f64, f64, usize)> {
    let task = Task { power, block: 7, ..Task::new(geometry, u64::MAX, &Quiet) };
    let lists = scan(&task, ScanRequest { row_best: false, lists: count }).unwrap().lists.unwrap();
    let left = active_rows(geometry, &lists, power, g)?;
    let problem = Statement::new(geometry, power, 1 + geometry.pool_len() / 3);
    let bound = |candidates| best_bound(geometry, &problem, g.to_vec(), candidates, &sequential).unwrap().lower();
    Some((bound(Candidates::All), bound(Candidates::Screened(&left)), left.rows().len()))
}

#[test]
fn closer_than_the_screen_can_tell_from_equal() {
    // Squared distances within the screen's error of zero, whose root was no number and ruled the closest rows out.
    let query = DenseRows::from_f64(2, vec![100.0, 0.0]).unwrap();
    let pool = DenseRows::from_f64(2, (0..20).flat_map(|i| [100.0, 1e-4 * f64::from(i)]).collect()).unwrap();
    for count in [4, 20] {
        let geometry = Geometry::new(&pool, &query, Cost::Euclidean).unwrap();
        let g = [1e-2];
        if let Some((all, some, rows)) = both(&geometry, Power::One, count, &g) {
            assert_eq!(all.to_bits(), some.to_bits());
            assert_eq!(rows, 20);
        } else {
            assert_eq!(count, 4, "complete lists rule nothing out");
        }
    }
}

#[test]
fn potentials_equal_to_costs() {
    // A row whose best reply is exactly zero counted as the least positive number when it was looked at.
    let matrix = DenseRows::from_f32(6, vec![1.0, 2.0, 3.0, 3.0, 3.0, 5.0]).unwrap();
    let geometry = Geometry::from_matrix(&matrix, Cost::Precomputed).unwrap();
    let (all, some, rows) = both(&geometry, Power::One, 6, &[3.0]).unwrap();
    assert_eq!((all.to_bits(), rows), (some.to_bits(), 2));
    let (all, some, rows) = both(&geometry, Power::One, 6, &[1.0]).unwrap();
    assert_eq!((all.to_bits(), rows), (some.to_bits(), 0));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn all_rows_or_active_rows_give_the_same_bits(
        seed in any::<u64>(),
        cost in prop::sample::select(&Cost::ALL[..]),
        two in any::<bool>(),
        double in any::<bool>(),
        n in 1usize..60,
        m in 1usize..5,
        dim in 1usize..9,
        count in 1usize..60,
        // General, copies of queries, near-copies, a coarse grid.
        shape in 0..4,
        scale in prop::sample::select(vec![1.0, 1e-15, 1e15]),
        // Potentials at these quantiles of the costs, exactly or nearly.
        quantile in 0.0f64..1.0,
        exactly in any::<bool>(),
    ) {
        let power = if two { Power::Two } else { Power::One };
        let mut query = numbers(seed, m * dim);
        let mut pool = numbers(seed ^ 1, n * dim);
        match shape {
            1 | 2 => {
                let step = if shape == 1 { 0.0 } else { 1e-7 };
                pool.iter_mut().enumerate().for_each(|(at, x)| *x = query[at % (m * dim)] + step * *x);
            }
            3 => pool.iter_mut().chain(&mut query).for_each(|x| *x = (2.0 * *x).round() / 2.0),
            _ => {}
        }
        // No zero rows: they have no direction.
        pool.chunks_mut(dim).chain(query.chunks_mut(dim)).filter(|row| row.iter().all(|&x| x == 0.0)).for_each(|row| {
            row[0] = 1.0;
        });
        pool.iter_mut().chain(&mut query).for_each(|x| *x *= scale);
        let rows = |dim, values: Vec<f64>| if double {
            DenseRows::from_f64(dim, values).unwrap()
        } else {
            DenseRows::from_f32(dim, values.iter().map(|&x| x as f32).collect()).unwrap()
        };
        // Costs that are squared are not negative.
        let given = numbers(seed, m * n).into_iter().map(|x| if two { x.abs() } else { x }).collect();
        let (matrix, pool, query) = (rows(n, given), rows(dim, pool), rows(dim, query));
        let geometry = if cost == Cost::Precomputed {
            Geometry::from_matrix(&matrix, cost).unwrap()
        } else {
            Geometry::new(&pool, &query, cost).unwrap()
        };
        let g: Vec<f64> = (0..m).map(|j| {
            let mut costs: Vec<f64> = (0..n).map(|i| geometry.cost_of(i, j)).collect();
            costs.sort_by(f64::total_cmp);
            let cost = costs[((n as f64 * quantile) as usize).min(n - 1)];
            let cost = if two { cost * cost } else { cost };
            if exactly { cost } else { cost * (1.0 + 1e-6 * quantile) }
        }).collect();
        if let Some((all, some, _)) = both(&geometry, power, count, &g) {
            prop_assert_eq!(all.to_bits(), some.to_bits(), "{} {}", all, some);
        } else {
            prop_assert!(count < n);
        }
    }
}
