//! How a run ended. A status is not an error: what was found is returned with it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The status words that users see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Proved to be the best possible: the certified interval closes to 1e-9.
    Optimal,
    /// An interval was proved.
    Certified,
    /// Nothing was proved because nobody asked for it.
    Uncertified,
    /// The wanted accuracy was not reached.
    GapNotMet,
    /// The iteration limit came first.
    IterationLimit,
    /// The time limit came first.
    TimeLimit,
    /// It met numbers that it cannot go on with.
    NumericalError,
    /// The user stopped it.
    Interrupted,
}

impl Status {
    /// The word as written in files.
    pub fn name(self) -> &'static str {
        match self {
            Status::Optimal => "optimal",
            Status::Certified => "certified",
            Status::Uncertified => "uncertified",
            Status::GapNotMet => "gap_not_met",
            Status::IterationLimit => "iteration_limit",
            Status::TimeLimit => "time_limit",
            Status::NumericalError => "numerical_error",
            Status::Interrupted => "interrupted",
        }
    }

    /// Whether the run did what it was asked to do.
    pub fn is_success(self) -> bool {
        matches!(self, Status::Optimal | Status::Certified | Status::Uncertified)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
