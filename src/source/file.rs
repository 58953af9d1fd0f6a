//! One opened file: its bytes, what identified it when it was opened, and its digest.
//!
//! The digest runs at the speed of the processor's SHA instructions, which `sha2` finds at run time.

use std::fs::{File, Metadata};
use std::io;
use std::path::{Path, PathBuf};

use kantor_solvers::Watch;
use sha2::{Digest, Sha256};

use super::error::DataError;
use super::mmap::Map;
use crate::file_state::FileState;
pub(crate) use crate::file_state::FileState as Identity;

/// Bytes hashed between two reports of progress.
const HASH_STEP: usize = 256 << 10;

impl FileState {
    /// Fails if the file at `path` is no longer the one this was taken from.
    pub(crate) fn check(&self, path: &Path) -> Result<(), DataError> {
        let changed = |what| Err(DataError::Changed { file: path.to_owned(), what });
        match std::fs::metadata(path).map(|metadata| FileState::of(&metadata)) {
            Err(_) => changed("it can no longer be found"),
            Ok(now) if now.id != self.id => changed("another file took its place"),
            Ok(now) => self.compare(&now).map_or(Ok(()), changed),
        }
    }

    /// Fails if the file is there and was written anew. One that was opened keeps its content when it is removed or when
    /// another takes its place.
    pub(crate) fn check_content(&self, path: &Path) -> Result<(), DataError> {
        match std::fs::metadata(path).map(|metadata| FileState::of(&metadata)) {
            Ok(now) if now.id == self.id => self.check(path),
            _ => Ok(()),
        }
    }

    /// In what the file differs from what it was.
    fn compare(&self, now: &FileState) -> Option<&'static str> {
        if now.bytes != self.bytes {
            Some("its length differs")
        } else if now.modified != self.modified {
            Some("its modification time differs")
        } else if now.changed != self.changed {
            Some("its status changed: content, name, links or permissions")
        } else {
            None
        }
    }
}

/// What was found, unless that is an error and `content` says that the file was written anew: then that is why.
pub(crate) fn explain<T>(
    found: Result<T, DataError>,
    content: impl FnOnce() -> Result<(), DataError>,
) -> Result<T, DataError> {
    match found {
        Err(error) if !matches!(error, DataError::Stopped(_)) => content().and(Err(error)),
        found => found,
    }
}

/// Opens a file, without waiting if a pipe has taken its place meanwhile.
fn open_at_once(path: &Path) -> io::Result<File> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        match File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path) {
            // A regular file that somebody else holds a lease on.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            opened => return opened,
        }
    }
    File::open(path)
}

/// Opens a regular file.
pub(crate) fn open(path: &Path) -> Result<(File, Identity), DataError> {
    let regular = |metadata: &Metadata| {
        let kind = metadata.file_type();
        let what = if kind.is_dir() { "is a directory" } else { "is not a regular file" };
        if kind.is_file() { Ok(()) } else { Err(DataError::malformed(path, what, "give a file on disk")) }
    };
    // Asked before opening, too: opening a device may do something to it.
    regular(&std::fs::metadata(path).map_err(DataError::io(path, "open it"))?)?;
    let file = open_at_once(path).map_err(DataError::io(path, "open it"))?;
    let metadata = file.metadata().map_err(DataError::io(path, "read its metadata"))?;
    regular(&metadata)?;
    Ok((file, Identity::of(&metadata)))
}

/// As [`open`], for files that must hold something.
pub(crate) fn open_filled(path: &Path) -> Result<(File, Identity), DataError> {
    match open(path)? {
        (_, Identity { bytes: 0, .. }) => {
            Err(DataError::Empty { file: path.to_owned(), fault: "the file has no bytes" })
        }
        opened => Ok(opened),
    }
}

/// A file shown as memory.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) path: PathBuf,
    pub(crate) identity: Identity,
    map: Map,
}

impl Source {
    pub(crate) fn open(path: &Path) -> Result<Self, DataError> {
        let (file, identity) = open_filled(path)?;
        let map = Map::new(&file).map_err(DataError::io(path, "map it into memory"))?;
        if map.len() as u64 != identity.bytes {
            return Err(DataError::Changed { file: path.to_owned(), what: "its length differs" });
        }
        Ok(Self { path: path.to_owned(), identity, map })
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.map
    }

    /// Whether some of the bytes are no longer those of the file.
    pub(crate) fn is_cut(&self) -> bool {
        self.map.is_cut()
    }

    /// Fails if the file was cut while it was mapped.
    pub(crate) fn check_whole(&self) -> Result<(), DataError> {
        let what = "it was cut, or its disk failed";
        if self.is_cut() { Err(DataError::Changed { file: self.path.clone(), what }) } else { Ok(()) }
    }

    /// Fails if the content is no longer the one that was opened.
    pub(crate) fn check_content(&self) -> Result<(), DataError> {
        self.identity.check_content(&self.path)?;
        self.check_whole()
    }

    /// Fails if the file is no longer the one that was opened.
    pub(crate) fn check_unchanged(&self) -> Result<(), DataError> {
        self.identity.check(&self.path)?;
        self.check_whole()
    }

    /// SHA-256 of the whole file, in hexadecimal.
    pub(crate) fn digest(&self, watch: &dyn Watch) -> Result<String, DataError> {
        let mut hash = Sha256::new();
        self.each_step(watch, &mut |bytes| hash.update(bytes))?;
        Ok(hexadecimal(hash))
    }

    /// Hands over all bytes in steps that stay in the cache for as long as they are looked at.
    pub(crate) fn each_step(&self, watch: &dyn Watch, take: &mut dyn FnMut(&[u8])) -> Result<(), DataError> {
        for bytes in self.map.chunks(HASH_STEP) {
            take(bytes);
            watch.advance(bytes.len() as u64)?;
        }
        self.check_whole()
    }
}

pub(crate) fn hexadecimal(hash: Sha256) -> String {
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
