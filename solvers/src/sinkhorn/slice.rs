//! The part of a pass that belongs to consecutive pool rows.
//!
//! Limit: as for the whole pass; weights and costs of one step stay in the second-level cache.

use std::ops::Range;

use super::costs::Costs;
use super::exp;
use super::pass::{Sums, stride};
use super::penalty::Penalty;

/// Consecutive pool rows and what belongs to them; weights and maxima are empty if they are not kept, logs if they are
/// not wanted.
pub(crate) struct Slice<'s> {
    pub(crate) rows: Range<usize>,
    pub(crate) weights: &'s mut [f64],
    pub(crate) greatest: &'s mut [f64],
    pub(crate) logs: &'s mut [f64],
}

/// Rows per step: what [`kantor_theory::Geometry`] evaluates at a time. Their weights stay in the second-level cache.
pub(crate) const STEP: usize = 48;

/// Rows whose costs are evaluated by one call: they stay in the second-level cache too.
const BLOCK: usize = 10 * STEP;

/// Lanes in which a sum over queries runs.
pub(crate) const LANES: usize = 8;

/// Rows whose outer products are added at once.
const RANK: usize = 4;

/// Works through one slice.
pub(crate) struct Worker<'a> {
    costs: &'a Costs<'a>,
    reference: &'a [f64],
    /// u_j, then zeros to [`stride`].
    factors: &'a [f64],
    epsilon: f64,
    theta: f64,
    rho: f64,
    prior: f64,
    log_queries: f64,
    /// Whether costs are read off their weights where they are wanted.
    inverts: bool,
    pub(crate) sums: Sums,
    /// Σ_i T_i/(Σ_j w_ij u_j) w_ij.
    columns: Vec<f64>,
}

impl<'a> Worker<'a> {
    pub(crate) fn new(
        costs: &'a Costs<'a>,
        penalty: &Penalty,
        reference: &'a [f64],
        factors: &'a [f64],
        with_outer: bool,
        inverts: bool,
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
            inverts,
            sums: Sums::zero(m, with_outer),
            columns: vec![0.0; factors.len()],
        }
    }

    /// Adds rows to the sums, writes their weights unless they are `filled` in, and ln s if that is wanted. Costs may
    /// be missing where they are not needed.
    #[inline(always)]
    fn step(
        &mut self,
        costs: &[f64],
        weights: &mut [f64],
        greatest: &mut [f64],
        filled: bool,
        logs: Option<&mut [f64]>,
    ) {
        let count = greatest.len();
        let (m, width) = (self.reference.len(), self.factors.len());
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
            for (r, weights) in weights.chunks_exact(width).enumerate() {
                let transport = if self.inverts {
                    paid(weights, self.factors, self.reference, self.epsilon, greatest[r])
                } else {
                    let pairs = weights.iter().zip(self.factors).zip(&costs[r * m..(r + 1) * m]);
                    // A zero weight meets an infinite cost only in pairs that carry nothing.
                    pairs.map(|((w, u), c)| if *w > 0.0 { w * u * c } else { 0.0 }).sum::<f64>()
                };
                // No weight of the row is positive, and its maximum is no number to calculate with.
                self.sums.transport += if scale[r] > 0.0 { scale[r] * transport } else { 0.0 };
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

/// Σ_j w_j u_j c_j of one row for the costs c_j = h_j − ε (ln w_j + m) that the weights came from.
#[inline(always)]
fn paid(weights: &[f64], factors: &[f64], reference: &[f64], epsilon: f64, greatest: f64) -> f64 {
    let cost =
        |w: f64, h: f64| h - epsilon * (exp::ln(if w > f64::MIN_POSITIVE { w } else { f64::MIN_POSITIVE }) + greatest);
    let mut total = [0.0; LANES];
    let (whole, rest) = reference.as_chunks::<LANES>();
    let pairs = weights.as_chunks::<LANES>().0.iter().zip(factors.as_chunks::<LANES>().0);
    for ((w, u), h) in pairs.zip(whole) {
        for lane in 0..LANES {
            total[lane] += w[lane] * u[lane] * cost(w[lane], h[lane]);
        }
    }
    let at = whole.len() * LANES;
    for (lane, h) in rest.iter().enumerate() {
        total[lane] += weights[at + lane] * factors[at + lane] * cost(weights[at + lane], *h);
    }
    tree(total)
}

/// One slice, compiled for every instruction set.
pub(crate) struct Run<'w, 'a, 's> {
    pub(crate) worker: &'w mut Worker<'a>,
    pub(crate) slice: &'w mut Slice<'s>,
    pub(crate) filled: bool,
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
        let (m, needs_costs) = (worker.reference.len(), !filled || !(worker.inverts || logs.is_empty()));
        let all = worker.costs;
        let mut buffer = Vec::new();
        for block in rows.clone().step_by(BLOCK) {
            let end = (block + BLOCK).min(rows.end);
            let costs = if needs_costs { all.rows(block..end, &mut buffer) } else { &[] };
            for first in (block..end).step_by(STEP) {
                let last = (first + STEP).min(end);
                let here = first - rows.start..last - rows.start;
                let (weights, greatest) = if weights.is_empty() {
                    (&mut scratch_weights[..here.len() * width], &mut scratch_greatest[..here.len()])
                } else {
                    (&mut weights[here.start * width..here.end * width], &mut greatest[here.clone()])
                };
                let costs = costs.get((first - block) * m..(last - block) * m).unwrap_or_default();
                worker.step(costs, weights, greatest, filled, logs.get_mut(here));
            }
        }
        worker.finish();
    }
}

/// Adds eight lanes as a balanced tree.
#[inline(always)]
fn tree(lanes: [f64; LANES]) -> f64 {
    ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) + ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]))
}
