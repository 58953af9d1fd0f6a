//! Ctrl-C and SIGTERM: the first asks the computation to stop and clean up, the second ends the program at once.
//! SIGXFSZ ends nothing: what writes learns of the limit by its error, and cleans up.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::output::scratch;
use crate::report::terminal::tell;

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
        tell("kantor: stopping; press again to stop at once");
    });
    if let Err(error) = installed {
        tell(format_args!("kantor: signals end the program at once ({error})"));
    }
    &STOP
}

/// Lets a write beyond the limit of the size of files (`ulimit -f`) fail instead of ending the program.
pub(super) fn fail_at_the_size_limit() {
    // Nobody looks at the flag: that there is a handler is enough. Without one, the signal ends the program as before.
    #[cfg(unix)]
    let _ = signal_hook::flag::register(signal_hook::consts::SIGXFSZ, std::sync::Arc::default());
}
