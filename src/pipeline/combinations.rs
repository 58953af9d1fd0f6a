//! What is asked for together and has no proof together.

use kantor_theory::{Objective, Power, Quality};

use super::{Error, Request};
use crate::constraints::Rules;
use crate::problem::Problem;

/// Refuses what does not go together.
///
/// # Errors
/// Names both.
pub(super) fn check(problem: &Problem<'_>, request: &Request, objective: Objective) -> Result<(), Error> {
    let goal = problem.goal();
    let diverse = matches!(objective, Objective::Tsds { .. });
    let refuse = |fault: &str| Err(Error::Request(fault.to_owned()));
    if objective != Objective::W && goal.power != Power::One {
        let other = if diverse { "--diversity" } else { goal.objective.name() };
        return refuse(&format!("--p 2 goes with --objective w only, not with {other}"));
    }
    let quality = problem.rules().and_then(Rules::valued);
    let in_tokens = problem.rules().is_some_and(Rules::are_in_tokens);
    if !problem.tasks().is_empty() {
        check_worst(problem, request, objective)?;
    }
    if diverse && problem.query_weights().is_some() {
        return refuse(
            "--diversity goes with queries of equal weights only: leave out one of --diversity and --query-weights",
        );
    }
    if diverse && quality.as_ref().is_some_and(|Quality { weight, .. }| *weight != 0.0) {
        return refuse(
            "--quality goes with the objectives w, energy and mmd, of which --diversity makes another: leave out one of both",
        );
    }
    if in_tokens {
        check_in_tokens(request, objective)?;
    }
    Ok(())
}

/// Refuses what is not known of budgets in tokens: groups take turns by rows, and the rows of a regularised problem have any mass.
fn check_in_tokens(request: &Request, objective: Objective) -> Result<(), Error> {
    let flag = match objective {
        _ if request.balance.is_some() => "--balance-groups",
        Objective::Tsds { .. } => "--diversity",
        Objective::W | Objective::Energy | Objective::Mmd(_) => return Ok(()),
    };
    Err(Error::Request(format!(
        "{flag} goes with budgets in rows only, not with --token-budget: leave one of both out"
    )))
}

/// Refuses what is not for the worst of several tasks.
fn check_worst(problem: &Problem<'_>, request: &Request, objective: Objective) -> Result<(), Error> {
    if objective != Objective::W {
        let diverse = matches!(objective, Objective::Tsds { .. });
        let other =
            if diverse { "--diversity".to_owned() } else { format!("--objective {}", problem.goal().objective.name()) };
        return Err(Error::Request(format!(
            "--aggregate worst is proved for --objective w without --diversity only: leave out one of it and {other}"
        )));
    }
    if request.balance.is_some() {
        let fault =
            "--balance-groups chooses for every group alone, which is not for --aggregate worst: leave out one of them";
        return Err(Error::Request(fault.to_owned()));
    }
    Ok(())
}
