//! Rows among which neighbours are looked for: their norms, an order in which close rows stand together, and exact
//! squared distances.
//!
//! Squared distances are canonical (`f64`, in the order of [`kantor_theory::dot`]) and symmetric to the bit: between
//! directions 2(1 − cos), between rows as given ‖x − y‖². Whatever is decided on them depends on no block size, thread
//! count or instruction set.
//!
//! Limit: 2d operations and the d numbers of one row per pair, the other row held: module [`search`](super::search)
//! rules out nearly all pairs before.

use std::ops::Range;

use kantor_theory::cost::Family;
use kantor_theory::{Element, Rows, dot};
use rayon::prelude::*;

use super::lift::Lift;

/// Rows of a block: two of them, in single precision, stay in the second-level cache up to d = 256 and stream beyond.
pub(crate) const BLOCK: usize = 512;

/// Rows widened at a time when pairs are evaluated one by one.
const GATHER: usize = 8;

/// Distinct rows of a table, by *position*: an order of their own.
pub(crate) struct SortedPoints<'a> {
    points: &'a dyn Rows,
    pub(crate) family: Family,
    /// Row at each position.
    pub(crate) rows: Vec<usize>,
    /// Where each position stands in the list that the caller gave.
    pub(crate) given: Vec<usize>,
    /// Euclidean norms by position.
    pub(crate) norms: Vec<f64>,
    /// Few pivots, for all pairs.
    pub(crate) lift: Lift,
    /// More of them, for pairs that few pivots leave undecided; in many dimensions only.
    pub(crate) fine: Option<Lift>,
    /// Error of a screened cosine.
    pub(crate) eta: f64,
}

impl<'a> SortedPoints<'a> {
    /// `rows` of `points`, compared as `family` says.
    pub(crate) fn new(points: &'a dyn Rows, rows: &[usize], family: Family) -> Self {
        Self::led(points, rows, 0, family)
    }

    /// The same, with the first `lead` of `rows` at the first positions.
    pub(crate) fn led(points: &'a dyn Rows, rows: &[usize], lead: usize, family: Family) -> Self {
        let dim = points.dim();
        let norm = |row: &mut Vec<f64>, &i: &usize| {
            points.read_row(i, row);
            dot::dot(row, row).sqrt()
        };
        let norms: Vec<f64> = rows.par_iter().map_init(|| vec![0.0; dim], norm).collect();
        let (lift, fine) = Lift::new(points, rows, &norms);
        let mut given = lift.order();
        given.sort_by_key(|&at| at >= lead);
        Self {
            points,
            family,
            rows: given.iter().map(|&at| rows[at]).collect(),
            norms: given.iter().map(|&at| norms[at]).collect(),
            lift: lift.reordered(&given),
            fine: fine.map(|fine| fine.reordered(&given)),
            given,
            eta: screen_error(dim),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(crate) fn dim(&self) -> usize {
        self.points.dim()
    }

    /// Positions of a block.
    pub(crate) fn block(&self, number: usize) -> Range<usize> {
        number * BLOCK..self.len().min((number + 1) * BLOCK)
    }

    pub(crate) fn blocks(&self) -> usize {
        self.len().div_ceil(BLOCK)
    }

    /// Unit rows at these positions, in single precision; a row of zeros stays one.
    pub(crate) fn pack(&self, positions: Range<usize>, out: &mut Vec<f32>) {
        let dim = self.dim();
        out.resize(positions.len() * dim, 0.0);
        let mut row = vec![0.0; dim];
        for (position, target) in positions.zip(out.chunks_exact_mut(dim)) {
            self.points.read_row(self.rows[position], &mut row);
            let norm = self.norms[position];
            let scale = if norm > 0.0 { 1.0 / norm } else { 0.0 };
            for (t, x) in target.iter_mut().zip(&row) {
                *t = (x * scale) as f32;
            }
        }
    }

    /// What the squared distance of a pair would be if its cosine were this.
    pub(crate) fn squared_of(&self, a: usize, b: usize, cosine: f64) -> f64 {
        match self.family {
            Family::Angle => 2.0 * (1.0 - cosine),
            _ => {
                let (x, y) = (self.norms[a], self.norms[b]);
                x * x + y * y - 2.0 * x * y * cosine
            }
        }
    }

    /// Evaluates the squared distances of the row at `a` to those at `others`, into `out`.
    pub(crate) fn squared(&self, scratch: &mut PairWorkspace, a: usize, others: &[u32], out: &mut Vec<f64>) {
        let dim = self.dim();
        let left = aligned(&mut scratch.left, dim);
        let rights = aligned(&mut scratch.right, GATHER * dim);
        self.points.read_row(self.rows[a], left);
        out.resize(others.len(), 0.0);
        for (others, out) in others.chunks(GATHER).zip(out.chunks_mut(GATHER)) {
            let right = &mut rights[..others.len() * dim];
            for (&b, target) in others.iter().zip(right.chunks_exact_mut(dim)) {
                self.points.read_row(self.rows[b as usize], target);
            }
            self.products(left, right, out);
            for (&b, value) in others.iter().zip(out) {
                *value = self.finish(a, b as usize, *value);
            }
        }
    }

    /// Evaluates all squared distances between two ranges of positions, into `out` (row-major).
    pub(crate) fn squared_block(
        &self,
        scratch: &mut PairWorkspace,
        a: Range<usize>,
        b: Range<usize>,
        out: &mut Vec<f64>,
    ) {
        let dim = self.dim();
        for (range, wide) in [(&a, &mut scratch.left), (&b, &mut scratch.right)] {
            wide.resize(range.len() * dim, 0.0);
            for (position, target) in range.clone().zip(wide.chunks_exact_mut(dim)) {
                self.points.read_row(self.rows[position], target);
            }
        }
        out.resize(a.len() * b.len(), 0.0);
        self.products(&scratch.left, &scratch.right, out);
        for (a, line) in a.zip(out.chunks_exact_mut(b.len())) {
            for (b, value) in b.clone().zip(line) {
                *value = self.finish(a, b, *value);
            }
        }
    }

    fn products(&self, left: &[f64], right: &[f64], out: &mut [f64]) {
        match self.family {
            Family::Angle if self.points.element() != Element::F64 => dot::dots_of_short(self.dim(), left, right, out),
            Family::Angle => dot::dots(self.dim(), left, right, out),
            _ => dot::squared_distances(self.dim(), left, right, out),
        }
    }

    fn finish(&self, a: usize, b: usize, value: f64) -> f64 {
        match self.family {
            Family::Angle => 2.0 * (1.0 - value / (self.norms[a] * self.norms[b])),
            _ => value,
        }
    }
}

/// Numbers that start on a line of the cache: no register is then filled from two.
fn aligned(space: &mut Vec<f64>, len: usize) -> &mut [f64] {
    const LINE: usize = 64;
    const SPARE: usize = LINE / size_of::<f64>();
    if space.len() < len + SPARE {
        space.resize(len + SPARE, 0.0);
    }
    let start = space.as_ptr().align_offset(LINE).min(SPARE);
    &mut space[start..start + len]
}

/// Widened rows of one thread.
#[derive(Default)]
pub(crate) struct PairWorkspace {
    left: Vec<f64>,
    right: Vec<f64>,
}

/// How far an f32 inner product of rounded unit rows may lie from the cosine, whatever the order of summation: d
/// roundings of the sum, one for each factor and spare ones for the `f64` steps, all relative to Σ|x̂ŷ| ≤ 1; and
/// products below the f32 range.
fn screen_error(dim: usize) -> f64 {
    let roundings = (dim + 6) as f64 * f64::from(f32::EPSILON) / 2.0;
    if roundings > 0.5 {
        2.0
    } else {
        roundings / (1.0 - roundings) * 1.001 + dim as f64 * f64::from(f32::MIN_POSITIVE)
    }
}
