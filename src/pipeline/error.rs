//! Why nothing was selected.

use kantor_solvers::{SelectError, Stopped};
use kantor_theory::GeometryError;

use super::forbid::ForbidOverlap;
use crate::certify::CertifyError;
use crate::constraints::RuleError;
use crate::output::OutputError;
use crate::source::DataError;

/// Why nothing was selected.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An input cannot be used.
    #[error(transparent)]
    Data(#[from] DataError),
    /// Pool, queries and cost do not go together.
    #[error("{0}")]
    Geometry(#[from] GeometryError),
    /// No method has this name.
    #[error("unknown method `{name}`{meant} (known: {known})")]
    UnknownMethod {
        /// The name given.
        name: String,
        /// What may have been meant, in words; empty if no name is like it.
        meant: String,
        /// All names.
        known: String,
    },
    /// The request makes no sense.
    #[error("{0}")]
    Request(String),
    /// Queries are in the pool and that was forbidden.
    #[error(
        "{count} query rows are also in the pool{} (query row {query}: pool row {row}{}): \
         remove them from the pool, or allow it by leaving out --forbid-overlap",
        if let ForbidOverlap::Near(cosine) = forbidden { format!(", or have a cosine of at least {cosine} to one of its rows") } else { String::new() },
        if *count > 1 { ", …" } else { "" }
    )]
    Overlap {
        /// How many.
        count: usize,
        /// The first of them, dropped rows counted.
        query: usize,
        /// A row of the pool that it is, dropped rows counted.
        row: usize,
        /// What was forbidden.
        forbidden: ForbidOverlap,
    },
    /// It would take more memory than allowed.
    #[error(
        "this takes about {needed} bytes beyond the input but --max-memory allows {allowed}: allow more, or ask for less"
    )]
    Memory {
        /// Bytes needed, roughly.
        needed: u64,
        /// Bytes allowed.
        allowed: u64,
    },
    /// The bound for every subset, which nobody need ask for, would take more memory than allowed.
    #[error(
        "the bound for every subset needs about {needed} bytes beyond the input but --max-memory allows {allowed}: \
         allow more, choose fewer rows, or do without proofs (--no-certify of `kantor select`)"
    )]
    BoundMemory {
        /// Bytes needed, roughly.
        needed: u64,
        /// Bytes allowed.
        allowed: u64,
    },
    /// Constraints do not fit the problem.
    #[error(transparent)]
    Rule(#[from] RuleError),
    /// A method failed.
    #[error(transparent)]
    Selector(#[from] SelectError),
    /// A distance could not be certified.
    #[error(transparent)]
    Certify(#[from] CertifyError),
    /// The result cannot be written.
    #[error(transparent)]
    Output(#[from] OutputError),
}

impl Error {
    /// The budget that it is about, if others may do.
    pub(crate) fn budget(&self) -> Option<usize> {
        match *self {
            Error::Selector(
                SelectError::Budget { budget, .. }
                | SelectError::Infeasible { budget, .. }
                | SelectError::NoneFound { budget, .. }
                | SelectError::InfeasibleTokens { budget, .. }
                | SelectError::NoTokensFound { budget, .. },
            )
            | Error::Rule(RuleError::Empty { budget, .. }) => Some(budget),
            _ => None,
        }
    }
}

impl From<Stopped> for Error {
    fn from(stopped: Stopped) -> Self {
        Error::Selector(stopped.into())
    }
}
