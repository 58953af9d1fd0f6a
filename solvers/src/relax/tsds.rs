//! Potentials that prove how small TSDS's objective F_λ can be for any subset of k rows (`notes/tsds.md` of the theory
//! crate): the maximum over g ∈ R^M of
//!   D(g) = mean_j g_j + min_{1/k ≤ t ≤ 1} t·(λ − H/M) − λ/N,   H = the sum of the k largest h_i = Σ_j max(0, g_j − c_ij).
//!
//! D is concave and piecewise linear. Where all rows can be had, its maximum is known: g_j between the K-th and the next
//! least cost of query j, K by the rule of `knn-uniform`; where a query's mass is spread over all k rows, it is at any
//! large g. From the better of the two, subgradient steps of Polyak's length lead upwards, towards the value of the
//! best subset that the k largest h_i made on the way. Whatever comes out is a valid bound.
//!
//! Limit: a step reads N·M costs once, two operations each, and k·M of them again; memory bandwidth, 8·N·M bytes.

use std::cmp::Ordering;

use kantor_theory::{Price, Screened};
use rayon::prelude::*;

use super::constrained::linear::Limited;
use crate::scan::screened::LowerCosts;
use crate::simd;
use crate::task::{SelectError, Task};

/// Most steps per budget.
const STEPS: u64 = 200;

/// A gap between the bound and the best subset seen that is small enough, as a share.
const CLOSE: f64 = 1e-3;

/// Steps between two subsets looked at.
const LOOK: u64 = 16;

/// Steps without progress after which they become half as long.
const PATIENCE: u32 = 8;

/// Rows per task.
const ROWS: usize = 512;

/// Potentials for one budget.
#[derive(Debug, Clone, PartialEq)]
pub struct TsdsDual {
    /// The subset size k.
    pub budget: usize,
    /// One number per query.
    pub potentials: Vec<f64>,
    /// The pool rows, ascending, with g_j above the lower end of c_ij for some j: all others have h_i = 0.
    pub screened: Screened,
    /// Of limits on nested groups, under constraints: the duals of the largest Σ h_i that a subset that obeys can have.
    pub prices: Vec<Price>,
    /// D(g) as `f64` arithmetic has it.
    pub value: f64,
    /// The least F_λ of the subsets looked at, likewise.
    pub seen: f64,
}

/// Bytes that [`duals`] takes for budgets up to `largest`.
pub fn bytes(task: &Task<'_>, largest: usize) -> u64 {
    let (n, m) = (task.geometry.pool_len() as u64, task.geometry.query_len() as u64);
    8 * (n * m + 2 * m * (largest as u64 + 1) + 4 * n)
}

/// Finds potentials for every budget under the weight λ = `diversity`.
///
/// # Errors
/// If a budget does not fit the pool, memory does not suffice, or the observer asks to stop.
pub fn duals(task: &Task<'_>, diversity: f64, budgets: &[usize]) -> Result<Vec<TsdsDual>, SelectError> {
    let largest = task.largest(budgets)?;
    task.afford("tsds", bytes(task, largest))?;
    let problem = Problem::new(task, diversity)?;
    let nearest = problem.nearest(largest + 1);
    budgets.iter().map(|&budget| problem.ascend(task, budget, &nearest)).collect()
}

/// All costs, and what they are weighed against.
struct Problem<'a> {
    n: usize,
    m: usize,
    diversity: f64,
    costs: LowerCosts<'a>,
}

/// D(g) and where its slope comes from.
struct Point {
    value: f64,
    /// The t of the minimum.
    level: f64,
    /// The rows of the k largest h_i.
    rows: Vec<usize>,
}

impl<'a> Problem<'a> {
    fn new(task: &Task<'a>, diversity: f64) -> Result<Self, SelectError> {
        let (n, m) = (task.geometry.pool_len(), task.geometry.query_len());
        Ok(Self { n, m, diversity, costs: LowerCosts::new(task)? })
    }

    fn row(&self, row: usize) -> &[f64] {
        &self.costs.values()[row * self.m..(row + 1) * self.m]
    }

    /// For every query its `count` least costs, ascending.
    fn nearest(&self, count: usize) -> Vec<Vec<f64>> {
        let of = |query: usize| {
            let mut column: Vec<f64> = self.costs.values().iter().skip(query).step_by(self.m).copied().collect();
            if count < column.len() {
                column.select_nth_unstable_by(count, f64::total_cmp);
                column.truncate(count);
            }
            column.sort_unstable_by(f64::total_cmp);
            column
        };
        (0..self.m).into_par_iter().map(of).collect()
    }

    fn ascend(&self, task: &Task<'_>, budget: usize, nearest: &[Vec<f64>]) -> Result<TsdsDual, SelectError> {
        let (mut g, mut point) = self.start(budget, nearest);
        let (mut best, mut value) = (g.clone(), point.value);
        let (mut seen, mut stride, mut stalled) = (f64::INFINITY, 1.0, 0);
        task.watch.begin("bound for all subsets", STEPS);
        for step in 0..STEPS {
            if step % LOOK == 0 {
                seen = seen.min(self.primal(&point.rows));
            }
            if seen - value <= CLOSE * seen.abs() {
                break;
            }
            task.watch.advance(1)?;
            let slope = self.slope(&g, &point);
            let length = stride * (seen - point.value) / slope.iter().map(|s| s * s).sum::<f64>();
            if !length.is_finite() {
                break;
            }
            g.iter_mut().zip(&slope).for_each(|(g, s)| *g += length * s);
            point = self.at(&g, budget);
            stalled = if point.value > value + 1e-2 * CLOSE * seen.abs() { 0 } else { stalled + 1 };
            if point.value > value {
                (value, best) = (point.value, g.clone());
            }
            if stalled == PATIENCE {
                (stride, stalled) = (0.5 * stride, 0);
                g.clone_from(&best);
                point = self.at(&g, budget);
            }
        }
        let screened = self.costs.rows_below(&best);
        let prices = task.constraints.map_or_else(Vec::new, |set| {
            let (limited, rows) = (Limited::new(set, budget), Vec::from_iter(0..self.n));
            let lowered: Vec<f64> = self.heights(&best).iter().map(|height| -height).collect();
            let step = limited.step(&rows, &lowered);
            limited.prices(&step.thresholds, &vec![0.0; limited.sides.sides.len()])
        });
        Ok(TsdsDual { budget, potentials: best, screened, prices, value, seen })
    }

    /// The better of the two points where D is greatest in a simpler problem.
    fn start(&self, budget: usize, nearest: &[Vec<f64>]) -> (Vec<f64>, Point) {
        let longest = nearest.first().map_or(1, Vec::len).min(budget + 1);
        let layer = |l: usize| nearest.iter().map(|list| list[l]).sum::<f64>() / self.m as f64;
        let (mut near, mut gap, mut count, mut share) = (layer(0), 0.0, 1, 0.0);
        while count < longest {
            let next = layer(count);
            let wider = gap + count as f64 * (next - near);
            if wider >= self.diversity {
                share = (self.diversity - gap) / (wider - gap);
                break;
            }
            (near, gap, count) = (next, wider, count + 1);
        }
        let between = |list: &Vec<f64>| list[count - 1] + share * (list[count.min(longest - 1)] - list[count - 1]);
        let close: Vec<f64> = nearest.iter().map(between).collect();
        let far = self.costs.values().chunks_exact(self.m).fold(vec![f64::NEG_INFINITY; self.m], |mut far, row| {
            far.iter_mut().zip(row).for_each(|(far, &c)| *far = far.max(c));
            far
        });
        let [close, far] = [close, far].map(|g| {
            let point = self.at(&g, budget);
            (g, point)
        });
        if far.1.value > close.1.value { far } else { close }
    }

    /// The h_i.
    fn heights(&self, g: &[f64]) -> Vec<f64> {
        let mut heights = vec![0.0; self.n];
        let sum = |(rows, heights): (&[f64], &mut [f64])| {
            simd::wide(
                #[inline(always)]
                || {
                    rows.chunks_exact(g.len())
                        .zip(heights.iter_mut())
                        .for_each(|(row, height)| *height = positive_sum(g, row))
                },
            );
        };
        self.costs.values().par_chunks(ROWS * self.m).zip(heights.par_chunks_mut(ROWS)).for_each(sum);
        heights
    }

    fn at(&self, g: &[f64], budget: usize) -> Point {
        let heights = self.heights(g);
        let higher = |&a: &usize, &b: &usize| -> Ordering { heights[b].total_cmp(&heights[a]).then(a.cmp(&b)) };
        let mut rows: Vec<usize> = (0..self.n).collect();
        if budget < self.n {
            rows.select_nth_unstable_by(budget, higher);
            rows.truncate(budget);
        }
        // In a fixed order, so that the sum does not depend on how the largest were found.
        rows.sort_unstable();
        let height: f64 = rows.iter().map(|&row| heights[row]).sum();
        let gain = self.diversity - height / self.m as f64;
        let level = if gain >= 0.0 { 1.0 / budget as f64 } else { 1.0 };
        let value = g.iter().sum::<f64>() / self.m as f64 + level * gain - self.diversity / self.n as f64;
        Point { value, level, rows }
    }

    /// A supergradient of D at g.
    fn slope(&self, g: &[f64], point: &Point) -> Vec<f64> {
        let mut counts = vec![0u32; self.m];
        for &row in &point.rows {
            counts.iter_mut().zip(self.row(row)).zip(g).for_each(|((count, c), g)| *count += u32::from(g > c));
        }
        counts.into_iter().map(|count| (1.0 - point.level * f64::from(count)) / self.m as f64).collect()
    }

    /// F_λ of these rows.
    fn primal(&self, rows: &[usize]) -> f64 {
        let column = |query: usize| {
            let mut column: Vec<f64> = rows.iter().map(|&row| self.row(row)[query]).collect();
            column.sort_unstable_by(f64::total_cmp);
            column
        };
        let columns: Vec<Vec<f64>> = (0..self.m).into_par_iter().map(column).collect();
        let (mut sum, mut least) = (0.0, f64::INFINITY);
        for l in 0..rows.len() {
            sum += columns.iter().map(|column| column[l]).sum::<f64>() / self.m as f64;
            least = least.min((sum + self.diversity) / (l + 1) as f64);
        }
        least - self.diversity / self.n as f64
    }
}

/// Σ_j max(0, g_j − c_j), in lanes.
#[inline(always)]
fn positive_sum(g: &[f64], costs: &[f64]) -> f64 {
    const LANES: usize = 16;
    let mut sums = [0.0; LANES];
    let (g_lanes, g_rest) = g.as_chunks::<LANES>();
    let (c_lanes, c_rest) = costs.as_chunks::<LANES>();
    for (g, c) in g_lanes.iter().zip(c_lanes) {
        for lane in 0..LANES {
            sums[lane] += (g[lane] - c[lane]).max(0.0);
        }
    }
    sums.iter().sum::<f64>() + g_rest.iter().zip(c_rest).map(|(g, c)| (g - c).max(0.0)).sum::<f64>()
}
