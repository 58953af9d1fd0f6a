//! All pairs of rows within a radius, each looked at once.
//!
//! A pair of blocks goes through up to four sieves, and none of them loses a pair that lies within the radius:
//! 1. the boxes around the blocks' pivot coordinates are too far apart: nothing is read;
//! 2. the product of the lifted rows (32 dimensions instead of d; where that leaves many but not most, up to 128) bounds
//!    every cosine (module `lift`);
//! 3. where that leaves many pairs of a block, a product in d dimensions and single precision, with its proved error;
//!    where it leaves few, exact cosines of those pairs;
//! 4. what is left is handed on, with its screened cosine, for exact decisions.
//!
//! For rows as given (distances), v lies in the ball of radius R around u only if the angle between them is at most
//! arcsin(R/‖u‖), so cosines are compared with √(1 − R²/‖u‖²), one threshold per row.
//!
//! Limit: matrix products in single precision. Sieve 2 takes 2·32 operations per pair (2·128 where it is refined), sieve
//! 3 2·d for the blocks that pass; packing reads 2·d numbers per 512 pairs.

use std::ops::Range;

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use kantor_theory::cost::Family;
use rayon::prelude::*;

use super::cloud::{BLOCK, PairWorkspace, SortedPoints};
use super::lift::Lift;
use crate::simd;
use crate::watch::{Stopped, Watch};

/// Pairs left by the second sieve, as a part of all, from which the third is a matrix product.
const DENSE: usize = 24;

/// The same, from which more pivots are not tried: the rows are a crowd.
const CROWD: usize = 2;

/// Covers roundings in `f64`, of thresholds and of exact values, relative to squared distances.
const SLACK: f64 = 1e-9;

/// A pair of positions that may lie within the radius.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pair {
    pub(crate) a: u32,
    pub(crate) b: u32,
    /// Its cosine, within the cloud's `eta`.
    pub(crate) cosine: f32,
}

/// Why a sweep ended early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Halt {
    /// Its observer asked for it.
    Stopped,
    /// Its taker can hold no more.
    Full,
}

impl From<Stopped> for Halt {
    fn from(_: Stopped) -> Self {
        Halt::Stopped
    }
}

/// What was looked at, in pairs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Work {
    /// Pairs of rows in all.
    pub pairs: u64,
    /// Those whose pivot bound was evaluated.
    pub bounded: u64,
    /// Those that went through a product in all dimensions.
    pub multiplied: u64,
    /// Those handed on for exact decisions.
    pub left: u64,
}

impl Work {
    fn plus(self, other: Work) -> Work {
        Work {
            pairs: self.pairs + other.pairs,
            bounded: self.bounded + other.bounded,
            multiplied: self.multiplied + other.multiplied,
            left: self.left + other.left,
        }
    }
}

/// Where pairs go.
pub(crate) trait Taker: Sync {
    /// Takes pairs of rows of the same two blocks.
    ///
    /// # Errors
    /// If it can take no more pairs.
    fn take(&self, pairs: &[Pair]) -> Result<(), Halt>;

    /// A cosine below which a pair is of no use to the row at this position, though it may be to the other one. It may
    /// rise while the search goes on.
    fn least(&self, _position: usize) -> f32 {
        f32::NEG_INFINITY
    }
}

impl<F: Fn(&[Pair]) -> Result<(), Halt> + Sync> Taker for F {
    fn take(&self, pairs: &[Pair]) -> Result<(), Halt> {
        self(pairs)
    }
}

/// A radius around every row.
pub(crate) struct Search<'a, 'b> {
    cloud: &'b SortedPoints<'a>,
    /// The squared radius, with slack.
    within: f64,
    /// By position: cosines below this lie beyond the radius.
    least: Vec<f32>,
    /// The least of every block.
    least_of_block: Vec<f32>,
    boxes: Vec<Vec<(f32, f32)>>,
}

/// Buffers of one thread.
#[derive(Default)]
struct Buffers {
    products: Vec<f32>,
    left: Vec<f32>,
    right: Vec<f32>,
    pairs: Vec<Pair>,
    scratch: PairWorkspace,
    others: Vec<u32>,
    squared: Vec<f64>,
}

impl<'a, 'b> Search<'a, 'b> {
    /// Pairs at squared distance up to `squared_radius`, which may be infinite.
    pub(crate) fn new(cloud: &'b SortedPoints<'a>, squared_radius: f64) -> Self {
        let least: Vec<f32> = (0..cloud.len()).map(|at| least(cloud, at, squared_radius)).collect();
        let over_blocks = |number: usize| least[cloud.block(number)].iter().copied().fold(f32::INFINITY, f32::min);
        let least_of_block = (0..cloud.blocks()).map(over_blocks).collect();
        let boxes = (0..cloud.blocks()).into_par_iter().map(|number| cloud.lift.bounds(cloud.block(number))).collect();
        Self { cloud, within: squared_radius, least, least_of_block, boxes }
    }

    /// A screened cosine below which a row lies farther from the one at this position than that squared distance.
    pub(crate) fn least(&self, position: usize, squared: f64) -> f32 {
        least(self.cloud, position, squared)
    }

    /// Bounds of a pair's squared distance, as it would be evaluated, by its screened cosine.
    pub(crate) fn squared(&self, a: usize, b: usize, cosine: f32) -> (f64, f64) {
        let (squared, half) = (self.cloud.squared_of(a, b, f64::from(cosine)), self.half_width(a, b));
        (squared - half, squared + half)
    }

    /// Half of what lies between the two bounds of a pair.
    pub(crate) fn half_width(&self, a: usize, b: usize) -> f64 {
        let (cloud, error) = (self.cloud, self.cloud.eta + SLACK);
        match cloud.family {
            Family::Angle => 2.0 * error,
            _ => {
                let (x, y) = (cloud.norms[a], cloud.norms[b]);
                // Roundings of the squares of norms, which the cosine does not scale.
                2.0 * x * y * error + SLACK * (x * x + y * y)
            }
        }
    }

    /// Hands every pair that may lie within the radius, has a row in `scope` and may be of use to one of its rows to
    /// `taker`, once, in any order, from any thread. The pairs of one call lie in the same two blocks; `scope` starts at
    /// a block.
    ///
    /// Watches pairs of blocks.
    pub(crate) fn sweep(&self, scope: Range<usize>, watch: &dyn Watch, taker: &impl Taker) -> Result<Work, Halt> {
        let (cloud, blocks) = (self.cloud, self.cloud.blocks());
        let inside = scope.start / BLOCK..scope.end.div_ceil(BLOCK);
        let with = |a: usize| (0..blocks).filter(move |&b| b >= a || b < inside.start).map(move |b| (a, b));
        let tiles: Vec<(usize, usize)> = inside
            .clone()
            .flat_map(with)
            .filter(|&(a, b)| {
                let least = self.least_of_block[a].max(self.least_of_block[b]);
                cloud.lift.most_between(&self.boxes[a], &self.boxes[b]) >= f64::from(least) || a == b
            })
            .collect();
        let (n, m) = (scope.len() as u64, (cloud.len() - scope.len()) as u64);
        let all = Work { pairs: n * n.saturating_sub(1) / 2 + n * m, ..Work::default() };
        watch.begin("pairs of rows", tiles.len() as u64);
        tiles
            .par_iter()
            .with_max_len(8)
            .map_init(Buffers::default, |buffers, &(a, b)| {
                let work = self.tile(a, b, taker, buffers);
                if !buffers.pairs.is_empty() {
                    taker.take(&buffers.pairs)?;
                }
                watch.advance(1)?;
                Ok(work)
            })
            .try_reduce(Work::default, |x, y| Ok(x.plus(y)))
            .map(|work| work.plus(all))
    }

    /// Collects the pairs of two blocks.
    fn tile(&self, a: usize, b: usize, taker: &impl Taker, buffers: &mut Buffers) -> Work {
        let cloud = self.cloud;
        let (rows, columns) = (cloud.block(a), cloud.block(b));
        let all = rows.len() * columns.len();
        let (floor, least) =
            (self.least_of_block[b], columns.clone().map(|v| taker.least(v)).fold(f32::INFINITY, f32::min));
        // Below which a cosine tells that the pair lies beyond the radius, or is of no use to either row.
        let bar = |u: usize| self.least[u].max(floor).max(least.min(taker.least(u)));
        // The same for a product of lifted rows.
        let lifted = |u: usize, lift: &Lift| ((f64::from(bar(u)) - lift.error) as f32).next_down();
        let Buffers { products, left, right, pairs, scratch, others, squared } = buffers;
        pairs.clear();
        products.resize(all, 0.0);
        let mut bounded = |lift: &Lift| -> usize {
            multiply(lift.rows(rows.clone()), lift.rows(columns.clone()), lift.width, products);
            let lines = rows.clone().zip(products.chunks_exact(columns.len()));
            lines.map(|(u, line)| count(line, lifted(u, lift))).sum()
        };
        let mut lift = &cloud.lift;
        let mut undecided = if lift.width > 1 { bounded(lift) } else { all };
        if let Some(fine) = &cloud.fine
            && undecided * DENSE >= all
            && undecided * CROWD < all
        {
            lift = fine;
            undecided = bounded(lift);
        }
        // A row is within reach of itself, which is no pair.
        if undecided == 0 || (a == b && undecided == rows.len() && lift.width > 1) {
            return Work { bounded: all as u64, ..Work::default() };
        }
        let dense = undecided * DENSE >= all;
        if dense {
            cloud.pack(rows.clone(), left);
            cloud.pack(columns.clone(), right);
            multiply(left, right, cloud.dim(), products);
        }
        for (u, line) in rows.clone().zip(products.chunks_exact(columns.len())) {
            let bar = if dense { bar(u) } else { lifted(u, lift) };
            let first = pairs.len();
            let least = taker.least(u);
            collect(line, bar, |offset, cosine| {
                let v = columns.start + offset;
                let wanted = !dense || cosine >= least || cosine >= taker.least(v);
                if wanted && v != u && (a != b || v > u) {
                    pairs.push(Pair { a: u as u32, b: v as u32, cosine });
                }
            });
            if !dense && pairs.len() > first {
                others.clear();
                others.extend(pairs[first..].iter().map(|pair| pair.b));
                self.cosines(u, others, scratch, squared, &mut pairs[first..]);
            }
            if dense && cloud.family == Family::Angle {
                // These cosines were compared with one threshold for all rows already.
                continue;
            }
            let mut kept = first;
            for at in first..pairs.len() {
                let Pair { a, b, cosine } = pairs[at];
                if self.squared(a as usize, b as usize, cosine).0 <= self.within {
                    pairs[kept] = pairs[at];
                    kept += 1;
                }
            }
            pairs.truncate(kept);
        }
        let multiplied = if dense { all as u64 } else { 0 };
        Work { bounded: all as u64, multiplied, left: pairs.len() as u64, ..Work::default() }
    }

    /// Replaces the bounds of the pairs of one row by cosines.
    fn cosines(
        &self,
        u: usize,
        others: &[u32],
        scratch: &mut PairWorkspace,
        squared: &mut Vec<f64>,
        pairs: &mut [Pair],
    ) {
        let cloud = self.cloud;
        cloud.squared(scratch, u, others, squared);
        for (pair, &squared) in pairs.iter_mut().zip(&*squared) {
            let (x, y) = (cloud.norms[u], cloud.norms[pair.b as usize]);
            let cosine = match cloud.family {
                Family::Angle => 1.0 - squared / 2.0,
                // The cosine of screened rows of zeros is 0. Cancellation is relative to the larger norm, so the
                // better of two formulas is taken.
                _ if x * y == 0.0 => 0.0,
                _ => 0.5 * (x / y + y / x - squared / (x * y)),
            };
            pair.cosine = cosine as f32;
        }
    }
}

/// A screened cosine below which a row lies farther from the one at this position than that squared distance.
fn least(cloud: &SortedPoints<'_>, position: usize, squared: f64) -> f32 {
    let norm = cloud.norms[position];
    let cosine = match cloud.family {
        Family::Angle => 1.0 - squared / 2.0,
        // Not within reach of the origin: the sine of the widest angle is R/‖u‖.
        _ if norm * norm > squared => (1.0 - squared / (norm * norm) - SLACK).max(0.0).sqrt(),
        _ => f64::NEG_INFINITY,
    };
    ((cosine - cloud.eta - SLACK) as f32).next_down()
}

/// `out` = left · rightᵀ on the calling thread.
fn multiply(left: &[f32], right: &[f32], dim: usize, out: &mut [f32]) {
    let (n, m) = (left.len() / dim, right.len() / dim);
    matmul(
        MatMut::from_row_major_slice_mut(out, n, m),
        Accum::Replace,
        MatRef::from_row_major_slice(left, n, dim),
        MatRef::from_row_major_slice(right, m, dim).transpose(),
        1.0f32,
        Par::Seq,
    );
}

/// How many values are at least `bar`.
fn count(line: &[f32], bar: f32) -> usize {
    simd::wide(
        #[inline(always)]
        || line.iter().fold(0u32, |count, &value| count + u32::from(value >= bar)) as usize,
    )
}

/// Offers every value that is at least `bar`, with its place.
fn collect(line: &[f32], bar: f32, mut offer: impl FnMut(usize, f32)) {
    const WIDTH: usize = 16;
    simd::wide(
        #[inline(always)]
        || {
            for (first, chunk) in (0..).step_by(WIDTH).zip(line.chunks(WIDTH)) {
                if chunk.iter().fold(false, |any, &value| any | (value >= bar)) {
                    for (offset, &value) in chunk.iter().enumerate() {
                        if value >= bar {
                            offer(first + offset, value);
                        }
                    }
                }
            }
        },
    );
}
