//! Digests that are remembered for as long as their file stays as it was.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use kantor_solvers::Watch;

use super::error::DataError;
use super::file::{Identity, Source};

/// Digests of files by path, each with the state of the file that it was taken from.
#[derive(Debug, Default)]
pub struct Digests {
    known: BTreeMap<PathBuf, (Identity, String)>,
}

impl Digests {
    /// Reads this file unless its digest is known. Advances `watch` by bytes.
    ///
    /// # Errors
    /// If the file cannot be read or changes meanwhile, or if `watch` asks to stop.
    pub fn add(&mut self, path: &Path, watch: &dyn Watch) -> Result<(), DataError> {
        if self.known.contains_key(path) {
            return Ok(());
        }
        let source = Source::open(path)?;
        watch.begin("digest", source.identity.bytes);
        let digest = source.digest(watch)?;
        source.check_unchanged()?;
        self.known.insert(path.to_owned(), (source.identity, digest));
        Ok(())
    }

    /// SHA-256 in hexadecimal; `None` for a file that was not added.
    pub fn get(&self, path: &Path) -> Option<&str> {
        self.known.get(path).map(|(_, digest)| digest.as_str())
    }

    /// Fails if the file is no longer the one that was digested (length, inode or modification time).
    ///
    /// # Errors
    /// Names the file that changed.
    pub fn check_unchanged(&self, path: &Path) -> Result<(), DataError> {
        self.known.get(path).map_or(Ok(()), |(identity, _)| identity.check(path))
    }
}
