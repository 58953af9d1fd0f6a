//! Distances to the nearest point: chamfer both ways, and Hausdorff.
//!
//! With weights a on the rows of S and b on the queries Q, each divided by its sum, and points of weight zero left out:
//! - chamfer to the subset, c(Q→S) = (Σ_j b_j min_i c_ij^p)^(1/p): the least transport cost over all weights of S
//!   (theorem T2), so it is ≤ W_p(S, Q) for any cost;
//! - chamfer to the queries, c(S→Q) = (Σ_i a_i min_j c_ij^p)^(1/p), likewise;
//! - Hausdorff, the larger of max_j min_i c_ij and max_i min_j c_ij: ≤ W_∞(S, Q), as no coupling can carry a point to
//!   less than its nearest; no bound of W_p.
//!
//! A cost falls with closeness, so the closest pair, found on closeness, encloses the least cost.
//!
//! Limit: k·M inner products in `f64`, see [`dot`](crate::dot), and one comparison per pair and side.

use crate::bounds::blocks::over_closeness;
use crate::bounds::{Executor, Interval, check_weighted};
use crate::cost_bounds::{CostBounds, Power};
use crate::geometry::Geometry;
use crate::rejection::Rejection;
use crate::rounding::{ExactSum, div_down, div_up};
use crate::statement::{Weights, total};

/// The three distances, enclosed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NearestDistances {
    /// c(Q→S).
    pub chamfer_to_subset: Interval,
    /// c(S→Q).
    pub chamfer_to_query: Interval,
    /// The larger of the two largest least costs.
    pub hausdorff: Interval,
}

/// The closest partner of a point so far.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Closest {
    /// Larger is closer.
    closeness: f64,
    row: usize,
}

impl Closest {
    const NOBODY: Closest = Closest { closeness: f64::NEG_INFINITY, row: usize::MAX };

    /// The closer of both; the lower row at a tie.
    fn or(self, other: Closest) -> Closest {
        let wins = other.closeness > self.closeness || (other.closeness == self.closeness && other.row < self.row);
        if wins { other } else { self }
    }
}

/// A mean of least costs and the largest of them, enclosed.
#[derive(Clone, Default)]
struct Least {
    low: ExactSum,
    high: ExactSum,
    /// The largest least cost.
    most: Option<(f64, f64)>,
}

impl Least {
    fn add(&mut self, weight: f64, (low, high): (f64, f64)) {
        self.low.add_product(weight, low);
        self.high.add_product(weight, high);
        self.widen((low, high));
    }

    fn widen(&mut self, (low, high): (f64, f64)) {
        self.most = Some(self.most.map_or((low, high), |most| (most.0.max(low), most.1.max(high))));
    }

    fn merge(&mut self, other: &Least) {
        self.low.merge(&other.low);
        self.high.merge(&other.high);
        if let Some(most) = other.most {
            self.widen(most);
        }
    }

    fn mean(&self, weights: Option<&[f64]>, count: usize, power: Power) -> Interval {
        let (low, high) = match weights {
            None => (div_down(self.low.down(), count as f64), div_up(self.high.up(), count as f64)),
            Some(weights) => (self.low.ratio_down(&total(weights)), self.high.ratio_up(&total(weights))),
        };
        Interval { lower: Some(power.root_down(low)), upper: Some(power.root_up(high)) }
    }
}

/// Encloses chamfer and Hausdorff distances of the pool rows `rows`, weighted in their order, and the queries.
///
/// O(k·M·d) time, O(M) memory per task.
///
/// # Errors
/// If rows or weights do not fit the geometry, a row is bad or a closeness not finite, or the executor stopped early.
pub fn nearest_distances(
    geometry: &Geometry<'_>,
    power: Power,
    rows: &[usize],
    weights: &Weights,
    executor: Executor<'_>,
) -> Result<NearestDistances, Rejection> {
    check_weighted(geometry, power, rows, weights)?;
    let m = geometry.query_len();
    let costs = CostBounds::new(geometry, power);
    let cost = |found: Closest, query: usize| {
        (costs.lower(found.closeness), costs.upper(found.closeness, || geometry.same_row(found.row, query)))
    };
    let counts = |side: &Option<Vec<f64>>, at: usize| side.as_ref().is_none_or(|weights| weights[at] > 0.0);
    let weight = |side: &Option<Vec<f64>>, at: usize| side.as_ref().map_or(1.0, |weights| weights[at]);

    let visit = |(least, closest): &mut (Least, Vec<Closest>), first: usize, block: &[usize], closeness: &[f64]| {
        for ((position, &row), line) in (first..).zip(block).zip(closeness.chunks_exact(m)) {
            if !counts(&weights.subset, position) {
                continue;
            }
            let mut nearest = (Closest::NOBODY, 0);
            for (query, (&closeness, closest)) in line.iter().zip(closest.iter_mut()).enumerate() {
                let pair = Closest { closeness, row };
                if closeness >= closest.closeness {
                    *closest = closest.or(pair);
                }
                if closeness > nearest.0.closeness && counts(&weights.query, query) {
                    nearest = (pair, query);
                }
            }
            least.add(weight(&weights.subset, position), cost(nearest.0, nearest.1));
        }
        Ok(())
    };
    let merge = |total: &mut (Least, Vec<Closest>), part: (Least, Vec<Closest>)| {
        total.0.merge(&part.0);
        total.1.iter_mut().zip(part.1).for_each(|(total, part)| *total = total.or(part));
    };
    let empty = (Least::default(), vec![Closest::NOBODY; m]);
    let (to_query, closest) = over_closeness(geometry, rows, executor, empty, visit, merge)?;
    let mut to_subset = Least::default();
    for (query, &found) in closest.iter().enumerate().filter(|&(query, _)| counts(&weights.query, query)) {
        to_subset.add(weight(&weights.query, query), cost(found, query));
    }
    let mut either = Least::default();
    either.merge(&to_query);
    either.merge(&to_subset);
    let (low, high) = either.most.unwrap_or((0.0, f64::INFINITY));
    let found = NearestDistances {
        chamfer_to_subset: to_subset.mean(weights.query.as_deref(), m, power),
        chamfer_to_query: to_query.mean(weights.subset.as_deref(), rows.len(), power),
        hausdorff: Interval { lower: Some(power.root_down(low)), upper: Some(power.root_up(high)) },
    };
    let all = [found.chamfer_to_subset, found.chamfer_to_query, found.hausdorff];
    match all.iter().flat_map(|x| [x.lower, x.upper]).flatten().all(f64::is_finite) {
        true => Ok(found),
        false => Err(Rejection::new("range", "a distance is too large for a double: rescale rows or costs")),
    }
}
