//! Solvers of transport problems, and what makes evidence of their solutions.

pub mod divergence;
pub mod evidence;
pub mod exact;
pub(crate) mod fixed_point;
pub mod linalg;
pub mod lowrank;
pub mod sinkhorn;
pub mod sliced;
