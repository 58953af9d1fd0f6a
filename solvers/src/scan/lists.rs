//! The nearest pool rows of every query.
//!
//! Each thread keeps a buffer per query, of at least twice the wanted length. When a buffer is full, it is cut back to the
//! nearest rows, and the query's cut rises: rows that screen below it are no longer taken in. Lists of the whole pool are
//! never cut.
//!
//! Limit: one comparison per pair of a row and a query. Few pairs pass the cut.

use kantor_theory::{Geometry, GeometryId};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::key::{self, bits};
use super::pairs::{self, PairCloseness};
use super::summary::Scale;
use crate::simd;

/// A pool row on a query's list.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Neighbour {
    /// The pool row.
    pub row: usize,
    /// Its exact closeness to the query.
    pub closeness: f64,
}

/// For every query, enough of the pool to know its nearest rows.
///
/// A list holds every row that screens at or above its cut, in order of screened closeness. Since a screened value
/// errs by at most the screen's error, the exact nearest rows are among them (module [`screen`](super::screen)).
#[derive(Debug, Clone, PartialEq)]
pub struct NeighbourLists {
    /// The geometry whose whole pool was scanned; `None` if a row was kept off the lists.
    whole: Option<GeometryId>,
    /// As in [`PoolScan`](crate::PoolScan).
    suspects: Vec<usize>,
    lists: Vec<List>,
    error: f64,
    unit: f64,
}

#[derive(Debug, Clone, PartialEq)]
struct List {
    /// Screened values with their rows (module `key`), nearest first.
    keys: Vec<u64>,
    /// Rows that are not listed screen below this; `None` if all are listed.
    cut: Option<f32>,
}

impl NeighbourLists {
    /// The `count` nearest pool rows of every query in exact order: closest first, ties to the lower row.
    ///
    /// `count` is at most what was asked for in [`ScanRequest`](crate::ScanRequest).
    pub fn exact(&self, geometry: &Geometry<'_>, count: usize) -> Vec<Vec<Neighbour>> {
        let mut wanted: Vec<(u32, u32)> = Vec::new();
        for (query, list) in self.lists.iter().enumerate() {
            let Some(&last) = list.keys.get(..count).and_then(<[u64]>::last).or(list.keys.last()) else { continue };
            let limit = key::last_with(key::lower(key::value(last), 2.0 * self.error));
            let near = list.keys.partition_point(|&key| key <= limit);
            wanted.extend(list.keys[..near].iter().map(|&key| (key::row(key) as u32, query as u32)));
        }
        wanted.par_sort_unstable();
        let values = pairs::closeness_of(geometry, &wanted);
        let mut lists = vec![Vec::new(); self.lists.len()];
        for ((row, query), closeness) in wanted.into_iter().zip(values) {
            lists[query as usize].push(Neighbour { row: row as usize, closeness });
        }
        lists.par_iter_mut().for_each(|list| {
            list.sort_unstable_by(|a, b| b.closeness.total_cmp(&a.closeness).then(a.row.cmp(&b.row)));
            list.truncate(count);
        });
        lists
    }

    /// The `count` nearest pool rows of every query, as in [`NeighbourLists::exact`] but in arbitrary order.
    ///
    /// A row that screens higher than the `count`-th by more than twice the error is among the nearest. A row that screens
    /// lower than it by more than that is not. Only the rows between are evaluated.
    pub(crate) fn nearest(&self, geometry: &Geometry<'_>, count: usize) -> Vec<Vec<u32>> {
        let margin = 2.0 * self.error;
        let nearest = |(query, list): (usize, &List)| {
            let keys = &list.keys;
            if count == 0 || keys.len() <= count {
                return keys.iter().take(count).map(|&key| key::row(key) as u32).collect();
            }
            let last = key::value(keys[count - 1]);
            let bar = f64::from(last) + margin;
            let certain = keys.partition_point(|&key| f64::from(key::value(key)) > bar);
            let limit = key::last_with(key::lower(last, margin));
            let near = keys.partition_point(|&key| key <= limit);
            let mut rows: Vec<u32> = keys[..near].iter().map(|&key| key::row(key) as u32).collect();
            if near > count {
                let mut pairs = PairCloseness::new(geometry);
                let evaluate = |&row: &u32| (pairs.closeness(row as usize, query), row);
                let mut open: Vec<(f64, u32)> = rows[certain..].iter().map(evaluate).collect();
                open.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
                rows.truncate(certain);
                rows.extend(open[..count - certain].iter().map(|&(_, row)| row));
            }
            rows
        };
        self.lists.par_iter().enumerate().map(nearest).collect()
    }

    /// As [`NeighbourLists::exact`], but in screened order and with screened values for closeness.
    pub(crate) fn screened(&self, count: usize) -> Vec<Vec<Neighbour>> {
        let neighbour =
            |&key: &u64| Neighbour { row: key::row(key), closeness: f64::from(key::value(key)) * self.unit };
        self.lists.iter().map(|list| list.keys.iter().take(count).map(neighbour).collect()).collect()
    }

    /// The lists that a pass would have made which was asked for `count` rows per query; these hold at least as many.
    pub(crate) fn front(&self, count: usize) -> Self {
        let front = |list: &List| match list.keys.get(..count).and_then(<[u64]>::last) {
            Some(&last) if list.keys.len() > count => {
                let cut = key::lower(key::value(last), 2.0 * self.error);
                let kept = list.keys.partition_point(|&key| key <= key::last_with(cut));
                List { keys: list.keys[..kept].to_vec(), cut: Some(cut) }
            }
            _ => list.clone(),
        };
        Self { suspects: self.suspects.clone(), lists: self.lists.iter().map(front).collect(), ..*self }
    }

    /// The listed rows of `query`, by screened closeness.
    pub(crate) fn keys(&self, query: usize) -> &[u64] {
        &self.lists[query].keys
    }

    /// Rows that are not on the list of `query` have a closeness below this, in units of [`NeighbourLists::unit`]; −∞ if all
    /// are listed.
    pub(crate) fn beyond(&self, query: usize) -> f64 {
        self.lists[query].cut.map_or(f64::NEG_INFINITY, |cut| f64::from(cut) + self.error)
    }

    /// A superset of the bad rows of the pool, if the lists are of this geometry and no row was kept off them.
    pub(crate) fn suspects_of(&self, geometry: &Geometry<'_>) -> Option<&[usize]> {
        (self.whole == Some(geometry.id())).then_some(&self.suspects)
    }

    /// Whether every row is on the list of `query`.
    pub(crate) fn is_complete(&self, query: usize) -> bool {
        self.lists[query].cut.is_none()
    }

    /// The error of screened values.
    pub(crate) fn error(&self) -> f64 {
        self.error
    }

    /// What screened values are multiples of.
    pub(crate) fn unit(&self) -> f64 {
        self.unit
    }

    /// Lists of what was collected from the whole pool; `whole` is its geometry, if no row was kept off the lists.
    pub(crate) fn new(collected: Collector, scale: Scale, whole: Option<GeometryId>, suspects: &[usize]) -> Self {
        let Collector { count, margin, cuts, buffers } = collected;
        let list = |(Buffer { mut keys, .. }, dropped): (Buffer, f32)| {
            let cut = key::keep_nearest(&mut keys, count, margin);
            keys.sort_unstable();
            // A part that dropped rows kept `count` values not below its cut plus the margin, so this cut is no lower than its.
            let cut = cut.or((dropped > f32::NEG_INFINITY).then_some(dropped));
            List { keys, cut }
        };
        let lists = buffers.into_par_iter().zip(cuts).map(list).collect();
        Self { whole, suspects: suspects.to_vec(), lists, error: scale.error, unit: scale.unit }
    }
}

/// Collects the nearest rows of all queries from blocks of rows.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Collector {
    /// Rows wanted per query.
    count: usize,
    /// Rows that screen less than this below the `count`-th are kept too: twice the error.
    margin: f64,
    /// For every query the cut: rows that screen below it cannot be among the nearest, and are dropped.
    #[serde(with = "bits")]
    cuts: Vec<f32>,
    buffers: Vec<Buffer>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Buffer {
    keys: Vec<u64>,
    /// Number of keys at which the buffer is cut.
    full: usize,
}

impl Collector {
    /// Keeps the `count` nearest rows of each of `m` queries, and those that screen less than `margin` below them.
    pub(crate) fn new(count: usize, m: usize, margin: f64) -> Self {
        let full = count.max(32).saturating_mul(2);
        let buffers = vec![Buffer { keys: Vec::new(), full }; m];
        Self { count, margin, cuts: vec![f32::NEG_INFINITY; m], buffers }
    }

    /// Adds `first` to all row numbers.
    pub(crate) fn renumber(&mut self, first: usize) {
        self.buffers.iter_mut().flat_map(|buffer| &mut buffer.keys).for_each(|key| *key += first as u64);
    }

    /// Takes in what another has collected from other rows.
    pub(crate) fn merge(&mut self, other: Collector) {
        let Self { count, margin, cuts, buffers } = self;
        let join = |((buffer, cut), (more, other_cut)): ((&mut Buffer, &mut f32), (Buffer, f32))| {
            buffer.keys.extend(more.keys);
            *cut = cut.max(other_cut);
            if buffer.keys.len() >= buffer.full {
                buffer.cut(*count, *margin, cut);
            }
        };
        buffers.par_iter_mut().zip(cuts).zip(other.buffers.into_par_iter().zip(other.cuts)).for_each(join);
    }

    /// Takes in a block of screened values (rows×M) that starts at row `first`.
    pub(crate) fn scan(&mut self, first: usize, values: &[f32], eligible: Option<&[bool]>) {
        let m = self.cuts.len();
        // One byte per query: whether the row passes its cut. Eight are tested at a time, since few are set.
        let mut near = vec![0u8; m.next_multiple_of(8)];
        simd::wide(
            #[inline(always)]
            || {
                for (row, line) in (first..).zip(values.chunks_exact(m)) {
                    if eligible.is_some_and(|eligible| !eligible[row]) {
                        continue;
                    }
                    for ((near, value), cut) in near.iter_mut().zip(line).zip(&self.cuts) {
                        *near = u8::from(value >= cut);
                    }
                    for (eight, near) in near.as_chunks().0.iter().enumerate() {
                        let mut near = u64::from_le_bytes(*near);
                        while near != 0 {
                            let query = 8 * eight + near.trailing_zeros() as usize / 8;
                            self.push(query, key::key(line[query], row));
                            near &= near - 1;
                        }
                    }
                }
            },
        );
    }

    #[inline(always)]
    fn push(&mut self, query: usize, key: u64) {
        let buffer = &mut self.buffers[query];
        buffer.keys.push(key);
        if buffer.keys.len() >= buffer.full {
            self.cut(query);
        }
    }

    #[inline(never)]
    fn cut(&mut self, query: usize) {
        self.buffers[query].cut(self.count, self.margin, &mut self.cuts[query]);
    }
}

impl Buffer {
    /// Drops what cannot be among the nearest, and raises the cut.
    fn cut(&mut self, count: usize, margin: f64, cut: &mut f32) {
        if let Some(higher) = key::keep_nearest(&mut self.keys, count, margin) {
            *cut = higher;
        }
        // A buffer full of near-ties stays full when it is cut: without a larger limit each further row would cut it again.
        self.full = self.full.max(2 * self.keys.len());
    }
}
