//! Columns, lists and prices of constraints: rows that are left out, sizes that no double holds, and as many as rows.

use dashu::float::FBig;
use kantor_theory::certificate::{Dropped, MadeBy};
use kantor_theory::constraints::{ColumnRecord, Counted, Limit};
use kantor_theory::{
    BestBound, Certificate, Column, Constraints, Cost, Facts, FeasibleSet, Objective, Power, Price, Statement,
    constrained_best_bound, constrained_distance_bound, sequential, verify,
};

use crate::constrained::{Case, records};
use crate::exact_replay::{costs, power, real};
use crate::support::Random;

/// Columns and lists count the rows that are left out.
#[test]
fn dropped_rows_shift_no_column() {
    let mut seeds = (0..).map(|seed| Case::random(&mut Random(seed), Cost::Euclidean));
    let case = seeds.find(|case| case.objective == Objective::W && case.instance.n > 4).unwrap();
    let n = case.instance.n;
    // Rows 0 and 2 of the file are not among those at hand; their labels would break the limit.
    let labels = (0..n + 2).map(|row| Some(if row == 0 || row == 2 { "gone" } else { "here" }));
    let data = vec![Column::labels(labels)];
    let stored = |row: usize| if row == 0 { 1 } else { row + 2 };
    let mut include: Vec<usize> = case.instance.subset.iter().map(|&row| stored(row)).collect();
    include.sort_unstable();
    let name = ColumnRecord { name: "source".into(), ..ColumnRecord::default() };
    let constraints = Constraints {
        columns: records(&[name], &data),
        limits: vec![Limit { column: 0, of: Counted::Label("gone".into()), min: None, max: Some(0.0) }],
        include: include[1..].to_vec(),
        exclude: vec![0],
    };
    let dropped = Dropped { pool: vec![0, 2], query: vec![] };
    let set = FeasibleSet::new(&constraints, &data, n + 2, &dropped.pool).unwrap();
    let mut facts = Facts { dropped: dropped.clone(), columns: data, ..case.instance.facts() };
    (facts.inputs[0].rows, facts.column_records) = (n + 2, constraints.columns.clone());
    case.instance.with(|geometry| {
        let statement = case.instance.problem(geometry).constrained(constraints.clone());
        let (rows, of_one) = (&case.instance.subset, case.instance.distance_evidence(geometry));
        let distance = constrained_distance_bound(geometry, &statement, rows, of_one, &set, &sequential).unwrap();
        let best = constrained_best_bound(geometry, &statement, vec![0.0; case.instance.m], &set, &[], &sequential);
        let made = |best: &BestBound| {
            Certificate::new(facts.inputs.clone(), dropped.clone(), &distance, Some(best), MadeBy::default()).unwrap()
        };
        let good = made(&best.unwrap());
        let verdict = |certificate: &Certificate| verify(certificate, &facts, geometry, &sequential).name();
        assert_eq!(verdict(&good), "verified");
        let mut other = good.clone();
        other.problem.constraints.include = vec![2];
        assert_eq!(verdict(&other), "rejected", "a dropped row cannot be chosen");
        other.problem.constraints.include = case.instance.subset.clone();
        other.problem.constraints.include.sort_unstable();
        assert_eq!(verdict(&other), "rejected", "rows of the problem are not rows as stored");
    });
}

/// The price, times what row i adds to each limit, from the words of the constraints.
fn discount(constraints: &Constraints, data: &[Vec<Value>], price: &Price, row: usize) -> FBig {
    let limit = &constraints.limits[price.limit];
    let counts = match (&limit.of, &data[limit.column][row]) {
        (Counted::Label(label), Value::Label(of)) => f64::from(u8::from(of.as_ref() == Some(label))),
        (Counted::Each, Value::Label(of)) => f64::from(u8::from(of.is_some() && *of == price.label)),
        (Counted::Sum, Value::Number(number)) => *number,
        _ => unreachable!(),
    };
    real(price.price) * real(counts)
}

enum Value {
    Label(Option<String>),
    Number(f64),
}

/// The values of a column, from the bytes that its digest is of.
fn values(column: &Column) -> Vec<Value> {
    let mut bytes = Vec::new();
    column.encode(|piece| bytes.extend_from_slice(piece));
    let (kind, mut rest) = bytes.split_first().unwrap();
    let mut values = Vec::new();
    while !rest.is_empty() {
        if *kind == b'N' {
            values.push(Value::Number(f64::from_le_bytes(rest[..8].try_into().unwrap())));
            rest = &rest[8..];
            continue;
        }
        let length = u32::from_le_bytes(rest[..4].try_into().unwrap());
        rest = &rest[4..];
        let label = (length != u32::MAX).then(|| String::from_utf8(rest[..length as usize].to_vec()).unwrap());
        rest = &rest[label.as_ref().map_or(0, String::len)..];
        values.push(Value::Label(label));
    }
    values
}

/// Rounding outwards: what is printed is at most the exact value of T15's bound, for prices of any size.
#[test]
fn constrained_bounds_hold_in_exact_arithmetic() {
    let (mut compared, mut close) = (0, 0);
    for seed in 0..1500 {
        let random = &mut Random(seed);
        let mut case = Case::random(
            random,
            [Cost::Euclidean, Cost::Sqeuclidean, Cost::Precomputed, Cost::Cosine][seed as usize % 4],
        );
        let (k, zero) = (case.instance.subset.len(), real(0.0));
        if case.objective != Objective::W || case.constraints.are_none() {
            continue;
        }
        case.instance.weights = Default::default();
        let exact = costs(&case.instance);
        let size = exact.iter().flatten().map(|c| c.to_f64().value().abs()).fold(1e-300, f64::max);
        let g = case.instance.with(|geometry| case.instance.best_potentials(geometry, k));
        let scale = size * [1e-20, 1.0, 1.0, 1.0, 1e16][random.below(5)];
        let prices = case.prices(random, scale);
        let Ok(bound) = case.best(g.clone().into(), &prices) else { continue };
        let data: Vec<Vec<Value>> = case.data.iter().map(values).collect();
        let mut gains: Vec<(bool, FBig)> = (0..case.instance.n)
            .filter(|row| !case.constraints.exclude.contains(row))
            .map(|row| {
                let reply =
                    g.iter().zip(&exact[row]).map(|(&g, c)| real(g) - c).reduce(|a, b| if b > a { b } else { a });
                let discounts = prices.iter().map(|price| discount(&case.constraints, &data, price, row));
                (case.constraints.include.contains(&row), discounts.fold(reply.unwrap(), |sum, x| sum - x))
            })
            .collect();
        gains.sort_by(|a, b| (b.0, &b.1).cmp(&(a.0, &a.1)));
        let ends = prices.iter().map(|price| {
            let limit = &case.constraints.limits[price.limit];
            real(price.price) * real(if price.price > 0.0 { limit.max.unwrap() } else { limit.min.unwrap_or(0.0) })
        });
        let support =
            gains.iter().take(k).map(|(_, gain)| gain.clone()).chain(ends).fold(zero.clone(), |sum, x| sum + x);
        let mean = g.iter().fold(zero.clone(), |sum, &g| sum + real(g)) / real(case.instance.m as f64);
        let value = mean - support / real(k as f64);
        let negative = exact.iter().flatten().any(|c| *c < zero);
        let value = if value < zero && !negative { zero } else { value };
        let slack = real(2f64.powi(-300) * (size + g.iter().fold(0.0, |a, b| a + b.abs())) * 1e20);
        let printed = power(&case.instance, bound.lower());
        assert!(printed <= &value + slack, "seed {seed}: {} above {}", bound.lower(), value.to_f64().value());
        compared += 1;
        close += u32::from(&value - printed <= real(1e-9 * (size + scale)));
    }
    assert!(compared > 200 && close > compared / 2, "{compared} {close}");
}

/// As many limits, prices and listed rows as pool rows: each is looked at once.
#[test]
fn lists_as_long_as_the_pool_take_one_pass() {
    const N: usize = 100_000;
    let names: Vec<String> = (0..N).map(|row| format!("cluster {row}")).collect();
    let data = [Column::labels(names.iter().map(|name| Some(name.as_str())))];
    let of_label = |name: &String| Limit { column: 0, of: Counted::Label(name.clone()), min: None, max: Some(1.0) };
    let each = Limit { column: 0, of: Counted::Each, min: None, max: Some(1.0) };
    let constraints = Constraints {
        columns: vec![ColumnRecord { name: "cluster".into(), ..ColumnRecord::default() }],
        limits: names.iter().map(of_label).chain([each]).collect(),
        include: (0..N / 2).collect(),
        exclude: (N / 2..N - 10).collect(),
    };
    let feasible = FeasibleSet::new(&constraints, &data, N, &[]).unwrap();
    let chosen: Vec<usize> = (0..N / 2 + 1).map(|row| if row == N / 2 { N - 1 } else { row }).collect();
    assert!(feasible.check(&chosen).is_ok() && feasible.conflict(chosen.len()).is_none());
    let pool = kantor_theory::DenseRows::from_f64(1, (0..N).map(|row| row as f64).collect()).unwrap();
    let query = kantor_theory::DenseRows::from_f64(1, vec![0.0]).unwrap();
    let geometry = kantor_theory::Geometry::new(&pool, &query, Cost::Euclidean).unwrap();
    let price = |at: usize| Price { limit: at, label: None, price: 1.0 };
    let of_each = names.iter().map(|name| Price { limit: N, label: Some(name.clone()), price: 1.0 });
    let prices: Vec<Price> = (0..N).map(price).chain(of_each).collect();
    let statement = Statement::new(&geometry, Power::One, chosen.len()).constrained(constraints);
    let bound =
        |prices| constrained_best_bound(&geometry, &statement, vec![0.0], &feasible, prices, &sequential).unwrap();
    // Every chosen row pays 2, and every label costs 2 whether it is chosen or not.
    let (k, free) = (chosen.len() as f64, bound(&[]).lower());
    let expected = (0..N / 2).chain([N - 10]).sum::<usize>() as f64 / k;
    assert!((free - expected).abs() < 1e-9 * expected, "{free} {expected}");
    let lower = bound(&prices).lower();
    assert!((lower - (expected + 2.0 - 2.0 * N as f64 / k).max(0.0)).abs() < 1e-6, "{lower}");
}
