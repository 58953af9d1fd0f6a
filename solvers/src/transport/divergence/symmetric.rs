//! Entropic transport of a measure with itself: one potential for both sides.
//!
//! The optimum has f = g with f = R(f), R(f)_i = −ε(1 − θ) ln Σ_j a_j exp((f_j − c_ij)/ε), θ = ε/(ρ + ε). The iteration is
//! f ← ½ (f + R(f)). R does not expand distances in the largest norm, so that converges from anywhere (Krasnoselskii
//! 1955, Mann 1953); near the optimum −R' is (1 − θ) times a Markov matrix, whose eigenvalues lie in [0, 1] if
//! exp(−c/ε) is positive definite, and each step then leaves at most half of the error, whatever ε is.

use kantor_theory::{Geometry, Power};
use rayon::prelude::*;

use crate::simd;
use crate::solver::SolverSettings;
use crate::transport::exact::costs;
use crate::transport::fixed_point::{FixedPoint, iterate};
use crate::transport::sinkhorn::exp;
use crate::watch::{Stopped, Watch};

/// Rows of one task; whole tiles of [`Geometry`]'s blocks.
const ROWS: usize = 192;

/// Lanes of a sum.
const LANES: usize = 8;

pub(super) struct Symmetric<'a> {
    geometry: &'a Geometry<'a>,
    power: Power,
    weights: &'a [f64],
    epsilon: f64,
    /// ρ of both marginals, infinite if they are hard.
    rho: f64,
    /// All costs, unless they are evaluated again in every iteration.
    held: Vec<f64>,
}

impl<'a> Symmetric<'a> {
    /// `geometry` has the same points on both sides.
    pub(super) fn new(
        geometry: &'a Geometry<'a>,
        power: Power,
        weights: &'a [f64],
        epsilon: f64,
        rho: f64,
        memory: u64,
    ) -> Self {
        let n = weights.len();
        let fits = 8 * (n as u128) * (n as u128) <= u128::from(memory);
        let held = if fits { costs(geometry, power, &(0..n).collect::<Vec<_>>()) } else { Vec::new() };
        Self { geometry, power, weights, epsilon, rho, held }
    }

    pub(super) fn solve(&self, settings: &SolverSettings, watch: &dyn Watch) -> FixedPoint {
        watch.begin("transport with itself", settings.iterations);
        let hardness = if self.rho == f64::INFINITY { 1.0 } else { self.rho / (self.rho + self.epsilon) };
        iterate(vec![0.0; self.weights.len()], self.epsilon, settings, watch, |f| {
            let logs = self.logs(f, watch)?;
            let (value, residual) = self.evaluate(f, &logs);
            let next = f.iter().zip(&logs).map(|(f, log)| 0.5 * (f - self.epsilon * hardness * log));
            Ok((value, residual, next.collect()))
        })
    }

    /// D(f, f) = 2 Σ a p(f) − ε Σ x + ε and the residual, for the marginal x_i = a_i exp(f_i/ε) s_i of the plan.
    fn evaluate(&self, f: &[f64], logs: &[f64]) -> (f64, f64) {
        let (mut value, mut residual) = (self.epsilon, 0.0);
        for ((f, log), a) in f.iter().zip(logs).zip(self.weights) {
            let mass = a * (f / self.epsilon + log).exp();
            let (gain, target) = if self.rho == f64::INFINITY {
                (*f, *a)
            } else {
                (-self.rho * (-f / self.rho).exp_m1(), a * (-f / self.rho).exp())
            };
            value += 2.0 * a * gain - self.epsilon * mass;
            residual += (mass - target).abs();
        }
        (value, residual)
    }

    /// ln s_i, s_i = Σ_j a_j exp((f_j − c_ij)/ε).
    fn logs(&self, f: &[f64], watch: &dyn Watch) -> Result<Vec<f64>, Stopped> {
        let n = f.len();
        let mut logs = vec![0.0; n];
        logs.par_chunks_mut(ROWS).enumerate().try_for_each(|(chunk, logs)| {
            let first = chunk * ROWS;
            let fresh;
            let lines = if self.held.is_empty() {
                fresh = costs(self.geometry, self.power, &(first..first + logs.len()).collect::<Vec<_>>());
                &fresh[..]
            } else {
                &self.held[first * n..(first + logs.len()) * n]
            };
            let mut scratch = vec![0.0; n];
            for (log, line) in logs.iter_mut().zip(lines.chunks_exact(n)) {
                *log = log_sum(line, f, self.weights, 1.0 / self.epsilon, &mut scratch);
            }
            watch.advance(0)
        })?;
        watch.advance(1)?;
        Ok(logs)
    }
}

/// ln Σ_j a_j exp((f_j − c_j)·inverse), the same bits on every processor.
fn log_sum(line: &[f64], f: &[f64], weights: &[f64], inverse: f64, scratch: &mut [f64]) -> f64 {
    simd::wide(
        #[inline(always)]
        || {
            let mut most = [f64::NEG_INFINITY; LANES];
            for (t, ((z, c), f)) in scratch.iter_mut().zip(line).zip(f).enumerate() {
                *z = (f - c) * inverse;
                let lane = &mut most[t % LANES];
                *lane = if *z > *lane { *z } else { *lane };
            }
            let most = most.into_iter().fold(f64::NEG_INFINITY, f64::max);
            let mut sums = [0.0; LANES];
            let (z, z_rest) = scratch.as_chunks::<LANES>();
            let (a, a_rest) = weights.as_chunks::<LANES>();
            for (z, a) in z.iter().zip(a) {
                for lane in 0..LANES {
                    sums[lane] += a[lane] * exp::exp(z[lane] - most);
                }
            }
            for (lane, (z, a)) in z_rest.iter().zip(a_rest).enumerate() {
                sums[lane] += a * exp::exp(z - most);
            }
            let sum = ((sums[0] + sums[4]) + (sums[2] + sums[6])) + ((sums[1] + sums[5]) + (sums[3] + sums[7]));
            most + exp::ln(sum)
        },
    )
}
