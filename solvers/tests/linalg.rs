//! What every backend of the dense factorisations must do. With `--features lapack` LAPACK must do it too.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use kantor_solvers::transport::linalg::fixed;
use kantor_solvers::transport::linalg::{Backend, Spectrum};
use proptest::prelude::*;

/// Numbers without pattern in (−1, 1).
fn noise(count: usize, seed: usize) -> Vec<f64> {
    let value = |i: usize| ((i * 7919 + seed * 104_729 + 13) as f64 * 0.618_033_988_749_894_8).fract() * 2.0 - 1.0;
    (0..count).map(value).collect()
}

/// X·Y for row-major matrices with this inner dimension.
fn product(x: &[f64], y: &[f64], inner: usize) -> Vec<f64> {
    let columns = y.len() / inner;
    let entry = |row: &[f64], j: usize| (0..inner).map(|k| row[k] * y[k * columns + j]).sum();
    x.chunks_exact(inner).flat_map(|row| (0..columns).map(move |j| entry(row, j))).collect()
}

fn transposed(x: &[f64], columns: usize) -> Vec<f64> {
    (0..columns).flat_map(|j| x.chunks_exact(columns).map(move |row| row[j])).collect()
}

fn largest(x: &[f64]) -> f64 {
    x.iter().fold(0.0, |most, x| most.max(x.abs()))
}

fn near(x: &[f64], y: &[f64], tolerance: f64) {
    assert_eq!(x.len(), y.len());
    let error = x.iter().zip(y).fold(0.0f64, |most, (x, y)| most.max((x - y).abs()));
    assert!(error <= tolerance, "error {error:e} above {tolerance:e}");
}

fn identity(n: usize) -> Vec<f64> {
    (0..n * n).map(|at| f64::from(u8::from(at % (n + 1) == 0))).collect()
}

/// A positive definite matrix: BBᵀ/n + I.
fn definite(n: usize, seed: usize) -> Vec<f64> {
    let b = noise(n * n, seed);
    let gram = product(&b, &transposed(&b, n), n);
    gram.iter().zip(identity(n)).map(|(g, e)| g / n as f64 + e).collect()
}

type Solve = (String, Box<dyn Fn(&mut [f64], &mut [f64]) -> bool>);

fn solvers() -> Vec<Solve> {
    let library = |backend: Backend| -> Solve {
        (backend.name().into(), Box::new(move |a, b| backend.solve_positive_definite(a, b)))
    };
    let mut all: Vec<Solve> = Backend::ALL.iter().copied().map(library).collect();
    all.push(("fixed".into(), Box::new(fixed::solve)));
    all
}

/// Orthonormal rows with a clear sign.
fn check_vectors(spectrum: &Spectrum, len: usize) {
    let many = spectrum.values.len();
    assert_eq!(spectrum.vectors.len(), many * len);
    near(&product(&spectrum.vectors, &transposed(&spectrum.vectors, len), len), &identity(many), 1e-13 * len as f64);
    for vector in spectrum.vectors.chunks_exact(len) {
        let most = largest(vector);
        assert!(vector.contains(&most), "the largest entry is negative");
    }
}

#[test]
fn positive_definite_systems_are_solved() {
    for n in [1, 2, 3, 8, 17, 64, 130] {
        for scale in [1.0, 1e-150, 1e150] {
            let a: Vec<f64> = definite(n, n).iter().map(|x| x * scale).collect();
            let x = noise(n, 5);
            let b = product(&a, &x, n);
            for (name, solve) in solvers() {
                // What stands above the diagonal is nobody's business.
                let mut lower = a.clone();
                (0..n).for_each(|i| lower[i * n + i + 1..(i + 1) * n].fill(f64::NAN));
                let mut found = b.clone();
                assert!(solve(&mut lower, &mut found), "{name} at n = {n}");
                near(&found, &x, 1e-12 * n as f64);
            }
        }
    }
}

#[test]
fn what_is_not_positive_definite_is_refused() {
    let singular = [1.0, 1.0, 1.0, 1.0];
    let indefinite = [1.0, 2.0, 2.0, 1.0];
    let negative = [-1.0, 0.0, 0.0, -1.0];
    let nan = [1.0, 0.0, f64::NAN, 1.0];
    let infinite = [f64::INFINITY, 0.0, 0.0, 1.0];
    for matrix in [singular, indefinite, negative, nan, infinite] {
        for (name, solve) in solvers() {
            assert!(!solve(&mut matrix.clone(), &mut [1.0, 1.0]), "{name} took {matrix:?}");
        }
    }
    for (name, solve) in solvers() {
        assert!(solve(&mut [], &mut []), "{name}");
    }
}

#[test]
fn eigenvectors_rebuild_the_matrix() {
    for &backend in Backend::ALL {
        for n in [1, 2, 5, 16, 33, 100] {
            let b = noise(n * n, 3);
            let a: Vec<f64> = b.iter().zip(transposed(&b, n)).map(|(x, y)| x + y).collect();
            let found = backend.symmetric_eigen(n, &a).unwrap();
            assert!(found.values.is_sorted());
            check_vectors(&found, n);
            let weighted: Vec<f64> = found
                .vectors
                .chunks_exact(n)
                .zip(&found.values)
                .flat_map(|(v, l)| v.iter().map(move |x| x * l))
                .collect();
            near(&product(&transposed(&found.vectors, n), &weighted, n), &a, 1e-13 * n as f64);
        }
    }
}

#[test]
fn eigenvalues_of_the_path_are_known() {
    // The second difference on n points has the eigenvalues 2 − 2 cos(kπ/(n + 1)).
    let n = 40;
    let entry = |i: usize, j: usize| {
        if i == j {
            2.0
        } else if i.abs_diff(j) == 1 {
            -1.0
        } else {
            0.0
        }
    };
    let matrix: Vec<f64> = (0..n * n).map(|at| entry(at / n, at % n)).collect();
    let angle = |k: usize| std::f64::consts::PI * k as f64 / (n + 1) as f64;
    let known: Vec<f64> = (1..=n).map(|k| 2.0 - 2.0 * angle(k).cos()).collect();
    for &backend in Backend::ALL {
        near(&backend.symmetric_eigen(n, &matrix).unwrap().values, &known, 1e-13);
    }
}

#[test]
fn singular_vectors_are_the_principal_axes() {
    for &backend in Backend::ALL {
        for (rows, columns) in [(1, 1), (1, 7), (7, 1), (5, 12), (60, 20), (20, 60), (100, 100)] {
            let a = noise(rows * columns, 9);
            let found = backend.right_singular(columns, &a).unwrap();
            assert_eq!(found.values.len(), rows.min(columns));
            assert!(found.values.is_sorted_by(|x, y| x >= y) && found.values.iter().all(|s| *s >= 0.0));
            check_vectors(&found, columns);
            // A·v has length σ, and the axes hold all of A.
            let images = product(&a, &transposed(&found.vectors, columns), columns);
            let lengths: Vec<f64> = (transposed(&images, found.values.len()).chunks_exact(rows))
                .map(|image| image.iter().map(|x| x * x).sum::<f64>().sqrt())
                .collect();
            near(&lengths, &found.values, 1e-12 * rows.max(columns) as f64);
            near(&product(&images, &found.vectors, found.values.len()), &a, 1e-12 * rows.max(columns) as f64);
        }
    }
}

#[test]
fn equal_values_and_zeros_are_no_obstacle() {
    for &backend in Backend::ALL {
        let found = backend.symmetric_eigen(30, &identity(30)).unwrap();
        near(&found.values, &[1.0; 30], 1e-15);
        check_vectors(&found, 30);
        near(&backend.symmetric_eigen(4, &[0.0; 16]).unwrap().values, &[0.0; 4], 0.0);
        near(&backend.right_singular(3, &[0.0; 12]).unwrap().values, &[0.0; 3], 0.0);
        let rank_one: Vec<f64> = (0..200).map(|at| (1 + at / 10) as f64 * (1 + at % 10) as f64).collect();
        let found = backend.right_singular(10, &rank_one).unwrap();
        check_vectors(&found, 10);
        assert!(found.values[1..].iter().all(|s| *s <= 1e-12 * found.values[0]));
    }
}

#[test]
fn what_is_no_number_has_no_spectrum() {
    for &backend in Backend::ALL {
        assert_eq!(backend.symmetric_eigen(2, &[1.0, 0.0, f64::NAN, 1.0]), None);
        assert_eq!(backend.right_singular(2, &[f64::INFINITY, 0.0]), None);
        assert!(backend.symmetric_eigen(0, &[]).unwrap().values.is_empty());
        assert!(backend.right_singular(3, &[]).unwrap().values.is_empty());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Backends may differ in the last bits and no further.
    #[test]
    fn backends_agree(n in 1usize..30, rows in 1usize..30, seed in 0usize..1000) {
        let a = definite(n, seed);
        let right = noise(n, seed + 1);
        let found: Vec<Vec<f64>> = solvers()
            .into_iter()
            .map(|(_, solve)| {
                let mut x = right.clone();
                assert!(solve(&mut a.clone(), &mut x));
                x
            })
            .collect();
        found.iter().for_each(|x| near(x, &found[0], 1e-12 * n as f64));
        let b = noise(rows * n, seed + 2);
        let first = (Backend::ALL[0].symmetric_eigen(n, &a).unwrap(), Backend::ALL[0].right_singular(n, &b).unwrap());
        for &backend in Backend::ALL {
            near(&backend.symmetric_eigen(n, &a).unwrap().values, &first.0.values, 1e-12 * n as f64);
            near(&backend.right_singular(n, &b).unwrap().values, &first.1.values, 1e-12 * (n + rows) as f64);
        }
    }
}
