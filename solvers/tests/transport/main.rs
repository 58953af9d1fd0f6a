//! Solvers of transport: what they find against theorems, against each other and against arithmetic.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod agreement;
mod capacity_path;
mod constrained;
mod divergence;
mod entropic;
mod evidence;
mod exact_budgeted;
mod exact_marginals;
mod exact_transport;
mod lowrank;
mod quality;
mod sliced;
#[path = "../support/mod.rs"]
mod support;
mod worst;
