//! What rows that are not in the pool are worth in a bound under the distance of a kernel (T16 (g), `notes/T16.md`).
//!
//! A row z has the value v(z) = −h(z) = ⟨δ_z, Q − w⟩, of which nothing must be known but how far z can be from Q or w: with r = ‖Q − w‖,
//! v(z) ≤ r·√k(z, z) for a positive definite kernel, v(z) ≤ ⟨Q, Q − w⟩ + ‖δ_z − Q‖·r for the energy distance of directions, and for every
//! energy distance v(z) ≤ Σ_l |w_l| E‖z_l − q‖. A row that equals a query has the value there.
//!
//! Limit: M·(L + M) values of the kernel.

use crate::bounds::Witness;
use crate::bounds::discrepancy::{End, Sums};
use crate::bounds::ratio_down;
use crate::cost::Family;
use crate::geometry::Geometry;
use crate::kernel::Kernel;
use crate::rejection::Rejection;
use crate::rounding::{ExactSum, add_up, div_down, mul_up, sqrt_up};
use crate::rows::DenseRows;

/// Numbers ≥ the values of rows that are not in the pool.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Outside {
    /// For every query, of a row that equals it.
    pub(super) queries: Vec<f64>,
    /// Of any row.
    pub(super) anywhere: f64,
}

/// What a bound holds already: the weights of the queries and their sum, the witness with its sum, and a number ≥ ⟨w, w⟩.
pub(super) struct Measures<'a> {
    pub(super) shares: &'a [f64],
    pub(super) sum_of_shares: &'a ExactSum,
    pub(super) witness: &'a Witness,
    pub(super) mass: &'a ExactSum,
    pub(super) length: f64,
}

impl Outside {
    /// Of a geometry whose `landmarks` are the rows of the witness.
    pub(super) fn of(
        geometry: &Geometry<'_>,
        landmarks: &Geometry<'_>,
        kernel: Kernel,
        measures: &Measures<'_>,
    ) -> Result<Self, Rejection> {
        let &Measures { shares, sum_of_shares, witness, mass, length } = measures;
        let (queries, rows) = (points(geometry)?, points(landmarks)?);
        let to = |other: &DenseRows, weights: Vec<f64>, ends: &[End]| -> Result<Vec<Vec<f64>>, Rejection> {
            let between = Geometry::new(&queries, other, geometry.cost())
                .map_err(|fault| Rejection::new("rows", fault.to_string()))?;
            let all: Vec<usize> = (0..shares.len()).collect();
            Sums::new(&between, kernel, weights.into())?.of_rows(&between, &all, ends)
        };
        let to_queries = to(&queries, shares.to_vec(), &[End::Upper])?;
        let to_queries: Vec<f64> = to_queries[0].iter().map(|x| -ratio_down(-x, sum_of_shares)).collect();
        let pulls = to(&rows, witness.weights.clone(), &[End::Lower])?;
        let pulls: Vec<f64> = pulls[0].iter().map(|&x| ratio_down(x, mass)).collect();
        let mean_down = |of: &mut dyn Iterator<Item = f64>| {
            let mut sum = ExactSum::default();
            shares.iter().zip(of).for_each(|(&b, x)| sum.add_product(b, x));
            sum.ratio_down(sum_of_shares)
        };
        // ⟨Q, Q⟩ from above, ⟨Q, w⟩ from below.
        let own = -mean_down(&mut to_queries.iter().map(|x| -x));
        let cross = mean_down(&mut pulls.iter().copied());
        // Twice a number is exact.
        let r = sqrt_up(add_up(add_up(own, length), -2.0 * cross).max(0.0));
        let anywhere = if kernel == Kernel::ENERGY {
            let sizes: Vec<f64> = witness.weights.iter().map(|w| w.abs()).collect();
            let far = to(&rows, sizes, &[End::Lower])?;
            let far = -mean_down(&mut far[0].iter().map(|&x| ratio_down(x, mass)));
            // No two unit rows are farther apart than 2: ‖δ_z − Q‖² ≤ 4 + ⟨Q, Q⟩.
            let from = |least: f64, own: f64| add_up(least, mul_up(sqrt_up(add_up(4.0, own).max(0.0)), r));
            match geometry.cost().family() {
                Family::Angle => far.min(from(add_up(own, -cross), own)),
                _ => far,
            }
        } else {
            mul_up(r, sqrt_up(kernel.upper(0.0)))
        };
        let queries = to_queries.iter().zip(&pulls).map(|(&up, &pull)| add_up(up, -pull)).collect::<Vec<f64>>();
        if queries.iter().chain([&anywhere]).all(|x| x.is_finite()) {
            return Ok(Self { queries, anywhere });
        }
        Err(Rejection::new("range", "the values of rows that are not in the pool overflow"))
    }
    /// Where a row that is not active counts for itself alone (T19): it has the value v(z) = ⟨δ_z, Q⟩ − 1/2k, `budget` being k. The
    /// kernel is 1 at distance zero and never negative.
    pub(super) fn alone(
        geometry: &Geometry<'_>,
        kernel: Kernel,
        (shares, sum_of_shares): (&[f64], &ExactSum),
        budget: f64,
    ) -> Result<Self, Rejection> {
        let queries = points(geometry)?;
        let around = Geometry::new(&queries, &queries, geometry.cost())
            .map_err(|fault| Rejection::new("rows", fault.to_string()))?;
        let all: Vec<usize> = (0..shares.len()).collect();
        let ends = Sums::new(&around, kernel, shares.into())?.of_rows(&around, &all, &[End::Upper])?;
        let means: Vec<f64> = ends[0].iter().map(|x| -ratio_down(-x, sum_of_shares)).collect();
        let mut sum = ExactSum::default();
        shares.iter().zip(&means).for_each(|(&b, &x)| sum.add_product(b, x));
        let own = -div_down(0.5, budget);
        // ⟨δ_z, Q⟩ ≤ ‖Q‖.
        let anywhere = add_up(sqrt_up(sum.ratio_up(sum_of_shares).max(0.0)), own);
        let queries = means.iter().map(|mean| add_up(*mean, own)).collect();
        Ok(Self { queries, anywhere })
    }
}

/// The queries of a geometry as a pool.
fn points(geometry: &Geometry<'_>) -> Result<DenseRows, Rejection> {
    let defect = || Rejection::new("objective", "the queries are no points");
    let (queries, norms) = geometry.queries().ok_or_else(defect)?;
    DenseRows::from_f64(queries.len() / norms.len(), queries.to_vec()).ok_or_else(defect)
}
