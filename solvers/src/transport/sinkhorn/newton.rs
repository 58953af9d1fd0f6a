//! Newton's method on the logarithms of the query marginals, kept going uphill by Sinkhorn's.
//!
//! With A = diag(T_.j (1 + ε/ρ_query)) − (1 − θ) Σ_i T_i. T_i.ᵀ/T_i, which is −ε times the second derivative of D where
//! the marginals fit, the direction is A⁻¹ [ε T_.j ln(b_j q'/T_.j)]: with the diagonal alone it would be Sinkhorn's.
//!
//! Globalisation. A trial point is accepted if D rises by at least [`SHARE`] of what Sinkhorn's step from the same point
//! is sure to add ([`Dual::sure_rise`], known without a pass); else with more of Levenberg's damping; else Sinkhorn's
//! step is taken. So every step adds at least that share of the sure rise of the best reply of the queries (to the
//! point, or to the point shifted). These rises are not negative, and their sum is bounded by the optimum less D at the
//! start: they tend to 0, and with them the marginal error, since for hard marginals the sure rise is ε KL(b | T_.j) and
//! ‖b − T_.j‖₁² ≤ (⅔ Σ b + 4/3 Σ T_.j) KL (generalised Pinsker). Where rises drown in rounding, a trial point that halves the residual
//! without D falling by more than rounding is accepted too; that cannot go on for ever either.
//!
//! Near the solution, where the matrix costs more than a pass, one matrix serves several steps (chord steps) as long as each leaves
//! little of the residual; the same test accepts them.

use super::dual::{Dual, End, Goal, Patience, Point};
use super::pass::{self, Ask};
use super::penalty::Penalty;
use crate::watch::Stopped;

/// Share of the sure rise that a step must bring.
const SHARE: f64 = 0.25;

/// Step lengths tried along Newton's direction, each half of the one before.
const HALVINGS: usize = 1;

/// Damping of Newton's matrix, relative to its diagonal: from none to a step close to Sinkhorn's.
const LEAST_DAMPING: f64 = 1e-12;
const MOST_DAMPING: f64 = 1.0;

/// Multiplications up to which the matrix is computed in `f64` at once.
const SMALL: usize = 1 << 24;

/// Residual below which a step that leaves more than `SLOW` of it is poor.
const NEAR: f64 = 0.01;
const SLOW: f64 = 0.5;

/// Residual from which Newton's step leads near.
const NEARLY: f64 = 0.3;

/// Contraction of Sinkhorn's method above which a cheap matrix still pays.
const CHEAP: f64 = 1e-3;

/// Residual below which a matrix that costs more than a pass serves for further steps, and what each must leave at most.
const CHORD: f64 = 0.01;
const CHORD_RATE: f64 = 0.1;

/// Solves a positive definite system in place, or says that it is none.
pub(crate) type NewtonFactor = fn(&mut [f64], &mut [f64]) -> bool;

/// What goes on from one ε to the next.
pub(crate) struct Newton {
    damping: f64,
    factor: NewtonFactor,
    /// Whether second derivatives have to be in `f64`.
    exact: bool,
    /// Rows that they are estimated from while that is good enough, or 0.
    draws: usize,
    /// Whether the last step, as far as it can be foreseen, collects ln s of all rows and the cost of the plan.
    ends_with_rows: bool,
    /// Second derivatives of an earlier point that are still good for a direction; else empty.
    kept: Vec<f64>,
    /// What the last step left of the residual.
    rate: f64,
}

impl Newton {
    pub(crate) fn new(factor: NewtonFactor, ends_with_rows: bool) -> Self {
        Self {
            damping: LEAST_DAMPING,
            factor,
            exact: false,
            draws: usize::MAX,
            ends_with_rows,
            kept: Vec::new(),
            rate: 1.0,
        }
    }

    /// Iterates from `g` until the goal is met.
    pub(crate) fn run(&mut self, dual: &mut Dual<'_, f64>, g: Vec<f64>, goal: Goal) -> Result<(Point, End), Stopped> {
        let point = self.look(dual, g)?;
        self.go_on(dual, point, goal)
    }

    /// The point at `g`, with what the first step needs.
    pub(crate) fn look(&mut self, dual: &mut Dual<'_, f64>, g: Vec<f64>) -> Result<Point, Stopped> {
        let (n, m) = (dual.measures.rows.len(), g.len());
        self.exact |= n * m * m <= SMALL;
        self.draws = self.draws.min(dual.draws());
        (self.kept, self.rate) = (Vec::new(), 1.0);
        dual.evaluate(g, if self.is_of_use(&dual.penalty) { self.matrix(false) } else { Ask::Sums })
    }

    /// Second derivatives, good enough to come `near` the solution with.
    fn matrix<'r>(&self, near: bool) -> Ask<'r> {
        Ask::Outer { exact: self.exact, draws: if near || self.exact { 0 } else { self.draws } }
    }

    /// Whether Newton's step brings more than its matrix costs.
    fn is_of_use(&self, penalty: &Penalty) -> bool {
        is_of_use(penalty) || self.draws > 0 && penalty.contraction() > CHEAP
    }

    /// Iterates from a point that was evaluated at the present ε.
    pub(crate) fn go_on(
        &mut self,
        dual: &mut Dual<'_, f64>,
        mut point: Point,
        goal: Goal,
    ) -> Result<(Point, End), Stopped> {
        let newton = self.is_of_use(&dual.penalty);
        let (mut wait, mut patience) = (0usize, 1usize);
        let mut stuck = Patience::new();
        loop {
            if point.residual <= goal.tolerance {
                return Ok((point, End::Met));
            }
            if dual.passes >= goal.limit {
                return Ok((point, End::Limit));
            }
            let before = point.dual;
            let chord = if newton && wait == 0 { self.chord(dual, &point, goal)? } else { None };
            if let Some(next) = chord {
                point = next;
                if stuck.ends(&point, point.dual - before) {
                    return Ok((point, End::Stuck));
                }
                continue;
            }
            let next = if newton && wait == 0 { self.step(dual, &point, goal)? } else { None };
            // Near the solution steps that bring little are the fault of a matrix with too few digits.
            let poor = next.as_ref().is_none_or(|next| next.residual > SLOW * point.residual);
            let refine = newton && wait == 0 && !self.exact && poor && point.residual < NEAR;
            if refine && self.draws > 0 {
                self.draws = 0;
            } else {
                self.exact |= refine;
            }
            if let Some(next) = next {
                self.rate = next.residual / point.residual;
                let used = std::mem::replace(&mut point, next).sums.outer;
                patience = 1;
                if !self.exact && point.sums.outer.is_empty() && self.rate <= CHORD_RATE {
                    self.kept = used;
                }
                if refine {
                    point.sums.outer.clear();
                }
            } else {
                if newton && wait == 0 {
                    wait = patience;
                    patience = (2 * patience).min(16);
                }
                wait = wait.saturating_sub(1);
                if dual.passes >= goal.limit {
                    return Ok((point, End::Limit));
                }
                // Is this the last step?
                let last = dual.penalty.contraction() * point.residual <= goal.tolerance;
                let next = dual.sinkhorn(&point);
                let ask = match (newton && wait == 0, last && self.ends_with_rows) {
                    (_, true) => Ask::Rows,
                    (true, false) => self.matrix(false),
                    (false, false) => Ask::Sums,
                };
                point = dual.evaluate(next, ask)?;
            }
            if stuck.ends(&point, point.dual - before) || !point.dual.is_finite() {
                return Ok((point, End::Stuck));
            }
        }
    }

    /// A step with the matrix of an earlier point, as long as that serves. It errs by about the residual there, so
    /// every step leaves about that share of its own, for the price of a pass without second derivatives.
    fn chord(&mut self, dual: &mut Dual<'_, f64>, point: &Point, goal: Goal) -> Result<Option<Point>, Stopped> {
        if self.kept.is_empty() || !point.is_sound() {
            return Ok(None);
        }
        let matrix = std::mem::take(&mut self.kept);
        let (mut system, mut direction) = system(dual, point, &matrix);
        let stiffness = dual.penalty.epsilon * dual.penalty.curvature();
        let m = point.g.len();
        for (i, column) in point.sums.columns.iter().enumerate() {
            system[i * m + i] += column * stiffness * (1.0 + LEAST_DAMPING);
        }
        let last = self.ends_with_rows && self.rate * point.residual <= goal.tolerance;
        let ask = if last { Ask::Rows } else { Ask::Sums };
        if !(self.factor)(&mut system, &mut direction) {
            return Ok(None);
        }
        let next = climb(dual, point, &direction, goal, ask)?;
        if let Some(next) = &next {
            self.rate = next.residual / point.residual;
            if self.rate <= CHORD_RATE {
                self.kept = matrix;
            }
        }
        Ok(next)
    }

    /// A step along Newton's direction that raises D, if there is one.
    fn step(&mut self, dual: &mut Dual<'_, f64>, point: &Point, goal: Goal) -> Result<Option<Point>, Stopped> {
        if !point.is_sound() {
            return Ok(None);
        }
        let evaluated;
        let outer = if point.sums.outer.is_empty() {
            evaluated = dual.evaluate(point.g.clone(), self.matrix(is_of_use(&dual.penalty)))?;
            &evaluated.sums.outer
        } else {
            &point.sums.outer
        };
        let (matrix, wanted) = system(dual, point, outer);
        let m = point.g.len();
        let stiffness = dual.penalty.epsilon * dual.penalty.curvature();
        let columns = &point.sums.columns;
        // Levenberg's damping: the first value that leads upwards is used, and eased again at the next step.
        self.damping = (self.damping * 1e-4).max(LEAST_DAMPING);
        // Convergence is quadratic if the matrix is right: will there be a next step, to ask for its matrix in the same pass?
        let rate = if self.rate > CHORD_RATE {
            1.0
        } else if self.draws > 0 && !is_of_use(&dual.penalty) {
            self.rate
        } else {
            self.rate * self.rate
        };
        let last = point.residual * rate.min(point.residual) <= goal.tolerance;
        let near = !self.exact && point.residual <= CHORD;
        // The matrix of the next point, if it will serve to the end, is worth all rows where it matters much.
        let nearly = point.residual <= NEARLY && is_of_use(&dual.penalty);
        let mut first = true;
        while self.damping <= MOST_DAMPING {
            let mut system = matrix.clone();
            for i in 0..m {
                system[i * m + i] += columns[i] * stiffness * (1.0 + self.damping);
            }
            let mut direction = wanted.clone();
            let ask = match (std::mem::take(&mut first), last) {
                (true, true) if self.ends_with_rows => Ask::Rows,
                (true, false) if !near => self.matrix(nearly),
                _ => Ask::Sums,
            };
            if (self.factor)(&mut system, &mut direction)
                && let Some(next) = climb(dual, point, &direction, goal, ask)?
            {
                return Ok(Some(next));
            }
            self.damping *= 100.0;
        }
        // Near the solution it may be the damping that leads nowhere: where the plan nearly falls apart, its curvature
        // along some direction is tiny beside the diagonal. The next step begins without.
        if point.residual < NEAR {
            self.damping = LEAST_DAMPING;
        }
        Ok(None)
    }
}

/// What Newton's direction solves: the lower triangle of the matrix but for the diagonal of the query marginals, and
/// the right-hand side.
fn system(dual: &Dual<'_, f64>, point: &Point, outer: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let (m, penalty) = (point.g.len(), dual.penalty);
    let columns = &point.sums.columns;
    let average = columns.iter().sum::<f64>() / m as f64;
    // D is flat along the constants in the balanced problem; any positive curvature there will do.
    let flat = if penalty.is_balanced() { average / m as f64 } else { 0.0 };
    let mut matrix = vec![0.0; m * m];
    for (i, (to, from)) in matrix.chunks_exact_mut(m).zip(outer.chunks_exact(pass::stride(m))).enumerate() {
        for (to, from) in to[..=i].iter_mut().zip(from) {
            *to = flat - (1.0 - penalty.theta()) * from;
        }
    }
    let wanted: Vec<f64> =
        (0..m).map(|j| penalty.epsilon * columns[j] * point.log_residual(j, dual.measures, &penalty)).collect();
    (matrix, wanted)
}

/// Where Sinkhorn's method contracts fast, nothing is faster, unless the matrix costs next to nothing.
pub(crate) fn is_of_use(penalty: &Penalty) -> bool {
    penalty.contraction() > 0.2
}

/// The longest tried step along `direction` that raises D enough, if there is one.
fn climb(
    dual: &mut Dual<'_, f64>,
    point: &Point,
    direction: &[f64],
    goal: Goal,
    mut ask: Ask<'_>,
) -> Result<Option<Point>, Stopped> {
    let slopes = point.target.iter().zip(&point.sums.columns).zip(direction);
    let slope: f64 = slopes.map(|((b, t), p)| (b - t) * p).sum();
    if slope <= 0.0 || slope.is_nan() {
        return Ok(None);
    }
    let sure = SHARE * dual.sure_rise(point);
    let mut length = 1.0;
    for _ in 0..=HALVINGS {
        if dual.passes >= goal.limit {
            return Ok(None);
        }
        let g = point.g.iter().zip(direction).map(|(g, p)| g + length * p).collect();
        let next = dual.evaluate(g, std::mem::replace(&mut ask, Ask::Sums))?;
        let rises = next.dual >= point.dual + sure && next.dual > point.dual + point.noise;
        let settles = next.residual <= 0.5 * point.residual && next.dual >= point.dual - point.noise;
        if next.is_sound() && (rises || settles) {
            return Ok(Some(next));
        }
        length *= 0.5;
    }
    Ok(None)
}
