//! Files that are read as a whole: settings, certificates, records, lists. Regular files only, and of each kind no more
//! than it can sensibly hold, so that a wrong name never waits for a pipe or fills the memory from a device.

use std::io::Read;
use std::path::Path;

use super::error::DataError;
use super::file::{Identity, open};
use super::format::{self, Expected};
use super::memory::reserve;

/// A kind of file that is read as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whole {
    /// Settings and job files, in TOML: 1 MiB, as reading takes some eighty times their length.
    Settings,
    /// Certificates: 4 GiB, some twenty million rows of evidence.
    Certificate,
    /// What kantor recorded of a result: 1 GiB.
    Record,
    /// A user's own results, in CSV: 256 MiB, as reading takes some nine times their length.
    Results,
    /// Tokenizers: 1 GiB.
    Tokenizer,
    /// What the folder of a model says, in JSON: 64 MiB.
    ModelSettings,
    /// Lists of numbers, one per row: 4 GiB.
    List,
}

impl Whole {
    fn most(self) -> u64 {
        match self {
            Whole::Settings => 1 << 20,
            Whole::Results => 256 << 20,
            Whole::ModelSettings => 64 << 20,
            Whole::Record | Whole::Tokenizer => 1 << 30,
            Whole::Certificate | Whole::List => 4 << 30,
        }
    }

    fn expected(self) -> Expected {
        match self {
            Whole::Settings => Expected::Settings,
            Whole::Certificate => Expected::Certificate,
            Whole::Record => Expected::Record,
            Whole::Results => Expected::Results,
            Whole::List => Expected::List,
            Whole::Tokenizer => Expected::Tokenizer,
            Whole::ModelSettings => Expected::ModelSettings,
        }
    }

    /// Fails if the file is longer than its kind may be.
    pub(crate) fn check(self, path: &Path, bytes: u64) -> Result<(), DataError> {
        let (file, what, most) = (path.to_owned(), self.expected().name(), self.most());
        if bytes > most { Err(DataError::TooLong { file, what, bytes, most }) } else { Ok(()) }
    }
}

/// The bytes of a file.
///
/// # Errors
/// If it is no regular file, longer than its kind may be, of a format that is certainly another kind's, or changes while
/// it is read.
pub fn read(path: &Path, kind: Whole) -> Result<Vec<u8>, DataError> {
    let (file, identity) = open(path)?;
    kind.check(path, identity.bytes)?;
    let Identity { bytes: length, .. } = identity;
    let mut bytes = Vec::new();
    // One byte more, which tells that the file has grown.
    reserve(&mut bytes, length as usize + 1, path, "the file")?;
    file.take(length + 1).read_to_end(&mut bytes).map_err(DataError::io(path, "read it"))?;
    identity.check(path)?;
    if bytes.len() as u64 != length {
        return Err(DataError::Changed { file: path.to_owned(), what: "its length differs" });
    }
    format::refuse_foreign(path, &bytes, kind.expected())?;
    Ok(bytes)
}

/// The text of a file.
///
/// # Errors
/// As [`read`], and if it is not UTF-8.
pub fn read_text(path: &Path, kind: Whole) -> Result<String, DataError> {
    String::from_utf8(read(path, kind)?).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let fault = format!("is not UTF-8: see its byte {at}");
        DataError::malformed(path, fault, "convert it with iconv -t utf-8")
    })
}
