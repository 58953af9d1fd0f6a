//! Standard output, where data goes and nothing else; and what is said of all inputs on standard error.

use std::path::Path;

use crate::report::escape::Printable;
use crate::report::terminal::{print, tell};
use crate::select::Inputs;

use super::args::RunArguments;
use super::failure::Failure;

/// Prints lines, as [`print`] does.
pub(super) fn say(what: impl Printable) -> Result<(), Failure> {
    print(what).map_err(|error| Failure::io(Path::new("standard output"), &error))
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
