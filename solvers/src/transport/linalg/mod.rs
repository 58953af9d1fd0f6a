//! Small dense factorisations: Cholesky, symmetric eigenvectors, singular vectors.
//!
//! Two libraries stand behind one interface: faer, and LAPACK through ndarray-linalg where the feature `lapack` is on.
//! Both are called on one thread's data and checked by the same tests (`tests/linalg.rs`). Their last bits depend on
//! the processor's vectors (LAPACK's also on its own threads), so they serve values and starting points; where an order
//! of rows hangs on the result, [`fixed`] does the same work in one order of operations.
//!
//! All matrices are row-major slices. Limit: O(n³) on matrices of at most a few thousand rows.

mod faer;
pub mod fixed;
#[cfg(feature = "lapack")]
mod lapack;

/// Who factorises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// The crate faer.
    Faer,
    /// LAPACK, whichever the system has.
    #[cfg(feature = "lapack")]
    Lapack,
}

/// LAPACK where it was built in.
impl Default for Backend {
    fn default() -> Self {
        Backend::ALL[Backend::ALL.len() - 1]
    }
}

/// Unit vectors with a number each.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Spectrum {
    /// Eigenvalues, or singular values.
    pub values: Vec<f64>,
    /// One vector per value, row-major. The entry of largest magnitude, the first of several, is positive.
    pub vectors: Vec<f64>,
}

impl Backend {
    /// All that were built in.
    pub const ALL: &'static [Backend] = &[
        Backend::Faer,
        #[cfg(feature = "lapack")]
        Backend::Lapack,
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Backend::Faer => "faer",
            #[cfg(feature = "lapack")]
            Backend::Lapack => "lapack",
        }
    }

    /// Solves A·x = b for the symmetric A (n×n, lower triangle read) and overwrites b (n) with x. `false` if A is not
    /// numerically positive definite; A and b are unusable afterwards.
    ///
    /// # Panics
    /// If A has another size than b asks for.
    pub fn solve_positive_definite(self, matrix: &mut [f64], b: &mut [f64]) -> bool {
        assert_eq!(matrix.len(), b.len() * b.len(), "a matrix as large as its right-hand side");
        // Libraries pass over what is no number in different ways.
        let readable = (0..b.len()).all(|i| matrix[i * b.len()..][..=i].iter().all(|x| x.is_finite()));
        readable
            && match self {
                Backend::Faer => faer::solve_positive_definite(matrix, b),
                #[cfg(feature = "lapack")]
                Backend::Lapack => lapack::solve_positive_definite(matrix, b),
            }
            && b.iter().all(|x| x.is_finite())
    }

    /// Eigenvalues in ascending order and orthonormal eigenvectors of the symmetric n×n matrix, whose lower triangle is
    /// read. `None` if it holds what is not finite or the iteration fails.
    ///
    /// # Panics
    /// If the matrix has not n² entries.
    pub fn symmetric_eigen(self, n: usize, matrix: &[f64]) -> Option<Spectrum> {
        assert_eq!(matrix.len(), n * n, "a square matrix");
        if n == 0 || matrix.iter().any(|x| !x.is_finite()) {
            return (n == 0).then(Spectrum::default);
        }
        let spectrum = match self {
            Backend::Faer => faer::symmetric_eigen(n, matrix),
            #[cfg(feature = "lapack")]
            Backend::Lapack => lapack::symmetric_eigen(n, matrix),
        };
        spectrum.map(|found| found.signed(n))
    }

    /// Singular values in descending order and right singular vectors of a matrix with `columns` columns, as many as the
    /// shorter side is long. `None` if it holds what is not finite or the iteration fails.
    ///
    /// # Panics
    /// If `columns` is 0 or does not divide the number of entries.
    pub fn right_singular(self, columns: usize, matrix: &[f64]) -> Option<Spectrum> {
        assert!(columns > 0 && matrix.len().is_multiple_of(columns), "whole rows");
        if matrix.is_empty() || matrix.iter().any(|x| !x.is_finite()) {
            return matrix.is_empty().then(Spectrum::default);
        }
        let spectrum = match self {
            Backend::Faer => faer::right_singular(columns, matrix),
            #[cfg(feature = "lapack")]
            Backend::Lapack => lapack::right_singular(columns, matrix),
        };
        spectrum.map(|found| found.signed(columns))
    }
}

impl Spectrum {
    /// Fixes the sign that the definition leaves open.
    fn signed(mut self, len: usize) -> Self {
        for vector in self.vectors.chunks_exact_mut(len) {
            let most = vector.iter().fold(0.0f64, |most, x| if x.abs() > most.abs() { *x } else { most });
            if most < 0.0 {
                vector.iter_mut().for_each(|x| *x = -*x);
            }
        }
        self
    }
}
