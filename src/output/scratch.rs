//! Scratch directories: the hidden directories in which results are made.
//!
//! Beside each lies its journal (module `journal`), which its run keeps locked. A journal without a lock belongs to a run that
//! was killed: the next run for the same target cleans up after it (module `recover`).

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Component, Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};
use std::time::{Duration, Instant};

use serde::Serialize;

use super::error::{OutputError, in_the_way};
use super::journal::{ASIDE, Above, Line, Made, Older, open_journal};
use super::place::Place;
use super::recover::clear;
use super::system::{is_fixed, rename_new};
use crate::file_state::{FileId, FileState};

/// How often the directories above are made again that another run takes away.
const TRIES: u32 = 100;

/// Journals of this process, with the directories made for them, for [`abandon_all`].
static OPEN: Mutex<Vec<(PathBuf, Vec<PathBuf>)>> = Mutex::new(Vec::new());

/// Held while a commit renames. [`abandon_all`] takes it first and keeps it, so that no later commit begins.
static COMMITTING: Mutex<()> = Mutex::new(());

/// Held for reading from before a file or directory is made until the journal names it. [`abandon_all`] takes it for writing
/// and keeps it, so that nothing is made later.
static MAKING: RwLock<()> = RwLock::new(());

/// A hidden directory beside a target. Dropping this removes the directory and the files that the journal names, unless a
/// commit has renamed it into place.
pub(super) struct Scratch {
    directory: PathBuf,
    id: Option<FileId>,
    journal: PathBuf,
    /// The open journal, locked for as long as the directory is in use; closed only when this is dropped.
    lines: Option<File>,
    /// Directories above it that were missing and were made for it, the highest first.
    parents: Vec<PathBuf>,
}

impl Scratch {
    /// Makes one beside `place`, and the directories above it if they are missing.
    pub(super) fn new(place: &Place) -> Result<Self, OutputError> {
        if is_fixed(&place.parent) {
            return Err(OutputError::Protected(place.parent.clone()));
        }
        let _making = making();
        let mut tries = 0;
        loop {
            match Self::begin(place) {
                // Another run has just taken away the directories above, which it had made, and this one means to use.
                Err(error) if error.kind() == io::ErrorKind::NotFound && tries < TRIES => tries += 1,
                begun => return begun.map_err(|error| in_the_way(&place.parent, &place.named, error)),
            }
        }
    }

    fn begin(place: &Place) -> io::Result<Self> {
        let parents = create_parents(&place.parent)?;
        let begin = || -> io::Result<Self> {
            let (journal, lines) = open_journal(place)?;
            let directory = journal.with_extension("");
            let mut scratch = Self { directory, id: None, journal, lines: Some(lines), parents: parents.clone() };
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
        begin().inspect_err(|_| parents.iter().rev().for_each(|parent| drop(fs::remove_dir(parent))))
    }

    /// Leaves the directory with all its content for the user: without the journal, neither this run nor a later one removes
    /// it.
    pub(super) fn disown(&self) {
        // Either is enough: what does not begin as a journal is left alone.
        let empty = |mut lines: &File| lines.set_len(0).and_then(|()| lines.write_all(b"left to the user\n"));
        let _ = self.lines.as_ref().map(empty);
        let _ = fs::remove_file(&self.journal);
    }

    fn write_line(&self, line: &impl Serialize) -> io::Result<()> {
        let mut line = serde_json::to_vec(line)?;
        line.push(b'\n');
        self.lines.as_ref().map_or(Ok(()), |mut lines| lines.write_all(&line))
    }

    /// Where it is.
    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Whether its name still leads to it.
    pub(super) fn is_in_place(&self) -> bool {
        FileState::at(&self.directory).is_ok_and(|at| Some(at.id) == self.id)
    }

    /// A second hidden name, for an older result that is moved aside where the system cannot exchange two names in one step.
    pub(super) fn aside(&self) -> PathBuf {
        self.journal.with_extension(ASIDE)
    }

    /// After an exchange that failed half-way: what it moved aside stays there, for no later run to remove.
    pub(super) fn keep_aside(&self) {
        if self.aside().symlink_metadata().is_ok() {
            self.disown();
        }
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

    /// As [`Self::file`], by the step by which it takes its place in the end: where the file system does not know that step,
    /// this fails before the work.
    pub(super) fn file_to_move(&self, name: &Path) -> io::Result<File> {
        let first = Path::new("first");
        let file = self.file(first)?;
        let _making = making();
        self.adopt(name, FileId::of(&file.metadata()?))?;
        rename_new(&self.directory.join(first), &self.directory.join(name))?;
        Ok(file)
    }

    /// Notes in the journal that the file `id` is to be removed at the end if it then has this name in the directory, whether
    /// or not it has it already.
    pub(super) fn adopt(&self, relative: &Path, id: FileId) -> io::Result<()> {
        self.note(relative, Some(Made { id: id.numbers() }))
    }

    fn note(&self, relative: &Path, made: Option<Made>) -> io::Result<()> {
        self.write_line(&Line { path: relative.to_owned(), made })
    }

    /// Notes in the journal which older result is to be removed once this one has its place.
    pub(super) fn replaces(&self, older: FileId) -> io::Result<()> {
        self.write_line(&Older { older: Made { id: older.numbers() } })
    }

    /// Keeps the directories above when this is dropped: they hold a result now.
    pub(super) fn keep_parents(&mut self) {
        self.parents.clear();
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let lines = self.lines.take();
        match self.id {
            Some(_) => clear(&self.journal, lines),
            // No directory was made.
            None => {
                drop(lines);
                let _ = fs::remove_file(&self.journal);
            }
        }
        for parent in self.parents.iter().rev() {
            let _ = fs::remove_dir(parent);
        }
        OPEN.lock().unwrap_or_else(PoisonError::into_inner).retain(|(journal, _)| *journal != self.journal);
    }
}

/// Until this is dropped, [`abandon_all`] waits: the journals then name all that was made.
fn making() -> RwLockReadGuard<'static, ()> {
    MAKING.read().unwrap_or_else(PoisonError::into_inner)
}

/// Until this is dropped, [`abandon_all`] removes nothing: during a commit, a hidden name may stand for the older result.
pub(super) fn committing() -> MutexGuard<'static, ()> {
    COMMITTING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Removes what this process has begun to write, before an exit that runs no destructors. After that, this process makes and
/// commits nothing more. A commit that has begun gets `patience` to end; if it takes longer, nothing is removed. Best effort:
/// the next run for the same target removes what stays.
pub fn abandon_all(patience: Duration) {
    let Some(no_commit) = within(patience, || COMMITTING.try_lock().ok()) else { return };
    std::mem::forget(no_commit);
    // The calling thread may hold it itself; what it was making then stays.
    std::mem::forget(within(patience, || MAKING.try_write().ok()));
    // The calling thread may hold this lock too, so it is not waited for.
    if let Ok(open) = OPEN.try_lock() {
        for (journal, parents) in open.iter() {
            clear(journal, None);
            parents.iter().rev().for_each(|parent| drop(fs::remove_dir(parent)));
        }
    }
}

/// Asks again until there is an answer or `patience` has passed.
fn within<T>(patience: Duration, ask: impl Fn() -> Option<T>) -> Option<T> {
    let begun = Instant::now();
    loop {
        match ask() {
            None if begun.elapsed() < patience => std::thread::sleep(Duration::from_millis(2)),
            answer => return answer,
        }
    }
}

/// Makes a directory and those above it; returns the new ones, the highest first. What `..` leads to is known only where the
/// directory before it is there: that is not made.
pub(crate) fn create_parents(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let leads_up = |path: &&Path| path.components().next_back() == Some(Component::ParentDir);
    directory.ancestors().find(leads_up).map_or(Ok(()), |up| fs::metadata(up).map(drop))?;
    let missing = |path: &&Path| fs::metadata(path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound);
    let mut made: Vec<PathBuf> = directory.ancestors().take_while(missing).map(Path::to_owned).collect();
    made.reverse();
    fs::create_dir_all(directory).inspect_err(|_| made.iter().rev().for_each(|path| drop(fs::remove_dir(path))))?;
    Ok(made)
}

#[cfg(all(test, unix))]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::atomic::Ordering;

    use super::super::journal::{NUMBER, prefix};
    use super::super::recover::recover;
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

    /// The same file system may have another number when it is mounted again.
    #[test]
    fn what_a_killed_run_left_is_removed_under_another_device_number() {
        let work = tempfile::tempdir().unwrap();
        let target = work.path().join("out");
        let scratch = Scratch::new(&Place::new(&target).unwrap()).unwrap();
        scratch.file(Path::new("a")).unwrap().write_all(b"newer").unwrap();
        let (journal, directory, away) = (scratch.journal.clone(), scratch.directory.clone(), work.path().join("away"));
        let device = FileState::at(&journal).unwrap().id.numbers().unwrap().0;
        let text = fs::read_to_string(&journal).unwrap();
        fs::rename(&directory, &away).unwrap();
        drop(scratch);
        fs::rename(&away, &directory).unwrap();
        let other = text.replace(&format!("[{device},"), &format!("[{},", device + 1));
        assert_ne!(text, other);
        fs::write(&journal, other).unwrap();
        recover(&target);
        assert_eq!(fs::read_dir(work.path()).unwrap().count(), 0);
    }

    /// An exchange that failed half-way, and the way back too: the next run once removed the older file.
    #[test]
    fn what_an_exchange_left_aside_is_removed_by_no_later_run() {
        for journal_stays in [false, true] {
            let work = tempfile::tempdir().unwrap();
            let target = work.path().join("out");
            fs::write(&target, "older").unwrap();
            let scratch = Scratch::new(&Place::new(&target).unwrap()).unwrap();
            scratch.file(Path::new("file")).unwrap().write_all(b"newer").unwrap();
            scratch.adopt(Path::new("file"), FileState::at(&target).unwrap().id).unwrap();
            let (journal, aside) = (scratch.journal.clone(), scratch.aside());
            fs::rename(&target, &aside).unwrap();
            fs::rename(scratch.directory.join("file"), &target).unwrap();
            scratch.keep_aside();
            drop(scratch);
            if journal_stays {
                fs::write(&journal, "left to the user\n").unwrap();
            }
            recover(&target);
            assert_eq!([&target, &aside].map(|path| fs::read_to_string(path).unwrap()), ["newer", "older"]);
        }
    }

    /// A run that fails takes away the directories that it made, while another is about to use them.
    #[test]
    fn directories_above_that_another_run_takes_away_are_made_again() {
        let work = tempfile::tempdir().unwrap();
        let place = |name: &str| Place::new(&work.path().join("x/y").join(name)).unwrap();
        std::thread::scope(|scope| {
            for name in ["a", "b"] {
                let place = place(name);
                let work = move || (0..200).for_each(|_| drop(Scratch::new(&place).unwrap()));
                crate::thread::builder().spawn_scoped(scope, work).unwrap();
            }
        });
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
