//! Rows by their mean cost^p to all queries, weighted if the queries are.
//!
//! Where cost^p falls linearly with closeness, the least mean cost is the largest mean closeness, and the mean over
//! queries is taken on the query side first, which turns M inner products per row into one: the mean cosine is the inner
//! product with the mean unit query, and the mean squared distance is the squared distance to the mean query plus the
//! variance of the queries. A given matrix is summed as it is. Elsewhere (angles, distances that are not squared,
//! squared costs) all N·M costs are evaluated.
//!
//! Limit: memory bandwidth, every number of the pool is read once; or N·M inner products in `f64`, see [`dot`].

use std::collections::BTreeMap;
use std::ops::Range;

use kantor_theory::cost::Family;
use kantor_theory::rounding::scale_of;
use kantor_theory::{Cost, Geometry, Power, dot};
use rayon::prelude::*;

use super::prefixes;
use crate::scan::PoolScan;
use crate::scan::pairs::{decisive, matrix_sign};
use crate::select::{Selection, Selector};
use crate::task::{SelectError, Task};
use crate::weights::QueryWeights;

/// Rows widened at a time: they stay in cache.
const CHUNK: usize = 8;

/// Rows whose costs are evaluated at a time: whole tiles.
const COSTS: usize = 192;

/// The rows of least mean cost^p to the queries, the least first.
///
/// The score is the mean closeness where that decides, else minus the p-th root of the mean.
#[derive(Debug, Clone, Copy, Default)]
pub struct MeanSimilarity;

impl Selector for MeanSimilarity {
    fn name(&self) -> &'static str {
        "mean-similarity"
    }

    fn nested(&self) -> bool {
        true
    }

    fn select(&self, task: &Task<'_>, _scanned: &PoolScan, budgets: &[usize]) -> Result<Vec<Selection>, SelectError> {
        let count = task.largest(budgets)?;
        task.power.check(task.geometry)?;
        let n = task.geometry.pool_len();
        let means_of = Means::new(task);
        let mut means = vec![0.0; n];
        task.watch.begin("mean cost of every row", n as u64);
        let block = task.block.clamp(1, n);
        means.par_chunks_mut(block).enumerate().try_for_each(|(b, out)| {
            means_of.evaluate(task.geometry, b * block..b * block + out.len(), out);
            task.watch.advance(out.len() as u64)
        })?;
        let mut order: Vec<(usize, f64)> = means.into_iter().map(decisive).enumerate().collect();
        let closest_first = |a: &(usize, f64), b: &(usize, f64)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
        if (1..n).contains(&count) {
            order.select_nth_unstable_by(count - 1, closest_first);
        }
        order.truncate(count);
        order.par_sort_unstable_by(closest_first);
        Ok(prefixes(order, budgets, BTreeMap::new()))
    }
}

/// How the mean over all queries is evaluated.
enum Means {
    /// By the mean unit query.
    Direction(Vec<f64>),
    /// By the mean query, and the mean squared distance of the queries to it.
    Point { first: Vec<f64>, offset: Vec<f64>, spread: f64 },
    /// By the sum of the entries of a matrix.
    Entries(QueryWeights),
    /// Cost by cost, raised to a power.
    Costs(Power, QueryWeights),
}

impl Means {
    fn new(task: &Task<'_>) -> Self {
        let (geometry, power, weights) = (task.geometry, task.power, QueryWeights::new(task));
        let linear = match geometry.cost() {
            Cost::Cosine | Cost::HalfCosine | Cost::Sqeuclidean | Cost::Precomputed => power == Power::One,
            Cost::Euclidean => power == Power::Two,
            Cost::Angular => false,
        };
        if !linear {
            return Self::Costs(power, weights);
        }
        let Some((queries, norms)) = geometry.queries() else { return Self::Entries(weights) };
        let dim = queries.len() / norms.len();
        let angle = geometry.cost().family() == Family::Angle;
        // Far from the origin, the mean of points is known well only from one of them: rounding is then relative to the
        // distances between points.
        let first = if angle { vec![0.0; dim] } else { queries[..dim].to_vec() };
        let mut mean = vec![0.0; dim];
        for ((query, norm), weight) in queries.chunks_exact(dim).zip(norms).zip(&weights.of) {
            let weight = if angle { weight / norm } else { *weight };
            for ((sum, x), first) in mean.iter_mut().zip(query).zip(&first) {
                *sum += (x - first) * weight;
            }
        }
        for sum in &mut mean {
            *sum /= weights.total;
        }
        if angle {
            return Self::Direction(mean);
        }
        let mut moved = vec![0.0; dim];
        let mut spread = 0.0;
        for (query, weight) in queries.chunks_exact(dim).zip(&weights.of) {
            moved.iter_mut().zip(query).zip(&first).for_each(|((moved, x), first)| *moved = x - first);
            spread += weight * dot::squared_distance(&moved, &mean) / weights.total;
        }
        Self::Point { first, offset: mean, spread }
    }

    /// What the pool rows `rows` are ordered by, the largest first.
    fn evaluate(&self, geometry: &Geometry<'_>, rows: Range<usize>, out: &mut [f64]) {
        if let Self::Costs(power, weights) = self {
            return by_costs(geometry, *power, weights, rows, out);
        }
        if let (Self::Entries(weights), Some(matrix)) = (self, geometry.matrix()) {
            let mut line = vec![0.0; rows.len()];
            out.fill(0.0);
            for j in 0..matrix.len() {
                matrix.read(j, rows.clone(), &mut line);
                out.iter_mut().zip(&line).for_each(|(sum, x)| *sum += weights.of[j] * x);
            }
            let weight = matrix_sign(geometry.cost()) / weights.total;
            out.iter_mut().for_each(|sum| *sum *= weight);
        }
        let Some(points) = geometry.points() else { return };
        let dim = points.dim();
        let mut wide = vec![0.0; CHUNK.min(rows.len()) * dim];
        for (chunk, out) in out.chunks_mut(CHUNK).enumerate() {
            let wide = &mut wide[..out.len() * dim];
            points.read(rows.start + chunk * CHUNK, 0..dim, wide);
            for (mean, x) in out.iter_mut().zip(wide.chunks_exact_mut(dim)) {
                *mean = match self {
                    Self::Direction(centre) => dot::dot(x, centre) / dot::dot(x, x).sqrt(),
                    Self::Point { first, offset, spread } => {
                        x.iter_mut().zip(first).for_each(|(x, first)| *x -= first);
                        -(dot::squared_distance(x, offset) + spread)
                    }
                    Self::Entries(_) | Self::Costs(..) => continue,
                };
            }
        }
    }
}

/// Minus the p-th root of the mean cost^p.
fn by_costs(geometry: &Geometry<'_>, power: Power, weights: &QueryWeights, rows: Range<usize>, out: &mut [f64]) {
    let m = geometry.query_len();
    let roots: Vec<f64> = weights.of.iter().map(|weight| weight.sqrt()).collect();
    let mut block = vec![0.0; COSTS.min(rows.len()) * m];
    for (chunk, out) in out.chunks_mut(COSTS).enumerate() {
        let first = rows.start + chunk * COSTS;
        let block = &mut block[..out.len() * m];
        geometry.closeness_block(first..first + out.len(), block);
        block.iter_mut().for_each(|value| *value = geometry.cost().from_closeness(*value));
        for (out, costs) in out.iter_mut().zip(block.chunks_exact_mut(m)) {
            *out = -match power {
                Power::One => dot::dot(costs, &weights.of) / weights.total,
                Power::Two => root_mean_square(costs, &roots, weights.total),
            };
        }
    }
}

/// √(mean c²) without overflow or underflow of the squares.
fn root_mean_square(costs: &mut [f64], roots: &[f64], total: f64) -> f64 {
    let unit = scale_of(costs);
    costs.iter_mut().zip(roots).for_each(|(cost, root)| *cost = *cost / unit * root);
    (dot::dot(costs, costs) / total).sqrt() * unit
}
