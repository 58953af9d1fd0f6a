//! How few and how many rows with a label can be chosen at all, whatever limits say.

use std::collections::HashMap;

use kantor_theory::FeasibleSet;
use kantor_theory::constraints::ColumnRanges;

/// What choices of some size have at least and at most in a column.
pub(super) struct Reach {
    /// Rows with each label.
    labels: HashMap<String, (f64, f64)>,
    /// Of sums, and of labels that no row has.
    other: (f64, f64),
}

impl Reach {
    /// Of choices of `budget` rows that may be chosen, with those that must be.
    pub(super) fn of(set: &FeasibleSet, column: &ColumnRanges<'_>, budget: usize) -> Self {
        let free: Vec<usize> = (0..set.pool()).filter(|&row| !set.is_excluded(row)).collect();
        let labels = match column {
            ColumnRanges::Sum { numbers, .. } => {
                let mut free: Vec<f64> = free.iter().map(|&row| numbers[row]).collect();
                free.sort_unstable_by(f64::total_cmp);
                let least = free.iter().take(budget).sum();
                let most = free.iter().rev().take(budget).sum();
                return Self { labels: HashMap::new(), other: (least, most) };
            }
            ColumnRanges::Groups { of_row, names, .. } => {
                let mut counts = vec![(0usize, 0usize); names.len()];
                for &row in free.iter().filter(|&&row| of_row[row] != FeasibleSet::NO_GROUP) {
                    let (may, must) = &mut counts[of_row[row] as usize];
                    *may += 1;
                    *must += usize::from(set.is_included(row));
                }
                let included = set.included();
                let of = |(may, must): (usize, usize)| {
                    let least = must.max(budget.saturating_sub(free.len() - may));
                    let most = may.min((budget + must).saturating_sub(included));
                    (least as f64, most as f64)
                };
                names.iter().cloned().zip(counts.into_iter().map(of)).collect()
            }
        };
        Self { labels, other: (0.0, 0.0) }
    }

    /// Of rows with this label, or of a sum.
    pub(super) fn of_label(&self, label: Option<&str>) -> (f64, f64) {
        label.and_then(|label| self.labels.get(label)).copied().unwrap_or(self.other)
    }
}
