//! Ctrl-C and SIGTERM: the first asks the computation to stop and clean up, the second ends the program at once.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::output::scratch;
use crate::report::terminal::tell;

/// Exit code of an interrupted run.
pub(super) const INTERRUPTED: u8 = 130;

/// Time for a commit that has begun, before the program ends at once.
const PATIENCE: Duration = Duration::from_secs(10);

static STOP: AtomicBool = AtomicBool::new(false);

/// Installs the handler and returns the flag that it sets.
pub(super) fn stop_flag() -> &'static AtomicBool {
    let installed = ctrlc::set_handler(|| {
        if STOP.swap(true, Ordering::Relaxed) {
            scratch::abandon_all(PATIENCE);
            std::process::exit(i32::from(INTERRUPTED));
        }
        tell("kantor: stopping; press again to stop at once");
    });
    if let Err(error) = installed {
        tell(format_args!("kantor: signals end the program at once ({error})"));
    }
    &STOP
}
