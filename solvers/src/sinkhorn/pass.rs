//! One pass over all pairs for given query potentials: what the dual and its derivatives need.
//!
//! With prior a = 1/N on the pool, b = 1/M on the queries and θ = ε/(ρ + ε):
//! s_i = Σ_j b exp((g_j − c_ij)/ε),  T_i = a s_i^θ,  T_ij = T_i · b exp((g_j − c_ij)/ε)/s_i.
//! The row maximum is taken out first, so s_i is exact in the log domain at any ε.
//!
//! Sums over rows run in slices of the pool that depend on N alone and are added in order: the result has one value
//! for every thread count and every way of holding the costs. Limit: one exponential per pair, about 20 operations;
//! with second derivatives M/2 more multiply-adds per pair.

use rayon::prelude::*;

use super::costs::Costs;
use super::exp;
use super::semidual::Penalty;
use crate::watch::{Stopped, Watch};

/// Slices of the pool at most; a sum over rows has this many partial sums.
const SLICES: usize = 64;

/// Rows per step within a slice: their exponentials stay in the second-level cache.
const STEP: usize = 64;

/// Lanes in which a sum over queries runs.
const LANES: usize = 8;

/// Rows whose outer products are added at once.
const RANK: usize = 4;

/// Sums over all pool rows.
#[derive(Debug, Clone)]
pub(crate) struct Sums {
    /// Σ_i T_ij, per query.
    pub(crate) columns: Vec<f64>,
    /// Σ_i a [ρ (s_i^θ − 1) + ε s_i^θ]; for a hard pool marginal Σ_i a [ε ln s_i + ε].
    pub(crate) value: f64,
    /// Σ_ij T_ij c_ij.
    pub(crate) transport: f64,
    /// Σ_i T_i (T_ij/T_i)(T_ij'/T_i), M×M row-major, lower triangle; empty unless asked for.
    pub(crate) outer: Vec<f64>,
}

impl Sums {
    fn zero(queries: usize, with_outer: bool) -> Self {
        let outer = if with_outer { vec![0.0; queries * queries] } else { Vec::new() };
        Self { columns: vec![0.0; queries], value: 0.0, transport: 0.0, outer }
    }

    fn add(&mut self, other: &Sums) {
        let add = |to: &mut [f64], from: &[f64]| to.iter_mut().zip(from).for_each(|(t, f)| *t += f);
        add(&mut self.columns, &other.columns);
        add(&mut self.outer, &other.outer);
        self.value += other.value;
        self.transport += other.transport;
    }
}

fn slice_len(rows: usize) -> usize {
    rows.div_ceil(SLICES).next_multiple_of(STEP)
}

/// One pass; with the matrix of second derivatives if `with_outer`.
pub(crate) fn sums(
    costs: &Costs<'_>,
    penalty: &Penalty,
    potentials: &[f64],
    with_outer: bool,
    watch: &dyn Watch,
) -> Result<Sums, Stopped> {
    let rows = costs.pool_len();
    let slice = slice_len(rows);
    let starts: Vec<usize> = (0..rows).step_by(slice).collect();
    // One M×M matrix per thread at a time; partial sums are added in the order of the slices either way.
    let wave = if with_outer { rayon::current_num_threads().max(1) } else { starts.len() };
    let mut total = Sums::zero(costs.query_len(), with_outer);
    for wave in starts.chunks(wave) {
        let parts: Result<Vec<Sums>, Stopped> = wave
            .par_iter()
            .map(|&start| {
                watch.advance(0)?;
                let mut worker = Worker::new(costs, penalty, potentials, with_outer);
                worker.run(start, (start + slice).min(rows), &mut []);
                Ok(worker.sums)
            })
            .collect();
        parts?.iter().for_each(|part| total.add(part));
    }
    Ok(total)
}

/// ln s_i of every pool row.
pub(crate) fn log_rows(
    costs: &Costs<'_>,
    penalty: &Penalty,
    potentials: &[f64],
    watch: &dyn Watch,
) -> Result<Vec<f64>, Stopped> {
    let mut logs = vec![0.0; costs.pool_len()];
    let slice = slice_len(logs.len());
    logs.par_chunks_mut(slice).enumerate().try_for_each(|(index, out)| {
        watch.advance(0)?;
        let start = index * slice;
        Worker::new(costs, penalty, potentials, false).run(start, start + out.len(), out);
        Ok(())
    })?;
    Ok(logs)
}

/// Cheapest cost of every query, and the range of all finite costs.
pub(crate) fn extremes(costs: &Costs<'_>, watch: &dyn Watch) -> Result<(Vec<f64>, f64), Stopped> {
    let (rows, m) = (costs.pool_len(), costs.query_len());
    let slice = slice_len(rows);
    let starts: Vec<usize> = (0..rows).step_by(slice).collect();
    let parts: Result<Vec<(Vec<f64>, f64)>, Stopped> = starts
        .par_iter()
        .map(|&start| {
            watch.advance(0)?;
            let (mut least, mut most) = (vec![f64::INFINITY; m], f64::NEG_INFINITY);
            let mut buffer = Vec::new();
            for first in (start..(start + slice).min(rows)).step_by(STEP) {
                let last = (first + STEP).min((start + slice).min(rows));
                for row in costs.rows(first..last, &mut buffer).chunks_exact(m) {
                    for (least, &c) in least.iter_mut().zip(row) {
                        *least = if c < *least { c } else { *least };
                        most = if c > most && c < f64::INFINITY { c } else { most };
                    }
                }
            }
            Ok((least, most))
        })
        .collect();
    let (mut least, mut most) = (vec![f64::INFINITY; m], f64::NEG_INFINITY);
    for (part, part_most) in parts? {
        least.iter_mut().zip(part).for_each(|(l, p)| *l = l.min(p));
        most = most.max(part_most);
    }
    let lowest = least.iter().copied().fold(f64::INFINITY, f64::min);
    Ok((least, (most - lowest).max(0.0)))
}

/// Works through one slice.
struct Worker<'a> {
    costs: &'a Costs<'a>,
    potentials: &'a [f64],
    epsilon: f64,
    theta: f64,
    rho: f64,
    prior: f64,
    log_queries: f64,
    /// Width of a row of `weights`: M rounded up to whole lanes; the rest stays 0.
    width: usize,
    /// exp((g_j − c_ij)/ε − row maximum), then divided by its row sum (STEP×width).
    weights: Vec<f64>,
    buffer: Vec<f64>,
    sums: Sums,
}

impl<'a> Worker<'a> {
    fn new(costs: &'a Costs<'a>, penalty: &Penalty, potentials: &'a [f64], with_outer: bool) -> Self {
        let m = costs.query_len();
        let width = m.next_multiple_of(LANES);
        Self {
            costs,
            potentials,
            epsilon: penalty.epsilon,
            theta: penalty.theta(),
            rho: penalty.pool,
            prior: 1.0 / costs.pool_len() as f64,
            log_queries: exp::ln(m as f64),
            width,
            weights: vec![0.0; STEP * width],
            buffer: Vec::new(),
            sums: Sums::zero(m, with_outer),
        }
    }

    /// Adds rows `start..end` to the sums, or, if `logs` is not empty, writes their ln s there instead.
    fn run(&mut self, start: usize, end: usize, logs: &mut [f64]) {
        pulp::Arch::new().dispatch(
            #[inline(always)]
            || {
                for first in (start..end).step_by(STEP) {
                    let last = (first + STEP).min(end);
                    let target = logs.get_mut(first - start..last - start);
                    self.step(first, last, target);
                }
            },
        );
    }

    #[inline(always)]
    fn step(&mut self, first: usize, last: usize, logs: Option<&mut [f64]>) {
        let count = last - first;
        let m = self.potentials.len();
        let costs = self.costs.rows(first..last, &mut self.buffer);
        let inverse = 1.0 / self.epsilon;
        let mut log_s = [0.0f64; STEP];
        let mut row_sum = [1.0f64; STEP];
        for (r, (row, weights)) in costs.chunks_exact(m).zip(self.weights.chunks_exact_mut(self.width)).enumerate() {
            for ((w, c), g) in weights.iter_mut().zip(row).zip(self.potentials) {
                *w = (g - c) * inverse;
            }
            weights[m..].fill(f64::NEG_INFINITY);
            let lanes = weights.as_chunks_mut::<LANES>().0;
            let mut greatest = [f64::NEG_INFINITY; LANES];
            for chunk in lanes.iter() {
                for (most, &w) in greatest.iter_mut().zip(chunk) {
                    *most = if w > *most { w } else { *most };
                }
            }
            let greatest = greatest.into_iter().fold(f64::NEG_INFINITY, f64::max);
            // A row without any finite cost keeps zero weights.
            let shift = if greatest > f64::NEG_INFINITY { greatest } else { 0.0 };
            let mut total = [0.0; LANES];
            for chunk in lanes {
                for (sum, w) in total.iter_mut().zip(chunk) {
                    *w = exp::exp(*w - shift);
                    *sum += *w;
                }
            }
            log_s[r] = greatest;
            row_sum[r] = tree(total);
        }

        let mut mass = [0.0; STEP];
        let mut scale = [0.0; STEP];
        let mut value = [0.0; STEP];
        for r in 0..STEP {
            log_s[r] = (log_s[r] + exp::ln(row_sum[r])) - self.log_queries;
            let exponent = self.theta * log_s[r];
            let power = exp::exp(exponent);
            mass[r] = self.prior * power;
            scale[r] = mass[r] / row_sum[r];
            value[r] = if self.rho == f64::INFINITY {
                self.epsilon * log_s[r] + self.epsilon
            } else {
                self.rho * exp::exp_m1(exponent) + self.epsilon * power
            };
        }
        if let Some(logs) = logs.filter(|logs| !logs.is_empty()) {
            for (log, (value, sum)) in logs.iter_mut().zip(log_s.iter().zip(&row_sum)) {
                *log = if *sum > 0.0 { *value } else { f64::NEG_INFINITY };
            }
            return;
        }

        for r in 0..count {
            if row_sum[r] <= 0.0 {
                continue;
            }
            let weights = &self.weights[r * self.width..][..m];
            let row = &costs[r * m..][..m];
            self.sums.value += self.prior * value[r];
            let mut transport = [0.0; LANES];
            let (w_lanes, c_lanes) = (weights.as_chunks::<LANES>(), row.as_chunks::<LANES>());
            for (w, c) in w_lanes.0.iter().zip(c_lanes.0) {
                for lane in 0..LANES {
                    // A zero weight meets an infinite cost only in pairs that carry nothing.
                    let product = w[lane] * c[lane];
                    transport[lane] += if w[lane] > 0.0 { product } else { 0.0 };
                }
            }
            for (lane, (&w, &c)) in w_lanes.1.iter().zip(c_lanes.1).enumerate() {
                transport[lane] += if w > 0.0 { w * c } else { 0.0 };
            }
            self.sums.transport += scale[r] * tree(transport);
            for (column, &w) in self.sums.columns.iter_mut().zip(weights) {
                *column += scale[r] * w;
            }
        }
        if !self.sums.outer.is_empty() {
            self.add_outer(count, &mass, &row_sum);
        }
    }

    /// Adds Σ T_i r_i r_iᵀ, r_i = weights of row i over their sum; rows that cannot matter are left out.
    #[inline(always)]
    fn add_outer(&mut self, count: usize, mass: &[f64; STEP], row_sum: &[f64; STEP]) {
        let m = self.potentials.len();
        let mut kept = [0usize; STEP];
        let mut many = 0;
        for r in 0..count {
            if mass[r] > 1e-13 * self.prior && row_sum[r] > 0.0 {
                kept[many] = r;
                many += 1;
            }
        }
        for group in kept[..many].chunks(RANK) {
            let mut rows: [&[f64]; RANK] = [&[]; RANK];
            let mut scales = [0.0; RANK];
            for slot in 0..RANK {
                // A short group is filled up with copies that weigh nothing.
                let r = group[slot.min(group.len() - 1)];
                rows[slot] = &self.weights[r * self.width..][..m];
                scales[slot] = if slot < group.len() { mass[r] / (row_sum[r] * row_sum[r]) } else { 0.0 };
            }
            for j in 0..m {
                let factor: [f64; RANK] = std::array::from_fn(|slot| scales[slot] * rows[slot][j]);
                let line = &mut self.sums.outer[j * m..][..=j];
                let [a, b, c, d] = rows.map(|row| &row[..=j]);
                for l in 0..=j {
                    line[l] += (factor[0] * a[l] + factor[1] * b[l]) + (factor[2] * c[l] + factor[3] * d[l]);
                }
            }
        }
    }
}

/// Adds eight lanes as a balanced tree.
#[inline(always)]
fn tree(lanes: [f64; LANES]) -> f64 {
    ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) + ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]))
}
