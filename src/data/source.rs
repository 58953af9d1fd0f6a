//! One opened file: its bytes, what identified it when it was opened, and its digest.
//!
//! The digest runs at the speed of the processor's SHA instructions, which `sha2` finds at run time.

use std::fs::{File, Metadata};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use kantor_solvers::Watch;
use memmap2::Mmap;
use sha2::{Digest, Sha256};

use super::error::DataError;
use super::mmap;

/// Bytes hashed between two reports of progress.
const HASH_STEP: usize = 4 << 20;

/// What tells one state of a file from another without reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) bytes: u64,
    modified: Option<SystemTime>,
    inode: Option<(u64, u64)>,
}

impl Identity {
    fn of(metadata: &Metadata) -> Self {
        #[cfg(unix)]
        let inode = {
            use std::os::unix::fs::MetadataExt;
            Some((metadata.dev(), metadata.ino()))
        };
        #[cfg(not(unix))]
        let inode = None;
        Self { bytes: metadata.len(), modified: metadata.modified().ok(), inode }
    }

    /// Fails if the file at `path` is no longer the one this was taken from.
    pub(crate) fn check(&self, path: &Path) -> Result<(), DataError> {
        let changed = |what| Err(DataError::Changed { file: path.to_owned(), what });
        let now = match std::fs::metadata(path) {
            Ok(metadata) => Identity::of(&metadata),
            Err(_) => return changed("it can no longer be found"),
        };
        if now.bytes != self.bytes {
            changed("its length differs")
        } else if now.inode != self.inode {
            changed("another file took its place")
        } else if now.modified != self.modified {
            changed("its modification time differs")
        } else {
            Ok(())
        }
    }
}

/// Opens a regular, non-empty file.
pub(crate) fn open(path: &Path) -> Result<(File, Identity), DataError> {
    // Asked before opening: opening a pipe that nobody writes to would wait for ever.
    let kind = std::fs::metadata(path).map_err(DataError::io(path, "open it"))?.file_type();
    if !kind.is_file() {
        let what = if kind.is_dir() { "is a directory" } else { "is not a regular file" };
        return Err(DataError::malformed(path, what, "give a file on disk"));
    }
    let file = File::open(path).map_err(DataError::io(path, "open it"))?;
    let metadata = file.metadata().map_err(DataError::io(path, "read its metadata"))?;
    if metadata.len() == 0 {
        return Err(DataError::Empty { file: path.to_owned(), fault: "the file has no bytes" });
    }
    Ok((file, Identity::of(&metadata)))
}

/// A file shown as memory.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) path: PathBuf,
    pub(crate) identity: Identity,
    map: Mmap,
}

impl Source {
    pub(crate) fn open(path: &Path) -> Result<Self, DataError> {
        let (file, identity) = open(path)?;
        let map = mmap::map(&file).map_err(DataError::io(path, "map it into memory"))?;
        if map.len() as u64 != identity.bytes {
            return Err(DataError::Changed { file: path.to_owned(), what: "its length differs" });
        }
        Ok(Self { path: path.to_owned(), identity, map })
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.map
    }

    /// SHA-256 of the whole file, in hexadecimal.
    pub(crate) fn digest(&self, watch: &dyn Watch) -> Result<String, DataError> {
        let mut hash = Sha256::new();
        for chunk in self.map.chunks(HASH_STEP) {
            hash.update(chunk);
            watch.advance(chunk.len() as u64)?;
        }
        Ok(hexadecimal(hash))
    }
}

pub(crate) fn hexadecimal(hash: Sha256) -> String {
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
