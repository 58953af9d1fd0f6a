//! The files of one selection.

use std::io::{self, Write};

use kantor_solvers::Selection;
use npyz::WriterBuilder;
use serde::Serialize;

/// `indices.npy`: row numbers in selection order, little-endian int64.
pub fn indices(rows: &[usize], out: &mut dyn Write) -> io::Result<()> {
    let mut writer = npyz::WriteOptions::new().default_dtype().shape(&[rows.len() as u64]).writer(out).begin_nd()?;
    for &row in rows {
        // A row number is at most the length of a file in memory, far below 2^63.
        writer.push(&(row as i64))?;
    }
    writer.finish()
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
