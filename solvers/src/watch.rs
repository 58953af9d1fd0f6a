//! Progress out of a long pass, and the wish to stop into it. Algorithms report; others decide what to show.

use crate::solver::Step;

/// Somebody asked the computation to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("stopped on request")]
pub struct Stopped;

/// Observes a long computation. Called from any thread, often.
pub trait Watch: Send + Sync {
    /// A stage with `total` units of work begins.
    fn begin(&self, stage: &str, total: u64);

    /// `units` more of the current stage are done. `Err` asks the computation to stop.
    fn advance(&self, units: u64) -> Result<(), Stopped>;

    /// An iteration of a solver ended.
    fn step(&self, _step: &Step) {}
}

/// Watches nothing and never stops anything.
#[derive(Debug, Clone, Copy, Default)]
pub struct Quiet;

impl Watch for Quiet {
    fn begin(&self, _stage: &str, _total: u64) {}

    fn advance(&self, _units: u64) -> Result<(), Stopped> {
        Ok(())
    }
}
