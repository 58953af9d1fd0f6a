//! Pool rows on their way into the matrix product: single precision, within range, with one number per row beside.
//!
//! Limit: memory bandwidth; every number is read once and, unless its row must be rescaled, written once.

use std::ops::Range;

use kantor_theory::geometry::SQUARED_NORM_RANGE;
use kantor_theory::{Element, Geometry, Rows, dot};
use rayon::prelude::*;

use crate::simd;

/// Squared norms between which a single-precision row is multiplied as it is.
const PLAIN: Range<f64> = 1.0 / (1u64 << 40) as f64..(1u64 << 40) as f64;

/// Squared norms of rows that are good, whatever the roundings of the sum.
const UNSUSPECTED: Range<f64> = 10.0 * SQUARED_NORM_RANGE.0..0.1 * SQUARED_NORM_RANGE.1;

/// Rows read at a time: they are still in cache when their norms are taken.
const CHUNK: usize = 8;

/// A block of rows, packed, and what its products are completed with.
#[derive(Default)]
pub(crate) struct Packed {
    /// Rows×d.
    pub(crate) rows: Vec<f32>,
    /// Per row: the factor that makes products cosines, or the squared norm.
    pub(crate) terms: Vec<f32>,
    /// Rows of all blocks so far that may be bad.
    pub(crate) suspects: Vec<usize>,
    wide: Vec<f64>,
}

impl Packed {
    /// Packs for cosines. Rows in `f64`, or with norms far from 1, are normalised in `f64` first.
    pub(crate) fn angle(&mut self, geometry: &Geometry<'_>, rows: Range<usize>) {
        let Some(points) = geometry.points() else { return };
        let dim = points.dim();
        self.resize(rows.len(), dim);
        let Self { rows: packed, terms, suspects, wide } = self;
        if points.element() == Element::F64 {
            let first = rows.start;
            each_wide_row(points, rows, wide, |offset, x| {
                let squared = dot::dot(x, x);
                if !UNSUSPECTED.contains(&squared) {
                    suspects.push(first + offset);
                }
                let norm = squared.sqrt();
                narrow(x, 1.0 / norm, &mut packed[offset * dim..(offset + 1) * dim]);
                terms[offset] = 1.0;
            });
            return;
        }
        simd::wide(
            #[inline(always)]
            || {
                for (chunk, (packed, terms)) in packed.chunks_mut(CHUNK * dim).zip(terms.chunks_mut(CHUNK)).enumerate()
                {
                    points.read_f32(rows.start + chunk * CHUNK, packed);
                    for (offset, (row, term)) in packed.chunks_exact_mut(dim).zip(terms).enumerate() {
                        let squared = squared_norm(row);
                        let inverse = 1.0 / squared.sqrt();
                        if PLAIN.contains(&squared) {
                            *term = inverse as f32;
                        } else {
                            if !UNSUSPECTED.contains(&squared) {
                                suspects.push(rows.start + chunk * CHUNK + offset);
                            }
                            for x in row {
                                *x = (f64::from(*x) * inverse) as f32;
                            }
                            *term = 1.0;
                        }
                    }
                }
            },
        );
    }

    /// Packs `factor`·x for squared distances; the terms are its squared norms.
    pub(crate) fn distance(&mut self, geometry: &Geometry<'_>, rows: Range<usize>, factor: f64) {
        let Some(points) = geometry.points() else { return };
        let dim = points.dim();
        self.resize(rows.len(), dim);
        let Self { rows: packed, terms, suspects, wide } = self;
        let first = rows.start;
        each_wide_row(points, rows, wide, |offset, x| {
            let squared = dot::dot(x, x);
            // Points may be as small as they like; NaN is suspected.
            if !(..UNSUSPECTED.end).contains(&squared) {
                suspects.push(first + offset);
            }
            narrow(x, factor, &mut packed[offset * dim..(offset + 1) * dim]);
            terms[offset] = (squared * factor * factor) as f32;
        });
    }

    /// Writes `factor` times the matrix entries of pool rows `rows` to `out` (rows×M).
    pub(crate) fn matrix(&mut self, geometry: &Geometry<'_>, rows: Range<usize>, factor: f64, out: &mut [f32]) {
        let Some(matrix) = geometry.matrix() else { return };
        let m = matrix.len();
        self.wide.resize(rows.len(), 0.0);
        for j in 0..m {
            matrix.read(j, rows.clone(), &mut self.wide);
            for (line, x) in out.chunks_exact_mut(m).zip(&self.wide) {
                line[j] = ((x * factor) as f32).max(f32::NEG_INFINITY);
            }
        }
    }

    fn resize(&mut self, rows: usize, dim: usize) {
        self.rows.resize(rows * dim, 0.0);
        self.terms.resize(rows, 0.0);
    }
}

/// The largest finite norm in the pool.
pub(crate) fn largest_norm(geometry: &Geometry<'_>) -> f64 {
    let Some(points) = geometry.points() else { return 0.0 };
    largest(points.len(), 1024, |rows, wide| {
        let mut squared = 0.0f64;
        each_wide_row(points, rows, wide, |_, x| {
            let norm = dot::dot(x, x);
            if norm.is_finite() {
                squared = squared.max(norm);
            }
        });
        squared
    })
    .sqrt()
}

/// The largest finite magnitude in the matrix.
pub(crate) fn largest_entry(geometry: &Geometry<'_>) -> f64 {
    let Some(matrix) = geometry.matrix() else { return 0.0 };
    largest(matrix.len(), 1, |rows, wide| {
        wide.resize(matrix.dim(), 0.0);
        matrix.read_row(rows.start, wide);
        wide.iter().map(|x| x.abs()).filter(|x| x.is_finite()).fold(0.0, f64::max)
    })
}

fn largest(len: usize, block: usize, of: impl Fn(Range<usize>, &mut Vec<f64>) -> f64 + Sync) -> f64 {
    (0..len.div_ceil(block))
        .into_par_iter()
        .map_init(Vec::new, |wide, b| of(b * block..((b + 1) * block).min(len), wide))
        .reduce(|| 0.0, f64::max)
}

/// Calls `each` with the offset and the numbers of every row.
fn each_wide_row(points: &dyn Rows, rows: Range<usize>, wide: &mut Vec<f64>, mut each: impl FnMut(usize, &[f64])) {
    let dim = points.dim();
    for start in rows.clone().step_by(CHUNK) {
        let count = CHUNK.min(rows.end - start);
        wide.resize(count * dim, 0.0);
        points.read(start, 0..dim, wide);
        for (offset, x) in wide.chunks_exact(dim).enumerate() {
            each(start - rows.start + offset, x);
        }
    }
}

fn narrow(wide: &[f64], factor: f64, out: &mut [f32]) {
    simd::wide(
        #[inline(always)]
        || {
            for (target, x) in out.iter_mut().zip(wide) {
                *target = (x * factor) as f32;
            }
        },
    );
}

#[inline(always)]
fn squared_norm(row: &[f32]) -> f64 {
    const LANES: usize = 32;
    let mut lanes = [0.0f64; LANES];
    let (chunks, rest) = row.as_chunks::<LANES>();
    for chunk in chunks {
        for (lane, &x) in lanes.iter_mut().zip(chunk) {
            let x = f64::from(x);
            *lane += x * x;
        }
    }
    let tail: f64 = rest.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
    lanes.iter().sum::<f64>() + tail
}
