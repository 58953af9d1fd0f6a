//! Ctrl-C and SIGTERM: the first asks the computation to stop and clean up, the second ends the program at once.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::output::scratch;

/// Exit code of an interrupted run.
pub(super) const INTERRUPTED: u8 = 130;

static STOP: AtomicBool = AtomicBool::new(false);

/// Installs the handler and returns the flag that it sets.
pub(super) fn stop_flag() -> &'static AtomicBool {
    let installed = ctrlc::set_handler(|| {
        if STOP.swap(true, Ordering::Relaxed) {
            scratch::abandon_all();
            std::process::exit(i32::from(INTERRUPTED));
        }
        eprintln!("kantor: stopping; press again to stop at once");
    });
    if let Err(error) = installed {
        eprintln!("kantor: signals end the program at once ({error})");
    }
    &STOP
}
