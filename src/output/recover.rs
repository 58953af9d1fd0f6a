//! Cleaning up after killed runs. An older result that such a run had moved aside is brought back; files that it made are
//! removed. What it made is known from its journal, and nothing else is touched.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use super::journal::{ASIDE, EXTENSION, Made, abandoned, above_of, belongs, files_of, is_older, is_one_of};
use super::owned::Owned;
use super::removal::remove;
use super::system::rename_new;
use crate::file_state::FileState;

/// Cleans up after killed runs for this target. Best effort: what stays costs only disk space.
pub(crate) fn recover(target: &Path) {
    let Some(parent) = target.parent() else { return };
    let Ok(entries) = fs::read_dir(parent) else { return };
    for entry in entries.flatten() {
        let (name, path) = (entry.file_name(), entry.path());
        let is_journal = path.extension() == Some(OsStr::new(EXTENSION)) && belongs(&name, target);
        if !is_journal || !entry.file_type().is_ok_and(|kind| kind.is_file()) {
            continue;
        }
        if let Some(lock) = abandoned(&path)
            && let Some(files) = files_of(&path)
        {
            let (directory, aside) = (path.with_extension(""), path.with_extension(ASIDE));
            bring_back(&aside, target, &files);
            // An older result is removed only if the newer one has taken its place.
            let done = files.iter().any(|(file, made)| is_one_of(made, &target.join(file)));
            // What somebody put at the target meanwhile is not what was to go.
            let replaced = [&directory].into_iter().chain(done.then_some(&aside)).filter(|at| is_older(at, &path));
            for older in replaced {
                if let Ok(owned) = Owned::of(older, older) {
                    owned.remove(older);
                }
            }
            let above = above_of(&path);
            clear(&path, Some(lock));
            remove_empty(parent, &above);
        }
    }
}

/// Removes `lowest` and the directories above it, as long as each is empty and is the one that was `made`.
fn remove_empty(lowest: &Path, made: &[Made]) {
    for (directory, Made { id }) in lowest.ancestors().zip(made) {
        let same = FileState::at(directory).is_ok_and(|at| id.is_some() && at.id.numbers() == *id);
        if !same || fs::remove_dir(directory).is_err() {
            return;
        }
    }
}

/// Brings what was moved aside back to its name, if that is free.
fn bring_back(aside: &Path, target: &Path, files: &BTreeMap<PathBuf, Vec<Option<Made>>>) {
    let Ok(older) = fs::symlink_metadata(aside) else { return };
    if older.is_dir() {
        // The killed run may have made an empty directory there, to claim the name for its result.
        if rename_new(aside, target).is_err() && target.symlink_metadata().is_ok_and(|at| at.is_dir()) {
            let _ = fs::rename(aside, target);
        }
    } else if rename_new(aside, target).is_err()
        && files.values().any(|made| is_one_of(made, aside) && is_one_of(made, target))
    {
        // `target` is the newer file, or the older one itself, which then has two names. Either way the name aside can go.
        let _ = fs::remove_file(aside);
    }
}

/// Removes the files that a journal names, if they are still the ones that were made, then their directories, and the
/// journal once nothing is left. `lines` is the journal where this run has it open: it is closed before it is removed, as
/// network file systems keep a name for an open file, and with that the directory.
pub(super) fn clear(journal: &Path, lines: Option<File>) {
    let Some(files) = files_of(journal) else { return };
    let ours = |file: &Path, state: &FileState| {
        let made = files.get(file).map_or(&[][..], Vec::as_slice);
        // A file gets a line before it is made, and one with its inode before anything is written. If the run was killed between
        // the two, the file is empty.
        made.iter().flatten().any(|made| made.id == state.id.numbers()) || state.is_empty() && !made.is_empty()
    };
    // An older result that was moved aside is still to be brought back.
    let aside = journal.with_extension(ASIDE);
    let files = files.keys().map(PathBuf::as_path);
    let gone = remove(&journal.with_extension(""), files, ours) && aside.symlink_metadata().is_err();
    drop(lines);
    if gone {
        let _ = fs::remove_file(journal);
    }
}

#[cfg(all(test, unix))]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::io::Write;

    use super::super::place::Place;
    use super::super::scratch::Scratch;
    use super::*;
    use crate::output::ResultDirectory;

    /// It was taken for the older result, and removed.
    #[test]
    fn a_result_that_took_the_place_of_the_older_one_before_the_exchange_is_not_removed() {
        for moved in [false, true] {
            let work = tempfile::tempdir().unwrap();
            let [target, other, away] = ["out", "other", "away"].map(|name| work.path().join(name));
            for path in [&target, &other] {
                let mut result = ResultDirectory::begin(path, false, &[]).unwrap();
                result
                    .file("manifest.json", |out| out.write_all(br#"{"schema": "kantor/manifest/1", "outputs": []}"#))
                    .unwrap();
                result.commit().unwrap();
            }
            let scratch = Scratch::new(&Place::new(&target).unwrap()).unwrap();
            scratch.replaces(FileState::at(&target).unwrap().id).unwrap();
            scratch.file(Path::new("manifest.json")).unwrap().write_all(b"newer").unwrap();
            let directory = scratch.directory().to_owned();
            let journal = directory.with_extension(EXTENSION);
            let text = fs::read(&journal).unwrap();
            // The exchange, of what is at the target by now.
            fs::rename(&directory, &away).unwrap();
            drop(scratch);
            fs::rename(if moved { &other } else { &target }, &directory).unwrap();
            let _ = fs::remove_dir_all(&target);
            fs::rename(&away, &target).unwrap();
            fs::write(&journal, text).unwrap();
            recover(&target);
            assert_eq!(fs::read_to_string(target.join("manifest.json")).unwrap(), "newer");
            assert_eq!(directory.join("manifest.json").exists(), moved);
        }
    }
}
