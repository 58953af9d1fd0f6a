//! The bound for every subset of the size of one that is given.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use kantor_solvers::Watch;
use kantor_theory::{BestBound, Geometry};

use crate::pipeline::{Error, Inputs, Prepared, Request};
use crate::problem::Problem;
use crate::view::terminal::tell;

use super::args::RunArguments;
use super::failure::Failure;

/// Multiplications that are not spent on a bound that nobody asked for: some seconds of a processor.
const MANY: f64 = 1e11;

/// When to prove it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    /// Where it takes at most [`MANY`] multiplications.
    Auto,
    /// Whatever it takes.
    Always,
    /// Not at all.
    Never,
}

impl When {
    pub(super) fn parser() -> impl TypedValueParser<Value = Self> {
        PossibleValuesParser::new(["auto", "always", "never"]).map(|word| match &word[..] {
            "always" => Self::Always,
            "never" => Self::Never,
            _ => Self::Auto,
        })
    }
}

/// Proves how close any subset of `size` rows can be, for which `problem` asks. Where `auto` leaves it out, that is said.
pub(super) fn of_size(
    size: usize,
    inputs: &Inputs,
    problem: &Problem<'_>,
    when: When,
    run: &RunArguments,
    watch: &dyn Watch,
) -> Result<Option<BestBound>, Failure> {
    let leave_out = |why: &str| {
        if !run.quiet {
            tell(format_args!("kantor: note: the bound for every subset of that size is left out: {why}"));
        }
        Ok(None)
    };
    if when == When::Never {
        return Ok(None);
    }
    let auto = when == When::Auto;
    if auto && multiplications(problem.geometry(), size) > MANY {
        return leave_out("it takes more than 10¹¹ multiplications; `--best always` asks for it");
    }
    // What it needs of the pass over the pool is what the bound needs.
    let request = Request { methods: vec!["optimal".to_owned()], ..run.request() };
    let request = inputs.within(&request);
    match Prepared::new(problem, &request, watch).map_err(|error| inputs.named(error, problem.goal().cost)) {
        Ok(prepared) => Ok(prepared.best(size).cloned()),
        Err(Error::Memory { needed, allowed } | Error::BoundMemory { needed, allowed }) if auto => {
            leave_out(&format!("it takes about {needed} bytes but --max-memory allows {allowed}"))
        }
        // Here no other flag leaves it out.
        Err(Error::BoundMemory { needed, allowed }) => Err(Error::Memory { needed, allowed }.into()),
        Err(error) => Err(error.into()),
    }
}

/// Of the pass over the pool and of the search for the best subset, at most.
fn multiplications(geometry: &Geometry<'_>, size: usize) -> f64 {
    // Of a size in tokens no more rows than there are.
    let (n, m, k) = (geometry.pool_len(), geometry.query_len() as f64, size.min(geometry.pool_len()) as f64);
    let n = n as f64;
    let dim = geometry.points().map_or(1.0, |rows| rows.dim() as f64);
    n * m * dim + k * m * m
}
