//! kantor selects training data by optimal transport and proves how good the selection is.
//!
//! # In memory
//!
//! Pool and queries are rows ([`ArrayRows`] of `ndarray` views, or your own [`Rows`](kantor_theory::Rows)); with a cost
//! they make a [`Geometry`](kantor_theory::Geometry), from which [`choose()`] takes what a [`Request`](pipeline::Request)
//! asks for:
//!
//! ```
//! use kantor::prelude::*;
//! let (pool, query) = (ndarray::array![[1.0, 0.0], [0.8, 0.6], [0.0, 1.0]], ndarray::array![[0.9, 0.1]]);
//! let (pool, query) = (ArrayRows::new(pool.view()), ArrayRows::new(query.view()));
//! let geometry = Geometry::new(&pool, &query, Cost::Cosine)?.with_cache();
//! let request = Request { methods: vec!["optimal".into()], budgets: vec![1], ..Request::default() };
//! let outcome = choose(&geometry, &request, &Quiet)?;
//! let best = &outcome.chosen[0].selections[0];
//! assert_eq!((&best.selection.rows[..], best.status()), (&[0][..], Status::Optimal));
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```
//!
//! What was proved becomes a certificate of these rows with [`certify::facts_of`], which names no file.
//!
//! A selector of your own goes into [`Request::own`](pipeline::Request::own), and its name wherever a method's goes.
//!
//! # From files
//!
//! Files become a [`source::Representation`], two of them [`Inputs`](pipeline::Inputs); [`select()`] chooses from them and
//! describes them by digest, [`record::write`] writes the result with certificates, and [`verify`](verify::verify)
//! checks one against any files that hold the same rows.
//!
//! # Results
//!
//! [`Outcome::save`](pipeline::Outcome::save) writes what was chosen in memory as `kantor select` does, and
//! [`Record::load`](record::Record::load) reads the result of any command with its rows and certificates.
//!
//! What is true lives in `kantor-theory`, what finds things in `kantor-solvers`; this crate talks to people.

#![warn(clippy::disallowed_methods, clippy::print_stdout, clippy::print_stderr)]

mod array;
pub mod batch;
pub mod bound;
pub mod certify;
#[cfg(feature = "cli")]
pub mod cli;
pub mod compare;
mod file_state;
pub mod inspect;
mod label;
pub mod output;
pub mod pipeline;
pub mod prelude;
mod probe;
pub mod problem;
pub mod quantiles;
pub mod record;
pub mod source;
pub mod statistics;
pub mod study;
mod suggest;
mod thread;
pub mod verify;
pub mod view;

pub use array::{ArrayRows, Scalar};
pub use kantor_solvers as solvers;
pub use kantor_theory as theory;
pub use pipeline::{choose, select};
pub use problem::{Goal, Problem};

/// The code in README is run with the tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
