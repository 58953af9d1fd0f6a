//! What every selector in the registry must do, whatever its method.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::too_many_lines)]

use std::collections::HashSet;

use crate::support::{MEMORY, clustered, double, geometry, matrix_of, run, single};
use kantor_solvers::registry::{SELECTORS, SelectorEntry, selector};
use kantor_solvers::scan;
use kantor_solvers::select::balanced::Balanced;
use kantor_solvers::{Quiet, SelectError, Selection, Selector, Settings, Task};
use kantor_theory::{Cost, DenseRows, Geometry, Rows};

const N: usize = 300;
const M: usize = 7;
const DIM: usize = 19;

/// Selectors whose order is a draw, by row number and seed.
const DRAWN: [&str; 2] = ["random", "kde-ratio"];

const POINT_COSTS: [Cost; 5] = [Cost::Cosine, Cost::HalfCosine, Cost::Euclidean, Cost::Sqeuclidean, Cost::Angular];

/// Calls `check` for every selector and geometry it supports: point costs on both number types, and matrices.
fn everywhere(check: impl Fn(&SelectorEntry, &Geometry<'_>, &str)) {
    let pool = clustered(N, DIM, 5, 1);
    let query = clustered(M, DIM, 5, 2);
    let everything: [Box<dyn Rows>; 2] = [Box::new(single(DIM, &pool)), Box::new(double(DIM, &pool))];
    let queries = single(DIM, &query);
    for entry in SELECTORS {
        for pool in &everything {
            for cost in POINT_COSTS {
                let geometry = geometry(pool.as_ref(), &queries, cost);
                let case = format!("{} on {cost}, {}", entry.name, pool.element().name());
                if supported(entry, &geometry) {
                    check(entry, &geometry, &case);
                } else {
                    assert_ne!(cost, Cost::Cosine, "{case}: the default cost must be supported");
                }
            }
        }
        let points = geometry(everything[0].as_ref(), &queries, Cost::Cosine);
        for cost in [Cost::Cosine, Cost::HalfCosine, Cost::Angular, Cost::Precomputed] {
            let matrix = matrix_of(&points, cost == Cost::Precomputed);
            let geometry = Geometry::from_matrix(&matrix, cost).unwrap();
            if supported(entry, &geometry) {
                check(entry, &geometry, &format!("{} on a matrix, {cost}", entry.name));
            }
        }
    }
}

/// Whether the selector takes this geometry; anything but a plain refusal is an error.
fn supported(entry: &SelectorEntry, geometry: &Geometry<'_>) -> bool {
    let task = Task { seed: 3, block: 64, ..Task::new(geometry, MEMORY, &Quiet) };
    let refused = (entry.build)(&Settings::default()).supports(&task).err();
    // What it says before the pass is what it says when it is asked to choose.
    assert_eq!(run(entry, geometry, &[1], 64, MEMORY).err(), refused, "{}", entry.name);
    if let Some(error) = &refused {
        assert!(matches!(error, SelectError::Unsupported { method, .. } if *method == entry.name), "{error}");
    }
    refused.is_none()
}

fn choose(entry: &SelectorEntry, geometry: &Geometry<'_>, budgets: &[usize]) -> Vec<Selection> {
    run(entry, geometry, budgets, 64, MEMORY).unwrap()
}

fn check_distinct(selection: &Selection, n: usize, budget: usize, case: &str) {
    assert_eq!(selection.budget(), budget, "{case}: wrong number of rows");
    assert_eq!(selection.scores.len(), budget, "{case}: wrong number of scores");
    assert!(selection.rows.iter().all(|&row| row < n), "{case}: a row outside the pool");
    let distinct: HashSet<_> = selection.rows.iter().collect();
    assert_eq!(distinct.len(), budget, "{case}: a row chosen twice");
    assert!(selection.scores.iter().all(|score| !score.is_nan()), "{case}: a score is NaN");
}

#[test]
fn names_are_distinct_and_found() {
    let names: HashSet<_> = SELECTORS.iter().map(|entry| entry.name).collect();
    assert_eq!(names.len(), SELECTORS.len());
    for entry in SELECTORS {
        assert_eq!(selector(entry.name).unwrap().name, entry.name);
        let selector = (entry.build)(&Settings::default());
        assert_eq!(selector.name(), entry.name);
        assert_eq!(selector.guarantee().map(|proved| proved.method), Some(entry.name));
    }
    assert!(selector("no-such-method").is_none());
}

#[test]
fn budgets_are_met_with_distinct_rows_and_nest_if_claimed() {
    let budgets = [40, 1, N, 13, 40];
    everywhere(|entry, geometry, case| {
        let selections = choose(entry, geometry, &budgets);
        assert_eq!(selections.len(), budgets.len(), "{case}");
        for (selection, budget) in selections.iter().zip(budgets) {
            check_distinct(selection, N, budget, case);
            let alone = choose(entry, geometry, &[budget]).remove(0);
            assert_eq!(alone.rows, selection.rows, "{case}: the other budgets changed the selection of {budget}");
        }
        let nests = selections.iter().all(|selection| selections[2].rows.starts_with(&selection.rows));
        let nested = (entry.build)(&Settings::default()).nested();
        assert!(nests || !nested, "{case}: claims to be nested but is not");
    });
}

#[test]
fn budgets_outside_the_pool_are_refused() {
    everywhere(|entry, geometry, case| {
        for budget in [0, N + 1] {
            match run(entry, geometry, &[5, budget], 64, MEMORY) {
                Err(SelectError::Budget { budget: named, pool: N }) => assert_eq!(named, budget, "{case}"),
                other => panic!("{case}: budget {budget} gave {other:?}"),
            }
        }
    });
}

#[test]
fn threads_and_blocks_change_nothing() {
    let pools: Vec<rayon::ThreadPool> =
        [1, 2].map(|threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap()).into();
    everywhere(|entry, geometry, case| {
        let expected = choose(entry, geometry, &[60, N]);
        for pool in &pools {
            for block in [1, 7, 64, 4096] {
                let found = pool.install(|| run(entry, geometry, &[60, N], block, MEMORY).unwrap());
                for (found, expected) in found.iter().zip(&expected) {
                    let threads = pool.current_num_threads();
                    assert_eq!(found.rows, expected.rows, "{case}: {threads} threads, block {block}");
                    assert_eq!(found.scores, expected.scores, "{case}: {threads} threads, block {block}");
                }
            }
        }
    });
}

#[test]
fn the_order_of_the_pool_does_not_matter_without_ties() {
    let pool = clustered(N, DIM, 5, 1);
    let query = single(DIM, &clustered(M, DIM, 5, 2));
    // 7 is coprime to 300.
    let from = |i: usize| (i * 7 + 5) % N;
    let shuffled: Vec<f64> = (0..N).flat_map(|i| pool[from(i) * DIM..(from(i) + 1) * DIM].to_vec()).collect();
    let (pool, shuffled) = (double(DIM, &pool), double(DIM, &shuffled));
    for entry in SELECTORS.iter().filter(|entry| !DRAWN.contains(&entry.name)) {
        for cost in POINT_COSTS {
            let (plain, moved) = (geometry(&pool, &query, cost), geometry(&shuffled, &query, cost));
            if !supported(entry, &plain) {
                continue;
            }
            let plain = choose(entry, &plain, &[N / 2]).remove(0).rows;
            let moved: Vec<usize> = choose(entry, &moved, &[N / 2]).remove(0).rows.into_iter().map(from).collect();
            assert_eq!(plain, moved, "{} on {cost}", entry.name);
        }
    }
}

#[test]
fn of_equal_rows_the_lower_comes_first() {
    let copies = 4;
    let rows = clustered(N / copies, DIM, 5, 1);
    let query = single(DIM, &clustered(M, DIM, 5, 2));
    // Row i is distinct row i mod N/4.
    let pool = single(DIM, &rows.repeat(copies));
    for entry in SELECTORS.iter().filter(|entry| !DRAWN.contains(&entry.name)) {
        for cost in POINT_COSTS {
            let geometry = geometry(&pool, &query, cost);
            if !supported(entry, &geometry) {
                continue;
            }
            for budget in [N / 3, N] {
                let selection = choose(entry, &geometry, &[budget]).remove(0);
                check_distinct(&selection, N, budget, entry.name);
                // A method may give copies different scores (a remainder of mass goes to one of them); at equal
                // scores nothing but the row number is left to decide.
                let mut last: Vec<Option<(usize, f64)>> = vec![None; N / copies];
                for (row, score) in selection.rows.into_iter().zip(selection.scores) {
                    if let Some((seen, earlier)) = last[row % (N / copies)].replace((row, score)) {
                        let ordered = seen < row || earlier != score;
                        assert!(ordered, "{} on {cost}: {seen} before {row}", entry.name);
                    }
                }
            }
        }
    }
}

#[test]
fn one_query_and_more_queries_than_rows() {
    for (n, m) in [(40, 1), (5, 40), (1, 1), (1, 9)] {
        let pool = single(DIM, &clustered(n, DIM, 3, 4));
        let query = single(DIM, &clustered(m, DIM, 3, 5));
        let geometry = geometry(&pool, &query, Cost::Cosine);
        for entry in SELECTORS {
            for budget in [1, n] {
                let selection = choose(entry, &geometry, &[budget]).remove(0);
                check_distinct(&selection, n, budget, &format!("{} with N = {n}, M = {m}", entry.name));
            }
        }
    }
}

#[test]
fn one_dimension_and_identical_rows() {
    let pool = DenseRows::from_f32(1, vec![2.0; 50]).unwrap();
    let query = DenseRows::from_f32(1, vec![1.0, -1.0, 3.0]).unwrap();
    for entry in SELECTORS.iter().filter(|entry| !DRAWN.contains(&entry.name)) {
        for cost in POINT_COSTS {
            let geometry = geometry(&pool, &query, cost);
            if supported(entry, &geometry) {
                let rows = choose(entry, &geometry, &[50]).remove(0).rows;
                assert_eq!(rows, (0..50).collect::<Vec<_>>(), "{} on {cost}", entry.name);
            }
        }
    }
}

/// Directions are all that counts under cosines, so a scale that is a power of two changes nothing.
#[test]
fn norms_change_nothing_under_cosines() {
    let rows = clustered(N, DIM, 5, 1);
    let query = single(DIM, &clustered(M, DIM, 5, 2));
    let plain = single(DIM, &rows);
    for exponent in [-100, 100, -3] {
        let scale = f64::from(exponent).exp2();
        let scaled: Vec<f64> = rows.iter().map(|x| f64::from(*x as f32) * scale).collect();
        let (small, wide) = (single(DIM, &scaled), double(DIM, &scaled));
        for entry in SELECTORS {
            let expected = choose(entry, &geometry(&plain, &query, Cost::Cosine), &[N]).remove(0);
            for pool in [&small, &wide] {
                let found = choose(entry, &geometry(pool, &query, Cost::Cosine), &[N]).remove(0);
                assert_eq!(found.rows, expected.rows, "{} at scale 2^{exponent}", entry.name);
            }
        }
    }
}

#[test]
fn norms_from_1e_minus_30_to_1e30_are_taken() {
    let mut rows = clustered(N, DIM, 5, 1);
    for (i, row) in rows.chunks_exact_mut(DIM).enumerate() {
        let scale = [1e-30, 1.0, 1e30][i % 3];
        row.iter_mut().for_each(|x| *x *= scale);
    }
    let query = single(DIM, &clustered(M, DIM, 5, 2));
    for pool in [single(DIM, &rows), double(DIM, &rows)] {
        for cost in POINT_COSTS {
            let geometry = geometry(&pool, &query, cost);
            for entry in SELECTORS.iter().filter(|entry| supported(entry, &geometry)) {
                for budget in [1, 20, N] {
                    let case = format!("{} on {cost}", entry.name);
                    check_distinct(&choose(entry, &geometry, &[budget])[0], N, budget, &case);
                }
            }
        }
    }
}

fn balanced(entry: &SelectorEntry, geometry: &Geometry<'_>, labels: &[usize], budgets: &[usize]) -> Vec<Selection> {
    let task = Task { seed: 3, block: 64, ..Task::new(geometry, MEMORY, &Quiet) };
    let selector = Balanced::new((entry.build)(&Settings::default()), labels);
    assert_eq!(selector.name(), entry.name);
    let findings = scan::scan(&task, selector.needs(&task, *budgets.iter().max().unwrap())).unwrap();
    selector.select(&task, &findings, budgets).unwrap()
}

/// Pick r of a balanced order is the first row of group r mod G's own order that is not among the picks before.
#[test]
fn balanced_groups_take_turns_through_their_own_orders() {
    let labels = [5, 2, 2, 5, 9, 2, 5];
    let groups = [vec![0, 3, 6], vec![1, 2, 5], vec![4]];
    let budgets = [40, 1, N, 14];
    everywhere(|entry, geometry, case| {
        let selections = balanced(entry, geometry, &labels, &budgets);
        for (selection, budget) in selections.iter().zip(budgets) {
            check_distinct(selection, N, budget, case);
        }
        if !(entry.build)(&Settings::default()).nested() {
            return;
        }
        let whole = &selections[2].rows;
        assert!(selections.iter().all(|selection| whole.starts_with(&selection.rows)), "{case}: not nested");
        let orders = groups
            .each_ref()
            .map(|queries| geometry.with_queries(queries, |alone| choose(entry, alone, &[N]).remove(0).rows).unwrap());
        let mut taken = HashSet::new();
        for (turn, &row) in whole.iter().enumerate() {
            let first = orders[turn % 3].iter().find(|row| !taken.contains(*row));
            assert_eq!(first, Some(&row), "{case}: turn {turn}");
            taken.insert(row);
        }
    });
}

/// Methods without one order choose for every group by its share of the budget.
#[test]
fn balanced_methods_that_are_not_nested_take_shares() {
    let pool = single(DIM, &clustered(N, DIM, 5, 1));
    // Two groups that share no neighbours: opposite directions.
    let near = clustered(3, DIM, 1, 7);
    let query: Vec<f64> = near.iter().copied().chain(near.iter().map(|x| -x)).collect();
    let queries = single(DIM, &query);
    let geometry = geometry(&pool, &queries, Cost::Cosine);
    for name in ["optimal", "energy", "mmd", "swap"] {
        let entry = selector(name).unwrap();
        let found = balanced(entry, &geometry, &[0, 0, 0, 1, 1, 1], &[9]).remove(0).rows;
        for (group, share) in [(vec![0, 1, 2], 5), (vec![3, 4, 5], 4)] {
            let own = geometry.with_queries(&group, |alone| choose(entry, alone, &[share]).remove(0).rows).unwrap();
            let taken: Vec<usize> = found.iter().copied().skip(group[0] / 3).step_by(2).collect();
            assert_eq!(taken, own, "{name}: group of {group:?}");
        }
    }
}

#[test]
fn one_group_is_the_plain_method() {
    everywhere(|entry, geometry, case| {
        let (plain, one) = (choose(entry, geometry, &[40, 13]), balanced(entry, geometry, &[4; M], &[40, 13]));
        assert_eq!(plain, one, "{case}");
    });
}
