//! Solves a small symmetric positive definite system: by faer, or in one fixed order of operations.
//!
//! faer is the faster by far, with vectors as wide as the processor's, and so with last bits that depend on it. Where
//! an order of rows is decided in the end, [`solve_in_order`] keeps them the same everywhere.

use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::cholesky::llt::{factor, solve};
use faer::{Conj, MatMut, Par};

/// Solves A·x = b for the symmetric A (n×n, row-major, lower triangle read) and overwrites it with its Cholesky
/// factor and b with x. `false` if A is not numerically positive definite; both are then unusable.
///
/// n³/6 multiply-adds on one thread; n is the number of queries.
pub(crate) fn solve_by_faer(matrix: &mut [f64], b: &mut [f64]) -> bool {
    let n = b.len();
    let scratch = factor::cholesky_in_place_scratch::<f64>(n, Par::Seq, Default::default());
    let mut memory = MemBuffer::new(scratch.or(solve::solve_in_place_scratch::<f64>(n, 1, Par::Seq)));
    let mut a = MatMut::from_row_major_slice_mut(matrix, n, n);
    let regularization = Default::default();
    let stack = MemStack::new(&mut memory);
    if factor::cholesky_in_place(a.as_mut(), regularization, Par::Seq, stack, Default::default()).is_err() {
        return false;
    }
    let x = MatMut::from_column_major_slice_mut(b, n, 1);
    solve::solve_in_place_with_conj(a.as_ref(), Conj::No, x, Par::Seq, MemStack::new(&mut memory));
    b.iter().all(|x| x.is_finite())
}

/// As [`solve_by_faer`], the same bits on every processor.
///
/// n³/6 multiply-adds; n is the number of queries.
pub(crate) fn solve_in_order(matrix: &mut [f64], b: &mut [f64]) -> bool {
    let n = b.len();
    for i in 0..n {
        let (done, rest) = matrix.split_at_mut(i * n);
        let row = &mut rest[..n];
        for j in 0..i {
            let other = &done[j * n..j * n + j + 1];
            row[j] = (row[j] - inner(&row[..j], &other[..j])) / other[j];
        }
        let pivot = row[i] - inner(&row[..i], &row[..i]);
        // Not `pivot <= 0.0`: a NaN is no pivot either.
        if !(pivot > 0.0 && pivot.is_finite()) {
            return false;
        }
        row[i] = pivot.sqrt();
        b[i] = (b[i] - inner(&row[..i], &b[..i])) / row[i];
    }
    for i in (0..n).rev() {
        b[i] /= matrix[i * n + i];
        let x = b[i];
        for (target, factor) in b[..i].iter_mut().zip(&matrix[i * n..i * n + i]) {
            *target -= x * factor;
        }
    }
    true
}

fn inner(x: &[f64], y: &[f64]) -> f64 {
    kantor_theory::dot::dot(x, y)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_solve_and_refuse() {
        for solve in [solve_by_faer, solve_in_order] {
            for n in [1, 2, 7, 20, 130] {
                // A = BᵀB + I.
                let b: Vec<f64> = (0..n * n).map(|i| ((i * 37 + 11) % 19) as f64 / 19.0 - 0.5).collect();
                let mut a = vec![0.0; n * n];
                for i in 0..n {
                    for j in 0..n {
                        let product: f64 = (0..n).map(|k| b[k * n + i] * b[k * n + j]).sum();
                        a[i * n + j] = product + f64::from(u8::from(i == j));
                    }
                }
                let x: Vec<f64> = (0..n).map(|i| i as f64 - 2.5).collect();
                let mut right: Vec<f64> = (0..n).map(|i| (0..n).map(|j| a[i * n + j] * x[j]).sum()).collect();
                // The upper triangle is not read.
                (0..n).for_each(|i| a[i * n + i + 1..(i + 1) * n].fill(f64::NAN));
                assert!(solve(&mut a, &mut right));
                for (found, wanted) in right.iter().zip(&x) {
                    assert!((found - wanted).abs() < 1e-12 * (n * n) as f64);
                }
            }
            assert!(!solve(&mut [1.0, 0.0, 2.0, 1.0], &mut [1.0, 1.0]));
            assert!(!solve(&mut [f64::NAN], &mut [1.0]));
        }
    }
}
