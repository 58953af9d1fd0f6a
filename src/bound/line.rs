//! One line of the table: a quantity and what may be said of it.

use crate::decimal::magnitude;
use kantor_theory::generalization::{Assumption, Bound, Refusal, Theorem};
use serde_json::{Value, json};

/// Quantities that other modules look for.
pub(super) const DISTANCE: &str = "W₁(S, Q)";
pub(super) const EVERY: &str = "W₁ of every subset of that size";
pub(super) const SHARE_CLOSER: &str = "share of random subsets that are closer";
pub(super) const GAP: &str = "|R_Q − R_S| ≤ L·W₁";
pub(super) const CRITICAL: &str = "critical L on these queries";
pub(super) const FROM_SAME: &str = "W₁(S, P), from the same queries";
pub(super) const FROM_HELD_OUT: &str = "W₁(S, P), from held-out queries";

/// What may be said.
#[derive(Debug, Clone)]
pub enum Says {
    /// A number that is what it is.
    Value(Bound),
    /// A bound that says more than was known.
    Informative(Bound),
    /// A bound that says nothing, and why.
    Vacuous(Bound, String),
    /// No bound: the assumption that the inputs contradict.
    Refused(Refusal),
    /// No number, for want of an input or of time.
    NotComputed {
        /// What it would have been.
        theorem: Theorem,
        /// What is missing.
        why: String,
    },
}

/// A quantity and what may be said of it.
#[derive(Debug, Clone)]
pub struct Line {
    /// The question that it helps to answer, shared by several lines.
    pub part: &'static str,
    /// What it is.
    pub quantity: String,
    /// What is said.
    pub says: Says,
}

impl Line {
    pub(super) fn new(quantity: &str, says: Says) -> Self {
        Self { part: "", quantity: quantity.to_owned(), says }
    }

    pub(super) fn value(quantity: &str, bound: Bound) -> Self {
        Self::new(quantity, Says::Value(bound))
    }

    /// Informative below `limit`, which holds anyway for the reason given.
    pub(super) fn against(quantity: &str, bound: Bound, limit: Option<f64>, reason: &str) -> Self {
        Self::new(
            quantity,
            match limit {
                Some(limit) if bound.value() >= limit => Says::Vacuous(bound, format!("{reason} {}", magnitude(limit))),
                Some(_) => Says::Informative(bound),
                None => Says::Value(bound),
            },
        )
    }

    /// The bound, if there is one.
    pub fn bound(&self) -> Option<&Bound> {
        match &self.says {
            Says::Value(bound) | Says::Informative(bound) | Says::Vacuous(bound, _) => Some(bound),
            _ => None,
        }
    }

    /// The statement it comes from.
    pub fn theorem(&self) -> Theorem {
        match &self.says {
            Says::Value(bound) | Says::Informative(bound) | Says::Vacuous(bound, _) => bound.theorem(),
            Says::Refused(refusal) => refusal.theorem,
            Says::NotComputed { theorem, .. } => *theorem,
        }
    }

    /// One word for scripts.
    pub fn status(&self) -> &'static str {
        match &self.says {
            Says::Value(_) => "value",
            Says::Informative(_) => "informative",
            Says::Vacuous(..) => "vacuous",
            Says::Refused(_) => "refused",
            Says::NotComputed { .. } => "not-computed",
        }
    }

    /// Why it says nothing, or is not there.
    pub fn why(&self) -> Option<&str> {
        match &self.says {
            Says::Vacuous(_, why) | Says::NotComputed { why, .. } => Some(why),
            Says::Refused(refusal) => Some(&refusal.why),
            _ => None,
        }
    }

    /// What it rests on; for a refusal, what fails.
    pub fn assumptions(&self) -> Vec<Assumption> {
        match &self.says {
            Says::Refused(refusal) => vec![refusal.assumption],
            _ => self.bound().map(|bound| bound.assumptions().iter().copied().collect()).unwrap_or_default(),
        }
    }

    /// The line for scripts.
    pub fn to_json(&self) -> Value {
        let bound = self.bound();
        let delta = match bound.map(Bound::kind) {
            Some(kantor_theory::generalization::Kind::HighProbability(delta)) => Some(delta),
            _ => None,
        };
        let inputs: serde_json::Map<String, Value> =
            bound.into_iter().flat_map(Bound::inputs).map(|&(name, value)| (name.to_owned(), finite(value))).collect();
        let assumptions: Vec<Value> =
            self.assumptions().iter().map(|a| json!({"name": a.name(), "words": a.words()})).collect();
        json!({
            "part": self.part,
            "quantity": self.quantity,
            "theorem": self.theorem().id(),
            "status": self.status(),
            "value": bound.map(|bound| finite(bound.value())),
            "side": bound.map(|bound| if bound.is_lower() { "lower" } else { "upper" }),
            "kind": bound.map(|bound| bound.kind().name()),
            "delta": delta,
            "why": self.why(),
            "assumptions": assumptions,
            "inputs": inputs,
        })
    }
}

/// JSON has no infinity: the word is written instead.
fn finite(value: f64) -> Value {
    if value.is_finite() { value.into() } else { value.to_string().into() }
}
