//! Entropic transport: the solvers `sinkhorn` and `sinkhorn-newton`, and the selector `uot`.
//!
//! minimise ⟨c, π⟩ + ε KL(π | r) + D_pool(π1 | a) + D_query(πᵀ1 | b), each marginal hard or drawn by ρ·KL, r = a⊗b or
//! the counting measure, any weights. The dual (module `dual`) is a concave function of the M query potentials, since
//! the best potential of a row is known in closed form; one pass over all pairs (module `pass`) evaluates it with its
//! derivatives, in the log domain, at any ε. Module `relax` climbs by Sinkhorn's alternating updates with
//! over-relaxation, module `newton` by Newton's method; both go uphill at every step, from a sample of the rows (`begin`)
//! and larger ε (`schedule`) where that helps, and both end with a feasible plan whose cost closes a bracket from above
//! (`primal`). [`Costs`] holds or re-evaluates the costs in `f64`, so an answer is the same for every block size and
//! thread count.
//!
//! Limit: for points N·M·d multiply-adds for the costs, then one exponential per pair and ε, then passes that read N·M
//! weights from memory (module `pass` has the figures); for a matrix, passes that read it and compute an exponential per
//! pair each (module `panel`).

mod begin;
pub(crate) mod costs;
mod dual;
pub(crate) mod exp;
mod extend;
mod extremes;
mod gram;
mod measures;
mod newton;
mod outer;
mod panel;
mod pass;
mod penalty;
mod primal;
mod relax;
mod schedule;
pub mod semidual;
mod slice;
mod solver;
mod weight;

pub use costs::Costs;
pub use penalty::Penalty;
pub use semidual::SemidualTransport;
pub use solver::{sinkhorn, sinkhorn_newton};
