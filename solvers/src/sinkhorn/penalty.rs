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
        if self.pool == f64::INFINITY { 0.0 } else { self.epsilon / (self.pool + self.epsilon) }
    }

    /// ln q'(g).
    pub(super) fn log_slope(&self, g: f64) -> f64 {
        if self.query == f64::INFINITY { 0.0 } else { -g / self.query }
    }

    /// q(g).
    pub(super) fn gain(&self, g: f64) -> f64 {
        if self.query == f64::INFINITY { g } else { -self.query * exp::exp_m1(-g / self.query) }
    }

    /// 1/ε + 1/ρ_query: curvature of a query's own term, per unit of mass.
    pub(super) fn curvature(&self) -> f64 {
        1.0 / self.epsilon + if self.query == f64::INFINITY { 0.0 } else { 1.0 / self.query }
    }
}
