//! Taking the output directory before any work: what other commands have there stays, each task has a directory of its
//! own, and runs can tell that others are at work.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use crate::file_state::FileId;
use crate::output::{MANIFEST, OutputError, create_parents, in_the_way, share_directory};
use crate::pipeline::Error;
use crate::source::name::readable;

use super::JobPlan;
use super::store::Store;

/// How often the directory is made again that another run takes away.
const TRIES: u32 = 100;

/// The output directory with `.batch` in it: it is not empty then, so no other command takes it for free. What was made for it
/// is removed again when nobody else uses it, unless it is kept.
pub(super) struct Claim<'a> {
    plan: &'a JobPlan,
    store: Store,
    /// The open `.batch`, whose lock all runs that use it share; `None` where directories cannot be locked.
    in_use: Option<File>,
    /// Whether other runs used it before: what is there is then theirs and that of this one.
    shared: bool,
    /// The directories that were missing, the highest first.
    made: Vec<PathBuf>,
    /// The files with names of tasks that were missing.
    noted: Vec<PathBuf>,
}

impl<'a> Claim<'a> {
    /// Takes the output directory.
    ///
    /// # Errors
    /// If it is the result of another command, two tasks have one directory there, or the system refuses.
    pub(super) fn take(plan: &'a JobPlan) -> Result<Self, Error> {
        check(plan)?;
        let (made, noted) = (Vec::new(), Vec::new());
        let mut claim = Self { plan, store: Store::new(&plan.out), in_use: None, shared: false, made, noted };
        claim.enter()?;
        // Another command may have taken the place just before.
        claim.check()?;
        for task in plan.tasks.keys() {
            let note = claim.store.note(task);
            if claim.shared || note.symlink_metadata().is_err() {
                claim.noted.push(note);
            }
            claim.store.claim_task(task)?;
        }
        Ok(claim)
    }

    /// Makes `.batch` and shares its lock.
    fn enter(&mut self) -> Result<(), OutputError> {
        let records = self.store.records();
        let mut tries = 0;
        loop {
            tries += 1;
            let entered = create_parents(&records).map_err(|error| in_the_way(&records, &self.plan.out, error));
            let entered = entered.and_then(|made| {
                self.made.extend(made);
                share_directory(&records)
            });
            match entered {
                Ok(None) => return Ok(()),
                Ok(Some(open)) => {
                    let shared = open.try_lock().is_err();
                    if open.try_lock_shared().is_ok() && is_at(&open, &records) {
                        // Whichever run ends last takes back what was made for all of them.
                        self.made.extend(shared.then_some(records));
                        (self.shared, self.in_use) = (shared, Some(open));
                        return Ok(());
                    }
                }
                Err(OutputError::Io { error, .. }) if error.kind() == io::ErrorKind::NotFound && tries < TRIES => {}
                Err(error) => return Err(error),
            }
            // Another run, which had made it, has just taken it away.
            if tries == TRIES {
                return Err(OutputError::Taken(records));
            }
        }
    }

    /// Fails if the output directory has become the result of another command.
    fn check(&self) -> Result<(), Error> {
        let taken = is_other_result(&self.plan.out).then(|| OutputError::Taken(self.plan.out.clone()));
        taken.map_or(Ok(()), |taken| Err(taken.into()))
    }

    /// Keeps it, for results.
    ///
    /// # Errors
    /// If it has become the result of another command since it was taken, or two tasks have one directory there by now.
    pub(super) fn keep(&mut self) -> Result<(), Error> {
        self.check()?;
        check(self.plan)?;
        self.noted.clear();
        self.made.clear();
        Ok(())
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        // A run that begins now waits for this lock and then sees that the directory is gone.
        if self.in_use.as_ref().is_some_and(|records| records.try_lock().is_err()) {
            return;
        }
        for (note, directory) in self.noted.iter().filter_map(|note| Some((note, note.parent()?))) {
            // With more there, jobs of the task were worked on.
            let alone = fs::read_dir(directory).is_ok_and(|entries| entries.count() <= 1);
            // Where nobody can tell who uses it, only a note that could not be written goes.
            let free = self.in_use.is_some() || note.metadata().map_or(true, |data| data.len() == 0);
            if alone && free {
                let _ = fs::remove_file(note);
                let _ = fs::remove_dir(directory);
            }
        }
        self.made.iter().rev().for_each(|directory| drop(fs::remove_dir(directory)));
    }
}

/// Whether this name leads to the open file.
fn is_at(open: &File, path: &Path) -> bool {
    let id = |data: io::Result<fs::Metadata>| data.ok().map(|data| FileId::of(&data));
    id(fs::metadata(path)).is_some_and(|at| Some(at) == id(open.metadata()))
}

fn is_other_result(out: &Path) -> bool {
    out.join(MANIFEST).is_file()
}

/// Fails if the output directory is a result itself, which `--force` could no longer replace once jobs are in it, or if it is
/// seen that two tasks have one directory.
pub(super) fn check(plan: &JobPlan) -> Result<(), Error> {
    if is_other_result(&plan.out) {
        let what = "is the result of another command, with a manifest.json of its own: choose another directory";
        return Err(Error::Request(format!("{} {what} for those of the jobs", readable(&plan.out))));
    }
    let store = Store::new(&plan.out);
    let mut known: BTreeMap<Result<(u64, u64), PathBuf>, &str> = BTreeMap::new();
    for task in plan.tasks.keys() {
        store.check_task(task)?;
        let place = plan.out.join(task);
        // Through links.
        let data = match fs::metadata(&place) {
            Ok(data) if data.is_dir() => data,
            Ok(_) => return Err(OutputError::NotADirectory(place).into()),
            // Such a link may lead to the directory of another task, once that is made.
            Err(_) if place.symlink_metadata().is_ok() => {
                let what = "is a link that leads nowhere: remove it, or make the directory that it names";
                return Err(Error::Request(format!("{} {what}", readable(&place))));
            }
            Err(_) => continue,
        };
        // Mounts too lead to one directory by several names.
        let which = FileId::of(&data).numbers().ok_or_else(|| place.canonicalize().unwrap_or(place));
        if let Some(other) = known.insert(which, task) {
            let what = "have one directory for their results: rename one of them, or remove the link or mount";
            return Err(Error::Request(format!("the tasks {other} and {task} {what}")));
        }
    }
    Ok(())
}
