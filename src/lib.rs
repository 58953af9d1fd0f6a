//! kantor selects training data by optimal transport and proves how good the selection is.
//!
//! Data flows one way: files become a [`data::Representation`], two of them and a cost make a
//! [`Geometry`](kantor_theory::Geometry), selectors choose rows of it ([`select()`]), and [`report`] writes them out
//! with a record of how. What is true lives in `kantor-theory`, what finds things in `kantor-solvers`; this crate
//! talks to people.

#![warn(clippy::disallowed_methods, clippy::print_stdout, clippy::print_stderr)]

pub mod batch;
pub mod bound;
pub mod certify;
pub mod cli;
pub mod compare;
pub mod data;
mod file_state;
pub mod inspect;
pub mod output;
pub mod quantiles;
pub mod report;
pub mod select;
pub mod statistics;
pub mod study;
pub mod verify;

pub use kantor_solvers as solvers;
pub use kantor_theory as theory;
pub use select::select;
