//! Columns by name: `NAME=FILE[:FIELD]`.

use std::ffi::OsString;

use crate::source::name::split_once;
use crate::verify::NamedColumn;

/// Reads `NAME=FILE` or `NAME=FILE:FIELD`.
pub(super) fn named_column(word: OsString) -> Result<NamedColumn, String> {
    match split_once(&word, b'=', false).and_then(|(name, file)| Some((name.to_str()?, file))) {
        Some((name, file)) if !name.is_empty() && !file.is_empty() => Ok((name.to_owned(), file.into())),
        _ => Err("give a column's name and its file as NAME=FILE or NAME=FILE:FIELD".to_owned()),
    }
}
