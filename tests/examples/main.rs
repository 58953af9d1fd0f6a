//! What the larger examples are built of, and what they find.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../../examples/evidence/main.rs"]
mod evidence;
#[path = "../../examples/theory_meets_practice.rs"]
mod theory;

mod documents;
mod language_model;
mod signs;
mod theory_meets_practice;
