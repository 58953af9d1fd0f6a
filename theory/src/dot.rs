//! Sums of products in one fixed order: the `f64` arithmetic on which every decision and every bound rests.
//!
//! An inner product is summed in eight lanes (term t goes to lane t mod 8) that are then added as a balanced tree.
//! Nothing is fused and nothing is reassociated, so a pair of rows has one value, whatever the block size, the
//! thread count, the instruction set or the function below that computed it. The depth of that sum is
//! [`depth`]`(d)` = ⌈d/8⌉ + 3 additions and one product, which is what error bounds use instead of d.
//!
//! Limit: two operations per product, unfused, from registers. A tile of 4 × 4 pairs loads 8 vectors for 16 products.

use std::marker::PhantomData;

use pulp::{Simd, WithSimd};

/// Lanes of the canonical summation order.
const LANES: usize = 8;

/// Roundings on the longest path from a term to the result: its product, its lane, the tree of lanes.
pub fn depth(dim: usize) -> usize {
    dim.div_ceil(LANES) + 4
}

/// A term of the sum: product for inner products, squared difference for squared distances.
trait Term: Copy {
    fn term(x: f64, y: f64) -> f64;

    /// As `term`, lane by lane: the same roundings.
    fn terms<S: Simd>(simd: S, x: S::f64s, y: S::f64s) -> S::f64s;
}

#[derive(Clone, Copy)]
struct Product;

impl Term for Product {
    #[inline(always)]
    fn term(x: f64, y: f64) -> f64 {
        x * y
    }

    #[inline(always)]
    fn terms<S: Simd>(simd: S, x: S::f64s, y: S::f64s) -> S::f64s {
        simd.mul_f64s(x, y)
    }
}

#[derive(Clone, Copy)]
struct SquaredDifference;

impl Term for SquaredDifference {
    #[inline(always)]
    fn term(x: f64, y: f64) -> f64 {
        let difference = x - y;
        difference * difference
    }

    #[inline(always)]
    fn terms<S: Simd>(simd: S, x: S::f64s, y: S::f64s) -> S::f64s {
        let difference = simd.sub_f64s(x, y);
        simd.mul_f64s(difference, difference)
    }
}

/// ⟨x, y⟩ in the canonical order.
///
/// # Panics
/// If the lengths differ.
pub fn dot(x: &[f64], y: &[f64]) -> f64 {
    assert_eq!(x.len(), y.len(), "inner product of rows of different length");
    one::<Product>(x, y)
}

/// ‖x − y‖² in the canonical order.
///
/// # Panics
/// If the lengths differ.
pub fn squared_distance(x: &[f64], y: &[f64]) -> f64 {
    assert_eq!(x.len(), y.len(), "distance of rows of different length");
    one::<SquaredDifference>(x, y)
}

/// All inner products of `rows` (r×d) with `columns` (c×d), both row-major, into `out` (r×c, row-major).
///
/// # Panics
/// If a length does not fit.
pub fn dots(dim: usize, rows: &[f64], columns: &[f64], out: &mut [f64]) {
    pairwise::<Product>(dim, rows, columns, out);
}

/// All squared distances of `rows` (r×d) to `columns` (c×d), both row-major, into `out` (r×c, row-major).
///
/// # Panics
/// If a length does not fit.
pub fn squared_distances(dim: usize, rows: &[f64], columns: &[f64], out: &mut [f64]) {
    pairwise::<SquaredDifference>(dim, rows, columns, out);
}

fn one<T: Term>(x: &[f64], y: &[f64]) -> f64 {
    let mut out = [0.0];
    if !x.is_empty() {
        pairwise::<T>(x.len(), x, y, &mut out);
    }
    out[0]
}

fn pairwise<T: Term>(dim: usize, rows: &[f64], columns: &[f64], out: &mut [f64]) {
    assert!(dim > 0 && rows.len().is_multiple_of(dim) && columns.len().is_multiple_of(dim), "rows of different length");
    let (r, c) = (rows.len() / dim, columns.len() / dim);
    assert_eq!(out.len(), r * c, "output of {} numbers for {r}×{c} pairs", out.len());
    pulp::Arch::new().dispatch(Pairs::<T> { dim, rows, columns, out, term: PhantomData });
}

/// All pairs of rows and columns. A struct and not a closure, because what is dispatched must be inlined into the
/// function compiled for the instruction set, and a closure that could be called twice is not.
struct Pairs<'a, T> {
    dim: usize,
    rows: &'a [f64],
    columns: &'a [f64],
    out: &'a mut [f64],
    term: PhantomData<T>,
}

impl<T: Term> WithSimd for Pairs<'_, T> {
    type Output = ();

    /// The eight lanes take one register or several; the tile is what then fits.
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        match S::F64_LANES {
            8 => self.tiles::<S, 1, 4, 4>(simd),
            4 => self.tiles::<S, 2, 2, 2>(simd),
            2 => self.tiles::<S, 4, 2, 2>(simd),
            _ => self.tiles::<S, 8, 1, 1>(simd),
        }
    }
}

impl<T: Term> Pairs<'_, T> {
    /// Tiles of R×C pairs whose eight lanes are P registers.
    #[inline(always)]
    fn tiles<S: Simd, const P: usize, const R: usize, const C: usize>(mut self, simd: S) {
        let (r, c) = (self.rows.len() / self.dim, self.columns.len() / self.dim);
        for i in (0..r).step_by(R) {
            for j in (0..c).step_by(C) {
                if i + R <= r && j + C <= c {
                    self.tile::<S, P, R, C>(simd, i, j, c);
                } else {
                    for i in i..(i + R).min(r) {
                        for j in j..(j + C).min(c) {
                            self.tile::<S, P, 1, 1>(simd, i, j, c);
                        }
                    }
                }
            }
        }
    }

    #[inline(always)]
    fn tile<S: Simd, const P: usize, const R: usize, const C: usize>(
        &mut self,
        simd: S,
        i: usize,
        j: usize,
        stride: usize,
    ) {
        let dim = self.dim;
        let whole = dim / LANES;
        let x: [&[f64]; R] = std::array::from_fn(|a| &self.rows[(i + a) * dim..(i + a + 1) * dim]);
        let y: [&[f64]; C] = std::array::from_fn(|b| &self.columns[(j + b) * dim..(j + b + 1) * dim]);
        let x_steps = x.map(|x| &S::as_simd_f64s(x).0.as_chunks::<P>().0[..whole]);
        let y_steps = y.map(|y| &S::as_simd_f64s(y).0.as_chunks::<P>().0[..whole]);
        let mut lanes = [[[simd.splat_f64s(0.0); P]; C]; R];
        for t in 0..whole {
            for a in 0..R {
                for b in 0..C {
                    for p in 0..P {
                        let term = T::terms(simd, x_steps[a][t][p], y_steps[b][t][p]);
                        lanes[a][b][p] = simd.add_f64s(lanes[a][b][p], term);
                    }
                }
            }
        }
        for a in 0..R {
            for b in 0..C {
                let mut sums = [0.0; LANES];
                S::as_mut_simd_f64s(&mut sums).0.copy_from_slice(&lanes[a][b]);
                for (lane, t) in (whole * LANES..dim).enumerate() {
                    sums[lane] += T::term(x[a][t], y[b][t]);
                }
                self.out[(i + a) * stride + j + b] =
                    ((sums[0] + sums[4]) + (sums[2] + sums[6])) + ((sums[1] + sums[5]) + (sums[3] + sums[7]));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_gives_the_same_bits() {
        for dim in [1, 7, 8, 9, 31, 64, 100] {
            let value = |i: usize| ((i * 7919 + 13) % 1009) as f64 / 1009.0 - 0.5;
            let rows: Vec<f64> = (0..7 * dim).map(value).collect();
            let columns: Vec<f64> = (0..9 * dim).map(|i| value(i + 5000)).collect();
            let mut all = vec![0.0; 63];
            let mut distances = vec![0.0; 63];
            dots(dim, &rows, &columns, &mut all);
            squared_distances(dim, &rows, &columns, &mut distances);
            for i in 0..7 {
                for j in 0..9 {
                    let (x, y) = (&rows[i * dim..(i + 1) * dim], &columns[j * dim..(j + 1) * dim]);
                    assert_eq!(all[i * 9 + j].to_bits(), dot(x, y).to_bits());
                    assert_eq!(distances[i * 9 + j].to_bits(), squared_distance(x, y).to_bits());
                    let plain: f64 = x.iter().zip(y).map(|(a, b)| a * b).sum();
                    assert!((all[i * 9 + j] - plain).abs() <= 1e-13 * dim as f64);
                }
            }
        }
    }
}
