//! The dual of an entropic problem as a concave function of the M query potentials.
//!
//! D(f, g) = Σ_i a_i p(f_i) + Σ_j b_j q(g_j) − ε Σ_ij T_ij + ε Σ_ij r_ij with T_ij = r_ij exp((f_i + g_j − c_ij)/ε),
//! p(f) = ρ (1 − e^{−f/ρ}) for a penalty ρ·KL and p(f) = f for a hard marginal, q alike. For the best f it is
//! D(g) = Σ_j b_j q(g_j) − Σ_i a_i [ρ (s_i^θ − 1) + ε s_i^θ] + ε Σ r, whose gradient is b_j q'(g_j) − Σ_i T_ij.
//! Every point of it is at most the optimum of the primal problem.

use super::Costs;
use super::exp;
use super::measures::Measures;
use super::pass::{Ask, PassLoop, Sums};
use super::penalty::Penalty;
use super::weight::Weight;
use crate::solver::Step;
use crate::watch::{Stopped, Watch};

/// A point of the iteration and all that a pass says about it.
pub(crate) struct Point {
    pub(crate) g: Vec<f64>,
    pub(crate) sums: Sums,
    /// b_j q'(g_j).
    pub(crate) target: Vec<f64>,
    /// Σ_j |target_j − T_.j|, and the rows' part if their potentials are not the best; relative to the mass where no
    /// marginal is hard.
    pub(crate) residual: f64,
    /// D.
    pub(crate) dual: f64,
    /// What rounding can do to D.
    pub(crate) noise: f64,
}

impl Point {
    /// Whether there are numbers to go on with.
    pub(crate) fn is_sound(&self) -> bool {
        self.residual.is_finite() && self.dual.is_finite() && self.sums.columns.iter().all(|&t| t > f64::MIN_POSITIVE)
    }

    /// ln (b_j q'(g_j) / T_.j).
    pub(crate) fn log_residual(&self, j: usize, measures: &Measures, penalty: &Penalty) -> f64 {
        penalty.log_slope(self.g[j]) + exp::ln(measures.queries[j])
            - exp::ln(self.sums.columns[j].max(f64::MIN_POSITIVE))
    }
}

/// When to stop.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Goal {
    /// Residual that will do.
    pub(crate) tolerance: f64,
    /// Passes after which it gives up, counted from the first of all.
    pub(crate) limit: u64,
}

/// Why it stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The tolerance was met.
    Met,
    /// The limit was reached.
    Limit,
    /// Rounding forbids more, or there are no numbers to go on with.
    Stuck,
}

/// A problem and its weights.
pub(crate) struct Dual<'a, W> {
    kernel: PassLoop<'a, W>,
    pub(crate) measures: &'a Measures,
    pub(crate) penalty: Penalty,
    pub(crate) watch: &'a dyn Watch,
    pub(crate) passes: u64,
    /// Potentials with the largest D at the present ε.
    pub(crate) best: Vec<f64>,
    best_at: (f64, f64),
}

impl<'a, W: Weight> Dual<'a, W> {
    pub(crate) fn new(
        costs: &'a Costs<'a>,
        inverts: bool,
        measures: &'a Measures,
        penalty: Penalty,
        watch: &'a dyn Watch,
    ) -> Self {
        let (best, best_at) = (Vec::new(), (f64::NAN, f64::NAN));
        Self { kernel: PassLoop::new(costs, inverts), measures, penalty, watch, passes: 0, best, best_at }
    }

    /// D at `g`, with the best pool potentials unless relaxed ones are asked for.
    pub(crate) fn evaluate(&mut self, g: Vec<f64>, ask: Ask<'_>) -> Result<Point, Stopped> {
        let sums = self.kernel.pass(&self.penalty, self.measures, &g, ask, self.watch)?;
        self.point(g, sums)
    }

    fn point(&mut self, g: Vec<f64>, sums: Sums) -> Result<Point, Stopped> {
        self.passes += 1;
        let Penalty { epsilon, pool, query } = self.penalty;
        let masses = &self.measures.queries;
        let target: Vec<f64> = g.iter().zip(masses).map(|(g, b)| b * exp::exp(self.penalty.log_slope(*g))).collect();
        let off: f64 = target.iter().zip(&sums.columns).map(|(b, t)| (b - t).abs()).sum();
        let mass =
            if pool.min(query) < f64::INFINITY && pool.max(query) < f64::INFINITY { target.iter().sum() } else { 1.0 };
        let residual = (off + sums.row_residual) / mass;
        let gain: f64 = g.iter().zip(masses).map(|(g, b)| b * self.penalty.gain(*g)).sum();
        let dual = (gain - sums.value) + epsilon * self.measures.reference;
        let noise = 1e-14 * (gain.abs() + sums.value.abs() + epsilon * self.measures.reference);
        if self.best_at.0 != epsilon || dual >= self.best_at.1 || self.best_at.1.is_nan() {
            self.best.clone_from(&g);
            self.best_at = (epsilon, dual);
        }
        self.watch.step(&Step { iteration: self.passes, epsilon, residual, dual });
        self.watch.advance(1)?;
        Ok(Point { g, sums, target, residual, dual, noise })
    }

    /// Rows to draw for second derivatives at a small part of the price of a pass; 0 if so few would not do.
    pub(crate) fn draws(&self) -> usize {
        let (n, m) = (self.measures.rows.len(), self.measures.queries.len());
        let few = DRAWS * n / m;
        let known = self.penalty.query == f64::INFINITY && self.kernel.reads_lines();
        if known && few >= ENOUGH * m { few } else { 0 }
    }

    /// Sinkhorn's step in the query potentials: the best shift of all of them, then the best reply to the pool potentials.
    ///
    /// A shift of all g by t multiplies all T_ij by e^(θt/ε) if f follows, and the target by e^(−t/ρ), so the best one is
    /// known without a pass. (Séjourné, Vialard and Peyré, arXiv 2201.00730.) D rises with both.
    pub(crate) fn sinkhorn(&self, point: &Point) -> Vec<f64> {
        let (curvature, epsilon) = (self.penalty.curvature(), self.penalty.epsilon);
        let rate = self.penalty.theta() / epsilon + (curvature - 1.0 / epsilon);
        let log_sum = |terms: &[f64]| exp::ln(terms.iter().sum::<f64>().max(f64::MIN_POSITIVE));
        let lack = log_sum(&point.target) - log_sum(&point.sums.columns);
        let (shift, lack) = if rate > 0.0 && lack.is_finite() { (lack / rate, lack) } else { (0.0, 0.0) };
        let step = |j: usize| shift + (point.log_residual(j, self.measures, &self.penalty) - lack) / curvature;
        point.g.iter().enumerate().map(|(j, g)| g + step(j)).collect()
    }

    /// How much D rises at least with Sinkhorn's step: by the best reply of the queries, without the shift.
    pub(crate) fn sure_rise(&self, point: &Point) -> f64 {
        let Penalty { epsilon, .. } = self.penalty;
        let rise = |j: usize| {
            let (g, b, t) = (point.g[j], self.measures.queries[j], point.sums.columns[j]);
            let step = point.log_residual(j, self.measures, &self.penalty) / self.penalty.curvature();
            b * (self.penalty.gain(g + step) - self.penalty.gain(g)) - epsilon * t * exp::exp_m1(step / epsilon)
        };
        (0..point.g.len()).map(rise).sum()
    }
}

/// Rows drawn for second derivatives, times M, per row of all.
const DRAWS: usize = 6;

/// Rows that must be drawn for each query, so that the matrix is right to a tenth or better.
const ENOUGH: usize = 64;

/// Notices that an iteration gets nowhere.
pub(crate) struct Patience {
    best: f64,
    since: u64,
}

/// Passes without a better residual or dual value after which it is stuck.
const PATIENCE: u64 = 300;

impl Patience {
    pub(crate) fn new() -> Self {
        Self { best: f64::INFINITY, since: 0 }
    }

    /// Whether to give up at this point, after which `rise` is how much D rose.
    pub(crate) fn ends(&mut self, point: &Point, rise: f64) -> bool {
        let better = point.residual < 0.999 * self.best || rise > point.noise;
        self.best = self.best.min(point.residual);
        self.since = if better { 0 } else { self.since + 1 };
        self.since > PATIENCE
    }
}
