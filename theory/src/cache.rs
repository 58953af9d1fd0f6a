//! A cache of the closeness of pool rows to all queries, for callers who ask for the same rows again.
//!
//! Limit: one copy of M numbers per row, where evaluating them takes M·d products.

use std::collections::{HashMap, HashSet};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Closeness of pool rows to all queries, and which rows are good.
#[derive(Default)]
pub(crate) struct ClosenessCache(RwLock<Known>);

#[derive(Default)]
struct Known {
    /// Blocks of closeness (rows×M) as they were evaluated.
    blocks: Vec<Vec<f64>>,
    /// For every row in them its block, and its place there.
    places: HashMap<usize, (usize, usize)>,
    /// Rows that passed the check.
    good: HashSet<usize>,
}

impl ClosenessCache {
    /// Copies what is known of `rows` into `out` (rows×M); returns the positions of the others.
    pub(crate) fn recall(&self, rows: &[usize], out: &mut [f64]) -> Vec<usize> {
        let Known { blocks, places, .. } = &*self.read();
        let m = out.len() / rows.len().max(1);
        let mut missing = Vec::new();
        for (position, row) in rows.iter().enumerate() {
            match places.get(row) {
                Some(&(block, place)) => {
                    out[position * m..][..m].copy_from_slice(&blocks[block][place * m..][..m]);
                }
                None => missing.push(position),
            }
        }
        missing
    }

    /// Keeps the values (rows×M) of `rows`.
    pub(crate) fn keep(&self, rows: &[usize], values: Vec<f64>) {
        let Known { blocks, places, .. } = &mut *self.write();
        places.extend(rows.iter().enumerate().map(|(place, &row)| (row, (blocks.len(), place))));
        blocks.push(values);
    }

    /// Those of the rows that are not known to be good.
    pub(crate) fn unchecked(&self, rows: impl Iterator<Item = usize>) -> Vec<usize> {
        let good = &self.read().good;
        rows.filter(|row| !good.contains(row)).collect()
    }

    /// Notes that these rows are good.
    pub(crate) fn keep_good(&self, rows: &[usize]) {
        self.write().good.extend(rows);
    }

    /// Empties the cache.
    pub(crate) fn clear(&self) {
        *self.write() = Known::default();
    }

    fn read(&self) -> RwLockReadGuard<'_, Known> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Known> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}
