//! Standard output, where data goes and nothing else; and what is said of all inputs on standard error.

use std::path::Path;

use crate::data::name::readable;
use crate::output::MANIFEST;
use crate::report::escape::Printable;
use crate::report::terminal::{print, tell};
use crate::select::Inputs;

use super::args::RunArguments;
use super::failure::Failure;

/// Prints lines, as [`print`] does.
pub(super) fn say(what: impl Printable) -> Result<(), Failure> {
    print(what).map_err(|error| Failure::io(Path::new("standard output"), &error))
}

/// Where a result goes, and whether an older one is there, which `--force` lets go.
pub(super) struct Place<'a> {
    out: &'a Path,
    older: bool,
}

impl<'a> Place<'a> {
    /// To be called before the result is written.
    pub(super) fn new(out: &'a Path) -> Self {
        Self { out, older: out.join(MANIFEST).exists() }
    }

    /// Says that the result is there.
    pub(super) fn say_written(&self, seconds: f64) -> Result<(), Failure> {
        let older = if self.older { ", in the place of an older result" } else { "" };
        say(format_args!("written to {} in {seconds:.1} s{older}", readable(self.out)))
    }
}

/// Says what readers of a result should know of its inputs.
pub(super) fn warn(inputs: &Inputs, run: &RunArguments) {
    let (overlap, dropped) = (inputs.overlap(), inputs.dropped().len());
    warn_if_swapped(inputs, run);
    if overlap > 0 && !run.quiet {
        tell(format_args!(
            "kantor: warning: {overlap} query rows are also in the pool; --forbid-overlap makes this an error"
        ));
    }
    if dropped > 0 && !run.quiet {
        tell(format_args!("kantor: warning: {dropped} rows dropped, listed in the manifest"));
    }
}

/// Says what is unusual of the inputs of any command.
pub(super) fn warn_if_swapped(inputs: &Inputs, run: &RunArguments) {
    if let Some(doubt) = inputs.swapped().filter(|_| !run.quiet) {
        tell(format_args!("kantor: warning: {doubt}"));
    }
}
