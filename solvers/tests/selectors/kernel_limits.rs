//! `energy` and `mmd` under constraints: what is chosen obeys them, and what is proved holds for every subset that does.

use crate::support::constraints::{Kind, constraints, some_rows};
use crate::support::{MEMORY, clustered, double, geometry};
use kantor_solvers::relax::herding::{self, KernelDual};
use kantor_solvers::{Quiet, Task};
use kantor_theory::constraints::{ColumnRanges, LimitRange, Price};
use kantor_theory::{
    Cost, DistanceEvidence, FeasibleSet, Geometry, Kernel, KernelName, Objective, Power, Statement, Witness,
    constrained_best_bound, distance_bound, sequential,
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

fn kernels() -> [Kernel; 2] {
    [Kernel::ENERGY, Kernel::new(KernelName::Gaussian, Some(0.8)).unwrap()]
}

fn statement(geometry: &Geometry<'_>, kernel: Kernel, k: usize) -> Statement {
    let objective = if kernel == Kernel::ENERGY { Objective::Energy } else { Objective::Mmd(kernel) };
    Statement::new(geometry, Power::One, k).under(objective)
}

/// The squared distance of a subset.
fn squared(geometry: &Geometry<'_>, kernel: Kernel, rows: &[usize]) -> f64 {
    let problem = statement(geometry, kernel, rows.len());
    let bound = distance_bound(geometry, &problem, rows, DistanceEvidence::default(), &sequential).unwrap();
    bound.interval().upper.unwrap().powi(2)
}

/// The square of the bound below every feasible subset.
fn proved(
    geometry: &Geometry<'_>,
    kernel: Kernel,
    k: usize,
    set: &FeasibleSet,
    of: &KernelDual,
    prices: &[Price],
) -> f64 {
    let problem = statement(geometry, kernel, k).constrained(set.constraints().clone());
    constrained_best_bound(geometry, &problem, of.clone().evidence(), set, prices, &sequential).unwrap().lower().powi(2)
}

/// The squared distance of a measure on the pool.
fn of_measure(geometry: &Geometry<'_>, kernel: Kernel, Witness { rows, weights }: &Witness) -> f64 {
    let total: f64 = weights.iter().sum();
    let m = geometry.query_len();
    let all = geometry.to_rows(rows).unwrap();
    let family = geometry.cost().family();
    let k = |s: f64| kernel.value(family.squared_distance(s));
    let (mut own, mut cross) = (0.0, 0.0);
    for (&row, w) in rows.iter().zip(weights) {
        own += w * weights.iter().enumerate().map(|(at, v)| v * k(all.closeness(row, at))).sum::<f64>();
        cross += w * (0..m).map(|j| k(geometry.closeness(row, j))).sum::<f64>() / m as f64;
    }
    own / (total * total) - 2.0 * cross / total
}

fn within(range: &LimitRange, sum: f64, slack: f64) -> bool {
    range.min.is_none_or(|(min, _)| sum >= min - slack * (1.0 + min))
        && range.max.is_none_or(|(max, _)| sum <= max + slack * (1.0 + max))
}

/// Whether a measure obeys all limits but for a share `slack` of them, with at most one share of the mass on a row.
fn obeys(set: &FeasibleSet, k: usize, Witness { rows, weights }: &Witness, slack: f64) -> bool {
    let share = weights.iter().sum::<f64>() / k as f64;
    let column = |column: &ColumnRanges<'_>| match column {
        ColumnRanges::Groups { of_row, ranges, .. } => {
            let mut sums = vec![0.0; ranges.len()];
            let masses = rows.iter().zip(weights);
            masses
                .for_each(|(&row, w)| sums.get_mut(of_row[row] as usize).into_iter().for_each(|sum| *sum += w / share));
            ranges.iter().zip(sums).all(|(range, sum)| within(range, sum, slack))
        }
        ColumnRanges::Sum { numbers, range } => {
            within(range, rows.iter().zip(weights).map(|(&row, w)| numbers[row] * w / share).sum(), slack)
        }
    };
    set.ranges().iter().all(column)
        && weights.iter().all(|w| w / share <= 1.0 + 1e-9)
        && rows.iter().zip(weights).all(|(&row, &w)| w == 0.0 || !set.is_excluded(row))
}

fn task<'a>(geometry: &'a Geometry<'a>, set: &'a FeasibleSet) -> Task<'a> {
    let constraints = Some(set);
    Task { seed: 3, block: 64, constraints, ..Task::new(geometry, MEMORY, &Quiet) }
}

/// The bound at the prices found is the value of the relaxation: at most the squared distance of a measure within the limits,
/// which it reaches. With no prices it was far below where limits bind.
#[test]
fn prices_bring_the_bound_to_the_value_of_the_relaxation() {
    let n = 240;
    let mut raised: f64 = 0.0;
    for seed in 0..24 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let kind = [Kind::Partition, Kind::Laminar, Kind::Crossing, Kind::Everything][seed as usize % 4];
        let k = rng.random_range(4..80);
        let kept = some_rows(&mut rng, n, k);
        let set = constraints(&mut rng, kind, n, &kept);
        let (pool, query) = (double(4, &clustered(n, 4, 5, seed)), double(4, &clustered(9, 4, 2, seed + 50)));
        let geometry = geometry(&pool, &query, Cost::Cosine);
        for kernel in kernels() {
            let task = task(&geometry, &set);
            let chosen = herding::choose(&task, kernel, &[k]).unwrap().budgets.remove(0);
            assert_eq!(set.check(chosen.rows()), Ok(()), "{seed}");
            let dual = herding::dual(&task, kernel, &chosen).unwrap();
            let value = squared(&geometry, kernel, chosen.rows());
            let [lower, plain] =
                [&dual.prices[..], &[]].map(|prices| proved(&geometry, kernel, k, &set, &dual, prices));
            let uniform = Witness { rows: chosen.rows().to_vec(), weights: vec![1.0; k] };
            let among = value - of_measure(&geometry, kernel, &uniform);
            // What is taken from the diagonal counts in full (T19).
            let share = |(d, w): (&f64, &f64)| d * (w / k as f64 - (w / k as f64).powi(2) * k as f64) / k as f64;
            let shifted: f64 = dual.shift.iter().zip(&dual.witness.weights).map(share).sum();
            let relaxed = of_measure(&geometry, kernel, &dual.witness) + among + shifted;
            assert!((relaxed - lower).abs() <= 1e-6 && lower <= value, "{seed}: {relaxed} {lower} {value}");
            // Nested groups have their limits met at every step, others in the end.
            let nested = matches!(kind, Kind::Partition | Kind::Laminar);
            assert!(obeys(&set, k, &dual.witness, if nested { 1e-9 } else { 0.02 }), "{seed}");
            assert!(plain <= lower + 1e-12, "{seed}: {plain} {lower}");
            raised = raised.max(lower / plain);
        }
    }
    assert!(raised > 1.5, "{raised}");
}

/// Of all subsets of ten rows that obey, none is below the bound, and no exchange of two rows improves what is chosen.
#[test]
fn all_feasible_subsets_of_ten_rows_are_above_the_bound() {
    for seed in 0..24 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed + 100);
        let kind = [Kind::Partition, Kind::Laminar, Kind::Crossing, Kind::Everything][seed as usize % 4];
        let k = rng.random_range(2..9);
        let kept = some_rows(&mut rng, 10, k);
        let set = constraints(&mut rng, kind, 10, &kept);
        let (pool, query) = (double(3, &clustered(10, 3, 4, seed)), double(3, &clustered(4, 3, 4, seed + 5000)));
        let geometry = geometry(&pool, &query, Cost::Euclidean);
        let rows = |bits: u32| (0..10).filter(|i| bits >> i & 1 == 1).collect::<Vec<_>>();
        let all = (0u32..1 << 10).filter(|bits| bits.count_ones() as usize == k).map(rows);
        let feasible: Vec<Vec<usize>> = all.filter(|rows| set.check(rows).is_ok()).collect();
        for kernel in kernels() {
            let task = task(&geometry, &set);
            let chosen = herding::choose(&task, kernel, &[k]).unwrap().budgets.remove(0);
            let dual = herding::dual(&task, kernel, &chosen).unwrap();
            let lower = proved(&geometry, kernel, k, &set, &dual, &dual.prices);
            let value = squared(&geometry, kernel, chosen.rows());
            assert_eq!(set.check(chosen.rows()), Ok(()), "{seed}");
            assert!(chosen.left_open.is_none(), "{seed}");
            let slack = chosen.least_gain + 1e-14;
            for other in &feasible {
                let of_other = squared(&geometry, kernel, other);
                assert!(lower <= of_other, "{seed}: {lower} {of_other}");
                if other.iter().filter(|row| chosen.rows().contains(row)).count() == k - 1 {
                    assert!(of_other >= value - slack, "{seed}: {of_other} {value}");
                }
            }
        }
    }
}
