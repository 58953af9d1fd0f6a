//! What is true: the nouns of subset–query transport and the rules that hold for them.
//!
//! This crate is the bottom layer. It reads no file, starts no thread, draws no random number and runs no
//! iterative method; it says what a cost is, evaluates it in `f64` with a stated error, and decides what evidence
//! proves. The solvers above it find things; whatever they find is believed only through this crate.

#![forbid(unsafe_code)]

pub mod cost;
pub mod dot;
pub mod geometry;
pub mod rows;
pub mod status;

pub use cost::Cost;
pub use geometry::{Geometry, GeometryError};
pub use rows::{DenseRows, Element, Rows};
pub use status::Status;
