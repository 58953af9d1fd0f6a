//! A panic of a decoder at a damaged file is an error about the file.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use super::damaged;
use crate::source::error::DataError;

thread_local! {
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Whether a panic of this thread is an error about a file just now. For hooks that tell of panics.
#[cfg(feature = "cli")]
pub(crate) fn is_guarded() -> bool {
    GUARDED.get()
}

/// What `work` finds; what it owns is not used any more after a panic.
pub(super) fn guarded<T>(path: &Path, work: impl FnOnce() -> Result<T, DataError>) -> Result<T, DataError> {
    let before = GUARDED.replace(true);
    let found = catch_unwind(AssertUnwindSafe(work));
    GUARDED.set(before);
    found.unwrap_or_else(|panic| Err(damaged(path, said(&*panic))))
}

fn said(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("it cannot be decoded")
}
