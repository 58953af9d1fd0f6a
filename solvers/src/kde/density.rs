//! Densities of rows among themselves under a kernel that vanishes beyond σ.
//!
//! ρ_u = Σ_v (1 − ‖u − v‖²/σ²)₊ over the `cap` nearest rows v, u itself included; for costs on directions the rows
//! are unit vectors, ‖u − v‖² = 2(1 − cos). Only pairs nearer than σ count, so a blocked f32 product screens all
//! pairs with its proved error and the few that may count are evaluated in `f64` in the canonical order: densities
//! depend on no block size, thread count or instruction set, and equal rows have equal densities.
//!
//! Limit: P²·d multiply-adds of f32 matrix product, which take about six sevenths of the time at d = 512; the rest is
//! mostly packing. Every pair is multiplied twice, once for each of its rows, so that a block needs nobody else's
//! lists: memory is O(block) per thread.

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use kantor_theory::cost::Family;
use kantor_theory::{Rows, dot};
use rayon::prelude::*;

use crate::simd;
use crate::watch::{Stopped, Watch};

/// Rows whose neighbourhoods are collected together.
const BLOCK: usize = 1024;

/// Rows that they are compared with at a time.
const PANEL: usize = 512;

/// Rows widened at a time when pairs are evaluated in `f64`.
const GATHER: usize = 16;

/// The kernel (1 − ‖u − v‖²/σ²)₊.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Kernel {
    /// Whether distances are between rows as given or between their directions.
    pub family: Family,
    /// Radius of its support; positive.
    pub sigma: f64,
}

impl Kernel {
    fn value(self, squared_distance: f64) -> f64 {
        (1.0 - squared_distance.max(0.0) / (self.sigma * self.sigma)).max(0.0)
    }

    /// Squared distance from the inner product of the unit rows and the norms of the rows.
    fn squared_distance(self, cosine: f64, norm_u: f64, norm_v: f64) -> f64 {
        match self.family {
            Family::Angle => 2.0 * (1.0 - cosine),
            _ => norm_u * norm_u + norm_v * norm_v - 2.0 * norm_u * norm_v * cosine,
        }
    }
}

/// A row that may lie within the support, and what is known of its squared distance.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    lower: f64,
    upper: f64,
    position: usize,
}

struct Cloud<'a> {
    points: &'a dyn Rows,
    rows: &'a [usize],
    norms: Vec<f64>,
    kernel: Kernel,
    cap: usize,
    /// Error of a screened cosine.
    eta: f64,
}

/// The density of each of `rows` (P distinct rows of `points`) among all of them, counting the `cap` nearest.
///
/// # Errors
/// If the observer asks to stop.
pub fn densities(
    points: &dyn Rows,
    rows: &[usize],
    kernel: Kernel,
    cap: usize,
    watch: &dyn Watch,
) -> Result<Vec<f64>, Stopped> {
    let dim = points.dim();
    let norms = rows
        .par_iter()
        .map_init(
            || vec![0.0; dim],
            |row, &i| {
                points.read_row(i, row);
                dot::dot(row, row).sqrt()
            },
        )
        .collect();
    let cloud = Cloud { points, rows, norms, kernel, cap, eta: screen_error(dim) };
    watch.begin("densities", rows.len() as u64);
    let starts: Vec<usize> = (0..rows.len()).step_by(BLOCK).collect();
    let blocks: Result<Vec<Vec<f64>>, Stopped> = starts
        .par_iter()
        .map(|&start| {
            let end = (start + BLOCK).min(rows.len());
            let block = cloud.block(start..end);
            watch.advance((end - start) as u64)?;
            Ok(block)
        })
        .collect();
    Ok(blocks?.concat())
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

impl Cloud<'_> {
    fn block(&self, range: std::ops::Range<usize>) -> Vec<f64> {
        let dim = self.points.dim();
        let mut left = vec![0.0f32; range.len() * dim];
        let mut right = vec![0.0f32; PANEL.min(self.rows.len()) * dim];
        let mut cosines = vec![0.0f32; range.len() * PANEL];
        let mut near: Vec<Vec<Candidate>> = vec![Vec::new(); range.len()];
        self.pack(range.start, &mut left);
        for start in (0..self.rows.len()).step_by(PANEL) {
            let width = PANEL.min(self.rows.len() - start);
            let right = &mut right[..width * dim];
            let cosines = &mut cosines[..range.len() * width];
            self.pack(start, right);
            matmul(
                MatMut::from_row_major_slice_mut(cosines, range.len(), width),
                Accum::Replace,
                MatRef::from_row_major_slice(&left, range.len(), dim),
                MatRef::from_row_major_slice(right, width, dim).transpose(),
                1.0f32,
                Par::Seq,
            );
            for ((u, list), line) in range.clone().zip(&mut near).zip(cosines.chunks_exact(width)) {
                self.collect(u, start, line, list);
                if list.len() > 2 * self.cap + PANEL {
                    self.prune(u, list);
                }
            }
        }
        range.zip(near).map(|(u, list)| self.density(u, list)).collect()
    }

    /// Unit rows from position `first` on, in f32.
    fn pack(&self, first: usize, out: &mut [f32]) {
        let dim = self.points.dim();
        let mut row = vec![0.0; dim];
        for (offset, target) in out.chunks_exact_mut(dim).enumerate() {
            self.points.read_row(self.rows[first + offset], &mut row);
            let norm = self.norms[first + offset];
            let scale = if norm > 0.0 { 1.0 / norm } else { 0.0 };
            for (t, x) in target.iter_mut().zip(&row) {
                *t = (x * scale) as f32;
            }
        }
    }

    /// Offers the rows of a panel that starts at `start` to row `u`.
    fn collect(&self, u: usize, start: usize, line: &[f32], list: &mut Vec<Candidate>) {
        const WIDTH: usize = 16;
        let least = self.least_cosine();
        simd::wide(
            #[inline(always)]
            || {
                for (first, chunk) in (start..).step_by(WIDTH).zip(line.chunks(WIDTH)) {
                    if chunk.iter().fold(false, |any, &cosine| any | (cosine >= least)) {
                        self.offer(u, first, chunk, list);
                    }
                }
            },
        );
    }

    /// Screened cosines below this are out of the support; −∞ where that depends on the norms.
    fn least_cosine(&self) -> f32 {
        match self.kernel.family {
            // The slack is far above the roundings of `f64` here and in `offer`.
            Family::Angle => ((1.0 - self.kernel.sigma * self.kernel.sigma / 2.0 - self.eta - 1e-9) as f32).next_down(),
            _ => f32::NEG_INFINITY,
        }
    }

    #[inline(never)]
    fn offer(&self, u: usize, start: usize, cosines: &[f32], list: &mut Vec<Candidate>) {
        let support = self.kernel.sigma * self.kernel.sigma;
        for (position, &cosine) in (start..).zip(cosines) {
            let bound = |c| self.kernel.squared_distance(c, self.norms[u], self.norms[position]);
            // Rounding of the few f64 steps is covered by the slack in `eta` relative to the norms.
            let lower = bound(f64::from(cosine) + self.eta);
            if lower < support {
                list.push(Candidate { lower, upper: bound(f64::from(cosine) - self.eta), position });
            }
        }
    }

    /// Drops candidates that cannot be among the `cap` nearest; evaluates them where the screen cannot tell.
    fn prune(&self, u: usize, list: &mut Vec<Candidate>) {
        if list.len() <= self.cap {
            return;
        }
        let mut uppers: Vec<f64> = list.iter().map(|c| c.upper).collect();
        let bar = *uppers.select_nth_unstable_by(self.cap - 1, f64::total_cmp).1;
        list.retain(|candidate| candidate.lower <= bar);
        if list.len() > 2 * self.cap {
            self.evaluate(u, list);
            list.select_nth_unstable_by(self.cap - 1, |a, b| a.lower.total_cmp(&b.lower));
            list.truncate(self.cap);
        }
    }

    /// Replaces the bounds by the exact value.
    fn evaluate(&self, u: usize, list: &mut [Candidate]) {
        let dim = self.points.dim();
        let mut row = vec![0.0; dim];
        let mut gathered = vec![0.0; GATHER * dim];
        let mut values = [0.0; GATHER];
        self.points.read_row(self.rows[u], &mut row);
        let mut open: Vec<&mut Candidate> = list.iter_mut().filter(|c| c.lower < c.upper).collect();
        for group in open.chunks_mut(GATHER) {
            let gathered = &mut gathered[..group.len() * dim];
            let values = &mut values[..group.len()];
            for (candidate, target) in group.iter().zip(gathered.chunks_exact_mut(dim)) {
                self.points.read_row(self.rows[candidate.position], target);
            }
            match self.kernel.family {
                Family::Angle => dot::dots(dim, &row, gathered, values),
                _ => dot::squared_distances(dim, &row, gathered, values),
            }
            for (candidate, &value) in group.iter_mut().zip(&*values) {
                let exact = match self.kernel.family {
                    Family::Angle => 2.0 * (1.0 - value / (self.norms[u] * self.norms[candidate.position])),
                    _ => value,
                };
                (candidate.lower, candidate.upper) = (exact, exact);
            }
        }
    }

    fn density(&self, u: usize, mut list: Vec<Candidate>) -> f64 {
        self.prune(u, &mut list);
        self.evaluate(u, &mut list);
        // Farthest first: small terms first, and an order that depends on the values alone.
        list.sort_by(|a, b| b.lower.total_cmp(&a.lower));
        let counted = list.len().saturating_sub(self.cap);
        let sum: f64 = list[counted..].iter().map(|c| self.kernel.value(c.lower)).sum();
        // The row itself counts 1, also where σ is so small that the rounding of its own cosine leaves the support.
        sum.max(1.0)
    }
}
