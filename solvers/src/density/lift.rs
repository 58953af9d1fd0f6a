//! Pivots: a few numbers per row from which no cosine can be far, and the order of rows that they suggest.
//!
//! # The bound
//! Let Q be d×r with orthonormal columns, û a unit row, s = Qᵀû and h = √(1 − ‖s‖²) the length of what Q misses.
//! Cauchy–Schwarz on what is missed gives cos(u, v) ≤ ⟨s_u, s_v⟩ + h_u·h_v: the cosine of the unit vectors (s, h) of
//! r + 1 dimensions. With r = 1 this is the triangle inequality for angles, cos(u, v) ≤ cos(θ_u − θ_v), with one pivot;
//! with r columns it is that inequality inside the space of r pivots. It never excludes a pair that is close.
//!
//! # In floating point
//! B (`f64`) stands for Q. If ‖BᵀB − I‖_F ≤ e, its singular values are within e of 1, so its polar factor is a Q with
//! ‖B − Q‖ ≤ e. Let p be Bᵀû as computed (in `f64`, rounded to `f32`). Then ‖p − s‖ ≤ δ with
//!
//! δ = e + 2√r·γ_{d+8}(2⁻⁵³)·(1 + e) + 2⁻²⁴(1 + e) + underflow:
//!
//! the basis, products and normalisation, the conversion. The last coordinate is rounded up from
//! √(1 − max(0, ‖p‖ − δ)²), so it is at least h. Hence the single-precision product of two lifted rows plus
//! δ(2 + δ) + 1.02·(r + 1)·2⁻²⁴ + underflow is at least the cosine ([`Lift::error`]). The same δ bounds chords from
//! below, ‖û − v̂‖ ≥ ‖p_u − p_v‖ − 2δ, which is what blocks of rows are excluded by (the box around their p).
//!
//! B spans the leading directions of a sample of the rows, by three steps of subspace iteration. That choice decides
//! only how much is excluded. Limit: 2Pdr operations, one read of the rows.

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use kantor_theory::Rows;
use rayon::prelude::*;

use super::cloud::BLOCK;

/// Pivots of the coarse and of the fine bound. With the last coordinate, whole registers.
const COARSE: usize = 31;
const FINE: usize = 127;

/// Rows from which the pivots are made, and the numbers that they may take.
const SAMPLE: usize = 2048;
const SAMPLE_NUMBERS: usize = 1 << 23;

/// Rows projected together.
const CHUNK: usize = 256;

/// Lifted rows by position.
pub(crate) struct Lift {
    /// r + 1.
    pub(crate) width: usize,
    /// len×width: p, then the last coordinate.
    coordinates: Vec<f32>,
    /// What a product of two lifted rows must be raised by to be at least the cosine.
    pub(crate) error: f64,
    delta: f64,
}

impl Lift {
    /// Lifts `rows` of `points`, whose norms are given: coarsely, and finely if that takes many more pivots.
    pub(crate) fn new(points: &dyn Rows, rows: &[usize], norms: &[f64]) -> (Self, Option<Self>) {
        let basis = basis(points, rows, norms);
        let coarse = &basis[..basis.len().min(COARSE * points.dim())];
        let fine = (basis.len() > 2 * coarse.len()).then(|| Self::onto(points, rows, norms, &basis));
        (Self::onto(points, rows, norms, coarse), fine)
    }

    /// Lifts by these pivots.
    fn onto(points: &dyn Rows, rows: &[usize], norms: &[f64], basis: &[f64]) -> Self {
        let dim = points.dim();
        let pivots = basis.len() / dim;
        let excess = departure(dim, basis);
        let u = f64::EPSILON / 2.0;
        let delta = excess
            + (1.0 + excess) * ((pivots as f64).sqrt() * (dim + 8) as f64 * u * 2.0 + f64::from(f32::EPSILON) / 2.0)
            + 1e-30;
        // A basis that is far from orthonormal proves nothing: without it the bound is 1 for every pair.
        let (basis, pivots, delta) = if delta < 1e-3 { (basis, pivots, delta) } else { (&[][..], 0, 0.0) };
        let width = pivots + 1;
        let roundings = width as f64 * f64::from(f32::EPSILON) / 2.0;
        let error = delta * (2.0 + delta) + 1.02 * roundings + 1e-30;
        let mut coordinates = vec![1.0f32; rows.len() * width];
        if pivots > 0 {
            coordinates
                .par_chunks_mut(CHUNK * width)
                .zip(rows.par_chunks(CHUNK))
                .zip(norms.par_chunks(CHUNK))
                .for_each(|((out, rows), norms)| {
                    let unit = unit_rows(points, rows, norms);
                    let mut products = vec![0.0; rows.len() * pivots];
                    matmul(
                        MatMut::from_row_major_slice_mut(&mut products, rows.len(), pivots),
                        Accum::Replace,
                        MatRef::from_row_major_slice(&unit, rows.len(), dim),
                        MatRef::from_row_major_slice(basis, pivots, dim).transpose(),
                        1.0f64,
                        Par::Seq,
                    );
                    for (p, out) in products.chunks_exact(pivots).zip(out.chunks_exact_mut(width)) {
                        for (out, p) in out.iter_mut().zip(p) {
                            *out = *p as f32;
                        }
                        out[pivots] = missed(&out[..pivots], delta);
                    }
                });
        }
        Self { width, coordinates, error, delta }
    }

    /// Lifted rows of a range of positions.
    pub(crate) fn rows(&self, positions: std::ops::Range<usize>) -> &[f32] {
        &self.coordinates[positions.start * self.width..positions.end * self.width]
    }

    /// The same rows in this order.
    pub(crate) fn reordered(self, order: &[usize]) -> Self {
        let coordinates = order.iter().flat_map(|&at| self.row(at)).copied().collect();
        Self { coordinates, ..self }
    }

    fn row(&self, at: usize) -> &[f32] {
        &self.coordinates[at * self.width..(at + 1) * self.width]
    }

    /// An order in which close rows stand together: halves by the widest coordinate, down to half a block.
    pub(crate) fn order(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.coordinates.len() / self.width).collect();
        self.split(&mut order);
        order
    }

    fn split(&self, rows: &mut [usize]) {
        let pivots = self.width - 1;
        if rows.len() <= BLOCK / 2 || pivots == 0 {
            return;
        }
        let (mut sums, mut squares) = (vec![0.0f64; pivots], vec![0.0f64; pivots]);
        for &row in &*rows {
            for ((sum, square), &p) in sums.iter_mut().zip(&mut squares).zip(self.row(row)) {
                *sum += f64::from(p);
                *square += f64::from(p) * f64::from(p);
            }
        }
        let count = rows.len() as f64;
        let variance = |t: usize| squares[t] / count - (sums[t] / count).powi(2);
        let widest = (0..pivots).max_by(|&s, &t| variance(s).total_cmp(&variance(t)).then(t.cmp(&s))).unwrap_or(0);
        let mean = (sums[widest] / count) as f32;
        let value = |row: usize| self.row(row)[widest];
        let mut middle = rows.iter().filter(|&&row| value(row) < mean).count();
        // At the mean, where groups part; but at the median if that would leave little on one side.
        if middle.min(rows.len() - middle) < rows.len() / 8 {
            middle = rows.len() / 2;
        }
        rows.select_nth_unstable_by(middle, |&a, &b| value(a).total_cmp(&value(b)).then(a.cmp(&b)));
        let (low, high) = rows.split_at_mut(middle);
        rayon::join(|| self.split(low), || self.split(high));
    }

    /// The least and the greatest of every pivot coordinate in a range of positions.
    pub(crate) fn bounds(&self, positions: std::ops::Range<usize>) -> Vec<(f32, f32)> {
        let mut bounds = vec![(f32::INFINITY, f32::NEG_INFINITY); self.width - 1];
        for row in self.rows(positions).chunks_exact(self.width) {
            for (bound, &p) in bounds.iter_mut().zip(row) {
                *bound = (bound.0.min(p), bound.1.max(p));
            }
        }
        bounds
    }

    /// A number at least the cosine of any row in one box with any row in the other.
    pub(crate) fn most_between(&self, a: &[(f32, f32)], b: &[(f32, f32)]) -> f64 {
        let gap = |(a, b): (&(f32, f32), &(f32, f32))| {
            let gap = (f64::from(a.0) - f64::from(b.1)).max(f64::from(b.0) - f64::from(a.1)).max(0.0);
            gap * gap
        };
        let squared: f64 = a.iter().zip(b).map(gap).sum();
        // Roundings of this sum are far below the spare part in a thousand million.
        let chord = (squared.sqrt() * (1.0 - 1e-9) - 2.0 * self.delta).max(0.0);
        1.0 - chord * chord / 2.0 + 1e-15
    }
}

/// A number in `f32` at least √(1 − ‖s‖²) for every s within `delta` of p.
fn missed(p: &[f32], delta: f64) -> f32 {
    let squared: f64 = p.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
    let least = (squared.sqrt() * (1.0 - 1e-14) - delta).max(0.0);
    // Two steps up: one for the conversion, one for the roundings of `f64`.
    ((1.0 - least * least).max(0.0).sqrt() as f32).next_up().next_up()
}

/// Unit rows in `f64`; a row of zeros stays one.
fn unit_rows(points: &dyn Rows, rows: &[usize], norms: &[f64]) -> Vec<f64> {
    let dim = points.dim();
    let mut out = vec![0.0; rows.len() * dim];
    for ((&row, &norm), target) in rows.iter().zip(norms).zip(out.chunks_exact_mut(dim)) {
        points.read_row(row, target);
        let scale = if norm > 0.0 { 1.0 / norm } else { 0.0 };
        target.iter_mut().for_each(|x| *x *= scale);
    }
    out
}

/// Nearly orthonormal rows (r×d) near the leading directions of a sample.
fn basis(points: &dyn Rows, rows: &[usize], norms: &[f64]) -> Vec<f64> {
    const STEPS: usize = 3;
    let dim = points.dim();
    let count = rows.len().min(SAMPLE).min((SAMPLE_NUMBERS / dim).max(FINE));
    let pivots = FINE.min(dim / 4).max(COARSE.min(dim / 2)).min(count);
    if pivots == 0 {
        return Vec::new();
    }
    let chosen: Vec<usize> = (0..count).map(|i| i * rows.len() / count).collect();
    let sample_rows: Vec<usize> = chosen.iter().map(|&at| rows[at]).collect();
    let sample_norms: Vec<f64> = chosen.iter().map(|&at| norms[at]).collect();
    let sample = unit_rows(points, &sample_rows, &sample_norms);
    let mut basis: Vec<f64> = (0..pivots).flat_map(|t| &sample[t * count / pivots * dim..][..dim]).copied().collect();
    orthonormalise(dim, &mut basis);
    for _ in 0..STEPS {
        let pivots = basis.len() / dim;
        let mut weights = vec![0.0; count * pivots];
        let sample = MatRef::from_row_major_slice(&sample, count, dim);
        matmul(
            MatMut::from_row_major_slice_mut(&mut weights, count, pivots),
            Accum::Replace,
            sample,
            MatRef::from_row_major_slice(&basis, pivots, dim).transpose(),
            1.0f64,
            Par::rayon(0),
        );
        matmul(
            MatMut::from_row_major_slice_mut(&mut basis, pivots, dim),
            Accum::Replace,
            MatRef::from_row_major_slice(&weights, count, pivots).transpose(),
            sample,
            1.0f64,
            Par::rayon(0),
        );
        orthonormalise(dim, &mut basis);
    }
    basis
}

/// Gram–Schmidt, twice; rows that hardly differ from those before them are dropped.
fn orthonormalise(dim: usize, basis: &mut Vec<f64>) {
    let mut kept: Vec<f64> = Vec::with_capacity(basis.len());
    let dot = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| x * y).sum::<f64>();
    for row in basis.chunks_exact_mut(dim) {
        let length = dot(row, row).sqrt();
        for _ in 0..2 {
            for other in kept.chunks_exact(dim) {
                let along = dot(row, other);
                row.iter_mut().zip(other).for_each(|(x, y)| *x -= along * y);
            }
        }
        let rest = dot(row, row).sqrt();
        if rest > 1e-6 * length && rest.is_normal() {
            kept.extend(row.iter().map(|x| x / rest));
        }
    }
    *basis = kept;
}

/// A number at least ‖BBᵀ − I‖_F for the rows of `basis`; not a number or infinite if they are.
fn departure(dim: usize, basis: &[f64]) -> f64 {
    let mut squared = 0.0;
    // γ_d for products of rows whose norms are at most 2; if they are larger, the diagonal says so.
    let rounding = 4.0 * (dim + 2) as f64 * f64::EPSILON;
    for (i, x) in basis.chunks_exact(dim).enumerate() {
        for (j, y) in basis.chunks_exact(dim).enumerate() {
            let product: f64 = x.iter().zip(y).map(|(x, y)| x * y).sum();
            let error = (product - f64::from(u8::from(i == j))).abs() + rounding;
            squared += error * error;
        }
    }
    squared.sqrt() * (1.0 + 1e-9)
}

#[cfg(test)]
mod tests {
    use kantor_theory::{DenseRows, dot};
    use proptest::prelude::*;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

        /// Lifted products plus the error are at least the cosine, and so is the bound of boxes; also for rows that
        /// fill fewer dimensions than there are pivots, for copies, and for rows of zeros.
        #[test]
        #[allow(clippy::unwrap_used)]
        fn no_cosine_exceeds_its_bound(
            dim in prop_oneof![1usize..40, 250usize..400], count in prop_oneof![1usize..40, 100usize..120], spread in prop::sample::select(vec![1e-7, 1e-3, 1.0]),
            rank in 1usize..90, seed in 0u64..1000,
        ) {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let noise: Vec<f64> = (0..count.max(rank) * dim).map(|_| rng.random_range(-1.0..1.0)).collect();
            let value = |i: usize, t: usize| match i % 11 {
                10 => 0.0,
                _ => noise[(i % rank) * dim + t] + spread * noise[i * dim + t] * f64::from(u8::from(!i.is_multiple_of(3))),
            };
            let values: Vec<f64> = (0..count).flat_map(|i| (0..dim).map(move |t| value(i, t))).collect();
            let points = DenseRows::from_f64(dim, values.clone()).unwrap();
            let norms: Vec<f64> = values.chunks(dim).map(|x| dot::dot(x, x).sqrt()).collect();
            let rows: Vec<usize> = (0..count).collect();
            let (lift, fine) = Lift::new(&points, &rows, &norms);
            let mut order = lift.order();
            order.sort_unstable();
            prop_assert_eq!(&order, &rows);
            let lifts = std::iter::once(&lift).chain(&fine);
            for (lift, pair) in lifts.flat_map(|lift| (0..count * count).map(move |pair| (lift, pair))) {
                let (a, b) = (pair / count, pair % count);
                let scale = norms[a] * norms[b];
                    let product = dot::dot(&values[a * dim..(a + 1) * dim], &values[b * dim..(b + 1) * dim]);
                    let cosine = if scale > 0.0 { product / scale } else { 0.0 };
                    let bound: f32 = lift.row(a).iter().zip(lift.row(b)).map(|(x, y)| x * y).sum();
                    prop_assert!(cosine <= f64::from(bound) + lift.error, "{cosine} above {bound}");
                    let most = lift.most_between(&lift.bounds(a..a + 1), &lift.bounds(b..b + 1));
                    prop_assert!(cosine <= most + 1e-14 * dim as f64 || scale == 0.0, "{cosine} above {most}");
            }
        }
    }
}
