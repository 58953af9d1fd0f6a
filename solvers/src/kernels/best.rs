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
        if count == 0 {
            return Vec::new();
        }
        let mut keys: Vec<u64> = self.best.iter().enumerate().map(|(row, best)| key::key(best.value, row)).collect();
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
    const LANES: usize = 16;
    let mut first = [f32::NEG_INFINITY; LANES];
    let mut second = [f32::NEG_INFINITY; LANES];
    let mut at = [0u32; LANES];
    let (chunks, rest) = line.as_chunks::<LANES>();
    for (number, chunk) in (0u32..).zip(chunks) {
        for lane in 0..LANES {
            let x = chunk[lane];
            let wins = x > first[lane];
            let loser = if wins { first[lane] } else { x };
            second[lane] = if loser > second[lane] { loser } else { second[lane] };
            first[lane] = if wins { x } else { first[lane] };
            at[lane] = if wins { number } else { at[lane] };
        }
    }
    let lanes = (0..LANES).map(|lane| (first[lane], at[lane] * LANES as u32 + lane as u32));
    let tail = (0u32..).zip(rest).map(|(offset, &x)| (x, (line.len() - rest.len()) as u32 + offset));
    let mut runner_up = second.into_iter().fold(f32::NEG_INFINITY, f32::max);
    let (mut value, mut query) = (f32::NEG_INFINITY, 0);
    for (x, number) in lanes.chain(tail) {
        runner_up = runner_up.max(x.min(value));
        if x > value {
            (value, query) = (x, number);
        }
    }
    let cut = key::lower(value, margin);
    let rival = if runner_up >= cut { rival_of(line, query, cut) } else { NOBODY };
    Best { value, query, rival }
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
