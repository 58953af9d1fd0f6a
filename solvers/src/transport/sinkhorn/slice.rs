//! The part of a pass that belongs to consecutive pool rows.
//!
//! Limit: as for the whole pass; weights and costs of one step stay in the second-level cache.

use std::ops::Range;

use super::exp;
use super::outer::Outer;
use super::pass::{Frame, OverRelaxation, Sums, stride};
use super::weight::Weight;

/// Consecutive pool rows and what belongs to them; weights and maxima are empty if they are not kept, the rest if it is
/// not wanted.
pub(crate) struct Slice<'s, W> {
    pub(crate) rows: Range<usize>,
    pub(crate) weights: &'s mut [W],
    pub(crate) greatest: &'s mut [f64],
    /// ln s_i.
    pub(crate) logs: &'s mut [f64],
    /// v_i.
    pub(crate) shares: &'s mut [f64],
    /// f_i of over-relaxation.
    pub(crate) state: &'s mut [f64],
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
    pub(crate) frame: &'a Frame<'a>,
    pub(crate) sums: Sums,
    /// Σ_i T_i/(Σ_j w_ij u_j) w_ij.
    pub(crate) columns: Vec<f64>,
    pub(crate) outer: Outer,
}

/// Some rows of a slice, at most [`STEP`].
struct Step<'s, W> {
    rows: Range<usize>,
    /// Missing where they are not needed.
    costs: &'s [f64],
    weights: &'s mut [W],
    greatest: &'s mut [f64],
    logs: &'s mut [f64],
    shares: &'s mut [f64],
    state: &'s mut [f64],
}

/// What a step knows of its rows; sums of 1 and masses of 0 fill it up.
pub(crate) struct RowMasses {
    /// Σ_j w_ij u_j.
    pub(crate) row_sum: [f64; STEP],
    /// ln s_i.
    pub(crate) log_s: [f64; STEP],
    /// T_i.
    pub(crate) mass: [f64; STEP],
    /// T_i / Σ_j w_ij u_j.
    pub(crate) scale: [f64; STEP],
}

impl<'a> Worker<'a> {
    pub(crate) fn new(frame: &'a Frame<'a>) -> Self {
        let m = frame.reference.len();
        Self {
            frame,
            sums: Sums::zero(m, frame.with_outer),
            columns: vec![0.0; frame.factors.len()],
            outer: Outer::new(frame.exact),
        }
    }

    /// Adds rows to the sums, writes their weights unless they are `filled` in, and what else is wanted.
    #[inline(always)]
    fn step<S: pulp::Simd, W: Weight>(&mut self, simd: S, step: Step<'_, W>, filled: bool) {
        let Step { rows, costs, weights, greatest, logs, shares, state } = step;
        let frame = self.frame;
        let width = frame.factors.len();
        if !filled {
            weigh(costs, frame.reference, 1.0 / frame.penalty.epsilon, weights, greatest);
        }
        let row_sum = self.row_sums(weights);
        let masses = self.masses(rows, row_sum, greatest, logs, state);
        let scale = &masses.scale;
        if !logs.is_empty() {
            self.pay(costs, weights, greatest, scale, shares);
        }
        for (rows, scale) in weights.chunks(RANK * width).zip(scale.as_chunks::<RANK>().0) {
            // A short group is filled up with copies that weigh nothing.
            let last = rows.len() / width - 1;
            let row = |r: usize| &rows[r.min(last) * width..][..width];
            let columns = self.columns.iter_mut().zip(row(0)).zip(row(1)).zip(row(2)).zip(row(3));
            for ((((to, x), y), z), w) in columns {
                *to += (scale[0] * x.get() + scale[1] * y.get()) + (scale[2] * z.get() + scale[3] * w.get());
            }
        }
        if !self.sums.outer.is_empty() {
            self.add_outer(simd, greatest.len(), weights, &masses);
        }
    }

    /// Σ_j w_ij u_j.
    #[inline(always)]
    fn row_sums<W: Weight>(&self, weights: &[W]) -> [f64; STEP] {
        let factors = self.frame.factors.as_chunks::<LANES>().0;
        // All lanes of all rows first: additions across lanes would keep the compiler from whole vectors.
        let mut totals = [[0.0; LANES]; STEP];
        for (total, row) in totals.iter_mut().zip(weights.chunks_exact(self.frame.factors.len())) {
            let mut sum = [0.0; LANES];
            for (w, u) in row.as_chunks::<LANES>().0.iter().zip(factors) {
                for lane in 0..LANES {
                    sum[lane] += w[lane].get() * u[lane];
                }
            }
            *total = sum;
        }
        totals.map(tree)
    }

    /// What follows for at most [`STEP`] rows from their sums and maxima m_i; their logarithms are written if wanted.
    #[inline(always)]
    pub(crate) fn masses(
        &mut self,
        rows: Range<usize>,
        mut row_sum: [f64; STEP],
        greatest: &[f64],
        logs: &mut [f64],
        state: &mut [f64],
    ) -> RowMasses {
        let mut log_s = [0.0; STEP];
        log_s[..greatest.len()].copy_from_slice(greatest);
        row_sum[greatest.len()..].fill(1.0);
        for r in 0..STEP {
            log_s[r] += exp::ln(row_sum[r]);
        }
        if !self.frame.measures.surplus.is_empty() {
            log_s.iter_mut().zip(&self.frame.measures.surplus[rows.clone()]).for_each(|(log, surplus)| *log -= surplus);
        }
        for (log, (value, sum)) in logs.iter_mut().zip(log_s.iter().zip(&row_sum)) {
            *log = if *sum > 0.0 { *value } else { f64::NEG_INFINITY };
        }
        let masses = RowMasses { row_sum, log_s, mass: [0.0; STEP], scale: [0.0; STEP] };
        if state.is_empty() { self.best(rows, masses) } else { self.relaxed(rows, masses, state) }
    }

    /// Masses of rows with the best potentials, and their share of the value.
    #[inline(always)]
    fn best(&mut self, rows: Range<usize>, mut masses: RowMasses) -> RowMasses {
        let (epsilon, rho, theta) = (self.frame.penalty.epsilon, self.frame.penalty.pool, self.frame.penalty.theta());
        let mut prior = [0.0; STEP];
        prior[..rows.len()].copy_from_slice(&self.frame.measures.rows[rows.clone()]);
        let mut value = [0.0; STEP];
        for r in 0..STEP {
            let log_s = masses.log_s[r];
            let exponent = theta * log_s;
            let power = exp::exp(exponent);
            let carries = prior[r] > 0.0 && masses.row_sum[r] > 0.0;
            masses.mass[r] = if carries { prior[r] * power } else { 0.0 };
            masses.scale[r] = if carries { masses.mass[r] / masses.row_sum[r] } else { 0.0 };
            let term = if rho == f64::INFINITY {
                epsilon * log_s + epsilon
            } else {
                rho * exp::exp_m1(exponent) + epsilon * power
            };
            value[r] = if carries { prior[r] * term } else { 0.0 };
        }
        self.sums.value += value.iter().sum::<f64>();
        masses
    }

    /// Masses of rows whose potentials go a factor beyond the best ones, where that is safe.
    #[inline(always)]
    fn relaxed(&mut self, rows: Range<usize>, mut masses: RowMasses, state: &mut [f64]) -> RowMasses {
        let (epsilon, rho, theta) = (self.frame.penalty.epsilon, self.frame.penalty.pool, self.frame.penalty.theta());
        let OverRelaxation { factor, reach, shift } = self.frame.relaxation;
        let hard = rho == f64::INFINITY;
        let (mut prior, mut old) = ([0.0; STEP], [0.0; STEP]);
        prior[..rows.len()].copy_from_slice(&self.frame.measures.rows[rows.clone()]);
        old[..state.len()].copy_from_slice(state);
        let (mut value, mut residual, mut escape) = ([0.0; STEP], [0.0; STEP], [0.0; STEP]);
        let (up, down) = (reach * epsilon, -reach * rho);
        for r in 0..STEP {
            let log_s = masses.log_s[r];
            let best = -epsilon * (1.0 - theta) * log_s;
            let step = best - (old[r] + shift);
            // Comparisons with NaN are false: no old potential, no relaxation.
            let f = if step <= up && step >= down { old[r] + shift + factor * step } else { best };
            let carries = prior[r] > 0.0 && masses.row_sum[r] > 0.0;
            let mass = prior[r] * exp::exp(f / epsilon + log_s);
            let gone = if hard { 0.0 } else { prior[r] * exp::exp_m1(-f / rho) };
            let gain = if hard { prior[r] * f } else { -rho * gone };
            masses.mass[r] = if carries { mass } else { 0.0 };
            masses.scale[r] = if carries { mass / masses.row_sum[r] } else { 0.0 };
            value[r] = if carries { epsilon * mass - gain } else { 0.0 };
            escape[r] = if carries { gone } else { 0.0 };
            residual[r] = if carries { (mass - (prior[r] + gone)).abs() } else { 0.0 };
            old[r] = f;
        }
        state.copy_from_slice(&old[..state.len()]);
        self.sums.value += value.iter().sum::<f64>();
        self.sums.row_residual += residual.iter().sum::<f64>();
        self.sums.escape += escape.iter().sum::<f64>();
        masses
    }

    /// Adds the cost of the rows' plan and, if wanted, what a share of it comes to.
    #[inline(always)]
    fn pay<W: Weight>(
        &mut self,
        costs: &[f64],
        weights: &[W],
        greatest: &[f64],
        scale: &[f64; STEP],
        shares: &mut [f64],
    ) {
        let frame = self.frame;
        let m = frame.reference.len();
        let mut priced = vec![0.0; frame.factors.len()];
        for (r, weights) in weights.chunks_exact(frame.factors.len()).enumerate() {
            let transport = if frame.inverts {
                paid(weights, &frame.factors, frame.reference, frame.penalty.epsilon, greatest[r])
            } else {
                // A zero weight meets an infinite cost only in pairs that carry nothing.
                let pairs = priced.iter_mut().zip(weights).zip(&costs[r * m..(r + 1) * m]);
                pairs.for_each(|((to, w), c)| *to = if w.get() > 0.0 { w.get() * c } else { 0.0 });
                inner(&priced, &frame.factors)
            };
            // No weight of the row is positive, and its maximum is no number to calculate with.
            self.sums.transport += if scale[r] > 0.0 { scale[r] * transport } else { 0.0 };
            if let Some(share) = shares.get_mut(r) {
                *share = scale[r] * inner(weights, &frame.shares);
                if !frame.toll.is_empty() && *share > 0.0 {
                    let tolls = priced.iter_mut().zip(&frame.toll).zip(&costs[r * m..(r + 1) * m]);
                    tolls.for_each(|((to, t), c)| *to = if *t > 0.0 { *c } else { 0.0 });
                    self.sums.toll += *share * inner(&priced, &frame.toll);
                }
            }
        }
    }

    /// Puts the factors that all rows share into the sums.
    #[inline(always)]
    pub(crate) fn finish(&mut self) {
        for ((sum, column), u) in self.sums.columns.iter_mut().zip(&self.columns).zip(&self.frame.factors) {
            *sum = column * u;
        }
    }

    /// Adds Σ T_i r_i r_iᵀ, r_i = weights of row i over their sum with factors; rows that cannot matter are left out.
    #[inline(always)]
    fn add_outer<S: pulp::Simd, W: Weight>(&mut self, simd: S, count: usize, weights: &[W], masses: &RowMasses) {
        let width = self.frame.factors.len();
        let mut sampler = self.frame.sampler(0);
        let outer = &mut self.outer;
        outer.clear();
        for r in 0..count {
            if let Some(factor) = sampler.factor(masses.mass[r], masses.row_sum[r]) {
                let row = weights[r * width..(r + 1) * width].iter().map(|w| w.get());
                outer.push(row, &self.frame.factors, factor);
            }
        }
        outer.add_to(simd, self.frame.reference.len(), &mut self.sums.outer, sampler.unit());
    }
}

/// Weights and row maxima of some rows.
#[inline(always)]
fn weigh<W: Weight>(costs: &[f64], reference: &[f64], inverse: f64, weights: &mut [W], greatest: &mut [f64]) {
    let m = reference.len();
    let mut line = vec![f64::NEG_INFINITY; stride(m)];
    let rows = weights.chunks_exact_mut(stride(m)).zip(greatest);
    for (row, (weights, greatest)) in costs.chunks_exact(m).zip(rows) {
        for ((z, c), h) in line.iter_mut().zip(row).zip(reference) {
            *z = (h - c) * inverse;
        }
        let lanes = line.as_chunks::<LANES>().0;
        let mut most = [f64::NEG_INFINITY; LANES];
        for chunk in lanes {
            for (most, &z) in most.iter_mut().zip(chunk) {
                *most = if z > *most { z } else { *most };
            }
        }
        *greatest = most.into_iter().fold(f64::NEG_INFINITY, f64::max);
        // A row without any finite cost keeps zero weights.
        let shift = if *greatest > f64::NEG_INFINITY { *greatest } else { 0.0 };
        for (w, z) in weights.iter_mut().zip(&line) {
            *w = W::of(exp::exp(*z - shift));
        }
    }
}

/// Σ_j w_j u_j c_j of one row for the costs c_j = h_j − ε (ln w_j + m) that the weights came from.
#[inline(always)]
fn paid<W: Weight>(weights: &[W], factors: &[f64], reference: &[f64], epsilon: f64, greatest: f64) -> f64 {
    let cost =
        |w: f64, h: f64| h - epsilon * (exp::ln(if w > f64::MIN_POSITIVE { w } else { f64::MIN_POSITIVE }) + greatest);
    let mut total = [0.0; LANES];
    let (whole, rest) = reference.as_chunks::<LANES>();
    let pairs = weights.as_chunks::<LANES>().0.iter().zip(factors.as_chunks::<LANES>().0);
    for ((w, u), h) in pairs.zip(whole) {
        for lane in 0..LANES {
            total[lane] += w[lane].get() * u[lane] * cost(w[lane].get(), h[lane]);
        }
    }
    let at = whole.len() * LANES;
    for (lane, h) in rest.iter().enumerate() {
        let w = weights[at + lane].get();
        total[lane] += w * factors[at + lane] * cost(w, *h);
    }
    tree(total)
}

/// One slice, compiled for every instruction set.
pub(crate) struct SliceRun<'w, 'a, 's, W> {
    pub(crate) worker: &'w mut Worker<'a>,
    pub(crate) slice: &'w mut Slice<'s, W>,
    pub(crate) filled: bool,
}

impl<W: Weight> pulp::WithSimd for SliceRun<'_, '_, '_, W> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, simd: S) {
        let Self { worker, slice: Slice { rows, weights, greatest, logs, shares, state }, filled } = self;
        let frame = worker.frame;
        let (m, width) = (frame.reference.len(), frame.factors.len());
        let steps = if weights.is_empty() { STEP } else { 0 };
        let mut scratch_weights = vec![W::ZERO; steps * width];
        let mut scratch_greatest = vec![0.0; steps];
        let reads_costs = !(logs.is_empty() || frame.inverts && frame.toll.is_empty());
        let mut buffer = Vec::new();
        for block in rows.clone().step_by(BLOCK) {
            let end = (block + BLOCK).min(rows.end);
            let costs = if !filled || reads_costs { frame.costs.rows(block..end, &mut buffer) } else { &[] };
            for first in (block..end).step_by(STEP) {
                let last = (first + STEP).min(end);
                let here = first - rows.start..last - rows.start;
                let (weights, greatest) = if weights.is_empty() {
                    (&mut scratch_weights[..here.len() * width], &mut scratch_greatest[..here.len()])
                } else {
                    (&mut weights[here.start * width..here.end * width], &mut greatest[here.clone()])
                };
                let step = Step {
                    rows: first..last,
                    costs: costs.get((first - block) * m..(last - block) * m).unwrap_or_default(),
                    weights,
                    greatest,
                    logs: logs.get_mut(here.clone()).unwrap_or_default(),
                    shares: shares.get_mut(here.clone()).unwrap_or_default(),
                    state: state.get_mut(here).unwrap_or_default(),
                };
                worker.step(simd, step, filled);
            }
        }
        worker.finish();
    }
}

/// Σ x_j y_j over whole lanes.
#[inline(always)]
fn inner<W: Weight>(x: &[W], y: &[f64]) -> f64 {
    let mut total = [0.0; LANES];
    for (x, y) in x.as_chunks::<LANES>().0.iter().zip(y.as_chunks::<LANES>().0) {
        for lane in 0..LANES {
            total[lane] += x[lane].get() * y[lane];
        }
    }
    tree(total)
}

/// Adds eight lanes as a balanced tree.
#[inline(always)]
pub(crate) fn tree(lanes: [f64; LANES]) -> f64 {
    ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) + ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]))
}
