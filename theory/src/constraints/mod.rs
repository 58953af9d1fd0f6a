//! Which subsets may be chosen beside their number of rows (`notes/T15.md`): limits on counts and sums, rows that must be
//! chosen and rows that must not.
//!
//! [`Constraints`] say so in words that a statement can hold; a [`Column`] holds the label or number of every pool row that
//! limits speak of; a [`FeasibleSet`] joins both for the rows of one problem.

mod column;
mod conflict;
mod feasible;
mod priced;
mod quality;
mod ranges;
mod refutation;

use serde::{Deserialize, Serialize};

pub use column::Column;
pub use conflict::listed;
pub use feasible::FeasibleSet;
pub use priced::Price;
pub(crate) use priced::Priced;
pub use quality::Quality;
pub use ranges::{ColumnRanges, LimitRange};

use crate::rejection::Rejection;

/// What a subset must obey. Rows are numbered as they are stored, dropped rows counted.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Constraints {
    /// The columns of which limits speak.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<ColumnRecord>,
    /// All of these hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<Limit>,
    /// Pool rows that are chosen, ascending.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub include: Vec<usize>,
    /// Pool rows that are not chosen, ascending.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<usize>,
}

/// Which column is meant, by content.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ColumnRecord {
    /// What it is called in messages.
    pub name: String,
    /// BLAKE3 of [`Column::encode`], lower-case hexadecimal.
    pub blake3: String,
    /// Where it was read from: a file and its field as `FILE:FIELD`, or a file alone. Proves nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
}

impl ColumnRecord {
    /// The first thing in which `found` differs from this column, in words; `None` if they are the same. Where they were
    /// read from proves nothing and is not compared.
    pub(crate) fn difference(&self, found: &ColumnRecord) -> Option<&'static str> {
        let same = [("name", self.name == found.name), ("digest of its values", self.blake3 == found.blake3)];
        same.into_iter().find(|(_, same)| !same).map(|(what, _)| what)
    }
}

/// A limit on the chosen rows: `min` ≤ Σ_{i∈S} A_i ≤ `max`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// Which of [`Constraints::columns`].
    pub column: usize,
    /// What A_i is.
    pub of: Counted,
    /// At least this, if anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    /// At most this, if anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
}

/// What of a column a limit is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Counted {
    /// The number of rows with this label.
    Label(String),
    /// For every label alone, the number of rows with it.
    Each,
    /// The sum of the column's numbers.
    Sum,
}

impl Constraints {
    /// Whether every subset may be chosen.
    pub fn are_none(&self) -> bool {
        *self == Self::default()
    }

    /// Checks what needs no data: limits are numbers in order and speak of columns that are named.
    pub(crate) fn check_alone(&self) -> Result<(), Rejection> {
        let fault = |place: String| Err(Rejection::new("constraints", place));
        for (at, Limit { column, min, max, .. }) in self.limits.iter().enumerate() {
            if *column >= self.columns.len() {
                return fault(format!("limit {at} is about column {column} of {}", self.columns.len()));
            }
            let (least, most) = (min.unwrap_or(0.0), max.unwrap_or(f64::MAX));
            if !(0.0..=f64::MAX).contains(&least) || !(0.0..=f64::MAX).contains(&most) || least > most {
                return fault(format!("limit {at} is from {min:?} to {max:?}"));
            }
        }
        for (name, rows) in [("include", &self.include), ("exclude", &self.exclude)] {
            if !rows.is_sorted_by(|a, b| a < b) {
                return fault(format!("the rows to {name} are not ascending"));
            }
        }
        match self.include.iter().find(|row| self.exclude.binary_search(row).is_ok()) {
            Some(row) => fault(format!("row {row} is to be included and excluded")),
            None => Ok(()),
        }
    }
}
