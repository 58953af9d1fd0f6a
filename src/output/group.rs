//! Files that appear together: what a kill between their renames leaves is taken back by the next run for any of them.
//!
//! Before the first rename, the journal of every file names all of them. As long as one of the new files is still hidden,
//! the commit did not end: those that are in their places go back.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use kantor_theory::json;
use serde::{Deserialize, Serialize};

use super::journal;
use super::system::{exchange, rename_new};
use crate::file_state::FileState;

/// One of the files.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Member {
    /// Where it goes.
    pub(super) target: PathBuf,
    /// The journal of its hidden directory.
    pub(super) journal: PathBuf,
}

/// The line of a journal that names them.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Group {
    group: Vec<Member>,
}

impl Group {
    pub(super) fn new(group: Vec<Member>) -> Self {
        Self { group }
    }

    /// The files of which the journal of a killed run speaks.
    fn of(journal: &Path) -> Vec<Member> {
        let text = fs::read(journal).unwrap_or_default();
        let mut lines = text.split(|&byte| byte == b'\n').rev();
        lines.find_map(|line| json::from_slice(line).ok()).map_or_else(Vec::new, |Self { group }| group)
    }
}

/// A file whose journal is there, and how far its run had come.
struct Found<'a> {
    target: &'a Path,
    /// The hidden path of the new file; after an exchange, of the older one.
    hidden: PathBuf,
    aside: PathBuf,
    /// Device and inode of the new file.
    new: (u64, u64),
    /// Whether something is at the hidden path: the new file, or the older one that it has replaced.
    kept: bool,
    /// Whether that is the new file.
    is_hidden: bool,
}

/// Takes back what a killed run put in place of the files of which the journal `found_by` speaks, unless it had put all
/// of them. The caller holds the lock of it.
pub(super) fn take_back(found_by: &Path, name: &str) {
    let members = Group::of(found_by);
    // Locked until all is done.
    let mut locked: Vec<File> = Vec::new();
    let mut found = Vec::new();
    for Member { target, journal: of } in &members {
        if !journal::is_journal_of(of, target) || of.symlink_metadata().is_err() {
            continue;
        }
        if of != found_by {
            let Some(lock) = journal::abandoned(of) else { return };
            locked.push(lock);
        }
        let made = journal::made(of, name);
        let Some(new) = made.first().and_then(|made| made.id) else { return };
        let hidden = of.with_extension("").join(name);
        let at_hidden = FileState::at(&hidden).ok();
        found.push(Found {
            target,
            aside: of.with_extension(journal::ASIDE),
            new,
            kept: at_hidden.is_some(),
            is_hidden: at_hidden.is_some_and(|at| at.id.numbers() == Some(new)),
            hidden,
        });
    }
    if !found.iter().any(|file| file.is_hidden) {
        return;
    }
    for Found { target, hidden, aside, new, kept, .. } in found.iter().filter(|file| !file.is_hidden) {
        if FileState::at(target).is_ok_and(|at| at.id.numbers() == Some(*new)) {
            let back: io::Result<()> =
                if *kept { exchange(hidden, target, aside) } else { rename_new(target, hidden) };
            // What cannot go back stays where it is, whole.
            let _ = back;
        }
    }
}
