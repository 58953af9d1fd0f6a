//! The files of one selection.

use std::io::{self, Write};

use kantor_solvers::Selection;
use serde::Serialize;

use crate::data::npy;

/// `indices.npy`: row numbers in selection order, little-endian int64.
pub fn indices(rows: &[usize], out: &mut dyn Write) -> io::Result<()> {
    npy::write_header(rows.len(), out)?;
    // A row number is at most the length of a file in memory, far below 2^63.
    rows.iter().try_for_each(|&row| out.write_all(&(row as i64).to_le_bytes()))
}

/// A line of `selection.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Line<'a> {
    /// Place in the selection order, from 0.
    pub rank: usize,
    /// Row number in the pool.
    pub index: usize,
    /// The example's id, if examples were given and have ids; else the row number.
    pub id: std::borrow::Cow<'a, str>,
    /// Why it was chosen, in the method's own unit.
    pub score: f64,
    /// The query that it is closest to.
    pub nearest_query: usize,
    /// The cost between the two.
    pub cost: f64,
}

/// Path of a selection's directory, relative to the result.
pub fn directory(method: &str, selection: &Selection) -> String {
    format!("{method}/k{}", selection.budget())
}
