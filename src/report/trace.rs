//! What a solver did, step by step, as JSON lines: an observer around another one.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::Mutex;
use std::time::Instant;

use kantor_solvers::solver::Step;
use kantor_solvers::{Stopped, Watch};
use serde_json::json;

/// Writes one line per iteration: `iteration`, `epsilon`, `residual`, `dual` and `seconds` since the beginning.
///
/// Lines are written as the iterations end, so that a long run can be followed. Numbers that are not finite are `null`.
pub struct Trace<'a> {
    inner: &'a dyn Watch,
    begun: Instant,
    out: Mutex<Out>,
}

struct Out {
    file: BufWriter<File>,
    /// The first failure ends the trace, not the solver.
    failed: Option<io::Error>,
}

impl<'a> Trace<'a> {
    /// A trace into a new file at `path`; everything else goes to `inner`.
    ///
    /// # Errors
    /// If the file cannot be made.
    pub fn create(path: &Path, inner: &'a dyn Watch) -> io::Result<Self> {
        let file = BufWriter::new(File::create(path)?);
        Ok(Self { inner, begun: Instant::now(), out: Mutex::new(Out { file, failed: None }) })
    }

    /// Ends the trace.
    ///
    /// # Errors
    /// If any line could not be written.
    pub fn finish(self) -> io::Result<()> {
        let mut out = self.out.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
        match out.failed {
            Some(error) => Err(error),
            None => out.file.flush(),
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
            out.failed = writeln!(out.file, "{line}").and_then(|()| out.file.flush()).err();
        }
    }
}
