//! Sums of outer products of rows that lie query by query: the matrix of second derivatives, as in module `outer`.
//!
//! Rows are rounded to `f32` and multiplied in `f32`, a few hundred at a time; the sums of these blocks are `f64`. Every sum
//! runs in 16 lanes along the rows, however many lanes a vector has.
//!
//! Limit: N·M²/2 fused multiplications in a tile of 4×4 sums in registers, two loads for four of them.

use pulp::Simd;

/// Rows that are multiplied at a time; what one panel holds fits twice.
const ROWS: usize = 960;

/// Lanes in which a sum runs.
const LANES: usize = 16;

/// Queries on one side of a tile.
const SIDE: usize = 4;

/// Some rows, rounded: M lines (filled up with zeros to whole tiles) of [`ROWS`].
#[derive(Default)]
pub(crate) struct Gram {
    lines: Vec<f32>,
    count: usize,
}

impl Gram {
    /// No rows of so many queries.
    pub(crate) fn start(&mut self, queries: usize) {
        self.lines.resize(queries.next_multiple_of(SIDE) * ROWS, 0.0);
        self.count = 0;
    }

    /// Whether there may be no room for so many rows more.
    pub(crate) fn is_full(&self, more: usize) -> bool {
        self.count.next_multiple_of(LANES) + more > ROWS
    }

    /// Appends rows x_ij·y_j·factor_i for the chosen i, from lines x_j of `stride`.
    #[inline(always)]
    pub(crate) fn push(&mut self, x: &[f64], stride: usize, y: &[f64], chosen: &[(usize, f64)]) {
        for ((to, x), y) in self.lines.chunks_exact_mut(ROWS).zip(x.chunks_exact(stride)).zip(y) {
            for (to, (at, factor)) in to[self.count..].iter_mut().zip(chosen) {
                *to = (x[*at] * y * factor) as f32;
            }
        }
        self.count += chosen.len();
    }

    /// The same for the first rows all, of which any may have the factor 0; their number must be a multiple of 16.
    #[inline(always)]
    pub(crate) fn push_all(&mut self, x: &[f64], stride: usize, y: &[f64], factors: &[f64]) {
        for ((to, x), y) in self.lines.chunks_exact_mut(ROWS).zip(x.chunks_exact(stride)).zip(y) {
            for ((to, x), factor) in to[self.count..].iter_mut().zip(x).zip(factors) {
                *to = (*x * (y * factor)) as f32;
            }
        }
        self.count += factors.len();
    }

    /// Adds scale·Σ r rᵀ to the lower triangle (and some entries above it) of a matrix of `queries` rows, and forgets the
    /// rows.
    #[inline(always)]
    pub(crate) fn add_to<S: Simd>(&mut self, simd: S, queries: usize, matrix: &mut [f64], scale: f64) {
        let stride = matrix.len() / queries;
        let count = self.count.next_multiple_of(LANES);
        self.lines.chunks_exact_mut(ROWS).for_each(|line| line[self.count..count].fill(0.0));
        for (i, lines) in matrix.chunks_mut(SIDE * stride).enumerate() {
            for j in 0..=i {
                let tile = self.tile(simd, count, i * SIDE, j * SIDE);
                for (line, sums) in lines.chunks_exact_mut(stride).zip(&tile) {
                    line[j * SIDE..].iter_mut().zip(sums).for_each(|(to, sum)| *to += scale * f64::from(*sum));
                }
            }
        }
        self.count = 0;
    }

    /// Σ r_(i + a) r_(j + b).
    #[inline(always)]
    fn tile<S: Simd>(&self, simd: S, count: usize, i: usize, j: usize) -> [[f32; SIDE]; SIDE] {
        let line = |at: usize| S::as_simd_f32s(&self.lines[at * ROWS..][..count]).0;
        let (x, y) = ([0, 1, 2, 3].map(|a| line(i + a)), [0, 1, 2, 3].map(|b| line(j + b)));
        let parts = LANES / S::F32_LANES;
        let mut lanes = [[[0.0f32; LANES]; SIDE]; SIDE];
        // Vectors with fewer lanes go over the rows more than once.
        for part in 0..parts {
            let mut sums = [[simd.splat_f32s(0.0); SIDE]; SIDE];
            for v in (part..x[0].len()).step_by(parts) {
                let (x, y) = (x.map(|x| x[v]), y.map(|y| y[v]));
                for a in 0..SIDE {
                    for b in 0..SIDE {
                        sums[a][b] = simd.mul_add_f32s(x[a], y[b], sums[a][b]);
                    }
                }
            }
            for (lanes, sums) in lanes.as_flattened_mut().iter_mut().zip(sums.as_flattened()) {
                S::as_mut_simd_f32s(lanes).0[part] = *sums;
            }
        }
        lanes.map(|line| line.map(tree))
    }
}

/// Adds sixteen lanes as a balanced tree.
#[inline(always)]
fn tree(lanes: [f32; LANES]) -> f32 {
    let mut sums = lanes;
    for half in [8, 4, 2, 1] {
        for lane in 0..half {
            sums[lane] += sums[lane + half];
        }
    }
    sums[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Add<'a>(&'a mut Gram, usize, &'a mut [f64]);

    impl pulp::WithSimd for Add<'_> {
        type Output = ();

        fn with_simd<S: Simd>(self, simd: S) {
            self.0.add_to(simd, self.1, self.2, 3.0);
        }
    }

    #[test]
    fn sums_of_outer_products() {
        for m in [1usize, 3, 8, 33, 100] {
            let stride = m.next_multiple_of(8);
            let entry = |r: usize, j: usize| ((7 * r + 3 * j) % 11) as f64 - 4.0;
            let lines: Vec<f64> = (0..m).flat_map(|j| (0..32).map(move |r| entry(r, j))).collect();
            let mut gram = Gram::default();
            gram.start(m);
            gram.push_all(&lines, 32, &vec![0.5; m], &[2.0; 16]);
            gram.push(&lines, 32, &vec![0.5; m], &[(20, 2.0), (31, 4.0)]);
            let mut matrix = vec![0.0; m * stride];
            pulp::Arch::new().dispatch(Add(&mut gram, m, &mut matrix));
            for i in 0..m {
                for j in 0..=i {
                    let product = |r: usize| 3.0 * entry(r, i) * entry(r, j);
                    let wanted = (0..16).map(product).sum::<f64>() + product(20) + 4.0 * product(31);
                    assert_eq!(matrix[i * stride + j], wanted, "{m} {i} {j}");
                }
            }
        }
    }
}
