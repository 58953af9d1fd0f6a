//! Threads of this program.

use std::thread::Builder;

/// Stack of every thread, whatever the environment says.
pub(crate) const STACK: usize = 4 << 20;

/// For a thread that may be refused by the system: others do its work then.
pub(crate) fn builder() -> Builder {
    Builder::new().stack_size(STACK)
}
