//! Numbers to take from the diagonal of a kernel so that it stays positive semidefinite, of large sum.
//!
//! The largest sum is a semidefinite programme, whose dual (the least Σ K_ij ⟨v_i, v_j⟩ over unit vectors) is solved row by row in few
//! dimensions: v_i turns against Σ_{j≠i} K_ij v_j, whose length is what row i needs of its diagonal. What is then missing to
//! a positive semidefinite matrix is the least eigenvalue (Lanczos), which all rows give back.
//!
//! Everything runs in one order of operations.
//!
//! Limit: 2·[`RANK`]·n² operations per sweep, 2n² per step of Lanczos.

use kantor_theory::dot;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use crate::simd;

/// Dimensions of the vectors.
const RANK: usize = 24;

/// Sweeps over all rows.
const SWEEPS: usize = 12;

/// Steps of Lanczos.
const STEPS: usize = 64;

/// The shift of the n×n kernel values `gram`, whose diagonal is 1, and about how far K less the shift is from positive semidefinite: that
/// must be taken from all numbers.
pub(super) fn shift(gram: &[f64], n: usize) -> (Vec<f64>, f64) {
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let mut vectors: Vec<[f64; RANK]> =
        (0..n).map(|_| unit([0.0; RANK].map(|_| rng.random_range(-1.0..1.0)))).collect();
    let mut shift = vec![0.0; n];
    for _ in 0..SWEEPS {
        for (at, line) in gram.chunks_exact(n).enumerate() {
            let pull = pull(line, &vectors, at);
            let length = pull.iter().map(|x| x * x).sum::<f64>().sqrt();
            shift[at] = 1.0 - length;
            if length > 0.0 {
                vectors[at] = pull.map(|x| -x / length);
            }
        }
    }
    let start: Vec<f64> = (0..n).map(|_| rng.random_range(-1.0..1.0)).collect();
    let missing = -least_eigenvalue(gram, &shift, start);
    (shift, missing.max(0.0))
}

fn unit(x: [f64; RANK]) -> [f64; RANK] {
    let length = x.iter().map(|x| x * x).sum::<f64>().sqrt();
    if length > 0.0 { x.map(|x| x / length) } else { x }
}

/// Σ_{j≠at} line_j·v_j.
fn pull(line: &[f64], vectors: &[[f64; RANK]], at: usize) -> [f64; RANK] {
    let mut sum = [0.0; RANK];
    simd::wide(
        #[inline(always)]
        || {
            for (part, vectors) in [(&line[..at], &vectors[..at]), (&line[at + 1..], &vectors[at + 1..])] {
                for (k, vector) in part.iter().zip(vectors) {
                    sum.iter_mut().zip(vector).for_each(|(sum, x)| *sum += k * x);
                }
            }
        },
    );
    sum
}

/// The least Ritz value of K less the shift, which is above the least eigenvalue by little.
fn least_eigenvalue(gram: &[f64], shift: &[f64], start: Vec<f64>) -> f64 {
    let n = shift.len();
    let normalised = |mut x: Vec<f64>| {
        let length = dot::dot(&x, &x).sqrt();
        x.iter_mut().for_each(|x| *x /= length);
        (x, length)
    };
    let mut basis = vec![normalised(start).0];
    let (mut diagonal, mut beside) = (Vec::new(), Vec::new());
    for _ in 0..STEPS.min(n) {
        let last = &basis[basis.len() - 1];
        let mut next: Vec<f64> =
            gram.par_chunks_exact(n).zip(last).zip(shift).map(|((line, x), d)| dot::dot(line, last) - d * x).collect();
        diagonal.push(dot::dot(&next, last));
        // Twice, since once leaves what rounding hides.
        for vector in basis.iter().chain(&basis) {
            let part = dot::dot(&next, vector);
            next.iter_mut().zip(vector).for_each(|(x, v)| *x -= part * v);
        }
        let (next, length) = normalised(next);
        if length.is_nan() || length <= 1e-12 {
            break;
        }
        beside.push(length);
        basis.push(next);
    }
    beside.truncate(diagonal.len().saturating_sub(1));
    least_of_tridiagonal(&diagonal, &beside)
}

/// The least eigenvalue of a symmetric tridiagonal matrix, by bisection on the number of negative pivots.
fn least_of_tridiagonal(diagonal: &[f64], beside: &[f64]) -> f64 {
    let size = diagonal.iter().chain(beside).fold(0.0f64, |size, x| size.max(x.abs()));
    let (mut low, mut high) = (-3.0 * size, 3.0 * size);
    let has_below = |x: f64| {
        let mut pivot = f64::INFINITY;
        diagonal.iter().enumerate().any(|(at, d)| {
            let off = if at == 0 { 0.0 } else { beside[at - 1] * beside[at - 1] };
            pivot = d - x - off / pivot;
            pivot < 0.0
        })
    };
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if has_below(middle) { high = middle } else { low = middle }
    }
    low
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two rows with k between them: the most that both can give is 1 − k.
    #[test]
    fn pairs_give_what_lies_between_them() {
        for k in [0.0, 0.3, 0.999] {
            let (shift, missing) = shift(&[1.0, k, k, 1.0], 2);
            assert!(shift.iter().all(|d| (d - (1.0 - k)).abs() < 1e-9), "{shift:?}");
            assert!(missing < 1e-9);
        }
    }

    #[test]
    fn least_eigenvalues_are_found() {
        // 2 − 2 cos(π t/(n + 1)).
        let n = 40_usize;
        let gram: Vec<f64> = (0..n * n).map(|at| [2.0, -1.0, 0.0][(at / n).abs_diff(at % n).min(2)]).collect();
        let start = (0..n).map(|at| 1.0 + at as f64).collect();
        let least = least_eigenvalue(&gram, &vec![0.25; n], start);
        let exact = 2.0 - 2.0 * (std::f64::consts::PI / (n as f64 + 1.0)).cos() - 0.25;
        assert!((least - exact).abs() < 1e-9, "{least} {exact}");
    }
}
