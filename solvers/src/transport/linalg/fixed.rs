//! Solves a small symmetric positive definite system in one fixed order of operations: the same bits on every
//! processor, for Newton steps on whose results orders of rows depend.

/// Solves A·x = b for the symmetric A (n×n, row-major, lower triangle read) and overwrites it with its Cholesky
/// factor and b with x. `false` if A is not numerically positive definite; both are then unusable.
///
/// n³/6 multiply-adds.
pub fn solve(matrix: &mut [f64], b: &mut [f64]) -> bool {
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
