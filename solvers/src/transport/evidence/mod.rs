//! From what any solver found to evidence for the transport distance itself, without entropy and with hard marginals.
//!
//! Solvers of blurred or penalised problems find potentials that are not feasible for the linear problem and plans
//! whose marginals are not the given ones. Both can be repaired: [`conjugate`] makes the potentials feasible, [`round`]
//! makes the plan feasible in whole units. What the two prove is decided by the theory crate
//! ([`distance_bound`](kantor_theory::distance_bound)), for which any potentials and any plan will do; how close the
//! bounds are depends on the solver.
//!
//! With an entropy ε·KL(π | a⊗b) and hard marginals, a converged solver's potentials and its plan before rounding are
//! at most ε·max_j ln(1/b_j) apart, ε ln M for equal weights (`theory/notes/bracket.md`, with theorem T5).
//!
//! Costs are evaluated by block of rows: O(block·M) memory beside what is returned.

mod conjugate;
mod round;
mod rows;
mod sparse;

pub use conjugate::conjugate;
pub use round::round;
pub use sparse::{ThresholdedPlan, compressed, thresholded};
