//! Files of rows and files of their text, which are matched by place: one order for both, whatever they end in.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::error::DataError;
use super::jsonl::JsonlFile;
use super::kind::{COLUMNAR, ends_in};
use super::name::readable;
use super::representation::SourceFile;

/// Endings of packed files.
const PACKED: [&str; 3] = ["gz", "zst", "zstd"];

/// Endings that say how rows or their text are written.
const WRITTEN: [&str; 8] = ["npy", "npz", "safetensors", "pt", "jsonl", "ndjson", "csv", "tsv"];

/// Endings of files that hold rows in formats that are not read, and of which those of other files say nothing.
const UNREAD: [&str; 5] = ["pth", "h5", "hdf5", "pkl", "pickle"];

/// Whether a file has rows by its name that are not read where it lies among others: in another format, or packed vectors.
pub(super) fn is_unread(path: &Path) -> bool {
    let packed = ends_in(path, &PACKED) && ends_in(&path.with_extension(""), &WRITTEN[..4]);
    packed || ends_in(path, &UNREAD)
}

/// The path without the endings that say how the file is written.
fn stem(path: &Path) -> PathBuf {
    let bare = if ends_in(path, &PACKED) { path.with_extension("") } else { path.to_owned() };
    if ends_in(&bare, &WRITTEN) || ends_in(&bare, &COLUMNAR) { bare.with_extension("") } else { bare }
}

/// Sorts files by name, such that those of rows and those of their text come in one order. The dot before the ending takes part, as
/// it does where names are listed.
pub(super) fn sort(files: &mut [PathBuf]) {
    files.sort_by_cached_key(|path| {
        let stem = stem(path);
        let mut name = stem.file_name().map_or_else(OsString::new, OsString::from);
        name.push(".");
        (stem.with_file_name(name), path.clone())
    });
}

/// What is doubtful about several files of rows and as many of text.
///
/// # Errors
/// If both the names and the numbers of rows of files in one place differ: these do not belong together.
pub(crate) fn doubt(rows: &[SourceFile], lines: &[JsonlFile]) -> Result<Option<String>, DataError> {
    if rows.len() < 2 || rows.len() != lines.len() {
        return Ok(None);
    }
    let pairs = || rows.iter().zip(lines);
    let named_alike =
        |(rows, lines): &(&SourceFile, &JsonlFile)| stem(&rows.path).file_name() == stem(&lines.path).file_name();
    let as_long = |(rows, lines): &(&SourceFile, &JsonlFile)| rows.rows == lines.rows;
    if let Some((rows, lines)) = pairs().find(|pair| !named_alike(pair) && !as_long(pair)) {
        let fault = format!("has {} rows, and {} in its place {} lines", rows.rows, readable(&lines.path), lines.rows);
        let remedy = "rows and lines are matched by their place over all files: give both in one order, under the same names, or \
                      the lines as one file";
        return Err(DataError::malformed(&rows.path, fault, remedy));
    }
    let place = "rows and lines are matched by their place over all files, so give both in one order";
    if let Some((rows, lines)) = pairs().find(|pair| !as_long(pair)) {
        return Ok(Some(format!(
            "{} has {} rows and {} {} lines: {place}",
            readable(&rows.path),
            rows.rows,
            readable(&lines.path),
            lines.rows
        )));
    }
    Ok(pairs().find(|pair| !named_alike(pair)).map(|(rows, lines)| {
        format!("{} is matched with {}, which has another name: {place}", readable(&rows.path), readable(&lines.path))
    }))
}
