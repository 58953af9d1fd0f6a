//! What the kernel promises: bounds that hold in exact arithmetic, and a checker that nothing fools.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod cache;
mod constrained;
mod constraints;
mod discrepancy;
mod duality;
mod evaluated;
mod exact_replay;
mod format;
mod kernels;
mod matrix;
mod metrics;
mod mutations;
mod outside;
mod priced;
mod priced_tasks;
mod quality;
mod ranges;
mod rounding;
mod rows;
mod screened;
mod sensitivity;
mod support;
mod tokens;
mod tsds;
mod worst;
