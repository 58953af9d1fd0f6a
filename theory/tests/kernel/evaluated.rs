//! Objectives that the checker evaluates by itself: the same steps for kernels and for TSDS.

use kantor_theory::certificate::MadeBy;
use kantor_theory::{
    BestBound, BestEvidence, Candidates, Certificate, DistanceEvidence, Geometry, Interval, Objective, Power, Proved,
    Rejection, Statement, best_bound, distance_bound, sequential,
};
use serde_json::Value;

use crate::duality::subsets;
use crate::mutations::{Tally, each_change};
use crate::support::Instance;

pub(crate) fn statement(geometry: &Geometry<'_>, objective: Objective, k: usize) -> Statement {
    Statement::new(geometry, Power::One, k).under(objective)
}

/// The proved distance of a subset.
pub(crate) fn value(instance: &Instance, objective: Objective, subset: &[usize]) -> Interval {
    instance.with(|geometry| {
        let problem = statement(geometry, objective, subset.len()).weighted(instance.weights.clone());
        distance_bound(geometry, &problem, subset, DistanceEvidence::default(), &sequential).unwrap().interval()
    })
}

/// The rule by which a subset of row 0 is refused.
pub(crate) fn refused(geometry: &Geometry<'_>, problem: &Statement) -> &'static str {
    distance_bound(geometry, problem, &[0], DistanceEvidence::default(), &sequential).unwrap_err().rule
}

/// What this evidence proves of all subsets of k rows.
pub(crate) fn lower(
    instance: &Instance,
    objective: Objective,
    k: usize,
    evidence: impl Into<BestEvidence>,
) -> Result<BestBound, Rejection> {
    instance.with(|geometry| {
        let problem = statement(geometry, objective, k).weighted(instance.weights.clone());
        best_bound(geometry, &problem, evidence, Candidates::All, &sequential)
    })
}

pub(crate) fn certificate(instance: &Instance, objective: Objective, evidence: impl Into<BestEvidence>) -> Certificate {
    instance.with(|geometry| {
        let problem = statement(geometry, objective, instance.subset.len()).weighted(instance.weights.clone());
        let distance =
            distance_bound(geometry, &problem, &instance.subset, DistanceEvidence::default(), &sequential).unwrap();
        let best = best_bound(geometry, &problem, evidence, Candidates::All, &sequential).unwrap();
        let facts = instance.facts();
        let made_by = MadeBy { tool: "test".into(), version: "1".into(), selector: None };
        Certificate::new(facts.inputs, facts.dropped, &distance, Some(&best), made_by).unwrap()
    })
}

/// Claims and proofs of a certificate hold for what it states, by a look at every subset.
fn assert_holds(instance: &Instance, certificate: &Certificate, proved: &Proved, what: &str) {
    let objective = certificate.problem.objective;
    if objective == Objective::W {
        // Without evidence for it nothing is proved.
        assert_eq!(*proved, Proved::default(), "{what}");
        return;
    }
    let instance = &Instance { weights: certificate.problem.weights.clone(), ..instance.clone() };
    let interval = value(instance, objective, &certificate.subset);
    assert!(proved.distance.lower.is_none_or(|lower| lower <= interval.upper.unwrap()), "{what}");
    assert!(proved.distance.upper.is_none_or(|upper| upper >= interval.lower.unwrap()), "{what}");
    if let Some(best) = proved.best {
        let all = subsets(instance.n, certificate.problem.budget);
        let uppers = all.iter().map(|subset| value(instance, objective, subset).upper.unwrap());
        assert!(best <= uppers.fold(f64::INFINITY, f64::min), "{what}");
    }
}

/// Changes every bit and field, and puts in the words of `others` for the objective: what is not refused is true.
pub(crate) fn tamper(instance: &Instance, original: &Certificate, others: &[&str]) {
    assert_eq!(instance.check(original).name(), "verified");
    let bytes = original.to_json();
    assert_eq!(Certificate::parse(&bytes).unwrap(), *original, "what is written reads back as it was");
    let mut tally = Tally::default();
    let holds = &mut |certificate: &Certificate, proved: &Proved, what: &str| {
        assert_holds(instance, certificate, proved, what);
    };
    each_change(&bytes, |mutant, what| tally.attempt(instance, mutant, what, holds));
    for other in others {
        let mut mutant: Value = serde_json::from_slice(&bytes).unwrap();
        mutant["problem"]["objective"] = serde_json::from_str(other).unwrap();
        tally.attempt(instance, &serde_json::to_vec(&mutant).unwrap(), other, holds);
    }
    let Tally { tried, refused, weaker, verified } = tally;
    println!("{}: {tally:?}", original.problem.objective.name());
    assert!(refused > tried / 2 && weaker > 10 && verified > 10, "{tried} {refused} {weaker} {verified}");
}
