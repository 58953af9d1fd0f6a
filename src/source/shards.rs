//! Files that are named together: all of a directory, or those that a pattern matches.

use std::path::{Path, PathBuf};

use glob::MatchOptions;

use super::error::DataError;
use super::kind::{ends_in, is_named_text};
use super::name::readable;
use super::pairs;

/// Endings of files that hold rows.
const VECTORS: [&str; 3] = ["npy", "npz", "safetensors"];

/// Endings of files that hold rows in formats that are not read.
const UNREAD: [&str; 6] = ["parquet", "arrow", "feather", "bz2", "xz", "lz4"];

/// The files that a path names, in the order of their names: itself, unless it is a directory, or matches nothing by itself and has
/// one of `*?[` in it.
///
/// # Errors
/// If there are none, a directory cannot be read, or it has both rows and text.
pub fn files_named(path: &Path) -> Result<Vec<PathBuf>, DataError> {
    if path.is_dir() {
        return within(path);
    }
    match path.to_str().filter(|text| text.contains(['*', '?', '['])) {
        Some(pattern) if !path.exists() => matching(path, pattern),
        _ => Ok(vec![path.to_owned()]),
    }
}

fn within(directory: &Path) -> Result<Vec<PathBuf>, DataError> {
    let io = |error| DataError::io(directory, "list it")(error);
    let (mut vectors, mut texts) = (Vec::new(), Vec::new());
    for entry in std::fs::read_dir(directory).map_err(io)? {
        let path = entry.map_err(io)?.path();
        let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if hidden || path.is_dir() {
            continue;
        }
        if ends_in(&path, &UNREAD) || !ends_in(&path, &VECTORS) && pairs::is_unread(&path) {
            let fault =
                format!("has `{}`, which is not read", readable(Path::new(path.file_name().unwrap_or_default())));
            return Err(DataError::malformed(
                directory,
                fault,
                "convert it, or say which files with a pattern, such as 'DIR/*.jsonl'",
            ));
        }
        if ends_in(&path, &VECTORS) {
            vectors.push(path);
        } else if is_named_text(&path) {
            texts.push(path);
        }
    }
    let refuse = |fault: &str, remedy: &str| Err(DataError::malformed(directory, fault, remedy));
    let mut files = match (vectors.is_empty(), texts.is_empty()) {
        (false, true) => vectors,
        (true, false) => texts,
        (false, false) => {
            return refuse("has files of vectors and files of text", "say which with a pattern, such as 'DIR/*.npy'");
        }
        (true, true) => {
            let fault =
                "is a directory without files of rows (.jsonl, .csv, .tsv, packed or not; .npy, .npz, .safetensors)";
            return refuse(fault, "name its files, or a pattern of them");
        }
    };
    pairs::sort(&mut files);
    Ok(files)
}

fn matching(path: &Path, pattern: &str) -> Result<Vec<PathBuf>, DataError> {
    let refuse = |fault: String| DataError::malformed(path, fault, "name the files, or quote a pattern of them");
    let options = MatchOptions { require_literal_leading_dot: true, ..MatchOptions::new() };
    let found = glob::glob_with(pattern, options).map_err(|error| refuse(format!("is no pattern: {}", error.msg)))?;
    let mut files = Vec::new();
    for file in found {
        let file = file.map_err(|error| DataError::Io {
            file: error.path().to_owned(),
            doing: "list it",
            cause: std::io::Error::from(error.error().kind()),
        })?;
        files.extend((!file.is_dir()).then_some(file));
    }
    pairs::sort(&mut files);
    if files.is_empty() { Err(refuse("matches no file".to_owned())) } else { Ok(files) }
}
