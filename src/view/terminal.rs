//! The one place that writes to standard output and standard error, so that nothing gets there unescaped.

#![allow(clippy::disallowed_methods)]

use std::io::{self, ErrorKind, Write, stderr, stdout};

use super::escape::Printable;

/// Prints lines on standard output. A reader that has gone away (`kantor … | head`) has seen enough: that is no failure.
///
/// # Errors
/// If the system refuses.
pub fn print(what: impl Printable) -> io::Result<()> {
    let mut out = stdout().lock();
    match writeln!(out, "{}", what.shown()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error),
        _ => Ok(()),
    }
}

/// Prints what the program itself wrote for a shell or a file: no letter of it is from outside.
///
/// # Errors
/// As [`print`].
#[cfg(feature = "cli")]
pub(crate) fn print_own(text: &[u8]) -> io::Result<()> {
    let mut out = stdout().lock();
    match out.write_all(text).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error),
        _ => Ok(()),
    }
}

/// Letters of a message that somebody reads; what is longer repeats what was read.
const LONGEST: usize = 20_000;

/// Says something on standard error. If that fails there is nobody left to be told.
pub fn tell(what: impl Printable) {
    let shown = what.shown();
    let _ = match shown.char_indices().nth(LONGEST) {
        None => writeln!(stderr().lock(), "{shown}"),
        Some((end, _)) => writeln!(stderr().lock(), "{} … ({} bytes more)", &shown[..end], shown.len() - end),
    };
}

/// Whether what is said on standard error is seen as it is said.
#[cfg(feature = "cli")]
pub(crate) fn is_watched() -> bool {
    std::io::IsTerminal::is_terminal(&stderr())
}
