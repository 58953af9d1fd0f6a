//! Whether a file holds text of which rows are made: told by its content, and by its name where that does not say.

use std::ffi::OsStr;
use std::io::{Read, Seek};
use std::path::Path;

use super::cells::parts;
use super::columnar::names_vectors;
use super::file::open;
use super::format::{Columnar, LOOKED_AT, Text, WINDOW_LOG, is_binary};
use super::memory::Allowance;
use super::open::OpenOptions;
use super::table::separator;
use super::unpack::Unpacked;

/// Endings of files of JSON lines.
const LINES: [&str; 2] = ["jsonl", "ndjson"];

/// Endings of files of columns.
pub(super) const COLUMNAR: [&str; 5] = ["parquet", "pq", "arrow", "feather", "ipc"];

/// The file, and the table of it if it is named as `FILE:NAME`.
pub(crate) fn table_of(named: &Path) -> (&Path, Option<&str>) {
    match parts(named) {
        (path, Some(name)) if path.is_file() && !name.is_empty() => (path, Some(name)),
        _ => (named, None),
    }
}

/// Whether a file holds JSON lines, is a table of text by its name, packed or not, or has columns and none of them is meant
/// as vectors. False of one that cannot be read.
pub(crate) fn holds_text(named: &Path, options: &OpenOptions) -> bool {
    let (path, table) = table_of(named);
    let begin = || {
        let (mut file, _) = open(path).ok()?;
        let mut stored = Vec::new();
        (&mut file).take(LOOKED_AT as u64).read_to_end(&mut stored).ok()?;
        file.rewind().ok()?;
        let allowance = Allowance::new(1 << WINDOW_LOG);
        let unpacked = Unpacked::new(file, &stored, path, &allowance).ok()?;
        let mut begin = Vec::new();
        // What was unpacked before an error is as good.
        let _ = unpacked.take(LOOKED_AT as u64).read_to_end(&mut begin);
        Some((stored, begin))
    };
    let Some((stored, begin)) = begin() else { return false };
    if let Some(kind) = Columnar::of(&stored) {
        return table.is_none() && !names_vectors(path, kind, options.tensor.as_deref(), options.tensor_is_hint);
    }
    match Text::of(&begin) {
        Some(Text::Json) => true,
        Some(Text::Other) => separator(path).is_some(),
        Some(Text::Numbers) => false,
        // Damaged, or in another encoding: whoever reads it says so.
        None => is_named_text(path) && !is_binary(&begin) && (begin != stored || !is_binary(&stored)),
    }
}

/// Whether a file has columns that are read. False of one that cannot be read.
pub(crate) fn has_columns(path: &Path) -> bool {
    let begin = || {
        let mut begin = Vec::new();
        open(path).ok()?.0.take(LOOKED_AT as u64).read_to_end(&mut begin).ok()?;
        Columnar::of(&begin)
    };
    begin().is_some()
}

/// Whether a file has columns by its name.
pub(crate) fn is_named_columnar(path: &Path) -> bool {
    ends_in(path, &COLUMNAR)
}

/// Whether a file is text by its name, packed or not.
pub(crate) fn is_named_text(path: &Path) -> bool {
    let packed = ends_in(path, &["gz", "zst", "zstd"]);
    separator(path).is_some()
        || if packed {
            path.file_stem().is_some_and(|stem| ends_in(Path::new(stem), &LINES))
        } else {
            ends_in(path, &LINES)
        }
}

/// Whether a file's name ends in one of these.
pub(crate) fn ends_in(path: &Path, endings: &[&str]) -> bool {
    let ending = path.extension().and_then(OsStr::to_str);
    ending.is_some_and(|ending| endings.iter().any(|known| known.eq_ignore_ascii_case(ending)))
}
