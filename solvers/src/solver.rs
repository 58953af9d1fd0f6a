//! The trait behind which all transport solvers stand, and what they return.

use kantor_theory::transport_problem::BadProblem;
use kantor_theory::{Status, TransportProblem};
use sprs::CsMat;

use crate::transport::exact::{TransportError, WeightError};
use crate::watch::Watch;

/// Dual variables, in units of c^p. A warm start for any solver of a problem on the same points, at any ε; `query` alone
/// is a start on any rows. They are finite at points of weight 0 too, where they say what a little mass would cost.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Potentials {
    /// f, one per row that takes part.
    pub pool: Vec<f64>,
    /// g, one per query.
    pub query: Vec<f64>,
}

/// Where the mass goes.
#[derive(Debug, Clone, PartialEq)]
pub enum Plan {
    /// π_ij = r_ij exp((f_i + g_j − c_ij^p)/ε) for the potentials f, g and the reference r of the problem where both
    /// weights are positive, 0 elsewhere (whatever the reference): never stored.
    Gibbs,
    /// Masses by row (taking part) and query, compressed by rows.
    Sparse(CsMat<f64>),
    /// The solver bounds a value without finding a plan.
    Absent,
}

/// Σ|x − w| of the two marginals of the plan, where they are hard; elsewhere the violation of the optimality condition
/// that takes its place.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Residuals {
    /// Of the rows.
    pub pool: f64,
    /// Of the queries.
    pub query: f64,
}

impl Residuals {
    /// The larger one.
    pub fn largest(&self) -> f64 {
        self.pool.max(self.query)
    }
}

/// What a solver found. It is returned whatever happened: the status says how far to trust it.
#[derive(Debug, Clone, PartialEq)]
pub struct Solution {
    /// `optimal` if the tolerance was met (nothing is proved yet), else why it stopped.
    pub status: Status,
    /// The best potentials found.
    pub potentials: Potentials,
    /// The plan that belongs to them.
    pub plan: Plan,
    /// Objective of a feasible plan, in `f64`: at least the optimum up to rounding; +∞ if none was found.
    pub primal: f64,
    /// Dual objective, in `f64`: at most the optimum up to rounding; −∞ if none was found.
    pub dual: f64,
    /// ⟨c^p, π⟩ of the plan; NaN without one.
    pub transport: f64,
    /// What is left of the marginal errors.
    pub residuals: Residuals,
    /// Iterations in the solver's own unit.
    pub iterations: u64,
}

/// One iteration, as observers see it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// Counts from 1.
    pub iteration: u64,
    /// ε at this iteration, which can be larger than the one wanted.
    pub epsilon: f64,
    /// Largest residual.
    pub residual: f64,
    /// Dual objective.
    pub dual: f64,
}

/// How long and how hard to work. Each solver reads what concerns it.
#[derive(Debug, Clone, PartialEq)]
pub struct SolverSettings {
    /// Largest residual, or relative gap, at which to stop.
    pub tolerance: f64,
    /// Iterations at most.
    pub iterations: u64,
    /// Rank of a kernel approximation.
    pub rank: usize,
    /// Directions of projection.
    pub directions: usize,
    /// Seed of every random choice.
    pub seed: u64,
    /// Bytes that may be allocated beyond the input.
    pub memory: u64,
}

impl Default for SolverSettings {
    fn default() -> Self {
        Self { tolerance: 1e-9, iterations: 10_000, rank: 256, directions: 100, seed: 0, memory: u64::MAX }
    }
}

/// Why a solver did not begin.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SolveError {
    /// The problem makes no sense.
    #[error(transparent)]
    Problem(#[from] BadProblem),
    /// The weights make no measure.
    #[error(transparent)]
    Weights(#[from] WeightError),
    /// The costs cannot be solved on.
    #[error(transparent)]
    Costs(#[from] TransportError),
    /// This solver does not solve this kind of problem.
    #[error("{} {fault}", named(solver))]
    Unsupported {
        /// Its name; or what is made of its solution, such as `the plan`.
        solver: &'static str,
        /// What it cannot do, and the remedy.
        fault: &'static str,
    },
    /// It would take more memory than allowed.
    #[error("{} needs about {needed} bytes but `max-memory` allows {allowed}", named(solver))]
    Memory {
        /// Its name; or what is made of its solution, such as `the plan`.
        solver: &'static str,
        /// Bytes needed.
        needed: u64,
        /// Bytes allowed.
        allowed: u64,
    },
}

/// Refuses what would take more bytes than allowed.
pub(crate) fn within(solver: &'static str, needed: u64, allowed: u64) -> Result<(), SolveError> {
    if needed > allowed { Err(SolveError::Memory { solver, needed, allowed }) } else { Ok(()) }
}

/// What an error speaks of: a solver, whose name is one word, or else what is made of its solution, such as `the plan`.
fn named(name: &str) -> String {
    if name.contains(' ') { name.to_owned() } else { format!("solver `{name}`") }
}

/// Solves transport problems.
///
/// The result does not depend on the number of threads. Object-safe, so that command line, tests and studies loop over
/// one list.
pub trait Solver: Send + Sync {
    /// The name on the command line.
    fn name(&self) -> &'static str;

    /// Solves `problem`, from `start` if that is of use. If the observer asks to stop, what was found by then is
    /// returned with status `interrupted`.
    ///
    /// # Errors
    /// If the problem makes no sense, is of a kind that this solver does not solve, or does not fit into memory.
    fn solve(
        &self,
        problem: &TransportProblem<'_>,
        start: Option<&Potentials>,
        watch: &dyn Watch,
    ) -> Result<Solution, SolveError>;
}

/// What a built-in solver does: it reads of the settings what concerns it.
pub(crate) type Solve =
    fn(&TransportProblem<'_>, Option<&Potentials>, &SolverSettings, &dyn Watch) -> Result<Solution, SolveError>;

/// A solver of this crate with its settings.
#[derive(Debug, Clone)]
pub struct BuiltIn {
    pub(crate) name: &'static str,
    pub(crate) solve: Solve,
    pub(crate) settings: SolverSettings,
}

impl Solver for BuiltIn {
    fn name(&self) -> &'static str {
        self.name
    }

    fn solve(
        &self,
        problem: &TransportProblem<'_>,
        start: Option<&Potentials>,
        watch: &dyn Watch,
    ) -> Result<Solution, SolveError> {
        (self.solve)(problem, start, &self.settings, watch)
    }
}
