//! The solvers `sinkhorn` and `sinkhorn-newton`.

use std::borrow::Cow;

use kantor_theory::transport_problem::Marginal;
use kantor_theory::{Status, TransportProblem};

use super::costs::Costs;
use super::dual::{Dual, End, Goal, Point};
use super::extend;
use super::measures::{Measures, shares};
use super::newton::Newton;
use super::pass::Ask;
use super::penalty::Penalty;
use super::primal;
use super::relax::Relaxed;
use super::schedule;
use super::weight::Weight;
use crate::solver::{BuiltIn, Plan, Potentials, Residuals, Solution, SolveError, SolverSettings};
use crate::transport::linalg::Backend;
use crate::watch::{Quiet, Stopped, Watch};

/// Pairs from which on weights in `f32` save more than they cost.
const BULK: usize = 1 << 20;

/// Residual to which weights in `f32` lead: above what their rounding does to marginals.
const BULK_TOLERANCE: f64 = 1e-6;

/// Sinkhorn's alternating updates with over-relaxation, in the log domain.
///
/// Reads `tolerance` (of the marginals), `iterations` (passes over all pairs) and `memory` (for costs and weights,
/// which are evaluated again where they do not fit).
pub fn sinkhorn(settings: &SolverSettings) -> BuiltIn {
    let solve =
        |problem: &TransportProblem<'_>, start: Option<&Potentials>, settings: &SolverSettings, watch: &dyn Watch| {
            Entropic { name: "sinkhorn", newton: false, settings }.solve(problem, start, watch)
        };
    BuiltIn { name: "sinkhorn", solve, settings: settings.clone() }
}

/// Newton's method in the M query potentials, safeguarded by Sinkhorn's updates. Reads what [`sinkhorn`] reads.
pub fn sinkhorn_newton(settings: &SolverSettings) -> BuiltIn {
    let solve =
        |problem: &TransportProblem<'_>, start: Option<&Potentials>, settings: &SolverSettings, watch: &dyn Watch| {
            Entropic { name: "sinkhorn-newton", newton: true, settings }.solve(problem, start, watch)
        };
    BuiltIn { name: "sinkhorn-newton", solve, settings: settings.clone() }
}

/// What both have in common.
struct Entropic<'e> {
    name: &'static str,
    newton: bool,
    settings: &'e SolverSettings,
}

/// One run on points of positive weight.
pub(super) struct Run<'r> {
    pub(super) costs: &'r Costs<'r>,
    pub(super) measures: &'r Measures,
    pub(super) penalty: Penalty,
    pub(super) goal: Goal,
    pub(super) watch: &'r dyn Watch,
}

/// Where a run begins.
pub(super) enum Start {
    /// Here, at the wanted ε.
    Straight(Vec<f64>),
    /// Here, if a look at the wanted ε says that it is near.
    Given(Vec<f64>),
    /// Here, at a larger ε first, for costs of this range.
    Far(Vec<f64>, f64),
}

/// Where a run came to.
pub(super) struct Reached {
    pub(super) g: Vec<f64>,
    /// What is known at `g` with the best pool potentials at the wanted ε, if anything.
    point: Option<Point>,
    pub(super) end: Result<End, Stopped>,
    passes: u64,
}

impl Entropic<'_> {
    fn penalty(&self, problem: &TransportProblem<'_>) -> Result<Penalty, SolveError> {
        let unsupported = |fault| SolveError::Unsupported { solver: self.name, fault };
        let strength = |marginal| match marginal {
            Marginal::Hard => Ok(f64::INFINITY),
            Marginal::Kl(rho) => Ok(rho),
            Marginal::Tv(_) => {
                Err("takes hard marginals and KL penalties: for TV take `epsilon` 0 and the solver `partial`")
            }
            Marginal::Capacity(_) => {
                Err("takes hard marginals and KL penalties: for capacities take `epsilon` 0 and the solver `exact`")
            }
        };
        let strength = |marginal| strength(marginal).map_err(unsupported);
        let penalty =
            Penalty { epsilon: problem.epsilon, pool: strength(problem.pool)?, query: strength(problem.query)? };
        match (penalty.epsilon > 0.0, penalty.pool.is_infinite() && penalty.query.is_infinite()) {
            (true, _) => Ok(penalty),
            (false, true) => {
                Err(unsupported("solves problems with entropy: take `epsilon` above 0, or the solver `exact`"))
            }
            (false, false) => Err(unsupported("solves problems with entropy: KL penalties need `epsilon` above 0")),
        }
    }

    fn solve(
        &self,
        problem: &TransportProblem<'_>,
        start: Option<&Potentials>,
        watch: &dyn Watch,
    ) -> Result<Solution, SolveError> {
        problem.check()?;
        let penalty = self.penalty(problem)?;
        let (n, m) = (problem.row_count(), problem.geometry.query_len());
        let (a, active) = shares("row", problem.weights.subset.as_deref(), n)?;
        let (b, queries) = shares("query", problem.weights.query.as_deref(), m)?;
        let rows: Option<Cow<'_, [usize]>> = match &active {
            Some(active) => Some(active.iter().map(|&at| problem.row(at)).collect()),
            None => problem.rows.map(Cow::Borrowed),
        };
        let (rows, queries) = (rows.as_deref(), queries.as_deref());
        let measures = Measures::new(a, b, problem.reference, n * m);
        let start = start.filter(|start| start.query.len() == m).map(|start| match queries {
            Some(queries) => queries.iter().map(|&j| start.query[j]).collect(),
            None => start.query.clone(),
        });
        let start = start.filter(|g: &Vec<f64>| g.iter().all(|g| g.is_finite()));

        watch.begin(self.name, self.settings.iterations);
        let costs = Costs::between(problem.geometry, problem.power, rows, queries, self.settings.memory);
        let held = costs.hold_if_dear(watch);
        let stopped = held.is_err();
        let costs = held.unwrap_or(costs);
        let goal = Goal { tolerance: self.settings.tolerance, limit: self.settings.iterations.max(1) };
        let run = Run { costs: &costs, measures: &measures, penalty, goal, watch };
        let begun = if stopped { Err(Stopped) } else { run.begin(start, self.newton) };
        let mut dual = Dual::<f64>::new(&costs, false, &measures, penalty, watch);
        let reached = match begun {
            Ok(start) => run.go(&mut dual, start, self.newton),
            Err(Stopped) => Reached { g: vec![0.0; measures.queries.len()], point: None, end: Err(Stopped), passes: 0 },
        };

        // What was found is completed even if the run was stopped: two passes.
        dual.penalty = penalty;
        dual.watch = &Quiet;
        dual.passes = reached.passes;
        let point = reached.point.unwrap_or_else(|| run.complete(&mut dual, reached.g));
        let found = primal::certify(&mut dual, &point).unwrap_or_else(|Stopped| unreachable!("nobody watches"));
        let sound = point.is_sound() && found.rows.iter().all(|f| f.is_finite());
        let status = match reached.end {
            Err(Stopped) => Status::Interrupted,
            Ok(_) if sound && point.residual <= goal.tolerance => Status::Optimal,
            Ok(End::Limit) => Status::IterationLimit,
            Ok(End::Met | End::Stuck) => Status::NumericalError,
        };
        let f = extend::pool(problem, &penalty, &measures, active.as_deref(), queries, found.rows, &point.g);
        let g = match queries {
            Some(_) => {
                let f: Vec<f64> = match &active {
                    Some(active) => active.iter().map(|&i| f[i]).collect(),
                    None => f.clone(),
                };
                extend::query(problem, &penalty, &measures, rows, queries, &f, point.g)
            }
            None => point.g,
        };
        Ok(Solution {
            status,
            potentials: Potentials { pool: f, query: g },
            plan: Plan::Gibbs,
            primal: found.primal,
            dual: if point.dual.is_nan() { f64::NEG_INFINITY } else { point.dual },
            transport: found.transport,
            residuals: Residuals {
                pool: 0.0,
                query: if point.residual.is_nan() { f64::INFINITY } else { point.residual },
            },
            iterations: dual.passes,
        })
    }
}

impl Run<'_> {
    /// By either method, from where it begins.
    pub(super) fn go(&self, dual: &mut Dual<'_, f64>, start: Start, newton: bool) -> Reached {
        if newton { self.newton(dual, start) } else { self.sinkhorn(dual, start) }
    }

    fn newton(&self, dual: &mut Dual<'_, f64>, start: Start) -> Reached {
        // The certificate of hard marginals takes a pass of its own, which finds the same of the rows.
        let ends_with_rows = self.penalty.pool < f64::INFINITY;
        let mut newton = Newton::new(|matrix, b| Backend::default().solve_positive_definite(matrix, b), ends_with_rows);
        let climb = || {
            let (g, range) = match start {
                Start::Straight(g) => (g, None),
                Start::Far(g, range) => (g, Some(range)),
                Start::Given(g) => {
                    let point = newton.look(dual, g)?;
                    if self.is_near(&point) {
                        return newton.go_on(dual, point, self.goal);
                    }
                    self.back(point).map(|(g, range)| (g, Some(range)))?
                }
            };
            let g = match range {
                Some(range) => schedule::descend(dual, g, range, self.goal, |dual, g, goal| {
                    newton.run(dual, g, goal).map(|(point, _)| point.g)
                })?,
                None => g,
            };
            newton.run(dual, g, self.goal)
        };
        let found = climb().map(|(point, end)| (point.g.clone(), Some(point), end));
        Reached::new(found, dual)
    }

    fn sinkhorn(&self, dual: &mut Dual<'_, f64>, start: Start) -> Reached {
        let mut relaxed = Relaxed::new(self.costs.pool_len());
        let pairs = self.costs.pool_len() * self.costs.query_len();
        let mut start = start;
        if pairs >= BULK && !self.costs.are_lines() {
            let mut bulk = Dual::<f32>::new(self.costs, false, self.measures, self.penalty, self.watch);
            let goal = Goal { tolerance: self.goal.tolerance.max(BULK_TOLERANCE), ..self.goal };
            let found = self.climb(&mut bulk, &mut relaxed, start, goal);
            dual.passes = bulk.passes;
            match Reached::new(found.map(|(g, end)| (g, None, end)), &mut bulk) {
                Reached { g, end: Ok(_), .. } => start = Start::Straight(g),
                stopped => return stopped,
            }
        }
        let found = self.polish(dual, &mut relaxed, start);
        Reached::new(found, dual)
    }

    /// Rounds until the residual with the best pool potentials is within the tolerance too.
    fn polish(
        &self,
        dual: &mut Dual<'_, f64>,
        relaxed: &mut Relaxed,
        start: Start,
    ) -> Result<(Vec<f64>, Option<Point>, End), Stopped> {
        let (mut g, mut end) = self.climb(dual, relaxed, start, self.goal)?;
        let mut goal = self.goal;
        while end == End::Met {
            let point = dual.evaluate(g, Ask::Sums)?;
            if point.residual <= self.goal.tolerance {
                return Ok((point.g.clone(), Some(point), end));
            }
            goal.tolerance *= 0.25;
            (g, end) = relaxed.run(dual, point.g, goal)?;
        }
        Ok((g, None, end))
    }

    fn climb<W: Weight>(
        &self,
        dual: &mut Dual<'_, W>,
        relaxed: &mut Relaxed,
        start: Start,
        goal: Goal,
    ) -> Result<(Vec<f64>, End), Stopped> {
        let (g, range) = match start {
            Start::Straight(g) => (g, None),
            Start::Far(g, range) => (g, Some(range)),
            Start::Given(g) => {
                let point = dual.evaluate(g, Ask::Sums)?;
                if self.is_near(&point) {
                    (point.g, None)
                } else {
                    self.back(point).map(|(g, range)| (g, Some(range)))?
                }
            }
        };
        let g = match range {
            Some(range) => {
                schedule::descend(dual, g, range, goal, |dual, g, goal| relaxed.run(dual, g, goal).map(|(g, _)| g))?
            }
            None => g,
        };
        relaxed.run(dual, g, goal)
    }

    /// The point at `g`, or where nothing can be calculated with it, at zero.
    fn complete(&self, dual: &mut Dual<'_, f64>, g: Vec<f64>) -> Point {
        let g = if g.iter().all(|g| g.is_finite()) { g } else { vec![0.0; g.len()] };
        dual.evaluate(g, Ask::Sums).unwrap_or_else(|Stopped| unreachable!("nobody watches"))
    }
}

impl Reached {
    /// The end, or the best potentials if it was stopped before.
    fn new<W: Weight>(found: Result<(Vec<f64>, Option<Point>, End), Stopped>, dual: &mut Dual<'_, W>) -> Self {
        let passes = dual.passes;
        match found {
            Ok((g, point, end)) => Self { g, point, end: Ok(end), passes },
            Err(Stopped) => Self { g: std::mem::take(&mut dual.best), point: None, end: Err(Stopped), passes },
        }
    }
}
