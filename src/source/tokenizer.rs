//! Numbers of tokens by the file of a tokenizer, `tokenizer.json` as the crate `tokenizers` writes it; a feature of the package.

use std::path::Path;

use sha2::{Digest, Sha256};

use super::cells::ValueFile;
use super::error::DataError;
use super::file::{hexadecimal, open};
#[cfg(feature = "tokenizers")]
use super::guard::guarded;
use super::whole::{self, Whole};

/// A tokenizer and the file that it is from.
pub(crate) struct Tokenizer {
    pub(crate) file: ValueFile,
    #[cfg(feature = "tokenizers")]
    inner: tokenizers::Tokenizer,
}

impl Tokenizer {
    /// Reads a tokenizer.
    ///
    /// # Errors
    /// If the file cannot be read or is no tokenizer, or this program was built without them.
    pub(crate) fn read(path: &Path) -> Result<Self, DataError> {
        if cfg!(not(feature = "tokenizers")) {
            let fault = "is the file of a tokenizer, which this program was built without";
            let remedy = "build it with `--features tokenizers`, or give a field of numbers or words:FIELD";
            return Err(DataError::malformed(path, fault, remedy));
        }
        let (_, identity) = open(path)?;
        let bytes = whole::read(path, Whole::Tokenizer)?;
        identity.check(path)?;
        let sha256 = hexadecimal(Sha256::new_with_prefix(&bytes));
        let file =
            ValueFile { path: path.to_owned(), format: "json", rows: 1, bytes: bytes.len() as u64, sha256, identity };
        #[cfg(feature = "tokenizers")]
        {
            let refuse = |error: tokenizers::Error| {
                let fault = format!("is no tokenizer: {error}");
                DataError::malformed(path, fault, "give a tokenizer.json")
            };
            let inner = guarded(
                |panic| refuse(panic.into()),
                || {
                    let mut inner = tokenizers::Tokenizer::from_bytes(&bytes).map_err(refuse)?;
                    // Lengths are those of the text, whatever a model is to be given.
                    inner.with_padding(None);
                    inner.with_truncation(None).map_err(refuse)?;
                    Ok(inner)
                },
            )?;
            Ok(Self { file, inner })
        }
        #[cfg(not(feature = "tokenizers"))]
        Ok(Self { file })
    }

    /// The number of tokens of a text, without those that mark its ends.
    ///
    /// # Errors
    /// What the tokenizer says.
    #[cfg_attr(not(feature = "tokenizers"), expect(clippy::unused_self, reason = "none is ever made"))]
    pub(crate) fn count(&self, text: &str) -> Result<usize, String> {
        #[cfg(feature = "tokenizers")]
        {
            guarded(str::to_owned, || {
                self.inner.encode_fast(text, false).map(|found| found.len()).map_err(|error| error.to_string())
            })
        }
        #[cfg(not(feature = "tokenizers"))]
        Err(format!("no tokenizer for {} bytes", text.len()))
    }
}
