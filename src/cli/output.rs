//! Standard output, where data goes and nothing else; and what is said of all inputs on standard error.

use std::io::{ErrorKind, Write, stdout};
use std::path::Path;

use crate::select::Inputs;

use super::args::RunArguments;
use super::failure::Failure;

/// Prints a line. A reader that has gone away (`kantor … | head`) has seen enough: that is no failure.
pub(super) fn say(line: impl std::fmt::Display) -> Result<(), Failure> {
    let mut out = stdout().lock();
    match writeln!(out, "{line}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Failure::io(Path::new("standard output"), &error)),
        _ => Ok(()),
    }
}

/// Says what readers of a result should know of its inputs.
pub(super) fn warn(inputs: &Inputs, run: &RunArguments) {
    let (overlap, dropped) = (inputs.overlap(), inputs.dropped().len());
    if overlap > 0 && !run.quiet {
        eprintln!("kantor: warning: {overlap} query rows are also in the pool; --forbid-overlap makes this an error");
    }
    if dropped > 0 && !run.quiet {
        eprintln!("kantor: warning: {dropped} rows dropped, listed in the manifest");
    }
}
