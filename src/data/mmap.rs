//! The one place where kantor asks the system to show a file as memory.

#![allow(unsafe_code)]

use std::fs::File;
use std::io;

use memmap2::Mmap;

/// Maps a whole regular file read-only.
pub(crate) fn map(file: &File) -> io::Result<Mmap> {
    // SAFETY: the map is private to this process and never written through. If another process writes to the file
    // meanwhile, the numbers read are unspecified but every bit pattern is a valid number and no length is ever
    // read twice, so nothing worse than wrong values follows; `Source::check_unchanged` reports it before results
    // are believed. If the file is shortened, touching the lost pages ends the process with SIGBUS: no result is
    // written, because results are renamed into place only at the end.
    unsafe { Mmap::map(file) }
}
