//! The program as its users meet it: words, files, exit codes.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod batch;
mod bound;
mod bytenames;
mod certify;
mod changing;
mod compare;
mod inputs;
mod killed;
mod metrics;
mod outcomes;
mod outputs;
mod quantiles;
mod report;
mod solve;
mod study;
mod support;
