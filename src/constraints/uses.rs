//! What chosen rows use of the limits that they obey.

use kantor_theory::constraints::{ColumnRanges, Counted, Limit};
use kantor_theory::{FeasibleSet, Price};
use serde::{Deserialize, Serialize};

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
    let (constraints, columns) = (set.constraints(), set.ranges());
    let of = |(at, limit): (usize, &Limit)| {
        let priced = prices.iter().any(|price| price.limit == at && price.price != 0.0);
        let at_end = |count: f64| count > 0.0 && [limit.min, limit.max].contains(&Some(count));
        let mut found = LimitUse {
            limit: limit_in_words(constraints, limit, None)?,
            column: constraints.columns[limit.column].name.clone(),
            used: 0.0,
            labels: Vec::new(),
            labels_at_end: None,
            binds: priced,
        };
        match &columns[limit.column] {
            ColumnRanges::Sum { numbers, .. } => {
                found.used = rows.iter().map(|&row| numbers[row]).sum();
                found.binds |= at_end(found.used);
            }
            ColumnRanges::Groups { of_row, names, .. } => {
                let mut counts = vec![0usize; names.len()];
                let groups = rows.iter().map(|&row| of_row[row]).filter(|group| *group != FeasibleSet::NO_GROUP);
                groups.for_each(|group| counts[group as usize] += 1);
                if let Counted::Label(label) = &limit.of {
                    let count =
                        names.iter().zip(&counts).find(|(name, _)| *name == label).map_or(0, |(_, count)| *count);
                    found.used = count as f64;
                    // An end of no rows may be reached without any.
                    found.binds |= at_end(found.used) || limit.max == Some(0.0);
                } else {
                    let full = counts.iter().filter(|count| at_end(**count as f64)).count();
                    found.used = counts.iter().sum::<usize>() as f64;
                    found.labels_at_end = Some(full);
                    found.binds |= full > 0;
                    if limit.max != Some(1.0) {
                        let mut order: Vec<(&String, usize)> =
                            names.iter().zip(counts).filter(|(_, count)| *count > 0).collect();
                        order.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
                        found.labels =
                            order.into_iter().take(LISTED).map(|(name, count)| (name.clone(), count)).collect();
                    }
                }
            }
        }
        Some(found)
    };
    constraints.limits.iter().enumerate().filter_map(of).collect()
}
