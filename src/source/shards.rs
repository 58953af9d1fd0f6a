//! Files that are named together: all of a directory, or those that a pattern matches.

use std::path::{Path, PathBuf};

use glob::MatchOptions;

use super::cells::parts;
use super::dataset;
use super::error::DataError;
use super::gradients;
use super::kind::{ends_in, is_named_columnar, is_named_text};
use super::name::readable;
use super::pairs;

/// Endings of files that hold rows.
const VECTORS: [&str; 4] = ["npy", "npz", "safetensors", "pt"];

/// Endings of files that hold rows in formats that are not read.
const UNREAD: [&str; 3] = ["bz2", "xz", "lz4"];

/// The files that a path names, in the order of their names: itself, unless it is a directory, or matches nothing by itself and has
/// one of `*?[` in it. A directory that HuggingFace's `save_to_disk` wrote stands for its files in its order. What follows a colon at
/// the end, a table within, stays with each file.
///
/// # Errors
/// If there are none, a directory cannot be read, it has both rows and text, or some of its shards are missing or of several sets.
pub fn files_named(named: &Path) -> Result<Vec<PathBuf>, DataError> {
    let (path, name) = match parts(named) {
        (path, Some(name)) if !named.exists() && (path.is_dir() || is_pattern(path)) => (path, Some(name)),
        _ => (named, None),
    };
    let files = of_path(path)?;
    let Some(name) = name else { return Ok(files) };
    let table = |file: PathBuf| {
        let mut named = file.into_os_string();
        named.push(":");
        named.push(name);
        PathBuf::from(named)
    };
    Ok(files.into_iter().map(table).collect())
}

fn is_pattern(path: &Path) -> bool {
    path.to_str().is_some_and(|text| text.contains(['*', '?', '[']))
}

fn of_path(path: &Path) -> Result<Vec<PathBuf>, DataError> {
    if path.is_dir() {
        if let Some(files) = dataset::files(path)? {
            return Ok(files);
        }
        return match gradients::files_in(path)? {
            none if none.is_empty() => within(path),
            stores => Ok(stores),
        };
    }
    match path.to_str().filter(|text| text.contains(['*', '?', '['])) {
        Some(pattern) if !path.exists() => matching(path, pattern),
        _ => Ok(vec![path.to_owned()]),
    }
}

fn within(directory: &Path) -> Result<Vec<PathBuf>, DataError> {
    let io = |error| DataError::io(directory, "list it")(error);
    let (mut vectors, mut texts, mut columns) = (Vec::new(), Vec::new(), Vec::new());
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
        } else if is_named_columnar(&path) {
            columns.push(path);
        }
    }
    let refuse = |fault: &str, remedy: &str| Err(DataError::malformed(directory, fault, remedy));
    let mut files = match (vectors.is_empty(), texts.is_empty(), columns.is_empty()) {
        (false, true, true) => vectors,
        (true, false, true) => texts,
        (true, true, false) => columns,
        (false, false, true) => {
            return refuse("has files of vectors and files of text", "say which with a pattern, such as 'DIR/*.npy'");
        }
        (true, true, true) => {
            let fault = "is a directory without files of rows (.jsonl, .csv, .tsv, packed or not; .npy, .npz, .safetensors, .pt; \
                         .parquet, .arrow)";
            return refuse(fault, "name its files, or a pattern of them");
        }
        (_, _, false) => {
            let remedy = "say which with a pattern, such as 'DIR/*.parquet'";
            return refuse("has files of columns (.parquet, .arrow) and others", remedy);
        }
    };
    pairs::sort(&mut files);
    match parted(&files) {
        None => Ok(files),
        Some((fault, remedy)) => refuse(&fault, &remedy),
    }
}

/// What is wrong with files that are called `NAME-00000-of-00002` and so on: several sets of them, or not all of one.
fn parted(files: &[PathBuf]) -> Option<(String, String)> {
    let part = |file: &PathBuf| {
        let (stem, count) = file.file_stem()?.to_str()?.rsplit_once("-of-")?;
        let (name, number) = stem.rsplit_once('-')?;
        let digits = |text: &str| (text.len() >= 5).then(|| text.parse::<usize>().ok()).flatten();
        Some((name.to_owned(), digits(number)?, digits(count.split('.').next()?)?))
    };
    let parts: Vec<_> = files.iter().map(part).collect::<Option<_>>()?;
    let (first, _, count) = parts.first()?;
    if let Some((other, ..)) = parts.iter().find(|(name, ..)| name != first) {
        let fault = format!("has the shards of several sets, `{first}` and `{other}`");
        return Some((fault, format!("say which with a pattern, such as 'DIR/{first}-*'")));
    }
    let fault = format!("has {} of {count} shards `{first}-…-of-…`", parts.len());
    (parts.len() != *count).then(|| (fault, "download those that are missing, or name the files".to_owned()))
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
