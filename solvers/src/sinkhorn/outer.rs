//! Sums of outer products of rows: the matrix of second derivatives.
//!
//! Rows are rounded to `f32` (relative error 2⁻²⁴ each) and multiplied in `f32`, 48 at a time; the sums of these blocks are
//! `f64`. The matrix serves only to find a direction, whose ascent is checked in `f64`, so the error costs at most
//! steps. Limit: N·M²/2 multiplications and additions, 16 lanes at a time on AVX-512, with a tile of 4×32 sums in
//! registers; about 60 % of that rate is reached at M = 100.

use pulp::Simd;

/// Columns of a tile at most, and a multiple of those of any processor.
const WIDE: usize = 32;

/// Rows of a tile.
const HIGH: usize = 4;

/// Some rows of M numbers.
pub(crate) struct Outer {
    queries: usize,
    /// M rounded up to whole tiles.
    width: usize,
    rows: Vec<f32>,
}

impl Outer {
    /// Room for rows of this many numbers.
    pub(crate) fn new(queries: usize) -> Self {
        Self { queries, width: queries.next_multiple_of(WIDE), rows: Vec::new() }
    }

    pub(crate) fn clear(&mut self) {
        self.rows.clear();
    }

    /// Appends the row factor·x_j·y_j.
    #[inline(always)]
    pub(crate) fn push<W: super::weight::Weight>(&mut self, x: &[W], y: &[f64], factor: f64) {
        let start = self.rows.len();
        self.rows.resize(start + self.width, 0.0);
        for ((to, x), y) in self.rows[start..].iter_mut().zip(x).zip(y) {
            *to = (factor * (x.get() * y)) as f32;
        }
    }

    /// Adds scale·Σ r rᵀ to the lower triangle (and some entries above it) of a matrix with M rows of equal length.
    #[inline(always)]
    pub(crate) fn add_to<S: Simd>(&self, simd: S, matrix: &mut [f64], scale: f64) {
        let stride = matrix.len() / self.queries;
        // Two vectors side by side. Every sum runs over the rows in order, however many lanes a vector has.
        let wide = 2 * S::F32_LANES;
        for (i, lines) in matrix.chunks_mut(HIGH * stride).enumerate() {
            let i = i * HIGH;
            for j in (0..(i + HIGH).min(self.queries)).step_by(wide) {
                let tile = self.tile(simd, i, j / S::F32_LANES);
                for (line, sums) in lines.chunks_exact_mut(stride).zip(&tile) {
                    let end = (j + wide).min(stride);
                    line[j..end].iter_mut().zip(sums).for_each(|(to, sum)| *to += scale * f64::from(*sum));
                }
            }
        }
    }

    /// Σ r_(i + a) r_(j + b) for the b of the two vectors from `vector` on.
    #[inline(always)]
    fn tile<S: Simd>(&self, simd: S, i: usize, vector: usize) -> [[f32; WIDE]; HIGH] {
        let mut sums = [[simd.splat_f32s(0.0); 2]; HIGH];
        for row in self.rows.chunks_exact(self.width) {
            let (Some(left), [x, y, ..]) = (row[i..].first_chunk::<HIGH>(), &S::as_simd_f32s(row).0[vector..]) else {
                continue;
            };
            for a in 0..HIGH {
                let factor = simd.splat_f32s(left[a]);
                sums[a][0] = simd.add_f32s(sums[a][0], simd.mul_f32s(factor, *x));
                sums[a][1] = simd.add_f32s(sums[a][1], simd.mul_f32s(factor, *y));
            }
        }
        let mut tile = [[0.0; WIDE]; HIGH];
        for (line, [x, y]) in tile.iter_mut().zip(sums) {
            if let [to_x, to_y, ..] = S::as_mut_simd_f32s(line).0 {
                (*to_x, *to_y) = (x, y);
            }
        }
        tile
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_of_outer_products() {
        for m in [1usize, 3, 8, 33, 100] {
            let row = |r: usize| -> Vec<f64> { (0..m).map(|j| ((7 * r + 3 * j) % 11) as f64 - 4.0).collect() };
            let mut outer = Outer::new(m);
            (0..5).for_each(|r| outer.push(&row(r), &vec![0.5; m], 2.0));
            let mut matrix = vec![0.0; m * m.next_multiple_of(8)];
            struct Add<'a>(&'a Outer, &'a mut [f64]);
            impl pulp::WithSimd for Add<'_> {
                type Output = ();
                fn with_simd<S: Simd>(self, simd: S) {
                    self.0.add_to(simd, self.1, 3.0);
                }
            }
            pulp::Arch::new().dispatch(Add(&outer, &mut matrix));
            for i in 0..m {
                for j in 0..=i {
                    let wanted: f64 = (0..5).map(|r| 3.0 * row(r)[i] * row(r)[j]).sum();
                    assert_eq!(matrix[i * m.next_multiple_of(8) + j], wanted, "{m} {i} {j}");
                }
            }
        }
    }
}
