//! Kernel values between pool rows, and sums of them: always `f64` in the canonical order of `kantor_theory::dot`.
//!
//! Limit: one inner product of length d per pair, 2d operations, from rows of 128 columns that stay in cache; a pool
//! row is read and widened once per call, so calls with fewer than some ten columns are bound by memory instead. A pass of
//! 128 columns reads 2d bytes a row (`f16`) for 256·d operations. How fast that is in use: see [`greedy`](super::greedy).

use std::ops::Range;

use kantor_theory::cost::Family;
use kantor_theory::rounding::{TINY, UNIT};
use kantor_theory::{DenseRows, Geometry, Kernel, KernelName, dot};
use rayon::prelude::*;

use super::greedy::nan_as_infinity;
use crate::simd;
use crate::task::{SelectError, Task};
use crate::transport::sinkhorn::exp::exp;
use crate::watch::{Stopped, Watch};
use crate::weights::QueryWeights;

/// Rows of a task: a multiple of every tile's rows.
const ROWS: usize = 96;

/// Values of which the mean over bandwidths is taken together.
const FEW: usize = 64;

/// Columns held in cache together.
const COLUMNS: usize = 128;

/// Pool and queries as points under a kernel.
#[derive(Clone, Copy)]
pub(super) struct KernelPoints<'a> {
    pub(super) geometry: &'a Geometry<'a>,
    /// Of the queries.
    weights: Option<&'a [f64]>,
    /// What every row is worth by itself.
    pub(super) quality: Option<&'a [f64]>,
    pub(super) kernel: Kernel,
    family: Family,
    dim: usize,
    /// Asked between blocks of rows, as a pass over the pool may take long.
    pub(super) watch: &'a dyn Watch,
}

/// # Errors
/// If there are no points, or the kernel makes no distance between them.
pub(crate) fn comparable(geometry: &Geometry<'_>, kernel: KernelName, method: &'static str) -> Result<(), SelectError> {
    let fault = match kernel {
        _ if geometry.points().is_none() => {
            "needs the rows of pool and queries, not only similarities: give `pool` and `query`"
        }
        KernelName::Compact => "needs a positive definite kernel, which `compact` is not",
        KernelName::Cosine if geometry.cost().family() != Family::Angle => {
            "under the cosine kernel needs unit rows: give a cost of directions, such as `cost` cosine"
        }
        _ => return Ok(()),
    };
    Err(SelectError::Unsupported { method, fault })
}

impl<'a> KernelPoints<'a> {
    /// # Errors
    /// As [`comparable`].
    pub(super) fn new(task: &Task<'a>, kernel: Kernel, method: &'static str) -> Result<Self, SelectError> {
        let Task { geometry, weights, quality, watch, .. } = *task;
        comparable(geometry, kernel.name(), method)?;
        let dim = geometry.points().map_or(0, |points| points.dim());
        Ok(Self { geometry, weights, quality, kernel, family: geometry.cost().family(), dim, watch })
    }

    /// What a kernel value may err by because of what its squared distance errs by absolutely: cosines near one, squares
    /// that underflow. Relative errors are those of any sum.
    pub(super) fn resolution(&self) -> f64 {
        let squared = match self.family {
            Family::Angle => (4.0 * dot::depth(self.dim) as f64 + 40.0) * UNIT,
            Family::Distance | Family::Given => (self.dim as f64 + 4.0) * TINY,
        };
        // The narrowest is the steepest.
        let sigma = self.kernel.bandwidths().first().copied().unwrap_or(1.0);
        match self.kernel.name() {
            KernelName::Energy => squared.sqrt(),
            KernelName::Laplace => (squared.sqrt() / sigma).min(1.0),
            KernelName::Gaussian | KernelName::InverseMultiquadric => (0.5 * squared / (sigma * sigma)).min(1.0),
            KernelName::Cosine | KernelName::Compact => squared,
        }
    }

    /// What changes of this squared distance are compared with: less what rows are worth by themselves, it may be negative.
    pub(super) fn size(&self, value: f64) -> f64 {
        if self.quality.is_some() { value.abs() } else { value }
    }

    /// Adds Σ_l weights[l]·k(x_i, z_l) to `sums[i]` for the pool rows `rows`; the z_l are the columns of `sources`.
    ///
    /// # Errors
    /// If the observer asks to stop.
    pub(super) fn add(
        &self,
        rows: &[usize],
        sources: &Geometry<'_>,
        weights: &[f64],
        sums: &mut [f64],
    ) -> Result<(), Stopped> {
        let finish = |block: &[f64], first: usize, count: usize, sums: &mut [f64]| {
            let mut parts = [0.0; ROWS];
            let parts = &mut parts[..sums.len()];
            dot::dots(count, block, &weights[first..first + count], parts);
            sums.iter_mut().zip(parts).for_each(|(sum, part)| *sum += *part);
        };
        let scratch = || Scratch::new(self.dim);
        sums.par_chunks_mut(ROWS).zip(rows.par_chunks(ROWS)).try_for_each_init(scratch, |scratch, (sums, rows)| {
            self.blocks(rows, sources, scratch, |block, first, count| finish(block, first, count, sums))
        })
    }

    /// The (weighted) mean of k between each of `rows` and the queries.
    ///
    /// # Errors
    /// If the observer asks to stop.
    pub(super) fn query_means(&self, rows: &[usize]) -> Result<Vec<f64>, Stopped> {
        let weights = QueryWeights::of(self.weights, self.geometry.query_len());
        let mut means = vec![0.0; rows.len()];
        self.add(rows, self.geometry, &weights.of, &mut means)?;
        means.iter_mut().for_each(|mean| *mean /= weights.total);
        Ok(means)
    }

    /// The squared distance of every pool row from some queries, row-major; NaN is +∞.
    ///
    /// # Errors
    /// If the observer asks to stop.
    pub(super) fn squares(&self, queries: Range<usize>) -> Result<Vec<f64>, Stopped> {
        let (n, width) = (self.geometry.pool_len(), queries.len());
        let mut squares = vec![f64::INFINITY; n * width];
        let Some(points) = self.geometry.points() else { return Ok(squares) };
        let scratch = || Scratch::new(self.dim);
        squares.par_chunks_mut(ROWS * width).enumerate().try_for_each_init(scratch, |scratch, (task, block)| {
            self.watch.advance(0)?;
            let count = block.len() / width;
            let (x, norms) = (&mut scratch.rows[..count * self.dim], &mut scratch.norms[..count]);
            for (at, x) in x.chunks_exact_mut(self.dim).enumerate() {
                points.read_row(task * ROWS + at, x);
            }
            self.geometry.row_norms(x, norms);
            self.geometry.closeness_of_rows(x, norms, queries.clone(), block);
            block.iter_mut().for_each(|s| *s = nan_as_infinity(self.family.squared_distance(*s)));
            Ok(())
        })?;
        Ok(squares)
    }

    /// The (weighted) mean of k over all pairs of queries.
    ///
    /// # Errors
    /// If the observer asks to stop.
    pub(super) fn among_queries(&self) -> Result<f64, SelectError> {
        let Some((queries, norms)) = self.geometry.queries() else { return Ok(0.0) };
        let m = norms.len();
        let Some(rows) = DenseRows::from_f64(self.dim, queries.to_vec()) else { return Ok(0.0) };
        let around = Geometry::new(&rows, &rows, self.geometry.cost())?;
        let means = KernelPoints { geometry: &around, ..*self }.query_means(&(0..m).collect::<Vec<_>>())?;
        let weights = QueryWeights::of(self.weights, m);
        Ok(means.iter().zip(&weights.of).map(|(mean, weight)| mean * weight).sum::<f64>() / weights.total)
    }

    /// k between all pairs of `rows`, row-major.
    ///
    /// # Errors
    /// If one of the rows is bad or the observer asks to stop.
    pub(super) fn gram(&self, rows: &[usize]) -> Result<Vec<f64>, SelectError> {
        let n = rows.len();
        if n == 0 {
            return Ok(Vec::new());
        }
        let sources = self.geometry.to_rows(rows)?;
        let mut gram = vec![0.0; n * n];
        let scratch = || Scratch::new(self.dim);
        gram.par_chunks_mut(ROWS * n).zip(rows.par_chunks(ROWS)).try_for_each_init(
            scratch,
            |scratch, (gram, rows)| {
                self.blocks(rows, &sources, scratch, |block, first, count| {
                    for (line, block) in gram.chunks_exact_mut(n).zip(block.chunks_exact(count)) {
                        line[first..first + count].copy_from_slice(block);
                    }
                })
            },
        )?;
        Ok(gram)
    }

    /// Calls `each` with the kernel values of all rows and some columns: the block, its first column, their number.
    ///
    /// # Errors
    /// If the observer asks to stop.
    fn blocks(
        &self,
        rows: &[usize],
        sources: &Geometry<'_>,
        scratch: &mut Scratch,
        mut each: impl FnMut(&[f64], usize, usize),
    ) -> Result<(), Stopped> {
        let Some(points) = self.geometry.points() else { return Ok(()) };
        let Scratch { rows: x, norms, block } = scratch;
        let (x, norms) = (&mut x[..rows.len() * self.dim], &mut norms[..rows.len()]);
        for (&row, x) in rows.iter().zip(x.chunks_exact_mut(self.dim)) {
            points.read_row(row, x);
        }
        sources.row_norms(x, norms);
        let columns = sources.query_len();
        for first in (0..columns).step_by(COLUMNS) {
            self.watch.advance(0)?;
            let count = COLUMNS.min(columns - first);
            let block = &mut block[..rows.len() * count];
            sources.closeness_of_rows(x, norms, first..first + count, block);
            self.values(block);
            each(block, first, count);
        }
        Ok(())
    }

    /// Turns closeness into values of the kernel.
    fn values(&self, block: &mut [f64]) {
        let (kernel, family) = (self.kernel, self.family);
        let distance = |s| family.squared_distance(s);
        let square = |sigma: f64| 1.0 / (sigma * sigma);
        match kernel.name() {
            KernelName::Gaussian => mean(kernel, block, distance, |s, sigma| exp(-0.5 * square(sigma) * s)),
            KernelName::Laplace => mean(kernel, block, distance, |s, sigma| exp(-(1.0 / sigma) * s.sqrt())),
            KernelName::InverseMultiquadric => {
                mean(kernel, block, distance, |s, sigma| 1.0 / (1.0 + square(sigma) * s).sqrt())
            }
            KernelName::Energy => each(block, |s| -distance(s).sqrt()),
            KernelName::Cosine | KernelName::Compact => each(block, |s| kernel.value(distance(s))),
        }
    }
}

#[inline(always)]
fn each(block: &mut [f64], of: impl Fn(f64) -> f64 + Copy) {
    simd::wide(
        #[inline(always)]
        || block.iter_mut().for_each(|s| *s = of(*s)),
    );
}

/// The mean over the bandwidths of a kernel, some of them at a time.
#[inline(always)]
fn mean(kernel: Kernel, block: &mut [f64], distance: impl Fn(f64) -> f64 + Copy, of: impl Fn(f64, f64) -> f64 + Copy) {
    let sigmas = kernel.bandwidths();
    if let [sigma] = *sigmas {
        return each(block, |s| of(distance(s), sigma));
    }
    let count = sigmas.len() as f64;
    for part in block.chunks_mut(FEW) {
        let mut sums = [0.0; FEW];
        for &sigma in sigmas {
            let mut values = [0.0; FEW];
            let values = &mut values[..part.len()];
            values.copy_from_slice(part);
            each(values, |s| of(distance(s), sigma));
            sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += *value);
        }
        part.iter_mut().zip(sums).for_each(|(s, sum)| *s = sum / count);
    }
}

/// Buffers of one thread.
struct Scratch {
    rows: Vec<f64>,
    norms: Vec<f64>,
    block: Vec<f64>,
}

impl Scratch {
    fn new(dim: usize) -> Self {
        Self { rows: vec![0.0; ROWS * dim], norms: vec![0.0; ROWS], block: vec![0.0; ROWS * COLUMNS] }
    }
}
