//! The maps that the handler of SIGBUS may mend, and that handler.
//!
//! The handler may interrupt a thread anywhere, so it takes no lock and asks for no memory: it walks a list whose entries
//! are never freed. An entry is used again for later maps, under a version number by which the handler tells whether what
//! it has read belongs together.

use std::ffi::c_int;
use std::io;
use std::ops::Range;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// A place for a map.
#[derive(Debug)]
struct Region {
    /// Odd while there is a map here.
    version: AtomicUsize,
    start: AtomicUsize,
    end: AtomicUsize,
    cut: AtomicBool,
    /// Null or an entry that lives for ever, as this one does.
    next: *const Region,
}

// SAFETY: `next` is written before the region is published and never after, and what it points to is a `Region` that is
// never freed; all else is atomic.
unsafe impl Send for Region {}
// SAFETY: as above.
unsafe impl Sync for Region {}

/// The entry that was added last.
static REGIONS: AtomicPtr<Region> = AtomicPtr::new(ptr::null_mut());

/// Held by whoever adds, takes or leaves an entry; never by the handler.
static WRITERS: Mutex<()> = Mutex::new(());

/// The handler that was there before.
static BEFORE: AtomicPtr<libc::sigaction> = AtomicPtr::new(ptr::null_mut());

/// Bytes of a page.
static PAGE: AtomicUsize = AtomicUsize::new(0);

/// All entries.
fn regions() -> impl Iterator<Item = &'static Region> {
    // SAFETY: the pointer is null or was made by `Box::leak` in `Registered::new`, and is never freed.
    let at = |region: *const Region| unsafe { region.as_ref() };
    std::iter::successors(at(REGIONS.load(Ordering::Acquire)), move |region| at(region.next))
}

impl Region {
    /// Where its map lies, if there is one.
    fn range(&self) -> Option<Range<usize>> {
        let version = self.version.load(Ordering::Acquire);
        let range = self.start.load(Ordering::Acquire)..self.end.load(Ordering::Acquire);
        (version % 2 == 1 && self.version.load(Ordering::Acquire) == version).then_some(range)
    }
}

/// A map's entry, for as long as the map is there.
#[derive(Debug)]
pub(super) struct Registered(&'static Region);

impl Registered {
    pub(super) fn new(bytes: &[u8]) -> Self {
        let _writer = WRITERS.lock().unwrap_or_else(PoisonError::into_inner);
        let range = bytes.as_ptr_range();
        let free = regions().find(|region| region.version.load(Ordering::Relaxed) % 2 == 0);
        let region = free.unwrap_or_else(|| {
            let region: &'static Region = Box::leak(Box::new(Region {
                version: AtomicUsize::new(0),
                start: AtomicUsize::new(0),
                end: AtomicUsize::new(0),
                cut: AtomicBool::new(false),
                next: REGIONS.load(Ordering::Relaxed),
            }));
            REGIONS.store(ptr::from_ref(region).cast_mut(), Ordering::Release);
            region
        });
        region.start.store(range.start as usize, Ordering::Release);
        region.end.store(range.end as usize, Ordering::Release);
        region.cut.store(false, Ordering::Release);
        region.version.fetch_add(1, Ordering::AcqRel);
        Self(region)
    }

    pub(super) fn is_cut(&self) -> bool {
        self.0.cut.load(Ordering::Acquire)
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        let _writer = WRITERS.lock().unwrap_or_else(PoisonError::into_inner);
        self.0.version.fetch_add(1, Ordering::AcqRel);
    }
}

/// Installs the handler, once.
pub(super) fn install() -> io::Result<()> {
    let _writer = WRITERS.lock().unwrap_or_else(PoisonError::into_inner);
    if !BEFORE.load(Ordering::Acquire).is_null() {
        return Ok(());
    }
    // SAFETY: asks for a number.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    PAGE.store(usize::try_from(page).map_err(|_| io::Error::last_os_error())?, Ordering::Release);
    // SAFETY: all zeros are a valid `sigaction`: plain numbers, no handler, an empty set of signals.
    let (mut action, mut before): (libc::sigaction, libc::sigaction) = unsafe { std::mem::zeroed() };
    action.sa_sigaction = mend as *const () as usize;
    // On the stack for signals where the thread has one, as the handler of the standard library runs.
    action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
    // SAFETY: both pointers are to values of this frame; `mend` has the signature that SA_SIGINFO asks for and does only
    // what a handler may do.
    if unsafe { libc::sigaction(libc::SIGBUS, ptr::null(), &mut before) } != 0 {
        return Err(io::Error::last_os_error());
    }
    BEFORE.store(Box::into_raw(Box::new(before)), Ordering::Release);
    // SAFETY: as above.
    if unsafe { libc::sigaction(libc::SIGBUS, &action, ptr::null_mut()) } != 0 {
        let error = io::Error::last_os_error();
        BEFORE.store(ptr::null_mut(), Ordering::Release);
        return Err(error);
    }
    Ok(())
}

/// The handler: puts zeros where a map has lost its pages, and leaves every other fault to the handler before it.
extern "C" fn mend(_signal: c_int, info: *mut libc::siginfo_t, _context: *mut libc::c_void) {
    // SAFETY: the system hands over a valid `siginfo_t` to a handler with SA_SIGINFO. The address means something only if
    // the system itself sent the signal (`si_code` above 0) because of a fault.
    let (code, address) = unsafe { ((*info).si_code, (*info).si_addr() as usize) };
    let of = |region: &&Region| code > 0 && region.range().is_some_and(|range| range.contains(&address));
    if let Some(region) = regions().find(of)
        && let Some(range) = region.range()
    {
        let page = PAGE.load(Ordering::Acquire);
        let start = address - address % page;
        // SAFETY: the pages from the fault to the end of the map belong to a map of kantor's: it is registered, so it is
        // not unmapped yet, and it stays until this thread, which reads it through a reference, goes on. They are only
        // ever read, as bytes, and zeros are as good as any. Replacing them is one step for all other readers. `mmap` is
        // a plain system call here and leaves `errno` alone if it succeeds; if it fails the process ends.
        let zeros = unsafe {
            libc::mmap(
                start as *mut libc::c_void,
                range.end - start,
                libc::PROT_READ,
                libc::MAP_PRIVATE | libc::MAP_ANON | libc::MAP_FIXED,
                -1,
                0,
            )
        };
        if zeros != libc::MAP_FAILED {
            region.cut.store(true, Ordering::Release);
            return;
        }
    }
    // The instruction that faulted runs again and meets the handler that was there before.
    // SAFETY: `BEFORE` was filled before this handler was installed and is never freed; `sigaction` is safe in handlers.
    unsafe { libc::sigaction(libc::SIGBUS, BEFORE.load(Ordering::Acquire), ptr::null_mut()) };
}
