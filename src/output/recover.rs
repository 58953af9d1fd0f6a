//! What killed runs left behind: brought back if it is an older result, and else removed, as far as their journals say
//! that they made it.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use super::journal::{ASIDE, EXTENSION, Made, abandoned, above_of, belongs, files_of, is_one_of};
use super::owned::Owned;
use super::removal::remove;
use super::system::rename_new;
use crate::file_state::FileState;

/// Brings an older result back that a killed run had moved aside, and removes what killed runs for this target left
/// behind. Best effort: what stays costs only disk space.
pub(crate) fn recover(target: &Path) {
    let Some(parent) = target.parent() else { return };
    let Ok(entries) = fs::read_dir(parent) else { return };
    for entry in entries.flatten() {
        let (name, path) = (entry.file_name(), entry.path());
        let is_journal = path.extension() == Some(OsStr::new(EXTENSION)) && belongs(&name, target);
        if !is_journal || !entry.file_type().is_ok_and(|kind| kind.is_file()) {
            continue;
        }
        if let Some(_lock) = abandoned(&path)
            && let Some(files) = files_of(&path)
        {
            let (directory, aside) = (path.with_extension(""), path.with_extension(ASIDE));
            bring_back(&aside, target, &files);
            // What was moved aside may go once the result that was to take its place is there.
            let done = files.iter().any(|(file, made)| is_one_of(made, &target.join(file)));
            for older in [&directory].into_iter().chain(done.then_some(&aside)) {
                if let Ok(owned) = Owned::of(older, older) {
                    owned.remove(older);
                }
            }
            let above = above_of(&path);
            clear(&path);
            remove_empty(parent, &above);
        }
    }
}

/// Removes `lowest` and the directories above it as long as they are these and empty.
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
        // An empty directory may hold the name for the result that was to come.
        if rename_new(aside, target).is_err() && target.symlink_metadata().is_ok_and(|at| at.is_dir()) {
            let _ = fs::rename(aside, target);
        }
    } else if rename_new(aside, target).is_err()
        && files.values().any(|made| is_one_of(made, aside) && is_one_of(made, target))
    {
        // The file that took its place, or the older one itself by its second name.
        let _ = fs::remove_file(aside);
    }
}

/// Removes the files that a journal names and that are still the ones that were made, then their directories, and the
/// journal once nothing is left.
pub(super) fn clear(journal: &Path) {
    let Some(files) = files_of(journal) else { return };
    let ours = |file: &Path, state: &FileState| {
        let made = files.get(file).map_or(&[][..], Vec::as_slice);
        // Killed between the two lines: nothing had been written.
        made.iter().flatten().any(|made| made.id == state.id.numbers()) || state.is_empty() && !made.is_empty()
    };
    // An older result that was moved aside is still to be brought back.
    let aside = journal.with_extension(ASIDE);
    let files = files.keys().map(PathBuf::as_path);
    if remove(&journal.with_extension(""), files, ours) && aside.symlink_metadata().is_err() {
        let _ = fs::remove_file(journal);
    }
}
