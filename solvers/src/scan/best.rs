//! The closest query of every pool row.

use kantor_theory::Geometry;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::key;
use super::pairs::PairCloseness;
use crate::simd;

/// Rows evaluated by one task.
const GRAIN: usize = 64;

/// How close every pool row comes to its closest query.
#[derive(Debug, Clone, PartialEq)]
pub struct RowBest {
    best: Vec<Best>,
    margin: f64,
}

/// The screened closest query of one row, and who else may be the closest.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Best {
    #[serde(with = "key::bit")]
    value: f32,
    query: u32,
    /// The query that screens within twice the error, or [`NOBODY`] or [`MANY`].
    rival: u32,
}

const NOBODY: u32 = u32::MAX;
const MANY: u32 = u32::MAX - 1;

impl RowBest {
    /// One `best` a row; `margin` is twice the error of the screen.
    pub(crate) fn new(best: Vec<Best>, margin: f64) -> Self {
        Self { best, margin }
    }

    /// The `count` pool rows closest to their closest query: (row, closeness), closest first, ties to the lower row.
    pub fn top(&self, geometry: &Geometry<'_>, count: usize) -> Vec<(usize, f64)> {
        self.top_of(geometry, 0..self.best.len(), count)
    }

    /// As [`RowBest::top`], but of these rows only.
    pub(crate) fn top_of(
        &self,
        geometry: &Geometry<'_>,
        rows: impl Iterator<Item = usize>,
        count: usize,
    ) -> Vec<(usize, f64)> {
        if count == 0 {
            return Vec::new();
        }
        let mut keys: Vec<u64> = rows.map(|row| key::key(self.best[row].value, row)).collect();
        key::keep_nearest(&mut keys, count, self.margin);
        let mut rows: Vec<usize> = keys.into_iter().map(key::row).collect();
        rows.par_sort_unstable();
        let mut order: Vec<(usize, f64)> = rows
            .par_chunks(GRAIN)
            .map_init(
                || PairCloseness::new(geometry),
                |pairs, rows| rows.iter().map(|&row| (row, self.exact(row, pairs))).collect::<Vec<_>>(),
            )
            .flatten_iter()
            .collect();
        order.par_sort_unstable_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        order.truncate(count);
        order
    }

    fn exact(&self, row: usize, pairs: &mut PairCloseness<'_>) -> f64 {
        let best = self.best[row];
        let closeness = pairs.closeness(row, best.query as usize);
        match best.rival {
            NOBODY => closeness,
            MANY => pairs.closest(row),
            rival => closeness.max(pairs.closeness(row, rival as usize)),
        }
    }
}

/// The best of every row of a block of screened values (rows×M).
pub(crate) fn scan(values: &[f32], m: usize, margin: f64, best: &mut [Best]) {
    simd::wide(
        #[inline(always)]
        || {
            for (line, best) in values.chunks_exact(m).zip(best.iter_mut()) {
                *best = best_of(line, margin);
            }
        },
    );
}

/// The largest value, then who comes within the margin of it: two sweeps, each of independent sums over integers.
#[inline(always)]
fn best_of(line: &[f32], margin: f64) -> Best {
    let value = key::in_order(line.iter().fold(i32::MIN, |most, &x| most.max(key::order(x))));
    let cut = key::lower(value, margin);
    // If one query alone comes that close, the sum is its number.
    let (count, sum) = (0u32..).zip(line).fold((0u32, 0u32), |(count, sum), (query, &x)| {
        let near = x >= cut;
        (count + u32::from(near), sum.wrapping_add(if near { query } else { 0 }))
    });
    if count == 1 { Best { value, query: sum, rival: NOBODY } } else { contested(line, value, cut) }
}

/// The best of a line in which several queries come within the margin.
#[inline(never)]
fn contested(line: &[f32], value: f32, cut: f32) -> Best {
    let near = |least: f32| (0u32..).zip(line).filter(move |&(_, &x)| x >= least).map(|(query, _)| query);
    let query = near(value).next().unwrap_or(0);
    let mut rivals = near(cut).filter(|&other| other != query);
    let rival = match (rivals.next(), rivals.next()) {
        (Some(rival), None) => rival,
        (None, _) => NOBODY,
        _ => MANY,
    };
    Best { value, query, rival }
}
