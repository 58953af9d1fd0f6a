//! Why a result cannot be written.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::source::name::readable;

/// Why a result cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// There is something at the target and nobody said that it may go.
    #[error("{} exists: choose another name, or replace it with --force", readable(.0))]
    Exists(PathBuf),
    /// Where a directory is wanted is a file.
    #[error("{} is not a directory: choose another name", readable(.0))]
    NotADirectory(PathBuf),
    /// The target of a file is a directory, a device or a pipe.
    #[error("{} is not a regular file: choose another name for the output", readable(.0))]
    NotAFile(PathBuf),
    /// The target is a symbolic link.
    #[error(
        "{} is a symbolic link to {}: name the place itself, or another one; what a link points to is never replaced",
        readable(link),
        readable(to)
    )]
    Link {
        /// The link.
        link: PathBuf,
        /// What it points to.
        to: PathBuf,
    },
    /// The target has no name of its own.
    #[error(
        "`{}` does not name a new file or directory: give a name, such as `out`; results are not written to standard \
         output (to use a name like `-`, write `./-`)",
        readable(.0)
    )]
    NoName(PathBuf),
    /// The target is the directory in which the program was started, or one above.
    #[error("{} is or holds the current directory: name one inside it, such as `out`", readable(.0))]
    Current(PathBuf),
    /// The target holds something that would be lost.
    #[error(
        "{} holds {}, which is not one of the files of a result there: move it away, as only whole results are replaced",
        readable(target),
        readable(stranger)
    )]
    NotOurs {
        /// The result directory.
        target: PathBuf,
        /// The entry that would be lost.
        stranger: PathBuf,
    },
    /// The target holds a file that was changed since kantor wrote it.
    #[error(
        "{} holds {}, which was changed since kantor wrote it: move it away, or choose another name",
        readable(target),
        readable(file)
    )]
    Edited {
        /// The result directory.
        target: PathBuf,
        /// The file.
        file: PathBuf,
    },
    /// The directory of the target, or a file or directory of the older result, cannot be changed by this user.
    #[error(
        "{} may not be changed, as it must be for a new result to take its place and an older one to go: give yourself the right to (chmod u+w, \
         chattr -i -a), or choose another name",
        readable(.0)
    )]
    Protected(PathBuf),
    /// An input lies inside the directory that is to be replaced.
    #[error("input {} lies inside {}: choose another directory for the results", readable(input), readable(target))]
    InputInside {
        /// The result directory.
        target: PathBuf,
        /// The input.
        input: PathBuf,
    },
    /// An output is an input.
    #[error(
        "{flag} {} is the same file as the input {}: choose another name for the output",
        readable(output),
        readable(input)
    )]
    IsInput {
        /// The flag that names the output.
        flag: &'static str,
        /// The output.
        output: PathBuf,
        /// The input.
        input: PathBuf,
    },
    /// Two outputs are one file.
    #[error("{} {} and {} are the same file: give each output its own name", flags[0], readable(output), flags[1])]
    Same {
        /// The flags that name them.
        flags: [&'static str; 2],
        /// The file.
        output: PathBuf,
    },
    /// Two outputs have names that are one to the file system.
    #[error(
        "{} and {} are the same file, as this file system does not tell their names apart: give each output its own name",
        readable(&.0[0]),
        readable(&.0[1])
    )]
    OneName([PathBuf; 2]),
    /// Something appeared at a target that was free, or took the place of what was there.
    #[error("{} was made or changed by somebody else meanwhile: it was left as it is, and nothing was written", readable(.0))]
    Taken(PathBuf),
    /// Something is where a file is to be kept for a while.
    #[error("{} {fault}", readable(path))]
    InTheWay {
        /// Where.
        path: PathBuf,
        /// What it is, and what to do.
        fault: &'static str,
    },
    /// Another program keeps a directory or file locked.
    #[error(
        "another program keeps {} locked, such as another run of kantor, or a `flock` around this one: wait for its end, let it lock \
         something else, or choose another place",
        readable(.0)
    )]
    Locked(PathBuf),
    /// The new result is in place, but not all of the older one could go, or go back.
    #[error(
        "the new result is at {}, but what could not be removed of the older one is at {}: look there before removing it",
        readable(target),
        readable(left)
    )]
    Left {
        /// The result directory.
        target: PathBuf,
        /// Where the rest of the older one is.
        left: PathBuf,
    },
    /// The operating system refused.
    #[error("{}: {error}", readable(path))]
    Io {
        /// What was being written.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
}

impl OutputError {
    /// Whether the names that the user gave are at fault, rather than what happened while they were used.
    pub fn is_usage(&self) -> bool {
        use OutputError::{Io, Left, Locked, Protected, Taken};
        !matches!(self, Taken(_) | Locked(_) | Protected(_) | Left { .. } | Io { .. })
    }
}

/// Why nothing can be written in this directory, called `named` in messages: what is in the way of it, a file or a link that
/// leads nowhere, or else what the system said.
pub(crate) fn in_the_way(directory: &Path, named: &Path, error: io::Error) -> OutputError {
    let blocks = |at: &&Path| match fs::metadata(at) {
        Ok(data) => !data.is_dir(),
        Err(error) => error.kind() != io::ErrorKind::PermissionDenied && fs::symlink_metadata(at).is_ok(),
    };
    match directory.ancestors().find(blocks) {
        Some(at) => match fs::read_link(at) {
            Ok(to) => OutputError::Link { link: at.to_owned(), to },
            Err(_) => OutputError::NotADirectory(at.to_owned()),
        },
        None => io_error(named)(error),
    }
}

/// Names what was being written when the system refused.
pub(super) fn io_error(path: &Path) -> impl Fn(io::Error) -> OutputError + '_ {
    |error| OutputError::Io { path: path.to_owned(), error }
}
