//! The rule by which rows may be chosen under constraints, against all subsets of small pools.

use crate::support::constraints::{Kind, constraints, some_rows};
use kantor_solvers::{Admission, SelectError};
use kantor_theory::constraints::{ColumnRecord, Counted, Limit};
use kantor_theory::{Column, Constraints, FeasibleSet};
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// All subsets of k of n rows, as bits.
fn subsets(n: usize, k: usize) -> impl Iterator<Item = u32> {
    (0u32..1 << n).filter(move |subset| subset.count_ones() as usize == k)
}

fn rows_of(subset: u32) -> Vec<usize> {
    (0..32).filter(|row| subset >> row & 1 == 1).collect()
}

struct Case {
    set: FeasibleSet,
    n: usize,
    k: usize,
    /// The subsets that obey the constraints.
    feasible: Vec<u32>,
}

fn case(seed: u64, kind: Kind) -> (Case, ChaCha8Rng) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let n = rng.random_range(1..11);
    let k = rng.random_range(1..=n);
    let kept = some_rows(&mut rng, n, k);
    let set = constraints(&mut rng, kind, n, &kept);
    let feasible = subsets(n, k).filter(|&subset| set.check(&rows_of(subset)).is_ok()).collect();
    (Case { set, n, k, feasible }, rng)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// With one column, or columns that refine one another, a row is admissible if and only if some subset that obeys the
    /// constraints has it and the rows taken.
    #[test]
    fn laminar_limits_admit_what_can_be_completed_and_nothing_else(seed: u64, partition: bool) {
        let (Case { set, n, k, feasible }, mut rng) = case(seed, if partition { Kind::Partition } else { Kind::Laminar });
        let mut admission = Admission::new(&set, k).unwrap();
        let mut taken = 0u32;
        while admission.left() > 0 {
            for row in (0..n).filter(|row| taken >> row & 1 == 0) {
                let with = taken | 1 << row;
                let completed = feasible.iter().any(|subset| subset & with == with);
                prop_assert_eq!(admission.admits(row), completed, "row {} after {:b}", row, taken);
            }
            let row = rng.random_range(0..n);
            taken |= u32::from(admission.take(row)) << row;
        }
        prop_assert!(feasible.contains(&taken));
    }

    /// Whatever is asked for, what is taken and the completion obey the constraints together, and all rows can be asked for
    /// once in any order.
    #[test]
    fn no_order_of_questions_leads_into_a_dead_end(seed: u64) {
        let (Case { set, n, k, feasible }, mut rng) = case(seed, Kind::Everything);
        let mut admission = match Admission::new(&set, k) {
            Err(SelectError::NoneFound { budget, .. }) => {
                prop_assert_eq!(budget, k);
                return Ok(());
            }
            other => other.unwrap(),
        };
        let mut taken = 0u32;
        for row in some_rows(&mut rng, n, n) {
            let admissible = admission.admits(row);
            prop_assert_eq!(admission.take(row), admissible);
            taken |= u32::from(admissible) << row;
            let whole = admission.completion().fold(taken, |whole, row| whole | 1 << row);
            prop_assert!(feasible.contains(&whole), "{:b}", whole);
            let outside = (0..n).filter(|row| whole >> row & 1 == 0);
            let settled = outside.filter(|&row| admission.admits(row)).count() == 0;
            prop_assert!(settled || !admission.is_settled());
        }
        prop_assert!(feasible.contains(&taken) && admission.left() == 0);
    }
}

/// With two columns a completion is nearly always found if there is one, though every first choice may be wrong.
#[test]
fn two_columns_that_cross_are_completed_by_chains() {
    let found = (0..400).filter(|&seed| {
        let (Case { set, k, .. }, _) = case(seed, Kind::Crossing);
        Admission::new(&set, k).is_ok()
    });
    let found = found.count();
    assert!(found >= 398, "{found} of 400");
}

/// Where many limits hold at once, a completion is found nearly always.
#[test]
fn completions_are_found_under_all_kinds_of_limits_together() {
    let found = (0..400).filter(|&seed| {
        let (Case { set, k, .. }, _) = case(seed, Kind::Everything);
        Admission::new(&set, k).is_ok()
    });
    let found = found.count();
    assert!(found >= 380, "{found} of 400");
}

/// Sums with a lower end, narrow or beside an upper end of another sum: rows were taken one by one from the lightest on, which
/// took minutes at a million rows and ended short of the range.
#[test]
fn sums_with_lower_ends_are_met() {
    let (n, k) = (6000, 300);
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let tokens: Vec<f64> = (0..n).map(|_| (20.0 + 400.0 * rng.random_range(0.0..1.0f64).powi(3)).floor()).collect();
    let prices: Vec<f64> = tokens.iter().map(|tokens| 5.0 + rng.random_range(0.0..10.0) + 0.05 * tokens).collect();
    let label = |groups: &[String]| Column::labels(groups.iter().map(|group| Some(group.as_str())));
    let sources: Vec<String> =
        (0..n).map(|_| rng.random_range(0..8u32).min(rng.random_range(0..8)).to_string()).collect();
    let clusters: Vec<String> = (0..n).map(|row| (row / 3).to_string()).collect();
    let mean = tokens.iter().sum::<f64>() / n as f64;
    let record = |name: &str| ColumnRecord { name: name.into(), ..ColumnRecord::default() };
    let columns = ["source", "tokens", "price", "cluster"].map(record).to_vec();
    let data =
        [label(&sources), Column::numbers(tokens.clone()).unwrap(), Column::numbers(prices).unwrap(), label(&clusters)];
    let sum = |column: usize, min: Option<f64>, max: Option<f64>| {
        let share = |mean: f64| mean * k as f64;
        Limit { column, of: Counted::Sum, min: min.map(share), max: max.map(share) }
    };
    let quota = |source: u32| {
        let (min, max) = (Some(6.0), Some(66.0));
        Limit { column: 0, of: Counted::Label(source.to_string()), min, max }
    };
    let quotas: Vec<Limit> = (0..8).map(quota).collect();
    let dedup = Limit { column: 3, of: Counted::Each, min: None, max: Some(1.0) };
    let cases = [
        vec![sum(1, Some(mean), Some(1.0001 * mean))],
        vec![sum(1, Some(2.0 * mean), Some(2.0001 * mean))],
        [quotas.clone(), vec![dedup.clone(), sum(1, Some(mean), Some(1.001 * mean))]].concat(),
        [quotas.clone(), vec![sum(1, Some(2.0 * mean), None)]].concat(),
        [quotas.clone(), vec![sum(1, Some(1.5 * mean), None), sum(2, None, Some(18.0))]].concat(),
        [quotas, vec![dedup, sum(1, Some(1.5 * mean), None), sum(2, None, Some(18.0))]].concat(),
    ];
    for (at, limits) in cases.into_iter().enumerate() {
        let all = Constraints { columns: columns.clone(), limits, ..Constraints::default() };
        let set = FeasibleSet::new(&all, &data, n, &[]).unwrap();
        let found = Admission::new(&set, k).map(|admission| admission.completion().collect::<Vec<_>>());
        let rows = found.unwrap_or_else(|error| panic!("case {at}: {error}"));
        assert_eq!((rows.len(), set.check(&rows)), (k, Ok(())), "case {at}");
    }
}
