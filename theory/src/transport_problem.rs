//! What a transport solver is asked.
//!
//! minimise over π ≥ 0:  ⟨c^p, π⟩ + ε·KL(π | r) + D_pool(π1 | a) + D_query(πᵀ1 | b)
//!
//! with the weights a and b of both sides, each of total mass 1, a penalty D on either marginal ([`Marginal`]) and the
//! reference r of the entropy ([`Reference`]); KL(x|y) = Σ x ln(x/y) − x + y. With ε = 0 the entropy is absent.

use crate::cost_bounds::Power;
use crate::geometry::{Geometry, GeometryError};
use crate::statement::Weights;

/// How a marginal x of the plan is held to the weights w of its side.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Marginal {
    /// x = w.
    #[default]
    Hard,
    /// Penalty ρ·KL(x|w), ρ > 0.
    Kl(f64),
    /// Penalty ρ·Σ|x − w|, ρ > 0.
    Tv(f64),
    /// x ≤ λw, λ ≥ 1: the capacities of theorem T3. No penalty below.
    Capacity(f64),
}

/// Largest strength of a KL penalty.
const HARDEST: f64 = 1e12;

/// The measure against which the entropy of a plan is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reference {
    /// a⊗b: the entropy term is KL(π | a⊗b).
    #[default]
    Product,
    /// The counting measure: the term is Σ π ln π − π + 1 over all pairs.
    Counting,
}

/// A transport problem between rows of a pool and queries.
#[derive(Clone)]
pub struct TransportProblem<'a> {
    /// Pool rows, queries and the cost c between them.
    pub geometry: &'a Geometry<'a>,
    /// The rows of the pool that take part, in this order; all if `None`.
    pub rows: Option<&'a [usize]>,
    /// Costs enter to this power.
    pub power: Power,
    /// Weights of the rows that take part (`subset`) and of the queries, divided by their sums; uniform where missing.
    pub weights: Weights,
    /// How the rows' marginal is held to their weights.
    pub pool: Marginal,
    /// How the queries' marginal is held to theirs.
    pub query: Marginal,
    /// ε ≥ 0, in units of c^p.
    pub epsilon: f64,
    /// Reference measure of the entropy.
    pub reference: Reference,
}

/// Why a problem makes no sense.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{what} is {value}: {rule}")]
pub struct BadProblem {
    /// Which number.
    pub what: &'static str,
    /// Its value.
    pub value: f64,
    /// What it must be.
    pub rule: &'static str,
}

impl<'a> TransportProblem<'a> {
    /// Optimal transport between the whole pool and the queries: uniform weights, hard marginals, no entropy.
    pub fn new(geometry: &'a Geometry<'a>, power: Power) -> Self {
        Self {
            geometry,
            rows: None,
            power,
            weights: Weights::default(),
            pool: Marginal::Hard,
            query: Marginal::Hard,
            epsilon: 0.0,
            reference: Reference::Product,
        }
    }

    /// Number of rows that take part.
    pub fn row_count(&self) -> usize {
        self.rows.map_or(self.geometry.pool_len(), <[usize]>::len)
    }

    /// The pool row at a position among those that take part.
    pub fn row(&self, position: usize) -> usize {
        self.rows.map_or(position, |rows| rows[position])
    }

    /// Checks ε, the penalties and that costs can be raised to the power.
    ///
    /// # Errors
    /// Names the first number that is out of range.
    pub fn check(&self) -> Result<(), BadProblem> {
        let bad = |what, value, rule| Err(BadProblem { what, value, rule });
        if !(self.epsilon >= 0.0 && self.epsilon.is_finite()) {
            return bad("epsilon", self.epsilon, "it must be finite and not negative");
        }
        if let Err(GeometryError::BadEntry { value, fault, .. }) = self.power.check(self.geometry) {
            return bad("a given cost", value, fault);
        }
        for (what, marginal) in [("the pool's marginal", self.pool), ("the queries' marginal", self.query)] {
            match marginal {
                Marginal::Kl(rho) | Marginal::Tv(rho) if !(rho > 0.0 && rho.is_finite()) => {
                    return bad(what, rho, "a penalty must be positive and finite (leave it out for a hard marginal)");
                }
                // The divergence of equal measures is rounding, and that would be paid for too.
                Marginal::Kl(rho) if rho > HARDEST => {
                    return bad(what, rho, "a KL penalty must be at most 1e12 (leave it out for a hard marginal)");
                }
                Marginal::Capacity(factor) if !(factor >= 1.0 && factor.is_finite()) => {
                    return bad(what, factor, "a capacity must be at least 1 and finite");
                }
                _ => {}
            }
        }
        Ok(())
    }
}
