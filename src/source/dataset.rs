//! Datasets as HuggingFace's `save_to_disk` writes them: a directory whose `state.json` lists its files of Arrow messages.

use std::path::{Path, PathBuf};

use kantor_theory::json;
use serde::Deserialize;

use super::error::DataError;
use super::name::readable;
use super::whole::{self, Whole};

/// What a directory of a dataset has, and one of several splits.
const STATE: &str = "state.json";
const SPLITS: &str = "dataset_dict.json";

const REMEDY: &str = "write it again with save_to_disk";

#[derive(Deserialize)]
struct State {
    #[serde(rename = "_data_files")]
    files: Vec<Entry>,
    #[serde(rename = "_indices_files", default)]
    indices: Option<Vec<Entry>>,
}

#[derive(Deserialize)]
struct Entry {
    filename: String,
}

#[derive(Deserialize)]
struct Splits {
    splits: Vec<String>,
}

/// The files of a dataset, in its order; `None` of another directory.
///
/// # Errors
/// If it holds several splits, is damaged, or its rows are chosen by a further file.
pub(super) fn files(directory: &Path) -> Result<Option<Vec<PathBuf>>, DataError> {
    let splits = directory.join(SPLITS);
    if splits.is_file() {
        let Splits { splits } = read(&splits)?;
        let named: Vec<String> = splits.iter().map(|name| format!("`{name}`")).collect();
        let first = splits.first().map_or("NAME", String::as_str);
        let fault = format!("is a dataset of the splits {}", named.join(", "));
        let remedy = format!("name one of them: {}", readable(&directory.join(first)));
        return Err(DataError::malformed(directory, fault, remedy));
    }
    let path = directory.join(STATE);
    if !path.is_file() {
        return Ok(None);
    }
    let State { files, indices } = read(&path)?;
    if indices.is_some_and(|files| !files.is_empty()) {
        let fault = "is a dataset of some rows of its files";
        return Err(DataError::malformed(directory, fault, "write it again: ds.flatten_indices().save_to_disk('DIR')"));
    }
    if files.is_empty() {
        return Err(DataError::Empty { file: path, fault: "the dataset has no files" });
    }
    let within = |Entry { filename }: &Entry| {
        let name = Path::new(filename);
        if name.file_name() == Some(name.as_os_str()) {
            return Ok(directory.join(name));
        }
        Err(DataError::malformed(&path, format!("names the file `{filename}`, which is not beside it"), REMEDY))
    };
    files.iter().map(within).collect::<Result<_, _>>().map(Some)
}

fn read<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<T, DataError> {
    let refuse = |error| DataError::malformed(path, format!("does not describe a dataset: {error}"), REMEDY);
    json::from_slice(&whole::read(path, Whole::Record)?).map_err(refuse)
}
