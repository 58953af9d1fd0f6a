//! Where a result is to go: the directory that will hold it, and its name there.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::error::{OutputError, in_the_way, io_error};
use crate::file_state::FileState;

/// A target as the user named it, taken apart. Links in the way to it are followed, a link in its place is not.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// As the user named it, for messages.
    pub(super) named: PathBuf,
    pub(super) parent: PathBuf,
    /// The parent and the name in it.
    pub(super) path: PathBuf,
}

impl Place {
    pub(super) fn new(named: &Path) -> Result<Self, OutputError> {
        let no_name = || OutputError::NoName(named.to_owned());
        if named.as_os_str() == "-" {
            return Err(no_name());
        }
        // `out/..` has no name, and `out/` has one.
        if named.as_os_str().is_empty() {
            return Err(no_name());
        }
        // The current directory may be gone.
        let absolute = std::path::absolute(named).map_err(io_error(named))?;
        let (Some(parent), Some(name)) = (absolute.parent(), absolute.file_name()) else { return Err(no_name()) };
        Ok(Self { named: named.to_owned(), path: parent.join(name), parent: parent.to_owned() })
    }

    /// The state of what is there, if there is anything. A link is refused.
    pub(super) fn state(&self) -> Result<Option<(fs::Metadata, FileState)>, OutputError> {
        match fs::symlink_metadata(&self.path) {
            Ok(data) if data.is_symlink() => {
                let to = fs::read_link(&self.path).map_err(io_error(&self.named))?;
                Err(OutputError::Link { link: self.named.clone(), to })
            }
            Ok(data) => {
                let state = FileState::of(&data);
                Ok(Some((data, state)))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(in_the_way(&self.parent, &self.named, error)),
        }
    }
}
