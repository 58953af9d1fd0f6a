//! Unseen queries unasked: where selecting by folds costs little, a comparison shows what is left of a lead.

use kantor_solvers::SelectError;
use kantor_theory::Rows;

use crate::pipeline::{Error, Inputs, Outcome, Request, choose_from};
use crate::problem::Problem;
use kantor_solvers::Watch;

/// Folds that nobody asked for.
const FOLDS: usize = 5;

/// Queries below which folds say nothing.
const FEW: usize = 50;

/// Multiplications of the passes over the pool that are spent on them at most, for all methods together: about a second of a
/// processor.
const CHEAP: f64 = 1e10;

/// Methods that take many times what a pass over the pool takes: they swap rows, look at densities of all pairs, or run others. On the bundled
/// data, five folds of the others take half of what the rest of the comparison takes; of `swap` alone, forty times as much.
const SLOW: [&str; 5] = ["swap", "energy", "mmd", "kde-ratio", "auto"];

/// Chooses and certifies; with folds if those are asked for, or cost little.
pub(super) fn choose(
    inputs: &Inputs,
    problem: &Problem<'_>,
    request: &Request,
    watch: &dyn Watch,
) -> Result<Outcome, Error> {
    match request.cross_fit {
        Some(0) => choose_from(inputs, problem, &Request { cross_fit: None, ..request.clone() }, watch),
        None if is_cheap(problem, request) => {
            let folded = Request { cross_fit: Some(FOLDS), ..request.clone() };
            match choose_from(inputs, problem, &folded, watch) {
                Err(Error::Selector(SelectError::Stopped(stopped))) => Err(stopped.into()),
                // A method may not work by fewer queries; nobody asked for that.
                Err(_) => choose_from(inputs, problem, request, watch),
                found => found,
            }
        }
        _ => choose_from(inputs, problem, request, watch),
    }
}

/// Whether it costs little: every method passes over the pool once a fold, and selections are measured twice.
fn is_cheap(problem: &Problem<'_>, request: &Request) -> bool {
    let (n, m) = (problem.geometry().pool_len() as f64, problem.queries().len());
    let dim = problem.pool().map_or(1, Rows::dim) as f64;
    let chosen: usize = problem.goal().budgets.iter().sum();
    let methods = request.methods.len() as f64;
    let work = FOLDS as f64 * methods * m as f64 * (n + 2.0 * chosen as f64) * dim;
    let slow = request.methods.iter().any(|name| SLOW.contains(&name.as_str()));
    m >= FEW && !slow && problem.tasks().is_empty() && request.balance.is_none() && work <= CHEAP
}
