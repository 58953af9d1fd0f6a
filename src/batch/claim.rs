//! Taking the output directory before any work: what other commands have there stays, each task has a directory of its
//! own, and runs can tell that others are at work.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::output::{MANIFEST, OutputError, create_parents};
use crate::pipeline::Error;
use crate::source::name::readable;

use super::JobPlan;
use super::store::Store;

/// The output directory with `.batch` in it: it is not empty then, so no other command takes it for free. What was made for it
/// is removed again, as far as nobody else uses it, unless it is kept.
pub(super) struct Claim<'a> {
    plan: &'a JobPlan,
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
    pub(super) fn take(plan: &'a JobPlan, store: &Store) -> Result<Self, Error> {
        check(plan, store)?;
        let records = store.records();
        let made = create_parents(&records).map_err(|error| match records.symlink_metadata() {
            Ok(_) => OutputError::NotADirectory(records),
            Err(_) => OutputError::Io { path: plan.out.clone(), error },
        })?;
        let mut claim = Self { plan, made, noted: Vec::new() };
        // Another command may have taken the place just before.
        claim.check()?;
        for task in plan.tasks.keys() {
            let note = store.note(task);
            if note.symlink_metadata().is_err() {
                claim.noted.push(note);
            }
            store.claim_task(task)?;
        }
        Ok(claim)
    }

    /// Fails if the output directory has become the result of another command.
    fn check(&self) -> Result<(), Error> {
        let taken = is_other_result(&self.plan.out).then(|| OutputError::Taken(self.plan.out.clone()));
        taken.map_or(Ok(()), |taken| Err(taken.into()))
    }

    /// Keeps it, for results.
    ///
    /// # Errors
    /// If it has become the result of another command since it was taken.
    pub(super) fn keep(mut self) -> Result<(), Error> {
        self.check()?;
        self.noted.clear();
        self.made.clear();
        Ok(())
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        for (note, directory) in self.noted.iter().filter_map(|note| Some((note, note.parent()?))) {
            // With more there, another run goes by it.
            if fs::read_dir(directory).is_ok_and(|entries| entries.count() == 1) {
                let _ = fs::remove_file(note).and_then(|()| fs::remove_dir(directory));
            }
        }
        self.made.iter().rev().for_each(|directory| drop(fs::remove_dir(directory)));
    }
}

fn is_other_result(out: &Path) -> bool {
    out.join(MANIFEST).is_file()
}

/// Fails if the output directory is a result itself, which `--force` could no longer replace once jobs are in it, or if it is
/// seen that two tasks have one directory.
pub(super) fn check(plan: &JobPlan, store: &Store) -> Result<(), Error> {
    if is_other_result(&plan.out) {
        let what = "is the result of another command, with a manifest.json of its own: choose another directory";
        return Err(Error::Request(format!("{} {what} for those of the jobs", readable(&plan.out))));
    }
    let mut known: BTreeMap<PathBuf, &str> = BTreeMap::new();
    for task in plan.tasks.keys() {
        store.check_task(task)?;
        // Through links.
        let place = plan.out.join(task);
        let place = match place.canonicalize() {
            Ok(place) => place,
            // Such a link may lead to the directory of another task, once that is made.
            Err(_) if place.symlink_metadata().is_ok() => {
                let what = "is a link that leads nowhere: remove it, or make the directory that it names";
                return Err(Error::Request(format!("{} {what}", readable(&place))));
            }
            Err(_) => continue,
        };
        if let Some(other) = known.insert(place, task) {
            let what = "have one directory for their results: rename one of them, or remove the link";
            return Err(Error::Request(format!("the tasks {other} and {task} {what}")));
        }
    }
    Ok(())
}
