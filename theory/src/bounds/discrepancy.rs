//! Bounds of the distance that a kernel makes: of one subset, and below that of **every** subset of k rows.
//!
//! With S and Q the measures on subset and queries, uniform where no weights are given, ⟨μ, ν⟩ = ∬ k dμ dν and ‖ν‖² = ⟨ν, ν⟩, the distance is
//! ‖S − Q‖: its square is the energy distance for k = −‖x − y‖ and the squared maximum mean discrepancy otherwise.
//! - One subset: the three means are evaluated, each rounded outwards ([`kernel_means`]).
//! - Every subset: for any measure w on pool rows of total 1, of either sign (`notes/kernel-distance.md`),
//!   2·(mean of the k smallest h(x) over the pool) − ⟨w, w⟩ + ⟨Q, Q⟩ ≤ ‖S − Q‖², where
//!   h(x) = Σ_l w_l k(x, z_l) − Σ_j b_j k(x, q_j), b_j the weights of the queries, of total 1.
//!   Nothing of w is believed: a bad one proves little. With the optimum of the convex relaxation for w it is the dual
//!   bound of Frank and Wolfe, with few rows z_l that of Nyström.
//!
//! Limit: N·(L + M) inner products of length d in `f64`, see [`dot`], where L is the number of rows of w; then one root
//! or exponential per pair. Columns are taken [`COLUMNS`] at a time so that they stay in cache.

use std::borrow::Cow;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::bounds::best::Relaxation;
use crate::bounds::blocks::{check_rows, over_blocks};
use crate::bounds::means::scaled;
use crate::bounds::outside::{Measures, Outside};
use crate::bounds::{Executor, Interval, kernel_means, ratio_down};
use crate::cost_bounds::CostBounds;
use crate::dot;
use crate::geometry::Geometry;
use crate::kernel::Kernel;
use crate::rejection::Rejection;
use crate::rounding::{ExactSum, TINY, UNIT, add_down, add_up, div_down, sub_down};
use crate::rows::DenseRows;
use crate::simd;
use crate::statement::{Statement, Weights, total};

/// Columns whose rows are held in cache together.
const COLUMNS: usize = 128;

/// A measure on pool rows: what proves a bound for all subsets under the distance of a kernel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Witness {
    /// Pool rows z_l, distinct.
    pub rows: Vec<usize>,
    /// One number per row; w_l is this divided by their exact sum, which must be positive.
    pub weights: Vec<f64>,
}

/// Which ends of an enclosure are wanted.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum End {
    Lower,
    Upper,
}

/// Weighted sums of kernel values towards the columns of a geometry, enclosed.
pub(super) struct Sums<'a> {
    squares: CostBounds,
    kernel: Kernel,
    weights: Cow<'a, [f64]>,
    sizes: Vec<f64>,
}

impl<'a> Sums<'a> {
    pub(super) fn new(geometry: &Geometry<'_>, kernel: Kernel, weights: Cow<'a, [f64]>) -> Result<Self, Rejection> {
        let squares = CostBounds::squared_distance(geometry).ok_or_else(|| {
            Rejection::new("objective", "a matrix does not say how close pool rows are to each other")
        })?;
        let sizes = weights.iter().map(|w| w.abs()).collect();
        Ok(Self { squares, kernel, weights, sizes })
    }

    /// For each of the pool rows a number ≤ (for [`End::Lower`]) or ≥ Σ_l w_l k(x, z_l), for each of `ends`; on the
    /// geometry that the sums were made for.
    pub(super) fn of_rows(
        &self,
        geometry: &Geometry<'_>,
        rows: &[usize],
        ends: &[End],
    ) -> Result<Vec<Vec<f64>>, Rejection> {
        let Some(points) = geometry.points() else { return Err(Rejection::new("rows", "a matrix has no rows")) };
        check_rows(geometry, rows.iter().copied())?;
        let (dim, count) = (points.dim(), self.weights.len());
        let (mut x, mut norms) = (vec![0.0; rows.len() * dim], vec![0.0; rows.len()]);
        for (&row, x) in rows.iter().zip(x.chunks_exact_mut(dim)) {
            points.read_row(row, x);
        }
        geometry.row_norms(&x, &mut norms);
        let mut sums = vec![vec![[0.0; 2]; rows.len()]; ends.len()];
        let mut closeness = vec![0.0; rows.len() * COLUMNS.min(count)];
        let (mut values, mut parts) = (closeness.clone(), vec![0.0; rows.len()]);
        for first in (0..count).step_by(COLUMNS) {
            let columns = first..(first + COLUMNS).min(count);
            let (size, width) = (rows.len() * columns.len(), columns.len());
            let (closeness, values) = (&mut closeness[..size], &mut values[..size]);
            geometry.closeness_of_rows(&x, &norms, columns.clone(), closeness);
            if let Some(at) = closeness.iter().position(|s| !s.is_finite()) {
                let (row, column) = (rows[at / width], first + at % width);
                let place = format!("pool row {row} has no finite closeness to row {column}");
                return Err(Rejection::new("rows", place));
            }
            for (&end, sums) in ends.iter().zip(&mut sums) {
                self.kernel_values(geometry, rows, columns.clone(), closeness, end, values);
                dot::dots(width, values, &self.weights[columns.clone()], &mut parts);
                sums.iter_mut().zip(&parts).for_each(|(sum, part)| sum[0] += part);
                values.iter_mut().for_each(|value| *value = value.abs());
                dot::dots(width, values, &self.sizes[columns.clone()], &mut parts);
                sums.iter_mut().zip(&parts).for_each(|(sum, part)| sum[1] += part);
            }
        }
        // A term is rounded on its way through one chunk and the sum of chunks; the size, summed likewise, errs by as
        // little relatively, for which there is room.
        let depth = dot::depth(COLUMNS) + count.div_ceil(COLUMNS);
        let slack = (2.0 * depth as f64 + 16.0) * UNIT;
        let outwards = |end, [sum, size]: [f64; 2]| {
            let slack = slack * size + 4.0 * count as f64 * TINY;
            if end == End::Lower { (sum - slack).next_down() } else { (sum + slack).next_up() }
        };
        Ok(ends.iter().zip(sums).map(|(&end, sums)| sums.into_iter().map(|s| outwards(end, s)).collect()).collect())
    }

    /// As [`Sums::of_rows`] for any number of rows: lower ends, then upper ends.
    pub(super) fn of_all(
        &self,
        geometry: &Geometry<'_>,
        rows: &[usize],
        executor: Executor<'_>,
    ) -> Result<[Vec<f64>; 2], Rejection> {
        type Parts = Vec<(usize, Vec<Vec<f64>>)>;
        let visit = |parts: &mut Parts, (): &mut (), span: Range<usize>| {
            parts.push((span.start, self.of_rows(geometry, &rows[span], &[End::Lower, End::Upper])?));
            Ok(())
        };
        let merge = |all: &mut Parts, parts: Parts| all.extend(parts);
        let mut parts = over_blocks(rows.len(), executor, || (), Parts::new(), visit, merge)?;
        parts.sort_by_key(|(first, _)| *first);
        let mut ends = [Vec::with_capacity(rows.len()), Vec::with_capacity(rows.len())];
        for (_, part) in parts {
            ends.iter_mut().zip(part).for_each(|(all, end)| all.extend(end));
        }
        Ok(ends)
    }

    /// The ends of the kernel that make this end of the sum, for a block of rows: a negative weight turns them round.
    fn kernel_values(
        &self,
        geometry: &Geometry<'_>,
        rows: &[usize],
        columns: Range<usize>,
        closeness: &[f64],
        end: End,
        out: &mut [f64],
    ) {
        let &Self { squares, kernel, .. } = self;
        simd::wide(
            #[inline(always)]
            // The energy kernel by name, so that its loops hold nothing but roots.
            || match (end, kernel == Kernel::ENERGY) {
                (End::Lower, true) => squares.each_upper(closeness, out, |d| Kernel::ENERGY.lower(d)),
                (End::Upper, true) => squares.each_lower(closeness, out, |d| Kernel::ENERGY.upper(d)),
                (End::Lower, false) => squares.each_upper(closeness, out, |d| kernel.lower(d)),
                (End::Upper, false) => squares.each_lower(closeness, out, |d| kernel.upper(d)),
            },
        );
        let width = columns.len();
        let turned: Vec<usize> = (0..width).filter(|&at| self.weights[columns.start + at] < 0.0).collect();
        for (line, out) in closeness.chunks_exact(width).zip(out.chunks_exact_mut(width)) {
            for &at in &turned {
                out[at] = match end {
                    End::Lower => kernel.upper(squares.lower(line[at])),
                    End::Upper => kernel.lower(squares.upper(line[at], || false)),
                };
            }
        }
        // Where the distance may be zero, the rows are compared: equal ones are at distance zero.
        for (position, (line, out)) in closeness.chunks_exact(width).zip(out.chunks_exact_mut(width)).enumerate() {
            for (at, (&s, out)) in line.iter().zip(out).enumerate() {
                let lowers = (end == End::Lower) == (self.weights[columns.start + at] >= 0.0);
                if squares.lower(s) == 0.0 && lowers && geometry.same_row(rows[position], columns.start + at) {
                    *out = kernel.lower(0.0);
                }
            }
        }
    }
}

/// A number ≤ ⟨Q, Q⟩ for the queries with these weights, which sum to `mass`.
pub(super) fn among_queries(
    geometry: &Geometry<'_>,
    kernel: Kernel,
    weights: &[f64],
    mass: &ExactSum,
) -> Result<f64, Rejection> {
    let defect = || Rejection::new("objective", "the queries are no points");
    let (queries, norms) = geometry.queries().ok_or_else(defect)?;
    let rows = DenseRows::from_f64(queries.len() / norms.len(), queries.to_vec()).ok_or_else(defect)?;
    let around =
        Geometry::new(&rows, &rows, geometry.cost()).map_err(|fault| Rejection::new("rows", fault.to_string()))?;
    let all: Vec<usize> = (0..norms.len()).collect();
    let found = Sums::new(&around, kernel, weights.into())?.of_rows(&around, &all, &[End::Lower])?;
    let mut sum = ExactSum::default();
    weights.iter().zip(&found[0]).for_each(|(&b, &x)| sum.add_product(b, x));
    Ok(ratio_down(sum.ratio_down(mass), mass))
}

/// Encloses the squared distance of the pool rows `rows` to the queries under `kernel`.
pub(super) fn interval(
    geometry: &Geometry<'_>,
    kernel: Kernel,
    rows: &[usize],
    weights: &Weights,
    executor: Executor<'_>,
) -> Result<Interval, Rejection> {
    kernel_means(geometry, kernel, rows, weights, executor)?.squared_distance()
}

/// What a witness says of all subsets.
pub(super) fn relaxation<'a>(
    geometry: &'a Geometry<'_>,
    problem: &Statement,
    kernel: Kernel,
    witness: &'a Witness,
    executor: Executor<'_>,
) -> Result<Relaxation<'a>, Rejection> {
    let mass = check_witness(witness, problem.pool)?;
    let landmarks = geometry.to_rows(&witness.rows).map_err(|fault| Rejection::new("rows", fault.to_string()))?;
    let to_witness = Sums::new(&landmarks, kernel, witness.weights.as_slice().into())?;
    let shares = scaled(problem.weights.query.as_deref(), geometry.query_len())?;
    let sum_of_shares = total(&shares);
    let queries = among_queries(geometry, kernel, &shares, &sum_of_shares)?;
    let length = self_product(&to_witness, &landmarks, witness, &mass, executor)?;
    let measures = Measures { shares: &shares, sum_of_shares: &sum_of_shares, witness, mass: &mass, length };
    // Where it is not known what other rows are worth, the bound is one all the same.
    let outside = Outside::of(geometry, &landmarks, kernel, &measures).ok();
    let to_queries = Sums::new(geometry, kernel, shares.into())?;
    let budget = problem.least_total();
    Ok(Relaxation {
        holds_price: false,
        outside,
        // −h(x).
        values: Box::new(move |_, rows, out| {
            let pulls = to_witness.of_rows(&landmarks, rows, &[End::Lower])?;
            let queries = to_queries.of_rows(geometry, rows, &[End::Upper])?;
            for ((out, &pull), &query) in out.iter_mut().zip(&pulls[0]).zip(&queries[0]) {
                *out = add_up(-ratio_down(-query, &sum_of_shares), -ratio_down(pull, &mass));
            }
            // A number that is not one would hide among the smallest.
            match out.iter().position(|value| !value.is_finite()) {
                Some(at) => Err(Rejection::new("range", format!("pool row {} overflows", rows[at]))),
                None => Ok(()),
            }
        }),
        lower: Box::new(move |support| {
            let height = div_down(-support, budget);
            let squared = add_down(sub_down(2.0 * height, length), queries);
            squared.is_finite().then_some(squared)
        }),
    })
}

/// A number ≥ ⟨w, w⟩.
fn self_product(
    to_witness: &Sums<'_>,
    landmarks: &Geometry<'_>,
    Witness { rows, weights }: &Witness,
    mass: &ExactSum,
    executor: Executor<'_>,
) -> Result<f64, Rejection> {
    let ends = to_witness.of_all(landmarks, rows, executor)?;
    let mut sum = ExactSum::default();
    for (at, &weight) in weights.iter().enumerate() {
        sum.add_product(weight, ends[usize::from(weight >= 0.0)][at]);
    }
    Ok(-ratio_down(ratio_down(-sum.up(), mass), mass))
}

/// Checks that a witness is a measure on distinct pool rows and returns its total, which is positive.
fn check_witness(witness: &Witness, pool: usize) -> Result<ExactSum, Rejection> {
    check_rows_of(witness, pool)?;
    let mass = total(&witness.weights);
    if !(mass.down() >= f64::MIN_POSITIVE && mass.up() < f64::MAX) {
        return Err(Rejection::new("witness", "the weights have no positive sum"));
    }
    Ok(mass)
}

/// Checks that a witness has finite numbers on distinct pool rows.
pub(super) fn check_rows_of(witness: &Witness, pool: usize) -> Result<(), Rejection> {
    let Witness { rows, weights } = witness;
    let fault = |place: String| Err(Rejection::new("witness", place));
    if rows.is_empty() || rows.len() != weights.len() {
        return fault(format!("{} rows and {} weights", rows.len(), weights.len()));
    }
    let mut seen = vec![false; pool];
    for &row in rows {
        match seen.get_mut(row) {
            None => return fault(format!("row {row} of a pool of {pool}")),
            Some(true) => return fault(format!("row {row} is repeated")),
            Some(first) => *first = true,
        }
    }
    match weights.iter().position(|w| !w.is_finite()) {
        Some(at) => fault(format!("weight {at} is not finite")),
        None => Ok(()),
    }
}
