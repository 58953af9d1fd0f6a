//! Factorisations by LAPACK through ndarray-linalg.

use ndarray::{Array2, ArrayView1, ArrayView2};
use ndarray_linalg::{Eigh, FactorizeCInto, JobSvd, SVDDC, SolveC, UPLO};

use super::Spectrum;

pub(super) fn solve_positive_definite(matrix: &mut [f64], b: &mut [f64]) -> bool {
    let n = b.len();
    if n == 0 {
        return true;
    }
    let solved = ArrayView2::from_shape((n, n), matrix)
        .map_err(|_| ())
        .and_then(|a| a.to_owned().factorizec_into(UPLO::Lower).map_err(|_| ()))
        .and_then(|factor| factor.solvec(&ArrayView1::from(&*b)).map_err(|_| ()));
    match solved {
        Ok(x) => {
            b.iter_mut().zip(&x).for_each(|(b, x)| *b = *x);
            true
        }
        Err(()) => false,
    }
}

pub(super) fn symmetric_eigen(n: usize, matrix: &[f64]) -> Option<Spectrum> {
    let (values, vectors) = ArrayView2::from_shape((n, n), matrix).ok()?.eigh(UPLO::Lower).ok()?;
    Some(Spectrum { values: values.to_vec(), vectors: by_rows(vectors.t()) })
}

pub(super) fn right_singular(columns: usize, matrix: &[f64]) -> Option<Spectrum> {
    let matrix = ArrayView2::from_shape((matrix.len() / columns, columns), matrix).ok()?;
    let (_, values, vectors) = matrix.svddc(JobSvd::Some).ok()?;
    Some(Spectrum { values: values.to_vec(), vectors: by_rows(vectors?.view()) })
}

fn by_rows(matrix: ArrayView2<'_, f64>) -> Vec<f64> {
    let matrix: Array2<f64> = matrix.to_owned();
    matrix.outer_iter().flat_map(|row| row.to_vec()).collect()
}
