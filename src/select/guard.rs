//! Work on files that others may change meanwhile.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use kantor_solvers::solver::Step;
use kantor_solvers::{Stopped, Watch};

use super::{Error, Inputs};

impl Inputs {
    /// Does work on these inputs.
    ///
    /// If a file is cut meanwhile, the work is asked to stop; and if the work fails and a file has changed, that is the
    /// error, whatever else was found in its rows.
    ///
    /// # Errors
    /// As `work`; or if it fails and a file has changed.
    pub fn guarded<T, E: From<Error>>(
        &self,
        watch: &dyn Watch,
        work: impl FnOnce(&dyn Watch) -> Result<T, E>,
    ) -> Result<T, E> {
        let watch = WhileWhole { watch, inputs: self };
        let found = catch_unwind(AssertUnwindSafe(|| work(&watch)));
        match found {
            Ok(Ok(found)) if !self.is_cut() => Ok(found),
            // The wish to stop is why, unless a file was cut.
            Ok(Err(error)) if !self.is_cut() && watch.watch.advance(0).is_err() => Err(error),
            Err(panic) if !self.is_cut() => resume_unwind(panic),
            found => {
                self.check_content().map_err(Error::from)?;
                found.unwrap_or_else(|panic| resume_unwind(panic))
            }
        }
    }
}

/// A watch over work that is worth nothing once a file was cut.
struct WhileWhole<'a> {
    watch: &'a dyn Watch,
    inputs: &'a Inputs,
}

impl Watch for WhileWhole<'_> {
    fn begin(&self, stage: &str, total: u64) {
        self.watch.begin(stage, total);
    }

    fn advance(&self, units: u64) -> Result<(), Stopped> {
        if self.inputs.is_cut() { Err(Stopped) } else { self.watch.advance(units) }
    }

    fn step(&self, step: &Step) {
        self.watch.step(step);
    }
}
