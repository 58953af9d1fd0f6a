//! Rows of closeness that a geometry has evaluated before, for whoever asks for the same rows again.
//!
//! Limit: one copy of M numbers per row, where evaluating them takes M·d products.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

/// Closeness of pool rows to all queries, by row.
#[derive(Default)]
pub(crate) struct Memory(RwLock<HashMap<usize, Box<[f64]>>>);

impl Memory {
    /// Copies what is known of `rows` into `out` (rows×M); returns the positions of the others.
    pub(crate) fn recall(&self, rows: &[usize], out: &mut [f64]) -> Vec<usize> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let m = out.len() / rows.len().max(1);
        let mut missing = Vec::new();
        for (position, row) in rows.iter().enumerate() {
            match known.get(row) {
                Some(values) => out[position * m..][..m].copy_from_slice(values),
                None => missing.push(position),
            }
        }
        missing
    }

    /// Keeps the values (rows×M) of `rows`.
    pub(crate) fn keep(&self, rows: &[usize], values: &[f64]) {
        let m = values.len() / rows.len().max(1);
        let boxed: Vec<Box<[f64]>> = values.chunks_exact(m.max(1)).map(Box::from).collect();
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        known.extend(rows.iter().copied().zip(boxed));
    }

    /// Forgets everything.
    pub(crate) fn clear(&self) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = HashMap::new();
    }
}
