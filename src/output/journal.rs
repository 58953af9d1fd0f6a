//! Journals of hidden directories: which files a run made in one, by inode.
//!
//! A journal lies beside its directory, and the run holds a lock on it for as long as it works there. What others wrote
//! about files is not believed.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use kantor_theory::json;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::place::Place;
use crate::file_state::{FileId, FileState};

/// First line of a journal.
const JOURNAL: &str = "kantor/journal/1";

/// Extension of a journal's name; the directory has the same name without it.
pub(super) const EXTENSION: &str = "journal";

/// Extension of the name under which an older result waits where two names cannot change places in one step.
pub(super) const ASIDE: &str = "old";

/// Bytes of a journal that is worth reading; a file takes some two hundred.
const LARGEST: u64 = 64 << 20;

/// Names tried for a directory before giving up.
const TRIES: u32 = 1000;

/// Numbers of the directories of this process.
pub(super) static NUMBER: AtomicU64 = AtomicU64::new(0);

/// A line of a journal. Each file has one before it is made and one before anything is written to it.
#[derive(Serialize, Deserialize)]
pub(super) struct Line {
    pub(super) path: PathBuf,
    pub(super) made: Option<Made>,
}

/// The line of a journal that names the directories above which were made for it, the lowest first.
#[derive(Serialize, Deserialize)]
pub(super) struct Above {
    pub(super) above: Vec<Made>,
}

/// The line of a journal that names the older result whose place is to be taken.
#[derive(Serialize, Deserialize)]
pub(super) struct Older {
    pub(super) older: Made,
}

/// Which file it is, where the system tells files apart: its device and inode.
#[derive(Serialize, Deserialize)]
pub(super) struct Made {
    pub(super) id: Option<(u64, u64)>,
}

impl Made {
    /// The device of a file system may change when it is mounted again. A file that was made lies on that of its journal.
    fn beside(self, journal: &Path) -> Self {
        let device = FileState::at(journal).ok().and_then(|at| at.id.numbers()).map(|(device, _)| device);
        Self { id: self.id.map(|(then, inode)| (device.unwrap_or(then), inode)) }
    }
}

/// What the hidden names for a target begin with. They are short whatever the target's name is.
pub(super) fn prefix(target: &Path) -> String {
    let name = target.file_name().unwrap_or_default();
    let hash = Sha256::digest(name.as_encoded_bytes());
    let digits: String = hash.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    format!(".kantor-{digits}-")
}

/// Whether a hidden name belongs to a target.
pub(crate) fn belongs(hidden: &OsStr, target: &Path) -> bool {
    hidden.as_encoded_bytes().starts_with(prefix(target).as_bytes())
}

/// A new journal, locked.
pub(super) fn open_journal(place: &Place) -> io::Result<(PathBuf, File)> {
    for _ in 0..TRIES {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("{}{}-{number}.journal", prefix(&place.path), std::process::id());
        let path = place.parent.join(&name);
        let mut file = match File::options().read(true).append(true).create_new(true).open(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
            file => file?,
        };
        // What has the name of its directory is somebody else's, if only of a process with the same number.
        if path.with_extension("").symlink_metadata().is_ok() {
            let _ = fs::remove_file(&path);
            continue;
        }
        // Another run may have taken it for abandoned before it was locked, and removed it.
        if lock(&file) && is_at(&file, &path) {
            let begun = file.write_all(format!("{JOURNAL} {name}\n").as_bytes());
            return begun.map(|()| (path.clone(), file)).inspect_err(|_| drop(fs::remove_file(&path)));
        }
    }
    Err(io::Error::new(io::ErrorKind::AlreadyExists, "all hidden names for it are taken"))
}

/// Whether nobody else has this file locked, which is then locked by this process. Some file systems know no locks:
/// there a process cannot tell that others are at work.
fn lock(file: &File) -> bool {
    !matches!(file.try_lock(), Err(TryLockError::WouldBlock))
}

fn is_at(file: &File, path: &Path) -> bool {
    let (open, at) = (file.metadata(), fs::symlink_metadata(path));
    matches!((open, at), (Ok(open), Ok(at)) if at.is_file() && FileId::of(&open) == FileId::of(&at))
}

/// Whether this user made the file: what others wrote about files is not believed.
fn is_own(file: &File) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        file.metadata().is_ok_and(|data| data.uid() == rustix::process::geteuid().as_raw())
    }
    #[cfg(not(unix))]
    {
        let _ = file;
        true
    }
}

/// A journal of this user's whose run is gone, locked.
pub(super) fn abandoned(journal: &Path) -> Option<File> {
    // Where locks are not known, journals of runs that are at work cannot be told from others.
    // A lock may need a file that can be written to.
    let open = File::options().read(true).append(true).open(journal).ok()?;
    (open.try_lock().is_ok() && is_at(&open, journal) && is_own(&open)).then_some(open)
}

/// What a journal says of the directories above.
pub(super) fn above_of(journal: &Path) -> Vec<Made> {
    lines_of(journal).flat_map(|Above { above }| above).map(|made| made.beside(journal)).collect()
}

/// Whether a journal says that this is the older result whose place was to be taken.
pub(super) fn is_older(path: &Path, journal: &Path) -> bool {
    let older: Vec<_> = lines_of(journal).map(|Older { older }| Some(older.beside(journal))).collect();
    is_one_of(&older, path)
}

/// The lines of a journal of one kind.
fn lines_of<L: DeserializeOwned>(journal: &Path) -> impl Iterator<Item = L> {
    let text = fs::read(journal).unwrap_or_default();
    let lines: Vec<L> = text.split(|&byte| byte == b'\n').filter_map(|line| json::from_slice(line).ok()).collect();
    lines.into_iter()
}

/// What a journal says of each file; `None` if it is no journal.
pub(super) fn files_of(journal: &Path) -> Option<BTreeMap<PathBuf, Vec<Option<Made>>>> {
    if fs::symlink_metadata(journal).ok()?.len() > LARGEST {
        return None;
    }
    let text = fs::read(journal).ok()?;
    let mut lines = text.split(|&byte| byte == b'\n');
    let first = [JOURNAL.as_bytes(), journal.file_name().unwrap_or_default().as_encoded_bytes()].join(&b' ');
    // A run that was killed before its first line had made nothing.
    if lines.next() != Some(&first) && !text.is_empty() {
        return None;
    }
    let mut files: BTreeMap<PathBuf, Vec<Option<Made>>> = BTreeMap::new();
    for Line { path, made } in lines.filter_map(|line| json::from_slice(line).ok()) {
        if path.components().all(is_name) {
            files.entry(path).or_default().push(made.map(|made| made.beside(journal)));
        }
    }
    Some(files)
}

/// Whether the file of this name is one of those that were made.
pub(super) fn is_one_of(made: &[Option<Made>], path: &Path) -> bool {
    FileState::at(path).is_ok_and(|state| made.iter().flatten().any(|made| made.id == state.id.numbers()))
}

fn is_name(component: Component<'_>) -> bool {
    matches!(component, Component::Normal(_))
}
