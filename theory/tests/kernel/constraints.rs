//! T15 (notes/T15.md): bounds below all subsets that obey constraints, and conflicts between constraints, by looking at
//! every subset.

use kantor_theory::constraints::{ColumnRecord, Counted, Limit};
use kantor_theory::{
    BestEvidence, Column, Constraints, Cost, FeasibleSet, Objective, Power, Price, Statement, constrained_best_bound,
    distance_bound, sequential,
};
use proptest::prelude::*;

use crate::duality::subsets;
use crate::support::{Instance, Random};
use crate::{discrepancy, tsds};

const LABELS: [&str; 4] = ["a", "b", "ä", ""];

fn record(name: &str) -> ColumnRecord {
    ColumnRecord { name: name.into(), ..ColumnRecord::default() }
}

/// Two columns of labels and one of numbers, and constraints on them that `kept` obeys, or nearly.
pub(crate) fn constraints(random: &mut Random, n: usize, kept: &[usize], slack: bool) -> (Constraints, Vec<Column>) {
    let labels = |random: &mut Random| -> Vec<Option<&str>> {
        (0..n).map(|_| (random.below(6) > 0).then(|| LABELS[random.below(4)])).collect()
    };
    let (sources, clusters) = (labels(random), labels(random));
    let numbers: Vec<f64> = (0..n).map(|_| [0.0, 0.1, 1.0, 1e3 / 3.0][random.below(4)]).collect();
    let mut limits = Vec::new();
    let wobble = |random: &mut Random| if slack { random.below(4) as f64 - 2.0 } else { 0.0 };
    for label in LABELS.iter().take(1 + random.below(4)) {
        let count = kept.iter().filter(|&&row| sources[row] == Some(*label)).count() as f64;
        let min = (random.below(2) == 0).then(|| (count + wobble(random)).max(0.0));
        let max = (random.below(2) == 0).then(|| (count + wobble(random)).max(min.unwrap_or(0.0)));
        limits.push(Limit { column: 0, of: Counted::Label((*label).into()), min, max });
    }
    if random.below(2) == 0 {
        let most = LABELS.iter().map(|label| kept.iter().filter(|&&row| clusters[row] == Some(*label)).count());
        limits.push(Limit { column: 1, of: Counted::Each, min: None, max: most.max().map(|most| most as f64) });
    }
    if random.below(2) == 0 {
        let sum: f64 = kept.iter().map(|&row| numbers[row]).sum();
        let (min, max) = ((0.9 * sum + wobble(random)).max(0.0), 1.1 * sum + 1e-9);
        limits.push(Limit { column: 2, of: Counted::Sum, min: Some(min.min(max)), max: Some(max) });
    }
    let mut include: Vec<usize> = kept.iter().copied().filter(|_| random.below(4) == 0).collect();
    include.sort_unstable();
    let exclude = (0..n).filter(|row| !kept.contains(row) && random.below(4) == 0).collect();
    let columns = vec![record("source"), record("cluster"), record("tokens")];
    let data = [sources, clusters].map(Column::labels).into_iter().chain([Column::numbers(numbers).unwrap()]).collect();
    (Constraints { columns, limits, include, exclude }, data)
}

/// Prices of some limits, of ends that they have.
pub(crate) fn some_prices(random: &mut Random, constraints: &Constraints, scale: f64) -> Vec<Price> {
    let mut prices = Vec::new();
    for (at, limit) in constraints.limits.iter().enumerate() {
        if random.below(3) == 0 {
            continue;
        }
        let labels: Vec<Option<String>> = match limit.of {
            Counted::Each => LABELS[..2].iter().map(|label| Some((*label).to_owned())).collect(),
            _ => vec![None],
        };
        for label in labels {
            let price = scale * random.signed();
            prices.push(Price { limit: at, label, price: if limit.max.is_none() { -price.abs() } else { price } });
        }
    }
    prices
}

/// What is known of all labels: a label that no row has is not one of the column.
pub(crate) fn with_labels_of(data: &[Column], prices: Vec<Price>, n: usize) -> Vec<Price> {
    let mut clusters = Vec::new();
    data[1].encode(|bytes| clusters.extend_from_slice(bytes));
    let has = |label: &str| {
        let only = Constraints {
            columns: vec![record("cluster")],
            limits: vec![Limit { column: 0, of: Counted::Label(label.into()), min: None, max: Some(0.0) }],
            ..Constraints::default()
        };
        let set = FeasibleSet::new(&only, &data[1..2], n, &[]).unwrap();
        (0..n).any(|row| set.check(&[row]).is_err())
    };
    prices.into_iter().filter(|price| price.label.as_deref().is_none_or(has)).collect()
}

/// An instance under one of the four objectives, and evidence of no special merit.
pub(crate) fn instance(random: &mut Random, cost: Cost) -> (Instance, Objective) {
    match random.below(3) {
        0 if cost != Cost::Precomputed => discrepancy::instance(random, cost, 8, 3, 4),
        1 => {
            let (instance, diversity) = tsds::instance(random, cost, 8, 3, 4);
            (instance, Objective::Tsds { diversity })
        }
        _ => {
            let mut instance = Instance::random(random, cost, 8, 3, 4);
            instance.weights = Default::default();
            (instance, Objective::W)
        }
    }
}

pub(crate) fn evidence(random: &mut Random, instance: &Instance, objective: Objective, k: usize) -> BestEvidence {
    match objective {
        Objective::W if random.below(3) > 0 => instance.with(|geometry| instance.best_potentials(geometry, k)).into(),
        Objective::W | Objective::Tsds { .. } => tsds::some_potentials(random, instance).into(),
        _ => discrepancy::some_witness(random, instance.n).into(),
    }
}

/// The least proved distance of these subsets.
pub(crate) fn smallest(instance: &Instance, objective: Objective, of: &[Vec<usize>]) -> f64 {
    let upper = |subset: &Vec<usize>| {
        let instance = Instance { subset: subset.clone(), ..instance.clone() };
        instance.with(|geometry| {
            let statement = instance.problem(geometry).under(objective);
            let evidence = match objective {
                Objective::W => instance.distance_evidence(geometry),
                _ => Default::default(),
            };
            distance_bound(geometry, &statement, subset, evidence, &sequential).unwrap().interval().upper.unwrap()
        })
    };
    of.iter().map(upper).fold(f64::INFINITY, f64::min)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// T15: whatever evidence and prices, the bound is below every subset that obeys the constraints, under every objective.
    #[test]
    fn no_feasible_subset_beats_the_bound(cost in prop::sample::select(Cost::ALL.to_vec()), seed: u64, k in 1usize..6) {
        let random = &mut Random(seed);
        let (mut instance, objective) = instance(random, cost);
        if objective != Objective::W {
            instance.p = Power::One;
        }
        let k = k.min(instance.n);
        let mut kept: Vec<usize> = (0..instance.n).collect();
        random.shuffle(&mut kept);
        kept.truncate(k);
        let (constraints, data) = constraints(random, instance.n, &kept, false);
        let feasible = FeasibleSet::new(&constraints, &data, instance.n, &[]).unwrap();
        prop_assert_eq!(feasible.conflict(k), None);
        prop_assert!(feasible.check(&kept).is_ok());
        let all: Vec<Vec<usize>> = subsets(instance.n, k).into_iter().filter(|s| feasible.check(s).is_ok()).collect();
        let least = smallest(&instance, objective, &all);
        for _ in 0..4 {
            let evidence = evidence(random, &instance, objective, k);
            let scale = least.abs().max(1e-12) * [0.1, 1.0, 10.0][random.below(3)];
            let prices = with_labels_of(&data, some_prices(random, &constraints, scale), instance.n);
            let bound = instance.with(|geometry| {
                let statement = Statement::new(geometry, instance.p, k).under(objective).constrained(constraints.clone());
                constrained_best_bound(geometry, &statement, evidence, &feasible, &prices, &sequential)
            });
            let lower = bound.unwrap().lower();
            prop_assert!(lower <= least, "{} {} {:?} {:?}", lower, least, constraints, prices);
        }
    }

    /// A conflict that is named is one; with limits on the labels of one column, every conflict is named.
    #[test]
    fn conflicts_are_named_where_there_are_some(seed: u64, n in 1usize..9, k in 1usize..6) {
        let random = &mut Random(seed);
        let mut kept: Vec<usize> = (0..n).collect();
        random.shuffle(&mut kept);
        kept.truncate(k.min(n));
        let (mut constraints, data) = constraints(random, n, &kept, true);
        let one_column = random.below(2) == 0;
        if one_column {
            constraints.limits.retain(|limit| limit.column == 0);
        }
        let feasible = FeasibleSet::new(&constraints, &data, n, &[]).unwrap();
        let any = k <= n && subsets(n, k).iter().any(|subset| feasible.check(subset).is_ok());
        match feasible.conflict(k) {
            Some(why) => prop_assert!(!any, "{}", why),
            None => prop_assert!(any || !one_column, "{:?}", constraints),
        }
    }
}

/// Constraints raise the bound above what is true of all subsets, for prices found by trying.
#[test]
fn prices_make_bounds_that_hold_for_no_larger_set() {
    let (mut raised, mut attained) = (0, 0);
    for seed in 0..150 {
        let random = &mut Random(seed);
        let mut instance = Instance::random(random, Cost::Euclidean, 8, 2, 3);
        (instance.weights, instance.p) = (Default::default(), Power::One);
        let k = instance.m.min(instance.n);
        let mut kept: Vec<usize> = (0..instance.n).collect();
        random.shuffle(&mut kept);
        kept.truncate(k);
        let (constraints, data) = constraints(random, instance.n, &kept, false);
        let feasible = FeasibleSet::new(&constraints, &data, instance.n, &[]).unwrap();
        let all = subsets(instance.n, k);
        let obeying: Vec<_> = all.iter().filter(|s| feasible.check(s).is_ok()).cloned().collect();
        let (free, least) = (smallest(&instance, Objective::W, &all), smallest(&instance, Objective::W, &obeying));
        let mut best = f64::NEG_INFINITY;
        for _ in 0..300 {
            let prices = with_labels_of(&data, some_prices(random, &constraints, 2.0 * least), instance.n);
            let g = instance.with(|geometry| instance.best_potentials(geometry, k));
            let g: Vec<f64> = g.iter().map(|g| g + least * random.signed()).collect();
            let bound = instance.with(|geometry| {
                let statement = Statement::new(geometry, instance.p, k).constrained(constraints.clone());
                constrained_best_bound(geometry, &statement, g, &feasible, &prices, &sequential).unwrap().lower()
            });
            assert!(bound <= least);
            best = best.max(bound);
        }
        raised += u32::from(best > free * (1.0 + 1e-9));
        attained += u32::from(best > 0.99 * least);
    }
    assert!(raised > 30 && attained > 30, "{raised} bounds rose above all subsets', {attained} are nearly attained");
}

#[test]
fn constraints_and_prices_that_make_no_sense_are_refused() {
    let column = || Column::labels([Some("a"), None, Some("b")]);
    let lengths = || Column::numbers(vec![1.0, 2.0, 3.0]).unwrap();
    let limit = |of| Limit { column: 0, of, min: Some(1.0), max: Some(2.0) };
    let one = |limit| Constraints { columns: vec![record("x")], limits: vec![limit], ..Constraints::default() };
    let refused = |constraints: &Constraints, data: &[Column], why: &str| {
        let fault = FeasibleSet::new(constraints, data, 3, &[]).unwrap_err().to_string();
        assert!(fault.contains(why), "{fault}");
    };
    refused(&one(limit(Counted::Sum)), &[column()], "other values");
    refused(&one(limit(Counted::Each)), &[lengths()], "other values");
    refused(&one(limit(Counted::Each)), &[], "0 columns are given");
    refused(&one(limit(Counted::Each)), &[Column::labels([None])], "has 1 rows, the pool 3");
    refused(&one(Limit { column: 1, ..limit(Counted::Each) }), &[column()], "column 1 of 1");
    refused(&one(Limit { min: Some(3.0), ..limit(Counted::Each) }), &[column()], "from Some(3.0)");
    for bad in [f64::NAN, f64::INFINITY, -1.0] {
        refused(&one(Limit { max: Some(bad), min: None, ..limit(Counted::Each) }), &[column()], "limit 0");
    }
    let rows = |include: &[usize], exclude: &[usize]| Constraints {
        include: include.to_vec(),
        exclude: exclude.to_vec(),
        ..Constraints::default()
    };
    refused(&rows(&[2, 1], &[]), &[], "not ascending");
    refused(&rows(&[1], &[1]), &[], "included and excluded");
    refused(&rows(&[3], &[]), &[], "row 3 of a pool of 3");
    assert!(FeasibleSet::new(&rows(&[1], &[]), &[], 3, &[1]).is_err());
    assert!(Column::numbers(vec![1.0, -0.0]).is_err() && Column::numbers(vec![f64::NAN]).is_err());
}

#[test]
fn columns_of_other_content_have_other_bytes() {
    let bytes = |column: Column| {
        let mut bytes = Vec::new();
        column.encode(|piece| bytes.extend_from_slice(piece));
        bytes
    };
    let columns = [
        Column::labels([Some("ab"), Some("c")]),
        Column::labels([Some("a"), Some("bc")]),
        Column::labels([Some("ab"), None, Some("c")]),
        Column::labels([Some("ab"), Some(""), Some("c")]),
        Column::numbers(vec![]).unwrap(),
        Column::labels([]),
        Column::numbers(vec![0.0]).unwrap(),
    ];
    let all: Vec<_> = columns.into_iter().map(bytes).collect();
    assert!(all.iter().enumerate().all(|(at, bytes)| !all[..at].contains(bytes)));
}

/// The range of a group has the tightest ends of all limits on it, and a price of it is one of the limit that has that end.
#[test]
fn ranges_have_the_tightest_ends_and_name_their_limits() {
    use kantor_theory::constraints::ColumnRanges;
    let limit = |of: Counted, min, max| Limit { column: usize::from(of == Counted::Sum), of, min, max };
    let limits = vec![
        limit(Counted::Each, Some(1.0), Some(5.0)),
        limit(Counted::Label("a".into()), Some(2.0), Some(7.0)),
        limit(Counted::Sum, None, Some(10.0)),
        limit(Counted::Sum, Some(1.0), Some(9.0)),
    ];
    let constraints =
        Constraints { columns: vec![record("source"), record("tokens")], limits, ..Constraints::default() };
    let columns =
        [Column::labels([Some("b"), Some("a"), None, Some("x")]), Column::numbers(vec![1.0, 2.0, 3.0, 4.0]).unwrap()];
    let set = FeasibleSet::new(&constraints, &columns, 4, &[3]).unwrap();
    let found = set.ranges();
    let ColumnRanges::Groups { of_row, names, ranges } = &found[0] else { panic!("labels") };
    assert_eq!((*of_row, names.len()), (&[0, 1, FeasibleSet::NO_GROUP][..], 3));
    assert_eq!((ranges[0].min, ranges[0].max), (Some((1.0, 0)), Some((5.0, 0))));
    assert_eq!((ranges[1].min, ranges[1].max), (Some((2.0, 1)), Some((5.0, 0))));
    let price = |label: Option<&str>, limit, price| Some(Price { limit, label: label.map(str::to_owned), price });
    assert_eq!(set.price(&ranges[1], Some(1), 0.5), price(Some("a"), 0, 0.5));
    assert_eq!(set.price(&ranges[1], Some(1), -0.5), price(None, 1, -0.5));
    assert_eq!(set.price(&ranges[1], Some(1), 0.0), None);
    let ColumnRanges::Sum { numbers, range } = &found[1] else { panic!("numbers") };
    assert_eq!((*numbers, range.min, range.max), (&[1.0, 2.0, 3.0][..], Some((1.0, 3)), Some((9.0, 3))));
    assert_eq!(set.price(range, None, 2.0), price(None, 3, 2.0));
}
