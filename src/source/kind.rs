//! Whether a file holds text of which rows are made: told by its content, and by its name where that does not say.

use std::ffi::OsStr;
use std::io::{Read, Seek};
use std::path::Path;

use super::file::open;
use super::format::{LOOKED_AT, Text, WINDOW_LOG, is_binary};
use super::memory::Allowance;
use super::table::separator;
use super::unpack::Unpacked;

/// Endings of files of JSON lines.
const LINES: [&str; 2] = ["jsonl", "ndjson"];

/// Whether a file holds JSON lines, or is a table of text by its name; packed or not. False of one that cannot be read.
pub(crate) fn holds_text(path: &Path) -> bool {
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
    match Text::of(&begin) {
        Some(Text::Json) => true,
        Some(Text::Other) => separator(path).is_some(),
        Some(Text::Numbers) => false,
        // Damaged, or in another encoding: whoever reads it says so.
        None => is_named_text(path) && !is_binary(&begin) && (begin != stored || !is_binary(&stored)),
    }
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
