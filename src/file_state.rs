//! Which file it is, and in which state, without reading it.

use std::fs::{self, Metadata};
use std::io;
use std::path::Path;

/// Which file it is, whatever its name; unknown on some systems.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileId(Option<(u64, u64)>);

impl FileId {
    pub(crate) fn of(metadata: &Metadata) -> Self {
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt;
            Self(Some((metadata.dev(), metadata.ino())))
        }
        #[cfg(not(unix))]
        {
            let _ = metadata;
            Self(None)
        }
    }

    /// Device and inode.
    pub(crate) fn numbers(self) -> Option<(u64, u64)> {
        self.0
    }
}

/// A file in one state: any write to it gives another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FileState {
    pub(crate) id: FileId,
    pub(crate) bytes: u64,
    /// When content changed last, in seconds and nanoseconds.
    pub(crate) modified: Option<(i64, i64)>,
    /// When content or attributes changed last, in seconds and nanoseconds: unlike the time of modification, nobody can
    /// set it.
    pub(crate) changed: Option<(i64, i64)>,
    regular: bool,
}

impl FileState {
    pub(crate) fn of(metadata: &Metadata) -> Self {
        #[cfg(unix)]
        let (modified, changed) = {
            use std::os::unix::fs::MetadataExt;
            let modified = (metadata.mtime(), metadata.mtime_nsec());
            (Some(modified), Some((metadata.ctime(), metadata.ctime_nsec())))
        };
        #[cfg(not(unix))]
        let (modified, changed) = {
            let since = |time: std::time::SystemTime| time.duration_since(std::time::UNIX_EPOCH).ok();
            let modified = metadata.modified().ok().and_then(since);
            (modified.map(|since| (since.as_secs() as i64, i64::from(since.subsec_nanos()))), None)
        };
        Self { id: FileId::of(metadata), bytes: metadata.len(), modified, changed, regular: metadata.is_file() }
    }

    /// As [`FileState::of`], from what the system says of a name in an open directory.
    #[cfg(unix)]
    pub(crate) fn of_stat(stat: &rustix::fs::Stat) -> Self {
        // Systems differ in the types of these.
        #[allow(clippy::unnecessary_cast, clippy::cast_lossless)]
        Self {
            id: FileId(Some((stat.st_dev as u64, stat.st_ino as u64))),
            bytes: stat.st_size as u64,
            modified: Some((stat.st_mtime as i64, stat.st_mtime_nsec as i64)),
            changed: Some((stat.st_ctime as i64, stat.st_ctime_nsec as i64)),
            regular: rustix::fs::FileType::from_raw_mode(stat.st_mode as _).is_file(),
        }
    }

    /// Of what has this name, which may be a link.
    pub(crate) fn at(path: &Path) -> io::Result<Self> {
        Ok(Self::of(&fs::symlink_metadata(path)?))
    }

    /// Whether it is a file without content.
    pub(crate) fn is_empty(&self) -> bool {
        self.regular && self.bytes == 0
    }

    /// The same but for the time of the last change, which a rename may touch.
    pub(crate) fn same_content(&self, other: &Self) -> bool {
        (self.id, self.regular, self.bytes, self.modified) == (other.id, other.regular, other.bytes, other.modified)
    }
}
