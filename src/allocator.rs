//! The program's allocator: the system's, but where that has nothing left, the program ends in order.
//!
//! Without it, an allocation that fails anywhere, in a dependency too, aborts the process and leaves files behind.

#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::io::Write;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};
use std::time::Duration;

/// Exit code of a run that hit a limit.
const RESOURCE: i32 = 5;

/// Kept so that the last steps, which allocate too, have something to work with.
const RESERVE: Layout = Layout::new::<[u8; 1 << 20]>();

static RESERVED: AtomicPtr<u8> = AtomicPtr::new(null_mut());

/// Whether a thread is ending the program.
static ENDING: AtomicBool = AtomicBool::new(false);

thread_local! {
    /// Whether it is this thread.
    static ENDS: Cell<bool> = const { Cell::new(false) };
}

/// The system's allocator until it fails; then the end of the program, with an exit code and nothing left behind.
pub(crate) struct Orderly;

impl Orderly {
    /// Sets the reserve aside.
    pub(crate) fn prepare() {
        // SAFETY: the layout has a size that is not zero.
        RESERVED.store(unsafe { System.alloc(RESERVE) }, Ordering::Relaxed);
    }
}

// SAFETY: every call goes to the system's allocator with what it was given, and returns what that returned. What happens
// at a failure does not return, or returns the null pointer of the failed call.
unsafe impl GlobalAlloc for Orderly {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the same contract.
        checked(unsafe { System.alloc(layout) }, layout.size())
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the same contract.
        checked(unsafe { System.alloc_zeroed(layout) }, layout.size())
    }

    unsafe fn realloc(&self, old: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller keeps the same contract.
        checked(unsafe { System.realloc(old, layout, size) }, size)
    }

    unsafe fn dealloc(&self, old: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the same contract.
        unsafe { System.dealloc(old, layout) }
    }
}

fn checked(found: *mut u8, bytes: usize) -> *mut u8 {
    if found.is_null() && !kantor::source::memory::is_prepared() {
        end(bytes);
    }
    found
}

/// Ends the program: it has no memory left. Returns only if the last steps themselves fail.
#[cold]
fn end(bytes: usize) {
    if ENDS.get() {
        return;
    }
    ENDS.set(true);
    if ENDING.swap(true, Ordering::SeqCst) {
        // Another thread does it.
        loop {
            std::thread::park();
        }
    }
    let reserve = RESERVED.swap(null_mut(), Ordering::Relaxed);
    if !reserve.is_null() {
        // SAFETY: it was allocated with this layout, and is taken here once.
        unsafe { System.dealloc(reserve, RESERVE) };
    }
    // The thread that commits may be this one.
    kantor::output::scratch::abandon_all(Duration::ZERO);
    say(bytes);
    std::process::exit(RESOURCE);
}

/// Says why, without the lock of standard error: a thread that waits for memory may hold it.
fn say(bytes: usize) {
    let mut text = [0; 160];
    let mut rest = &mut text[..];
    let _ = writeln!(
        rest,
        "kantor: memory ran out: {bytes} bytes more could not be had; ask for less, allow more, or see --max-memory"
    );
    let left = rest.len();
    let used = &text[..text.len() - left];
    #[cfg(unix)]
    // SAFETY: the bytes are there, and nobody else has them.
    unsafe {
        libc::write(libc::STDERR_FILENO, used.as_ptr().cast(), used.len());
    }
    #[cfg(not(unix))]
    let _ = std::io::stderr().write_all(used);
}
