//! One property test per theorem, its equality cases and counterexamples; coverage of what holds with high probability.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod bound;
mod bracket;
mod capacity;
mod composite;
mod coverage;
mod dimension;
mod gradients;
mod kernel;
mod lipschitz;
mod lower;
mod objective;
mod pages;
mod partial;
mod projection;
mod rates;
mod reference;
mod selectors;
mod support;
mod unseen;
