//! What an older result may lose: the files that its manifest lists, as long as they are as kantor wrote them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use kantor_theory::json;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::error::{OutputError, io_error};
use super::system::FileState;
use super::{MANIFEST, Written};

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
        let listed = listed(&directory.join(MANIFEST));
        let present = list(directory).map_err(io_error(named))?;
        let mut owned = BTreeMap::new();
        for file in present {
            let path = directory.join(&file);
            let written = listed.as_ref().and_then(|listed| listed.get(&file));
            let is_manifest = listed.is_some() && file == Path::new(MANIFEST);
            let data = fs::symlink_metadata(&path).map_err(io_error(&path))?;
            // Taken before the content is read: a change in between is then noticed.
            let state = FileState::of(&data);
            if data.is_dir() && listed.iter().flat_map(BTreeMap::keys).any(|listed| listed.starts_with(&file)) {
                owned.insert(file, state);
                continue;
            }
            if !data.is_file() || !(is_manifest || written.is_some()) {
                return Err(OutputError::NotOurs { target: named.to_owned(), stranger: file });
            }
            if let Some(written) = written
                && !(data.len() == written.bytes && digest(&path).map_err(io_error(&path))? == written.sha256)
            {
                return Err(OutputError::Edited { target: named.to_owned(), file });
            }
            owned.insert(file, state);
        }
        Ok(Self(owned))
    }

    /// Whether `directory` holds these files in these states, and nothing else.
    pub(super) fn is_all_of(&self, directory: &Path) -> bool {
        let same = |file: &PathBuf| FileState::at(&directory.join(file)).ok().as_ref() == self.0.get(file);
        list(directory).is_ok_and(|present| present.len() == self.0.len() && present.iter().all(same))
    }

    /// Removes these files, unless they changed, and the directories that are empty then. Says whether all is gone.
    pub(super) fn remove(&self, directory: &Path) -> bool {
        let ours = |file: &Path, state: &FileState| self.0.get(file) == Some(state);
        // The manifest goes last: should the run be killed on the way, the next one still knows whose the rest is.
        let (last, first): (Vec<&Path>, Vec<&Path>) =
            self.0.keys().map(PathBuf::as_path).partition(|path| *path == Path::new(MANIFEST));
        remove(directory, first.into_iter(), ours);
        remove(directory, last.into_iter(), ours)
    }
}

/// Removes those of the files below `directory` of which `ours` holds, the directories in which they were, and `directory`
/// itself, as far as they are empty; an entry of `files` may be such a directory. Follows no link. Says whether
/// `directory` is gone.
pub(super) fn remove<'a>(
    directory: &Path,
    files: impl Iterator<Item = &'a Path>,
    ours: impl Fn(&Path, &FileState) -> bool,
) -> bool {
    let mut parents = BTreeSet::new();
    for file in files {
        let is_directory = |path: &&&Path| fs::symlink_metadata(below(directory, path)).is_ok_and(|data| data.is_dir());
        let inside: Vec<&Path> = file.ancestors().collect();
        // A link in the place of a directory would lead to files of somebody else.
        let real: Vec<&Path> = inside.iter().rev().take_while(is_directory).copied().collect();
        if real.len() + 1 == inside.len() && FileState::at(&directory.join(file)).is_ok_and(|state| ours(file, &state))
        {
            let _ = fs::remove_file(directory.join(file));
        }
        parents.extend(real);
    }
    for parent in parents.iter().rev() {
        let _ = fs::remove_dir(below(directory, parent));
    }
    let _ = fs::remove_dir(directory);
    fs::symlink_metadata(directory).is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
}

/// A path below a directory. The directory itself gets no `/` at its end, which would follow a link in its place.
fn below(directory: &Path, path: &Path) -> PathBuf {
    if path == Path::new("") { directory.to_owned() } else { directory.join(path) }
}

/// All that is below `root`, relative to it: files, links (which are not followed) and empty directories.
fn list(root: &Path) -> io::Result<Vec<PathBuf>> {
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

/// The files that an existing manifest lists; `None` if it is not one of kantor's.
fn listed(manifest: &Path) -> Option<BTreeMap<PathBuf, Written>> {
    #[derive(Deserialize)]
    struct Listed {
        schema: String,
        outputs: Vec<Written>,
    }
    if !fs::symlink_metadata(manifest).ok()?.is_file() {
        return None;
    }
    let listed: Listed = json::from_slice(&fs::read(manifest).ok()?).ok()?;
    let outputs = listed.outputs.into_iter().map(|written| (PathBuf::from(&written.path), written));
    listed.schema.starts_with("kantor/").then(|| outputs.collect())
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
    Ok(super::hexadecimal(hash))
}
