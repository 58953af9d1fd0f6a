//! What an entropic plan pays for: its entropy, and marginals that are not the given ones.

use super::exp;

/// Strengths of regularisation and of the two marginal penalties.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Penalty {
    /// ε > 0, finite.
    pub epsilon: f64,
    /// ρ ≥ 0 on the pool marginal; infinite makes it hard.
    pub pool: f64,
    /// ρ > 0 on the query marginal; infinite makes it hard.
    pub query: f64,
}

impl Penalty {
    /// θ = ε/(ρ + ε): how far the pool marginal follows the queries. 0 for a hard pool marginal.
    pub fn theta(&self) -> f64 {
        softness(self.epsilon, self.pool)
    }

    /// The same for the marginal of the queries.
    pub(crate) fn query_theta(&self) -> f64 {
        softness(self.epsilon, self.query)
    }

    /// Factor by which a round of Sinkhorn's updates shrinks the error at least: both are soft-minima times 1 − θ.
    pub(crate) fn contraction(&self) -> f64 {
        (1.0 - self.theta()) * (1.0 - self.query_theta())
    }

    /// Whether a constant can move from one side's potentials to the other's without a change of the dual value.
    pub(crate) fn is_balanced(&self) -> bool {
        self.pool == f64::INFINITY && self.query == f64::INFINITY
    }

    /// 1/ε + 1/ρ_query: curvature of a query's own term, per unit of mass.
    pub(crate) fn curvature(&self) -> f64 {
        1.0 / self.epsilon + if self.query == f64::INFINITY { 0.0 } else { 1.0 / self.query }
    }

    /// ln q'(g) of the queries' concave gain q.
    pub(crate) fn log_slope(&self, g: f64) -> f64 {
        if self.query == f64::INFINITY { 0.0 } else { -g / self.query }
    }

    /// q(g).
    pub(crate) fn gain(&self, g: f64) -> f64 {
        if self.query == f64::INFINITY { g } else { -self.query * exp::exp_m1(-g / self.query) }
    }
}

fn softness(epsilon: f64, rho: f64) -> f64 {
    if rho == f64::INFINITY { 0.0 } else { epsilon / (rho + epsilon) }
}
