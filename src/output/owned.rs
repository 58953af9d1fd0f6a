//! What an older result may lose: the files that its manifest lists, as long as they are as kantor wrote them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use kantor_theory::json;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::error::{OutputError, io_error};
use super::removal::remove;
use super::system::{is_fixed, may_change};
use super::{MANIFEST, Written};
use crate::file_state::{FileId, FileState};
use crate::source::hexadecimal;

/// Bytes of a manifest that is worth reading; kantor's have some kilobytes for each selection, and a hundred bytes for each
/// of at most a million dropped rows.
const LARGEST_MANIFEST: u64 = 256 << 20;

/// Files of an older result, each in the state in which it was found to be kantor's.
#[derive(Debug)]
pub(super) struct Owned(BTreeMap<PathBuf, FileState>);

impl Owned {
    /// Looks at every file below `directory`.
    ///
    /// # Errors
    /// If one of them is not listed in the manifest there with its length and digest. `named` is the directory's name in
    /// messages.
    pub(super) fn of(directory: &Path, named: &Path) -> Result<Self, OutputError> {
        let listed = listed(&directory.join(MANIFEST)).map_err(io_error(&named.join(MANIFEST)))?;
        let present = list(directory).map_err(io_error(named))?;
        let mut owned = BTreeMap::new();
        for file in present {
            let path = directory.join(&file);
            let written = listed.as_ref().and_then(|listed| listed.get(&file));
            let is_manifest = listed.is_some() && file == Path::new(MANIFEST);
            let data = fs::symlink_metadata(&path).map_err(io_error(&path))?;
            // Taken before the content is read: a change in between is then noticed.
            let state = FileState::of(&data);
            let around = |listed: &PathBuf| listed != &file && listed.starts_with(&file);
            if data.is_dir() && listed.iter().flat_map(BTreeMap::keys).any(around) {
                owned.insert(file, state);
                continue;
            }
            if !data.is_file() || !(is_manifest || written.is_some()) {
                return Err(OutputError::NotOurs { target: named.to_owned(), stranger: file });
            }
            if let Some(written) = written
                && !written.is_content_of(&path).map_err(io_error(&path))?
            {
                return Err(OutputError::Edited { target: named.to_owned(), file });
            }
            owned.insert(file, state);
        }
        Ok(Self(owned))
    }

    /// Whether this is one of them, by whatever name.
    pub(super) fn holds(&self, file: FileId) -> bool {
        file.numbers().is_some() && self.0.values().any(|state| state.id == file)
    }

    /// Whether `directory` holds these files in these states, and nothing else.
    pub(super) fn is_all_of(&self, directory: &Path) -> bool {
        let same = |file: &PathBuf| FileState::at(&directory.join(file)).ok().as_ref() == self.0.get(file);
        list(directory).is_ok_and(|present| present.len() == self.0.len() && present.iter().all(same))
    }

    /// Fails if the system would not let this user remove these files.
    ///
    /// # Errors
    /// Names the file or directory that may not be changed.
    pub(super) fn check_removable(&self, directory: &Path, named: &Path) -> Result<(), OutputError> {
        let inside: BTreeSet<&Path> = self.0.keys().flat_map(|file| file.ancestors().skip(1)).collect();
        let all = || self.0.keys().map(PathBuf::as_path).chain(inside.iter().copied());
        let closed = inside.iter().copied().find(|inside| !may_change(&directory.join(inside)));
        let closed = closed.or_else(|| all().find(|path| is_fixed(&directory.join(path))));
        closed.map_or(Ok(()), |path| Err(OutputError::Protected(named.join(path))))
    }

    /// Removes these files, unless they changed, and the directories that are empty then. Says whether all is gone.
    pub(super) fn remove(&self, directory: &Path) -> bool {
        let ours = |file: &Path, state: &FileState| self.0.get(file) == Some(state);
        // The manifest goes last, and only alone: the next run then still knows whose the rest is.
        let (last, first): (Vec<&Path>, Vec<&Path>) =
            self.0.keys().map(PathBuf::as_path).partition(|path| *path == Path::new(MANIFEST));
        remove(directory, first.into_iter(), ours);
        let alone = list(directory).is_ok_and(|left| left.iter().all(|file| file == Path::new(MANIFEST)));
        alone && remove(directory, last.into_iter(), ours)
    }
}

/// All that is below `root`, relative to it: files, links (which are not followed) and empty directories.
pub(super) fn list(root: &Path) -> io::Result<Vec<PathBuf>> {
    let (mut found, mut directories) = (Vec::new(), vec![PathBuf::new()]);
    while let Some(directory) = directories.pop() {
        let mut empty = true;
        for entry in fs::read_dir(root.join(&directory))? {
            let entry = entry?;
            let path = directory.join(entry.file_name());
            if entry.file_type()?.is_dir() { &mut directories } else { &mut found }.push(path);
            empty = false;
        }
        if empty && directory != Path::new("") {
            found.push(directory);
        }
    }
    Ok(found)
}

/// The files that an existing manifest lists; `None` if there is none of kantor's.
pub(crate) fn listed(manifest: &Path) -> io::Result<Option<BTreeMap<PathBuf, Written>>> {
    #[derive(Deserialize)]
    struct Listed {
        schema: String,
        outputs: Vec<Written>,
    }
    match fs::symlink_metadata(manifest) {
        Ok(data) if data.is_file() && data.len() <= LARGEST_MANIFEST => {}
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => return Ok(None),
    }
    let Ok(listed) = json::from_slice::<Listed>(&fs::read(manifest)?) else { return Ok(None) };
    let outputs = listed.outputs.into_iter().map(|written| (PathBuf::from(&written.path), written));
    Ok(listed.schema.starts_with("kantor/").then(|| outputs.collect()))
}

impl Written {
    /// Whether the file at `path` has this length and digest.
    pub(crate) fn is_content_of(&self, path: &Path) -> io::Result<bool> {
        Ok(fs::metadata(path)?.len() == self.bytes && digest(path)? == self.sha256)
    }
}

fn digest(path: &Path) -> io::Result<String> {
    let (mut hash, mut file) = (Sha256::new(), BufReader::with_capacity(1 << 20, File::open(path)?));
    loop {
        let chunk = file.fill_buf()?;
        if chunk.is_empty() {
            break;
        }
        hash.update(chunk);
        let length = chunk.len();
        file.consume(length);
    }
    Ok(hexadecimal(hash))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::output::ResultDirectory;

    #[test]
    fn the_manifest_stays_with_what_could_not_be_removed() {
        let work = tempfile::tempdir().unwrap();
        let target = work.path().join("out");
        let mut result = ResultDirectory::begin(&target, false, &[]).unwrap();
        for name in ["a/b", "c"] {
            result.file(name, |out| out.write_all(name.as_bytes())).unwrap();
        }
        let outputs = serde_json::to_value(result.written()).unwrap();
        let manifest = serde_json::json!({"schema": "kantor/select/1", "outputs": outputs}).to_string();
        result.file(MANIFEST, |out| out.write_all(manifest.as_bytes())).unwrap();
        result.commit().unwrap();
        let owned = Owned::of(&target, &target).unwrap();
        fs::write(target.join("a/b"), "edited").unwrap();
        assert!(!owned.remove(&target));
        assert!(target.join(MANIFEST).exists() && target.join("a/b").exists() && !target.join("c").exists());
        // The next one finds it as it was written, and takes all.
        fs::write(target.join("a/b"), "a/b").unwrap();
        assert!(Owned::of(&target, &target).unwrap().remove(&target) && !target.exists());
    }
}
