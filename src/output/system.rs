//! What differs between systems: renames that spare what is there, and what tells one state of a file from another.

use std::fs::{self, File, Metadata};
use std::io;
use std::path::Path;
use std::time::SystemTime;

/// Renames a file or directory to a name that nothing has. Fails with `AlreadyExists` if something has it.
pub(super) fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    #[cfg(any(target_os = "linux", target_vendor = "apple"))]
    match rename_with(from, to, rustix::fs::RenameFlags::NOREPLACE) {
        Err(error) if lacks(&error) => {}
        done => return done,
    }
    rename_claimed(from, to)
}

/// [`rename_new`] for file systems without such a rename: the name is claimed first, by something empty that takes it only
/// if it is free.
fn rename_claimed(from: &Path, to: &Path) -> io::Result<()> {
    if fs::symlink_metadata(from)?.is_dir() {
        fs::create_dir(to)?;
        // Onto a directory, a rename succeeds only if that is still empty.
        fs::rename(from, to).inspect_err(|_| drop(fs::remove_dir(to)))
    } else {
        fs::hard_link(from, to)?;
        fs::remove_file(from)
    }
}

/// Lets two names change places in one step.
///
/// Where the system has no such step, `to` gets the hidden name `aside` in between.
pub(super) fn exchange(from: &Path, to: &Path, aside: &Path) -> io::Result<()> {
    #[cfg(any(target_os = "linux", target_vendor = "apple"))]
    match rename_with(from, to, rustix::fs::RenameFlags::EXCHANGE) {
        Err(error) if lacks(&error) => {}
        done => return done,
    }
    rename_new(to, aside)?;
    match rename_new(from, to) {
        Ok(()) => rename_new(aside, from),
        Err(error) => rename_new(aside, to).and(Err(error)),
    }
}

#[cfg(any(target_os = "linux", target_vendor = "apple"))]
fn rename_with(from: &Path, to: &Path, flags: rustix::fs::RenameFlags) -> io::Result<()> {
    Ok(rustix::fs::renameat_with(rustix::fs::CWD, from, rustix::fs::CWD, to, flags)?)
}

/// Whether the system says that it does not know such a rename here.
#[cfg(any(target_os = "linux", target_vendor = "apple"))]
fn lacks(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let unknown = [Errno::INVAL, Errno::NOSYS, Errno::NOTSUP];
    unknown.iter().any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

/// Makes what was renamed in this directory survive a power failure.
pub(super) fn sync_directory(directory: &Path) -> io::Result<()> {
    // Elsewhere directories cannot be opened as files.
    if cfg!(unix) { File::open(directory)?.sync_all() } else { Ok(()) }
}

/// Which file it is, whatever its name; unknown on some systems.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileId(Option<(u64, u64)>);

impl FileId {
    pub(super) fn of(metadata: &Metadata) -> Self {
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

    /// As written in journals.
    pub(super) fn numbers(self) -> Option<(u64, u64)> {
        self.0
    }
}

/// A file in one state: any write to it gives another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FileState {
    pub(super) id: FileId,
    regular: bool,
    bytes: u64,
    modified: Option<SystemTime>,
    /// When anything about it was changed last: this cannot be set back as the time of modification can.
    changed: Option<(i64, i64)>,
}

impl FileState {
    pub(super) fn of(metadata: &Metadata) -> Self {
        #[cfg(unix)]
        let changed = {
            use std::os::unix::fs::MetadataExt;
            Some((metadata.ctime(), metadata.ctime_nsec()))
        };
        #[cfg(not(unix))]
        let changed = None;
        let (regular, modified) = (metadata.is_file(), metadata.modified().ok());
        Self { id: FileId::of(metadata), regular, bytes: metadata.len(), modified, changed }
    }

    /// Of what has this name, which may be a link.
    pub(super) fn at(path: &Path) -> io::Result<Self> {
        Ok(Self::of(&fs::symlink_metadata(path)?))
    }

    /// Whether it is a file without content.
    pub(super) fn is_empty(&self) -> bool {
        self.regular && self.bytes == 0
    }

    /// The same but for the time of the last change, which a rename may touch.
    pub(super) fn same_content(&self, other: &Self) -> bool {
        (self.id, self.regular, self.bytes, self.modified) == (other.id, other.regular, other.bytes, other.modified)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_claimed_rename_spares_what_is_there() {
        let work = tempfile::tempdir().unwrap();
        let (from, to) = (work.path().join("from"), work.path().join("to"));
        for taken in ["file", "empty directory", "full directory", "link"] {
            fs::create_dir(&from).unwrap();
            fs::write(from.join("new"), "new").unwrap();
            match taken {
                "file" => fs::write(&to, "old").unwrap(),
                "link" => std::os::unix::fs::symlink("nowhere", &to).unwrap(),
                _ => fs::create_dir(&to).unwrap(),
            }
            if taken == "full directory" {
                fs::write(to.join("old"), "old").unwrap();
            }
            let before = FileState::at(&to).unwrap();
            assert!(rename_claimed(&from, &to).is_err(), "{taken}");
            assert_eq!(FileState::at(&to).unwrap(), before, "{taken}");
            if before.regular || taken == "link" { fs::remove_file(&to) } else { fs::remove_dir_all(&to) }.unwrap();
            rename_claimed(&from, &to).unwrap();
            assert_eq!(fs::read_to_string(to.join("new")).unwrap(), "new");
            fs::remove_dir_all(&to).unwrap();
        }
        fs::write(&from, "new").unwrap();
        fs::write(&to, "old").unwrap();
        assert!(rename_claimed(&from, &to).is_err());
        assert_eq!(fs::read_to_string(&to).unwrap(), "old");
    }
}
