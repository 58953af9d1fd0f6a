//! Flags that say which transport problem is meant and who is to solve it.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use kantor_solvers::SolverSettings;
use kantor_solvers::registry::{self, SOLVERS, SolverEntry};
use kantor_theory::TransportProblem;
use kantor_theory::transport_problem::{Marginal, Reference};

use super::count::count;
use super::failure::Failure;
use super::settings::ENTROPY;

/// Share of a row's mass below which an entry is left out of a written plan.
const THRESHOLD: f64 = 1e-6;

/// Which problem, which solver, and what to write of the solution.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Solver")]
pub(super) struct SolverArguments {
    /// Who solves it: see `kantor solvers` [default: exact]
    #[arg(long, value_name = "NAME", value_parser = PossibleValuesParser::new(SOLVERS.iter().map(|entry| entry.name)))]
    solver: Option<String>,
    /// Strength ε of the entropy ε·KL(π | reference), in units of the cost; 0 leaves it out
    #[arg(long, value_name = "E", default_value_t = 0.0)]
    epsilon: f64,
    /// How the rows' masses are held to their weights: hard, kl:RHO, tv:RHO (penalties) or capacity:L (at most L times)
    #[arg(long, value_name = "HOW", default_value = "hard", value_parser = marginal)]
    pool_marginal: Marginal,
    /// The same for the queries' masses
    #[arg(long, value_name = "HOW", default_value = "hard", value_parser = marginal)]
    query_marginal: Marginal,
    /// Reference measure of the entropy: the product of the weights, or counting
    #[arg(long, value_name = "MEASURE", default_value = "product", value_parser = reference_parser())]
    reference: Reference,
    /// Largest residual, or relative gap, at which to stop
    #[arg(long, value_name = "X", default_value_t = SolverSettings::default().tolerance)]
    tolerance: f64,
    /// Iterations at most
    #[arg(long, value_name = "COUNT", default_value_t = SolverSettings::default().iterations, value_parser = count::<u64>)]
    iterations: u64,
    /// Rank of the kernel's approximation
    #[arg(long, value_name = "R", default_value_t = SolverSettings::default().rank, value_parser = count::<usize>)]
    rank: usize,
    /// Directions of projection
    #[arg(long, value_name = "COUNT", default_value_t = SolverSettings::default().directions, value_parser = count::<usize>)]
    directions: usize,
    /// Seed of random choices
    #[arg(long, default_value_t = SolverSettings::default().seed)]
    seed: u64,
    /// Print the Sinkhorn divergence too: the value without what rows and queries cost to themselves
    #[arg(long)]
    pub(super) divergence: bool,
    /// Write the plan to this file (.safetensors: indptr, indices, values of a matrix compressed by rows)
    #[arg(long, value_name = "FILE")]
    pub(super) plan: Option<PathBuf>,
    /// Leave out of the written plan what is less than this share of its row's mass
    #[arg(long, value_name = "X", default_value_t = THRESHOLD, requires = "plan")]
    pub(super) threshold: f64,
    /// Write the plan that proves the upper bound, whose marginals are exact, instead of the solver's own
    #[arg(long, requires = "plan")]
    pub(super) rounded: bool,
    /// Write what the solver did to this file, one JSON object per iteration
    #[arg(long, value_name = "FILE")]
    pub(super) trace: Option<PathBuf>,
}

impl SolverArguments {
    /// Whether plain exact transport is asked for and nothing but its interval.
    pub(super) fn are_default(&self) -> bool {
        let plain = (self.pool_marginal, self.query_marginal) == (Marginal::Hard, Marginal::Hard);
        let bare = self.plan.is_none() && self.trace.is_none() && !self.divergence;
        self.solver.is_none() && self.epsilon == 0.0 && plain && bare
    }

    /// What was changed, with the names by which the registry says who reads it.
    pub(super) fn changed(&self) -> [(&'static str, &'static str, bool); 6] {
        let default = SolverSettings::default();
        [
            ("tolerance", "tolerance", self.tolerance != default.tolerance),
            ("iterations", "iterations", self.iterations != default.iterations),
            ("rank", "rank", self.rank != default.rank),
            ("directions", "directions", self.directions != default.directions),
            ("seed", "seed", self.seed != default.seed),
            ("reference", ENTROPY, self.reference != Reference::Product),
        ]
    }

    /// Whether a threshold was given for a plan of which nothing is left out.
    pub(super) fn is_threshold_idle(&self) -> bool {
        self.rounded && self.threshold != THRESHOLD
    }

    /// The solver.
    pub(super) fn entry(&self) -> Result<&'static SolverEntry, Failure> {
        let name = self.solver.as_deref().unwrap_or(SOLVERS[0].name);
        registry::solver(name).ok_or_else(|| Failure::Usage(format!("there is no solver `{name}`")))
    }

    /// How hard it is to work, within `memory` bytes.
    pub(super) fn effort(&self, memory: u64) -> Result<SolverSettings, Failure> {
        if !(self.tolerance > 0.0 && self.tolerance.is_finite()) {
            return Err(Failure::Usage(format!("--tolerance {}: it must be positive and finite", self.tolerance)));
        }
        if !(0.0..1.0).contains(&self.threshold) {
            return Err(Failure::Usage(format!("--threshold {}: it must be at least 0 and below 1", self.threshold)));
        }
        let Self { tolerance, iterations, rank, directions, seed, .. } = *self;
        for (flag, count) in [("--rank", rank), ("--directions", directions)] {
            if !(1..=1 << 20).contains(&count) {
                return Err(Failure::Usage(format!("{flag} {count}: it must lie between 1 and {}", 1 << 20)));
            }
        }
        Ok(SolverSettings { tolerance, iterations, rank, directions, seed, memory })
    }

    /// Puts penalties, entropy and reference into `problem`.
    pub(super) fn apply<'a>(&self, problem: TransportProblem<'a>) -> TransportProblem<'a> {
        let Self { pool_marginal: pool, query_marginal: query, epsilon, reference, .. } = *self;
        TransportProblem { pool, query, epsilon, reference, ..problem }
    }
}

/// Reads `hard`, `kl:RHO`, `tv:RHO` or `capacity:L`.
fn marginal(text: &str) -> Result<Marginal, String> {
    let (kind, number) = text.split_once(':').map_or((text, None), |(kind, number)| (kind, Some(number)));
    let rule = || String::from("say hard, kl:RHO, tv:RHO or capacity:L");
    if (kind, number) == ("hard", None) {
        return Ok(Marginal::Hard);
    }
    let number: f64 = number.and_then(|number| number.parse().ok()).ok_or_else(rule)?;
    match kind {
        // The limit of both penalties.
        "kl" | "tv" if number == f64::INFINITY => Ok(Marginal::Hard),
        "kl" => Ok(Marginal::Kl(number)),
        "tv" => Ok(Marginal::Tv(number)),
        "capacity" => Ok(Marginal::Capacity(number)),
        _ => Err(rule()),
    }
}

fn reference_parser() -> impl TypedValueParser<Value = Reference> {
    PossibleValuesParser::new(["product", "counting"]).map(|name| match &name[..] {
        "counting" => Reference::Counting,
        _ => Reference::Product,
    })
}
