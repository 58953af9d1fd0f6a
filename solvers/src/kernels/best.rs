//! The closest query of every pool row.

use kantor_theory::Geometry;
use rayon::prelude::*;

use crate::kernels::key;
use crate::kernels::pairs::Pairs;
use crate::kernels::screen::Screen;
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
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Best {
    value: f32,
    query: u32,
    /// The query that screens within twice the error, or [`NOBODY`] or [`MANY`].
    rival: u32,
}

const NOBODY: u32 = u32::MAX;
const MANY: u32 = u32::MAX - 1;

impl RowBest {
    pub(crate) fn new(best: Vec<Best>, screen: &Screen<'_>) -> Self {
        Self { best, margin: 2.0 * screen.error() }
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
                || Pairs::new(geometry),
                |pairs, rows| rows.iter().map(|&row| (row, self.exact(row, pairs))).collect::<Vec<_>>(),
            )
            .flatten_iter()
            .collect();
        order.par_sort_unstable_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        order.truncate(count);
        order
    }

    fn exact(&self, row: usize, pairs: &mut Pairs<'_>) -> f64 {
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

/// Best and second best in one sweep of independent lanes, joined at the end.
#[inline(always)]
fn best_of(line: &[f32], margin: f64) -> Best {
    let mut lanes = Lanes { first: [f32::NEG_INFINITY; WIDTH], second: [f32::NEG_INFINITY; WIDTH], at: [0; WIDTH] };
    let (chunks, rest) = line.as_chunks::<WIDTH>();
    for (number, chunk) in (0u32..).zip(chunks) {
        lanes.take(number, chunk);
    }
    if !rest.is_empty() {
        let mut padded = [f32::NEG_INFINITY; WIDTH];
        padded[..rest.len()].copy_from_slice(rest);
        lanes.take(chunks.len() as u32, &padded);
    }
    let (value, winner) = lanes.winner();
    let query = lanes.at[winner] * WIDTH as u32 + winner as u32;
    // The second best of all is the second of the winning lane or the first of another.
    lanes.first[winner] = lanes.second[winner];
    let cut = key::lower(value, margin);
    let rival =
        if lanes.first.iter().fold(false, |any, &x| any | (x >= cut)) { rival_of(line, query, cut) } else { NOBODY };
    Best { value, query, rival }
}

/// Queries looked at together.
const WIDTH: usize = 16;

/// Per lane the best and second best value so far, and the chunk of the best.
struct Lanes {
    first: [f32; WIDTH],
    second: [f32; WIDTH],
    at: [u32; WIDTH],
}

impl Lanes {
    #[inline(always)]
    fn take(&mut self, number: u32, chunk: &[f32; WIDTH]) {
        let lanes = self.first.iter_mut().zip(&mut self.second).zip(&mut self.at);
        for (((first, second), at), &x) in lanes.zip(chunk) {
            let wins = x > *first;
            let loser = if wins { *first } else { x };
            *second = if loser > *second { loser } else { *second };
            *first = if wins { x } else { *first };
            *at = if wins { number } else { *at };
        }
    }

    /// The best value and a lane that holds it.
    #[inline(always)]
    fn winner(&self) -> (f32, usize) {
        let mut most = self.first;
        let mut half = WIDTH / 2;
        while half > 0 {
            let (low, high) = most.split_at_mut(half);
            for (a, &b) in low.iter_mut().zip(&*high) {
                *a = if b > *a { b } else { *a };
            }
            half /= 2;
        }
        let equal = (0u32..).zip(&self.first).fold(0, |bits, (lane, &x)| bits | (u32::from(x == most[0]) << lane));
        (most[0], equal.trailing_zeros() as usize % WIDTH)
    }
}

#[inline(never)]
fn rival_of(line: &[f32], query: u32, cut: f32) -> u32 {
    let mut rivals = (0u32..).zip(line).filter(|&(other, &x)| other != query && x >= cut).map(|(other, _)| other);
    match (rivals.next(), rivals.next()) {
        (Some(rival), None) => rival,
        (None, _) => NOBODY,
        _ => MANY,
    }
}
