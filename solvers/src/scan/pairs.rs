//! Exact closeness of chosen pairs: the row is read once for all its queries.
//!
//! Values are bit for bit those of [`Geometry::closeness`], except that NaN is −∞ and −0 is 0, as decisions need.

use kantor_theory::{Cost, Geometry};
use rayon::prelude::*;

/// Pairs evaluated by one task.
const GRAIN: usize = 2048;

/// Evaluates pairs of one geometry with a buffer of its own.
pub struct PairCloseness<'a> {
    geometry: &'a Geometry<'a>,
    row: Vec<f64>,
    norm: [f64; 1],
    held: usize,
}

impl<'a> PairCloseness<'a> {
    /// Evaluates pairs of `geometry`.
    pub fn new(geometry: &'a Geometry<'a>) -> Self {
        let dim = geometry.points().map_or(0, |points| points.dim());
        Self { geometry, row: vec![0.0; dim], norm: [0.0], held: usize::MAX }
    }

    /// The closeness on which orders of pool row `row` and `query` are decided.
    pub fn closeness(&mut self, row: usize, query: usize) -> f64 {
        let Some(points) = self.geometry.points() else { return decisive(self.geometry.closeness(row, query)) };
        if self.held != row {
            points.read_row(row, &mut self.row);
            self.geometry.row_norms(&self.row, &mut self.norm);
            self.held = row;
        }
        let mut value = [0.0];
        self.geometry.closeness_of_rows(&self.row, &self.norm, query..query + 1, &mut value);
        decisive(value[0])
    }

    /// The closeness of pool row `row` to its closest query.
    pub fn closest(&mut self, row: usize) -> f64 {
        (0..self.geometry.query_len()).map(|query| self.closeness(row, query)).fold(f64::NEG_INFINITY, f64::max)
    }
}

/// The closeness of every (row, query), in parallel. Pairs of one row should stand together.
pub(crate) fn closeness_of(geometry: &Geometry<'_>, pairs: &[(u32, u32)]) -> Vec<f64> {
    let mut values = vec![0.0; pairs.len()];
    values.par_chunks_mut(GRAIN).zip(pairs.par_chunks(GRAIN)).for_each_init(
        || PairCloseness::new(geometry),
        |evaluator, (values, pairs)| {
            for (value, &(row, query)) in values.iter_mut().zip(pairs) {
                *value = evaluator.closeness(row as usize, query as usize);
            }
        },
    );
    values
}

/// NaN loses to everything, and the two zeros are one.
pub(crate) fn decisive(closeness: f64) -> f64 {
    if closeness.is_nan() { f64::NEG_INFINITY } else { closeness + 0.0 }
}

/// The sign that turns entries of a given matrix into closeness.
pub(crate) fn matrix_sign(cost: Cost) -> f64 {
    if cost == Cost::Precomputed { -1.0 } else { 1.0 }
}
