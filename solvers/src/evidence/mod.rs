//! From what any solver found to evidence for the transport distance itself, without entropy and with hard marginals.
//!
//! Solvers of blurred or penalised problems find potentials that are not feasible for the linear problem and plans
//! whose marginals are not the given ones. Both can be repaired: [`conjugate`] makes the potentials feasible, [`round`]
//! makes the plan feasible in whole units. What the two prove is decided by the trusted kernel
//! ([`distance_bound`](kantor_theory::distance_bound)), for which any potentials and any plan will do; how close the
//! bounds are depends on the solver.
//!
//! With an entropy ε·KL(π | a⊗b) and hard marginals, a converged solver's potentials and its plan before rounding are
//! at most ε·max_j ln(1/b_j) apart, ε ln M for equal weights: ⟨c, π⟩ is at most the entropic value Σ a f + Σ b g, and
//! f_i = −ε ln Σ_j b_j exp((g_j − c_ij)/ε) is above min_j (c_ij − g_j) by at most ε ln(1/b_j) for the j that attains it.
//! (Theorem T5 bounds the plan alone: ⟨c, π⟩ is above the distance by at most ε·min(H(a), H(b)).)
//!
//! Costs are evaluated by block of rows: O(block·M) memory beside what is returned.

mod conjugate;
mod round;
mod rows;
mod sparse;

pub use conjugate::conjugate;
pub use round::round;
pub use sparse::{Thresholded, compressed, thresholded};
