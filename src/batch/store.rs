//! The output directory of a batch: which jobs are done, which failed, which are being worked on.
//!
//! Beside the results there is `.batch/` with the name of every task, an empty file per job that is locked while somebody
//! works on it, and the record of every failure. Locks go with their process, so a killed run leaves none behind.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use kantor_theory::json;
use serde::{Deserialize, Serialize};

use crate::output::{
    MANIFEST, OutputError, OutputFile, Written, check_lock, in_the_way, journal, listed, lock_within_patience, recover,
};
use crate::pipeline::Error;
use crate::record::{Manifest, SelectionRecord};
use crate::source::name::readable;
use crate::source::whole::{self, Whole};

use super::Job;

/// Name of the file that says which job a result is of.
pub(crate) const JOB: &str = "job.json";

/// Version of the record of a failure.
const FAILURE: &str = "kantor/job-failure/1";

/// What is said of a job that failed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobFailure {
    /// Version of this format.
    schema: String,
    /// Of the job as it was tried.
    digest: String,
    /// Why.
    pub error: String,
    /// When, in milliseconds since 1970.
    pub at: u64,
}

/// Where a job stands.
#[derive(Debug, Clone, PartialEq)]
pub enum State {
    /// Its result is there.
    Done(Box<SelectionRecord>),
    /// The last attempt failed; the next run tries again.
    Failed(JobFailure),
    /// Somebody works on it.
    Running,
    /// Still to be done.
    Pending {
        /// Whether there is a result of other inputs or parameters, to be replaced.
        outdated: bool,
    },
}

impl JobFailure {
    /// The record in this file; `None` if it is not one.
    fn read(path: &Path) -> Option<Self> {
        let found: Self = json::from_slice(&whole::read(path, Whole::Record).ok()?).ok()?;
        (found.schema == FAILURE).then_some(found)
    }

    /// Whether this is a record byte for byte as this program writes it, which may be removed.
    fn is_own(path: &Path) -> bool {
        let written = |text: &Vec<u8>| {
            let found = json::from_slice::<Self>(text).ok()?;
            (serde_json::to_vec_pretty(&found).ok()? == *text).then_some(())
        };
        let text = whole::read(path, Whole::Record).ok().filter(|_| is_file_or_nothing(path));
        text.as_ref().and_then(written).is_some()
    }

    pub(super) fn new(digest: &str, error: String) -> Self {
        Self { schema: FAILURE.to_owned(), digest: digest.to_owned(), error, at: now() }
    }
}

/// Milliseconds since 1970.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

/// The output directory.
#[derive(Debug)]
pub(super) struct Store {
    root: PathBuf,
}

#[derive(Deserialize)]
struct JobFile {
    digest: String,
    task: Option<String>,
}

impl Store {
    pub(super) fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// The directory of a job's result.
    pub(super) fn directory(&self, job: &Job) -> PathBuf {
        self.root.join(job.name())
    }

    /// The directory of locks and records.
    pub(super) fn records(&self) -> PathBuf {
        self.root.join(".batch")
    }

    fn record(&self, job: &Job, kind: &str) -> PathBuf {
        self.records().join(format!("{}.{kind}", job.name()))
    }

    /// The file with the name of a task.
    pub(super) fn note(&self, task: &str) -> PathBuf {
        self.records().join(task).join("task")
    }

    /// Fails if another task has been here by a name that this file system does not tell from that of this one: most often
    /// one that differs in upper and lower case.
    pub(super) fn check_task(&self, task: &str) -> Result<(), Error> {
        let path = self.note(task);
        let other = if is_file_or_nothing(&path) { whole::read(&path, Whole::Record).ok() } else { None };
        match other.map(|name| String::from_utf8_lossy(&name).into_owned()).filter(|name| !name.is_empty()) {
            Some(other) if other != task => Err(Error::Request(format!(
                "the tasks {other} and {task} have one directory for their results, as this file system does not tell their \
                 names apart: rename one of them, or choose another output directory ({} says whose this one is)",
                readable(&path)
            ))),
            _ => Ok(()),
        }
    }

    /// Notes that the directory of this name is that of this task, and finds out whether locks work here.
    ///
    /// # Errors
    /// As [`Store::check_task`], or if the system refuses.
    pub(super) fn claim_task(&self, task: &str) -> Result<(), Error> {
        let path = self.note(task);
        let file = open(&path)?;
        let failed = |error| OutputError::Io { path: path.clone(), error };
        if !lock_within_patience(&file).map_err(|error| without_locks(&path, &error))? {
            return Err(OutputError::Locked(path).into());
        }
        if file.metadata().map_err(failed)?.len() == 0 {
            // Half a name would be that of another task.
            (&file).write_all(task.as_bytes()).inspect_err(|_| drop(file.set_len(0))).map_err(failed)?;
        }
        // Some systems let nobody read what is locked.
        drop(file);
        self.check_task(task)
    }

    /// Fails if no result of this task could be replaced in the end, because another program has its directory locked.
    pub(super) fn check_replaceable(&self, job: &Job) -> Result<(), OutputError> {
        check_lock(&self.root.join(&job.task))
    }

    /// What is said of the result of this job, if it is there, whole, and bears this digest.
    pub(super) fn finished(&self, job: &Job, digest: &str) -> Option<Box<SelectionRecord>> {
        let directory = self.directory(job);
        if self.digest(job)? != digest {
            return None;
        }
        let manifest = Manifest::read(&directory.join(MANIFEST)).ok()??;
        let whole = |output: &Written| {
            let path = directory.join(&output.path);
            is_file_or_nothing(&path) && output.is_content_of(&path).is_ok_and(|same| same)
        };
        if !manifest.outputs.iter().all(whole) {
            return None;
        }
        let found = manifest.results.into_iter().next()?;
        found.dir.as_ref()?;
        // There may be many jobs: what can be large and is not told of them stays in the file.
        Some(Box::new(SelectionRecord { groups: Vec::new(), notes: BTreeMap::new(), ..found }))
    }

    /// What the result in the directory of this job says of the job that it is of.
    fn found(&self, job: &Job) -> Option<JobFile> {
        json::from_slice(&whole::read(&self.directory(job).join(JOB), Whole::Record).ok()?).ok()
    }

    /// The digest that the result in the directory of this job bears.
    fn digest(&self, job: &Job) -> Option<String> {
        self.found(job).map(|found| found.digest)
    }

    /// Fails if the place of this job holds the result of another command, or of another task by a link or mount: only its
    /// user may let that go.
    pub(super) fn check_place(&self, job: &Job) -> Result<(), Error> {
        let directory = self.directory(job);
        let whose = match listed(&directory.join(MANIFEST)) {
            Ok(Some(files)) if !files.contains_key(Path::new(JOB)) => "another command".to_owned(),
            Ok(Some(_)) => match self.found(job).and_then(|found| found.task) {
                Some(task) if task != job.task => format!("the task {task}"),
                _ => return Ok(()),
            },
            _ => return Ok(()),
        };
        let what = "move it away, or give the jobs another directory";
        Err(Error::Request(format!("{} holds the result of {whose}: {what}", readable(&directory))))
    }

    /// Whether there is a result of other inputs or parameters.
    pub(super) fn is_outdated(&self, job: &Job, digest: &str) -> bool {
        self.directory(job).join(MANIFEST).exists() && self.digest(job).as_deref() != Some(digest)
    }

    /// The last failure of this job, if it was tried as it is now and not done since.
    pub(super) fn failure(&self, job: &Job, digest: &str) -> Option<JobFailure> {
        JobFailure::read(&self.record(job, "failed.json")).filter(|failure| failure.digest == digest)
    }

    /// Where a job stands.
    pub(super) fn state(&self, job: &Job, digest: &str) -> State {
        if let Some(found) = self.finished(job, digest) {
            return State::Done(found);
        }
        let lock = self.record(job, "lock");
        // Where locks are not known, nobody can tell.
        let is_locked = |file: File| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock));
        let busy = is_file_or_nothing(&lock) && File::open(&lock).is_ok_and(is_locked);
        match self.failure(job, digest) {
            _ if busy => State::Running,
            Some(failure) => State::Failed(failure),
            None => State::Pending { outdated: self.is_outdated(job, digest) },
        }
    }

    /// Takes the lock of a job; `None` if somebody else has it.
    ///
    /// # Errors
    /// If the system refuses.
    pub(super) fn lock(&self, job: &Job) -> Result<Option<File>, OutputError> {
        let path = self.record(job, "lock");
        let file = open(&path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(without_locks(&path, &error)),
        }
    }

    /// Removes what killed runs of these jobs left behind: hidden directories beside the results.
    ///
    /// Best effort: what stays costs only disk space.
    pub(super) fn sweep(&self, jobs: &[&Job]) {
        let mut of_task: BTreeMap<&str, Vec<&Job>> = BTreeMap::new();
        jobs.iter().for_each(|job| of_task.entry(&job.task).or_default().push(job));
        for (task, jobs) in of_task {
            let names = |at: &Path| -> Vec<OsString> {
                fs::read_dir(at).into_iter().flatten().flatten().map(|entry| entry.file_name()).collect()
            };
            // Of results, and of records of failures.
            let hidden = [names(&self.root.join(task)), names(&self.records().join(task))].concat();
            for job in jobs {
                let targets = [self.directory(job), self.record(job, "failed.json")];
                if hidden.iter().any(|name| targets.iter().any(|target| journal::belongs(name, target)))
                    && let Ok(Some(_lock)) = self.lock(job)
                {
                    targets.iter().for_each(|target| recover::recover(target));
                }
            }
        }
    }

    /// Records a failure. To be called under the lock of the job.
    ///
    /// # Errors
    /// If the system refuses.
    pub(super) fn fail(&self, job: &Job, failure: &JobFailure) -> Result<(), OutputError> {
        let path = self.record(job, "failed.json");
        let text = serde_json::to_vec_pretty(failure);
        let text = text.map_err(|error| OutputError::Io { path: path.clone(), error: error.into() })?;
        OutputFile::create(&path, JobFailure::is_own(&path))?.finish(&text)
    }

    /// Forgets the failures of a job that is done now. To be called under its lock.
    pub(super) fn forget_failure(&self, job: &Job) {
        // What stays is overruled by the result.
        let path = self.record(job, "failed.json");
        if JobFailure::is_own(&path) {
            let _ = fs::remove_file(path);
        }
    }
}

/// Opens a file that is locked at times; it is made if it is missing, with the directories above.
fn open(path: &Path) -> Result<File, OutputError> {
    let failed = |error| OutputError::Io { path: path.to_owned(), error };
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(|error| in_the_way(parent, path, error))?;
    }
    if !is_file_or_nothing(path) {
        return Err(OutputError::NotAFile(path.to_owned()));
    }
    File::options().create(true).append(true).open(path).map_err(failed)
}

/// What it means that the system gives no lock.
fn without_locks(path: &Path, error: &io::Error) -> OutputError {
    let why = "it could not be locked, by which runs tell who works on what: choose an output directory on a file system with \
               locks, or let this one be mounted with them (Lustre: -o flock)";
    OutputError::Io { path: path.to_owned(), error: io::Error::new(error.kind(), format!("{error}: {why}")) }
}

/// Opening anything else may wait for ever, as for a pipe, or lead elsewhere, as a link does.
fn is_file_or_nothing(path: &Path) -> bool {
    fs::symlink_metadata(path).map_or(true, |data| data.is_file())
}
