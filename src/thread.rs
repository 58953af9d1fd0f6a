//! Threads of this program.

use std::thread::Builder;

/// Stack of every thread at least; the environment may ask for more.
const STACK: usize = 4 << 20;

/// Bytes of stack for a thread.
pub(crate) fn stack() -> usize {
    let asked = std::env::var("RUST_MIN_STACK").ok().and_then(|text| text.parse().ok());
    asked.map_or(STACK, |asked: usize| asked.max(STACK))
}

/// For a thread that may be refused by the system: others do its work then.
pub(crate) fn builder() -> Builder {
    Builder::new().stack_size(stack())
}
