//! Why a command ended without a result, and the exit code that says so to scripts.

use std::path::Path;

use crate::certify::CertifyError;
use crate::constraints::{RuleError, TokenError};
use crate::output::OutputError;
use crate::pipeline::Error;
use crate::source::name::readable;
use crate::source::{DataError, FaultKind};
use crate::view::page::PageError;
use kantor_solvers::{SelectError, SolveError};
use kantor_theory::GeometryError;

use super::quantities::with_flags;
use super::signals::INTERRUPTED;

/// Exit code: the words of the command line make no sense.
pub(super) const USAGE: u8 = 2;
const BAD_INPUT: u8 = 3;
const INPUT_OUTPUT: u8 = 4;
const RESOURCE: u8 = 5;

/// A command that could not do its work.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The request makes no sense.
    #[error("{0}")]
    Usage(String),
    /// A file holds something that it must not hold.
    #[error("{0}")]
    BadInput(String),
    /// Reading or writing failed.
    #[error("{0}")]
    InputOutput(String),
    /// A limit was hit.
    #[error("{0}")]
    Resource(String),
    /// The selection failed.
    #[error(transparent)]
    Select(#[from] Error),
    /// A distance could not be certified.
    #[error(transparent)]
    Certify(#[from] CertifyError),
    /// The transport problem could not be solved.
    #[error(transparent)]
    Solve(#[from] SolveError),
    /// Reading an input failed.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The report could not be made.
    #[error(transparent)]
    Page(#[from] PageError),
    /// Writing the result failed.
    #[error(transparent)]
    Output(#[from] OutputError),
}

impl Failure {
    pub(super) fn io(path: &Path, error: &std::io::Error) -> Self {
        Failure::InputOutput(format!("{}: {error}", readable(path)))
    }

    /// What is said of it, with the flags that set what it names.
    pub(super) fn message(&self) -> String {
        match self {
            Failure::Solve(_) | Failure::Certify(_) => with_flags(&self.to_string()),
            Failure::Select(error) if !matches!(error, Error::Data(_) | Error::Output(_)) => {
                with_flags(&error.to_string())
            }
            _ => self.to_string(),
        }
    }

    /// The code for scripts.
    pub(super) fn exit_code(&self) -> u8 {
        match self {
            Failure::Usage(_) => USAGE,
            Failure::Solve(error)
            | Failure::Certify(CertifyError::Solve(error))
            | Failure::Select(Error::Certify(CertifyError::Solve(error))) => solve_code(error),
            Failure::BadInput(_) | Failure::Certify(_) | Failure::Page(_) => BAD_INPUT,
            Failure::InputOutput(_) => INPUT_OUTPUT,
            Failure::Resource(_) | Failure::Select(Error::Memory { .. } | Error::BoundMemory { .. }) => RESOURCE,
            Failure::Data(error) | Failure::Select(Error::Data(error)) => data_code(error),
            Failure::Output(error) | Failure::Select(Error::Output(error)) => match error.is_usage() {
                true => USAGE,
                false => INPUT_OUTPUT,
            },
            Failure::Select(Error::UnknownMethod { .. } | Error::Request(_)) => USAGE,
            Failure::Select(Error::Geometry(GeometryError::WrongCost { .. })) => USAGE,
            Failure::Select(Error::Geometry(_) | Error::Overlap { .. } | Error::Certify(_)) => BAD_INPUT,
            Failure::Select(Error::Rule(RuleError::Refused(_) | RuleError::UnknownLabel { .. })) => BAD_INPUT,
            Failure::Select(Error::Rule(RuleError::Tokens(TokenError::Fraction { .. } | TokenError::TooMany(_)))) => {
                BAD_INPUT
            }
            Failure::Select(Error::Rule(_)) => USAGE,
            Failure::Select(Error::Selector(error)) => match error {
                SelectError::Memory { .. } => RESOURCE,
                SelectError::Stopped(_) => INTERRUPTED,
                SelectError::Budget { .. }
                | SelectError::Infeasible { .. }
                | SelectError::NoneFound { .. }
                | SelectError::InfeasibleTokens { .. }
                | SelectError::NoTokensFound { .. }
                | SelectError::Row(_) => BAD_INPUT,
                SelectError::Budgets(_)
                | SelectError::Setting { .. }
                | SelectError::UnknownSetting { .. }
                | SelectError::Unsupported { .. }
                | SelectError::Distance { .. } => USAGE,
            },
        }
    }
}

fn solve_code(error: &SolveError) -> u8 {
    match error {
        SolveError::Problem(_) | SolveError::Unsupported { .. } => USAGE,
        SolveError::Weights(_) | SolveError::Costs(_) => BAD_INPUT,
        SolveError::Memory { .. } => RESOURCE,
    }
}

fn data_code(error: &DataError) -> u8 {
    match error.kind() {
        FaultKind::Usage => USAGE,
        FaultKind::BadInput => BAD_INPUT,
        FaultKind::Io => INPUT_OUTPUT,
        FaultKind::Resource => RESOURCE,
        FaultKind::Interrupted => INTERRUPTED,
    }
}
