//! The part of a pass that belongs to consecutive pool rows, where the costs lie in memory query by query.
//!
//! Such a matrix is read as it lies, some hundred rows of one query after another, and all loops run along rows: no
//! transposition, and no sum across lanes but for the queries' marginals. Weights are not kept beyond a panel: a fused
//! exponential costs less than writing 8 bytes per pair and reading them back.
//!
//! Any number near the maximum prevents overflow in the place of m_i. In the first pass for given potentials 0 is tried;
//! where a row's sum then is not a number to calculate with, its panel is gone through twice more, for m_i and for the
//! weights. Later passes take m_i of the first as long as potentials stay near by. So memory is read while exponentials
//! are computed.
//!
//! Limit: reading 8 bytes and about 28 vector operations per pair, 8 lanes at a time on AVX-512 (four more where the
//! matrix holds cosines). A first pass in which 0 does not serve reads the costs twice more.

use std::ops::{Range, RangeInclusive};

use pulp::Simd;

use super::exp;
use super::gram::Gram;
use super::pass::Frame;
use super::slice::{LANES, STEP, Slice, Worker, tree};

/// Rows whose weights are held at a time: 3840·M bytes, which stay in the second-level cache for M up to some hundreds.
const ROWS: usize = 10 * STEP;

/// Rows in which a sum along rows runs side by side: several vectors, since one addition waits for the one before.
const ABREAST: usize = 4 * LANES;

/// Sums of a row's weights at which nothing has over- or underflown, nor will if potentials drift.
const SAFE: RangeInclusive<f64> = 1e-100..=1e100;

/// What is summed over the queries of every row besides the weights.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tally {
    Weights,
    /// Costs too.
    Costs,
    /// And shares and tolls.
    Shares,
}

/// Memory that one slice after another is worked through in.
#[derive(Default)]
pub(crate) struct PanelWorkspace {
    /// Weights, in lines of [`ROWS`] per query.
    panel: Vec<f64>,
    /// Costs likewise, 0 where they are not finite.
    prices: Vec<f64>,
    gram: Gram,
    chosen: Vec<(usize, f64)>,
}

/// One slice, compiled for every instruction set.
pub(crate) struct Panels<'w, 'a, 's, W> {
    pub(crate) worker: &'w mut Worker<'a>,
    pub(crate) slice: &'w mut Slice<'s, W>,
    pub(crate) scratch: &'w mut PanelWorkspace,
    /// Whether m_i stand in the slice, those of potentials near by.
    pub(crate) shifts_known: bool,
}

/// Sums over the queries, per row of a panel.
struct Totals {
    /// Σ_j w_ij u_j, and this with c_ij and with share_j in every term.
    weights: [f64; ROWS],
    costs: [f64; ROWS],
    shares: [f64; ROWS],
    /// Σ_j toll_j c_ij.
    tolls: [f64; ROWS],
}

impl<W> pulp::WithSimd for Panels<'_, '_, '_, W> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, simd: S) {
        let Self { worker, slice: Slice { rows, greatest, logs, shares, state, .. }, scratch, shifts_known } = self;
        let PanelWorkspace { panel, prices, gram, chosen } = scratch;
        let frame = worker.frame;
        let m = frame.reference.len();
        let tally = match (logs.is_empty(), frame.shares.is_empty()) {
            (true, _) => Tally::Weights,
            (false, true) => Tally::Costs,
            (false, false) => Tally::Shares,
        };
        panel.resize(m * ROWS, 0.0);
        prices.resize(if tally == Tally::Weights { 0 } else { m * ROWS }, 0.0);
        let fast = frame.with_outer && !frame.exact;
        if fast {
            gram.start(m);
        }
        let mut sampler = frame.sampler(rows.start);
        let none = [0.0; ROWS];
        let mut totals = Totals { weights: none, costs: none, shares: none, tolls: none };
        let (mut scale, mut factors) = (none, none);
        for first in rows.clone().step_by(ROWS) {
            let last = (first + ROWS).min(rows.end);
            let here = first - rows.start..last - rows.start;
            let (count, width) = (here.len(), here.len().next_multiple_of(ABREAST));
            let greatest = &mut greatest[here.clone()];
            if !shifts_known {
                greatest.fill(0.0);
            }
            reweigh(frame, first..last, greatest, panel);
            add_up(simd, frame, first..last, tally, panel, prices, &mut totals);
            if !shifts_known && totals.weights[..count].iter().any(|sum| !SAFE.contains(sum)) {
                weigh(frame, first..last, greatest, panel);
                add_up(simd, frame, first..last, tally, panel, prices, &mut totals);
            }
            for step in (0..count).step_by(STEP) {
                let end = (step + STEP).min(count);
                let at = here.start + step..here.start + end;
                let mut row_sum = [1.0; STEP];
                row_sum[..end - step].copy_from_slice(&totals.weights[step..end]);
                let masses = worker.masses(
                    first + step..first + end,
                    row_sum,
                    &greatest[step..end],
                    logs.get_mut(at.clone()).unwrap_or_default(),
                    state.get_mut(at).unwrap_or_default(),
                );
                scale[step..end].copy_from_slice(&masses.scale[..end - step]);
                if frame.with_outer {
                    for r in 0..end - step {
                        let factor = sampler.factor(masses.mass[r], masses.row_sum[r]);
                        factors[step + r] = factor.unwrap_or(0.0);
                        chosen.extend(factor.map(|factor| (step + r, factor)));
                    }
                }
            }
            scale[count..width].fill(0.0);
            for (column, line) in worker.columns.iter_mut().zip(panel.chunks_exact(ROWS)) {
                *column += inner(simd, &line[..width], &scale[..width]);
            }
            if tally != Tally::Weights {
                for (r, scale) in scale[..count].iter().enumerate() {
                    // No weight of the row is positive, and its maximum is no number to calculate with.
                    worker.sums.transport += if *scale > 0.0 { scale * totals.costs[r] } else { 0.0 };
                    if tally == Tally::Shares {
                        let share = scale * totals.shares[r];
                        shares[here.start + r] = share;
                        worker.sums.toll += if share > 0.0 { share * totals.tolls[r] } else { 0.0 };
                    }
                }
            }
            if fast {
                if gram.is_full(width) {
                    gram.add_to(simd, m, &mut worker.sums.outer, sampler.unit());
                }
                if chosen.len() < width / 2 {
                    gram.push(panel, ROWS, &frame.factors, chosen);
                } else {
                    factors[count..width].fill(0.0);
                    gram.push_all(panel, ROWS, &frame.factors, &factors[..width]);
                }
                chosen.clear();
            } else if frame.with_outer {
                worker.outer.clear();
                for (at, factor) in chosen.drain(..) {
                    worker.outer.push(panel.chunks_exact(ROWS).map(|line| line[at]), &frame.factors, factor);
                }
                worker.outer.add_to(simd, m, &mut worker.sums.outer, sampler.unit());
            }
        }
        if fast {
            gram.add_to(simd, m, &mut worker.sums.outer, sampler.unit());
        }
        worker.finish();
    }
}

/// Sums of the rows of a panel over the queries.
#[inline(always)]
fn add_up<S: Simd>(
    simd: S,
    frame: &Frame<'_>,
    rows: Range<usize>,
    tally: Tally,
    panel: &[f64],
    prices: &mut [f64],
    totals: &mut Totals,
) {
    let width = rows.len().next_multiple_of(ABREAST);
    if tally != Tally::Weights {
        price(frame, rows, prices);
    }
    match tally {
        Tally::Weights => sum::<S, 0>(simd, frame, width, panel, prices, totals),
        Tally::Costs => sum::<S, 1>(simd, frame, width, panel, prices, totals),
        Tally::Shares => sum::<S, 2>(simd, frame, width, panel, prices, totals),
    }
}

/// Finds m_i of some rows, and their weights: twice through the panel.
#[inline(always)]
fn weigh(frame: &Frame<'_>, rows: Range<usize>, greatest: &mut [f64], panel: &mut [f64]) {
    let inverse = 1.0 / frame.penalty.epsilon;
    greatest.fill(f64::NEG_INFINITY);
    for (j, (line, h)) in panel.chunks_exact_mut(ROWS).zip(frame.reference).enumerate() {
        let line = &mut line[..rows.len()];
        frame.costs.line(j, rows.clone(), greatest, line, |c, _| (h - c) * inverse);
        for (z, most) in line.iter().zip(&mut *greatest) {
            *most = if *z > *most { *z } else { *most };
        }
    }
    // A row without any finite cost keeps zero weights.
    for most in &mut *greatest {
        *most = if *most > f64::NEG_INFINITY { *most } else { 0.0 };
    }
    for line in panel.chunks_exact_mut(ROWS) {
        line[..rows.len()].iter_mut().zip(&*greatest).for_each(|(z, most)| *z = exp::exp_fused(*z - most));
        line[rows.len()..].fill(0.0);
    }
}

/// The weights of some rows for given m_i, cut off at e⁷⁰⁹: memory is read while exponentials are computed.
#[inline(always)]
fn reweigh(frame: &Frame<'_>, rows: Range<usize>, greatest: &[f64], panel: &mut [f64]) {
    let inverse = 1.0 / frame.penalty.epsilon;
    for (j, (line, h)) in panel.chunks_exact_mut(ROWS).zip(frame.reference).enumerate() {
        let (line, rest) = line.split_at_mut(rows.len());
        frame.costs.line(j, rows.clone(), greatest, line, |c, most| {
            let z = (h - c) * inverse - most;
            exp::exp_fused(if z < exp::OVERFLOW { z } else { exp::OVERFLOW })
        });
        rest.fill(0.0);
    }
}

/// The costs of some rows, 0 where they are not finite: no such pair carries anything.
#[inline(always)]
fn price(frame: &Frame<'_>, rows: Range<usize>, prices: &mut [f64]) {
    for (j, line) in prices.chunks_exact_mut(ROWS).enumerate() {
        let (line, rest) = line.split_at_mut(rows.len());
        let zeros = [0.0; ROWS];
        frame.costs.line(j, rows.clone(), &zeros, line, |c, _| if c < f64::INFINITY { c } else { 0.0 });
        rest.fill(0.0);
    }
}

/// Σ x_i y_i in [`ABREAST`] lanes, however many a vector has, of which the length must be a multiple.
#[inline(always)]
fn inner<S: Simd>(simd: S, x: &[f64], y: &[f64]) -> f64 {
    let (x, y) = (S::as_simd_f64s(x).0, S::as_simd_f64s(y).0);
    let parts = LANES / S::F64_LANES;
    let mut lanes = [0.0; LANES];
    for part in 0..parts {
        let mut sums = [simd.splat_f64s(0.0); ABREAST / LANES];
        for (x, y) in x.chunks_exact(parts * sums.len()).zip(y.chunks_exact(parts * sums.len())) {
            for (a, sum) in sums.iter_mut().enumerate() {
                *sum = simd.mul_add_f64s(x[a * parts + part], y[a * parts + part], *sum);
            }
        }
        let [a, b, c, d] = sums;
        S::as_mut_simd_f64s(&mut lanes).0[part] = simd.add_f64s(simd.add_f64s(a, b), simd.add_f64s(c, d));
    }
    tree(lanes)
}

/// Sums over the queries of the first `width` rows; with costs if `MORE` is 1, and with shares if it is 2.
#[inline(always)]
fn sum<S: Simd, const MORE: u8>(
    simd: S,
    frame: &Frame<'_>,
    width: usize,
    panel: &[f64],
    prices: &[f64],
    totals: &mut Totals,
) {
    const VECTORS: usize = ABREAST / LANES;
    let parts = LANES / S::F64_LANES;
    let zero = [simd.splat_f64s(0.0); VECTORS];
    for at in (0..width).step_by(ABREAST) {
        for part in 0..parts {
            let (mut sums, mut paid, mut shared, mut tolls) = (zero, zero, zero, zero);
            for (j, line) in panel.chunks_exact(ROWS).enumerate() {
                let line = S::as_simd_f64s(&line[at..at + ABREAST]).0;
                let factor = simd.splat_f64s(frame.factors[j]);
                let costs = if MORE > 0 { S::as_simd_f64s(&prices[j * ROWS + at..][..ABREAST]).0 } else { line };
                for v in 0..VECTORS {
                    let w = simd.mul_f64s(line[v * parts + part], factor);
                    sums[v] = simd.add_f64s(sums[v], w);
                    if MORE > 0 {
                        let cost = costs[v * parts + part];
                        paid[v] = simd.mul_add_f64s(w, cost, paid[v]);
                        if MORE > 1 {
                            let share = simd.splat_f64s(frame.shares[j]);
                            shared[v] = simd.mul_add_f64s(line[v * parts + part], share, shared[v]);
                            let toll = simd.splat_f64s(frame.toll.get(j).copied().unwrap_or_default());
                            tolls[v] = simd.mul_add_f64s(toll, cost, tolls[v]);
                        }
                    }
                }
            }
            let put = |to: &mut [f64; ROWS], sums: [S::f64s; VECTORS]| {
                let to = S::as_mut_simd_f64s(&mut to[at..at + ABREAST]).0;
                sums.iter().enumerate().for_each(|(v, sum)| to[v * parts + part] = *sum);
            };
            put(&mut totals.weights, sums);
            if MORE > 0 {
                put(&mut totals.costs, paid);
            }
            if MORE > 1 {
                put(&mut totals.shares, shared);
                put(&mut totals.tolls, tolls);
            }
        }
    }
}
