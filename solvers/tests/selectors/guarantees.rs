//! What is said of each method (`kantor_theory::generalization::selectors`), for every cost and power, by a look at all
//! subsets of small pools.

use kantor_solvers::registry::selector;
use kantor_solvers::relax::budgeted;
use kantor_solvers::relax::herding;
use kantor_solvers::relax::swaps::LeftOpen;
use kantor_solvers::scan;
use kantor_solvers::scan::screened::active_rows;
use kantor_solvers::transport::exact::masses;
use kantor_solvers::transport::exact::transport;
use kantor_solvers::{KnnKde, PoolScan, Quiet, ScanRequest, SelectError, Selection, Settings, Task, Tradeoff};
use kantor_theory::{
    Candidates, Cost, DenseRows, Geometry, Kernel, KernelName, Power, Statement, best_bound, sequential,
};
use proptest::prelude::*;

use crate::support::{MEMORY, clustered, double, matrix_of};

/// What is to be least.
type Value<'a> = &'a dyn Fn(&[usize]) -> f64;

const POWERS: [Power; 2] = [Power::One, Power::Two];

fn task<'a>(geometry: &'a Geometry<'a>, power: Power) -> Task<'a> {
    Task { seed: 3, power, block: 4, ..Task::new(geometry, MEMORY, &Quiet) }
}

fn try_select(
    geometry: &Geometry<'_>,
    power: Power,
    method: &str,
    settings: &Settings,
    budgets: &[usize],
) -> Result<Vec<Selection>, SelectError> {
    let task = task(geometry, power);
    let selector = (selector(method).unwrap().build)(settings);
    let scanned = scan::scan(&task, selector.needs(&task, *budgets.iter().max().unwrap())).unwrap();
    selector.select(&task, &scanned, budgets)
}

fn select(geometry: &Geometry<'_>, power: Power, method: &str, budgets: &[usize]) -> Vec<Selection> {
    try_select(geometry, power, method, &Settings::default(), budgets).unwrap()
}

/// Calls `check` with a small pool and few queries under every cost, as points and as a matrix.
fn everywhere(seed: u64, n: usize, m: usize, mut check: impl FnMut(&Geometry<'_>)) {
    let (pool, query) = (double(3, &clustered(n, 3, 3, seed)), double(3, &clustered(m, 3, 3, seed + 5000)));
    for cost in Cost::ALL {
        let points =
            Geometry::new(&pool, &query, if cost == Cost::Precomputed { Cost::Euclidean } else { cost }).unwrap();
        if cost != Cost::Precomputed {
            check(&points);
        }
        if cost != Cost::Euclidean && cost != Cost::Sqeuclidean {
            let matrix = matrix_of(&points, cost == Cost::Precomputed);
            check(&Geometry::from_matrix(&matrix, cost).unwrap());
        }
    }
}

/// c^p of all pairs.
fn costs(geometry: &Geometry<'_>, power: Power) -> Vec<Vec<f64>> {
    let of = |i, j| {
        let cost = geometry.cost_of(i, j);
        if power == Power::Two { cost * cost } else { cost }
    };
    (0..geometry.pool_len()).map(|i| (0..geometry.query_len()).map(|j| of(i, j)).collect()).collect()
}

fn subsets(n: usize, k: usize) -> impl Iterator<Item = Vec<usize>> {
    let all = (0u32..1 << n).filter(move |bits| bits.count_ones() as usize == k);
    all.map(move |bits| (0..n).filter(|i| bits >> i & 1 == 1).collect())
}

/// The least value of all k-subsets.
fn least(n: usize, k: usize, value: impl Fn(&[usize]) -> f64) -> f64 {
    subsets(n, k).map(|rows| value(&rows)).fold(f64::INFINITY, f64::min)
}

/// W_p^p of these rows.
fn transported(costs: &[Vec<f64>], rows: &[usize]) -> f64 {
    let lines: Vec<f64> = rows.iter().flat_map(|&row| costs[row].iter().copied()).collect();
    transport(&lines, &masses(rows.len(), None, costs[0].len(), None).unwrap()).unwrap().value
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_subset_has_a_lower_mean_cost_than_mean_similarity_or_a_lower_nearest_cost_than_doubly_greedy(
        seed in 0u64..1000, n in 1usize..9, m in 1usize..5,
    ) {
        let budgets: Vec<usize> = (1..=n).collect();
        everywhere(seed, n, m, |geometry| for power in POWERS {
            let c = costs(geometry, power);
            let mean = |rows: &[usize]| rows.iter().map(|&row| c[row].iter().sum::<f64>()).sum::<f64>();
            let nearest =
                |rows: &[usize]| rows.iter().map(|&row| c[row].iter().copied().fold(f64::INFINITY, f64::min)).sum::<f64>();
            let values: [Value<'_>; 2] = [&mean, &nearest];
            for (method, value) in ["mean-similarity", "doubly-greedy"].into_iter().zip(values) {
                for found in select(geometry, power, method, &budgets) {
                    let least = least(n, found.rows.len(), value);
                    assert!(value(&found.rows) <= least * (1.0 + 1e-12) + 1e-14, "{method} {} {power:?}", geometry.cost());
                }
            }
        });
    }

    /// M | k: nothing is closer than `optimal`; its potentials prove that.
    #[test]
    fn optimal_attains_the_least_distance_under_every_cost_and_power(seed in 0u64..1000, m in 1usize..4, share in 1usize..3) {
        let k = m * share;
        let n = k + seed as usize % 3;
        everywhere(seed, n, m, |geometry| for power in POWERS {
            let c = costs(geometry, power);
            let found = budgeted::solve(&task(geometry, power), &PoolScan::default(), &[k]).unwrap().budgets.remove(0);
            let least = least(n, k, |rows| transported(&c, rows));
            assert!((transported(&c, &found.rows) - least).abs() <= 1e-12, "{} {power:?}", geometry.cost());
            let statement = Statement::new(geometry, power, k);
            let proved = best_bound(geometry, &statement, found.potentials, Candidates::All, &sequential).unwrap().lower();
            let proved = if power == Power::Two { proved * proved } else { proved };
            assert!(proved <= least + 1e-12 && proved >= least - 1e-9, "{} {power:?}", geometry.cost());
        });
    }

    /// The methods of TSDS optimise its problem with the cost itself: the power changes nothing. K is the one that makes
    /// the cost of the plan with its price, U_K, least.
    #[test]
    fn masses_are_those_of_the_cost_itself(seed in 0u64..1000, n in 2usize..12, m in 1usize..4, alpha in 0.3f64..0.95) {
        let tradeoff = Tradeoff { alpha, tradeoff_c: 0.5, ..Tradeoff::default() };
        let settings = KnnKde { tradeoff, sigma: 0.0, ..KnnKde::default() }.into();
        everywhere(seed, n, m, |geometry| {
            for method in ["knn-uniform", "knn-kde", "knn-tv", "uot"] {
                let of = |power| try_select(geometry, power, method, &settings, &[n]).unwrap().remove(0);
                let (one, two) = (of(Power::One), of(Power::Two));
                assert_eq!((one.rows, one.scores), (two.rows, two.scores), "{method} {}", geometry.cost());
            }
            let found = try_select(geometry, Power::One, "knn-uniform", &settings, &[1]).unwrap().remove(0);
            let mut columns: Vec<Vec<f64>> = (0..m).map(|j| (0..n).map(|i| geometry.cost_of(i, j)).collect()).collect();
            columns.iter_mut().for_each(|column| column.sort_by(f64::total_cmp));
            let diversity = (1.0 - alpha) * 0.5 / alpha;
            let price = |count: usize| {
                let plan: f64 = columns.iter().flat_map(|column| &column[..count]).sum();
                plan / (count * m) as f64 + diversity / count as f64
            };
            let count = found.notes["neighbours_per_query"].as_u64().unwrap() as usize;
            let least = (1..=n).map(price).fold(f64::INFINITY, f64::min);
            assert!(price(count) <= least * (1.0 + 1e-12), "{} {count}", geometry.cost());
        });
    }

    /// At any scale, what is said of swaps is true: tried with coordinates near one, to which energy is proportional.
    #[test]
    fn no_swap_lowers_the_energy_at_any_scale_unless_that_is_left_open(seed in 0u64..1000, k in 1usize..9) {
        let (pool, query) = (clustered(9, 3, 4, seed), clustered(4, 3, 4, seed + 5000));
        let distance = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| (x - y) * (x - y)).sum::<f64>().sqrt();
        let mean = |x: &[&[f64]], y: &[&[f64]]| {
            x.iter().map(|x| y.iter().map(|y| distance(x, y)).sum::<f64>()).sum::<f64>() / (x.len() * y.len()) as f64
        };
        let queries: Vec<&[f64]> = query.chunks(3).collect();
        let energy = |rows: &[usize]| {
            let rows: Vec<&[f64]> = rows.iter().map(|&row| &pool[3 * row..3 * row + 3]).collect();
            2.0 * mean(&rows, &queries) - mean(&rows, &rows) - mean(&queries, &queries)
        };
        for scale in [1e-170, 1e-163, 1e-155, 1e-130, 1e-20, 1.0, 1e60] {
            let scaled = |values: &[f64]| double(3, &values.iter().map(|x| x * scale).collect::<Vec<_>>());
            let (pool, query) = (scaled(&pool), scaled(&query));
            let geometry = Geometry::new(&pool, &query, Cost::Euclidean).unwrap();
            let chosen = herding::choose(&task(&geometry, Power::One), Kernel::ENERGY, &[k]).unwrap().budgets.remove(0);
            prop_assert_eq!(chosen.left_open.is_some(), scale < 1e-161, "{}: {:?}", scale, chosen.left_open);
            let value = energy(chosen.rows());
            let slack = chosen.least_gain / scale + 1e-13;
            for out in 0..k {
                for new in (0..9).filter(|new| !chosen.rows().contains(new)) {
                    let mut other = chosen.rows().to_vec();
                    other[out] = new;
                    let lower = energy(&other) < value - slack;
                    prop_assert!(!lower || chosen.left_open.is_some(), "{}: {} {}", scale, energy(&other), value);
                }
            }
        }
    }
}

/// A kernel that cannot tell the rows from each other says nothing of swaps; rows that are too large have no distances.
#[test]
fn swaps_are_left_open_where_the_kernel_cannot_tell_rows_apart() {
    let scaled =
        |seed, n, scale: f64| double(3, &clustered(n, 3, 4, seed).iter().map(|x| x * scale).collect::<Vec<_>>());
    let choose = |scale: f64, kernel: Kernel| {
        let (pool, query) = (scaled(1, 30, scale), scaled(2, 5, scale));
        let geometry = Geometry::new(&pool, &query, Cost::Euclidean)?;
        Ok::<_, SelectError>(herding::choose(&task(&geometry, Power::One), kernel, &[4])?.budgets.remove(0))
    };
    for name in [KernelName::Gaussian, KernelName::Laplace, KernelName::InverseMultiquadric] {
        let kernel = Kernel::new(name, Some(1.0)).unwrap();
        assert_eq!(choose(1.0, kernel).unwrap().left_open, None, "{name}");
        for scale in [1e-170, 1e-40, 1e-16] {
            assert_eq!(choose(scale, kernel).unwrap().left_open, Some(LeftOpen::Rounding), "{name} at {scale}");
        }
    }
    for kernel in [Kernel::ENERGY, Kernel::new(KernelName::Gaussian, Some(1.0)).unwrap()] {
        assert!(matches!(choose(1e150, kernel), Err(SelectError::Row(_))));
    }
    // Directions that differ by less than cosines can tell.
    let near: Vec<f64> =
        clustered(30, 3, 4, 1).iter().enumerate().map(|(at, x)| 1.0 + at as f64 % 3.0 + 1e-12 * x).collect();
    let (pool, query) = (double(3, &near[..60]), double(3, &near[60..]));
    let geometry = Geometry::new(&pool, &query, Cost::Cosine).unwrap();
    let found = herding::choose(&task(&geometry, Power::One), Kernel::ENERGY, &[4]).unwrap().budgets.remove(0);
    assert_eq!(found.left_open, Some(LeftOpen::Rounding));
}

/// With the default α `knn-tv` is the even plan while costs are alike, and only then.
#[test]
fn total_variation_is_the_even_plan_while_costs_differ_by_less_than_its_price() {
    let query = DenseRows::from_f64(1, vec![0.0]).unwrap();
    for (far, even) in [(494.0, true), (496.0, false)] {
        let pool = DenseRows::from_f64(1, vec![0.0, 1.0, 2.0, far]).unwrap();
        let geometry = Geometry::new(&pool, &query, Cost::Euclidean).unwrap();
        let found = select(&geometry, Power::One, "knn-tv", &[4]).remove(0);
        assert_eq!(found.scores.iter().all(|&mass| mass == 0.25), even, "{far}: {:?}", found.scores);
    }
}

/// mean-similarity keeps the published meaning, the mean similarity, where that is the mean cost.
#[test]
fn mean_similarity_is_by_mean_closeness_where_that_is_the_mean_cost() {
    everywhere(11, 40, 6, |geometry| {
        let power = match geometry.cost() {
            Cost::Euclidean => Power::Two,
            Cost::Angular => return,
            _ => Power::One,
        };
        let mean = |i: usize| (0..6).map(|j| geometry.closeness(i, j)).sum::<f64>() / 6.0;
        let mut order: Vec<usize> = (0..40).collect();
        order.sort_by(|&a, &b| mean(b).total_cmp(&mean(a)));
        let found = select(geometry, power, "mean-similarity", &[40]).remove(0);
        assert_eq!(found.rows, order, "{}", geometry.cost());
        assert!(found.rows.iter().zip(&found.scores).all(|(&row, score)| (score - mean(row)).abs() <= 1e-14));
    });
}

/// Far from the origin, where every difference is still exact, mean costs are as good as the costs.
#[test]
fn the_least_mean_cost_is_found_far_from_the_origin() {
    let (far, step) = (2f64.powi(27), 2f64.powi(-25));
    let mut state = 1u64;
    let mut random = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    for (cost, power) in [(Cost::Sqeuclidean, Power::One), (Cost::Euclidean, Power::Two)] {
        for _ in 0..200 {
            let (n, m) = (6, 3 + random(57) as usize);
            let mut steps = |count: usize| (0..count).map(|_| random(7) as f64 - 3.0).collect::<Vec<_>>();
            let (pool, query) = (steps(n), steps(m));
            let rows = |steps: &[f64]| DenseRows::from_f64(1, steps.iter().map(|x| far + step * x).collect()).unwrap();
            let (p, q) = (rows(&pool), rows(&query));
            let geometry = Geometry::new(&p, &q, cost).unwrap();
            let total = |x: f64| query.iter().map(|y| (x - y) * (x - y)).sum::<f64>();
            let found = select(&geometry, power, "mean-similarity", &[1]).remove(0);
            let least = pool.iter().map(|&x| total(x)).fold(f64::INFINITY, f64::min);
            assert_eq!(total(pool[found.rows[0]]), least);
        }
    }
}

/// Squares of small and large costs neither vanish nor overflow, so that they still order.
#[test]
fn means_of_squares_order_at_any_scale() {
    for scale in [1e-300, 1e-170, 1e-140, 1e139] {
        let costs = [3.0, 3.0, 1.0, 4.0, 2.0, 2.0].map(|x| x * scale);
        // Rows (3, 4), (3, 2), (1, 2).
        let matrix = DenseRows::from_f64(3, vec![costs[0], costs[1], costs[2], costs[3], costs[4], costs[5]]).unwrap();
        let geometry = Geometry::from_matrix(&matrix, Cost::Precomputed).unwrap();
        let found = select(&geometry, Power::Two, "mean-similarity", &[3]).remove(0);
        assert_eq!(found.rows, [2, 1, 0]);
        assert!((found.scores[0] / -scale - 2.5f64.sqrt()).abs() <= 1e-15, "{:?}", found.scores);
    }
}

#[test]
fn negative_costs_are_not_squared_by_any_method() {
    let matrix = DenseRows::from_f64(3, vec![0.5, -0.25, 1.0, 0.5, 2.0, 1.0]).unwrap();
    let geometry = Geometry::from_matrix(&matrix, Cost::Precomputed).unwrap();
    for method in ["mean-similarity", "optimal"] {
        assert!(try_select(&geometry, Power::One, method, &Settings::default(), &[2]).is_ok());
        let refused = try_select(&geometry, Power::Two, method, &Settings::default(), &[2]).unwrap_err().to_string();
        assert!(refused.contains("negative") && refused.contains("-0.25"), "{method}: {refused}");
    }
}

/// Lists that a pass over another geometry made, or rows that cannot be measured, rule nothing out.
#[test]
fn lists_prove_nothing_of_another_geometry_or_of_bad_rows() {
    let (pool, query) = (double(3, &clustered(50, 3, 3, 1)), double(3, &clustered(3, 3, 3, 2)));
    let far = double(3, &clustered(3, 3, 3, 2).iter().map(|x| x + 50.0).collect::<Vec<_>>());
    let lists = |geometry: &Geometry<'_>| {
        scan::scan(&task(geometry, Power::One), ScanRequest { row_best: false, lists: 20 }).unwrap().lists.unwrap()
    };
    for cost in [Cost::Euclidean, Cost::Cosine] {
        let (here, there) = (Geometry::new(&pool, &query, cost).unwrap(), Geometry::new(&pool, &far, cost).unwrap());
        let g = [1e-3, 1e-3, 1e-3];
        assert!(active_rows(&here, &lists(&here), Power::One, &g).is_some(), "{cost}");
        assert!(active_rows(&here, &lists(&there), Power::One, &g).is_none(), "{cost}");
        assert!(active_rows(&here, &lists(&here), Power::One, &g[..2]).is_none(), "{cost}");
        for bad in [[f64::NAN, 0.0, 0.0], [1e90, 0.0, 0.0], [0.0; 3]] {
            let mut rows = clustered(50, 3, 3, 1);
            rows[33..36].copy_from_slice(&bad);
            for pool in [double(3, &rows), crate::support::single(3, &rows)] {
                let geometry = Geometry::new(&pool, &query, cost).unwrap();
                let left = active_rows(&geometry, &lists(&geometry), Power::One, &g);
                // A row of zeros is a point but no direction.
                assert_eq!(left.is_some(), cost == Cost::Euclidean && bad == [0.0; 3], "{cost} {bad:?}");
            }
        }
    }
}
