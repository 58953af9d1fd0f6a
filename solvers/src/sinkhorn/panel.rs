//! The part of a pass that belongs to consecutive pool rows, where the costs lie in memory query by query.
//!
//! Such a matrix is read as it lies, some hundred rows of one query after another, and all loops run along rows: no
//! transposition, and no sum across lanes but for the queries' marginals. Weights are not kept beyond a panel: a fused
//! exponential costs less than writing 8 bytes per pair and reading them back.
//!
//! Limit: reading 8 bytes and about 26 vector operations per pair, 8 lanes at a time on AVX-512.

use pulp::Simd;

use super::exp;
use super::gram::Gram;
use super::pass::Frame;
use super::slice::{LANES, STEP, Slice, Worker, tree};

/// Rows whose weights are held at a time: 3840·M bytes, which stay in the second-level cache for M up to some hundreds.
const ROWS: usize = 10 * STEP;

/// Rows in which a sum along rows runs side by side: several vectors, since one addition waits for the one before.
const ABREAST: usize = 4 * LANES;

/// What is summed over the queries of every row besides the weights.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tally {
    Weights,
    /// Costs too.
    Costs,
    /// And shares and tolls.
    Shares,
}

/// One slice, compiled for every instruction set.
pub(crate) struct Panels<'w, 'a, 's, W> {
    pub(crate) worker: &'w mut Worker<'a>,
    pub(crate) slice: &'w mut Slice<'s, W>,
}

/// Sums over the queries, per row of a panel.
struct Totals {
    /// m_i, 0 where no cost is finite.
    greatest: [f64; ROWS],
    /// Σ_j w_ij u_j, and this with c_ij and with share_j in every term.
    weights: [f64; ROWS],
    costs: [f64; ROWS],
    shares: [f64; ROWS],
    /// Σ_j toll_j c_ij.
    tolls: [f64; ROWS],
    /// T_i / Σ_j w_ij u_j.
    scale: [f64; ROWS],
}

impl<W> pulp::WithSimd for Panels<'_, '_, '_, W> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, simd: S) {
        let Self { worker, slice: Slice { rows, logs, shares, state, .. } } = self;
        let frame = worker.frame;
        let tally = match (logs.is_empty(), frame.shares.is_empty()) {
            (true, _) => Tally::Weights,
            (false, true) => Tally::Costs,
            (false, false) => Tally::Shares,
        };
        let m = frame.reference.len();
        let mut panel = vec![0.0; m * ROWS];
        let mut gram = Gram::new(if frame.with_outer && !frame.exact { m } else { 0 });
        let mut sampler = frame.sampler(rows.start);
        let (mut chosen, mut chosen_factors) = (Vec::new(), [0.0; ROWS]);
        for first in rows.clone().step_by(ROWS) {
            let last = (first + ROWS).min(rows.end);
            let here = first - rows.start..last - rows.start;
            let width = here.len().next_multiple_of(ABREAST);
            let mut totals = exponents(frame, first, here.len(), &mut panel);
            match tally {
                Tally::Weights => weigh::<0>(frame, width, &mut panel, &mut totals),
                Tally::Costs => weigh::<1>(frame, width, &mut panel, &mut totals),
                Tally::Shares => weigh::<2>(frame, width, &mut panel, &mut totals),
            }
            for step in (0..here.len()).step_by(STEP) {
                let end = (step + STEP).min(here.len());
                let at = here.start + step..here.start + end;
                let mut row_sum = [1.0; STEP];
                row_sum[..end - step].copy_from_slice(&totals.weights[step..end]);
                let masses = worker.masses(
                    first + step..first + end,
                    row_sum,
                    &totals.greatest[step..end],
                    logs.get_mut(at.clone()).unwrap_or_default(),
                    state.get_mut(at).unwrap_or_default(),
                );
                totals.scale[step..end].copy_from_slice(&masses.scale[..end - step]);
                if frame.with_outer {
                    for r in 0..end - step {
                        let factor = sampler.factor(masses.mass[r], masses.row_sum[r]);
                        chosen_factors[step + r] = factor.unwrap_or(0.0);
                        chosen.extend(factor.map(|factor| (step + r, factor)));
                    }
                }
            }
            if frame.exact {
                worker.outer.clear();
                for (at, factor) in chosen.drain(..) {
                    worker.outer.push(panel.chunks_exact(ROWS).map(|line| line[at]), &frame.factors, factor);
                }
                worker.outer.add_to(simd, m, &mut worker.sums.outer, sampler.unit());
            } else if frame.with_outer {
                if gram.is_full(width) {
                    gram.add_to(simd, m, &mut worker.sums.outer, sampler.unit());
                }
                if chosen.len() < width / 2 {
                    gram.push(&panel, ROWS, &frame.factors, &chosen);
                } else {
                    chosen_factors[here.len()..width].fill(0.0);
                    gram.push_all(&panel, ROWS, &frame.factors, &chosen_factors[..width]);
                }
                chosen.clear();
            }
            if tally != Tally::Weights {
                for r in 0..here.len() {
                    let scale = totals.scale[r];
                    // No weight of the row is positive, and its maximum is no number to calculate with.
                    worker.sums.transport += if scale > 0.0 { scale * totals.costs[r] } else { 0.0 };
                    if tally == Tally::Shares {
                        let share = scale * totals.shares[r];
                        shares[here.start + r] = share;
                        worker.sums.toll += if share > 0.0 { share * totals.tolls[r] } else { 0.0 };
                    }
                }
            }
            totals.scale[here.len()..width].fill(0.0);
            for (column, line) in worker.columns.iter_mut().zip(panel.chunks_exact(ROWS)) {
                *column += inner(simd, &line[..width], &totals.scale[..width]);
            }
        }
        if frame.with_outer && !frame.exact {
            gram.add_to(simd, m, &mut worker.sums.outer, sampler.unit());
        }
        worker.finish();
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

/// (h_j − c_ij)/ε of `count` rows from `first` on, in lines of [`ROWS`] per query, and the greatest of every row.
#[inline(always)]
fn exponents(frame: &Frame<'_>, first: usize, count: usize, panel: &mut [f64]) -> Totals {
    let inverse = 1.0 / frame.penalty.epsilon;
    let width = count.next_multiple_of(ABREAST);
    let none = [0.0; ROWS];
    let mut greatest = [f64::NEG_INFINITY; ROWS];
    for (j, (line, h)) in panel.chunks_exact_mut(ROWS).zip(frame.reference).enumerate() {
        frame.costs.line(j, first..first + count, &mut line[..count]);
        line[count..width].fill(f64::INFINITY);
        for (z, most) in line[..width].iter_mut().zip(&mut greatest) {
            *z = (h - *z) * inverse;
            *most = if *z > *most { *z } else { *most };
        }
    }
    // A row without any finite cost keeps zero weights.
    for most in &mut greatest {
        *most = if *most > f64::NEG_INFINITY { *most } else { 0.0 };
    }
    Totals { greatest, weights: none, costs: none, shares: none, tolls: none, scale: none }
}

/// Weights in the place of exponents, and their sums over queries; with costs if `MORE` is 1, with shares if it is 2.
#[inline(always)]
fn weigh<const MORE: u8>(frame: &Frame<'_>, width: usize, panel: &mut [f64], totals: &mut Totals) {
    let epsilon = frame.penalty.epsilon;
    for (j, (line, h)) in panel.chunks_exact_mut(ROWS).zip(frame.reference).enumerate() {
        let factor = frame.factors[j];
        let share = frame.shares.get(j).copied().unwrap_or_default();
        let toll = frame.toll.get(j).copied().unwrap_or_default();
        let rows = line[..width].iter_mut().zip(&totals.greatest).zip(&mut totals.weights);
        let rows = rows.zip(&mut totals.costs).zip(totals.shares.iter_mut().zip(&mut totals.tolls));
        for ((((z, greatest), sum), paid), (shared, tolls)) in rows {
            let w = exp::exp_of_negative(*z - greatest);
            *sum = w.mul_add(factor, *sum);
            if MORE > 0 {
                let cost = h - epsilon * *z;
                // A zero weight meets an infinite cost only in pairs that carry nothing.
                *paid += if w > 0.0 { w * factor * cost } else { 0.0 };
                if MORE > 1 {
                    *shared = w.mul_add(share, *shared);
                    *tolls += if toll > 0.0 { toll * cost } else { 0.0 };
                }
            }
            *z = w;
        }
    }
}
