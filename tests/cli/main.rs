//! The program as its users meet it: words, files, exit codes.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod batch;
mod bound;
mod certify;
mod compare;
mod escapes;
mod killed;
mod limits;
mod metrics;
mod names;
mod outcomes;
mod outputs;
mod quantiles;
mod report;
mod solve;
mod study;
mod subsets;
mod support;
