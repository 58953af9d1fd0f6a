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

#[cfg(all(test, unix))]
mod tests {
    #![allow(clippy::disallowed_methods)]
    #![allow(clippy::unwrap_used)]
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    const PAGES: usize = 64;
    const PAGE: usize = 4096;

    /// A file of ones, without a name.
    fn ones() -> File {
        use std::io::Write;
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&[1; PAGES * PAGE]).unwrap();
        file
    }

    #[test]
    fn lost_pages_read_as_zeros_from_any_thread_and_the_map_is_cut() {
        outlive_cuts().unwrap();
        let (file, other) = (ones(), ones());
        let (map, whole) = (Map::new(&file).unwrap(), Map::new(&other).unwrap());
        file.set_len((PAGES / 2 * PAGE) as u64).unwrap();
        assert!(!map.is_cut(), "nobody has touched the lost pages");
        std::thread::scope(|scope| {
            let sum = || map.iter().map(|&byte| u64::from(byte)).sum::<u64>();
            let sums: Vec<_> = (0..8).map(|_| scope.spawn(sum)).collect();
            sums.into_iter().for_each(|found| assert_eq!(found.join().unwrap(), (PAGES / 2 * PAGE) as u64));
        });
        assert!(map.is_cut() && !whole.is_cut());
        drop(map);
        // The entry of a map that is gone serves the next one.
        let next = Map::new(&other).unwrap();
        assert!(!next.is_cut() && next.iter().all(|&byte| byte == 1));
    }

    #[test]
    fn a_fault_elsewhere_ends_the_process_as_before() {
        const INNER: &str = "KANTOR_TEST_FAULT";
        if std::env::var_os(INNER).is_none() {
            let name = concat!(module_path!(), "::a_fault_elsewhere_ends_the_process_as_before");
            let name = name.split_once("::").map_or(name, |(_, name)| name);
            let mut child = std::process::Command::new(std::env::current_exe().unwrap());
            let ended = child.args([name, "--exact", "--nocapture"]).env(INNER, "1").output().unwrap();
            assert_eq!(ended.status.signal(), Some(libc::SIGBUS), "{ended:?}");
            return;
        }
        outlive_cuts().unwrap();
        let (file, own) = (ones(), ones());
        let registered = Map::new(&own).unwrap();
        own.set_len(0).unwrap();
        assert_eq!(registered[PAGE], 0);
        // SAFETY: reading it faults, which is what is tested.
        let foreign = unsafe { Mmap::map(&file) }.unwrap();
        file.set_len(0).unwrap();
        unreachable!("a lost page was read as {}", foreign[PAGE]);
    }
}
