//! Entropic transport of a measure with itself: one potential for both sides.
//!
//! The optimum has f = g with f = R(f), R(f)_i = −ε(1 − θ) ln Σ_j a_j exp((f_j − c_ij)/ε), θ = ε/(ρ + ε). The iteration is
//! f ← ½ (f + R(f)). R does not expand distances in the largest norm, so that converges from anywhere (Krasnoselskii
//! 1955, Mann 1953); near the optimum −R' is (1 − θ) times a Markov matrix, whose eigenvalues lie in [0, 1] if
//! exp(−c/ε) is positive definite, and each step then leaves at most half of the error, whatever ε is.

use kantor_theory::{Geometry, Power, Status};
use rayon::prelude::*;

use crate::exact::costs;
use crate::simd;
use crate::sinkhorn::exp;
use crate::solver::{SolverSettings, Step};
use crate::watch::{Stopped, Watch};

/// Rows of one task; whole tiles of [`Geometry`]'s blocks.
const ROWS: usize = 192;

/// Lanes of a sum.
const LANES: usize = 8;

/// Entropic transport of a measure with itself.
#[derive(Debug, Clone, PartialEq)]
pub struct SelfTransport {
    /// The dual value of the potentials, in units of c^p.
    pub value: f64,
    /// f of every point with weight.
    pub potentials: Vec<f64>,
    /// Σ_i |x_i − a_i e^{−f_i/ρ}| for the marginal x of the plan.
    pub residual: f64,
    /// Iterations.
    pub iterations: u64,
    /// Whether the residual fell to the tolerance.
    pub status: Status,
}

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

    pub(super) fn solve(&self, settings: &SolverSettings, watch: &dyn Watch) -> SelfTransport {
        watch.begin("transport with itself", settings.iterations);
        let mut f = vec![0.0; self.weights.len()];
        let hardness = if self.rho == f64::INFINITY { 1.0 } else { self.rho / (self.rho + self.epsilon) };
        let mut found = SelfTransport {
            value: f64::NEG_INFINITY,
            potentials: f.clone(),
            residual: f64::INFINITY,
            iterations: 0,
            status: Status::IterationLimit,
        };
        while found.iterations < settings.iterations.max(1) {
            let Ok(logs) = self.logs(&f, watch) else {
                found.status = Status::Interrupted;
                break;
            };
            found.iterations += 1;
            let (value, residual) = self.evaluate(&f, &logs);
            if !(value.is_finite() && residual.is_finite()) {
                found.status = Status::NumericalError;
                break;
            }
            watch.step(&Step { iteration: found.iterations, epsilon: self.epsilon, residual, dual: value });
            if residual < found.residual {
                (found.value, found.residual) = (value, residual);
                found.potentials.clone_from(&f);
            }
            if residual <= settings.tolerance {
                found.status = Status::Optimal;
                break;
            }
            f.iter_mut().zip(&logs).for_each(|(f, log)| *f = 0.5 * (*f - self.epsilon * hardness * log));
        }
        found
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
