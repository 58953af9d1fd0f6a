//! `kde-ratio`: importance sampling of the pool towards the queries.
//!
//! Row u has the weight q(u)/p(u), the kernel density of the queries at u over that of the pool,
//!
//! ```text
//!    q(u) = Σ_j b_j k(u, query j)        p(u) = (1/N) Σ_v k(u, row v)
//! ```
//!
//! with weights b_j of total 1, 1/M where none are given, and rows are drawn one after the other without replacement, each in proportion to its weight among those left
//! ([`crate::draw`]); DSIR (arXiv 2302.03169) resamples so with n-gram densities. The score is
//! ln(q/p) plus the row's Gumbel number. Rows that no query reaches (weight 0, compact kernel) follow after all others, closest first.
//!
//! q is evaluated in `f64` over all pairs. p is exact (far pairs left out with a proved bound, see
//! [`density`]) if all of the pool is used; else it is estimated from a seeded sample, the row itself
//! counting as it does in p: 1 + (N − 1)·(mean of k over the other sampled rows), which has the mean N·p(u).
//!
//! Limit: 2NMd + 2N·min(N/2, sample)·d operations in `f64` at the speed of [`kantor_theory::dot`], and as many
//! exponentials as pairs.

use kantor_theory::cost::Family;
use kantor_theory::kernel::{Kernel, KernelName};
use kantor_theory::{DenseRows, Element, Geometry, Rows, Status};
use rayon::prelude::*;
use serde_json::json;

use crate::bandwidth::{self, Bandwidth};
use crate::density::density;
use crate::draw;
use crate::objective::ObjectiveSettings;
use crate::scan::{PoolScan, ScanRequest};
use crate::select::{Selection, Selector, notes};
use crate::settings::{SettingGroup, settings};
use crate::task::{SelectError, Task};
use crate::watch::Stopped;
use crate::weights::QueryWeights;

/// What a density may lack because far pairs were left out; densities are at least 1.
const TOLERANCE: f64 = 1e-9;

/// Rows evaluated together, a multiple of the rows of every tile of [`kantor_theory::dot`].
const LINES: usize = 96;

/// Queries that stay in the second-level cache while those rows pass, as numbers in `f64`.
const CACHED: usize = 1 << 17;

settings! {
    /// Draws rows in proportion to query density over pool density.
    pub struct KdeRatio {
        kernel: KernelName as ObjectiveSettings;
        /// Bandwidth of the kernel of kde-ratio: a number, or a rule that finds it from the pool
        /// (median, local, scott, silverman)
        density_bandwidth: Bandwidth = Bandwidth::Given(0.2) => range(bandwidth::in_range, bandwidth::RANGE);
        /// Rows drawn by `seed` that stand for the pool in the pool density of kde-ratio; 0 for all of them
        density_sample: usize = 5000;
    }
}

/// N·p of every row.
struct PoolDensity {
    values: Vec<f64>,
    rows: usize,
    omitted: f64,
}

impl KdeRatio {
    fn unsupported(&self, fault: &'static str) -> SelectError {
        SelectError::Unsupported { method: self.name(), fault }
    }

    fn points<'a>(&self, task: &Task<'a>) -> Result<&'a dyn Rows, SelectError> {
        task.geometry.points().ok_or_else(|| {
            self.unsupported(
                "needs the representations of the pool for its densities, not only similarities: give `pool` and `query`",
            )
        })
    }

    fn pool_density(&self, task: &Task<'_>, points: &dyn Rows, kernel: Kernel) -> Result<PoolDensity, SelectError> {
        let (n, family) = (points.len(), task.geometry.cost().family());
        if self.density_sample == 0 || self.density_sample >= n {
            let rows: Vec<usize> = (0..n).collect();
            let found = density::densities(points, &rows, family, kernel, TOLERANCE, task.watch)?;
            return Ok(PoolDensity { values: found.values, rows: n, omitted: found.omitted });
        }
        let sample = draw::sample(task.seed, n, self.density_sample);
        let needed = (sample.len() * (points.dim() * 8 + rayon::current_num_threads() * LINES * 8)) as u64;
        task.afford(self.name(), needed)?;
        let chosen = gather(points, &sample);
        let among = Geometry::new(points, &chosen, task.geometry.cost())
            .map_err(|_| self.unsupported("cannot measure some pool row under this cost"))?;
        let values = sums(task, &among, "pool density", |row, line| {
            let own = sample.binary_search(&row).ok();
            let mut sum = 0.0;
            for (at, &closeness) in line.iter().enumerate() {
                if Some(at) != own {
                    sum += kernel.value(squared(family, closeness));
                }
            }
            let others = sample.len() - usize::from(own.is_some());
            if others == 0 { 1.0 } else { 1.0 + (n - 1) as f64 * (sum / others as f64) }
        })?;
        Ok(PoolDensity { values, rows: sample.len(), omitted: 0.0 })
    }
}

impl Selector for KdeRatio {
    fn name(&self) -> &'static str {
        "kde-ratio"
    }

    fn nested(&self) -> bool {
        true
    }

    fn supports(&self, task: &Task<'_>) -> Result<(), SelectError> {
        self.check()?;
        if matches!(self.kernel, KernelName::Energy | KernelName::Cosine) {
            return Err(self.unsupported(
                "needs a kernel that is never negative: gaussian, laplace, compact or inverse-multiquadric",
            ));
        }
        self.points(task).map(drop)
    }

    fn needs(&self, _task: &Task<'_>, _largest: usize) -> ScanRequest {
        ScanRequest { row_best: self.kernel == KernelName::Compact, lists: 0 }
    }

    fn select(&self, task: &Task<'_>, scanned: &PoolScan, budgets: &[usize]) -> Result<Vec<Selection>, SelectError> {
        self.supports(task)?;
        let largest = task.largest(budgets)?;
        let geometry = task.geometry;
        let (n, family) = (geometry.pool_len(), geometry.cost().family());
        let points = self.points(task)?;
        // Where all rows are alike no rule finds a width, and any width gives the same densities.
        let kernel = self.density_bandwidth.kernel(self.kernel, points, family);
        let kernel = kernel.or_else(|_| Bandwidth::Given(1.0).kernel(self.kernel, points, family))?;
        let pool = self.pool_density(task, points, kernel)?;
        let weights = QueryWeights::new(task);
        let (ln_weights, ln_total) =
            (weights.of.iter().map(|weight| weight.ln()).collect::<Vec<_>>(), weights.total.ln());
        let query = sums(task, geometry, "query density", |_, line| {
            let values = line.iter().zip(&ln_weights);
            ln_sum(values.map(|(&closeness, weight)| weight + kernel.ln_value(squared(family, closeness)))) - ln_total
        })?;

        let ln_ratio: Vec<f64> = query.iter().zip(&pool.values).map(|(q, p)| q - p.ln() + (n as f64).ln()).collect();
        let scores: Vec<f64> = ln_ratio
            .iter()
            .zip(draw::gumbel(task.seed, n))
            .map(|(ln_ratio, noise)| if ln_ratio.is_nan() { f64::NEG_INFINITY } else { ln_ratio + noise })
            .collect();
        let mut order: Vec<usize> = (0..n).filter(|&row| scores[row] > f64::NEG_INFINITY).collect();
        order.par_sort_unstable_by(|&a, &b| scores[b].total_cmp(&scores[a]).then(a.cmp(&b)));
        let reached = order.len();
        order.truncate(largest);
        let rest = (0..n).filter(|&row| scores[row] == f64::NEG_INFINITY);
        match &scanned.row_best {
            Some(best) => {
                order.extend(best.top_of(geometry, rest, largest - order.len()).into_iter().map(|(row, _)| row))
            }
            None => order.extend(rest.take(largest - order.len())),
        }

        let notes = notes([
            ("kernel", json!(kernel.name())),
            ("bandwidth", json!(kernel.bandwidth())),
            ("pool_density_rows", json!(pool.rows)),
            ("pool_density_exact", json!(pool.rows == n)),
            ("pool_density_omits_at_most", json!(pool.omitted)),
            ("rows_reached", json!(reached)),
            ("effective_rows", json!(effective(&ln_ratio))),
        ]);
        // The least number stands for −∞, which JSON cannot say.
        let scores = order.iter().map(|&row| scores[row].max(f64::MIN)).collect();
        Ok(Selection { rows: order, scores, status: Status::Uncertified, notes }.prefixes(budgets))
    }
}

/// What every pool row gets from its closeness to all queries of `geometry`.
fn sums(
    task: &Task<'_>,
    geometry: &Geometry<'_>,
    stage: &str,
    of: impl Fn(usize, &[f64]) -> f64 + Sync,
) -> Result<Vec<f64>, Stopped> {
    let m = geometry.query_len();
    let Some(points) = geometry.points() else { unreachable!("densities are those of points") };
    let dim = points.dim();
    let width = (CACHED / dim).clamp(8, m.max(8));
    let mut values = vec![0.0; geometry.pool_len()];
    task.watch.begin(stage, values.len() as u64);
    let buffers = || (vec![0.0; LINES * dim], [0.0; LINES], vec![0.0; LINES * width], vec![0.0; LINES * m]);
    values.par_chunks_mut(LINES).enumerate().try_for_each_init(buffers, |buffers, (number, values)| {
        let start = number * LINES;
        let (rows, norms, part, closeness) = buffers;
        let (rows, norms) = (&mut rows[..values.len() * dim], &mut norms[..values.len()]);
        points.read(start, 0..dim, rows);
        geometry.row_norms(rows, norms);
        for first in (0..m).step_by(width) {
            let queries = first..m.min(first + width);
            let part = &mut part[..values.len() * queries.len()];
            geometry.closeness_of_rows(rows, norms, queries.clone(), part);
            for (line, part) in closeness.chunks_exact_mut(m).zip(part.chunks_exact(queries.len())) {
                line[queries.clone()].copy_from_slice(part);
            }
        }
        for ((row, value), line) in (start..).zip(values.iter_mut()).zip(closeness.chunks_exact(m)) {
            *value = of(row, line);
        }
        task.watch.advance(values.len() as u64)
    })?;
    Ok(values)
}

fn squared(family: Family, closeness: f64) -> f64 {
    match family {
        Family::Angle => (2.0 * (1.0 - closeness)).max(0.0),
        _ => -closeness,
    }
}

/// ln Σ exp of these numbers.
fn ln_sum(terms: impl Iterator<Item = f64> + Clone) -> f64 {
    let most = terms.clone().fold(f64::NEG_INFINITY, f64::max);
    if most.is_finite() { most + terms.map(|term| (term - most).exp()).sum::<f64>().ln() } else { most }
}

/// (Σw)²/Σw² of the weights with these logarithms: how many rows of equal weight would do as well.
fn effective(ln_weights: &[f64]) -> f64 {
    let known = || ln_weights.iter().copied().filter(|w| !w.is_nan());
    let (sum, squares) = (ln_sum(known()), ln_sum(known().map(|w| 2.0 * w)));
    if sum.is_finite() { (2.0 * sum - squares).exp() } else { 0.0 }
}

/// These rows in memory, as exact as they are stored.
fn gather(points: &dyn Rows, rows: &[usize]) -> DenseRows {
    let dim = points.dim();
    let held = if points.element() == Element::F64 {
        let mut values = vec![0.0; rows.len() * dim];
        rows.iter().zip(values.chunks_exact_mut(dim)).for_each(|(&row, out)| points.read_row(row, out));
        DenseRows::from_f64(dim, values)
    } else {
        let mut values = vec![0.0f32; rows.len() * dim];
        rows.iter().zip(values.chunks_exact_mut(dim)).for_each(|(&row, out)| points.read_f32(row, out));
        DenseRows::from_f32(dim, values)
    };
    let Some(held) = held else { unreachable!("whole rows of a table with columns") };
    held
}
