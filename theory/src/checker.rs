//! The checker: decides whether a certificate's claims follow from its evidence and the input.
//!
//! It takes the statement as given: which distance, cost and budget. It recomputes every cost from the input in `f64`,
//! looks at all pool rows, and evaluates the bounds of that distance with the formulas of [`bounds`](crate::bounds). It knows
//! no solver and reads no file: the caller hands over the rows and says which they are ([`Facts`]).
//!
//! Limit: N·M inner products of length d in `f64`, see [`dot`](crate::dot); for distances of kernels N·(M + L), where L is
//! the number of rows of the witness.

use crate::bounds::{
    BestEvidence, Candidates, DistanceEvidence, Executor, Interval, Witness, best_bound, constrained_best_bound,
    constrained_distance_bound, distance_bound, excess,
};
use crate::certificate::{Certificate, Dropped, Input, Role, check_inputs, check_order, check_schema, kept_rows};
use crate::constraints::{Column, ColumnRecord};
use crate::geometry::Geometry;
use crate::rejection::Rejection;
use crate::statement::Objective;

/// What the caller found out about the rows itself.
///
/// Only where ranges begin and end may be copied from the certificate: the checker compares that with the number of rows.
/// All else must come from the rows. Otherwise a forged certificate could choose its own input: it could drop the best rows,
/// and prove that every subset of the others is far away.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Facts {
    /// The rows in the ranges into which the certificate divides them (of version 1: the files in the order in which
    /// their rows are concatenated); names do not matter.
    pub inputs: Vec<Input>,
    /// The rows that the geometry leaves out: none, or exactly those that
    /// [`row_fault`](crate::geometry::row_fault) finds fault with under the cost. The checker cannot tell, since it does not see
    /// them.
    pub dropped: Dropped,
    /// The columns of which the statement speaks ([`Statement::columns`](crate::Statement::columns)), in that order, with a value
    /// for every pool row as stored.
    pub columns: Vec<Column>,
    /// What each of these columns is called, and the digest of its values.
    pub column_records: Vec<ColumnRecord>,
}

/// What the checker could prove.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Proved {
    /// An interval that contains the distance of the subset, less its quality if the statement has one.
    pub distance: Interval,
    /// A lower bound of the same for every subset of that size.
    pub best: Option<f64>,
}

impl Proved {
    /// How far the subset can be above the best possible one, see [`excess`]; nothing is meant by it where the statement has a
    /// quality.
    pub fn excess(&self) -> Option<f64> {
        excess(self.distance.upper?, self.best?)
    }
}

/// What became of a certificate.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// Every claim holds.
    Verified(Proved),
    /// The evidence proves only this, which is less than claimed.
    Weaker(Proved),
    /// The certificate breaks a rule.
    Rejected(Rejection),
    /// The rows at hand are not those that the certificate speaks of, or the check was stopped.
    CannotCheck(String),
}

impl Verdict {
    /// The word as written in files.
    pub fn name(&self) -> &'static str {
        match self {
            Verdict::Verified(_) => "verified",
            Verdict::Weaker(_) => "weaker",
            Verdict::Rejected(_) => "rejected",
            Verdict::CannotCheck(_) => "cannot-check",
        }
    }

    /// What was proved, if anything.
    pub fn proved(&self) -> Option<Proved> {
        match self {
            Verdict::Verified(proved) | Verdict::Weaker(proved) => Some(*proved),
            Verdict::Rejected(_) | Verdict::CannotCheck(_) => None,
        }
    }

    /// Why it is not simply verified.
    pub fn reason(&self) -> Option<String> {
        match self {
            Verdict::Verified(_) => None,
            Verdict::Weaker(_) => Some("the evidence proves a wider interval than claimed".to_owned()),
            Verdict::Rejected(rejection) => Some(rejection.to_string()),
            Verdict::CannotCheck(reason) => Some(reason.clone()),
        }
    }
}

/// Checks a certificate against the input it names.
///
/// `geometry` must hold the rows of `facts`, concatenated, without the dropped ones: this function sees neither the stored
/// numbers nor the rows that were dropped, and takes [`Facts`] as they are. The verdict does not depend on `executor`;
/// [`sequential`](crate::bounds::sequential) uses one thread. O(N·M·d) time, O(M) memory per task beside the certificate.
pub fn verify(certificate: &Certificate, facts: &Facts, geometry: &Geometry<'_>, executor: Executor<'_>) -> Verdict {
    if let Err(rejection) = check_statement(certificate) {
        return Verdict::Rejected(rejection);
    }
    if let Err(reason) = check_facts(certificate, facts, geometry) {
        return Verdict::CannotCheck(reason);
    }
    match prove(certificate, &facts.columns, geometry, executor) {
        // The executor left tasks out, which says nothing about the certificate.
        Err(rejection) if rejection.rule == "complete" => Verdict::CannotCheck(rejection.to_string()),
        Err(rejection) => Verdict::Rejected(rejection),
        Ok(proved) if implies(&proved, certificate) => Verdict::Verified(proved),
        Ok(proved) => Verdict::Weaker(proved),
    }
}

/// Checks the rules that need no input. [`verify`] does this too. Call it first to read rows by the ranges of a certificate:
/// if it passes, the ranges cover every row once.
///
/// # Errors
/// Names the rule that is broken.
pub fn check_statement(certificate: &Certificate) -> Result<(), Rejection> {
    check_schema(&certificate.schema)?;
    check_inputs(&certificate.schema, &certificate.inputs)?;
    certificate.problem.check_alone()?;
    let (distance, best, evidence) = (certificate.distance, certificate.best, &certificate.evidence);
    let (potentials, plan) = (evidence.distance_potentials.is_some(), evidence.plan.is_some());
    let (for_all, witness) = (evidence.best_potentials.is_some(), evidence.witness.is_some());
    let transport = certificate.problem.objective == Objective::W;
    // Only the distance W needs evidence, since the checker evaluates the others itself. A bound for all subsets rests on
    // potentials, or on a witness for the distance of a kernel.
    let strange = match certificate.problem.objective {
        Objective::W => witness,
        Objective::Tsds { .. } => potentials || plan || witness,
        Objective::Energy | Objective::Mmd(_) => potentials || plan || for_all,
    };
    if strange {
        return Err(Rejection::new("evidence", "there is evidence for another distance than that of the statement"));
    }
    // For each claim, whether its evidence is there; `None` if the checker needs none.
    let claims = [
        ("distance.lower", distance.lower, transport.then_some(potentials)),
        ("distance.upper", distance.upper, transport.then_some(plan)),
        ("best.lower", best.map(|best| best.lower), Some(for_all || witness)),
    ];
    for (name, claim, has_evidence) in claims {
        if claim.is_some_and(|value| !value.is_finite()) {
            return Err(Rejection::new("range", format!("{name} is not finite")));
        }
        if let Some(has_evidence) = has_evidence
            && claim.is_some() != has_evidence
        {
            let fault = if has_evidence { "has evidence but is not claimed" } else { "is claimed without evidence" };
            return Err(Rejection::new("evidence", format!("{name} {fault}")));
        }
    }
    if !evidence.shift.is_empty() && !witness {
        return Err(Rejection::new("evidence", "there is a shift without the witness that it belongs to"));
    }
    if !evidence.task_shares.is_empty() && (best.is_none() || certificate.problem.tasks.is_empty()) {
        return Err(Rejection::new("evidence", "there are shares of tasks, but nothing is claimed that they prove"));
    }
    if !evidence.prices.is_empty() && best.is_none() {
        return Err(Rejection::new("evidence", "there are prices, but nothing is claimed of all subsets"));
    }
    check_order(distance, best.map(|best| best.lower))
}

/// Whether the input at hand is the one that the certificate names.
fn check_facts(certificate: &Certificate, facts: &Facts, geometry: &Geometry<'_>) -> Result<(), String> {
    let (claimed, found) = (&certificate.inputs, &facts.inputs);
    if claimed.len() != found.len() {
        return Err(format!("the certificate names {} inputs, {} are given", claimed.len(), found.len()));
    }
    for (index, (claim, fact)) in claimed.iter().zip(found).enumerate() {
        if let Some(what) = claim.difference(fact) {
            let name = fact.name.as_ref().map_or_else(String::new, |name| format!(" (`{name}`)"));
            return Err(format!("input {index}{name} has another {what} than the certificate says"));
        }
    }
    if certificate.dropped != facts.dropped {
        return Err("the certificate leaves out other rows than those left out here".to_owned());
    }
    // Facts and geometry both come from the caller: this finds those that do not belong together.
    let of = |role| found.iter().filter(move |input| input.role == role);
    let count = |role| of(role).map(|input| input.rows).sum::<usize>();
    let (n, m) = match geometry.points() {
        Some(_) => (count(Role::Pool), count(Role::Query)),
        None => (of(Role::Similarity).next().map_or(0, |input| input.dim), count(Role::Similarity)),
    };
    if n != geometry.pool_len() + facts.dropped.pool.len() || m != geometry.query_len() + facts.dropped.query.len() {
        return Err("the inputs that the certificate names do not make up the rows at hand".to_owned());
    }
    if certificate.problem.cost != geometry.cost() {
        return Err(format!("the rows at hand are under cost `{}`", geometry.cost()));
    }
    check_columns(certificate, facts, n)
}

/// Whether the columns at hand are those of which the statement speaks, for a pool of `stored` rows.
fn check_columns(certificate: &Certificate, facts: &Facts, stored: usize) -> Result<(), String> {
    let (claimed, found) = (certificate.problem.columns(), &facts.column_records);
    let count = certificate.problem.columns().count();
    if count != found.len() || found.len() != facts.columns.len() {
        return Err(format!("the certificate speaks of {count} columns, {} are given", facts.columns.len()));
    }
    for (claim, (fact, column)) in claimed.zip(found.iter().zip(&facts.columns)) {
        let name = &fact.name;
        if column.rows() != stored {
            return Err(format!("column `{name}` has {} values for {stored} pool rows", column.rows()));
        }
        if let Some(what) = claim.difference(fact) {
            return Err(format!("column `{name}` has another {what} than the certificate says"));
        }
    }
    Ok(())
}

/// Recomputes everything that the evidence proves.
fn prove(
    certificate: &Certificate,
    columns: &[Column],
    geometry: &Geometry<'_>,
    executor: Executor<'_>,
) -> Result<Proved, Rejection> {
    let (problem, evidence) = (&certificate.problem, &certificate.evidence);
    let dropped = &certificate.dropped.pool;
    let unlimited = problem.constraints.are_none();
    if unlimited && !evidence.prices.is_empty() {
        return Err(Rejection::new("prices", "there are prices without constraints"));
    }
    let feasible = match (&problem.tokens, &problem.quality) {
        (None, None) if unlimited => None,
        _ => Some(problem.feasible(columns, geometry.pool_len() + dropped.len(), dropped)?),
    };
    let kept = kept_rows(dropped, geometry.pool_len())?;
    let numbered = |field: &str, rows: &[usize]| -> Result<Vec<usize>, Rejection> {
        let number = |(position, row)| {
            let fault = || format!("{field}[{position}] is row {row}, dropped or out of range");
            kept.binary_search(row).map_err(|_| Rejection::new("subset", fault()))
        };
        rows.iter().enumerate().map(number).collect()
    };
    let rows = numbered("subset", &certificate.subset)?;
    let (potentials, plan) = (evidence.distance_potentials.clone(), evidence.plan.clone());
    let of_one = DistanceEvidence { potentials, plan };
    let distance = match &feasible {
        None => distance_bound(geometry, problem, &rows, of_one, executor)?,
        Some(feasible) => constrained_distance_bound(geometry, problem, &rows, of_one, feasible, executor)?,
    };
    let of_all = match (&evidence.best_potentials, &evidence.witness) {
        (Some(g), _) if problem.tasks.is_empty() => Some(BestEvidence::Potentials(g.clone())),
        (Some(g), _) => Some(BestEvidence::Tasks { shares: evidence.task_shares.clone(), potentials: g.clone() }),
        (None, Some(Witness { rows, weights })) => {
            let rows = numbered("witness.rows", rows)?;
            let (witness, shift) = (Witness { rows, weights: weights.clone() }, evidence.shift.clone());
            Some(if shift.is_empty() { witness.into() } else { BestEvidence::Local { witness, shift } })
        }
        (None, None) => None,
    };
    let of_every = problem.of_every_subset();
    let bound = |of_all| match &feasible {
        None => best_bound(geometry, problem, of_all, Candidates::All, executor),
        Some(feasible) => constrained_best_bound(geometry, &of_every, of_all, feasible, &evidence.prices, executor),
    };
    let best = of_all.map(bound).transpose()?;
    let (distance, best) = (distance.interval(), best.map(|best| best.lower()));
    check_order(distance, best)?;
    Ok(Proved { distance, best })
}

/// Whether what was proved covers all claims.
fn implies(proved: &Proved, certificate: &Certificate) -> bool {
    let at_least = |proved: Option<f64>, claimed: Option<f64>| match (proved, claimed) {
        (_, None) => true,
        (proved, Some(claimed)) => proved.is_some_and(|proved| proved >= claimed),
    };
    let negated = |bound: Option<f64>| bound.map(|bound| -bound);
    at_least(proved.distance.lower, certificate.distance.lower)
        && at_least(negated(proved.distance.upper), negated(certificate.distance.upper))
        && at_least(proved.best, certificate.best.map(|best| best.lower))
}
