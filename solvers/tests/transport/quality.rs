//! What is true of the best subset where rows are worth something by themselves (`theory/notes/quality.md`).

use crate::support::constraints::{Kind, constraints, some_rows};
use kantor_solvers::relax::budgeted::{self, Budgeted};
use kantor_solvers::relax::herding;
use kantor_solvers::relax::swaps;
use kantor_solvers::transport::exact::{masses, transport};
use kantor_solvers::{PoolScan, Quiet, SelectError, Task, scan};
use kantor_theory::constraints::ColumnRecord;
use kantor_theory::{
    Column, Cost, DenseRows, DistanceEvidence, FeasibleSet, Geometry, Kernel, KernelName, Objective, Power, Quality,
    Statement, constrained_best_bound, constrained_distance_bound, sequential,
};
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Rows in the plane, queries in a corner of it, and what rows are worth.
struct Case {
    rows: DenseRows,
    query: DenseRows,
    worth: Vec<f64>,
}

impl Case {
    /// Of `n` rows and `m` queries, with worths up to `scale` of either sign.
    fn random(rng: &mut ChaCha8Rng, n: usize, m: usize, scale: f64) -> Self {
        let mut points = |count: usize, size: f64| {
            DenseRows::from_f64(2, (0..2 * count).map(|_| rng.random_range(0.0..size)).collect()).unwrap()
        };
        let (rows, query) = (points(n, 1.0), points(m, 0.6));
        Self { rows, query, worth: (0..n).map(|_| scale * rng.random_range(-1.0..1.0)).collect() }
    }

    fn geometry(&self) -> Geometry<'_> {
        Geometry::new(&self.rows, &self.query, Cost::Euclidean).unwrap()
    }

    /// The set with the worths as a quality of weight 1.
    fn valued(&self, set: FeasibleSet) -> FeasibleSet {
        let column = ColumnRecord { name: "score".into(), ..ColumnRecord::default() };
        set.valued(Quality { weight: 1.0, column }, &Column::scores(self.worth.clone()).unwrap(), &[]).unwrap()
    }
}

fn statement(geometry: &Geometry<'_>, power: Power, k: usize, objective: Objective, set: &FeasibleSet) -> Statement {
    let plain = Statement::new(geometry, power, k).under(objective);
    plain.constrained(set.constraints().clone()).valued(set.quality().cloned())
}

/// What is found for W, and the bound that it proves.
fn solve(
    case: &Case,
    geometry: &Geometry<'_>,
    power: Power,
    set: &FeasibleSet,
    k: usize,
    block: usize,
) -> Result<(Budgeted, f64), SelectError> {
    let quality = Some(&case.worth[..]);
    let task = Task { power, block, constraints: Some(set), quality, ..Task::new(geometry, 1 << 30, &Quiet) };
    task.check_quality()?;
    let scanned = scan::scan(&task, budgeted::needs(&task, k))?;
    let found = budgeted::solve(&task, &scanned, &[k])?.budgets.remove(0);
    assert_eq!(set.check(&found.rows), Ok(()));
    let problem = statement(geometry, power, k, Objective::W, set);
    let potentials = found.potentials.clone();
    let bound = constrained_best_bound(geometry, &problem, potentials, set, &found.prices, &sequential).unwrap();
    Ok((found, bound.lower()))
}

/// The transport cost of some rows, less their mean worth.
fn value(case: &Case, geometry: &Geometry<'_>, power: Power, rows: &[usize]) -> f64 {
    let m = geometry.query_len();
    let p = if power == Power::Two { 2 } else { 1 };
    let costs: Vec<f64> = rows.iter().flat_map(|&i| (0..m).map(move |j| geometry.cost_of(i, j).powi(p))).collect();
    let shipped = transport(&costs, &masses(rows.len(), None, m, None).unwrap()).unwrap().value;
    shipped - mean(&case.worth, rows)
}

fn mean(worth: &[f64], rows: &[usize]) -> f64 {
    rows.iter().map(|&row| worth[row]).sum::<f64>() / rows.len() as f64
}

fn subsets<'a>(n: usize, k: usize, set: &'a FeasibleSet) -> impl Iterator<Item = Vec<usize>> + 'a {
    let of = move |bits: u32| (0..n).filter(|i| bits >> i & 1 == 1).collect::<Vec<usize>>();
    (0u32..1 << n).filter(move |bits| bits.count_ones() as usize == k).map(of).filter(|rows| set.check(rows).is_ok())
}

fn some_kind() -> impl Strategy<Value = Option<Kind>> {
    prop::sample::select(vec![
        None,
        Some(Kind::Partition),
        Some(Kind::Laminar),
        Some(Kind::Crossing),
        Some(Kind::Everything),
    ])
}

/// Constraints that some rows obey, and the number of these.
fn some_set(rng: &mut ChaCha8Rng, kind: Option<Kind>, n: usize) -> (FeasibleSet, usize) {
    let k = rng.random_range(1..=n);
    let kept = some_rows(rng, n, k);
    (kind.map_or_else(|| FeasibleSet::any(n), |kind| constraints(rng, kind, n, &kept)), k)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// No subset that may be chosen has a lower cost less worth than proved; with nested groups and M | k the best attains it.
    #[test]
    fn no_subset_is_below_the_bound_and_nested_groups_attain_it(
        n in 2usize..11,
        m in 1usize..5,
        seed: u64,
        kind in some_kind(),
        exponent in -2i32..3,
        square: bool,
    ) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let scale = 10f64.powi(exponent);
        let case = Case::random(&mut rng, n, m, scale);
        let (set, k) = some_set(&mut rng, kind, n);
        let (set, geometry) = (case.valued(set), case.geometry());
        let power = if square { Power::Two } else { Power::One };
        let least = subsets(n, k, &set).map(|rows| value(&case, &geometry, power, &rows)).fold(f64::INFINITY, f64::min);
        let room = 1e-9 * (1.0 + scale);
        match solve(&case, &geometry, power, &set, k, 16) {
            Ok((found, bound)) => {
                prop_assert!(bound <= least + room, "{bound} above {least}");
                prop_assert!((bound - found.lp_value).abs() <= room, "{} is proved of {}", bound, found.lp_value);
                prop_assert!((value(&case, &geometry, power, &found.rows) - found.value).abs() <= room);
                if k % m == 0 && matches!(kind, None | Some(Kind::Partition | Kind::Laminar)) {
                    prop_assert!(found.value <= least + room && found.value - bound <= room, "{} {least}", found.value);
                }
            }
            Err(SelectError::NoneFound { .. }) => prop_assert!(matches!(kind, Some(Kind::Crossing | Kind::Everything))),
            Err(other) => return Err(TestCaseError::fail(other.to_string())),
        }
    }

    /// The same of `energy` and `mmd`, and of swaps from any subset under every distance.
    #[test]
    fn no_subset_is_below_the_bound_of_a_kernel_and_swaps_never_rise(
        n in 3usize..10,
        m in 1usize..4,
        seed: u64,
        kind in some_kind(),
        exponent in -2i32..2,
    ) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let scale = 10f64.powi(exponent);
        let case = Case::random(&mut rng, n, m, scale);
        let (set, k) = some_set(&mut rng, kind, n);
        let (set, geometry) = (case.valued(set), case.geometry());
        let room = 1e-9 * (1.0 + scale);
        let mmd = Kernel::new(KernelName::Gaussian, Some(0.5)).unwrap();
        for (kernel, objective) in [(Kernel::ENERGY, Objective::Energy), (mmd, Objective::Mmd(mmd))] {
            let quality = Some(&case.worth[..]);
            let task = Task { objective, constraints: Some(&set), quality, ..Task::new(&geometry, 1 << 30, &Quiet) };
            let problem = statement(&geometry, Power::One, k, objective, &set);
            let value = |rows: &[usize]| {
                let none = DistanceEvidence::default();
                constrained_distance_bound(&geometry, &problem, rows, none, &set, &sequential).unwrap().interval().upper.unwrap()
            };
            let all: Vec<_> = subsets(n, k, &set).collect();
            let least = all.iter().map(|rows| value(rows)).fold(f64::INFINITY, f64::min);
            let chosen = match herding::choose(&task, kernel, &[k]) {
                Err(SelectError::NoneFound { .. }) => continue,
                chosen => chosen.unwrap().budgets.remove(0),
            };
            prop_assert!((value(chosen.rows()) - chosen.values[1]).abs() <= room, "{:?}", chosen.values);
            let dual = herding::dual(&task, kernel, &chosen).unwrap();
            let prices = dual.prices.clone();
            let bound = constrained_best_bound(&geometry, &problem, dual.evidence(), &set, &prices, &sequential).unwrap().lower();
            prop_assert!(bound <= least, "{bound} above {least}");
            let from = &all[rng.random_range(0..all.len())];
            let improved = swaps::improve(&task, &PoolScan::default(), from, 1000).unwrap();
            prop_assert!((value(from) - improved.values[0]).abs() <= room && improved.values[1] <= improved.values[0]);
            prop_assert!((value(&improved.rows) - improved.values[1]).abs() <= room);
        }
        let task = Task { constraints: Some(&set), quality: Some(&case.worth), ..Task::new(&geometry, 1 << 30, &Quiet) };
        let all: Vec<_> = subsets(n, k, &set).collect();
        let from = &all[rng.random_range(0..all.len())];
        let improved = swaps::improve(&task, &PoolScan::default(), from, 1000).unwrap();
        let of = |rows: &[usize]| value(&case, &geometry, Power::One, rows);
        prop_assert!((of(from) - improved.values[0]).abs() <= room && improved.values[1] <= improved.values[0]);
        prop_assert!((of(&improved.rows) - improved.values[1]).abs() <= room);
        if kind.is_none() && k % m == 0 && improved.left_open.is_none() {
            let least = all.iter().map(|rows| of(rows)).fold(f64::INFINITY, f64::min);
            prop_assert!(improved.values[1] <= least + room, "no swap helps, so no subset does");
        }
    }
}

/// The same problem as one of given costs c − w·s, which are solved without anything of quality: rows that are far from all
/// queries and on no list are found, whatever they are worth.
#[test]
fn reduced_costs_have_the_same_optimum_though_the_best_rows_are_on_no_list() {
    let (n, m) = (4000, 7);
    for (seed, scale, far) in
        [(1, 1e-3, false), (2, 0.1, false), (3, 1.0, false), (4, 30.0, false), (5, 0.5, true), (6, 50.0, true)]
    {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut case = Case::random(&mut rng, n, m, scale);
        if far {
            // Every fortieth row is far away, and worth more than the way.
            let mut values: Vec<f64> = (0..n)
                .flat_map(|row| {
                    let mut x = [0.0; 2];
                    kantor_theory::Rows::read_row(&case.rows, row, &mut x);
                    x
                })
                .collect();
            for row in (0..n).step_by(40) {
                values[2 * row] += 100.0;
                case.worth[row] = 101.0 + scale * rng.random_range(0.0..1.0);
            }
            case.rows = DenseRows::from_f64(2, values).unwrap();
        }
        let geometry = case.geometry();
        for k in [5 * m, 20 * m, 20 * m + 3] {
            let set = case.valued(FeasibleSet::any(n));
            let (found, bound) = solve(&case, &geometry, Power::One, &set, k, 512).unwrap();
            let costs =
                (0..m).flat_map(|j| (0..n).map(move |i| (i, j))).map(|(i, j)| geometry.cost_of(i, j) - case.worth[i]);
            let matrix = DenseRows::from_f64(n, costs.collect()).unwrap();
            let reduced = Geometry::from_matrix(&matrix, Cost::Precomputed).unwrap();
            let task = Task::new(&reduced, 1 << 30, &Quiet);
            let known = budgeted::solve(&task, &PoolScan::default(), &[k]).unwrap().budgets.remove(0);
            let room = 1e-9 * (1.0 + scale + if far { 100.0 } else { 0.0 });
            assert!(
                (found.lp_value - known.lp_value).abs() <= room,
                "{seed} {k}: {} {}",
                found.lp_value,
                known.lp_value
            );
            assert!((bound - known.lp_value).abs() <= room, "{seed} {k}: {bound} {}", known.lp_value);
            if k % m == 0 {
                assert!(found.value - bound <= room && found.takers.is_some(), "{seed} {k}: {} {bound}", found.value);
            }
            if far && scale < 1.0 && k <= n / 40 {
                assert!(found.rows.iter().all(|row| row % 40 == 0), "the far rows are worth more than the way");
            }
            let (again, _) = solve(&case, &geometry, Power::One, &set, k, 64).unwrap();
            assert_eq!((again.rows, again.potentials), (found.rows, found.potentials), "{seed} {k}");
        }
    }
}

/// Part (e): the more quality weighs, the more of it the best subset has, and the farther it is.
#[test]
fn mean_quality_does_not_fall_as_its_weight_rises() {
    let mut rng = ChaCha8Rng::seed_from_u64(9);
    let case = Case::random(&mut rng, 600, 6, 1.0);
    let geometry = case.geometry();
    let (mut last, mut rises) = ((f64::NEG_INFINITY, f64::NEG_INFINITY), 0);
    for weight in [0.0, 1e-3, 1e-2, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 100.0] {
        let weighted = Case {
            worth: case.worth.iter().map(|s| weight * s).collect(),
            ..Case::random(&mut ChaCha8Rng::seed_from_u64(9), 600, 6, 1.0)
        };
        let set = weighted.valued(FeasibleSet::any(600));
        let rows = solve(&weighted, &geometry, Power::One, &set, 60, 64).unwrap().0.rows;
        let now = (mean(&case.worth, &rows), value(&case, &geometry, Power::One, &rows) + mean(&case.worth, &rows));
        assert!(now.0 >= last.0 - 1e-12 && now.1 >= last.1 - 1e-9, "{weight}: {now:?} after {last:?}");
        rises += u32::from(now.0 > last.0);
        last = now;
    }
    assert!(rises > 6);
}

/// Worths that leave no digit of the costs: what is found and proved is still true, of whatever digits are left.
#[test]
fn worths_that_are_huge_beside_the_costs_prove_nothing_false() {
    for (seed, scale) in [(1, 1e9), (2, 1e17), (3, 1e100), (4, 1e290), (5, 1e306)] {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let case = Case::random(&mut rng, 40, 3, scale);
        let geometry = case.geometry();
        let set = case.valued(FeasibleSet::any(40));
        for k in [6, 7] {
            match solve(&case, &geometry, Power::One, &set, k, 16) {
                Ok((found, bound)) => {
                    let value = value(&case, &geometry, Power::One, &found.rows);
                    assert!(bound <= value && value - bound <= 1e-6 * scale, "{scale}: {bound} {value}");
                }
                // Costs that cannot be added up are refused.
                Err(SelectError::Unsupported { .. }) => assert!(scale > 1e280, "{scale}"),
                Err(other) => panic!("{other}"),
            }
        }
    }
}

#[test]
fn worths_that_make_no_sense_are_refused() {
    let case = Case::random(&mut ChaCha8Rng::seed_from_u64(1), 5, 2, 1.0);
    let geometry = case.geometry();
    let task = Task::new(&geometry, 1 << 30, &Quiet);
    let fault = |objective: Objective, worth: &[f64]| {
        Task { objective, quality: Some(worth), ..task }.check_quality().unwrap_err().to_string()
    };
    assert!(fault(Objective::W, &case.worth[1..]).contains("4 numbers"));
    assert!(fault(Objective::W, &[0.0, 1.0, f64::NAN, 0.0, 0.0]).contains("row 2"));
    assert!(fault(Objective::Tsds { diversity: 1.0 }, &case.worth).contains("TSDS"));
}
