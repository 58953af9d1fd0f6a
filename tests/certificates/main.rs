//! Certificates from end to end: all that is made is accepted, and what is tampered with is not.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod active;
mod complete;
mod corpus;
mod kernels;
mod memory;
mod mutated;
mod real;
mod support;
mod tensors;
mod tsds;
mod values;
mod versions;
