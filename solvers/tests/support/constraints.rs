//! Random constraints that some subset obeys.

use kantor_theory::constraints::{ColumnRecord, Counted, Limit};
use kantor_theory::{Column, Constraints, FeasibleSet};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// What the limits are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The labels of one column.
    Partition,
    /// Those of two columns, of which the second refines the first.
    Laminar,
    /// Those of two columns that have nothing to do with each other.
    Crossing,
    /// Those of two such columns, rows of a cluster, one of each at most if `kept` allows, and two sums.
    Everything,
}

/// Constraints on n rows that the rows `kept` obey; how tight they are is random.
pub(crate) fn constraints(rng: &mut ChaCha8Rng, kind: Kind, n: usize, kept: &[usize]) -> FeasibleSet {
    let groups = 2 + rng.random_range(0..3);
    let some = |rng: &mut ChaCha8Rng, groups: usize| -> Vec<Option<usize>> {
        (0..n).map(|_| (rng.random_range(0..8) > 0).then(|| rng.random_range(0..groups))).collect()
    };
    let first = some(rng, groups);
    let second = match kind {
        Kind::Laminar => first.iter().map(|of| of.map(|of| 2 * of + rng.random_range(0..2))).collect(),
        _ => some(rng, groups),
    };
    let clusters = some(rng, n.div_ceil(2));
    let numbers: Vec<f64> = (0..n).map(|_| [0.0, 0.1, 1.0, 7.0, 1e3 / 3.0][rng.random_range(0..5)]).collect();
    let lengths: Vec<f64> = (0..n).map(|_| f64::from(rng.random_range(0..2000u32))).collect();
    let mut limits = Vec::new();
    let mut limit = |column: usize, of: Counted, min: f64, max: Option<f64>| {
        limits.push(Limit { column, of, min: (min > 0.0).then_some(min), max });
    };
    let columns = if kind == Kind::Partition { 1 } else { 2 };
    for (at, of_row) in [&first, &second].into_iter().enumerate().take(columns) {
        for label in 0..2 * groups {
            let count = kept.iter().filter(|&&row| of_row[row] == Some(label)).count() as f64;
            let slack = |rng: &mut ChaCha8Rng| f64::from(rng.random_range(0..3u32));
            let min = if rng.random_range(0..2) == 0 { count - slack(rng) } else { 0.0 };
            let max = (rng.random_range(0..2) == 0).then(|| count + slack(rng));
            limit(at, Counted::Label(label.to_string()), min, max);
        }
    }
    if kind == Kind::Everything {
        let count = |of: usize| kept.iter().filter(|&&row| clusters[row] == Some(of)).count();
        limit(2, Counted::Each, 0.0, Some((0..n).map(count).max().unwrap_or(0).max(1) as f64));
        for (column, of_row) in [(3, &numbers), (4, &lengths)] {
            let sum: f64 = kept.iter().map(|&row| of_row[row]).sum();
            let max = (rng.random_range(0..3) > 0).then(|| sum * rng.random_range(1.0..1.3) + 1e-9);
            let min = if rng.random_range(0..3) == 0 { sum * rng.random_range(0.7..0.99) } else { 0.0 };
            limit(column, Counted::Sum, min, max);
        }
    }
    let mut include: Vec<usize> = kept.iter().copied().filter(|_| rng.random_range(0..5) == 0).collect();
    include.sort_unstable();
    let exclude = (0..n).filter(|row| !kept.contains(row) && rng.random_range(0..5) == 0).collect();
    let record = |name: &str| ColumnRecord { name: name.into(), blake3: String::new(), origin: None };
    let columns = ["source", "topic", "cluster", "price", "tokens"].map(record).to_vec();
    let labels = |of: &[Option<usize>]| {
        let names: Vec<Option<String>> = of.iter().map(|of| of.map(|of| of.to_string())).collect();
        Column::labels(names.iter().map(Option::as_deref))
    };
    let data = [
        labels(&first),
        labels(&second),
        labels(&clusters),
        Column::numbers(numbers).unwrap(),
        Column::numbers(lengths).unwrap(),
    ];
    FeasibleSet::new(&Constraints { columns, limits, include, exclude }, &data, n, &[]).unwrap()
}

/// `count` of n rows.
pub(crate) fn some_rows(rng: &mut ChaCha8Rng, n: usize, count: usize) -> Vec<usize> {
    let mut rows: Vec<usize> = (0..n).collect();
    (0..count).for_each(|at| rows.swap(at, rng.random_range(at..n)));
    rows.truncate(count);
    rows
}
