//! Files shown as memory: the one place where kantor asks the system for that, and where it outlives a file that is cut
//! meanwhile.
//!
//! If a mapped file is shortened, the system has nothing to show for the lost pages and sends SIGBUS to whoever touches
//! them; if the disk fails, too. By default that ends the process. [`outlive_cuts`] installs a handler that puts pages of
//! zeros into the place of the lost ones and notes that the map was cut. So work goes on to an ordinary end, where
//! [`Map::is_cut`] says that it was worth nothing.

#![allow(unsafe_code)]

#[cfg(unix)]
mod regions;

use std::fs::File;
use std::io;
use std::ops::Deref;

use memmap2::Mmap;

#[cfg(unix)]
use regions::Registered;

/// A whole regular file, read-only.
#[derive(Debug)]
pub(crate) struct Map {
    /// Dropped before the map is: the handler must not touch what lies there later.
    #[cfg(unix)]
    region: Registered,
    bytes: Mmap,
}

impl Map {
    pub(crate) fn new(file: &File) -> io::Result<Self> {
        // SAFETY: the map is private to this process and never written through. If another process writes to the file
        // meanwhile, the numbers read are unspecified, but every bit pattern is a valid number and no length is ever
        // read twice, so nothing worse than wrong values follows; `Source::check_unchanged` reports it before results
        // are believed. If the file is cut, see above: either the process ends, or the handler shows zeros, which are
        // numbers too.
        let bytes = unsafe { Mmap::map(file) }?;
        Ok(Self {
            #[cfg(unix)]
            region: Registered::new(&bytes),
            bytes,
        })
    }

    /// Whether some of its pages were lost and are shown as zeros.
    pub(crate) fn is_cut(&self) -> bool {
        #[cfg(unix)]
        return self.region.is_cut();
        #[cfg(not(unix))]
        return false;
    }
}

impl Deref for Map {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Makes this process outlive the cutting of files that it has mapped through kantor: what is computed from such a file
/// fails with [`DataError::Changed`](super::DataError::Changed), instead of ending the process with SIGBUS.
///
/// Replaces the process's handler of SIGBUS, so it is for programs to call, once, at their start; `kantor` itself does.
/// Faults that do not lie in a map of kantor's go to the handler that was there before. Does nothing where there is no
/// such signal: there, a mapped file cannot be cut.
///
/// # Errors
/// If the system refuses.
pub fn outlive_cuts() -> io::Result<()> {
    #[cfg(unix)]
    return regions::install();
    #[cfg(not(unix))]
    return Ok(());
}
