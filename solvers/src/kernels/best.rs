//! The closest query of every pool row.

use kantor_theory::Geometry;
use rayon::prelude::*;

use crate::kernels::key;
use crate::kernels::pairs::Pairs;
use crate::kernels::screen::Screen;

/// Rows evaluated by one task.
const GRAIN: usize = 64;

/// How close every pool row comes to its closest query.
#[derive(Debug, Clone, PartialEq)]
pub struct RowBest {
    best: Vec<Best>,
    margin: f64,
}

/// The screened closest query of one row.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Best {
    value: f32,
    /// The query, with the top bit set if another query screens within twice the error.
    query: u32,
}

const CONTESTED: u32 = 1 << 31;

impl Best {
    fn query(self) -> usize {
        (self.query & !CONTESTED) as usize
    }

    fn is_contested(self) -> bool {
        self.query & CONTESTED != 0
    }
}

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
        if best.is_contested() { pairs.closest(row) } else { pairs.closeness(row, best.query()) }
    }
}

/// The best of every row of a block of screened values (rows×M).
pub(crate) fn scan(values: &[f32], m: usize, margin: f64, best: &mut [Best]) {
    pulp::Arch::new().dispatch(
        #[inline(always)]
        || {
            for (line, best) in values.chunks_exact(m).zip(best) {
                let value = line.iter().fold(f32::NEG_INFINITY, |a, &b| if b > a { b } else { a });
                let cut = key::lower(value, margin);
                let near: u32 = line.iter().map(|&x| u32::from(x >= cut)).sum();
                let query = line.iter().position(|&x| x == value).unwrap_or(0) as u32;
                *best = Best { value, query: if near > 1 { query | CONTESTED } else { query } };
            }
        },
    );
}
