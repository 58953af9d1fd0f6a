//! Sums of products in one fixed order: the `f64` arithmetic on which every decision and every bound rests.
//!
//! An inner product is summed in eight lanes (term t goes to lane t mod 8) that are then added as a balanced tree.
//! Nothing is reassociated, and a product is fused with its sum only where that cannot change a bit, so a pair of rows has one value, whatever the block size, the
//! thread count, the instruction set or the function below that computed it. The depth of that sum is
//! [`depth`]`(d)` = ⌈d/8⌉ + 3 additions and one product, which is what error bounds use instead of d.
//!
//! Limit: one operation per product if fused, else two, from registers. A tile of 6 × 4 pairs (AVX-512) keeps 24 sums in
//! registers and loads 10 vectors for 24 products; its six rows stay in the first-level cache, columns stream past.

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

    /// `sum` plus the term, lane by lane: the same roundings.
    fn add<S: Simd>(simd: S, sum: S::f64s, x: S::f64s, y: S::f64s) -> S::f64s;
}

#[derive(Clone, Copy)]
struct Product;

impl Term for Product {
    #[inline(always)]
    fn term(x: f64, y: f64) -> f64 {
        x * y
    }

    #[inline(always)]
    fn add<S: Simd>(simd: S, sum: S::f64s, x: S::f64s, y: S::f64s) -> S::f64s {
        simd.add_f64s(sum, simd.mul_f64s(x, y))
    }
}

/// A product that `f64` holds exactly, see [`dots_of_short`].
#[derive(Clone, Copy)]
struct ExactProduct;

impl Term for ExactProduct {
    #[inline(always)]
    fn term(x: f64, y: f64) -> f64 {
        x * y
    }

    /// Fused where the processor can: what has four lanes or more is AVX2 with FMA or AVX-512. Elsewhere fusing would
    /// be a call of a software routine.
    #[inline(always)]
    fn add<S: Simd>(simd: S, sum: S::f64s, x: S::f64s, y: S::f64s) -> S::f64s {
        if S::F64_LANES >= 4 || (cfg!(target_arch = "aarch64") && S::F64_LANES == 2) {
            simd.mul_add_f64s(x, y, sum)
        } else {
            Product::add(simd, sum, x, y)
        }
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
    fn add<S: Simd>(simd: S, sum: S::f64s, x: S::f64s, y: S::f64s) -> S::f64s {
        let difference = simd.sub_f64s(x, y);
        simd.add_f64s(sum, simd.mul_f64s(difference, difference))
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

/// As [`dots`], bit for bit, and faster, for values that binary16, bfloat16 or binary32 can hold.
///
/// Such values have at most 24 significant bits, are multiples of 2⁻¹⁴⁹ and below 2¹²⁸. A product of two has at most
/// 48 significant bits, is 0 or at least 2⁻²⁹⁸, and is below 2²⁵⁶, so `f64` holds it exactly. A fused multiply-add
/// rounds x·y + s once; unfused, x·y is not rounded at all and the sum is rounded once: the same number, and the same
/// sign of a zero. For other values the result is not that of [`dots`].
///
/// # Panics
/// If a length does not fit.
pub fn dots_of_short(dim: usize, rows: &[f64], columns: &[f64], out: &mut [f64]) {
    pairwise::<ExactProduct>(dim, rows, columns, out);
}

/// All squared distances of `rows` (r×d) to `columns` (c×d), both row-major, into `out` (r×c, row-major).
///
/// # Panics
/// If a length does not fit.
pub fn squared_distances(dim: usize, rows: &[f64], columns: &[f64], out: &mut [f64]) {
    pairwise::<SquaredDifference>(dim, rows, columns, out);
}

/// ⟨x, x⟩ of every row of `rows` (r×d, row-major), into `out` (r): bit for bit what [`dot`] gives.
///
/// # Panics
/// If a length does not fit.
pub fn squared_norms(dim: usize, rows: &[f64], out: &mut [f64]) {
    assert!(dim > 0 && rows.len() == out.len() * dim, "{} norms of {} numbers", out.len(), rows.len());
    pulp::Arch::new().dispatch(Norms { dim, rows, out });
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
            8 => self.tiles::<S, 1, 6, 4>(simd),
            4 => self.tiles::<S, 2, 2, 2>(simd),
            2 => self.tiles::<S, 4, 2, 2>(simd),
            _ => self.tiles::<S, 8, 1, 1>(simd),
        }
    }
}

impl<T: Term> Pairs<'_, T> {
    /// Tiles of R×C pairs whose eight lanes are P registers. Whole tiles read copies in which what is needed together
    /// stands together; what is left over at the edges reads the rows themselves.
    #[inline(always)]
    fn tiles<S: Simd, const P: usize, const R: usize, const C: usize>(mut self, simd: S) {
        let (dim, stride) = (self.dim, self.columns.len() / self.dim);
        let row_tiles = self.rows.chunks_exact(R * dim);
        let column_tiles = self.columns.chunks_exact(C * dim);
        let (edge_rows, edge_columns) = (row_tiles.remainder(), column_tiles.remainder());
        let whole_columns = stride - edge_columns.len() / dim;
        let step = dim / LANES * LANES;
        let tiled = usize::from(row_tiles.len() > 0);
        let (mut row_space, mut column_space) = (Vec::new(), Vec::new());
        let packed_rows = aligned(&mut row_space, tiled * R * step);
        let packed_columns = aligned(&mut column_space, tiled * whole_columns * step);
        if tiled == 1 && step > 0 {
            for (columns, packed) in column_tiles.clone().zip(packed_columns.chunks_exact_mut(C * step)) {
                pack::<C>(dim, columns, packed);
            }
        }
        let mut i = 0;
        for rows in row_tiles {
            pack::<R>(dim, rows, packed_rows);
            for (j, columns) in column_tiles.clone().enumerate() {
                let y = &packed_columns[j * C * step..(j + 1) * C * step];
                let lanes = packed_tile::<S, T, P, R, C>(simd, packed_rows, y);
                self.write::<R, C>(&lanes, rows, columns, i * stride + j * C);
            }
            for (j, column) in edge_columns.chunks_exact(dim).enumerate() {
                let lanes = tile::<S, T, P, R, 1>(simd, dim, rows, column);
                self.write::<R, 1>(&lanes, rows, column, i * stride + whole_columns + j);
            }
            i += R;
        }
        for row in edge_rows.chunks_exact(dim) {
            for (j, columns) in column_tiles.clone().enumerate() {
                let lanes = tile::<S, T, P, 1, C>(simd, dim, row, columns);
                self.write::<1, C>(&lanes, row, columns, i * stride + j * C);
            }
            for (j, column) in edge_columns.chunks_exact(dim).enumerate() {
                let lanes = tile::<S, T, P, 1, 1>(simd, dim, row, column);
                self.write::<1, 1>(&lanes, row, column, i * stride + whole_columns + j);
            }
            i += 1;
        }
    }

    /// Finishes the sums of a tile whose first pair is number `first` of the output.
    #[inline(always)]
    fn write<const R: usize, const C: usize>(
        &mut self,
        lanes: &[[[f64; LANES]; C]; R],
        rows: &[f64],
        columns: &[f64],
        first: usize,
    ) {
        let (dim, stride) = (self.dim, self.columns.len() / self.dim);
        for (a, (x, lanes)) in rows.chunks_exact(dim).zip(lanes).enumerate() {
            for (b, (y, lanes)) in columns.chunks_exact(dim).zip(lanes).enumerate() {
                self.out[first + a * stride + b] = finish::<T>(*lanes, x, y, dim / LANES * LANES);
            }
        }
    }
}

/// Zeros that start on a line of the cache: no register is then filled from two.
#[inline(always)]
fn aligned(space: &mut Vec<f64>, len: usize) -> &mut [f64] {
    space.resize(len + LANES, 0.0);
    let start = space.as_ptr().align_offset(LANES * size_of::<f64>()).min(LANES);
    &mut space[start..start + len]
}

/// Writes R rows so that their first eight numbers stand together, then their next eight, and so on; what does not
/// fill eight is left out.
#[inline(always)]
fn pack<const R: usize>(dim: usize, rows: &[f64], out: &mut [f64]) {
    for (t, out) in out.chunks_exact_mut(R * LANES).enumerate() {
        for (row, out) in rows.chunks_exact(dim).zip(out.chunks_exact_mut(LANES)) {
            out.copy_from_slice(&row[t * LANES..(t + 1) * LANES]);
        }
    }
}

/// Lanes of R×C sums over the whole steps of packed rows and columns.
#[inline(always)]
fn packed_tile<S: Simd, T: Term, const P: usize, const R: usize, const C: usize>(
    simd: S,
    x: &[f64],
    y: &[f64],
) -> [[[f64; LANES]; C]; R] {
    let x = S::as_simd_f64s(x).0.as_chunks::<P>().0.as_chunks::<R>().0;
    let y = S::as_simd_f64s(y).0.as_chunks::<P>().0.as_chunks::<C>().0;
    let mut lanes = [[[simd.splat_f64s(0.0); P]; C]; R];
    for (x, y) in x.iter().zip(y) {
        for a in 0..R {
            for b in 0..C {
                for p in 0..P {
                    lanes[a][b][p] = T::add(simd, lanes[a][b][p], x[a][p], y[b][p]);
                }
            }
        }
    }
    spread::<S, P, R, C>(&lanes)
}

/// The lanes as numbers. Registers are read at constant places only, here, or else they would live in memory.
#[inline(always)]
fn spread<S: Simd, const P: usize, const R: usize, const C: usize>(
    lanes: &[[[S::f64s; P]; C]; R],
) -> [[[f64; LANES]; C]; R] {
    let mut sums = [[[0.0; LANES]; C]; R];
    for a in 0..R {
        for b in 0..C {
            S::as_mut_simd_f64s(&mut sums[a][b]).0.copy_from_slice(&lanes[a][b]);
        }
    }
    sums
}

/// The same for rows and columns as they are.
#[inline(always)]
fn tile<S: Simd, T: Term, const P: usize, const R: usize, const C: usize>(
    simd: S,
    dim: usize,
    rows: &[f64],
    columns: &[f64],
) -> [[[f64; LANES]; C]; R] {
    let whole = dim / LANES;
    let x: [&[[S::f64s; P]]; R] =
        std::array::from_fn(|a| &S::as_simd_f64s(&rows[a * dim..(a + 1) * dim]).0.as_chunks::<P>().0[..whole]);
    let y: [&[[S::f64s; P]]; C] =
        std::array::from_fn(|b| &S::as_simd_f64s(&columns[b * dim..(b + 1) * dim]).0.as_chunks::<P>().0[..whole]);
    let mut lanes = [[[simd.splat_f64s(0.0); P]; C]; R];
    for t in 0..whole {
        for a in 0..R {
            for b in 0..C {
                for p in 0..P {
                    lanes[a][b][p] = T::add(simd, lanes[a][b][p], x[a][t][p], y[b][t][p]);
                }
            }
        }
    }
    spread::<S, P, R, C>(&lanes)
}

/// Adds what follows the whole steps, then the lanes.
#[inline(always)]
fn finish<T: Term>(mut sums: [f64; LANES], x: &[f64], y: &[f64], done: usize) -> f64 {
    for (sum, (&x, &y)) in sums.iter_mut().zip(x[done..].iter().zip(&y[done..])) {
        *sum += T::term(x, y);
    }
    ((sums[0] + sums[4]) + (sums[2] + sums[6])) + ((sums[1] + sums[5]) + (sums[3] + sums[7]))
}

/// Rows with themselves, several at a time, because the additions of one row wait for each other.
struct Norms<'a> {
    dim: usize,
    rows: &'a [f64],
    out: &'a mut [f64],
}

impl WithSimd for Norms<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        match S::F64_LANES {
            8 => self.groups::<S, 1, 8>(simd),
            4 => self.groups::<S, 2, 4>(simd),
            2 => self.groups::<S, 4, 2>(simd),
            _ => self.groups::<S, 8, 1>(simd),
        }
    }
}

impl Norms<'_> {
    #[inline(always)]
    fn groups<S: Simd, const P: usize, const R: usize>(self, simd: S) {
        let whole = self.dim / LANES;
        for (rows, out) in self.rows.chunks(R * self.dim).zip(self.out.chunks_mut(R)) {
            // A short group is filled up with copies of its last row.
            let x: [&[f64]; R] = std::array::from_fn(|a| {
                let a = a.min(out.len() - 1);
                &rows[a * self.dim..(a + 1) * self.dim]
            });
            let steps = x.map(|x| &S::as_simd_f64s(x).0.as_chunks::<P>().0[..whole]);
            let mut lanes = [[simd.splat_f64s(0.0); P]; R];
            #[allow(clippy::needless_range_loop, reason = "all rows are at the same step")]
            for t in 0..whole {
                for a in 0..R {
                    for p in 0..P {
                        lanes[a][p] = Product::add(simd, lanes[a][p], steps[a][t][p], steps[a][t][p]);
                    }
                }
            }
            let [sums] = spread::<S, P, 1, R>(&[lanes]);
            for (out, (sums, x)) in out.iter_mut().zip(sums.into_iter().zip(x)) {
                *out = finish::<Product>(sums, x, x, whole * LANES);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Any finite number of binary32, binary16 or bfloat16, the least and the greatest included.
    fn short() -> impl Strategy<Value = f64> {
        let single = any::<u32>().prop_map(f32::from_bits).prop_filter("finite", |x| x.is_finite());
        let ends = prop::sample::select(vec![0.0, -0.0, f32::MAX, -f32::MAX, f32::MIN_POSITIVE, 1e-45, -1e-45]);
        let mixed = prop_oneof![
            4 => single,
            1 => ends,
            // binary16: eleven bits times a power of two; bfloat16: the upper half of binary32.
            4 => (-2047i32..=2047, -24i32..=5).prop_map(|(x, e)| x as f32 * (e as f32).exp2()),
            1 => (0u32..=0x7f7f).prop_map(|bits| f32::from_bits(bits << 16)),
            8 => -1.0f32..1.0,
        ];
        mixed.prop_map(f64::from)
    }

    proptest! {
        /// Products of short values are exact, so fusing them changes no bit.
        #[test]
        fn fused_products_of_short_values_are_the_canonical_ones(
            (dim, x, y) in (1usize..40).prop_flat_map(|d| {
                (Just(d), prop::collection::vec(short(), 13 * d), prop::collection::vec(short(), 9 * d))
            })
        ) {
            let (mut fused, mut unfused, mut norms) = (vec![0.0; 117], vec![0.0; 117], vec![0.0; 13]);
            dots_of_short(dim, &x, &y, &mut fused);
            dots(dim, &x, &y, &mut unfused);
            squared_norms(dim, &x, &mut norms);
            for (a, b) in fused.iter().zip(&unfused) {
                prop_assert_eq!(a.to_bits(), b.to_bits());
            }
            for (x, norm) in x.chunks_exact(dim).zip(norms) {
                prop_assert_eq!(dot(x, x).to_bits(), norm.to_bits());
            }
        }
    }

    /// The summation order of the first lines of this file, written down without vectors.
    fn by_definition(x: &[f64], y: &[f64]) -> f64 {
        let mut s = [0.0; LANES];
        for (t, (x, y)) in x.iter().zip(y).enumerate() {
            s[t % LANES] += x * y;
        }
        ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]))
    }

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
                    assert_eq!(dot(x, y).to_bits(), by_definition(x, y).to_bits());
                    assert_eq!(distances[i * 9 + j].to_bits(), squared_distance(x, y).to_bits());
                    let plain: f64 = x.iter().zip(y).map(|(a, b)| a * b).sum();
                    assert!((all[i * 9 + j] - plain).abs() <= 1e-13 * dim as f64);
                }
            }
        }
    }
}
