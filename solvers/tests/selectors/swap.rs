//! Swaps under every objective: never worse than the start, and none is left where that is said. Tried on pools so small that
//! all can be looked at.

use crate::support::constraints::{Kind, constraints, some_rows};
use crate::support::{MEMORY, clustered, double, geometry};
use kantor_solvers::relax::budgeted;
use kantor_solvers::relax::swaps::{Improved, LeftOpen, improve};
use kantor_solvers::scan::scan;
use kantor_solvers::select::Constrained;
use kantor_solvers::transport::exact::{masses, transport};
use kantor_solvers::{PoolScan, Quiet, SelectError, Selector, Settings, Swap, Task, registry};
use kantor_theory::{
    Cost, DenseRows, DistanceEvidence, FeasibleSet, Geometry, Kernel, KernelName, Objective, Power, Statement,
    distance_bound, sequential,
};
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::json;

fn task<'a>(geometry: &'a Geometry<'a>, objective: Objective, constraints: Option<&'a FeasibleSet>) -> Task<'a> {
    let (watch, weights) = (&Quiet, None);
    Task { objective, seed: 3, block: 64, weights, constraints, ..Task::new(geometry, MEMORY, watch) }
}

/// What swaps make smaller: W_p^p, the largest of several tasks, the square of a kernel's distance, F_λ.
fn value(task: &Task<'_>, rows: &[usize]) -> f64 {
    let Task { geometry, power, objective, weights, .. } = *task;
    if objective == Objective::W {
        let of = |span: std::ops::Range<usize>| {
            let costs: Vec<f64> = (rows.iter())
                .flat_map(|&row| span.clone().map(move |query| geometry.cost_of(row, query)))
                .map(|cost| if power == Power::Two { cost * cost } else { cost })
                .collect();
            let weights = weights.map(|weights| &weights[span.clone()]);
            transport(&costs, &masses(rows.len(), None, span.len(), weights).unwrap()).unwrap().value
        };
        let (one, mut first) = ([geometry.query_len()], 0);
        let tasks = if task.tasks.is_empty() { &one[..] } else { task.tasks };
        let spans = tasks.iter().map(|count| {
            first += count;
            first - count..first
        });
        return spans.map(of).fold(f64::NEG_INFINITY, f64::max);
    }
    let statement = Statement::new(geometry, power, rows.len()).under(objective);
    let interval =
        distance_bound(geometry, &statement, rows, DistanceEvidence::default(), &sequential).unwrap().interval();
    let upper = interval.upper.unwrap();
    if objective.kernel().is_some() { upper * upper } else { upper }
}

/// All subsets that differ in one row and obey.
fn neighbours<'a>(rows: &'a [usize], n: usize, set: Option<&'a FeasibleSet>) -> impl Iterator<Item = Vec<usize>> + 'a {
    let swap = move |out: usize, new: usize| {
        let mut other = rows.to_vec();
        other[out] = new;
        other.sort_unstable();
        other
    };
    (0..rows.len())
        .flat_map(move |out| (0..n).filter(|new| !rows.contains(new)).map(move |new| swap(out, new)))
        .filter(move |other| set.is_none_or(|set| set.check(other).is_ok()))
}

/// Improves `start` and checks what is promised of the result.
fn check(task: &Task<'_>, start: &[usize], case: &str) -> Improved {
    let found = improve(task, &PoolScan::default(), start, usize::MAX).unwrap();
    let mut rows = found.rows.clone();
    rows.sort_unstable();
    rows.dedup();
    assert_eq!((rows.len(), found.scores.len()), (start.len(), start.len()), "{case}");
    assert!(task.constraints.is_none_or(|set| set.check(&rows).is_ok()), "{case}: breaks constraints");
    let (before, after) = (value(task, start), value(task, &rows));
    let slack = 1e-11 * (1.0 + before.abs());
    assert!(after <= before + slack, "{case}: {after} is worse than {before}");
    for (said, is) in found.values.into_iter().zip([before, after]) {
        assert!((said - is).abs() <= slack, "{case}: {said} is {is}");
    }
    if found.left_open.is_none() {
        for other in neighbours(&rows, task.geometry.pool_len(), task.constraints) {
            let lower = value(task, &other);
            assert!(lower >= after - found.least_gain - slack, "{case}: {other:?} has {lower}, {rows:?} {after}");
        }
    }
    found
}

const KINDS: [Kind; 4] = [Kind::Partition, Kind::Laminar, Kind::Crossing, Kind::Everything];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Any costs with ties, p = 1 and 2, queries with weights and without, fewer and more rows than queries, any constraints; the
    /// worst of two tasks.
    #[test]
    fn under_transport_no_swap_is_left_and_none_made_it_worse(
        costs in prop::collection::vec(prop_oneof![4 => 0.0..2.0f64, 2 => (0u8..3).prop_map(f64::from)], 40),
        m in 1usize..6,
        seed in any::<u64>(),
        kind in prop::option::of(prop::sample::select(KINDS.to_vec())),
        squared in any::<bool>(),
        weighted in any::<bool>(),
        several in any::<bool>(),
    ) {
        let n = (costs.len() / m).min(10);
        let matrix = DenseRows::from_f64(n, costs[..n * m].to_vec()).unwrap();
        let geometry = Geometry::from_matrix(&matrix, Cost::Precomputed).unwrap();
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let k = rng.random_range(1..=n);
        let start = some_rows(&mut rng, n, k);
        let set = kind.map(|kind| constraints(&mut rng, kind, n, &start));
        let power = if squared { Power::Two } else { Power::One };
        let weights: Vec<f64> = (0..m).map(|_| [0.3, 1.0, 2.0, 2.5][rng.random_range(0..4)]).collect();
        let weights = weighted.then_some(&weights[..]);
        let first = rng.random_range(0..m);
        let tasks = if several && first > 0 { vec![first, m - first] } else { Vec::new() };
        let task = Task { power, weights, tasks: &tasks, ..task(&geometry, Objective::W, set.as_ref()) };
        let found = check(&task, &start, "transport");
        prop_assert!(found.left_open.is_none_or(|open| open == LeftOpen::Rounding || !tasks.is_empty() && open == LeftOpen::Limit));
    }

    /// Kernels and TSDS's problem, with weights at which few and at which all rows share the mass of a query.
    #[test]
    fn under_other_objectives_no_swap_is_left_and_none_made_it_worse(
        seed in 0u64..10_000,
        n in 3usize..10,
        m in 1usize..4,
        kind in prop::option::of(prop::sample::select(KINDS.to_vec())),
    ) {
        let (pool, query) = (double(3, &clustered(n, 3, 4, seed)), double(3, &clustered(m, 3, 4, seed + 20_000)));
        let geometry = geometry(&pool, &query, Cost::Euclidean);
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let k = rng.random_range(1..=n);
        let start = some_rows(&mut rng, n, k);
        let set = kind.map(|kind| constraints(&mut rng, kind, n, &start));
        let gaussian = Kernel::new(KernelName::Gaussian, Some(0.7)).unwrap();
        let tsds = [0.05, 0.5, 30.0].map(|diversity| Objective::Tsds { diversity });
        for objective in [Objective::Energy, Objective::Mmd(gaussian)].into_iter().chain(tsds) {
            check(&task(&geometry, objective, set.as_ref()), &start, &format!("{objective:?}"));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// If M divides k and nothing limits the choice, a subset that no swap improves is a best one, wherever swaps began; so
    /// a search that misses swaps is found out. With the certificate: no row outside is worth more than one inside.
    #[test]
    fn swaps_end_at_the_optimum_if_queries_divide_the_budget(
        seed in any::<u64>(), n in 20usize..120, m in 1usize..7,
    ) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let matrix = DenseRows::from_f64(n, (0..n * m).map(|_| rng.random_range(0.0..1.0f64)).collect()).unwrap();
        let geometry = Geometry::from_matrix(&matrix, Cost::Precomputed).unwrap();
        let k = m * rng.random_range(1..=n / m / 2);
        let task = task(&geometry, Objective::W, None);
        let best = budgeted::solve(&task, &PoolScan::default(), &[k]).unwrap().budgets.remove(0);
        let found = improve(&task, &PoolScan::default(), &some_rows(&mut rng, n, k), usize::MAX).unwrap();
        prop_assert_eq!(found.left_open, None);
        prop_assert!((found.values[1] - best.value).abs() <= 1e-12, "{} is not {}", found.values[1], best.value);
    }

    /// Rows that several queries hold: more queries than rows, and budgets that queries do not divide. Larger than what can be
    /// looked at whole, so only the swaps of one row are.
    #[test]
    fn rows_held_by_several_queries_are_swapped_too(seed in any::<u64>(), n in 20usize..50, m in 4usize..16) {
        let (pool, query) = (double(3, &clustered(n, 3, 4, seed)), double(3, &clustered(m, 3, 4, seed ^ 1)));
        let geometry = geometry(&pool, &query, Cost::Euclidean);
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let k = rng.random_range(2..15);
        let start = some_rows(&mut rng, n, k);
        let found = check(&task(&geometry, Objective::W, None), &start, "several");
        prop_assert_eq!(found.left_open, None);
    }
}

/// The objective is that of the task, the start is the method named, and constraints hold for both.
#[test]
fn the_selector_lowers_the_objective_of_its_task_from_any_start() {
    let (n, k) = (200, 23);
    let (pool, query) = (double(4, &clustered(n, 4, 5, 1)), double(4, &clustered(9, 4, 5, 2)));
    let geometry = geometry(&pool, &query, Cost::Cosine);
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let kept = some_rows(&mut rng, n, k);
    let set = constraints(&mut rng, Kind::Crossing, n, &kept);
    let kernel = Kernel::new(KernelName::Gaussian, Some(0.7)).unwrap();
    let objectives = [Objective::W, Objective::Energy, Objective::Mmd(kernel), Objective::Tsds { diversity: 1.0 }];
    for objective in objectives {
        for constraints in [None, Some(&set)] {
            for start in ["round-robin", "random", "energy", "optimal", "uot"] {
                let mut settings = Settings::default();
                settings.set("swap-start", &json!(start)).unwrap();
                let build = |name: &str, settings: &Settings| {
                    Constrained::new((registry::selector(name).unwrap().build)(settings))
                };
                let task = task(&geometry, objective, constraints);
                let choose = |selector: Constrained| {
                    let scanned = scan(&task, selector.needs(&task, k)).unwrap();
                    selector.select(&task, &scanned, &[k]).unwrap().remove(0)
                };
                let (from, to) = (choose(build(start, &Settings::default())), choose(build("swap", &settings)));
                let (before, after) = (value(&task, &from.rows), value(&task, &to.rows));
                let case = format!("{} from {start}", objective.name());
                assert!(after <= before + 1e-12, "{case}: {after} is above {before}");
                assert!((to.notes["objective-at-start"].as_f64().unwrap() - before).abs() < 1e-9, "{case}");
                assert!((to.notes["objective-at-end"].as_f64().unwrap() - after).abs() < 1e-9, "{case}");
                if start == "random" {
                    assert!(after < 0.9 * before, "{case}: {after} is hardly below {before}");
                }
            }
        }
    }
}

#[test]
fn a_limit_ends_swaps_and_the_result_says_so() {
    let (pool, query) = (double(4, &clustered(150, 4, 5, 1)), double(4, &clustered(7, 4, 5, 2)));
    let geometry = geometry(&pool, &query, Cost::Euclidean);
    let start = some_rows(&mut ChaCha8Rng::seed_from_u64(1), 150, 20);
    for objective in [Objective::W, Objective::Energy, Objective::Tsds { diversity: 0.3 }] {
        let task = task(&geometry, objective, None);
        let at = |limit: usize| improve(&task, &PoolScan::default(), &start, limit).unwrap();
        let values: Vec<f64> = [0, 1, 2, 5, usize::MAX].map(|limit| at(limit).values[1]).into();
        assert!(values.is_sorted_by(|a, b| a >= b), "{values:?}");
        assert_eq!((at(1).swaps, at(1).left_open), (1, Some(LeftOpen::Limit)));
    }
}

/// Where the costs of all rows do not fit, swaps go on among the rows that are near to a query, and nothing is claimed.
#[test]
fn with_little_memory_only_near_rows_are_compared() {
    let (n, m, k) = (3000, 8, 24);
    let (pool, query) = (double(4, &clustered(n, 4, 5, 1)), double(4, &clustered(m, 4, 5, 2)));
    let geometry = geometry(&pool, &query, Cost::Euclidean);
    let small = Task { memory: 260_000, ..task(&geometry, Objective::W, None) };
    let choose = |task: &Task<'_>| {
        let swap = Swap::default();
        let scanned = scan(task, swap.needs(task, k)).unwrap();
        swap.select(task, &scanned, &[k]).unwrap().remove(0)
    };
    let (part, all) = (choose(&small), choose(&task(&geometry, Objective::W, None)));
    assert!(part.notes["rows-compared"].as_u64().unwrap() < 1500 && part.notes["no-swap-improves"] == false);
    assert!(all.notes["rows-compared"] == n && all.notes["no-swap-improves"] == true);
    let best = value(&task(&geometry, Objective::W, None), &all.rows);
    assert!(value(&small, &part.rows) <= 1.001 * best);
    let none = Task { memory: 1000, ..small };
    assert!(matches!(Swap::default().select(&none, &PoolScan::default(), &[k]), Err(SelectError::Memory { .. })));
}
