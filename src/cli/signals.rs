//! Ctrl-C and SIGTERM: the first asks the computation to stop and clean up, the second ends the program at once. Work that
//! cannot be asked is ended by the first.

use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use kantor_solvers::Stopped;

use crate::output::scratch;
use crate::view::terminal::tell;

/// Exit code of an interrupted run.
pub(super) const INTERRUPTED: u8 = 130;

/// Time for a commit that has begun, before the program ends at once.
const PATIENCE: Duration = Duration::from_secs(10);

/// Whether signals mean something: not while some that are to be ignored are heard for a moment.
static LISTENING: AtomicBool = AtomicBool::new(false);

static STOP: AtomicBool = AtomicBool::new(false);

/// Whether the work of this moment cannot be asked to stop.
static UNHEARD: AtomicBool = AtomicBool::new(false);

/// Whether the program is being ended at once.
static ENDING: AtomicBool = AtomicBool::new(false);

/// Waits for the end if the program is being ended at once: what fails meanwhile fails because its files are taken away.
pub(super) fn yield_to_the_end() {
    while ENDING.load(Ordering::SeqCst) {
        std::thread::park();
    }
}

/// Installs the handler and returns the flag that it sets. Signals that are ignored from the start stay so: `nohup` and
/// shells see to that for work that is to go on.
pub(super) fn stop_flag() -> &'static AtomicBool {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(install);
    &STOP
}

/// From now on the first signal ends the program and takes its hidden files away: for commands that look at no flag all the time.
pub(super) fn end_at_once() {
    UNHEARD.store(true, Ordering::SeqCst);
    stop_flag();
}

/// Does work that does not look at the flag: the first signal ends the program meanwhile.
///
/// # Errors
/// If there was a signal before.
pub(super) fn unheard<T>(work: impl FnOnce() -> T) -> Result<T, Stopped> {
    UNHEARD.store(true, Ordering::SeqCst);
    let done = if STOP.load(Ordering::SeqCst) { Err(Stopped) } else { Ok(work()) };
    UNHEARD.store(false, Ordering::SeqCst);
    done
}

fn install() {
    let ignored = ignored::signals();
    LISTENING.store(ignored.is_empty(), Ordering::SeqCst);
    let installed = ctrlc::set_handler(|| {
        if !LISTENING.load(Ordering::SeqCst) {
            return;
        }
        if STOP.swap(true, Ordering::SeqCst) || UNHEARD.load(Ordering::SeqCst) {
            ENDING.store(true, Ordering::SeqCst);
            scratch::abandon_all(PATIENCE);
            std::process::exit(i32::from(INTERRUPTED));
        }
        tell("kantor: stopping; press again to stop at once");
    });
    if let Err(error) = installed {
        tell(format_args!("kantor: signals end the program at once ({error})"));
    }
    ignored::ignore(ignored);
    LISTENING.store(true, Ordering::SeqCst);
}

#[cfg(unix)]
mod ignored {
    #![allow(unsafe_code)]

    use std::mem::MaybeUninit;
    use std::ptr::null_mut;

    use libc::{SIG_IGN, SIGHUP, SIGINT, SIGTERM, c_int};

    /// Those of the signals that ask the program to end which it was told to ignore.
    pub(super) fn signals() -> Vec<c_int> {
        let is_ignored = |&signal: &c_int| {
            let mut now = MaybeUninit::<libc::sigaction>::zeroed();
            // SAFETY: without a new action, the present one is written to the place that is given; all zeros are one.
            unsafe {
                libc::sigaction(signal, null_mut(), now.as_mut_ptr()) == 0 && now.assume_init().sa_sigaction == SIG_IGN
            }
        };
        [SIGHUP, SIGINT, SIGTERM].into_iter().filter(is_ignored).collect()
    }

    /// Ignores them again.
    pub(super) fn ignore(signals: Vec<c_int>) {
        for signal in signals {
            // SAFETY: to ignore a signal runs no code.
            unsafe { libc::signal(signal, SIG_IGN) };
        }
    }
}

#[cfg(not(unix))]
mod ignored {
    pub(super) fn signals() -> Vec<()> {
        Vec::new()
    }

    pub(super) fn ignore(_none: Vec<()>) {}
}
