//! A result directory that appears whole or not at all.
//!
//! Files are written into a hidden directory beside the target and synced; one rename makes them visible. Replacing
//! an older result swaps the two directories in one step, so at every moment the target is the old result or the
//! new one. What a killed run leaves behind is hidden, is known by its unlocked directory, and goes with the next run.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use rustix::fs::{CWD, RenameFlags, renameat_with};
use sha2::{Digest, Sha256};

use super::manifest::{self, MANIFEST, Written};

/// Calls of the file system at a time: those that wait for the disk then wait together.
const AT_ONCE: usize = 8;

/// Why a result cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// There is something at the target and nobody said that it may go.
    #[error("{0} exists: choose another directory, or replace it with --force")]
    Exists(PathBuf),
    /// The target is a file.
    #[error("{0} is not a directory: choose another name for the results")]
    NotADirectory(PathBuf),
    /// The target holds something that would be lost.
    #[error(
        "{target} holds {stranger}, which kantor did not write there: move it away, --force replaces only kantor's own results"
    )]
    NotOurs {
        /// The result directory.
        target: PathBuf,
        /// The entry that would be lost.
        stranger: PathBuf,
    },
    /// An input lies inside the directory that is to be replaced.
    #[error("input {input} lies inside {target}: choose another directory for the results")]
    InputInside {
        /// The result directory.
        target: PathBuf,
        /// The input.
        input: PathBuf,
    },
    /// The operating system refused.
    #[error("{path}: {error}")]
    Io {
        /// What was being written.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
}

fn io_error(path: &Path) -> impl Fn(io::Error) -> OutputError + '_ {
    |error| OutputError::Io { path: path.to_owned(), error }
}

/// A result being written.
pub struct Staging {
    target: PathBuf,
    directory: PathBuf,
    /// Holds the lock that tells other runs that this directory is in use.
    _lock: File,
    written: Vec<Written>,
}

impl Staging {
    /// Opens a hidden directory beside `target` after checking that `target` may be written.
    ///
    /// # Errors
    /// If `target` exists and `force` is not given, if replacing it would lose something that kantor did not write
    /// there, if one of `inputs` lies inside it, or if the system refuses.
    pub fn begin(target: &Path, force: bool, inputs: &[&Path]) -> Result<Self, OutputError> {
        check_target(target, force)?;
        for input in inputs {
            if let (Ok(inside), Ok(whole)) = (input.canonicalize(), target.canonicalize())
                && inside.starts_with(whole)
            {
                return Err(OutputError::InputInside { target: target.to_owned(), input: (*input).to_owned() });
            }
        }
        let (parent, name) = split(target)?;
        fs::create_dir_all(&parent).map_err(io_error(&parent))?;
        remove_abandoned(target);
        let directory = parent.join(format!(".{name}.kantor-{}", std::process::id()));
        fs::create_dir(&directory).map_err(io_error(&directory))?;
        let lock = File::open(&directory).map_err(io_error(&directory))?;
        lock.try_lock().map_err(|e| OutputError::Io { path: directory.clone(), error: e.into() })?;
        Ok(Self { target: target.to_owned(), directory, _lock: lock, written: Vec::new() })
    }

    /// Writes one file of the result through `fill`.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn file(
        &mut self,
        relative: &str,
        fill: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), OutputError> {
        let path = self.directory.join(relative);
        let failed = io_error(&path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(&failed)?;
        }
        let file = File::create_new(&path).map_err(&failed)?;
        let mut out = BufWriter::with_capacity(1 << 20, Counted { file, digest: Sha256::new(), bytes: 0 });
        fill(&mut out).map_err(&failed)?;
        let Counted { digest, bytes, .. } = out.into_inner().map_err(|e| failed(e.into_error()))?;
        self.written.push(Written { path: relative.to_owned(), bytes, sha256: hex(&digest.finalize()) });
        Ok(())
    }

    /// The files written so far.
    pub fn written(&self) -> &[Written] {
        &self.written
    }

    /// Syncs all files and makes the result visible, all at once.
    ///
    /// # Errors
    /// If the system refuses; then the target is as it was.
    pub fn commit(self) -> Result<(), OutputError> {
        let failed = io_error(&self.target);
        sync(&self.directory).map_err(&failed)?;
        if fs::read_dir(&self.target).is_ok_and(|mut entries| entries.next().is_some()) {
            renameat_with(CWD, &self.directory, CWD, &self.target, RenameFlags::EXCHANGE)
                .map_err(|e| failed(e.into()))?;
            // The older result now has the hidden name; it goes when `self` is dropped.
        } else {
            fs::rename(&self.directory, &self.target).map_err(&failed)?;
        }
        let (parent, _) = split(&self.target)?;
        File::open(&parent).and_then(|d| d.sync_all()).map_err(&failed)
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // Nothing to do if it is gone; whatever cannot be removed now is removed by the next run.
        if let Ok(files) = list(&self.directory, Path::new("")) {
            let _ = together(&files, |file| fs::remove_file(self.directory.join(file)));
        }
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// Writes one file beside its target, syncs it and renames it into place.
///
/// # Errors
/// If the system refuses; then the target is as it was.
pub fn replace_file(target: &Path, content: &[u8]) -> Result<(), OutputError> {
    let failed = io_error(target);
    let (parent, name) = split(target)?;
    let staged = parent.join(format!(".{name}.kantor-{}", std::process::id()));
    let written = File::create(&staged).and_then(|mut file| {
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&staged, target)
    });
    if written.is_err() {
        let _ = fs::remove_file(&staged);
    }
    written.map_err(failed)
}

/// Parent directory and file name of the target.
fn split(target: &Path) -> Result<(PathBuf, String), OutputError> {
    let absolute = std::path::absolute(target).map_err(io_error(target))?;
    match (absolute.parent(), absolute.file_name()) {
        (Some(parent), Some(name)) => Ok((parent.to_owned(), name.to_string_lossy().into_owned())),
        _ => Err(OutputError::Exists(target.to_owned())),
    }
}

fn check_target(target: &Path, force: bool) -> Result<(), OutputError> {
    match fs::metadata(target) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(io_error(target)(error)),
        Ok(data) if !data.is_dir() => return Err(OutputError::NotADirectory(target.to_owned())),
        Ok(_) => {}
    }
    let present = list(target, Path::new("")).map_err(io_error(target))?;
    if present.is_empty() {
        return Ok(());
    }
    if !force {
        return Err(OutputError::Exists(target.to_owned()));
    }
    let ours: BTreeSet<PathBuf> = manifest::outputs(&target.join(MANIFEST)).unwrap_or_default();
    match present.iter().find(|path| !ours.contains(*path) && *path != Path::new(MANIFEST)) {
        Some(stranger) => Err(OutputError::NotOurs { target: target.to_owned(), stranger: stranger.clone() }),
        None => Ok(()),
    }
}

/// All files below `root/relative`, relative to `root`.
fn list(root: &Path, relative: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root.join(relative))? {
        let entry = entry?;
        let path = relative.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            found.extend(list(root, &path)?);
        } else {
            found.push(path);
        }
    }
    Ok(found)
}

/// Removes hidden directories of runs for this target that are no longer there. Best effort: a failure costs only disk
/// space.
pub(crate) fn remove_abandoned(target: &Path) {
    let Ok((parent, name)) = split(target) else { return };
    let prefix = format!(".{name}.kantor-");
    let Ok(entries) = fs::read_dir(parent) else { return };
    for entry in entries.flatten() {
        if entry.file_name().to_string_lossy().starts_with(&prefix)
            && let Ok(directory) = File::open(entry.path())
            && directory.try_lock().is_ok()
        {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Syncs all files below `directory`, and the directories in which they lie.
fn sync(directory: &Path) -> io::Result<()> {
    let files = list(directory, Path::new(""))?;
    let paths: BTreeSet<&Path> = files.iter().flat_map(|file| file.ancestors()).collect();
    together(&Vec::from_iter(paths), |path| File::open(directory.join(path))?.sync_all())
}

/// Calls `work` for all items, [`AT_ONCE`] at a time. Returns an error if there was one.
fn together<T: Sync>(items: &[T], work: impl Fn(&T) -> io::Result<()> + Sync) -> io::Result<()> {
    let next = AtomicUsize::new(0);
    let some = || {
        let items = std::iter::from_fn(|| items.get(next.fetch_add(1, Ordering::Relaxed)));
        items.map(&work).fold(Ok(()), io::Result::and)
    };
    thread::scope(|scope| {
        // Fewer threads if the system gives no more.
        let helper = |_| thread::Builder::new().spawn_scoped(scope, some).ok();
        let others: Vec<_> = (1..items.len().min(AT_ONCE)).filter_map(helper).collect();
        let joined =
            others.into_iter().map(|other| other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        joined.fold(some(), io::Result::and)
    })
}

/// Lower-case hexadecimal digits.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Counts and digests what passes through.
struct Counted {
    file: File,
    digest: Sha256,
    bytes: u64,
}

impl Write for Counted {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let written = self.file.write(data)?;
        self.digest.update(&data[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
