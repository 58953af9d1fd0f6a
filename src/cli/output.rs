//! Standard output, where data goes and nothing else.

use std::io::{ErrorKind, Write, stdout};
use std::path::Path;

use super::failure::Failure;

/// Prints a line. A reader that has gone away (`kantor … | head`) has seen enough: that is no failure.
pub(super) fn say(line: impl std::fmt::Display) -> Result<(), Failure> {
    let mut out = stdout().lock();
    match writeln!(out, "{line}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Failure::io(Path::new("standard output"), &error)),
        _ => Ok(()),
    }
}
