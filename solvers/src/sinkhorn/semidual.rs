//! Entropic unbalanced transport as a concave problem in the M query potentials.
//!
//! min ⟨c, T⟩ + ε KL(T | a⊗b) + ρ_pool KL(T1 | a) + ρ_query KL(Tᵀ1 | b) with KL(x|y) = Σ x ln(x/y) − x + y, uniform
//! a and b, and infinite ρ for a hard marginal. Eliminating the pool potentials leaves
//! D(g) = Σ_j b q(g_j) − Σ_i a [ρ (s_i^θ − 1) + ε s_i^θ] + ε,  q(g) = ρ_query (1 − e^{−g/ρ_query}),  θ = ε/(ρ + ε),
//! whose gradient is b q'(g_j) − T_.j. A Sinkhorn step maximises D over all g with the pool potentials fixed; it
//! contracts by ρ/(ρ + ε), so where ρ > ε Newton's direction on ln(b q'/T_.j) is tried first and kept only if D
//! rises, and ε is lowered in steps. Every accepted step raises D up to rounding.

use super::costs::Costs;
use super::exp;
use super::extremes::extremes;
use super::pass::{self, Ask, Kernel, Sums};
use super::penalty::Penalty;
use crate::linalg::fixed;
use crate::watch::{Stopped, Watch};

/// L1 error of the query marginal at which the iteration stops; the marginal sums to 1.
pub const TOLERANCE: f64 = 1e-10;

/// Passes over all pairs after which it gives up.
pub const PASS_LIMIT: usize = 2000;

/// The same for the larger ε on the way to the wanted one.
const WARM_TOLERANCE: f64 = 1e-3;

/// Passes spent on one of the larger ε.
const WARM_LIMIT: usize = 60;

/// Largest ε on the way, relative to the range of the costs.
const WARM_START: f64 = 0.02;

/// Step lengths tried along Newton's direction, each half of the one before.
const HALVINGS: usize = 1;

/// Rows at whose costs the query potentials may start: whole blocks of [`kantor_theory::Geometry`].
const SAMPLE: usize = 960;

/// Damping of Newton's matrix, relative to its diagonal: from none to a step close to Sinkhorn's.
const LEAST_DAMPING: f64 = 1e-12;
const MOST_DAMPING: f64 = 1.0;

/// What the iteration found.
#[derive(Debug, Clone, PartialEq)]
pub struct Transport {
    /// Query potentials g (M), in units of the cost.
    pub potentials: Vec<f64>,
    /// ln s_i (N): larger rows receive more. Never underflows.
    pub log_rows: Vec<f64>,
    /// ln of the pool marginal, ln T_i = ln a + θ ln s_i (N).
    pub log_marginal: Vec<f64>,
    /// D(g): the optimum up to the square of the residual.
    pub objective: f64,
    /// ⟨c, T⟩.
    pub transport: f64,
    /// Σ_j |b q'(g_j) − T_.j|.
    pub residual: f64,
    /// Passes over all pairs.
    pub passes: usize,
    /// Whether the residual fell to [`TOLERANCE`].
    pub converged: bool,
}

/// A point of the iteration and all that a pass says about it.
struct Point {
    g: Vec<f64>,
    sums: Sums,
    /// b q'(g_j).
    target: Vec<f64>,
    residual: f64,
    dual: f64,
}

impl Point {
    fn is_sound(&self) -> bool {
        self.residual.is_finite() && self.dual.is_finite() && self.sums.columns.iter().all(|&t| t > f64::MIN_POSITIVE)
    }

    /// ln (b q'(g_j) / T_.j).
    fn log_residual(&self, j: usize, penalty: &Penalty) -> f64 {
        penalty.log_slope(self.g[j])
            - exp::ln(self.g.len() as f64)
            - exp::ln(self.sums.columns[j].max(f64::MIN_POSITIVE))
    }
}

struct Search<'a> {
    kernel: Kernel<'a>,
    watch: &'a dyn Watch,
    penalty: Penalty,
    passes: usize,
    damping: f64,
}

/// Solves the problem to [`TOLERANCE`] or says that it did not.
///
/// # Errors
/// If the observer asks to stop.
pub fn solve(costs: &Costs<'_>, penalty: Penalty, watch: &dyn Watch) -> Result<Transport, Stopped> {
    watch.begin("unbalanced transport", PASS_LIMIT as u64);
    let (least, _) = extremes(costs, SAMPLE.min(costs.pool_len()), watch)?;
    if starts_anywhere(costs, &penalty, &least) {
        let search = Search { kernel: Kernel::new(costs, true), watch, penalty, passes: 0, damping: LEAST_DAMPING };
        return search.finish(least);
    }
    let costs = &costs.hold(watch)?;
    let (least, range) = extremes(costs, costs.pool_len(), watch)?;
    // Every query starts at its nearest row, where no weight exceeds 1 and no column sum underflows.
    let mut g: Vec<f64> = least.into_iter().map(|c| if c.is_finite() { c } else { 0.0 }).collect();
    let kernel = Kernel::new(costs, false);
    let mut search = Search { kernel, watch, penalty, passes: 1, damping: LEAST_DAMPING };
    if penalty.pool > penalty.epsilon {
        let mut epsilon = WARM_START * range;
        while epsilon > 2.0 * penalty.epsilon && epsilon.is_finite() {
            search.penalty.epsilon = epsilon;
            let limit = search.passes + WARM_LIMIT;
            g = search.run(g, WARM_TOLERANCE, limit)?.g;
            epsilon *= 0.5;
        }
        search.penalty = penalty;
    }
    search.finish(g)
}

/// Whether any rows' costs `g` will do as potentials to start from, and costs are needed once, for the weights.
///
/// Costs that are not negative exceed no potential by more than its own size: if that is at most [`pass::DRIFT`]·ε,
/// nothing overflows, and the reference potentials stay. Below ε costs could not be told from their weights. Newton's
/// method wants weights for several ε.
fn starts_anywhere(costs: &Costs<'_>, penalty: &Penalty, g: &[f64]) -> bool {
    let greatest = g.iter().copied().fold(0.0, f64::max);
    penalty.pool <= penalty.epsilon
        && costs.are_nonnegative()
        && penalty.epsilon <= greatest
        && greatest <= pass::DRIFT * penalty.epsilon
}

impl Search<'_> {
    /// Solves the problem from `g` on and collects what is to be told about it.
    fn finish(mut self, g: Vec<f64>) -> Result<Transport, Stopped> {
        let mut point = self.run(g, TOLERANCE, PASS_LIMIT)?;
        if point.sums.logs.is_empty() {
            point = self.evaluate(point.g, Ask::Rows)?;
        }
        let log_rows = point.sums.logs;
        let log_prior = -exp::ln(log_rows.len() as f64);
        let theta = self.penalty.theta();
        // 0·(−∞) is no number: under a hard pool marginal a row without any finite cost keeps its prior.
        let follow = |log: f64| if theta > 0.0 { theta * log } else { 0.0 };
        Ok(Transport {
            log_marginal: log_rows.iter().map(|&log| log_prior + follow(log)).collect(),
            log_rows,
            objective: point.dual,
            transport: point.sums.transport,
            residual: point.residual,
            passes: self.passes,
            converged: point.residual <= TOLERANCE,
            potentials: point.g,
        })
    }

    fn evaluate(&mut self, g: Vec<f64>, ask: Ask) -> Result<Point, Stopped> {
        let sums = self.kernel.pass(&self.penalty, &g, ask, self.watch)?;
        self.passes += 1;
        self.watch.advance(1)?;
        let share = 1.0 / g.len() as f64;
        let target: Vec<f64> = g.iter().map(|&g| share * exp::exp(self.penalty.log_slope(g))).collect();
        let residual = target.iter().zip(&sums.columns).map(|(b, t)| (b - t).abs()).sum();
        let gain: f64 = g.iter().map(|&g| share * self.penalty.gain(g)).sum();
        let dual = (gain - sums.value) + self.penalty.epsilon;
        Ok(Point { g, sums, target, residual, dual })
    }

    /// Iterates from `g` until the residual is at most `tolerance` or `limit` passes have been made in all.
    fn run(&mut self, g: Vec<f64>, tolerance: f64, limit: usize) -> Result<Point, Stopped> {
        let mut point = self.evaluate(g, Ask::Sums)?;
        let newton = self.penalty.pool > self.penalty.epsilon;
        let (mut wait, mut patience) = (0usize, 1usize);
        // A residual that is no number has not converged.
        while (point.residual > tolerance || point.residual.is_nan()) && self.passes < limit {
            if newton && wait == 0 {
                if let Some(next) = self.newton(&point, limit)? {
                    point = next;
                    patience = 1;
                    continue;
                }
                wait = patience;
                patience = (2 * patience).min(16);
            }
            wait = wait.saturating_sub(1);
            // It contracts by 1 − θ at least: is this the last step?
            let last = (1.0 - self.penalty.theta()) * point.residual <= tolerance;
            point = self.sinkhorn(&point, if last { Ask::Rows } else { Ask::Sums })?;
        }
        Ok(point)
    }

    /// A shift of all potentials by t multiplies all T_ij by e^(θt/ε), so the best shift is known without a pass if the
    /// mass of the queries is given: it is taken first. (Séjourné, Vialard and Peyré, arXiv 2201.00730.)
    fn sinkhorn(&mut self, point: &Point, ask: Ask) -> Result<Point, Stopped> {
        let curvature = self.penalty.curvature();
        let theta = self.penalty.theta();
        let log_mass = exp::ln(point.sums.columns.iter().sum::<f64>().max(f64::MIN_POSITIVE));
        let shifts = self.penalty.query == f64::INFINITY && theta > 0.0 && log_mass.is_finite();
        // The shift is −(ε/θ)·log_mass, and the step from there is longer by ε·log_mass.
        let shift = if shifts { self.penalty.epsilon * (1.0 - 1.0 / theta) * log_mass } else { 0.0 };
        let step = |j: usize| shift + point.log_residual(j, &self.penalty) / curvature;
        let g = point.g.iter().enumerate().map(|(j, g)| g + step(j)).collect();
        self.evaluate(g, ask)
    }

    /// A step along Newton's direction that raises the dual, if there is one.
    fn newton(&mut self, point: &Point, limit: usize) -> Result<Option<Point>, Stopped> {
        let m = point.g.len();
        let outer = self.evaluate(point.g.clone(), Ask::Outer)?.sums.outer;
        let columns = &point.sums.columns;
        let average = columns.iter().sum::<f64>() / m as f64;
        let balanced = self.penalty.pool == f64::INFINITY && self.penalty.query == f64::INFINITY;
        // D is flat along the constants in the balanced problem; any positive curvature there will do.
        let flat = if balanced { average / m as f64 } else { 0.0 };
        let stiffness = self.penalty.epsilon * self.penalty.curvature();
        let mut matrix = vec![0.0; m * m];
        for (i, (to, from)) in matrix.chunks_exact_mut(m).zip(outer.chunks_exact(pass::stride(m))).enumerate() {
            for (to, from) in to[..=i].iter_mut().zip(from) {
                *to = flat - (1.0 - self.penalty.theta()) * from;
            }
        }
        // Levenberg's damping: the first value that leads upwards is used, and eased again at the next step.
        self.damping = (self.damping * 1e-4).max(LEAST_DAMPING);
        while self.damping <= MOST_DAMPING {
            let mut system = matrix.clone();
            for i in 0..m {
                system[i * m + i] += columns[i] * stiffness * (1.0 + self.damping);
            }
            let mut direction: Vec<f64> =
                (0..m).map(|j| self.penalty.epsilon * columns[j] * point.log_residual(j, &self.penalty)).collect();
            if fixed::solve(&mut system, &mut direction)
                && let Some(next) = self.climb(point, &direction, limit)?
            {
                return Ok(Some(next));
            }
            self.damping *= 100.0;
        }
        Ok(None)
    }

    /// The longest tried step along `direction` that raises the dual, if there is one.
    fn climb(&mut self, point: &Point, direction: &[f64], limit: usize) -> Result<Option<Point>, Stopped> {
        let columns = &point.sums.columns;
        let m = columns.len();
        let slope: f64 = (0..m).map(|j| (point.target[j] - columns[j]) * direction[j]).sum();
        if slope <= 0.0 || slope.is_nan() {
            return Ok(None);
        }
        let mut length = 1.0;
        for _ in 0..=HALVINGS {
            if self.passes >= limit {
                return Ok(None);
            }
            let g = point.g.iter().zip(direction).map(|(g, p)| g + length * p).collect();
            let trial = self.evaluate(g, Ask::Sums)?;
            let rounding = 1e-14 * (1.0 + point.dual.abs());
            let rises = trial.dual >= point.dual + 1e-4 * length * slope;
            let settles = trial.residual <= 0.5 * point.residual && trial.dual >= point.dual - rounding;
            if trial.is_sound() && (rises || settles) {
                return Ok(Some(trial));
            }
            length *= 0.5;
        }
        Ok(None)
    }
}
