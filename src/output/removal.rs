//! Removes files that are known by their state. No link is followed on the way, whoever puts one there meanwhile: each
//! directory is opened from the one above it.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::Path;

use crate::file_state::FileState;

/// Removes those of the files below `directory` of which `ours` holds, the directories in which they were, and `directory`
/// itself, as far as they are empty; an entry of `files` may be such a directory. Says whether `directory` is gone.
pub(super) fn remove<'a>(
    directory: &Path,
    files: impl Iterator<Item = &'a Path>,
    ours: impl Fn(&Path, &FileState) -> bool,
) -> bool {
    if let Ok(root) = Directory::open(directory) {
        let mut parents = BTreeSet::new();
        for file in files {
            parents.extend(file.ancestors());
            if let Some((inside, name)) = root.place(file)
                && inside.state(name).is_ok_and(|state| ours(file, &state))
            {
                inside.remove_file(name);
            }
        }
        // Those inside come after those around them.
        for (inside, name) in parents.into_iter().rev().filter_map(|parent| root.place(parent)) {
            inside.remove_directory(name);
        }
    }
    let _ = fs::remove_dir(directory);
    fs::symlink_metadata(directory).is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
}

/// An open directory.
struct Directory {
    #[cfg(unix)]
    open: std::os::fd::OwnedFd,
    #[cfg(not(unix))]
    open: std::path::PathBuf,
}

impl Directory {
    /// The directory that holds a path below this one, and the path's name there.
    fn place<'a>(&self, path: &'a Path) -> Option<(Self, &'a OsStr)> {
        let (parent, name) = (path.parent()?, path.file_name()?);
        let mut inside = self.child(OsStr::new(".")).ok()?;
        for step in parent.iter() {
            inside = inside.child(step).ok()?;
        }
        Some((inside, name))
    }
}

#[cfg(unix)]
mod system {
    use rustix::fs::{AtFlags, CWD, Mode, OFlags, fchmod, fstat, openat, statat, unlinkat};

    use super::{Directory, FileState, OsStr, Path, io};

    const ONLY_DIRECTORIES: OFlags = OFlags::DIRECTORY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

    impl Directory {
        /// A directory that is to go, which may have got the mode of the place that it was made for.
        pub(super) fn open(path: &Path) -> io::Result<Self> {
            let open = openat(CWD, path, ONLY_DIRECTORIES, Mode::empty())?;
            let mode = Mode::from_raw_mode(fstat(&open)?.st_mode);
            if !mode.contains(Mode::RWXU) {
                let _ = fchmod(&open, mode | Mode::RWXU);
            }
            Ok(Self { open })
        }

        pub(super) fn child(&self, name: &OsStr) -> io::Result<Self> {
            Ok(Self { open: openat(&self.open, name, ONLY_DIRECTORIES, Mode::empty())? })
        }

        pub(super) fn state(&self, name: &OsStr) -> io::Result<FileState> {
            Ok(FileState::of_stat(&statat(&self.open, name, AtFlags::SYMLINK_NOFOLLOW)?))
        }

        pub(super) fn remove_file(&self, name: &OsStr) {
            let _ = unlinkat(&self.open, name, AtFlags::empty());
        }

        pub(super) fn remove_directory(&self, name: &OsStr) {
            let _ = unlinkat(&self.open, name, AtFlags::REMOVEDIR);
        }
    }
}

/// Without directories that can be opened, links are looked for before each step.
#[cfg(not(unix))]
mod system {
    use super::{Directory, FileState, OsStr, Path, fs, io};

    impl Directory {
        pub(super) fn open(path: &Path) -> io::Result<Self> {
            match fs::symlink_metadata(path)?.is_dir() {
                true => Ok(Self { open: path.to_owned() }),
                false => Err(io::ErrorKind::NotADirectory.into()),
            }
        }

        pub(super) fn child(&self, name: &OsStr) -> io::Result<Self> {
            if name == "." { Self::open(&self.open) } else { Self::open(&self.open.join(name)) }
        }

        pub(super) fn state(&self, name: &OsStr) -> io::Result<FileState> {
            FileState::at(&self.open.join(name))
        }

        pub(super) fn remove_file(&self, name: &OsStr) {
            let _ = fs::remove_file(self.open.join(name));
        }

        pub(super) fn remove_directory(&self, name: &OsStr) {
            let _ = fs::remove_dir(self.open.join(name));
        }
    }
}
