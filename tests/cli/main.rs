//! The program as its users meet it: words, files, exit codes.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod batch;
mod bound;
mod certify;
mod compare;
mod entries;
mod escapes;
mod groups;
mod limits;
mod loss;
mod metrics;
mod names;
mod outcomes;
mod outputs;
mod quantiles;
mod report;
mod run;
mod solve;
mod spelling;
mod study;
mod subsets;
mod support;
