//! Limits that the system sets for a process, and how the program lives with them.

use super::failure::Failure;

/// Files that must be allowed to be open at a time, for anything to be made and removed in order; all inputs of a run
/// that reads many come on top.
#[cfg(unix)]
const OPEN_FILES: u64 = 24;

/// Fails if the system allows too few open files (`ulimit -n`) even to clean up, or for this many more.
#[cfg(unix)]
pub(super) fn check_open_files(more: usize) -> Result<(), Failure> {
    use rustix::process::{Resource, getrlimit};
    let needed = OPEN_FILES + more as u64;
    match getrlimit(Resource::Nofile).current {
        Some(most) if most < needed => {
            let fault = format!("the system allows {most} open files (ulimit -n): allow at least {needed}");
            Err(Failure::Resource(fault))
        }
        _ => Ok(()),
    }
}

/// Elsewhere there is no such limit.
#[cfg(not(unix))]
pub(super) fn check_open_files(_more: usize) -> Result<(), Failure> {
    Ok(())
}

/// Lets the user who runs the program read and write what it makes, whatever `umask` says: files are read again before
/// they get their names, and by later runs.
pub(super) fn keep_own_access() {
    #[cfg(unix)]
    {
        use rustix::fs::Mode;
        use rustix::process::umask;
        let mask = umask(Mode::RWXU | Mode::RWXG | Mode::RWXO);
        umask(mask.difference(Mode::RWXU));
    }
}

/// Lets a write beyond the limit of the size of files (`ulimit -f`) fail instead of ending the program: what writes
/// learns of the limit by its error, and cleans up.
pub(super) fn fail_at_the_size_limit() {
    // Nobody looks at the flag: that there is a handler is enough. Without one, the signal ends the program as before.
    #[cfg(unix)]
    let _ = signal_hook::flag::register(signal_hook::consts::SIGXFSZ, std::sync::Arc::default());
}
