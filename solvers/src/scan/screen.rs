//! Single-precision closeness of blocks of pool rows to all queries, with one proved error bound.
//!
//! Limit: the matrix product X·Qᵀ, two operations per cell and column, from cache. Packing touches every number of
//! the pool once and is the only other cost that grows with the dimension.
//!
//! # The bound
//! Write u = 2⁻²⁴ and γ_n = n·u/(1 − n·u). A sum of d products in any order, fused or not, differs from the exact one
//! by at most γ_d·Σ|x_t·q_t| ≤ γ_d·‖x‖·‖q‖, and r further relative roundings of factors or result turn γ_d into
//! γ_{d+r} (Higham, *Accuracy and Stability of Numerical Algorithms*, §3.1 and lemma 3.3).
//!
//! - Angle: roundings of the row, the unit query, the reciprocal norm and the last product make r = 4, and
//!   ‖x‖·‖q‖ is divided out: γ_{d+4}. Norms are taken in `f64`; their error and that of
//!   [`Geometry::closeness`] are below (4d + 64)·2⁻⁵³ together. Raw rows have norms above 2⁻²⁰, so whatever
//!   underflows adds less than d·2⁻¹²⁰.
//! - Distance: rows and queries are divided by a power of two that bounds all norms, so every norm is at most 1 and
//!   values are in units of its square. Then ‖x‖² + ‖q‖² − 2⟨x, q⟩ errs by 2γ_{d+2} in the product, by 2γ_2 in the
//!   norms and by 4u(1 + γ_{d+4}) in the last subtraction: at most 2γ_{d+8}. Twice the `f64` error and the same
//!   underflow are added.
//! - Matrix: entries of at most 24 bits are exact. Others are divided by a power of two that is at least half the
//!   largest, so rounding to nearest errs by at most 2⁻²⁴ and underflow by 2⁻¹⁵⁰: less than 2⁻²³.

use std::ops::Range;

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use kantor_theory::cost::Family;
use kantor_theory::{Element, Geometry, dot};

use super::pack;
use super::pairs;
use crate::simd;

/// Screened closeness of one geometry.
pub struct Screen<'a> {
    geometry: &'a Geometry<'a>,
    kind: Kind,
    unit: f64,
    error: f64,
    /// Whether the bound of norms and entries on which the error rests was found here, and not given by the caller.
    proved: bool,
}

enum Kind {
    /// Unit queries (M×d).
    Angle { queries: Vec<f32> },
    /// Queries (M×d) over the bound of the norms, their squared norms, and the reciprocal of that bound.
    Distance { queries: Vec<f32>, squared: Vec<f32>, factor: f64 },
    /// What an entry is multiplied by.
    Matrix { factor: f64 },
}

/// Buffers of one thread.
#[derive(Default)]
pub struct ScreenWorkspace {
    packed: pack::Packed,
    values: Vec<f32>,
}

impl ScreenWorkspace {
    /// Pool rows of the blocks so far that may be bad, see [`PoolScan::suspects`](crate::PoolScan::suspects).
    pub fn suspects(&mut self) -> &mut Vec<usize> {
        &mut self.packed.suspects
    }
}

impl<'a> Screen<'a> {
    /// Prepares the queries; reads the pool once if the cost needs its largest norm or entry.
    pub fn new(geometry: &'a Geometry<'a>) -> Self {
        Self { proved: true, ..Self::with_largest(geometry, Self::largest(geometry)) }
    }

    /// The largest norm or entry of the pool, if the scale depends on it: what parts of a pool must agree on before their
    /// screened values can be compared. That of the whole is the largest of the parts'.
    pub fn largest(geometry: &Geometry<'_>) -> f64 {
        match geometry.points() {
            Some(_) if geometry.cost().family() == Family::Angle => 0.0,
            Some(_) => pack::largest_norm(geometry),
            None if exact_entries(geometry) => 0.0,
            None => pack::largest_entry(geometry),
        }
    }

    /// As [`Screen::new`], for a part of a pool in which no norm or entry is above `largest`. That is not checked, so no
    /// screening proof rests on such a screen.
    pub fn with_largest(geometry: &'a Geometry<'a>, largest: f64) -> Self {
        match geometry.queries() {
            Some((rows, norms)) if geometry.cost().family() == Family::Angle => {
                let dim = rows.len() / norms.len();
                let unit_row = |(row, norm): (&[f64], &f64)| row.iter().map(|x| (x / norm) as f32).collect::<Vec<_>>();
                let queries = rows.chunks_exact(dim).zip(norms).flat_map(unit_row).collect();
                let error = gamma(dim + 4) + double_error(dim);
                Self { geometry, kind: Kind::Angle { queries }, unit: 1.0, error: outward(error), proved: false }
            }
            Some((rows, norms)) => {
                let dim = rows.len() / norms.len();
                let largest = norms.iter().copied().fold(largest, f64::max);
                let bound = power_of_two_above(largest, 400);
                let factor = 1.0 / bound;
                let squared = rows.chunks_exact(dim).map(|row| (dot::dot(row, row) * factor * factor) as f32).collect();
                let queries = rows.iter().map(|x| (x * factor) as f32).collect();
                let error = 2.0 * gamma(dim + 8) + 2.0 * double_error(dim);
                let kind = Kind::Distance { queries, squared, factor };
                Self { geometry, kind, unit: bound * bound, error: outward(error), proved: false }
            }
            None => {
                let sign = pairs::matrix_sign(geometry.cost());
                let (unit, error) = if exact_entries(geometry) {
                    (1.0, 0.0)
                } else {
                    (power_of_two_above(largest, 1022), (-23.0f64).exp2())
                };
                Self { geometry, kind: Kind::Matrix { factor: sign / unit }, unit, error, proved: false }
            }
        }
    }

    /// What is screened.
    pub fn geometry(&self) -> &Geometry<'a> {
        self.geometry
    }

    /// The bound: `|screened · unit − closeness| ≤ error · unit` for every pair of valid rows.
    pub fn error(&self) -> f64 {
        self.error
    }

    /// Whether the error is proved without trusting the caller.
    pub(crate) fn is_proved(&self) -> bool {
        self.proved
    }

    /// What screened values are multiples of: a power of two, so dividing by it is exact.
    pub fn unit(&self) -> f64 {
        self.unit
    }

    /// Screened closeness of pool rows `rows` to every query (rows×M, row-major); NaN becomes −∞.
    ///
    /// # Panics
    /// If the rows lie outside the pool.
    pub fn block<'w>(&self, rows: Range<usize>, workspace: &'w mut ScreenWorkspace) -> &'w [f32] {
        let m = self.geometry.query_len();
        let ScreenWorkspace { packed, values } = workspace;
        values.resize(rows.len() * m, 0.0);
        let out = values.as_mut_slice();
        match &self.kind {
            Kind::Angle { queries } => {
                packed.angle(self.geometry, rows);
                multiply(&packed.rows, queries, m, out);
                scale_rows(out, &packed.terms, m);
            }
            Kind::Distance { queries, squared, factor } => {
                packed.distance(self.geometry, rows, *factor);
                multiply(&packed.rows, queries, m, out);
                complete_squares(out, &packed.terms, squared);
            }
            Kind::Matrix { factor } => packed.matrix(self.geometry, rows, *factor, out),
        }
        out
    }
}

/// Whether the entries of a matrix have at most 24 bits.
fn exact_entries(geometry: &Geometry<'_>) -> bool {
    geometry.matrix().is_none_or(|matrix| matrix.element() != Element::F64)
}

/// `out` = rows · queriesᵀ on the calling thread.
fn multiply(rows: &[f32], queries: &[f32], m: usize, out: &mut [f32]) {
    let (n, dim) = (out.len() / m, queries.len() / m);
    let x = MatRef::from_row_major_slice(rows, n, dim);
    let q = MatRef::from_row_major_slice(queries, m, dim);
    matmul(MatMut::from_row_major_slice_mut(out, n, m), Accum::Replace, x, q.transpose(), 1.0, Par::Seq);
}

fn scale_rows(out: &mut [f32], factors: &[f32], m: usize) {
    simd::wide(
        #[inline(always)]
        || {
            for (line, &factor) in out.chunks_exact_mut(m).zip(factors) {
                for value in line {
                    *value = (*value * factor).max(f32::NEG_INFINITY);
                }
            }
        },
    );
}

fn complete_squares(out: &mut [f32], row_squares: &[f32], query_squares: &[f32]) {
    simd::wide(
        #[inline(always)]
        || {
            for (line, &x) in out.chunks_exact_mut(query_squares.len()).zip(row_squares) {
                for (value, &q) in line.iter_mut().zip(query_squares) {
                    *value = (2.0 * *value - (x + q)).max(f32::NEG_INFINITY);
                }
            }
        },
    );
}

/// γ_n of single precision; infinite where it proves nothing.
fn gamma(n: usize) -> f64 {
    let nu = n as f64 * (-24.0f64).exp2();
    if nu < 0.5 { nu / (1.0 - nu) } else { f64::INFINITY }
}

/// Roundings in double precision and underflow in single precision.
fn double_error(dim: usize) -> f64 {
    (4.0 * dim as f64 + 64.0) * (-53.0f64).exp2() + dim as f64 * (-120.0f64).exp2()
}

/// Covers the few roundings of the bound itself.
fn outward(error: f64) -> f64 {
    error * (1.0 + (-40.0f64).exp2())
}

/// The power of two above `x` and at most twice it, for `x` brought between 2^−`limit` and 2^`limit`.
fn power_of_two_above(x: f64, limit: i32) -> f64 {
    let x = x.clamp(f64::from(-limit).exp2(), f64::from(limit).exp2());
    // Clearing the mantissa leaves the power of two at or below.
    2.0 * f64::from_bits(x.to_bits() & (0x7ff << 52))
}
