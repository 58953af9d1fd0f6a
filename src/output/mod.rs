//! Results on disk: each appears whole or not at all, and nothing that kantor did not write is ever lost.
//!
//! Everything is written into a hidden directory beside its target ([`scratch`]) and renamed into place when it is
//! complete: a whole [`ResultDirectory`], or one [`OutputFile`]. A fresh target is taken by a rename that fails if
//! something is there. A target that is replaced is exchanged with the new one in one step, and looked at again once
//! nobody else sees it: if it is not what the replacement was meant for, it goes back. Files are removed only if this
//! program wrote them, which is known by their inode (a run's own files) or by length and digest in a manifest of kantor
//! (files of an older result); no link is followed on the way.
//!
//! A run can be killed at any moment. What is then on disk, with `J` for the journal, `H` for the hidden name, `A` for the
//! name aside (used where the system cannot exchange two names), and what the next run for the target does (module `recover`):
//!
//! | killed | at the target | hidden | the next run |
//! |---|---|---|---|
//! | while files are made | what was there | J, H: new files | removes what J names from H, then H and J |
//! | after the exchange | the new one | J, H: the older one | if J names that by its inode, removes from H what its manifest names (or the one file), then J |
//! | without exchange, after the first rename | nothing | J, H: new files, A: the older one | brings A back, then as in the first line |
//! | without exchange, after the second rename | the new one | J, A: the older one | the same with A |
//! | after the older one is removed | the new one | J | removes J |
//!
//! J is locked while its run lives, so a run that works is left alone. Anything found that does not fit its line in J or in a
//! manifest stays where it is.

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
pub(crate) use error::in_the_way;
pub use file::{OutputFile, distinct};
pub(crate) use owned::listed;
pub(crate) use scratch::create_parents;
pub(crate) use system::{check_lock, lock_within_patience, share_directory};

/// Name of the file that lists all others of a result.
pub const MANIFEST: &str = "manifest.json";

/// Name of the proof beside the rows that it is about.
pub const CERTIFICATE: &str = "certificate.json";

/// Name of the file beside it that says what limits, queries and new rows are worth.
pub const PRICES: &str = "prices.json";

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
