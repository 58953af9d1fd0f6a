//! `all`: every method that takes the inputs.

use kantor_solvers::registry::{SelectorEntry, all_selectors};
use kantor_solvers::{SelectError, Task, Watch};

use super::Request;
use crate::constraints::Rules;
use crate::problem::Problem;

/// What stands for every method.
pub const ALL: &str = "all";

/// The methods asked for; and if that is all of them, those that do not take one of these problems.
pub(crate) fn every_method(
    problems: &[Problem<'_>],
    request: &Request,
    watch: &dyn Watch,
) -> (Vec<String>, Vec<&'static str>) {
    if !request.methods.iter().any(|name| name == ALL) {
        return (request.methods.clone(), Vec::new());
    }
    let Request { seed, memory, ref settings, .. } = *request;
    // A budget in tokens is not for every method.
    let in_tokens = |problem: &Problem<'_>| problem.rules().is_some_and(Rules::are_in_tokens);
    let set = |problem: &Problem<'_>| problem.feasible(*problem.goal().budgets.first()?).ok().flatten();
    let sets: Vec<_> = problems.iter().map(|problem| set(problem).filter(|_| in_tokens(problem))).collect();
    let takes = |entry: &&SelectorEntry| {
        problems.iter().zip(&sets).all(|(problem, set)| {
            let task = Task { constraints: set.as_ref(), ..problem.task(seed, memory, watch) };
            // Whatever else is wrong shows when the method is asked in earnest.
            !matches!((entry.build)(settings).supports(&task), Err(SelectError::Unsupported { .. }))
        })
    };
    let (taking, others): (Vec<&SelectorEntry>, Vec<&SelectorEntry>) = all_selectors().partition(takes);
    let names = |entries: Vec<&SelectorEntry>| entries.into_iter().map(|entry| entry.name).collect::<Vec<_>>();
    (names(taking).into_iter().map(str::to_owned).collect(), names(others))
}
