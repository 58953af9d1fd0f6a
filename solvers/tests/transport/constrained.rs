//! What is true of the best subset under constraints.

use crate::support::constraints::{Kind, constraints, some_rows};
use kantor_solvers::relax::budgeted::{self, Budgeted};
use kantor_solvers::scan;
use kantor_solvers::select::RoundRobin;
use kantor_solvers::transport::exact::{masses, transport};
use kantor_solvers::{PoolScan, Quiet, SelectError, Selector, Task};
use kantor_theory::constraints::{ColumnRecord, Counted, Limit};
use kantor_theory::{
    Column, Constraints, Cost, DenseRows, FeasibleSet, Geometry, Objective, Power, Statement, constrained_best_bound,
    sequential,
};
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;

/// Costs N×M, row-major.
pub(crate) struct Instance {
    n: usize,
    m: usize,
    costs: Vec<f64>,
}

impl Instance {
    pub(crate) fn matrix(&self) -> DenseRows {
        let turned = (0..self.m).flat_map(|j| (0..self.n).map(move |i| self.costs[i * self.m + j])).collect();
        DenseRows::from_f64(self.n, turned).unwrap()
    }

    fn distance(&self, rows: &[usize]) -> f64 {
        let costs: Vec<f64> = rows.iter().flat_map(|&i| &self.costs[i * self.m..][..self.m]).copied().collect();
        transport(&costs, &masses(rows.len(), None, self.m, None).unwrap()).unwrap().value
    }

    /// What is found, and the bound that it proves.
    fn solve(&self, set: &FeasibleSet, k: usize) -> Result<(Budgeted, f64), SelectError> {
        let matrix = self.matrix();
        let geometry = Geometry::from_matrix(&matrix, Cost::Precomputed).unwrap();
        solve(&geometry, set, k, 16)
    }
}

fn task<'a>(geometry: &'a Geometry<'a>, set: &'a FeasibleSet, block: usize) -> Task<'a> {
    let (power, objective, constraints) = (Power::One, Objective::W, Some(set));
    Task { power, objective, block, constraints, ..Task::new(geometry, 1 << 30, &Quiet) }
}

fn solve(geometry: &Geometry<'_>, set: &FeasibleSet, k: usize, block: usize) -> Result<(Budgeted, f64), SelectError> {
    let task = task(geometry, set, block);
    let scanned = scan::scan(&task, budgeted::needs(&task, k)).unwrap();
    let found = budgeted::solve(&task, &scanned, &[k])?.budgets.remove(0);
    assert_eq!(set.check(&found.rows), Ok(()));
    let statement = Statement::new(geometry, Power::One, k).constrained(set.constraints().clone());
    let potentials = found.potentials.clone();
    let bound = constrained_best_bound(geometry, &statement, potentials, set, &found.prices, &sequential).unwrap();
    Ok((found, bound.lower()))
}

/// What a line of the stored optima says.
#[derive(Deserialize)]
pub(crate) struct Stored {
    pub(crate) kind: String,
    pub(crate) seed: u64,
    pub(crate) k: usize,
    columns: Vec<StoredColumn>,
    limits: Vec<StoredLimit>,
    include: Vec<usize>,
    exclude: Vec<usize>,
    optimum: f64,
}

#[derive(Deserialize)]
struct StoredColumn {
    groups: Option<u64>,
    refines: Option<usize>,
}

#[derive(Deserialize)]
struct StoredLimit {
    column: usize,
    of: serde_json::Value,
    min: Option<f64>,
    max: Option<f64>,
}

impl Stored {
    /// The instance again, made as `data/constrained_optima.py` does.
    pub(crate) fn make(&self) -> (Instance, FeasibleSet) {
        let (n, m, mut state) = (300, 12, self.seed);
        let mut draw = || {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            state >> 33
        };
        let mut point = || [0; 2].map(|_| draw() as f64 / 2f64.powi(31));
        let rows: Vec<[f64; 2]> = (0..n).map(|_| point()).collect();
        let queries: Vec<[f64; 2]> = (0..m).map(|_| point().map(|x| x * x)).collect();
        let cost = |a: &[f64; 2], b: &[f64; 2]| ((a[0] - b[0]) * (a[0] - b[0]) + (a[1] - b[1]) * (a[1] - b[1])).sqrt();
        let costs = rows.iter().flat_map(|row| queries.iter().map(move |query| cost(row, query))).collect();
        let mut values: Vec<Vec<u64>> = Vec::new();
        for column in &self.columns {
            let drawn: Vec<u64> = (0..n).map(|_| draw()).collect();
            values.push(match (column.refines, column.groups) {
                (Some(coarse), Some(groups)) => {
                    values[coarse].iter().zip(drawn).map(|(label, r)| label * groups + r % groups).collect()
                }
                (None, Some(groups)) => {
                    let place =
                        |(row, r): (&[f64; 2], u64)| if r % 3 > 0 { (3.0 * row[0]) as u64 + r } else { r } % groups;
                    rows.iter().zip(drawn).map(place).collect()
                }
                _ => drawn.into_iter().map(|r| 20 + r % 400).collect(),
            });
        }
        let data: Vec<Column> = (values.iter().zip(&self.columns))
            .map(|(values, column)| {
                let names: Vec<String> = values.iter().map(u64::to_string).collect();
                match column.groups {
                    Some(_) => Column::labels(names.iter().map(|name| Some(name.as_str()))),
                    None => Column::numbers(values.iter().map(|&x| x as f64).collect()).unwrap(),
                }
            })
            .collect();
        let of = |limit: &StoredLimit| match limit.of.as_str() {
            Some("each") => Counted::Each,
            Some("sum") => Counted::Sum,
            _ => Counted::Label(limit.of.to_string()),
        };
        let limit = |limit: &StoredLimit| Limit { column: limit.column, of: of(limit), min: limit.min, max: limit.max };
        let record = |at: usize| ColumnRecord { name: format!("column{at}"), origin: None, blake3: String::new() };
        let constraints = Constraints {
            columns: (0..data.len()).map(record).collect(),
            limits: self.limits.iter().map(limit).collect(),
            include: self.include.clone(),
            exclude: self.exclude.clone(),
        };
        let set = FeasibleSet::new(&constraints, &data, n, &[]).unwrap();
        (Instance { n, m, costs }, set)
    }
}

/// T15: at the dual optimum the bound is the value of the relaxation, here as HiGHS 1.16.0 found it.
#[test]
fn the_bound_is_the_optimum_of_the_relaxation_of_every_kind() {
    let stored: Vec<Stored> = serde_json::from_str(include_str!("../data/constrained_optima.json")).unwrap();
    assert_eq!(stored.len(), 30);
    for line in stored {
        let (instance, set) = line.make();
        let (found, bound) = instance.solve(&set, line.k).unwrap();
        let name = format!("{} {}: {bound} of {}, subset {}", line.kind, line.seed, line.optimum, found.value);
        assert!((bound - line.optimum).abs() <= 1e-7 * line.optimum, "{name}");
        assert!((found.lp_value - line.optimum).abs() <= 1e-7 * line.optimum, "{name}: {}", found.lp_value);
        assert!((instance.distance(&found.rows) - found.value).abs() <= 1e-12, "{name}");
        if line.k % instance.m == 0 {
            let exact = ["partition", "laminar"].contains(&line.kind.as_str());
            assert!(found.value <= if exact { 1.0 + 1e-9 } else { 1.05 } * bound, "{name}");
        }
    }
}

fn cost() -> impl Strategy<Value = f64> {
    prop_oneof![4 => 0.0..2.0f64, 2 => (0u8..3).prop_map(f64::from), 1 => 0.0..1e-9f64]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// T15: no subset that obeys the constraints is below the bound; with nested groups and M | k the best one attains it.
    #[test]
    fn no_feasible_subset_beats_the_bound_and_nested_groups_attain_it(
        costs in prop::collection::vec(cost(), 40),
        m in 1usize..5,
        seed in any::<u64>(),
        kind in prop::sample::select(vec![Kind::Partition, Kind::Laminar, Kind::Crossing, Kind::Everything]),
    ) {
        let n = costs.len() / m;
        let n = n.min(10);
        let instance = Instance { n, m, costs: costs[..n * m].to_vec() };
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let k = rng.random_range(1..=n);
        let kept = some_rows(&mut rng, n, k);
        let set = constraints(&mut rng, kind, n, &kept);
        let mut best = f64::INFINITY;
        for bits in 0u32..1 << n {
            let rows: Vec<usize> = (0..n).filter(|i| bits >> i & 1 == 1).collect();
            if rows.len() == k && set.check(&rows).is_ok() {
                best = best.min(instance.distance(&rows));
            }
        }
        match instance.solve(&set, k) {
            Ok((found, bound)) => {
                prop_assert!(bound <= best + 1e-12);
                prop_assert!((bound - found.lp_value).abs() <= 1e-8, "{} is proved of {}", bound, found.lp_value);
                prop_assert!(found.value >= best - 1e-12);
                prop_assert!((instance.distance(&found.rows) - found.value).abs() <= 1e-12);
                if k % m == 0 && matches!(kind, Kind::Partition | Kind::Laminar) {
                    prop_assert!(found.value - bound <= 1e-9, "{} above {}", found.value, bound);
                    prop_assert!(found.takers.is_some());
                }
            }
            Err(SelectError::NoneFound { .. }) => prop_assert!(!matches!(kind, Kind::Partition | Kind::Laminar)),
            Err(other) => return Err(TestCaseError::fail(other.to_string())),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// With more rows than lists hold, a sample to start from, and rows to be found beyond the lists.
    #[test]
    fn the_bound_is_proved_over_the_whole_pool(
        n in 200usize..1500,
        m in 1usize..7,
        seed in any::<u64>(),
        kind in prop::sample::select(vec![Kind::Partition, Kind::Laminar, Kind::Crossing, Kind::Everything]),
    ) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let costs: Vec<f64> = (0..n * m).map(|_| rng.random_range(0.0..1.0f64)).collect();
        // Some queries have no near rows.
        let costs = costs.iter().enumerate().map(|(at, cost)| cost * cost + (at % m) as f64 * 0.1).collect();
        let instance = Instance { n, m, costs };
        let k = rng.random_range(1..=n / 3);
        let k = if rng.random_range(0..2) == 0 { (k / m).max(1) * m } else { k };
        let kept = some_rows(&mut rng, n, k);
        let set = constraints(&mut rng, kind, n, &kept);
        match instance.solve(&set, k) {
            Ok((found, bound)) => {
                prop_assert!((bound - found.lp_value).abs() <= 1e-7 * bound.abs(), "{bound} is proved of {}", found.lp_value);
                prop_assert!(bound <= instance.distance(&kept) + 1e-12);
                prop_assert!((instance.distance(&found.rows) - found.value).abs() <= 1e-12);
                if k % m == 0 && matches!(kind, Kind::Partition | Kind::Laminar) {
                    prop_assert!(found.value - bound <= 1e-9, "{} above {bound}", found.value);
                }
            }
            Err(SelectError::NoneFound { .. }) => prop_assert!(!matches!(kind, Kind::Partition | Kind::Laminar)),
            Err(other) => return Err(TestCaseError::fail(other.to_string())),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Budgets a little above the number of queries and no multiple of it: rounding the relaxed solution was once up to 80 %
    /// above the bound, and farther than what queries choose in turns.
    #[test]
    fn budgets_that_queries_do_not_divide_end_no_higher_than_turns(
        n in 60usize..200,
        m in 4usize..13,
        more in 1usize..40,
        seed in any::<u64>(),
        kind in prop::sample::select(vec![Kind::Partition, Kind::Laminar, Kind::Crossing, Kind::Everything]),
    ) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let points = |rng: &mut ChaCha8Rng| [(); 2].map(|_| rng.random_range(0.0..1.0f64));
        let (rows, queries): (Vec<_>, Vec<_>) =
            ((0..n).map(|_| points(&mut rng)).collect(), (0..m).map(|_| points(&mut rng).map(|x| x * x)).collect());
        let cost = |a: &[f64; 2], b: &[f64; 2]| (a[0] - b[0]).hypot(a[1] - b[1]);
        let costs = rows.iter().flat_map(|row| queries.iter().map(move |query| cost(row, query))).collect();
        let (instance, k) = (Instance { n, m, costs }, m + more % (2 * m));
        let kept = some_rows(&mut rng, n, k);
        let set = constraints(&mut rng, kind, n, &kept);
        let (found, bound) = match instance.solve(&set, k) {
            Err(SelectError::NoneFound { .. }) if kind == Kind::Crossing || kind == Kind::Everything => return Ok(()),
            found => found.unwrap(),
        };
        prop_assert!(bound <= found.value + 1e-12);
        let matrix = instance.matrix();
        let geometry = Geometry::from_matrix(&matrix, Cost::Precomputed).unwrap();
        let task = task(&geometry, &set, 16);
        // Turns may end where the lower end of a sum is out of reach, and say so.
        match RoundRobin.select(&task, &PoolScan::default(), &[k]) {
            Err(SelectError::NoneFound { .. }) if kind == Kind::Everything => {}
            turns => prop_assert!(found.value <= instance.distance(&turns.unwrap().remove(0).rows) + 1e-12),
        }
    }
}

/// One pool in two dimensions with two label columns, a sum and a column of clusters.
struct Pool {
    rows: DenseRows,
    query: DenseRows,
    columns: Vec<Column>,
    numbers: Vec<f64>,
}

fn pool(n: usize, m: usize) -> Pool {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let mut points =
        |count: usize| DenseRows::from_f64(2, (0..2 * count).map(|_| rng.random_range(0.0..1.0)).collect());
    let (rows, query) = (points(n).unwrap(), points(m).unwrap());
    let labels = |of: &dyn Fn(usize) -> usize| {
        let names: Vec<String> = (0..n).map(|row| of(row).to_string()).collect();
        Column::labels(names.iter().map(|name| Some(name.as_str())))
    };
    let numbers: Vec<f64> = (0..n).map(|row| 10.0 + (row * 7919 % 97) as f64).collect();
    let columns = vec![
        labels(&|row| row % 7),
        labels(&|row| row / 3 % 5),
        labels(&|row| row / 4),
        Column::numbers(numbers.clone()).unwrap(),
    ];
    Pool { rows, query, columns, numbers }
}

fn limit(column: usize, of: Counted, min: Option<f64>, max: Option<f64>) -> Limit {
    Limit { column, of, min, max }
}

fn set_of(pool: &Pool, limits: Vec<Limit>) -> FeasibleSet {
    let record = |name: &str| ColumnRecord { name: name.into(), origin: None, blake3: String::new() };
    let columns = ["source", "topic", "cluster", "tokens"].map(record).to_vec();
    let constraints = Constraints { columns, limits, ..Constraints::default() };
    FeasibleSet::new(&constraints, &pool.columns, pool.numbers.len(), &[]).unwrap()
}

#[test]
fn rows_under_constraints_do_not_depend_on_threads_or_blocks() {
    let pool = pool(3000, 11);
    let geometry = Geometry::new(&pool.rows, &pool.query, Cost::Euclidean).unwrap();
    let label = |label: usize| Counted::Label(label.to_string());
    let set = set_of(
        &pool,
        vec![
            limit(0, label(2), Some(60.0), None),
            limit(0, label(3), None, Some(9.0)),
            limit(1, label(1), Some(80.0), Some(90.0)),
            limit(2, Counted::Each, None, Some(1.0)),
            limit(3, Counted::Sum, None, Some(45.0 * 220.0)),
        ],
    );
    let on = |threads: usize, block: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| solve(&geometry, &set, 220, block).unwrap())
    };
    let (found, bound) = on(1, 16);
    assert!(found.value <= 1.01 * bound, "{} above {bound}", found.value);
    assert_eq!((&found, bound), (&on(3, 700).0, on(3, 700).1));
}

/// What the dual has no bound for is in conflict, and said so; nothing goes on for ever.
#[test]
fn limits_in_conflict_are_named() {
    let pool = pool(300, 6);
    let geometry = Geometry::new(&pool.rows, &pool.query, Cost::Euclidean).unwrap();
    let refused = |limits: Vec<Limit>, name: &str| {
        let error = solve(&geometry, &set_of(&pool, limits), 60, 64).err().map(|error| error.to_string());
        assert!(error.as_ref().is_some_and(|error| error.contains(name)), "{name}: {error:?}");
    };
    let label = |label: usize| Counted::Label(label.to_string());
    refused(vec![limit(0, label(1), Some(44.0), None)], "source=1");
    refused(vec![limit(0, label(1), None, Some(1.0)), limit(2, Counted::Each, Some(1.0), None)], "cluster");
    // Each can be met, and not all together.
    let light: f64 = 60.0 * 22.0;
    refused(vec![limit(3, Counted::Sum, None, Some(light)), limit(1, label(1), Some(58.0), None)], "tokens");
    let crossing = [
        limit(0, label(1), Some(30.0), None),
        limit(0, label(2), Some(30.0), None),
        limit(1, label(1), Some(30.0), None),
    ];
    refused(crossing.to_vec(), "cannot all be met");
}

/// Thousands of groups of exactly one row, and a limit on a sum that is hardly met; hundreds of groups that cross. Both took
/// time that grew with the square of the number of groups, or more.
#[test]
fn many_groups_take_few_passes() {
    let (n, m) = (12_000, 6);
    let many = pool(n, m);
    let geometry = Geometry::new(&many.rows, &many.query, Cost::Euclidean).unwrap();
    let names: Vec<String> = (0..n).map(|row| (row / 2).to_string()).collect();
    let pairs = Column::labels(names.iter().map(|name| Some(name.as_str())));
    let least: f64 = many.numbers.chunks(2).map(|pair| pair[0].min(pair[1])).sum();
    let of = |most: f64| {
        let record = |name: &str| ColumnRecord { name: name.into(), origin: None, blake3: String::new() };
        let limits = vec![limit(0, Counted::Each, Some(1.0), Some(1.0)), limit(1, Counted::Sum, None, Some(most))];
        let columns = ["pair", "tokens"].map(record).to_vec();
        let data = [pairs.clone(), many.columns[3].clone()];
        let set = FeasibleSet::new(&Constraints { columns, limits, ..Constraints::default() }, &data, n, &[]).unwrap();
        solve(&geometry, &set, n / 2, 512)
    };
    let (found, bound) = of(1.05 * least).unwrap();
    assert!(found.value <= 1.01 * bound, "{} above {bound}", found.value);
    assert!(of(0.999 * least).is_err_and(|error| error.to_string().contains("`tokens`")));

    let few = pool(1200, 8);
    let geometry = Geometry::new(&few.rows, &few.query, Cost::Euclidean).unwrap();
    let names: Vec<[String; 2]> =
        (0..1200).map(|row| [row * 7919 % 150, row * 104_729 % 149].map(|x| x.to_string())).collect();
    let column = |at: usize| Column::labels(names.iter().map(move |pair| Some(pair[at].as_str())));
    let record = |name: &str| ColumnRecord { name: name.into(), origin: None, blake3: String::new() };
    let columns = ["a", "b"].map(record).to_vec();
    let limits = vec![limit(0, Counted::Each, None, Some(1.0)), limit(1, Counted::Each, None, Some(1.0))];
    let constraints = Constraints { columns, limits, ..Constraints::default() };
    let set = FeasibleSet::new(&constraints, &[column(0), column(1)], 1200, &[]).unwrap();
    let (found, bound) = solve(&geometry, &set, 64, 512).unwrap();
    assert!(bound <= found.value && found.value <= 1.2 * bound, "{} above {bound}", found.value);
}
