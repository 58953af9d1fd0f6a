//! Work on files that others may change meanwhile.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Mutex, MutexGuard};

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
        let holding = Holding::begin();
        let found = catch_unwind(AssertUnwindSafe(|| work(&watch)));
        match found {
            Ok(Ok(found)) if !self.is_cut() => Ok(found),
            // The wish to stop is why, unless a file was cut.
            Ok(Err(error)) if !self.is_cut() && watch.watch.advance(0).is_err() => Err(error),
            Err(panic) if !self.is_cut() => holding.raise(panic),
            found => {
                self.check_content().map_err(Error::from)?;
                found.unwrap_or_else(|panic| holding.raise(panic))
            }
        }
    }
}

/// What is to be said of panics inside [`Inputs::guarded`], on any thread: a file that was cut explains them.
static HELD: Mutex<Held> = Mutex::new(Held { guards: 0, messages: Vec::new() });

struct Held {
    /// Calls of [`Inputs::guarded`] at work.
    guards: usize,
    messages: Vec<Box<dyn FnOnce() + Send>>,
}

fn held() -> MutexGuard<'static, Held> {
    HELD.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// Says that there was a panic: at once, or inside [`Inputs::guarded`] once no file that was cut explains it.
#[cfg(feature = "cli")]
pub(crate) fn unless_explained(say: impl FnOnce() + Send + 'static) {
    let mut held = held();
    if held.guards > 0 {
        held.messages.push(Box::new(say));
    } else {
        drop(held);
        say();
    }
}

/// Holds messages back for as long as it lives.
struct Holding;

impl Holding {
    fn begin() -> Self {
        held().guards += 1;
        Self
    }

    /// Lets a panic go on, after what is to be said of it.
    fn raise<T>(&self, panic: Box<dyn Any + Send>) -> T {
        let messages = std::mem::take(&mut held().messages);
        messages.into_iter().for_each(|say| say());
        resume_unwind(panic)
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        let mut held = held();
        held.guards -= 1;
        if held.guards == 0 {
            held.messages.clear();
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
