//! A positive low-rank factor of the Gibbs kernel, never below it.
//!
//! K = exp(−c^p/ε) is positive semidefinite on all points together and 1 on the diagonal. Cholesky's factorisation with
//! complete pivoting among the queries gives K ≈ L Lᵀ with r columns (Harbrecht, Peters and Schneider 2012), where every point keeps the
//! residual 1 − |L_x|² = s_x² ≥ 0. The residual kernel is positive semidefinite too, so |K(x, y) − ⟨L_x, L_y⟩| ≤ s_x s_y, and
//! with s as one more column
//!   K(x, y) ≤ K̃(x, y) := ⟨L_x, L_y⟩ + s_x s_y ≤ K(x, y) + 2 s_x s_y:
//! positive everywhere and exact for all pivots. Entropic transport with K̃ is transport with the smaller costs
//! c̃ = −ε ln K̃, so its optimum is at most that with c, and by at most ε Σ π̃ ln(K̃/K) ≤ ε max ln(K̃/K), π̃ its plan.
//!
//! In `f64` that holds up to the rounding of K̃, of the order of 1e-16·√r; a residual that should be 0 and is not adds
//! up to 1e-8·s_x, so only queries that are pivots, or copies of one, are met to full accuracy.
//!
//! Limit: r kernel values and r²/2 multiply-adds per row, instead of M kernel values.

use kantor_theory::{Cost, DenseRows, Geometry, Power, TransportProblem};
use rayon::prelude::*;

use super::NAME;
use crate::simd;
use crate::solver::{SolveError, within};
use crate::transport::exact::costs;
use crate::transport::sinkhorn::exp;
use crate::watch::{Stopped, Watch};

/// Rows of one task.
pub(super) const ROWS: usize = 192;

/// Lanes to which the width of the factor is filled up with zeros.
pub(super) const LANES: usize = 8;

/// Residual below which another pivot would factorise rounding errors.
const LEAST: f64 = 1e-14;

/// K̃ = (row factors)·(query factors)ᵀ.
#[derive(Debug, Clone, PartialEq)]
pub struct Factor {
    rank: usize,
    /// Columns, a multiple of [`LANES`]: r + 1 and zeros.
    pub(super) width: usize,
    /// N×width.
    pub(super) rows: Vec<f64>,
    /// M×width.
    pub(super) queries: Vec<f64>,
    pub(super) epsilon: f64,
}

impl Factor {
    /// Factorises the kernel of `problem`, with at most `rank` pivots and `memory` bytes.
    ///
    /// # Errors
    /// If the kernel is not known to be positive definite, ε is 0, or memory does not suffice. If the observer asks to stop,
    /// the inner result says so.
    pub fn new(
        problem: &TransportProblem<'_>,
        rank: usize,
        memory: u64,
        watch: &dyn Watch,
    ) -> Result<Result<Self, Stopped>, SolveError> {
        problem.check()?;
        let refuse = |fault| SolveError::Unsupported { solver: NAME, fault };
        if problem.epsilon <= 0.0 {
            return Err(refuse("factorises exp(−c/ε): it needs `epsilon` above 0"));
        }
        let (Some(pool), Some((query, _))) = (problem.geometry.points(), problem.geometry.queries()) else {
            return Err(refuse("needs rows: a matrix does not say how far queries are from each other"));
        };
        if !is_positive_definite(problem.geometry.cost(), problem.power) {
            return Err(refuse("needs a cost whose kernel is positive definite: with `p` 2 only euclidean"));
        }
        let (n, m, dim) = (problem.row_count(), problem.geometry.query_len(), pool.dim());
        let rank = rank.clamp(1, m);
        let width = |rank: usize| (rank + 1).next_multiple_of(LANES);
        let needed = 8 * ((n + m) as u64 * width(rank) as u64 + (m * m) as u64);
        within(NAME, needed, memory)?;
        let Some(points) = DenseRows::from_f64(dim, query.to_vec()) else { unreachable!("whole rows of the problem") };
        let Ok(among) = Geometry::new(&points, &points, problem.geometry.cost()) else {
            unreachable!("the problem took these queries")
        };
        let kernel = kernel(&among, problem, &(0..m).collect::<Vec<_>>());
        let chosen = Pivoted::new(kernel, m, rank);
        let rank = chosen.pivots.len();

        let landmarks: Vec<f64> =
            chosen.pivots.iter().flat_map(|&p| query[p * dim..(p + 1) * dim].iter().copied()).collect();
        let Some(landmarks) = DenseRows::from_f64(dim, landmarks) else { unreachable!("at least one pivot") };
        let Ok(to_landmarks) = Geometry::new(pool, &landmarks, problem.geometry.cost()) else {
            unreachable!("the problem took these queries")
        };
        let width = width(rank);
        let triangle = chosen.triangle();
        let mut rows = vec![0.0; n * width];
        watch.begin("factor of the kernel", n as u64);
        let done = rows.par_chunks_mut(ROWS * width).enumerate().try_for_each(|(chunk, rows)| {
            let first = chunk * ROWS;
            let taken: Vec<usize> = (first..first + rows.len() / width).map(|position| problem.row(position)).collect();
            let values = self::kernel(&to_landmarks, problem, &taken);
            for (row, values) in rows.chunks_exact_mut(width).zip(values.chunks_exact(rank)) {
                extend(&triangle, values, row);
            }
            watch.advance(taken.len() as u64)
        });
        if let Err(stopped) = done {
            return Ok(Err(stopped));
        }
        let mut queries = vec![0.0; m * width];
        for (j, row) in queries.chunks_exact_mut(width).enumerate() {
            row[..rank].copy_from_slice(&chosen.lower[j * chosen.limit..][..rank]);
            row[rank] = chosen.residual[j].sqrt();
        }
        Ok(Ok(Self { rank, width, rows, queries, epsilon: problem.epsilon }))
    }

    /// Number of pivots, r.
    pub fn rank(&self) -> usize {
        self.rank
    }

    /// K̃ of a row (by position) and a query.
    pub fn entry(&self, row: usize, query: usize) -> f64 {
        let (x, y) = (&self.rows[row * self.width..], &self.queries[query * self.width..]);
        inner(&x[..self.width], &y[..self.width])
    }
}

/// Whether exp(−c^p/ε) is positive semidefinite for every ε > 0: Gaussian kernels, Laplace's, and exp(−angle), whose
/// exponents are of negative type (Schoenberg 1938). 1 − cos is half a squared distance.
fn is_positive_definite(cost: Cost, power: Power) -> bool {
    match power {
        Power::One => cost != Cost::Precomputed,
        Power::Two => cost == Cost::Euclidean,
    }
}

/// exp(−c^p/ε) between pool rows and all queries of a geometry.
fn kernel(geometry: &Geometry<'_>, problem: &TransportProblem<'_>, rows: &[usize]) -> Vec<f64> {
    let mut values = costs(geometry, problem.power, rows);
    let inverse = -1.0 / problem.epsilon;
    simd::wide(
        #[inline(always)]
        || values.iter_mut().for_each(|c| *c = exp::exp(*c * inverse)),
    );
    values
}

/// Cholesky's factorisation of the kernel among the queries, pivot by pivot.
struct Pivoted {
    limit: usize,
    /// M×limit, the first `pivots.len()` columns filled.
    lower: Vec<f64>,
    /// s² of every query.
    residual: Vec<f64>,
    pivots: Vec<usize>,
}

impl Pivoted {
    fn new(kernel: Vec<f64>, m: usize, limit: usize) -> Self {
        let mut found = Self { limit, lower: vec![0.0; m * limit], residual: vec![1.0; m], pivots: Vec::new() };
        while found.pivots.len() < limit {
            let first_largest = |best: usize, j: usize| if found.residual[j] > found.residual[best] { j } else { best };
            let pivot = (0..m).reduce(first_largest).unwrap_or(0);
            let at = found.pivots.len();
            // A pivot must be, if only the first one.
            if at > 0 && found.residual[pivot] <= LEAST {
                break;
            }
            let root = found.residual[pivot].sqrt();
            let line = found.lower[pivot * limit..][..at].to_vec();
            for j in 0..m {
                let row = &mut found.lower[j * limit..][..at + 1];
                let value = (kernel[pivot * m + j] - inner(&row[..at], &line)) / root;
                row[at] = if found.pivots.contains(&j) { 0.0 } else { value };
                found.residual[j] = (found.residual[j] - row[at] * row[at]).max(0.0);
            }
            // The pivot itself, and its copies: rounding would leave √2⁻⁵³ of them.
            for j in (0..m).filter(|&j| kernel[pivot * m + j] == 1.0 && !found.pivots.contains(&j)) {
                found.lower[j * limit..][..at].copy_from_slice(&line);
                found.lower[j * limit + at] = root;
                found.residual[j] = 0.0;
            }
            // Nothing is left to choose it again.
            found.residual[pivot] = 0.0;
            found.pivots.push(pivot);
        }
        found
    }

    /// The pivots' own rows: r×r, lower triangular.
    fn triangle(&self) -> Vec<f64> {
        let rank = self.pivots.len();
        self.pivots.iter().flat_map(|&p| self.lower[p * self.limit..][..rank].iter().copied()).collect()
    }
}

/// Solves T·x = k for the lower triangle T, and appends √(1 − |x|²).
fn extend(triangle: &[f64], kernel: &[f64], out: &mut [f64]) {
    let rank = kernel.len();
    simd::wide(
        #[inline(always)]
        || {
            let mut left = 1.0;
            for (t, line) in triangle.chunks_exact(rank).enumerate() {
                let value = (kernel[t] - inner(&line[..t], &out[..t])) / line[t];
                out[t] = value;
                left -= value * value;
            }
            out[rank] = if left > 0.0 { left.sqrt() } else { 0.0 };
        },
    );
}

/// ⟨x, y⟩ in one order for every processor.
#[inline(always)]
pub(super) fn inner(x: &[f64], y: &[f64]) -> f64 {
    let mut sums = [0.0; LANES];
    let ((x, x_rest), (y, y_rest)) = (x.as_chunks::<LANES>(), y.as_chunks::<LANES>());
    for (x, y) in x.iter().zip(y) {
        for lane in 0..LANES {
            sums[lane] += x[lane] * y[lane];
        }
    }
    for ((sum, x), y) in sums.iter_mut().zip(x_rest).zip(y_rest) {
        *sum += x * y;
    }
    ((sums[0] + sums[4]) + (sums[2] + sums[6])) + ((sums[1] + sums[5]) + (sums[3] + sums[7]))
}
