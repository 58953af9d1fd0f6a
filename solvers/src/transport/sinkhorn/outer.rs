//! Sums of outer products of rows: the matrix of second derivatives.
//!
//! The matrix serves only to find a direction, whose ascent is checked in `f64`. So rows are usually rounded to `f32`
//! (relative error 2⁻²⁴ each) and multiplied in `f32`, 48 at a time; the sums of these blocks are `f64`. Where Sinkhorn's
//! method would contract by less than about 1 − 2⁻²⁴, that error hides the curvature, and `f64` is asked for.
//!
//! Limit: N·M²/2 multiplications and additions, in `f32` 16 lanes at a time on AVX-512 with a tile of 4×32 sums in
//! registers.

use pulp::Simd;

/// Columns of a tile at most, and a multiple of those of any processor.
const WIDE: usize = 32;

/// Rows of a tile.
const HIGH: usize = 4;

/// Some rows of M numbers.
pub(crate) enum Outer {
    /// Rounded, of M numbers rounded up to whole tiles.
    Fast(Vec<f32>),
    /// As they are.
    Exact(Vec<f64>),
}

impl Outer {
    pub(crate) fn new(exact: bool) -> Self {
        if exact { Self::Exact(Vec::new()) } else { Self::Fast(Vec::new()) }
    }

    pub(crate) fn clear(&mut self) {
        match self {
            Self::Fast(rows) => rows.clear(),
            Self::Exact(rows) => rows.clear(),
        }
    }

    /// Appends the row factor·x_j·y_j, filled up with zeros to the length of `y`.
    #[inline(always)]
    pub(crate) fn push(&mut self, x: impl Iterator<Item = f64>, y: &[f64], factor: f64) {
        let row = x.zip(y).map(|(x, y)| factor * (x * y));
        match self {
            Self::Fast(rows) => {
                let start = rows.len();
                rows.resize(start + y.len().next_multiple_of(WIDE), 0.0);
                rows[start..].iter_mut().zip(row).for_each(|(to, x)| *to = x as f32);
            }
            Self::Exact(rows) => {
                let end = rows.len() + y.len();
                rows.extend(row);
                rows.resize(end, 0.0);
            }
        }
    }

    /// Adds scale·Σ r rᵀ to the lower triangle (and some entries above it) of a matrix of `queries` rows with the length of
    /// what was pushed.
    #[inline(always)]
    pub(crate) fn add_to<S: Simd>(&self, simd: S, queries: usize, matrix: &mut [f64], scale: f64) {
        match self {
            Self::Fast(rows) => add_fast(simd, rows, queries, matrix, scale),
            Self::Exact(rows) => add_exact(rows, queries, matrix, scale),
        }
    }
}

#[inline(always)]
fn add_fast<S: Simd>(simd: S, rows: &[f32], queries: usize, matrix: &mut [f64], scale: f64) {
    let stride = matrix.len() / queries;
    let width = stride.next_multiple_of(WIDE);
    // Two vectors side by side. Every sum runs over the rows in order, however many lanes a vector has.
    let wide = 2 * S::F32_LANES;
    for (i, lines) in matrix.chunks_mut(HIGH * stride).enumerate() {
        let i = i * HIGH;
        for j in (0..(i + HIGH).min(queries)).step_by(wide) {
            let tile = tile(simd, rows, width, i, j / S::F32_LANES);
            for (line, sums) in lines.chunks_exact_mut(stride).zip(&tile) {
                let end = (j + wide).min(stride);
                line[j..end].iter_mut().zip(sums).for_each(|(to, sum)| *to += scale * f64::from(*sum));
            }
        }
    }
}

/// Σ r_(i + a) r_(j + b) for the b of the two vectors from `vector` on.
#[inline(always)]
fn tile<S: Simd>(simd: S, rows: &[f32], width: usize, i: usize, vector: usize) -> [[f32; WIDE]; HIGH] {
    let mut sums = [[simd.splat_f32s(0.0); 2]; HIGH];
    for row in rows.chunks_exact(width) {
        let (Some(left), [x, y, ..]) = (row[i..].first_chunk::<HIGH>(), &S::as_simd_f32s(row).0[vector..]) else {
            continue;
        };
        for a in 0..HIGH {
            let factor = simd.splat_f32s(left[a]);
            sums[a][0] = simd.mul_add_f32s(factor, *x, sums[a][0]);
            sums[a][1] = simd.mul_add_f32s(factor, *y, sums[a][1]);
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

#[inline(always)]
fn add_exact(rows: &[f64], queries: usize, matrix: &mut [f64], scale: f64) {
    let stride = matrix.len() / queries;
    for pair in rows.chunks(2 * stride) {
        let (x, y) = pair.split_at(stride);
        for (j, line) in matrix.chunks_exact_mut(stride).enumerate() {
            let factors = (scale * x[j], y.get(j).map_or(0.0, |y| scale * y));
            // An odd row out is paired with itself, which then weighs nothing.
            let y = if y.is_empty() { x } else { y };
            let entries = line[..=j].iter_mut().zip(&x[..=j]).zip(&y[..=j]);
            entries.for_each(|((to, x), y)| *to += factors.0 * x + factors.1 * y);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Add<'a>(&'a Outer, usize, &'a mut [f64]);

    impl pulp::WithSimd for Add<'_> {
        type Output = ();

        fn with_simd<S: Simd>(self, simd: S) {
            self.0.add_to(simd, self.1, self.2, 3.0);
        }
    }

    #[test]
    fn sums_of_outer_products() {
        for (m, exact) in [1usize, 3, 8, 33, 100].into_iter().flat_map(|m| [(m, false), (m, true)]) {
            let stride = m.next_multiple_of(8);
            let row = |r: usize| -> Vec<f64> {
                (0..stride).map(|j| if j < m { ((7 * r + 3 * j) % 11) as f64 - 4.0 } else { 0.0 }).collect()
            };
            let mut outer = Outer::new(exact);
            (0..5).for_each(|r| outer.push(row(r).into_iter(), &vec![0.5; stride], 2.0));
            let mut matrix = vec![0.0; m * stride];
            pulp::Arch::new().dispatch(Add(&outer, m, &mut matrix));
            for i in 0..m {
                for j in 0..=i {
                    let wanted: f64 = (0..5).map(|r| 3.0 * row(r)[i] * row(r)[j]).sum();
                    assert_eq!(matrix[i * stride + j], wanted, "{m} {i} {j}");
                }
            }
        }
    }
}
