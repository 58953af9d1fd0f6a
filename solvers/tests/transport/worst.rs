//! What is true of the best subset for the worst of several tasks (T18).

use crate::constrained::Stored;
use crate::support::constraints::{Kind, constraints, some_rows};
use kantor_solvers::relax::budgeted::{self, Budgeted};
use kantor_solvers::scan;
use kantor_solvers::select::{Constrained, RoundRobin};
use kantor_solvers::transport::exact::{masses, transport};
use kantor_solvers::{Quiet, SelectError, Selector, Task, least_tokens};
use kantor_theory::constraints::{ColumnRecord, Counted, Limit};
use kantor_theory::{
    BestEvidence, Candidates, Column, Constraints, Cost, DenseRows, FeasibleSet, Geometry, Power, Statement,
    TokenBudget, Weights, best_bound, constrained_best_bound, sequential,
};
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;

/// W_p^p to the task that is farthest; rows weigh their lengths where tokens are the budget.
fn largest(task: &Task<'_>, rows: &[usize]) -> f64 {
    let (mut first, mut most) = (0, f64::NEG_INFINITY);
    for &count in task.tasks {
        let cost = |row: usize, query: usize| match (task.geometry.cost_of(row, query), task.power) {
            (cost, Power::One) => cost,
            (cost, Power::Two) => cost * cost,
        };
        let costs: Vec<f64> =
            rows.iter().flat_map(|&row| (first..first + count).map(move |query| cost(row, query))).collect();
        let weights = task.weights.map(|weights| &weights[first..first + count]);
        let of_rows = task.constraints.and_then(FeasibleSet::tokens);
        let of_rows = of_rows.map(|(_, lengths)| rows.iter().map(|&row| lengths[row]).collect::<Vec<f64>>());
        let masses = masses(rows.len(), of_rows.as_deref(), count, weights).unwrap();
        most = most.max(transport(&costs, &masses).unwrap().value);
        first += count;
    }
    most
}

/// What is found, and the bound that it proves.
fn solve(task: &Task<'_>, k: usize) -> Result<(Budgeted, f64), SelectError> {
    let scanned = scan::scan(task, budgeted::needs(task, k)).unwrap();
    let found = budgeted::solve(task, &scanned, &[k])?.budgets.remove(0);
    let weights = Weights { subset: None, query: task.weights.map(<[f64]>::to_vec) };
    let statement = Statement::new(task.geometry, task.power, k).weighted(weights).in_tasks(task.tasks.to_vec());
    let (shares, potentials) = (found.shares.clone(), found.potentials.clone());
    let evidence = BestEvidence::Tasks { shares, potentials };
    let bound = match task.constraints {
        None => best_bound(task.geometry, &statement, evidence, Candidates::All, &sequential),
        Some(set) => {
            assert_eq!(set.check(&found.rows), Ok(()));
            let statement = statement.constrained(set.constraints().clone());
            let statement = match set.tokens() {
                None => statement,
                Some((tokens, _)) => statement.in_tokens(tokens.clone()).of_every_subset(),
            };
            constrained_best_bound(task.geometry, &statement, evidence, set, &found.prices, &sequential)
        }
    };
    Ok((found, bound.unwrap().lower()))
}

/// What queries choose in turns.
fn in_turns(task: &Task<'_>, k: usize) -> Vec<usize> {
    let selector = Constrained::new(Box::new(RoundRobin));
    let scanned = scan::scan(task, selector.needs(task, k)).unwrap();
    selector.select(task, &scanned, &[k]).unwrap().remove(0).rows
}

fn matrix(n: usize, m: usize, costs: &[f64]) -> DenseRows {
    DenseRows::from_f64(n, costs[..n * m].to_vec()).unwrap()
}

fn some_tasks(rng: &mut ChaCha8Rng, m: usize) -> Vec<usize> {
    let first = rng.random_range(1..m);
    let rest = m - first;
    if rest > 1 && rng.random_range(0..2) == 0 { vec![first, 1, rest - 1] } else { vec![first, rest] }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// T18 b against every subset: tasks of any sizes, p = 1 and 2, weights or not, any constraints or none.
    #[test]
    fn no_subset_beats_the_bound_and_turns_are_no_better(
        costs in prop::collection::vec(prop_oneof![4 => 0.0..2.0f64, 2 => (0u8..3).prop_map(f64::from)], 40),
        m in 2usize..6,
        seed in any::<u64>(),
        kind in prop::option::of(prop::sample::select(vec![Kind::Partition, Kind::Crossing, Kind::Everything])),
        squared in any::<bool>(),
        weighted in any::<bool>(),
    ) {
        let n = (costs.len() / m).min(10);
        let matrix = matrix(n, m, &costs);
        let geometry = Geometry::from_matrix(&matrix, Cost::Precomputed).unwrap();
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let k = rng.random_range(1..=n);
        let kept = some_rows(&mut rng, n, k);
        let set = kind.map(|kind| constraints(&mut rng, kind, n, &kept));
        let tasks = some_tasks(&mut rng, m);
        let weights: Vec<f64> = (0..m).map(|_| [0.3, 1.0, 2.0, 2.5][rng.random_range(0..4)]).collect();
        let task = Task {
            power: if squared { Power::Two } else { Power::One },
            weights: weighted.then_some(&weights[..]),
            tasks: &tasks,
            constraints: set.as_ref(),
            block: 16,
            ..Task::new(&geometry, 1 << 30, &Quiet)
        };
        let obeying = (0u32..1 << n).map(|bits| (0..n).filter(|i| bits >> i & 1 == 1).collect::<Vec<_>>());
        let obeying = obeying.filter(|rows| rows.len() == k && set.as_ref().is_none_or(|set| set.check(rows).is_ok()));
        let best = obeying.map(|rows| largest(&task, &rows)).fold(f64::INFINITY, f64::min);
        match solve(&task, k) {
            Ok((found, bound)) => {
                let bound = if squared { bound * bound } else { bound };
                prop_assert!(bound <= best + 1e-12, "{bound} above {best}");
                prop_assert!((bound - found.lp_value.max(0.0)).abs() <= 1e-7, "{} is proved of {}", bound, found.lp_value);
                prop_assert!((largest(&task, &found.rows) - found.value).abs() <= 1e-11, "{}", found.value);
                prop_assert!(found.value >= best - 1e-11);
                prop_assert!(found.value <= largest(&task, &in_turns(&task, k)) + 1e-11);
            }
            Err(SelectError::NoneFound { .. }) => {
                prop_assert!(matches!(kind, Some(Kind::Crossing | Kind::Everything)));
            }
            Err(other) => return Err(TestCaseError::fail(other.to_string())),
        }
    }

    /// A task that is given twice is bounded as it is alone.
    #[test]
    fn a_task_given_twice_is_the_task(
        costs in prop::collection::vec(0.0..2.0f64, 60),
        m in 1usize..6,
        seed in any::<u64>(),
    ) {
        let n = 60 / m;
        let (alone, twice) = (matrix(n, m, &costs), matrix(n, 2 * m, &[&costs[..n * m], &costs[..n * m]].concat()));
        let k = ChaCha8Rng::seed_from_u64(seed).random_range(1..n);
        let geometry = Geometry::from_matrix(&alone, Cost::Precomputed).unwrap();
        let task = Task { block: 16, ..Task::new(&geometry, 1 << 30, &Quiet) };
        let scanned = scan::scan(&task, budgeted::needs(&task, k)).unwrap();
        let one = budgeted::solve(&task, &scanned, &[k]).unwrap().budgets.remove(0);
        let geometry = Geometry::from_matrix(&twice, Cost::Precomputed).unwrap();
        let tasks = [m, m];
        let (found, bound) = solve(&Task { tasks: &tasks, block: 16, ..Task::new(&geometry, 1 << 30, &Quiet) }, k).unwrap();
        prop_assert!((bound - one.lp_value).abs() <= 1e-4, "{bound}, alone {}", one.lp_value);
        prop_assert!(found.value <= one.value + 0.1, "{}, alone {}", found.value, one.value);
    }
}

/// Some constraints, or none, that `kept` obeys, with its tokens as the budget.
fn some_tokens(rng: &mut ChaCha8Rng, kind: Option<Kind>, n: usize, kept: &[usize]) -> FeasibleSet {
    let set = kind.map_or_else(|| FeasibleSet::any(n), |kind| constraints(rng, kind, n, kept));
    let (least, longest) = [(1, 2), (0, 10), (1, 10), (1, 200)][rng.random_range(0..4)];
    let mut lengths: Vec<f64> = (0..n).map(|_| f64::from(rng.random_range(least..longest))).collect();
    kept.iter().for_each(|&row| lengths[row] += 1.0);
    let max = kept.iter().map(|&row| lengths[row]).sum::<f64>() + f64::from(rng.random_range(0..4u32));
    let free = (0..n).filter(|&row| !set.is_excluded(row)).map(|row| lengths[row]);
    let max = max.min(free.clone().sum());
    let min = least_tokens(free, max).unwrap();
    let tokens = TokenBudget { column: ColumnRecord::default(), min, max };
    set.in_tokens(&tokens, &Column::numbers(lengths).unwrap(), n, &[]).unwrap()
}

/// T18 (d) against every subset of a budget in tokens, with constraints of every kind and without: no false bound, no limit broken.
#[test]
fn no_subset_of_so_many_tokens_beats_the_bound() {
    let (mut none, mut exact, mut far, mut low) = (0u32, 0u32, 0.0, 0.0);
    let cases = 600u64;
    for seed in 0..cases {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let (n, m) = (rng.random_range(2..=9), rng.random_range(2..6));
        let cost = |rng: &mut ChaCha8Rng| {
            [rng.random_range(0.0..2.0f64), f64::from(rng.random_range(0..3u8))][seed as usize % 2]
        };
        let costs: Vec<f64> = (0..n * m).map(|_| cost(&mut rng)).collect();
        let matrix = matrix(n, m, &costs);
        let geometry = Geometry::from_matrix(&matrix, Cost::Precomputed).unwrap();
        let count = rng.random_range(1..=n);
        let kept = some_rows(&mut rng, n, count);
        let kinds = [None, Some(Kind::Partition), Some(Kind::Crossing), Some(Kind::Everything)];
        let set = some_tokens(&mut rng, kinds[seed as usize % 4], n, &kept);
        let tasks = some_tasks(&mut rng, m);
        let weights: Vec<f64> = (0..m).map(|_| [0.3, 1.0, 2.0, 2.5][rng.random_range(0..4)]).collect();
        let task = Task {
            power: if seed % 3 == 0 { Power::Two } else { Power::One },
            weights: (seed % 5 == 0).then_some(&weights[..]),
            tasks: &tasks,
            constraints: Some(&set),
            block: 16,
            ..Task::new(&geometry, 1 << 30, &Quiet)
        };
        let subsets = (1u32..1 << n).map(|bits| (0..n).filter(|i| bits >> i & 1 == 1).collect::<Vec<_>>());
        let obeying = subsets.filter(|rows| set.check(rows).is_ok());
        let best = obeying.map(|rows| largest(&task, &rows)).fold(f64::INFINITY, f64::min);
        match solve(&task, set.tokens().unwrap().0.max as usize) {
            Ok((found, bound)) => {
                let bound = if task.power == Power::Two { bound * bound } else { bound };
                assert!(bound <= best + 1e-12, "seed {seed}: {bound} above {best}");
                // A row without tokens that a lower end counts is none of the relaxed problem, but of the bound; nor are rows beside
                // those that must be chosen, where these have the fewest tokens.
                let apart = set.tokens().unwrap().1.contains(&0.0) || set.included() > 0;
                let relaxed = if apart { bound } else { found.lp_value };
                assert!(bound >= relaxed - 1e-7, "seed {seed}: {bound} is proved of {relaxed}");
                assert!((largest(&task, &found.rows) - found.value).abs() <= 1e-11, "seed {seed}: {}", found.value);
                assert!(found.value >= best - 1e-11, "seed {seed}");
                exact += u32::from(found.value <= best + 1e-9);
                low += (best - bound) / cases as f64;
                far += (found.value - best) / cases as f64;
            }
            Err(SelectError::NoTokensFound { .. }) => none += u32::from(best.is_finite()),
            // So many tokens of rows that limits leave no room for.
            Err(SelectError::InfeasibleTokens { .. }) => assert_eq!(best, f64::INFINITY, "seed {seed}"),
            Err(other) => panic!("seed {seed}: {other}"),
        }
    }
    // Few rows of many tokens: much is rounded.
    let fault = format!("{none} not found, {exact} best, {far} above the best, of which the bound is {low} below");
    assert!(none * 20 < cases as u32 && exact * 2 > cases as u32 && far < 0.02 && low < 0.5, "{fault}");
}

#[derive(Deserialize)]
struct Worst {
    tasks: Vec<usize>,
    optimum: f64,
}

/// At the best duals the bound is the value of the relaxation, here as HiGHS found it, under constraints of every kind.
#[test]
fn the_bound_is_the_optimum_of_the_relaxation() {
    let stored: Vec<Stored> = serde_json::from_str(include_str!("../data/constrained_optima.json")).unwrap();
    let worst: Vec<Worst> = serde_json::from_str(include_str!("../data/worst_optima.json")).unwrap();
    assert_eq!(stored.len(), worst.len());
    for (line, Worst { tasks, optimum }) in stored.iter().zip(worst) {
        let (instance, set) = line.make();
        let matrix = instance.matrix();
        let geometry = Geometry::from_matrix(&matrix, Cost::Precomputed).unwrap();
        let task = Task { tasks: &tasks, constraints: Some(&set), ..Task::new(&geometry, 1 << 30, &Quiet) };
        let (found, bound) = solve(&task, line.k).unwrap();
        let name = format!("{} {} {tasks:?}: {bound} of {optimum}, subset {}", line.kind, line.seed, found.value);
        assert!(bound <= optimum + 1e-9 && bound >= optimum * (1.0 - 2e-5), "{name}");
        // Few rows for many queries: rounding costs some per cent, as it does for one task.
        assert!(found.value <= 1.12 * optimum, "{name}");
    }
}

/// The same rows and duals from one thread as from four, and for any block.
#[test]
fn the_same_for_any_number_of_threads() {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let (n, m) = (900, 12);
    let costs: Vec<f64> = (0..n * m).map(|_| rng.random_range(0.0..1.0f64)).collect();
    let matrix = matrix(n, m, &costs);
    let geometry = Geometry::from_matrix(&matrix, Cost::Precomputed).unwrap();
    let found = [(1, 16), (4, 512)].map(|(threads, block)| {
        let task = Task { tasks: &[5, 7], block, ..Task::new(&geometry, 1 << 30, &Quiet) };
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| solve(&task, 60).unwrap())
    });
    assert_eq!(found[0], found[1]);
}

#[test]
fn what_does_not_fit_is_refused() {
    let matrix = matrix(6, 4, &(0..24).map(|x| f64::from(x % 5)).collect::<Vec<_>>());
    let geometry = Geometry::from_matrix(&matrix, Cost::Precomputed).unwrap();
    for tasks in [&[4][..], &[0, 4], &[1, 2], &[3, 2], &[usize::MAX, 5]] {
        let task = Task { tasks, ..Task::new(&geometry, 1 << 30, &Quiet) };
        assert!(matches!(task.check_tasks(), Err(SelectError::Setting { .. })), "{tasks:?}");
    }
    let little = Task { tasks: &[2, 2], ..Task::new(&geometry, 500, &Quiet) };
    let scanned = scan::scan(&little, budgeted::needs(&little, 2)).unwrap();
    assert!(matches!(budgeted::solve(&little, &scanned, &[2]), Err(SelectError::Memory { method: "optimal", .. })));
}

/// Limits that no parts of rows can obey are an error, not a search without end.
#[test]
fn limits_that_cannot_be_met_are_an_error() {
    let matrix = matrix(6, 4, &(0..24).map(|x| f64::from(x % 5)).collect::<Vec<_>>());
    let geometry = Geometry::from_matrix(&matrix, Cost::Precomputed).unwrap();
    let columns = [["a", "a", "a", "b", "b", "b"], ["c", "c", "c", "d", "d", "d"]];
    let columns = columns.map(|labels| Column::labels(labels.map(Some)));
    let record = |name: &str| ColumnRecord { name: name.into(), ..ColumnRecord::default() };
    let limit = |column: usize, label: &str, min, max| Limit { column, of: Counted::Label(label.into()), min, max };
    let constraints = Constraints {
        columns: vec![record("source"), record("topic")],
        limits: vec![limit(0, "a", Some(2.0), None), limit(1, "c", None, Some(1.0))],
        ..Constraints::default()
    };
    let set = FeasibleSet::new(&constraints, &columns, 6, &[]).unwrap();
    let task = Task { tasks: &[2, 2], constraints: Some(&set), ..Task::new(&geometry, 1 << 30, &Quiet) };
    assert!(matches!(solve(&task, 3), Err(SelectError::Infeasible { .. } | SelectError::NoneFound { .. })));
}

/// Where not all costs fit memory, the rows that count are found all the same.
#[test]
fn with_little_memory_the_rows_that_count_are_found() {
    let mut rng = ChaCha8Rng::seed_from_u64(9);
    let (n, m, k) = (4000, 8, 40);
    let costs: Vec<f64> = (0..n * m).map(|_| rng.random_range(0.0..1.0f64)).collect();
    let matrix = matrix(n, m, &costs);
    let geometry = Geometry::from_matrix(&matrix, Cost::Precomputed).unwrap();
    let [all, few] = [1 << 30, 400_000].map(|memory| {
        let task = Task { tasks: &[5, 3], ..Task::new(&geometry, memory, &Quiet) };
        solve(&task, k).unwrap()
    });
    assert!((all.1 - few.1).abs() <= 1e-4 * all.1, "{} and {}", all.1, few.1);
    assert!(few.0.value <= 1.1 * all.0.value, "{} and {}", few.0.value, all.0.value);
}
