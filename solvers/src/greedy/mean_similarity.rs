//! Rows by their mean closeness to all queries.
//!
//! The mean over queries is taken on the query side first, which turns M inner products per row into one: the mean
//! cosine is the inner product with the mean unit query, and the mean squared distance is the squared distance to
//! the mean query plus the variance of the queries. A given matrix is summed as it is.
//!
//! Limit: memory bandwidth; every number of the pool is read once.

use std::collections::BTreeMap;
use std::ops::Range;

use kantor_theory::cost::Family;
use kantor_theory::{Geometry, dot};
use rayon::prelude::*;

use super::{largest, prefixes};
use crate::kernels::pairs::{decisive, matrix_sign};
use crate::selector::{Findings, Needs, SelectError, Selection, Selector, Task};

/// Rows widened at a time: they stay in cache.
const CHUNK: usize = 32;

/// The rows closest to the queries on average, closest first. The score is the mean closeness.
#[derive(Debug, Clone, Copy, Default)]
pub struct MeanSimilarity;

impl Selector for MeanSimilarity {
    fn name(&self) -> &'static str {
        "mean-similarity"
    }

    fn nested(&self) -> bool {
        true
    }

    fn needs(&self, _task: &Task<'_>, _largest: usize) -> Needs {
        Needs::default()
    }

    fn select(&self, task: &Task<'_>, _findings: &Findings, budgets: &[usize]) -> Result<Vec<Selection>, SelectError> {
        let count = largest(task, budgets)?;
        let n = task.geometry.pool_len();
        let centre = Centre::new(task.geometry);
        let mut means = vec![0.0; n];
        task.watch.begin("comparing pool with the mean query", n as u64);
        let block = task.block.clamp(1, n);
        means.par_chunks_mut(block).enumerate().try_for_each(|(b, out)| {
            centre.means(task.geometry, b * block..b * block + out.len(), out);
            task.watch.advance(out.len() as u64)
        })?;
        let mut order: Vec<(usize, f64)> = means.into_iter().map(decisive).enumerate().collect();
        let closest_first = |a: &(usize, f64), b: &(usize, f64)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
        if (1..n).contains(&count) {
            order.select_nth_unstable_by(count - 1, closest_first);
        }
        order.truncate(count);
        order.par_sort_unstable_by(closest_first);
        Ok(prefixes(&order, budgets, &BTreeMap::new()))
    }
}

/// What stands for all queries.
enum Centre {
    /// The mean unit query.
    Direction(Vec<f64>),
    /// The mean query, and the mean squared distance of the queries to it.
    Point(Vec<f64>, f64),
    /// Nothing does: the entries themselves are summed.
    Entries,
}

impl Centre {
    fn new(geometry: &Geometry<'_>) -> Self {
        let Some((queries, norms)) = geometry.queries() else { return Self::Entries };
        let dim = queries.len() / norms.len();
        let angle = geometry.cost().family() == Family::Angle;
        let m = norms.len() as f64;
        let mut centre = vec![0.0; dim];
        for (query, norm) in queries.chunks_exact(dim).zip(norms) {
            let weight = if angle { 1.0 / norm } else { 1.0 };
            for (sum, x) in centre.iter_mut().zip(query) {
                *sum += x * weight;
            }
        }
        for sum in &mut centre {
            *sum /= m;
        }
        if angle {
            return Self::Direction(centre);
        }
        let spread = queries.chunks_exact(dim).map(|query| dot::squared_distance(query, &centre)).sum::<f64>() / m;
        Self::Point(centre, spread)
    }

    fn means(&self, geometry: &Geometry<'_>, rows: Range<usize>, out: &mut [f64]) {
        if let (Self::Entries, Some(matrix)) = (self, geometry.matrix()) {
            let mut line = vec![0.0; rows.len()];
            out.fill(0.0);
            for j in 0..matrix.len() {
                matrix.read(j, rows.clone(), &mut line);
                out.iter_mut().zip(&line).for_each(|(sum, x)| *sum += x);
            }
            let weight = matrix_sign(geometry.cost()) / matrix.len() as f64;
            out.iter_mut().for_each(|sum| *sum *= weight);
        }
        let Some(points) = geometry.points() else { return };
        let dim = points.dim();
        let mut wide = vec![0.0; CHUNK.min(rows.len()) * dim];
        for (chunk, out) in out.chunks_mut(CHUNK).enumerate() {
            let wide = &mut wide[..out.len() * dim];
            points.read(rows.start + chunk * CHUNK, 0..dim, wide);
            for (mean, x) in out.iter_mut().zip(wide.chunks_exact(dim)) {
                *mean = match self {
                    Self::Direction(centre) => dot::dot(x, centre) / dot::dot(x, x).sqrt(),
                    Self::Point(centre, spread) => -(dot::squared_distance(x, centre) + spread),
                    Self::Entries => continue,
                };
            }
        }
    }
}
