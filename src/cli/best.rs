//! The bound for every subset of the size of one that is given.

use kantor_theory::{BestBound, Geometry, Power};

use crate::report::progress::Progress;
use crate::report::terminal::tell;
use crate::select::{Error, Inputs, Prepared, Request};

use super::args::RunArguments;
use super::failure::Failure;

/// Multiplications that are not spent on a bound that nobody asked for: some seconds of a processor.
const MANY: f64 = 1e11;

/// Proves how close any subset of `size` rows can be. Unless it was `asked` for, it is left out where it takes too much,
/// and that is said.
pub(super) fn of_size(
    size: usize,
    inputs: &Inputs,
    geometry: &Geometry<'_>,
    power: Power,
    asked: bool,
    run: &RunArguments,
    progress: &Progress,
) -> Result<Option<BestBound>, Failure> {
    let leave_out = |why: &str| {
        if !run.quiet {
            tell(format_args!("kantor: note: the bound for every subset of that size is left out: {why}"));
        }
        Ok(None)
    };
    if !asked && multiplications(geometry, size) > MANY {
        return leave_out("it takes more than 10¹¹ multiplications; --best asks for it");
    }
    let default = Request::default();
    let request = Request {
        // What it needs of the pass over the pool is what the bound needs.
        methods: vec!["optimal".to_owned()],
        budgets: vec![size],
        cost: geometry.cost(),
        power,
        memory: run.max_memory.unwrap_or(default.memory),
        ..default
    };
    match Prepared::new(inputs, geometry, &request, progress) {
        Ok(prepared) => Ok(prepared.best(size).cloned()),
        Err(Error::Memory { needed, allowed } | Error::BoundMemory { needed, allowed }) if !asked => {
            leave_out(&format!("it takes about {needed} bytes but --max-memory allows {allowed}"))
        }
        Err(Error::BoundMemory { needed, allowed }) => Err(Error::Memory { needed, allowed }.into()),
        Err(error) => Err(error.into()),
    }
}

/// Of the pass over the pool and of the search for the best subset, at most.
fn multiplications(geometry: &Geometry<'_>, size: usize) -> f64 {
    let (n, m, k) = (geometry.pool_len() as f64, geometry.query_len() as f64, size as f64);
    let dim = geometry.points().map_or(1.0, |rows| rows.dim() as f64);
    n * m * dim + k * m * m
}
