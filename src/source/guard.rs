//! A panic of a decoder of others at a damaged file is an error about the file.

use std::cell::Cell;

thread_local! {
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Whether a panic of this thread is an error about a file just now. For hooks that tell of panics.
pub fn is_guarded() -> bool {
    GUARDED.get()
}

/// What `work` finds, or what is made of a panic's words; what `work` owns is not used any more after a panic.
#[cfg(any(feature = "parquet", feature = "tokenizers"))]
pub(crate) fn guarded<T, E>(panicked: impl FnOnce(&str) -> E, work: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    let before = GUARDED.replace(true);
    let found = catch_unwind(AssertUnwindSafe(work));
    GUARDED.set(before);
    found.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        Err(panicked(text.unwrap_or("it cannot be decoded")))
    })
}
