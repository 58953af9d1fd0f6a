//! Factorisations by faer, on one thread: the result does not depend on how many there are.

use ::faer::dyn_stack::{MemBuffer, MemStack};
use ::faer::linalg::cholesky::llt;
use ::faer::linalg::evd::{self, ComputeEigenvectors};
use ::faer::linalg::svd::{self, ComputeSvdVectors};
use ::faer::prelude::default;
use ::faer::{Mat, MatMut, MatRef, Par};

use super::Spectrum;

pub(super) fn solve_positive_definite(matrix: &mut [f64], b: &mut [f64]) -> bool {
    let n = b.len();
    let mut factor = Mat::from_fn(n, n, |i, j| if j <= i { matrix[i * n + j] } else { 0.0 });
    let mut memory = MemBuffer::new(llt::factor::cholesky_in_place_scratch::<f64>(n, Par::Seq, default()));
    let stack = MemStack::new(&mut memory);
    if llt::factor::cholesky_in_place(factor.as_mut(), default(), Par::Seq, stack, default()).is_err() {
        return false;
    }
    let mut memory = MemBuffer::new(llt::solve::solve_in_place_scratch::<f64>(n, 1, Par::Seq));
    let right = MatMut::from_column_major_slice_mut(b, n, 1);
    llt::solve::solve_in_place(factor.as_ref(), right, Par::Seq, MemStack::new(&mut memory));
    true
}

pub(super) fn symmetric_eigen(n: usize, matrix: &[f64]) -> Option<Spectrum> {
    // The lower triangle is read; columns of the copy are contiguous.
    let copy = Mat::from_fn(n, n, |i, j| matrix[i.max(j) * n + i.min(j)]);
    let mut values = vec![0.0; n];
    let mut vectors = vec![0.0; n * n];
    let yes = ComputeEigenvectors::Yes;
    let mut memory = MemBuffer::new(evd::self_adjoint_evd_scratch::<f64>(n, yes, Par::Seq, default()));
    evd::self_adjoint_evd(
        copy.as_ref(),
        ::faer::diag::DiagMut::from_slice_mut(&mut values),
        Some(MatMut::from_column_major_slice_mut(&mut vectors, n, n)),
        Par::Seq,
        MemStack::new(&mut memory),
        default(),
    )
    .ok()?;
    Some(Spectrum { values, vectors })
}

pub(super) fn right_singular(columns: usize, matrix: &[f64]) -> Option<Spectrum> {
    let rows = matrix.len() / columns;
    let many = rows.min(columns);
    let mut values = vec![0.0; many];
    let mut vectors = vec![0.0; columns * many];
    let thin = ComputeSvdVectors::Thin;
    let no = ComputeSvdVectors::No;
    let mut memory = MemBuffer::new(svd::svd_scratch::<f64>(rows, columns, no, thin, Par::Seq, default()));
    svd::svd(
        MatRef::from_row_major_slice(matrix, rows, columns),
        ::faer::diag::DiagMut::from_slice_mut(&mut values),
        None,
        Some(MatMut::from_column_major_slice_mut(&mut vectors, columns, many)),
        Par::Seq,
        MemStack::new(&mut memory),
        default(),
    )
    .ok()?;
    Some(Spectrum { values, vectors })
}
