//! Hidden directories in which results are made.
//!
//! Beside each lies its journal: which files the run made in it, by inode. The run holds a lock on the journal, so what
//! a killed run left behind is known by a journal that nobody has locked, and the next run for the same target removes
//! the files that the journal names, and no others.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};
use std::time::{Duration, Instant};

use kantor_theory::json;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::error::{OutputError, io_error};
use super::owned::Owned;
use super::place::Place;
use super::removal::remove;
use super::system::rename_new;
use crate::file_state::{FileId, FileState};

/// First line of a journal.
const JOURNAL: &str = "kantor/journal/1";

/// Extension of a journal's name; the directory has the same name without it.
const EXTENSION: &str = "journal";

/// Extension of the name under which an older result waits where two names cannot change places in one step.
const ASIDE: &str = "old";

/// Bytes of a journal that is worth reading; a file takes some two hundred.
const LARGEST: u64 = 64 << 20;

/// Names tried for a directory before giving up.
const TRIES: u32 = 1000;

/// Numbers of the directories of this process.
static NUMBER: AtomicU64 = AtomicU64::new(0);

/// Journals of this process, with the directories made for them, for [`abandon_all`].
static OPEN: Mutex<Vec<(PathBuf, Vec<PathBuf>)>> = Mutex::new(Vec::new());

/// Held while names are exchanged.
static COMMITTING: Mutex<()> = Mutex::new(());

/// Held for reading while something hidden is made and noted.
static MAKING: RwLock<()> = RwLock::new(());

/// A line of a journal. Each file has one before it is made and one before anything is written to it.
#[derive(Serialize, Deserialize)]
struct Line {
    path: PathBuf,
    made: Option<Made>,
}

/// The line of a journal that names the directories above which were made for it, the lowest first.
#[derive(Serialize, Deserialize)]
struct Above {
    above: Vec<Made>,
}

/// Which file it is, where the system tells files apart.
#[derive(Serialize, Deserialize)]
struct Made {
    id: Option<(u64, u64)>,
}

/// A hidden directory beside a target. What is in it goes with it, unless it is renamed away.
pub(super) struct Scratch {
    directory: PathBuf,
    id: Option<FileId>,
    journal: PathBuf,
    /// Locked for as long as the directory is in use.
    lines: File,
    /// Directories above that were made for it, the highest first.
    parents: Vec<PathBuf>,
}

impl Scratch {
    /// Makes one beside `place`, and the directories above if they are missing.
    pub(super) fn new(place: &Place) -> Result<Self, OutputError> {
        let failed = io_error(&place.parent);
        let _making = making();
        let parents = create_parents(&place.parent).map_err(&failed)?;
        let begin = || -> io::Result<Self> {
            let (journal, lines) = open_journal(place)?;
            let directory = journal.with_extension("");
            let mut scratch = Self { directory, id: None, journal, lines, parents: parents.clone() };
            let open = (scratch.journal.clone(), parents.clone());
            OPEN.lock().unwrap_or_else(PoisonError::into_inner).push(open);
            let made = |parent: &PathBuf| Ok(Made { id: FileState::at(parent)?.id.numbers() });
            let above = scratch.parents.iter().rev().map(made).collect::<io::Result<Vec<_>>>()?;
            if !above.is_empty() {
                scratch.write_line(&Above { above })?;
            }
            fs::create_dir(&scratch.directory)?;
            scratch.id = Some(FileState::at(&scratch.directory)?.id);
            Ok(scratch)
        };
        begin().map_err(|error| {
            parents.iter().rev().for_each(|parent| drop(fs::remove_dir(parent)));
            failed(error)
        })
    }

    /// Where it is.
    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Whether its name still leads to it.
    pub(super) fn is_in_place(&self) -> bool {
        FileState::at(&self.directory).is_ok_and(|at| Some(at.id) == self.id)
    }

    /// A hidden name that belongs to it as well.
    pub(super) fn aside(&self) -> PathBuf {
        self.journal.with_extension(ASIDE)
    }

    /// Makes a new file in it.
    pub(super) fn file(&self, relative: &Path) -> io::Result<File> {
        let path = self.directory.join(relative);
        let _making = making();
        self.note(relative, None)?;
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        let file = File::create_new(&path)?;
        self.adopt(relative, FileId::of(&file.metadata()?))?;
        Ok(file)
    }

    /// Notes that the file of this name, now or later, is one to be removed at the end.
    pub(super) fn adopt(&self, relative: &Path, id: FileId) -> io::Result<()> {
        self.note(relative, Some(Made { id: id.numbers() }))
    }

    fn note(&self, relative: &Path, made: Option<Made>) -> io::Result<()> {
        self.write_line(&Line { path: relative.to_owned(), made })
    }

    fn write_line(&self, line: &impl Serialize) -> io::Result<()> {
        let mut line = serde_json::to_vec(line)?;
        line.push(b'\n');
        (&self.lines).write_all(&line)
    }

    /// Keeps the directories above, which hold a result now.
    pub(super) fn keep_parents(&mut self) {
        self.parents.clear();
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        match self.id {
            Some(_) => clear(&self.journal),
            // It has made no directory.
            None => drop(fs::remove_file(&self.journal)),
        }
        for parent in self.parents.iter().rev() {
            let _ = fs::remove_dir(parent);
        }
        OPEN.lock().unwrap_or_else(PoisonError::into_inner).retain(|(journal, _)| *journal != self.journal);
    }
}

/// Until this is dropped, [`abandon_all`] waits, so that it knows all that was made.
fn making() -> RwLockReadGuard<'static, ()> {
    MAKING.read().unwrap_or_else(PoisonError::into_inner)
}

/// Until this is dropped, [`abandon_all`] removes nothing: in the steps of a commit the hidden names change their meaning.
pub(super) fn committing() -> MutexGuard<'static, ()> {
    COMMITTING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Removes what this process has begun to write, for an end that runs no destructors: from then on, nothing more is made
/// and nothing is committed. A commit that has begun gets this long to end. Best effort; what stays is removed by the next
/// run for the same target.
pub fn abandon_all(patience: Duration) {
    let Some(no_commit) = within(patience, || COMMITTING.try_lock().ok()) else { return };
    std::mem::forget(no_commit);
    // Where the calling thread holds it itself, what it was making may stay.
    std::mem::forget(within(patience, || MAKING.try_write().ok()));
    // Whoever holds the lock may be the very thread that calls this.
    if let Ok(open) = OPEN.try_lock() {
        for (journal, parents) in open.iter() {
            clear(journal);
            parents.iter().rev().for_each(|parent| drop(fs::remove_dir(parent)));
        }
    }
}

/// What `ask` gives in this time, if it does.
fn within<T>(patience: Duration, ask: impl Fn() -> Option<T>) -> Option<T> {
    let begun = Instant::now();
    loop {
        match ask() {
            None if begun.elapsed() < patience => std::thread::sleep(Duration::from_millis(2)),
            answer => return answer,
        }
    }
}

/// Makes a directory and those above it; returns the new ones.
fn create_parents(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let missing = |path: &&Path| fs::metadata(path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound);
    let mut made: Vec<PathBuf> = directory.ancestors().take_while(missing).map(Path::to_owned).collect();
    made.reverse();
    fs::create_dir_all(directory).inspect_err(|_| made.iter().rev().for_each(|path| drop(fs::remove_dir(path))))?;
    Ok(made)
}

/// What the hidden names for a target begin with. They are short whatever the target's name is.
fn prefix(target: &Path) -> String {
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
fn open_journal(place: &Place) -> io::Result<(PathBuf, File)> {
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
        // Where locks are not known, journals of runs that are at work cannot be told from others.
        // A lock may need a file that can be written to.
        if let Ok(journal) = File::options().read(true).append(true).open(&path)
            && journal.try_lock().is_ok()
            && is_at(&journal, &path)
            && is_own(&journal)
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

/// What a journal says of the directories above.
fn above_of(journal: &Path) -> Vec<Made> {
    let text = fs::read(journal).unwrap_or_default();
    let lines = text.split(|&byte| byte == b'\n');
    lines.filter_map(|line| json::from_slice(line).ok()).flat_map(|Above { above }| above).collect()
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

/// What a journal says of each file; `None` if it is no journal.
fn files_of(journal: &Path) -> Option<BTreeMap<PathBuf, Vec<Option<Made>>>> {
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
            files.entry(path).or_default().push(made);
        }
    }
    Some(files)
}

/// Whether the file of this name is one of those that were made.
fn is_one_of(made: &[Option<Made>], path: &Path) -> bool {
    FileState::at(path).is_ok_and(|state| made.iter().flatten().any(|made| made.id == state.id.numbers()))
}

/// Removes the files that a journal names and that are still the ones that were made, then their directories, and the
/// journal once nothing is left.
fn clear(journal: &Path) {
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

fn is_name(component: Component<'_>) -> bool {
    matches!(component, Component::Normal(_))
}

#[cfg(all(test, unix))]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::output::ResultDirectory;

    /// What a run leaves that is killed between the two renames of a file system without an exchange.
    #[test]
    fn an_older_result_that_was_set_aside_comes_back() {
        for claimed in [false, true] {
            let work = tempfile::tempdir().unwrap();
            let target = work.path().join("out");
            let mut older = ResultDirectory::begin(&target, false, &[]).unwrap();
            older.file("a", |out| out.write_all(b"older")).unwrap();
            older.commit().unwrap();
            let place = Place::new(&target).unwrap();
            let scratch = Scratch::new(&place).unwrap();
            scratch.file(Path::new("a")).unwrap().write_all(b"newer").unwrap();
            fs::rename(&target, scratch.aside()).unwrap();
            if claimed {
                fs::create_dir(&target).unwrap();
            }
            // The lock goes with the process, and the files stay.
            let (journal, text) = (scratch.journal.clone(), fs::read(&scratch.journal).unwrap());
            let (directory, away) = (scratch.directory.clone(), work.path().join("away"));
            fs::rename(&directory, &away).unwrap();
            drop(scratch);
            fs::rename(&away, &directory).unwrap();
            fs::write(&journal, text).unwrap();

            recover(&target);
            assert_eq!(fs::read(target.join("a")).unwrap(), b"older");
            assert_eq!(fs::read_dir(work.path()).unwrap().count(), 1, "claimed: {claimed}");
        }
    }

    #[test]
    fn a_directory_of_the_same_name_is_spared() {
        let work = tempfile::tempdir().unwrap();
        let target = work.path().join("out");
        let next = NUMBER.load(Ordering::Relaxed);
        // Numbers that this process may use next; other tests take some of them.
        let of = |number: u64| work.path().join(format!("{}{}-{number}", prefix(&target), std::process::id()));
        (next..next + 200).for_each(|number| fs::create_dir(of(number)).unwrap());
        fs::write(of(next).join("keep"), "keep").unwrap();
        let mut result = ResultDirectory::begin(&target, false, &[]).unwrap();
        result.file("a", |out| out.write_all(b"a")).unwrap();
        result.commit().unwrap();
        assert_eq!(fs::read(target.join("a")).unwrap(), b"a");
        assert_eq!(fs::read_dir(work.path()).unwrap().count(), 201);
    }

    /// The same for one file, which has two names for a moment.
    #[test]
    fn a_file_that_was_set_aside_comes_back() {
        for state in ["free", "second name", "replaced"] {
            let work = tempfile::tempdir().unwrap();
            let target = work.path().join("out");
            fs::write(&target, "older").unwrap();
            let scratch = Scratch::new(&Place::new(&target).unwrap()).unwrap();
            scratch.file(Path::new("file")).unwrap().write_all(b"newer").unwrap();
            scratch.adopt(Path::new("file"), FileState::at(&target).unwrap().id).unwrap();
            fs::hard_link(&target, scratch.aside()).unwrap();
            match state {
                "free" => fs::remove_file(&target).unwrap(),
                "replaced" => fs::rename(scratch.directory.join("file"), &target).unwrap(),
                _ => {}
            }
            let (journal, text) = (scratch.journal.clone(), fs::read(&scratch.journal).unwrap());
            let away = work.path().join("away");
            fs::rename(&scratch.directory, &away).unwrap();
            let directory = scratch.directory.clone();
            drop(scratch);
            fs::rename(&away, &directory).unwrap();
            fs::write(&journal, text).unwrap();

            recover(&target);
            let kept = if state == "replaced" { "newer" } else { "older" };
            assert_eq!(fs::read_to_string(&target).unwrap(), kept, "{state}");
            assert_eq!(fs::read_dir(work.path()).unwrap().count(), 1, "{state}");
        }
    }
}
