//! Sinkhorn's updates with the factor of the kernel, and what the factor changes.

use kantor_theory::TransportProblem;
use rayon::prelude::*;

use super::factor::{Factor, LANES, ROWS, inner};
use crate::simd;
use crate::solver::{Potentials, SolveError, SolverSettings};
use crate::transport::exact::{costs, masses_of};
use crate::transport::fixed_point::{FixedPoint, iterate};
use crate::watch::{Stopped, Watch};

/// How much larger the low-rank kernel is than the true one, as costs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Excess {
    /// ε max |ln(K̃/K)|: values of entropic problems differ by at most that; +∞ if rounding spoiled some entry of K̃.
    pub largest: f64,
    /// ε Σ π̃ ln(K̃/K) with the plan π̃ of the potentials given: if they are optimal for K̃, the optimum is at most the
    /// value with K̃ plus this.
    pub mean: f64,
}

/// Weights and penalties as an iteration reads them.
struct Terms {
    a: Vec<f64>,
    b: Vec<f64>,
    /// ε.
    epsilon: f64,
    /// ρ/(ρ + ε) of both sides, 1 where hard.
    pool: f64,
    query: f64,
    /// ρ of both sides.
    penalties: (f64, f64),
}

/// One pass over the factor at scalings v = e^{g/ε}.
struct Sums {
    /// Σ_i K̃_ij a_i u_i, per query, u the best reply.
    columns: Vec<f64>,
    /// Σ_i a_i p(f_i).
    gain: f64,
}

impl Terms {
    fn new(problem: &TransportProblem<'_>, penalties: (f64, f64)) -> Result<Self, SolveError> {
        let masses = masses_of(problem)?;
        let share = |side: &[u64]| side.iter().map(|&x| x as f64 / masses.total as f64).collect();
        let epsilon = problem.epsilon;
        let exponent = |rho: f64| if rho == f64::INFINITY { 1.0 } else { rho / (rho + epsilon) };
        let (pool, query) = (exponent(penalties.0), exponent(penalties.1));
        Ok(Self { a: share(&masses.supply), b: share(&masses.demand), epsilon, pool, query, penalties })
    }
}

/// p(f): f, or ρ (1 − e^{−f/ρ}).
fn gain(potential: f64, rho: f64) -> f64 {
    if rho == f64::INFINITY { potential } else { -rho * (-potential / rho).exp_m1() }
}

impl Factor {
    /// Iterates from `start`, or from zero, with ρ of pool and queries in `penalties`.
    pub(super) fn solve(
        &self,
        problem: &TransportProblem<'_>,
        penalties: (f64, f64),
        start: Option<&Potentials>,
        settings: &SolverSettings,
        watch: &dyn Watch,
    ) -> Result<FixedPoint, SolveError> {
        let terms = Terms::new(problem, penalties)?;
        let m = terms.b.len();
        let given = start.map(|start| &start.query).filter(|g| g.len() == m && g.iter().all(|g| g.is_finite()));
        let start = given.cloned().unwrap_or_else(|| vec![0.0; m]);
        watch.begin("low-rank iteration", settings.iterations);
        Ok(iterate(start, terms.epsilon, settings, watch, |g| {
            let v: Vec<f64> = g.iter().map(|g| (g / terms.epsilon).exp()).collect();
            let sums = self.pass(&terms, &v, watch)?;
            let (mut value, mut residual) = (sums.gain + terms.epsilon, 0.0);
            for (((g, v), t), b) in g.iter().zip(&v).zip(&sums.columns).zip(&terms.b) {
                let mass = b * v * t;
                let target = if terms.query < 1.0 { b * (-g / terms.penalties.1).exp() } else { *b };
                value += b * gain(*g, terms.penalties.1) - terms.epsilon * mass;
                residual += (target - mass).abs();
            }
            let next = sums.columns.iter().map(|t| -terms.epsilon * terms.query * t.ln());
            Ok((value, residual, next.collect()))
        }))
    }

    /// Solves the problem with this kernel in place of its own, ignoring nothing else of it.
    ///
    /// # Errors
    /// If the problem is not one for the solver `low-rank`.
    pub fn optimum(
        &self,
        problem: &TransportProblem<'_>,
        settings: &SolverSettings,
        watch: &dyn Watch,
    ) -> Result<FixedPoint, SolveError> {
        self.solve(problem, crate::transport::lowrank::penalties(problem)?, None, settings, watch)
    }

    /// One pass over all costs: how far this kernel is from the true one.
    ///
    /// # Errors
    /// If the problem is not one for the solver `low-rank`.
    pub fn excess(&self, problem: &TransportProblem<'_>, potentials: &[f64]) -> Result<Excess, SolveError> {
        let terms = Terms::new(problem, crate::transport::lowrank::penalties(problem)?)?;
        let v: Vec<f64> = potentials.iter().map(|g| (g / terms.epsilon).exp()).collect();
        let head = self.head(&terms, &v);
        let m = v.len();
        let chunks: Vec<(f64, f64)> = (0..terms.a.len())
            .collect::<Vec<_>>()
            .par_chunks(ROWS)
            .map(|positions| {
                let taken: Vec<usize> = positions.iter().map(|&position| problem.row(position)).collect();
                let costs = costs(problem.geometry, problem.power, &taken);
                let (mut largest, mut mean) = (0.0f64, 0.0);
                for (&i, line) in positions.iter().zip(costs.chunks_exact(m)) {
                    let row = &self.rows[i * self.width..(i + 1) * self.width];
                    let u = self.total(row, &head).powf(-terms.pool);
                    for (j, cost) in line.iter().enumerate() {
                        let entry = inner(row, &self.queries[j * self.width..(j + 1) * self.width]);
                        let excess = if entry > 0.0 { terms.epsilon * entry.ln() + cost } else { f64::INFINITY };
                        largest = largest.max(excess.abs());
                        let mass = terms.a[i] * u * entry * v[j] * terms.b[j];
                        mean += if mass > 0.0 { mass * excess } else { 0.0 };
                    }
                }
                (largest, mean)
            })
            .collect();
        let (mut largest, mut mean) = (0.0f64, 0.0);
        for (part, sum) in chunks {
            largest = largest.max(part);
            mean += sum;
        }
        Ok(Excess { largest, mean })
    }

    /// Σ_j b_j v_j of the query factors.
    fn head(&self, terms: &Terms, v: &[f64]) -> Vec<f64> {
        let mut head = vec![0.0; self.width];
        for ((row, v), b) in self.queries.chunks_exact(self.width).zip(v).zip(&terms.b) {
            head.iter_mut().zip(row).for_each(|(h, x)| *h += b * v * x);
        }
        head
    }

    /// s_i = Σ_j K̃_ij b_j v_j. It is positive; where cancellation leaves nothing of it, so much as rounding allows.
    #[inline(always)]
    fn total(&self, row: &[f64], head: &[f64]) -> f64 {
        let sum = inner(row, head);
        let floor = f64::EPSILON * (inner(row, row) * inner(head, head)).sqrt();
        if sum > floor { sum } else { floor.max(f64::MIN_POSITIVE) }
    }

    fn pass(&self, terms: &Terms, v: &[f64], watch: &dyn Watch) -> Result<Sums, Stopped> {
        let (width, head) = (self.width, self.head(terms, v));
        // Partial sums over fixed chunks, added in order.
        let parts: Result<Vec<(Vec<f64>, f64)>, Stopped> = self
            .rows
            .par_chunks(8 * ROWS * width)
            .zip(terms.a.par_chunks(8 * ROWS))
            .map(|(rows, a)| {
                let mut tail = vec![0.0; width];
                let mut totals = vec![0.0; a.len()];
                let mut scaled = vec![0.0; a.len()];
                let mut part = 0.0;
                simd::wide(
                    #[inline(always)]
                    || {
                        for (total, row) in totals.iter_mut().zip(rows.chunks_exact(width)) {
                            *total = self.total(row, &head);
                        }
                    },
                );
                for ((scaled, total), a) in scaled.iter_mut().zip(&totals).zip(a) {
                    let log = -terms.pool * total.ln();
                    *scaled = a * log.exp();
                    part += a * gain(terms.epsilon * log, terms.penalties.0);
                }
                simd::wide(
                    #[inline(always)]
                    || {
                        for (row, scaled) in rows.chunks_exact(width).zip(&scaled) {
                            let (tail, row) = (tail.as_chunks_mut::<LANES>().0, row.as_chunks::<LANES>().0);
                            for (tail, row) in tail.iter_mut().zip(row) {
                                for lane in 0..LANES {
                                    tail[lane] += scaled * row[lane];
                                }
                            }
                        }
                    },
                );
                watch.advance(0)?;
                Ok((tail, part))
            })
            .collect();
        let (mut tail, mut gain) = (vec![0.0; width], 0.0);
        for (part, sum) in parts? {
            tail.iter_mut().zip(part).for_each(|(t, x)| *t += x);
            gain += sum;
        }
        watch.advance(1)?;
        let column = |row: &[f64]| self.total(row, &tail);
        Ok(Sums { columns: self.queries.chunks_exact(width).map(column).collect(), gain })
    }
}
