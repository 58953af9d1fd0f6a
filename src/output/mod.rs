//! Results on disk: each appears whole or not at all, and nothing that kantor did not write is ever lost.
//!
//! Everything is written into a hidden directory beside its target ([`scratch`]) and renamed into place when it is
//! complete: a whole [`ResultDirectory`], or one [`OutputFile`]. A fresh target is taken by a rename that fails if
//! something is there. A target that is replaced is exchanged with the new one in one step, and looked at again once
//! nobody else sees it: if it is not what the replacement was meant for, it goes back. Files are removed only if this
//! program wrote them, which is known by their inode (a run's own files) or by length and digest in a manifest of kantor
//! (files of an older result); no link is followed on the way.

mod directory;
mod error;
mod file;
pub(crate) mod journal;
mod owned;
mod place;
pub(crate) mod recover;
mod removal;
pub mod scratch;
mod system;

use serde::{Deserialize, Serialize};

pub use directory::ResultDirectory;
pub use error::OutputError;
pub use file::{OutputFile, distinct};
pub(crate) use owned::listed;

/// Name of the file that lists all others of a result.
pub const MANIFEST: &str = "manifest.json";

/// Name of the proof beside the rows that it is about.
pub const CERTIFICATE: &str = "certificate.json";

/// How a manifest of kantor begins, whatever else it says.
#[derive(Deserialize)]
pub(crate) struct Header {
    schema: String,
}

impl Header {
    pub(crate) fn is_of_kantor(&self) -> bool {
        self.schema.starts_with("kantor/")
    }
}

/// A file of a result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written {
    /// Path relative to the result directory.
    pub path: String,
    /// Length in bytes.
    pub bytes: u64,
    /// Digest of its content.
    pub sha256: String,
}
