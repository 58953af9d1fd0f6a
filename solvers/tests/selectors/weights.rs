//! Weights of queries: whole numbers are copies of queries, for every selector.

use crate::support::constraints::{Kind, constraints, some_rows};
use crate::support::{MEMORY, clustered, geometry, single};
use kantor_solvers::registry::SELECTORS;
use kantor_solvers::relax::budgeted;
use kantor_solvers::scan;
use kantor_solvers::{Quiet, SelectError, Selection, Settings, Task};
use kantor_theory::{Cost, FeasibleSet, Geometry};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

const N: usize = 240;
const DIM: usize = 7;
const COPIES: [usize; 5] = [2, 1, 4, 1, 2];

/// Runs a check on five queries with weights, and on copies of the same queries.
fn both(cost: Cost, check: impl FnOnce(&Geometry<'_>, &[f64], &Geometry<'_>)) {
    let (pool, query) = (single(DIM, &clustered(N, DIM, 5, 1)), clustered(COPIES.len(), DIM, 5, 2));
    let copies: Vec<f64> = COPIES
        .iter()
        .zip(query.chunks(DIM))
        .flat_map(|(&count, row)| std::iter::repeat_n(row, count).flatten().copied())
        .collect();
    let (query, copies) = (single(DIM, &query), single(DIM, &copies));
    let weights: Vec<f64> = COPIES.iter().map(|&count| 0.3 * count as f64).collect();
    check(&geometry(&pool, &query, cost), &weights, &geometry(&pool, &copies, cost));
}

fn task<'a>(geometry: &'a Geometry<'a>, weights: Option<&'a [f64]>) -> Task<'a> {
    Task { seed: 3, block: 64, weights, ..Task::new(geometry, MEMORY, &Quiet) }
}

fn choose(name: &str, task: &Task<'_>, budget: usize) -> Result<Selection, SelectError> {
    let settings: Settings = kantor_solvers::Mmd {
        bandwidth: kantor_solvers::bandwidth::Bandwidth::Given(0.5).into(),
        ..kantor_solvers::Mmd::default()
    }
    .into();
    let selector = (SELECTORS.iter().find(|entry| entry.name == name).unwrap().build)(&settings);
    let scanned = scan::scan(task, selector.needs(task, budget))?;
    Ok(selector.select(task, &scanned, &[budget])?.remove(0))
}

#[test]
fn whole_weights_are_copies_of_queries() {
    for cost in [Cost::Cosine, Cost::Euclidean] {
        both(cost, |geometry, weights, copies| {
            for entry in SELECTORS {
                for k in [1, 7, 40] {
                    let [weighted, copied] = [
                        choose(entry.name, &task(geometry, Some(weights)), k),
                        choose(entry.name, &task(copies, None), k),
                    ];
                    let (weighted, copied) = (weighted.unwrap(), copied.unwrap());
                    // Turns of copies and ties of plans have another order; they are tested below. Copies may be in other folds.
                    if !["round-robin", "optimal", "swap", "auto"].contains(&entry.name) {
                        assert_eq!(weighted.rows, copied.rows, "{} {cost} k {k}", entry.name);
                    }
                }
            }
        });
    }
}

#[test]
fn the_optimum_for_weights_is_that_for_copies() {
    let sum = |of: &[f64]| of.iter().sum::<f64>();
    both(Cost::Euclidean, |geometry, weights, copies| {
        let budgets: Vec<usize> = (1..45).chain([20, 20]).collect();
        let solve = |task: &Task<'_>| {
            let scanned = scan::scan(task, budgeted::needs(task, 45)).unwrap();
            budgeted::solve(task, &scanned, &budgets).unwrap().budgets
        };
        for (weighted, copied) in solve(&task(geometry, Some(weights))).iter().zip(&solve(&task(copies, None))) {
            let (k, near) = (weighted.budget, |a: f64, b: f64| (a - b).abs() <= 1e-9 * (1.0 + b.abs()));
            assert!(near(weighted.lp_value, copied.lp_value), "k {k}: {} {}", weighted.lp_value, copied.lp_value);
            assert!(weighted.value >= copied.lp_value - 1e-9, "k {k}");
            assert_eq!(weighted.takers.is_some(), k % COPIES.iter().sum::<usize>() == 0, "k {k}");
            if let Some(takers) = &weighted.takers {
                for (query, weight) in weights.iter().enumerate() {
                    let rows = takers.iter().filter(|taker| **taker == query).count();
                    assert!(near(rows as f64, k as f64 * weight / sum(weights)), "k {k}");
                }
            }
        }
    });
}

#[test]
fn the_optimum_under_constraints_for_weights_is_that_for_copies() {
    for seed in 0..12 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let kinds = [Kind::Partition, Kind::Laminar, Kind::Crossing, Kind::Everything];
        for k in [10, 23] {
            let kept = some_rows(&mut rng, N, k);
            let set: FeasibleSet = constraints(&mut rng, kinds[seed as usize % 4], N, &kept);
            both(Cost::Euclidean, |geometry, weights, copies| {
                let solve = |task: Task<'_>| {
                    let task = Task { constraints: Some(&set), ..task };
                    let scanned = scan::scan(&task, budgeted::needs(&task, k)).unwrap();
                    budgeted::solve(&task, &scanned, &[k]).unwrap().budgets.remove(0)
                };
                let (weighted, copied) = (solve(task(geometry, Some(weights))), solve(task(copies, None)));
                let gap = (weighted.lp_value - copied.lp_value).abs();
                assert!(gap <= 1e-3 * copied.lp_value, "seed {seed} k {k}: {} {}", weighted.lp_value, copied.lp_value);
                assert_eq!(set.check(&weighted.rows), Ok(()), "seed {seed} k {k}");
            });
        }
    }
}

/// Far from each other, every query has as many rows around it as its share says.
#[test]
fn turns_are_in_proportion_to_weights() {
    let place = |at: usize| 1000.0 * at as f64;
    let pool: Vec<f64> = (0..60).map(|row| place(row % 3) + row as f64 / 100.0).collect();
    let (pool, query) = (single(1, &pool), single(1, &[place(0), place(1), place(2)]));
    let geometry = geometry(&pool, &query, Cost::Euclidean);
    let counts = |weights: &[f64], k: usize| {
        let rows = choose("round-robin", &task(&geometry, Some(weights)), k).unwrap().rows;
        [0, 1, 2].map(|query| rows.iter().filter(|row| **row % 3 == query).count())
    };
    assert_eq!(counts(&[1.0, 2.0, 3.0], 18), [3, 6, 9]);
    assert_eq!(counts(&[0.1, 0.7, 0.2], 10), [1, 7, 2]);
    // The heaviest first, the lower query first among equals.
    assert_eq!(choose("round-robin", &task(&geometry, Some(&[1.0, 1.0, 5.0])), 4).unwrap().rows[..3], [2, 5, 0]);
    assert_eq!(counts(&[1.0, 1.0, 1.0], 20), [7, 7, 6]);
}

#[test]
fn weights_that_are_no_measure_are_refused() {
    both(Cost::Cosine, |geometry, _, _| {
        for bad in [
            &[1.0; 4][..],
            &[1.0, 1.0, 0.0, 1.0, 1.0],
            &[1.0, -1.0, 1.0, 1.0, 1.0],
            &[f64::NAN; 5],
            &[1e300, 2.0, 3.0, 4.0, 1e-300],
        ] {
            let refused = task(geometry, Some(bad)).check_weights().unwrap_err().to_string();
            assert!(refused.contains("weight"), "{refused}");
        }
        assert_eq!(task(geometry, Some(&[1e50, 2.0, 3.0, 4.0, 1e-40])).check_weights(), Ok(()));
    });
}
