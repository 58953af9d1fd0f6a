//! Columns by name: `NAME=FILE[:FIELD]`.

use std::ffi::OsString;

use crate::source::name::split_once;
use crate::verify::NamedColumn;

/// The same column, if its name has the mark in it: of the names that some data may have, the longest that the word begins with.
pub(super) fn among<'a>((name, file): NamedColumn, names: impl Iterator<Item = &'a str>) -> NamedColumn {
    let begins = |full: &&str| full.strip_prefix(name.as_str()).is_some_and(|rest| rest.starts_with('='));
    let mut found: Option<NamedColumn> = None;
    for full in names.filter(begins) {
        // What follows the name in the word, mark by mark.
        let (mut known, mut rest) = (name.clone(), file.as_os_str());
        while known.len() < full.len() {
            let Some((part, after)) = split_once(rest, b'=', false) else { break };
            let Some(part) = part.to_str() else { break };
            known = format!("{known}={part}");
            rest = after;
        }
        if known == full && !rest.is_empty() && found.as_ref().is_none_or(|(of, _)| of.len() < known.len()) {
            found = Some((known, rest.into()));
        }
    }
    found.unwrap_or((name, file))
}

/// Reads `NAME=FILE` or `NAME=FILE:FIELD`.
pub(super) fn named_column(word: OsString) -> Result<NamedColumn, String> {
    match split_once(&word, b'=', false).and_then(|(name, file)| Some((name.to_str()?, file))) {
        Some((name, file)) if !name.is_empty() && !file.is_empty() => Ok((name.to_owned(), file.into())),
        _ => Err("give a column's name and its file as NAME=FILE or NAME=FILE:FIELD".to_owned()),
    }
}
