//! What is known of every pool row beside its numbers.

use std::collections::HashMap;
use std::sync::Arc;

use crate::rejection::Rejection;

/// No label.
pub(super) const NONE: u32 = u32::MAX;

/// Whether a number may be part of a sum with limits: finite and not negative, −0 included.
pub(super) fn adds_up(x: f64) -> bool {
    x.is_finite() && x.is_sign_positive()
}

/// A label or a number for every pool row as stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Column(pub(super) Values);

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Values {
    /// The place of each row's label among the names, or [`NONE`].
    Labels {
        of_row: Vec<u32>,
        /// Shared by all copies of the column: they may be long.
        names: Arc<Vec<String>>,
    },
    Numbers(Vec<f64>),
}

impl Column {
    /// Labels; a row without one is in no group.
    pub fn labels<'a>(labels: impl IntoIterator<Item = Option<&'a str>>) -> Self {
        let (mut names, mut places) = (Vec::new(), HashMap::new());
        let place = |label: Option<&'a str>| match label {
            None => NONE,
            Some(label) => *places.entry(label).or_insert_with(|| {
                names.push(label.to_owned());
                names.len() as u32 - 1
            }),
        };
        let of_row = labels.into_iter().map(place).collect();
        Self(Values::Labels { of_row, names: Arc::new(names) })
    }

    /// Numbers that add up: lengths, prices.
    ///
    /// # Errors
    /// Names the first that is negative or not finite.
    pub fn numbers(numbers: Vec<f64>) -> Result<Self, Rejection> {
        match numbers.iter().position(|x| !adds_up(*x)) {
            Some(row) => Err(Rejection::new("column", format!("row {row} is {}", numbers[row]))),
            None => Ok(Self(Values::Numbers(numbers))),
        }
    }

    /// Numbers of any sign: qualities.
    ///
    /// # Errors
    /// Names the first that is not finite.
    pub fn scores(numbers: Vec<f64>) -> Result<Self, Rejection> {
        match numbers.iter().position(|x| !x.is_finite()) {
            Some(row) => Err(Rejection::new("column", format!("row {row} is {}", numbers[row]))),
            None => Ok(Self(Values::Numbers(numbers))),
        }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        match &self.0 {
            Values::Labels { of_row, .. } => of_row.len(),
            Values::Numbers(numbers) => numbers.len(),
        }
    }

    /// The label of a row, if it has one; none in a column of numbers.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn label(&self, row: usize) -> Option<&str> {
        match &self.0 {
            Values::Labels { of_row, names } => names.get(of_row[row] as usize).map(String::as_str),
            Values::Numbers(_) => None,
        }
    }

    /// The labels in order of first appearance; none in a column of numbers.
    pub fn names(&self) -> &[String] {
        match &self.0 {
            Values::Labels { names, .. } => names,
            Values::Numbers(_) => &[],
        }
    }

    /// The number of a row; none in a column of labels.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn number(&self, row: usize) -> Option<f64> {
        match &self.0 {
            Values::Labels { .. } => None,
            Values::Numbers(numbers) => Some(numbers[row]),
        }
    }

    /// The bytes that its digest is of, piece by piece. A column of labels begins with `L` and has for every row the length
    /// of its label in bytes (`u32`, little-endian; 2³² − 1 without label) and these; one of numbers begins with `N` and has
    /// `f64`, little-endian.
    pub fn encode(&self, mut each: impl FnMut(&[u8])) {
        match &self.0 {
            Values::Labels { of_row, names } => {
                each(b"L");
                for &place in of_row {
                    let label = names.get(place as usize).map_or(&[][..], |name| name.as_bytes());
                    let length = if place == NONE { NONE } else { label.len() as u32 };
                    each(&length.to_le_bytes());
                    each(label);
                }
            }
            Values::Numbers(numbers) => {
                each(b"N");
                numbers.iter().for_each(|number| each(&number.to_le_bytes()));
            }
        }
    }
}
