//! What a solver did, step by step, as JSON lines: an observer around another one.

use std::io::{self, Write};
use std::sync::Mutex;
use std::time::Instant;

use kantor_solvers::solver::Step;
use kantor_solvers::{Stopped, Watch};
use serde_json::json;

use crate::output::{OutputError, OutputFile};

/// Writes one line per iteration: `iteration`, `epsilon`, `residual`, `dual` and `seconds` since the beginning.
///
/// Numbers that are not finite are `null`.
pub struct Trace<'a> {
    inner: &'a dyn Watch,
    begun: Instant,
    out: Mutex<Out>,
}

struct Out {
    file: OutputFile,
    /// The first failure ends the trace, not the solver.
    failed: Option<io::Error>,
}

impl<'a> Trace<'a> {
    /// A trace into `file`; everything else goes to `inner`.
    pub fn new(file: OutputFile, inner: &'a dyn Watch) -> Self {
        Self { inner, begun: Instant::now(), out: Mutex::new(Out { file, failed: None }) }
    }

    /// Ends the trace and returns its file, to be committed.
    ///
    /// # Errors
    /// If any line could not be written.
    pub fn finish(self) -> Result<OutputFile, OutputError> {
        let out = self.out.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
        match out.failed {
            None => Ok(out.file),
            Some(error) => Err(out.file.failed(error)),
        }
    }
}

impl Watch for Trace<'_> {
    fn begin(&self, stage: &str, total: u64) {
        self.inner.begin(stage, total);
    }

    fn advance(&self, units: u64) -> Result<(), Stopped> {
        self.inner.advance(units)
    }

    fn step(&self, step: &Step) {
        self.inner.step(step);
        let line = json!({
            "iteration": step.iteration, "epsilon": step.epsilon, "residual": step.residual, "dual": step.dual,
            "seconds": self.begun.elapsed().as_secs_f64(),
        });
        let mut out = self.out.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if out.failed.is_none() {
            out.failed = writeln!(out.file, "{line}").err();
        }
    }
}
