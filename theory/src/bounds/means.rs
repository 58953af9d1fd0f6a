//! Means of a kernel over pairs of points: among the rows of a subset, between them and the queries, among the queries.
//!
//! With weights a on the rows and b on the queries, each divided by its exact sum, ⟨S, S⟩ = Σ a_i a_i' k(x_i, x_i'),
//! ⟨S, Q⟩ and ⟨Q, Q⟩ likewise. They make
//! - ‖S − Q‖² = ⟨S, S⟩ − 2⟨S, Q⟩ + ⟨Q, Q⟩: the squared energy distance for k = −‖x − y‖, else the squared maximum mean
//!   discrepancy, with all pairs (biased; `notes/kernel-distance.md`);
//! - its unbiased estimate, which leaves out pairs of a point with itself and divides by the weight of what is left,
//!   as Σ_{i≠i'} a_i a_i' k / Σ_{i≠i'} a_i a_i' (Gretton and others 2012, lemma 6); it can be negative.
//!
//! Pairs among one side are counted once and doubled. A pair is enclosed by [`CostBounds`] and [`Kernel`]; what a line
//! of pairs adds up to is moved outwards by the error of its sum, and the sum of lines is exact.
//!
//! Limit: ½k² + kM + ½M² inner products of length d in `f64`, see [`dot`], from tiles that stay in the second-level
//! cache; then one root or exponential per pair and end. Memory: two tiles and a line per task.
//!
//! Proofs: `notes/cheap-distances.md`.

use std::ops::Range;

use crate::bounds::blocks::gather;
use crate::bounds::{Executor, Interval, check_weighted, ratio_down};
use crate::cost_bounds::{CostBounds, Power};
use crate::dot;
use crate::geometry::{Geometry, row_fault};
use crate::kernel::{Kernel, KernelName};
use crate::rejection::Rejection;
use crate::rounding::{
    ExactSum, TINY, UNIT, add_down, add_up, div_down, div_up, mul_down, mul_up, sqrt_down, sqrt_up, sub_down,
};
use crate::statement::{Weights, total};

/// Numbers in a tile, roughly: half a megabyte.
const TILE: usize = 1 << 16;

/// Tiles of columns that one task compares with its tile of rows.
const RUN: usize = 8;

/// A closed interval with both ends.
type Ends = (f64, f64);

/// The three means of a kernel, enclosed.
#[derive(Debug, Clone, PartialEq)]
pub struct KernelMeans {
    kernel: Kernel,
    subset: Side,
    queries: Side,
    cross: Ends,
}

/// What is known of one side.
#[derive(Debug, Clone, PartialEq)]
struct Side {
    /// ⟨S, S⟩.
    mean: Ends,
    /// The same without pairs of a point with itself, if there are others that count.
    apart: Option<Ends>,
}

impl KernelMeans {
    /// ⟨S, S⟩ − 2⟨S, Q⟩ + ⟨Q, Q⟩; not negative for kernels that make a distance, which is not assumed here.
    pub fn squared(&self) -> Interval {
        self.combined(self.subset.mean, self.queries.mean)
    }

    /// The distance ‖S − Q‖ for a kernel that makes one.
    ///
    /// # Errors
    /// If the square is negative beyond rounding, or too large.
    pub fn distance(&self) -> Result<Interval, Rejection> {
        let Interval { lower, upper } = self.squared_distance()?;
        Ok(Interval { lower: lower.map(sqrt_down), upper: upper.map(sqrt_up) })
    }

    /// The square of the same.
    pub(super) fn squared_distance(&self) -> Result<Interval, Rejection> {
        let Interval { lower: Some(low), upper: Some(high) } = self.squared() else {
            return Err(Rejection::new("range", "a bound is too large for a double: rescale the rows"));
        };
        if high < 0.0 {
            return Err(Rejection::new("contradiction", "a squared distance came out negative"));
        }
        Ok(Interval { lower: Some(low.max(0.0)), upper: Some(high) })
    }

    /// The unbiased estimate of the squared distance between the laws from which S and Q were drawn; `None` if a side
    /// has fewer than two points with weight.
    pub fn unbiased(&self) -> Option<Interval> {
        Some(self.combined(self.subset.apart?, self.queries.apart?))
    }

    /// A number ≤ W_1(S, Q) under the Euclidean distance between points (theorem T6). A feature map φ of the kernel has
    /// ‖φ(x) − φ(y)‖² = 2k(0) − 2k(d), and the norm of a mean is at most the mean of norms:
    /// - energy: 2E‖X − Y‖ − E‖X − X'‖ − E‖Y − Y'‖ ≤ 2W_1 by gluing couplings;
    /// - gaussian, inverse multiquadric: 2 − 2k ≤ d²/σ², so σ·‖S − Q‖ ≤ W_1; with several bandwidths 1/σ² is their mean of 1/σ²;
    /// - laplace: 2 − 2k ≤ 2d/σ, so ½σ·‖S − Q‖² ≤ W_1; with several, 1/σ is their mean of 1/σ;
    /// - cosine: φ(x) = x, so ‖S − Q‖ is the distance of the means, ≤ W_1.
    ///
    /// 0, which is always true, for `compact`.
    pub fn transport_at_least(&self) -> f64 {
        let squared = self.squared().lower.unwrap_or(0.0).max(0.0);
        // Numbers ≤ σ.
        let of_mean = |inverse: fn(f64) -> f64, back: fn(f64) -> f64| match self.kernel.bandwidths() {
            [] => 1.0,
            [sigma] => *sigma,
            sigmas => {
                let sum = sigmas.iter().fold(0.0, |sum, &sigma| add_up(sum, inverse(div_up(1.0, sigma))));
                div_down(1.0, back(div_up(sum, sigmas.len() as f64)))
            }
        };
        match self.kernel.name() {
            KernelName::Energy => 0.5 * squared,
            KernelName::Gaussian | KernelName::InverseMultiquadric => {
                mul_down(of_mean(|x| mul_up(x, x), sqrt_up), sqrt_down(squared))
            }
            KernelName::Laplace => 0.5 * mul_down(of_mean(|x| x, |x| x), squared),
            KernelName::Cosine => sqrt_down(squared),
            KernelName::Compact => 0.0,
        }
    }

    fn combined(&self, subset: Ends, queries: Ends) -> Interval {
        let low = add_down(sub_down(subset.0, 2.0 * self.cross.1), queries.0);
        let high = add_up(add_up(subset.1, -2.0 * self.cross.0), queries.1);
        Interval { lower: low.is_finite().then_some(low), upper: high.is_finite().then_some(high) }
    }
}

/// Evaluates the means of `kernel` for the pool rows `rows` and the queries, in the order of `weights`.
///
/// O((k + M)²·d) time, O(1) rows of memory per task.
///
/// # Errors
/// If the geometry is a matrix, which does not say how close pool rows are to each other; if rows or weights do not fit
/// it, a row is bad, or the executor stopped early.
pub fn kernel_means(
    geometry: &Geometry<'_>,
    kernel: Kernel,
    rows: &[usize],
    weights: &Weights,
    executor: Executor<'_>,
) -> Result<KernelMeans, Rejection> {
    check_weighted(geometry, Power::One, rows, weights)?;
    let defect = || Rejection::new("objective", "a matrix does not say how close pool rows are to each other");
    let squares = CostBounds::squared_distance(geometry).ok_or_else(defect)?;
    let subset = Points { rows: Some(rows), weights: scaled(weights.subset.as_deref(), rows.len())? };
    let queries = Points { rows: None, weights: scaled(weights.query.as_deref(), geometry.query_len())? };
    let pairs = Pairs { geometry, squares, kernel, tile: tile(geometry) };

    // Sums over pairs i < i' among rows, over rows and queries, over pairs among queries: lower and upper end.
    let jobs = jobs(pairs.tile, rows.len(), geometry.query_len());
    let task = |index: usize| {
        let Job { kind, rows, columns } = jobs[index].clone();
        let (left, right) = match kind {
            0 => (&subset, &subset),
            1 => (&subset, &queries),
            _ => (&queries, &queries),
        };
        let mut sums: [ExactSum; 6] = Default::default();
        pairs.add(left, rows, right, columns, kind != 1, &mut sums[2 * kind..2 * kind + 2])?;
        Ok(sums)
    };
    let merge = |total: &mut [ExactSum; 6], part: [ExactSum; 6]| {
        total.iter_mut().zip(&part).for_each(|(total, part)| total.merge(part));
    };
    let [subset_low, subset_high, low, high, query_low, query_high] =
        gather(jobs.len(), executor, task, Default::default(), merge)?;
    let (a, b) = (total(&subset.weights), total(&queries.weights));
    Ok(KernelMeans {
        kernel,
        subset: side(kernel, &subset.weights, &a, [subset_low, subset_high]),
        queries: side(kernel, &queries.weights, &b, [query_low, query_high]),
        cross: (ratio_down(low.ratio_down(&a), &b), -ratio_down(-high.ratio_up(&a), &b)),
    })
}

/// Means of one side from the sums over pairs i < i'.
fn side(kernel: Kernel, weights: &[f64], mass: &ExactSum, [mut low, mut high]: [ExactSum; 2]) -> Side {
    let mut squares = ExactSum::default();
    weights.iter().for_each(|&a| squares.add_product(a, a));
    for sum in [&mut low, &mut high] {
        let half = sum.clone();
        sum.merge(&half);
    }
    // Σ_{i≠i'} a_i a_i'.
    let rest = (
        sub_down(mul_down(mass.down(), mass.down()), squares.up()),
        add_up(mul_up(mass.up(), mass.up()), -squares.down()),
    );
    let counts = weights.iter().filter(|&&a| a > 0.0).count() > 1 && rest.0 > 0.0;
    let down = |x: f64| div_down(x, if x >= 0.0 { rest.1 } else { rest.0 });
    let apart = counts.then(|| (down(low.down()), -down(-high.up())));
    // Every point is at distance zero from itself: there the kernel is 1, or 0 for −d.
    if kernel.name() != KernelName::Energy {
        low.merge(&squares);
        high.merge(&squares);
    }
    let mean = (ratio_down(low.ratio_down(mass), mass), -ratio_down(-high.ratio_up(mass), mass));
    Side { mean, apart }
}

/// Points of one side: pool rows, or the queries, with their weights.
struct Points<'a> {
    rows: Option<&'a [usize]>,
    weights: Vec<f64>,
}

/// One task: a tile of rows and some of columns. Among one side, columns start with the rows.
#[derive(Clone)]
struct Job {
    /// 0 among rows, 1 rows and queries, 2 among queries.
    kind: usize,
    rows: Range<usize>,
    columns: Range<usize>,
}

fn jobs(tile: usize, k: usize, m: usize) -> Vec<Job> {
    let mut jobs = Vec::new();
    for (kind, count, to) in [(0, k, k), (1, k, m), (2, m, m)] {
        for first in (0..count).step_by(tile) {
            let rows = first..(first + tile).min(count);
            for start in (if kind == 1 { 0 } else { first }..to).step_by(RUN * tile) {
                jobs.push(Job { kind, rows: rows.clone(), columns: start..(start + RUN * tile).min(to) });
            }
        }
    }
    jobs
}

/// Rows per tile: a multiple of those of a tile of inner products.
fn tile(geometry: &Geometry<'_>) -> usize {
    let dim = geometry.points().map_or(1, |points| points.dim());
    (TILE / dim / 24 * 24).clamp(24, 240)
}

/// Rows in `f64` with what their closeness needs.
#[derive(Default)]
struct Tile {
    values: Vec<f64>,
    norms: Vec<f64>,
}

struct Pairs<'a, 'g> {
    geometry: &'a Geometry<'g>,
    squares: CostBounds,
    kernel: Kernel,
    tile: usize,
}

impl Pairs<'_, '_> {
    /// Adds the ends of Σ a_i b_j k(x_i, y_j) over rows and columns to `sums`; `among` one side, over i < j only.
    fn add(
        &self,
        left: &Points<'_>,
        rows: Range<usize>,
        right: &Points<'_>,
        columns: Range<usize>,
        among: bool,
        sums: &mut [ExactSum],
    ) -> Result<(), Rejection> {
        let (mut x, mut y) = (Tile::default(), Tile::default());
        // Among one side every tile meets itself once, and is looked at then.
        self.load(left, rows.clone(), among && columns.start == rows.start, &mut x)?;
        let dim = x.values.len() / rows.len();
        let mut closeness = vec![0.0; rows.len() * self.tile.min(columns.len())];
        let (mut low, mut high) = (vec![0.0; self.tile], vec![0.0; self.tile]);
        for first in columns.clone().step_by(self.tile) {
            let columns = first..(first + self.tile).min(columns.end);
            self.load(right, columns.clone(), false, &mut y)?;
            let closeness = &mut closeness[..rows.len() * columns.len()];
            self.geometry.closeness_between(&x.values, &x.norms, &y.values, &y.norms, closeness);
            for (offset, line) in closeness.chunks_exact(columns.len()).enumerate() {
                // Among one side, the first tile of columns is that of the rows.
                let skip = if among && columns.start == rows.start { offset + 1 } else { 0 };
                let line = &line[skip..];
                if line.iter().any(|s| !s.is_finite()) {
                    let place = format!("row {} has a closeness that is not finite", rows.start + offset);
                    return Err(Rejection::new("rows", place));
                }
                let (low, high) = (&mut low[..line.len()], &mut high[..line.len()]);
                self.squares.ends(line, low, high);
                for ((low, high), y) in low.iter().zip(high.iter_mut()).zip(y.values[skip * dim..].chunks_exact(dim)) {
                    if *low == 0.0 && x.values[offset * dim..(offset + 1) * dim] == *y {
                        *high = 0.0;
                    }
                }
                self.kernel.ends(low, high);
                let weights = &right.weights[columns.start + skip..columns.end];
                let weight = left.weights[rows.start + offset];
                sums[0].add_product(weight, self.line(weights, high, false));
                sums[1].add_product(weight, self.line(weights, low, true));
            }
        }
        Ok(())
    }

    /// A number ≥ (if `up`, else ≤) Σ b_j k_j.
    fn line(&self, weights: &[f64], values: &mut [f64], up: bool) -> f64 {
        let sum = dot::dot(weights, values);
        let size = if self.kernel.name() == KernelName::Cosine {
            values.iter_mut().for_each(|value| *value = value.abs());
            dot::dot(weights, values)
        } else {
            // All of one sign.
            sum.abs()
        };
        // The size errs by as little as the sum does, for which there is room; weights are below 2.
        let slack = (2.0 * dot::depth(values.len()) as f64 + 16.0) * UNIT * size + 4.0 * values.len() as f64 * TINY;
        match up {
            _ if sum == 0.0 && values.iter().all(|&value| value == 0.0) => 0.0,
            true => (sum + slack).next_up(),
            false => (sum - slack).next_down(),
        }
    }

    /// Fills a tile; `check` looks whether the rows can be measured, which queries were when the geometry was made.
    fn load(&self, points: &Points<'_>, span: Range<usize>, check: bool, tile: &mut Tile) -> Result<(), Rejection> {
        let Some(pool) = self.geometry.points() else {
            return Err(Rejection::new("objective", "a matrix has no rows"));
        };
        let dim = pool.dim();
        tile.norms.resize(span.len(), 0.0);
        match (points.rows, self.geometry.queries()) {
            (Some(rows), _) => {
                tile.values.resize(span.len() * dim, 0.0);
                for (&row, x) in rows[span].iter().zip(tile.values.chunks_exact_mut(dim)) {
                    pool.read_row(row, x);
                    if let Some(fault) = check.then(|| row_fault(self.geometry.cost().family(), x)).flatten() {
                        return Err(Rejection::new("rows", format!("pool row {row} {fault}")));
                    }
                }
                self.geometry.row_norms(&tile.values, &mut tile.norms);
            }
            (None, Some((queries, norms))) => {
                tile.values.clear();
                tile.values.extend_from_slice(&queries[span.start * dim..span.end * dim]);
                tile.norms.copy_from_slice(&norms[span]);
            }
            (None, None) => return Err(Rejection::new("objective", "a matrix has no rows")),
        }
        Ok(())
    }
}

/// The weights times a power of two that brings the largest into [1, 2): nothing then over- or underflows.
pub(super) fn scaled(weights: Option<&[f64]>, count: usize) -> Result<Vec<f64>, Rejection> {
    let Some(weights) = weights else { return Ok(vec![1.0; count]) };
    let largest = weights.iter().copied().fold(0.0, f64::max);
    // Two steps, as one factor could overflow; clearing the mantissa leaves the power of two at or below.
    let lifted = if largest < f64::MIN_POSITIVE { 2f64.powi(60) } else { 1.0 };
    let power = f64::from_bits((largest * lifted).to_bits() & (0x7ff << 52));
    let scaled: Vec<f64> = weights.iter().map(|w| w * lifted / power).collect();
    match weights.iter().zip(&scaled).position(|(&w, s)| s * power / lifted != w) {
        Some(at) => Err(Rejection::new("weights", format!("weight {at} is too small beside the largest"))),
        None => Ok(scaled),
    }
}
