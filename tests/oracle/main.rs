//! Numbers that other software produced, stored in `tests/data/golden` (its README names software and versions).
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod conventions;
mod divergence;
mod entropic;
mod greedy;
mod kernels;
mod knn;
mod ngrams;
mod support;
mod transport;
mod tsds;
mod uot;
mod vectors;
