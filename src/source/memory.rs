//! Memory that grows with the input: asked for before it is taken, and counted where a limit is set.

use std::cell::Cell;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use super::error::DataError;

/// How many bytes reading may take beside the files themselves: what is unpacked, what is kept of every row.
#[derive(Debug)]
pub struct Allowance {
    allowed: u64,
    taken: AtomicU64,
}

impl Allowance {
    /// So many bytes.
    pub fn new(bytes: u64) -> Self {
        Self { allowed: bytes, taken: AtomicU64::new(0) }
    }

    /// As many as the system gives.
    pub fn unlimited() -> Self {
        Self::new(u64::MAX)
    }

    /// Bytes that are taken now.
    pub fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }

    /// Bytes that may still be taken.
    pub(crate) fn left(&self) -> u64 {
        self.allowed - self.taken.load(Ordering::Relaxed)
    }

    /// Gives back what was [kept](Claim::keep) for something that is no longer there.
    pub(crate) fn give_back(&self, bytes: u64) {
        self.taken.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Counts `bytes` as taken, unless that is more than is left: then the error says what is.
    fn take(&self, bytes: u64) -> Result<(), u64> {
        let room = |taken: u64| taken.checked_add(bytes).filter(|&sum| sum <= self.allowed);
        let counted = self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, room);
        counted.map(|_| ()).map_err(|taken| self.allowed - taken)
    }
}

/// What is taken of an [`Allowance`] for one file, given back at the end.
#[derive(Debug)]
pub(crate) struct Claim<'a> {
    allowance: &'a Allowance,
    file: &'a Path,
    bytes: u64,
}

impl<'a> Claim<'a> {
    pub(crate) fn new(allowance: &'a Allowance, file: &'a Path) -> Self {
        Self { allowance, file, bytes: 0 }
    }

    /// Counts more bytes.
    pub(crate) fn add(&mut self, bytes: u64, what: &'static str, remedy: &'static str) -> Result<(), DataError> {
        let file = || self.file.to_owned();
        self.allowance.take(bytes).map_err(|left| DataError::Limit { file: file(), what, bytes, left, remedy })?;
        self.bytes += bytes;
        Ok(())
    }

    /// Counts this many bytes in all, if that is more than before.
    pub(crate) fn raise_to(&mut self, bytes: u64, what: &'static str, remedy: &'static str) -> Result<(), DataError> {
        let own = self.bytes;
        let counted = self.allowance.take(bytes.saturating_sub(own));
        let refused = |left| DataError::Limit { file: self.file.to_owned(), what, bytes, left: left + own, remedy };
        counted.map_err(refused)?;
        self.bytes = own.max(bytes);
        Ok(())
    }

    /// Makes room for `more` items, counting what that takes.
    pub(crate) fn room<T>(
        &mut self,
        items: &mut Vec<T>,
        more: usize,
        what: &'static str,
        remedy: &'static str,
    ) -> Result<(), DataError> {
        if items.capacity() - items.len() >= more {
            return Ok(());
        }
        let wanted = items.len().saturating_add(more).max(items.capacity().saturating_mul(2));
        let bytes = |count: usize| (count as u64).saturating_mul(size_of::<T>() as u64);
        self.add(bytes(wanted - items.capacity()), what, remedy)?;
        prepared(|| items.try_reserve_exact(wanted - items.len())).map_err(|_| {
            let (file, bytes) = (self.file.to_owned(), bytes(wanted));
            DataError::Memory { file, what, bytes, remedy }
        })
    }

    /// Gives everything back but what is kept for as long as the inputs are.
    pub(crate) fn keep(mut self) {
        self.bytes = 0;
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        self.allowance.taken.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

thread_local! {
    static PREPARED: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread is asking for memory just now and can go on without it. For allocators that end the program where
/// nobody can.
pub fn is_prepared() -> bool {
    PREPARED.get()
}

fn prepared<T>(ask: impl FnOnce() -> T) -> T {
    PREPARED.set(true);
    let answer = ask();
    PREPARED.set(false);
    answer
}

/// Room for `more` items where no limit is set: fails with exit code 5 where it cannot be had.
pub(crate) fn reserve<T>(items: &mut Vec<T>, more: usize, file: &Path, what: &'static str) -> Result<(), DataError> {
    let unlimited = Allowance::unlimited();
    Claim::new(&unlimited, file).room(items, more, what, "close other programs or use a machine with more memory")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_is_claimed_counts_until_it_is_given_back() {
        let (allowance, file) = (Allowance::new(100), Path::new("x"));
        let mut first = Claim::new(&allowance, file);
        let mut list: Vec<u64> = Vec::new();
        first.room(&mut list, 10, "the list", "take less").unwrap();
        assert!(list.capacity() >= 10);
        let mut second = Claim::new(&allowance, file);
        let refused = second.add(30, "the rest", "take less").unwrap_err();
        assert!(matches!(refused, DataError::Limit { bytes: 30, left: 20, .. }), "{refused}");
        drop(first);
        second.add(100, "the rest", "take less").unwrap();
        second.keep();
        assert!(Claim::new(&allowance, file).add(1, "more", "take less").is_err());
    }

    #[test]
    fn what_no_machine_has_is_an_error() {
        let mut list: Vec<u64> = Vec::new();
        let refused = reserve(&mut list, usize::MAX / 16, Path::new("x"), "the list").unwrap_err();
        assert!(matches!(refused, DataError::Memory { what: "the list", .. }), "{refused}");
        assert!(reserve(&mut list, usize::MAX, Path::new("x"), "the list").is_err());
    }
}
