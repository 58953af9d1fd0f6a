//! Sums of products in one fixed order: the `f64` arithmetic on which every decision and every bound rests.
//!
//! An inner product is summed in eight lanes (term t goes to lane t mod 8) that are then added as a balanced tree.
//! Nothing is fused and nothing is reassociated, so a pair of rows has one value, whatever the block size, the
//! thread count, the instruction set or the function below that computed it. The depth of that sum is
//! [`depth`]`(d)` = ⌈d/8⌉ + 3 additions and one product, which is what error bounds use instead of d.
//!
//! Limit: two operations per product, unfused, from registers. A tile of 2 × 4 pairs loads 6 vectors for 8 products.

/// Lanes of the canonical summation order.
const LANES: usize = 8;

/// Rows of a register tile.
const TILE_ROWS: usize = 2;

/// Columns of a register tile.
const TILE_COLUMNS: usize = 4;

/// Roundings on the longest path from a term to the result: its product, its lane, the tree of lanes.
pub fn depth(dim: usize) -> usize {
    dim.div_ceil(LANES) + 4
}

/// A term of the sum: product for inner products, squared difference for squared distances.
trait Term: Copy {
    fn term(x: f64, y: f64) -> f64;
}

#[derive(Clone, Copy)]
struct Product;

impl Term for Product {
    #[inline(always)]
    fn term(x: f64, y: f64) -> f64 {
        x * y
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
}

/// ⟨x, y⟩ in the canonical order.
///
/// # Panics
/// If the lengths differ.
pub fn dot(x: &[f64], y: &[f64]) -> f64 {
    assert_eq!(x.len(), y.len(), "inner product of rows of different length");
    pulp::Arch::new().dispatch(
        #[inline(always)]
        || tile::<Product, 1, 1>([x], [y])[0][0],
    )
}

/// ‖x − y‖² in the canonical order.
///
/// # Panics
/// If the lengths differ.
pub fn squared_distance(x: &[f64], y: &[f64]) -> f64 {
    assert_eq!(x.len(), y.len(), "distance of rows of different length");
    pulp::Arch::new().dispatch(
        #[inline(always)]
        || tile::<SquaredDifference, 1, 1>([x], [y])[0][0],
    )
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

fn pairwise<T: Term>(dim: usize, rows: &[f64], columns: &[f64], out: &mut [f64]) {
    assert!(dim > 0 && rows.len().is_multiple_of(dim) && columns.len().is_multiple_of(dim), "rows of different length");
    let (r, c) = (rows.len() / dim, columns.len() / dim);
    assert_eq!(out.len(), r * c, "output of {} numbers for {r}×{c} pairs", out.len());
    pulp::Arch::new().dispatch(
        #[inline(always)]
        || {
            for i in (0..r).step_by(TILE_ROWS) {
                for j in (0..c).step_by(TILE_COLUMNS) {
                    if i + TILE_ROWS <= r && j + TILE_COLUMNS <= c {
                        put::<T, TILE_ROWS, TILE_COLUMNS>(dim, rows, columns, i, j, c, out);
                    } else {
                        for i in i..(i + TILE_ROWS).min(r) {
                            for j in j..(j + TILE_COLUMNS).min(c) {
                                put::<T, 1, 1>(dim, rows, columns, i, j, c, out);
                            }
                        }
                    }
                }
            }
        },
    );
}

#[inline(always)]
fn put<T: Term, const R: usize, const C: usize>(
    dim: usize,
    rows: &[f64],
    columns: &[f64],
    i: usize,
    j: usize,
    stride: usize,
    out: &mut [f64],
) {
    let x: [&[f64]; R] = std::array::from_fn(|a| &rows[(i + a) * dim..(i + a + 1) * dim]);
    let y: [&[f64]; C] = std::array::from_fn(|b| &columns[(j + b) * dim..(j + b + 1) * dim]);
    for (a, values) in tile::<T, R, C>(x, y).iter().enumerate() {
        out[(i + a) * stride + j..][..C].copy_from_slice(values);
    }
}

#[inline(always)]
fn tile<T: Term, const R: usize, const C: usize>(x: [&[f64]; R], y: [&[f64]; C]) -> [[f64; C]; R] {
    let mut lanes = [[[0.0f64; LANES]; C]; R];
    let whole = x[0].len() / LANES;
    let x_chunks: [&[[f64; LANES]]; R] = std::array::from_fn(|a| &x[a].as_chunks::<LANES>().0[..whole]);
    let y_chunks: [&[[f64; LANES]]; C] = std::array::from_fn(|b| &y[b].as_chunks::<LANES>().0[..whole]);
    for t in 0..whole {
        for a in 0..R {
            for b in 0..C {
                for lane in 0..LANES {
                    lanes[a][b][lane] += T::term(x_chunks[a][t][lane], y_chunks[b][t][lane]);
                }
            }
        }
    }
    std::array::from_fn(|a| {
        std::array::from_fn(|b| {
            let mut sums = lanes[a][b];
            for (lane, t) in (whole * LANES..x[a].len()).enumerate() {
                sums[lane] += T::term(x[a][t], y[b][t]);
            }
            ((sums[0] + sums[4]) + (sums[2] + sums[6])) + ((sums[1] + sums[5]) + (sums[3] + sums[7]))
        })
    })
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
