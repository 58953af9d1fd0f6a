//! Constraints on a pool without labels or lengths: those are made of its numbers.

use kantor_theory::constraints::{ColumnRecord, Counted, Limit};
use kantor_theory::{Column, Constraints, FeasibleSet};

/// Sources of which quotas are asked.
const SOURCES: usize = 20;

/// Quotas over 20 sources that a tenth of the rows `free`, chosen without, exceeds; 70 % of the tokens of these rows; both.
pub(crate) fn sets(x: &[f32], d: usize, free: &[usize]) -> Vec<(&'static str, FeasibleSet)> {
    let n = x.len() / d;
    // Similar rows tend to have one source.
    let largest = |row: &[f32]| (0..SOURCES.min(d)).max_by(|&a, &b| row[a].total_cmp(&row[b])).unwrap();
    let source: Vec<usize> = x.chunks_exact(d).map(largest).collect();
    let tokens: Vec<f64> = (0..n).map(|row| 20.0 + (row * 7919 % 401) as f64).collect();
    let mut counts = [0.0; SOURCES];
    free.iter().for_each(|&row| counts[source[row]] += 1.0);
    let sum: f64 = free.iter().map(|&row| tokens[row]).sum();
    let share = free.len() as f64 / SOURCES as f64;
    let quota = |(label, &count): (usize, &f64)| {
        let (min, max) = ((count + 0.1 * (share - count)).floor(), (count + 0.1 * (share - count)).ceil());
        let (min, max) = if count > share { (None, Some(max)) } else { (Some(min), None) };
        Limit { column: 0, of: Counted::Label(label.to_string()), min, max }
    };
    let quotas: Vec<Limit> = counts.iter().enumerate().map(quota).collect();
    let cap = Limit { column: 1, of: Counted::Sum, min: None, max: Some((0.7 * sum).floor()) };
    let names: Vec<String> = source.iter().map(usize::to_string).collect();
    let columns = [Column::labels(names.iter().map(|name| Some(name.as_str()))), Column::numbers(tokens).unwrap()];
    let set = |limits: Vec<Limit>| {
        let record = |name: &str| ColumnRecord { name: name.into(), origin: None, blake3: String::new() };
        let columns_of = ["source", "tokens"].map(record).to_vec();
        let constraints = Constraints { columns: columns_of, limits, ..Constraints::default() };
        FeasibleSet::new(&constraints, &columns, n, &[]).unwrap()
    };
    vec![
        ("20 quotas", set(quotas.clone())),
        ("70 % of tokens", set(vec![cap.clone()])),
        ("both", set([quotas, vec![cap]].concat())),
    ]
}
