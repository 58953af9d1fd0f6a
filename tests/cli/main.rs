//! The program as its users meet it: words, files, exit codes.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod admissible;
mod batch;
mod bound;
mod bytenames;
mod cache;
mod certify;
mod changing;
mod columnar;
mod columns;
mod compare;
mod constraints;
mod contact;
mod copies;
mod embed;
mod entries;
mod escapes;
mod groups;
mod inputs;
mod limits;
#[cfg(target_os = "linux")]
mod loss;
mod metrics;
mod names;
mod outcomes;
mod outputs;
mod pairs;
mod prices;
mod quality;
mod quantiles;
mod records;
mod report;
mod run;
mod solve;
mod spelling;
#[cfg(target_os = "linux")]
mod stopped;
mod study;
mod subsets;
mod support;
mod text;
mod tokens;
mod unseen;
mod vectors;
mod weights;
mod worst;
