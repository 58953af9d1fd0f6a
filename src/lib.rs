//! kantor selects training data by optimal transport and proves how good the selection is.
//!
//! ```
//! use kantor::prelude::*;
//! let (pool, query) = (ndarray::array![[1.0, 0.0], [0.8, 0.6], [0.0, 1.0]], ndarray::array![[0.9, 0.1]]);
//! let (pool, query) = (ArrayRows::new(pool.view()), ArrayRows::new(query.view()));
//! let problem = Problem::new(&pool, &query, Goal { budgets: vec![1], ..Goal::default() })?;
//! let outcome = choose(&problem, &Request { methods: vec!["optimal".into()], ..Request::default() }, &Quiet)?;
//! let best = &outcome.chosen[0].selections[0];
//! assert_eq!((&best.selection.rows[..], best.status()), (&[0][..], Status::Optimal));
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```
//!
//! In this order:
//!
//! 1. **Rows**: [`ArrayRows`] of `ndarray` views, your own [`Rows`](kantor_theory::Rows), or the files of
//!    [`Inputs`](pipeline::Inputs).
//! 2. **[`Problem`]**: pool and queries, or a matrix, with a [`Goal`]: cost, power, objective, budgets.
//!    [`Inputs::problem`](pipeline::Inputs::problem) makes one of files. [`Problem::constrained`] adds quotas, sums, rows to
//!    include and to exclude ([`Rules`](constraints::Rules)).
//! 3. **[`Request`](pipeline::Request)**: by which methods, with which settings, and what is proved. A selector of your own
//!    goes into [`Request::own`](pipeline::Request::own), and its name wherever a method's goes.
//! 4. **[`choose()`]** gives an **[`Outcome`](pipeline::Outcome)**: for every method and budget the rows, and what was proved
//!    of them. [`select()`] does the same for files, which it also describes by digest.
//! 5. **Results**: [`Outcome::save`](pipeline::Outcome::save) writes rows, certificates and [`Prices`](record::Prices) as `kantor select` does (those of
//!    files with [`record::write`]), and [`Record::load`](record::Record::load) reads the result of any command.
//! 6. **Check**: [`verify`](verify::verify) checks a certificate against any files that hold the same rows,
//!    [`theory::verify`] against rows in memory, of which [`certify::facts_for`] says what they are.
//!
//! On a problem also work [`quantiles`](quantiles::quantiles) (what far rows are like) and [`bounds`](bound::bounds) (what a
//! distance implies for a loss); [`compare`](compare::compare) and [`batch`](batch::run) run many of them on files.
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
pub mod constraints;
mod cut;
mod decimal;
pub mod embed;
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
pub mod represent;
mod shard;
pub mod source;
pub mod statistics;
pub mod study;
mod suggest;
mod thread;
pub mod verify;
pub mod view;
pub mod warmup;

pub use array::{ArrayRows, Scalar};
pub use kantor_solvers as solvers;
pub use kantor_theory as theory;
pub use pipeline::{choose, select};
pub use problem::{Goal, Problem};

/// The code in the documentation is run with the tests.
#[cfg(doctest)]
#[doc = include_str!("../docs/src/rust.md")]
struct Documentation;
