//! Other programs' words for the same transport problem, and the way from their numbers to ours and back.
//!
//! Ours: ⟨c, π⟩ + ε·KL(π | r) + D_pool(π1 | a) + D_query(πᵀ1 | b) with KL(x|y) = Σ x ln(x/y) − x + y, weights of total 1,
//! and π = r·exp((f + g − c)/ε) ([`transport_problem`](crate::transport_problem)). Let m be the mass of π.
//!
//! **POT** 0.9.7 (`ot.unbalanced.sinkhorn_unbalanced`): `reg` = ε and `reg_m` = ρ, infinite for a hard marginal.
//! `reg_type="kl"` takes r = a⊗b, `reg_type="entropy"` the counting measure. Its plan is u·r·exp(−c/ε)·v, so f = ε ln u
//! and g = ε ln v. Its `total_cost` leaves the terms − x + y out of every divergence; ours is therefore larger by
//! (1 − m)·(ε + Σρ) for `"kl"` and by ε·(NM − m) + (1 − m)·Σρ for `"entropy"`, Σρ over the finite ρ. Where both marginals
//! are penalised, `total_cost` is the derivative of the value along π ↦ tπ, so at the optimum it is 0 for all data. With
//! hard marginals both references give the same plan.
//!
//! **OTT-JAX** 0.6.0 (`LinearProblem`): `tau` = ρ/(ρ + ε), 1 for a hard marginal. Its plan is exp((f + g − c)/ε), the
//! optimum under the **counting** measure, with our potentials of that problem. Its `kl_reg_cost` is the dual value of
//! the problem under a⊗b at f − ε ln a and g − ε ln b: with hard marginals the value of that problem, with penalised ones
//! in general only less than it. Its `ent_reg_cost` is `kl_reg_cost` − ε(H(a) + H(b)) with H(w) = −Σ w ln w; with hard
//! marginals ours under the counting measure is larger by ε(NM − 1).

use crate::transport_problem::{Marginal, Reference, TransportProblem};

/// POT's `reg_type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RegType {
    /// `"kl"`: the default since 0.9.5.
    Kl,
    /// `"entropy"`.
    Entropy,
}

impl RegType {
    /// The reference measure that it means.
    pub fn reference(self) -> Reference {
        match self {
            RegType::Kl => Reference::Product,
            RegType::Entropy => Reference::Counting,
        }
    }
}

impl From<Reference> for RegType {
    fn from(reference: Reference) -> Self {
        match reference {
            Reference::Product => RegType::Kl,
            Reference::Counting => RegType::Entropy,
        }
    }
}

/// The marginal that POT's `reg_m` means.
pub fn marginal_of_reg_m(reg_m: f64) -> Marginal {
    if reg_m == f64::INFINITY { Marginal::Hard } else { Marginal::Kl(reg_m) }
}

/// POT's `reg_m` for a marginal; `None` for those that it has no word for.
pub fn reg_m(marginal: Marginal) -> Option<f64> {
    match marginal {
        Marginal::Hard => Some(f64::INFINITY),
        Marginal::Kl(rho) => Some(rho),
        Marginal::Tv(_) | Marginal::Capacity(_) => None,
    }
}

/// Our value from POT's `total_cost` of a plan of mass `mass`, for a problem with hard or KL marginals.
pub fn value_of_total_cost(problem: &TransportProblem<'_>, total_cost: f64, mass: f64) -> f64 {
    total_cost + mass_terms(problem, mass)
}

/// POT's `total_cost` from our value of a plan of mass `mass`, for a problem with hard or KL marginals.
pub fn total_cost_of_value(problem: &TransportProblem<'_>, value: f64, mass: f64) -> f64 {
    value - mass_terms(problem, mass)
}

/// Σ (y − x) over all divergences, with their factors.
fn mass_terms(problem: &TransportProblem<'_>, mass: f64) -> f64 {
    let rho = |marginal| if let Marginal::Kl(rho) = marginal { rho } else { 0.0 };
    let pairs = match problem.reference {
        Reference::Product => 1.0,
        Reference::Counting => problem.row_count() as f64 * problem.geometry.query_len() as f64,
    };
    problem.epsilon * (pairs - mass) + (rho(problem.pool) + rho(problem.query)) * (1.0 - mass)
}

/// Our potential from the logarithm of POT's scaling (`logu`, `logv`), under the reference of its `reg_type`.
pub fn potential_of_log_scaling(log_scaling: f64, epsilon: f64) -> f64 {
    epsilon * log_scaling
}

/// The marginal that OTT's `tau` means at this ε: ρ = ε·τ/(1 − τ). `None` unless 0 < τ ≤ 1.
pub fn marginal_of_tau(tau: f64, epsilon: f64) -> Option<Marginal> {
    match tau {
        1.0 => Some(Marginal::Hard),
        tau if tau > 0.0 && tau < 1.0 => Some(Marginal::Kl(epsilon * tau / (1.0 - tau))),
        _ => None,
    }
}

/// OTT's `tau` for a marginal at this ε: ρ/(ρ + ε); `None` for marginals that it has no word for.
pub fn tau(marginal: Marginal, epsilon: f64) -> Option<f64> {
    match marginal {
        Marginal::Hard => Some(1.0),
        Marginal::Kl(rho) => Some(rho / (rho + epsilon)),
        Marginal::Tv(_) | Marginal::Capacity(_) => None,
    }
}

/// The reference under which OTT's plan is optimal.
pub const OTT_REFERENCE: Reference = Reference::Counting;

/// Under a⊗b, the potential that with hard marginals gives the same plan as `potential` under the counting measure
/// (OTT's) at a point of this weight, a share: f − ε ln a.
pub fn under_product(potential: f64, weight: f64, epsilon: f64) -> f64 {
    potential - epsilon * weight.ln()
}

/// The other way: f + ε ln a.
pub fn under_counting(potential: f64, weight: f64, epsilon: f64) -> f64 {
    potential + epsilon * weight.ln()
}

/// With hard marginals, our value under the counting measure from OTT's `ent_reg_cost` (and from ⟨c, π⟩ + ε Σ π ln π).
pub fn value_of_ent_reg_cost(problem: &TransportProblem<'_>, ent_reg_cost: f64) -> f64 {
    let pairs = problem.row_count() as f64 * problem.geometry.query_len() as f64;
    ent_reg_cost + problem.epsilon * (pairs - 1.0)
}
