//! The screen's error bound, on rows made to break it.

use crate::support::{double, geometry, matrix_of, single};
use kantor_solvers::scan::screen::{Screen, ScreenWorkspace};
use kantor_theory::{Cost, DenseRows, Geometry, Rows};
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

fn check(geometry: &Geometry<'_>) -> f64 {
    let (n, m) = (geometry.pool_len(), geometry.query_len());
    let screen = Screen::new(geometry);
    let mut workspace = ScreenWorkspace::default();
    let values = screen.block(0..n, &mut workspace);
    let mut exact = vec![0.0; n * m];
    geometry.closeness_block(0..n, &mut exact);
    let worst = values
        .iter()
        .zip(&exact)
        .map(|(&screened, &exact)| (f64::from(screened) - exact / screen.unit()).abs())
        .fold(0.0, |worst: f64, error| if error.is_nan() { f64::INFINITY } else { worst.max(error) });
    assert!(worst <= screen.error(), "off by {worst:e}, bound {:e}", screen.error());
    worst / screen.error()
}

/// Rows of every awkward kind, of norms up to 10^±`decades`.
fn awkward(rng: &mut ChaCha8Rng, n: usize, dim: usize, decades: f64) -> Vec<f64> {
    let base: Vec<f64> = (0..dim).map(|_| rng.random_range(-1.0..1.0)).collect();
    let mut rows = Vec::new();
    for kind in 0..n {
        let mut row: Vec<f64> = match kind % 6 {
            0 => base.iter().map(|x| x + 1e-7 * rng.random_range(-1.0..1.0)).collect(),
            1 => base.iter().map(|x| -x + 1e-4 * rng.random_range(-1.0..1.0)).collect(),
            // Without the leading 1, a row of few columns could vanish in single precision.
            2 => (0..dim).map(|t| if t == 0 { 1.0 } else { 10f64.powf(rng.random_range(-decades..1e-3)) }).collect(),
            3 => (0..dim).map(|_| 1.0 + rng.random_range(0.0..1e-6)).collect(),
            4 => (0..dim).map(|t| if t == kind % dim { 1.0 } else { 1e-25 }).collect(),
            _ => (0..dim).map(|_| rng.random_range(-1.0..1.0)).collect(),
        };
        let scale = [1.0, 10f64.powf(rng.random_range(-decades..decades))][kind / 6 % 2];
        row.iter_mut().for_each(|x| *x *= scale);
        rows.extend(row);
    }
    rows
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// |screened · unit − closeness| ≤ error · unit for every pair.
    #[test]
    fn the_bound_holds(seed in any::<u64>(), dim in 1usize..300, n in 1usize..40, m in 1usize..20, cost in 0usize..5) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let cost = Cost::ALL[cost];
        let query = awkward(&mut rng, m, dim, 30.0);
        for decades in [2.0, 30.0] {
            let pool = awkward(&mut rng, n, dim, decades);
            let pools: [Box<dyn Rows>; 2] = [Box::new(single(dim, &pool)), Box::new(double(dim, &pool))];
            for pool in &pools {
                check(&geometry(pool.as_ref(), &single(dim, &query), cost));
                check(&geometry(pool.as_ref(), &double(dim, &query), cost));
            }
        }
        let pool = double(dim, &awkward(&mut rng, n, dim, 60.0));
        check(&geometry(&pool, &double(dim, &awkward(&mut rng, m, dim, 60.0)), cost));
    }

    #[test]
    fn the_bound_holds_for_matrices(seed in any::<u64>(), n in 1usize..40, m in 1usize..20, decades in 1.0f64..200.0) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let values = awkward(&mut rng, m, n, decades);
        check(&Geometry::from_matrix(&double(n, &values), Cost::Precomputed).unwrap());
        let exact = single(n, &awkward(&mut rng, m, n, 30.0));
        prop_assert_eq!(Screen::new(&Geometry::from_matrix(&exact, Cost::Precomputed).unwrap()).error(), 0.0);
        check(&Geometry::from_matrix(&exact, Cost::Precomputed).unwrap());
        // Cosines, some of them outside [−1, 1] by rounding.
        let beyond = [1.0, 1.0 + 3.0 * f64::EPSILON, 1.0 + 3e-6, 0.3];
        let cosines: Vec<f64> = (0..n * m).map(|_| [1.0, -1.0][rng.random_range(0..2)] * beyond[rng.random_range(0..4)]).collect();
        for matrix in [single(n, &cosines), double(n, &cosines)] {
            check(&Geometry::from_matrix(&matrix, Cost::Cosine).unwrap());
        }
    }
}

/// A bound that is never approached costs work: random unit rows should use a visible share of it.
#[test]
fn the_bound_is_not_absurdly_loose() {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let mut rows = |n: usize| -> Vec<f64> { (0..n * 4).map(|_| rng.random_range(-1.0..1.0)).collect() };
    let (pool, query) = (single(4, &rows(2000)), single(4, &rows(50)));
    assert!(check(&geometry(&pool, &query, Cost::Cosine)) > 0.1);
    assert!(check(&geometry(&pool, &query, Cost::Euclidean)) > 0.02);
}

#[test]
fn zero_rows_and_equal_rows_screen_within_the_bound() {
    let pool = DenseRows::from_f32(3, vec![0.0, 0.0, 0.0, 1.0, 2.0, 3.0]).unwrap();
    let query = DenseRows::from_f32(3, vec![1.0, 2.0, 3.0, 0.0, 0.0, 0.0]).unwrap();
    check(&geometry(&pool, &query, Cost::Euclidean));
    let matrix = matrix_of(&geometry(&pool, &query, Cost::Euclidean), true);
    check(&Geometry::from_matrix(&matrix, Cost::Precomputed).unwrap());
}
