//! What chosen rows use of the limits that they obey.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

use kantor_theory::constraints::{ColumnRanges, Counted, Limit};
use kantor_theory::{FeasibleSet, Price};
use serde::{Deserialize, Serialize};

use super::reach::Reach;
use super::words::{LISTED, limit_in_words};

/// What chosen rows use of one limit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LimitUse {
    /// The limit in words.
    pub limit: String,
    /// The column that it is on.
    pub column: String,
    /// Chosen rows that it counts, or the sum of their numbers.
    pub used: f64,
    /// Of a limit on every label to more than one row: the labels with most chosen rows, ten at most, and their numbers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<(String, usize)>,
    /// Of a limit on every label: how many labels have as many chosen rows as one of its ends allows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels_at_end: Option<usize>,
    /// Whether it keeps closer choices away, as far as is known: what it counts is at one of its ends, or it has a price in the
    /// proof of the bound for all subsets.
    pub binds: bool,
}

/// What these rows of the problem use of every limit of `set`; `prices` are those of the bound, if there is one.
pub(crate) fn uses(set: &FeasibleSet, rows: &[usize], prices: &[Price]) -> Vec<LimitUse> {
    let constraints = set.constraints();
    let priced: HashSet<usize> = prices.iter().filter(|price| price.price != 0.0).map(|price| price.limit).collect();
    let columns: Vec<(Tally<'_>, Reach)> =
        set.ranges().iter().map(|column| (Tally::of(column, rows), Reach::of(set, column, rows.len()))).collect();
    let of = |(at, limit): (usize, &Limit)| {
        let (tally, reach) = &columns[limit.column];
        // A lower end of zero limits nothing.
        let at_end = |count: f64| limit.max == Some(count) || count > 0.0 && limit.min == Some(count);
        // Nor does an end that no choice goes beyond.
        let binds = |label: Option<&str>, count: f64| {
            let (least, most) = reach.of_label(label);
            limit.max == Some(count) && count < most || limit.min == Some(count) && count > least
        };
        let mut found = LimitUse {
            limit: limit_in_words(constraints, limit, None)?,
            column: constraints.columns[limit.column].name.clone(),
            used: 0.0,
            labels: Vec::new(),
            labels_at_end: None,
            binds: priced.contains(&at),
        };
        match (tally, &limit.of) {
            (Tally::Sum(sum), _) => {
                found.used = *sum;
                found.binds |= binds(None, found.used);
            }
            (Tally::Rows { of_label, .. }, Counted::Label(label)) => {
                found.used = of_label.get(label.as_str()).map_or(0.0, |count| *count as f64);
                found.binds |= binds(Some(label), found.used);
            }
            (Tally::Rows { order, .. }, _) => {
                let full = order.iter().filter(|(_, count)| at_end(*count as f64)).count();
                found.used = order.iter().map(|(_, count)| *count as f64).sum();
                found.labels_at_end = Some(full);
                found.binds |= order.iter().any(|(label, count)| binds(Some(label), *count as f64));
                if limit.max != Some(1.0) {
                    found.labels =
                        order.iter().take(LISTED).map(|(name, count)| ((*name).to_owned(), *count)).collect();
                }
            }
        }
        Some(found)
    };
    constraints.limits.iter().enumerate().filter_map(of).collect()
}

/// What some rows have in a column.
enum Tally<'a> {
    /// Rows by label, those with most first; labels without rows are left out.
    Rows { of_label: HashMap<&'a str, usize>, order: Vec<(&'a str, usize)> },
    /// The sum of their numbers.
    Sum(f64),
}

impl<'a> Tally<'a> {
    fn of(column: &ColumnRanges<'a>, rows: &[usize]) -> Self {
        match column {
            ColumnRanges::Sum { numbers, .. } => Tally::Sum(rows.iter().map(|&row| numbers[row]).sum()),
            ColumnRanges::Groups { of_row, names, .. } => {
                let mut counts = vec![0usize; names.len()];
                let groups = rows.iter().map(|&row| of_row[row]).filter(|group| *group != FeasibleSet::NO_GROUP);
                groups.for_each(|group| counts[group as usize] += 1);
                let mut order: Vec<(&str, usize)> =
                    names.iter().map(String::as_str).zip(counts).filter(|(_, count)| *count > 0).collect();
                order.sort_by_key(|(_, count)| Reverse(*count));
                Tally::Rows { of_label: order.iter().copied().collect(), order }
            }
        }
    }
}
