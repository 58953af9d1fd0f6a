//! Selectors and densities: what they choose against definitions, and what no selector may do.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod admission;
mod auto;
mod conflict;
mod conformance;
mod constrained;
mod folds;
mod greedy;
mod guarantees;
mod herding;
mod kde;
mod kernel_limits;
mod knn_properties;
mod metrics;
mod screen;
mod settings;
mod summary;
#[path = "../support/mod.rs"]
mod support;
mod swap;
mod tokens;
mod uot_properties;
mod weights;
