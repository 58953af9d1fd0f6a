//! One pass over all pairs for given query potentials: what the dual and its derivatives need.
//!
//! With prior a = 1/N on the pool, b = 1/M on the queries and θ = ε/(ρ + ε):
//! s_i = Σ_j b exp((g_j − c_ij)/ε),  T_i = a s_i^θ,  T_ij = T_i · b exp((g_j − c_ij)/ε)/s_i.
//! With reference potentials h and m_i = max_j (h_j − c_ij)/ε that is s_i = b e^{m_i} Σ_j w_ij u_j for the weights
//! w_ij = exp((h_j − c_ij)/ε − m_i) and the factors u_j = exp((g_j − h_j)/ε) (Schmitzer's absorption,
//! arXiv 1610.06519). The weights are kept from pass to pass as long as g stays near h, and s_i is exact in the log
//! domain at any ε.
//!
//! Sums over rows run in slices of the pool that depend on N alone and are added in order, and weights that cannot be
//! kept are computed again to the same bits: the result has one value for every thread count and every way of holding
//! costs and weights. Limit: reading N·M weights from memory, four operations each; where h changes, one exponential
//! per pair, about 40 operations; with second derivatives M/2 more multiply-adds per pair.

use std::ops::Range;

use rayon::prelude::*;

use super::costs::Costs;
use super::exp;
use super::penalty::Penalty;
use crate::watch::{Stopped, Watch};

/// Slices of the pool at most; a sum over rows has this many partial sums.
const SLICES: usize = 64;

/// Rows per step within a slice: their weights stay in the second-level cache.
const STEP: usize = 64;

/// Lanes in which a sum over queries runs.
const LANES: usize = 8;

/// Rows whose outer products are added at once.
const RANK: usize = 4;

/// Largest |g_j − h_j|/ε. Weights below e⁻⁷⁰⁷ are 0, so what they leave out of s_i is below e^(2·DRIFT − 707) of it.
const DRIFT: f64 = 64.0;

/// Sums over all pool rows.
#[derive(Debug, Clone)]
pub(crate) struct Sums {
    /// Σ_i T_ij, per query.
    pub(crate) columns: Vec<f64>,
    /// Σ_i a [ρ (s_i^θ − 1) + ε s_i^θ]; for a hard pool marginal Σ_i a [ε ln s_i + ε].
    pub(crate) value: f64,
    /// Σ_ij T_ij c_ij.
    pub(crate) transport: f64,
    /// Σ_i T_i (T_ij/T_i)(T_ij'/T_i): lower triangle of M×M, row-major with rows of [`stride`]`(M)`; empty unless asked for.
    pub(crate) outer: Vec<f64>,
}

impl Sums {
    fn zero(queries: usize, with_outer: bool) -> Self {
        let outer = if with_outer { vec![0.0; queries * stride(queries)] } else { Vec::new() };
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

/// M rounded up to whole lanes.
pub(crate) fn stride(queries: usize) -> usize {
    queries.next_multiple_of(LANES)
}

fn slice_len(rows: usize) -> usize {
    rows.div_ceil(SLICES).next_multiple_of(STEP)
}

/// The weights of all pairs for reference potentials.
pub(crate) struct Kernel<'a> {
    costs: &'a Costs<'a>,
    epsilon: f64,
    reference: Vec<f64>,
    /// Weights (N×[`stride`]) and m_i (N), both empty if they are not kept.
    weights: Vec<f64>,
    greatest: Vec<f64>,
    /// Whether what is kept belongs to `reference`.
    filled: bool,
}

impl<'a> Kernel<'a> {
    /// No weights yet.
    pub(crate) fn new(costs: &'a Costs<'a>) -> Self {
        let (rows, width) = (costs.pool_len(), stride(costs.query_len()));
        let (weights, greatest) = if costs.leaves_room_for(rows * (width + 1)) {
            (vec![0.0; rows * width], vec![0.0; rows])
        } else {
            Default::default()
        };
        Self { costs, epsilon: f64::NAN, reference: Vec::new(), weights, greatest, filled: false }
    }

    /// One pass; with the matrix of second derivatives if `with_outer`.
    pub(crate) fn sums(
        &mut self,
        penalty: &Penalty,
        potentials: &[f64],
        with_outer: bool,
        watch: &dyn Watch,
    ) -> Result<Sums, Stopped> {
        self.pass(penalty, potentials, with_outer, &mut [], watch)
    }

    /// ln s_i of every pool row, and Σ_ij T_ij c_ij.
    pub(crate) fn rows(
        &mut self,
        penalty: &Penalty,
        potentials: &[f64],
        watch: &dyn Watch,
    ) -> Result<(Vec<f64>, f64), Stopped> {
        let mut logs = vec![0.0; self.costs.pool_len()];
        let sums = self.pass(penalty, potentials, false, &mut logs, watch)?;
        Ok((logs, sums.transport))
    }

    fn pass(
        &mut self,
        penalty: &Penalty,
        potentials: &[f64],
        with_outer: bool,
        logs: &mut [f64],
        watch: &dyn Watch,
    ) -> Result<Sums, Stopped> {
        let (rows, m) = (self.costs.pool_len(), self.costs.query_len());
        let near = |(g, h): (&f64, &f64)| (g - h).abs() <= DRIFT * self.epsilon;
        if self.epsilon != penalty.epsilon || !potentials.iter().zip(&self.reference).all(near) {
            self.epsilon = penalty.epsilon;
            self.reference = potentials.to_vec();
            self.filled = false;
        }
        let inverse = 1.0 / self.epsilon;
        let mut factors: Vec<f64> =
            potentials.iter().zip(&self.reference).map(|(g, h)| exp::exp((g - h) * inverse)).collect();
        factors.resize(stride(m), 0.0);

        let slice = slice_len(rows);
        let mut weights = self.weights.chunks_mut(slice * stride(m));
        let mut greatest = self.greatest.chunks_mut(slice);
        let mut logs = logs.chunks_mut(slice);
        let mut slices: Vec<Slice<'_>> = (0..rows)
            .step_by(slice)
            .map(|start| Slice {
                rows: start..(start + slice).min(rows),
                weights: weights.next().unwrap_or_default(),
                greatest: greatest.next().unwrap_or_default(),
                logs: logs.next().unwrap_or_default(),
            })
            .collect();
        // One M×M matrix per thread at a time; partial sums are added in the order of the slices either way.
        let wave = if with_outer { rayon::current_num_threads().max(1) } else { slices.len() };
        let mut total = Sums::zero(m, with_outer);
        for wave in slices.chunks_mut(wave) {
            let parts: Result<Vec<Sums>, Stopped> = wave
                .par_iter_mut()
                .map(|slice| {
                    watch.advance(0)?;
                    let mut worker = Worker::new(self.costs, penalty, &self.reference, &factors, with_outer);
                    pulp::Arch::new().dispatch(Run { worker: &mut worker, slice, filled: self.filled });
                    Ok(worker.sums)
                })
                .collect();
            parts?.iter().for_each(|part| total.add(part));
        }
        self.filled = !self.weights.is_empty();
        Ok(total)
    }
}

/// Consecutive pool rows and what belongs to them; weights and maxima are empty if they are not kept, logs if they are
/// not wanted.
struct Slice<'s> {
    rows: Range<usize>,
    weights: &'s mut [f64],
    greatest: &'s mut [f64],
    logs: &'s mut [f64],
}

/// Cheapest cost of every query, and the range of all finite costs.
pub(crate) fn extremes(costs: &Costs<'_>, watch: &dyn Watch) -> Result<(Vec<f64>, f64), Stopped> {
    let (rows, m) = (costs.pool_len(), costs.query_len());
    let slice = slice_len(rows);
    let starts: Vec<usize> = (0..rows).step_by(slice).collect();
    let parts: Result<Vec<_>, Stopped> = starts
        .par_iter()
        .map(|&start| {
            watch.advance(0)?;
            Ok(pulp::Arch::new().dispatch(Extremes { costs, rows: start..(start + slice).min(rows) }))
        })
        .collect();
    let (mut least, mut most) = (vec![f64::INFINITY; m], f64::NEG_INFINITY);
    for (part, part_most) in parts? {
        least.iter_mut().zip(part).for_each(|(l, p)| *l = l.min(p));
        most = part_most.into_iter().fold(most, f64::max);
    }
    let lowest = least.iter().copied().fold(f64::INFINITY, f64::min);
    Ok((least, (most - lowest).max(0.0)))
}

/// Least and greatest finite cost of every query over some rows.
struct Extremes<'a> {
    costs: &'a Costs<'a>,
    rows: Range<usize>,
}

impl pulp::WithSimd for Extremes<'_> {
    type Output = (Vec<f64>, Vec<f64>);

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) -> Self::Output {
        let m = self.costs.query_len();
        let (mut least, mut most) = (vec![f64::INFINITY; m], vec![f64::NEG_INFINITY; m]);
        let mut buffer = Vec::new();
        for first in self.rows.clone().step_by(STEP) {
            let last = (first + STEP).min(self.rows.end);
            for row in self.costs.rows(first..last, &mut buffer).chunks_exact(m) {
                for ((least, most), &c) in least.iter_mut().zip(&mut most).zip(row) {
                    *least = if c < *least { c } else { *least };
                    let finite = if c < f64::INFINITY { c } else { f64::NEG_INFINITY };
                    *most = if finite > *most { finite } else { *most };
                }
            }
        }
        (least, most)
    }
}

/// Works through one slice.
struct Worker<'a> {
    costs: &'a Costs<'a>,
    reference: &'a [f64],
    /// u_j, then zeros to [`stride`].
    factors: &'a [f64],
    epsilon: f64,
    theta: f64,
    rho: f64,
    prior: f64,
    log_queries: f64,
    buffer: Vec<f64>,
    sums: Sums,
    /// Σ_i T_i/(Σ_j w_ij u_j) w_ij.
    columns: Vec<f64>,
}

impl<'a> Worker<'a> {
    fn new(
        costs: &'a Costs<'a>,
        penalty: &Penalty,
        reference: &'a [f64],
        factors: &'a [f64],
        with_outer: bool,
    ) -> Self {
        let m = costs.query_len();
        Self {
            costs,
            reference,
            factors,
            epsilon: penalty.epsilon,
            theta: penalty.theta(),
            rho: penalty.pool,
            prior: 1.0 / costs.pool_len() as f64,
            log_queries: exp::ln(m as f64),
            buffer: Vec::new(),
            sums: Sums::zero(m, with_outer),
            columns: vec![0.0; factors.len()],
        }
    }

    /// Adds the rows to the sums, writes their weights unless they are `filled` in, and ln s if that is wanted.
    #[inline(always)]
    fn step(
        &mut self,
        rows: Range<usize>,
        weights: &mut [f64],
        greatest: &mut [f64],
        filled: bool,
        logs: Option<&mut [f64]>,
    ) {
        let count = rows.len();
        let (m, width) = (self.reference.len(), self.factors.len());
        let costs = if filled && logs.is_none() { &[] } else { self.costs.rows(rows, &mut self.buffer) };
        if !filled {
            weigh(costs, self.reference, 1.0 / self.epsilon, weights, greatest);
        }
        let factors = self.factors.as_chunks::<LANES>().0;
        let mut log_s = [0.0f64; STEP];
        let mut row_sum = [1.0f64; STEP];
        log_s[..count].copy_from_slice(greatest);
        for (sum, row) in row_sum.iter_mut().zip(weights.chunks_exact(width)) {
            let mut total = [0.0; LANES];
            for (w, u) in row.as_chunks::<LANES>().0.iter().zip(factors) {
                for lane in 0..LANES {
                    total[lane] += w[lane] * u[lane];
                }
            }
            *sum = tree(total);
        }

        let mut mass = [0.0; STEP];
        let mut scale = [0.0; STEP];
        let mut value = [0.0; STEP];
        for r in 0..STEP {
            log_s[r] = (log_s[r] + exp::ln(row_sum[r])) - self.log_queries;
            let exponent = self.theta * log_s[r];
            let power = exp::exp(exponent);
            let carries = r < count && row_sum[r] > 0.0;
            mass[r] = if carries { self.prior * power } else { 0.0 };
            scale[r] = if carries { mass[r] / row_sum[r] } else { 0.0 };
            let term = if self.rho == f64::INFINITY {
                self.epsilon * log_s[r] + self.epsilon
            } else {
                self.rho * exp::exp_m1(exponent) + self.epsilon * power
            };
            value[r] = if carries { self.prior * term } else { 0.0 };
        }
        self.sums.value += value.iter().sum::<f64>();
        if let Some(logs) = logs {
            for (log, (value, sum)) in logs.iter_mut().zip(log_s.iter().zip(&row_sum)) {
                *log = if *sum > 0.0 { *value } else { f64::NEG_INFINITY };
            }
            for (r, (weights, row)) in weights.chunks_exact(width).zip(costs.chunks_exact(m)).enumerate() {
                let mut transport = 0.0;
                for ((w, u), c) in weights.iter().zip(self.factors).zip(row) {
                    // A zero weight meets an infinite cost only in pairs that carry nothing.
                    transport += if *w > 0.0 { w * u * c } else { 0.0 };
                }
                self.sums.transport += scale[r] * transport;
            }
        }

        let columns = self.columns.as_chunks_mut::<LANES>().0;
        for (rows, scale) in weights.chunks(RANK * width).zip(scale.chunks_exact(RANK)) {
            // A short group is filled up with copies that weigh nothing.
            let last = rows.len() / width - 1;
            let [x, y, z, w] = [0, 1, 2, 3].map(|r: usize| rows[r.min(last) * width..][..width].as_chunks::<LANES>().0);
            for ((((to, x), y), z), w) in columns.iter_mut().zip(x).zip(y).zip(z).zip(w) {
                for l in 0..LANES {
                    to[l] += (scale[0] * x[l] + scale[1] * y[l]) + (scale[2] * z[l] + scale[3] * w[l]);
                }
            }
        }
        if !self.sums.outer.is_empty() {
            self.add_outer(count, weights, &mass, &row_sum);
        }
    }

    /// Puts the factors that all rows share into the sums.
    #[inline(always)]
    fn finish(&mut self) {
        for ((sum, column), u) in self.sums.columns.iter_mut().zip(&self.columns).zip(self.factors) {
            *sum = column * u;
        }
        for (line, u) in self.sums.outer.chunks_exact_mut(self.factors.len()).zip(self.factors) {
            line.iter_mut().zip(self.factors).for_each(|(entry, v)| *entry *= u * v);
        }
    }

    /// Adds Σ T_i r_i r_iᵀ, r_i = weights of row i over their sum with factors; rows that cannot matter are left out.
    #[inline(always)]
    fn add_outer(&mut self, count: usize, weights: &[f64], mass: &[f64; STEP], row_sum: &[f64; STEP]) {
        let (m, width) = (self.reference.len(), self.factors.len());
        let mut kept = [0usize; STEP];
        let mut many = 0;
        for r in 0..count {
            if mass[r] > 1e-13 * self.prior && row_sum[r] > 0.0 {
                kept[many] = r;
                many += 1;
            }
        }
        for group in kept[..many].chunks(RANK) {
            let mut rows: [&[[f64; LANES]]; RANK] = [&[]; RANK];
            let mut scales = [0.0; RANK];
            for slot in 0..RANK {
                // A short group is filled up with copies that weigh nothing.
                let r = group[slot.min(group.len() - 1)];
                rows[slot] = weights[r * width..(r + 1) * width].as_chunks::<LANES>().0;
                scales[slot] = if slot < group.len() { mass[r] / (row_sum[r] * row_sum[r]) } else { 0.0 };
            }
            for j in 0..m {
                let factor: [f64; RANK] = [0, 1, 2, 3].map(|slot| scales[slot] * rows[slot][j / LANES][j % LANES]);
                let lanes = j / LANES + 1;
                let line = &mut self.sums.outer[j * width..(j + 1) * width].as_chunks_mut::<LANES>().0;
                let [x, y, z, w] = rows.map(|row| &row[..lanes]);
                for ((((to, x), y), z), w) in line[..lanes].iter_mut().zip(x).zip(y).zip(z).zip(w) {
                    let (from, x, y, z, w) = (*to, *x, *y, *z, *w);
                    let mut sum = [0.0; LANES];
                    for l in 0..LANES {
                        let pair = factor[0] * x[l] + factor[1] * y[l];
                        sum[l] = from[l] + (pair + (factor[2] * z[l] + factor[3] * w[l]));
                    }
                    *to = sum;
                }
            }
        }
    }
}

/// Weights and row maxima of some rows.
#[inline(always)]
fn weigh(costs: &[f64], reference: &[f64], inverse: f64, weights: &mut [f64], greatest: &mut [f64]) {
    let m = reference.len();
    let rows = weights.chunks_exact_mut(stride(m)).zip(greatest);
    for (row, (weights, greatest)) in costs.chunks_exact(m).zip(rows) {
        for ((w, c), h) in weights.iter_mut().zip(row).zip(reference) {
            *w = (h - c) * inverse;
        }
        weights[m..].fill(f64::NEG_INFINITY);
        let lanes = weights.as_chunks_mut::<LANES>().0;
        let mut most = [f64::NEG_INFINITY; LANES];
        for chunk in lanes.iter() {
            for (most, &w) in most.iter_mut().zip(chunk) {
                *most = if w > *most { w } else { *most };
            }
        }
        *greatest = most.into_iter().fold(f64::NEG_INFINITY, f64::max);
        // A row without any finite cost keeps zero weights.
        let shift = if *greatest > f64::NEG_INFINITY { *greatest } else { 0.0 };
        for chunk in lanes {
            for w in chunk {
                *w = exp::exp(*w - shift);
            }
        }
    }
}

/// One slice, compiled for every instruction set.
struct Run<'w, 'a, 's> {
    worker: &'w mut Worker<'a>,
    slice: &'w mut Slice<'s>,
    filled: bool,
}

impl pulp::WithSimd for Run<'_, '_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) {
        let Self { worker, slice: Slice { rows, weights, greatest, logs }, filled } = self;
        let width = worker.factors.len();
        let steps = if weights.is_empty() { STEP } else { 0 };
        let mut scratch = vec![0.0; steps * (width + 1)];
        let (scratch_weights, scratch_greatest) = scratch.split_at_mut(steps * width);
        for first in rows.clone().step_by(STEP) {
            let last = (first + STEP).min(rows.end);
            let here = first - rows.start..last - rows.start;
            let (weights, greatest) = if weights.is_empty() {
                (&mut scratch_weights[..here.len() * width], &mut scratch_greatest[..here.len()])
            } else {
                (&mut weights[here.start * width..here.end * width], &mut greatest[here.clone()])
            };
            worker.step(first..last, weights, greatest, filled, logs.get_mut(here));
        }
        worker.finish();
    }
}

/// Adds eight lanes as a balanced tree.
#[inline(always)]
fn tree(lanes: [f64; LANES]) -> f64 {
    ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) + ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]))
}
