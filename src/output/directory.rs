//! A directory of results that appears whole or not at all.

use std::collections::BTreeSet;
use std::fs::{self, File, Permissions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use sha2::{Digest, Sha256};

use super::Written;
use super::error::{OutputError, io_error};
use super::owned::{Owned, list};
use super::place::Place;
use super::recover::recover;
use super::scratch::{self, Scratch};
use super::system::{check_lock, exchange, give_permissions, lock_directory, rename_new, sync_directory, sync_file};
use crate::file_state::{FileId, FileState};
use crate::source::hexadecimal;

/// Calls of the file system at a time: those that wait for the disk then wait together.
const AT_ONCE: usize = 8;

/// What was at the target when the run began.
enum Before {
    Nothing,
    Empty(FileId, Permissions),
    Result(FileId, Permissions, Owned),
}

/// A result being written.
pub struct ResultDirectory {
    place: Place,
    before: Before,
    scratch: Scratch,
    written: Vec<Written>,
}

impl ResultDirectory {
    /// Opens a hidden directory beside `target` after checking that `target` may be written.
    ///
    /// # Errors
    /// If `target` is a file or a link, holds an older result and `force` is not given, if replacing it would lose
    /// something that kantor did not write there, if one of `inputs` lies inside it, or if the system refuses.
    pub fn begin(target: &Path, force: bool, inputs: &[&Path]) -> Result<Self, OutputError> {
        let place = Place::new(target)?;
        recover(&place.path);
        let before = look(&place, force)?;
        // Nothing lies in what is not there.
        let inputs = if matches!(before, Before::Nothing) { &[] } else { inputs };
        for input in inputs {
            let inside = match (input.canonicalize(), place.path.canonicalize()) {
                (Ok(input), Ok(target)) => input.starts_with(target),
                _ => false,
            };
            // Mounts and hard links lead there by other names.
            let same =
                |data: fs::Metadata| matches!(&before, Before::Result(_, _, owned) if owned.holds(FileId::of(&data)));
            if inside || fs::metadata(input).is_ok_and(same) {
                return Err(OutputError::InputInside { target: target.to_owned(), input: (*input).to_owned() });
            }
        }
        if matches!(before, Before::Result(..)) {
            check_lock(&place.parent)?;
        }
        let scratch = Scratch::new(&place)?;
        if let Before::Result(older, ..) = &before {
            scratch.replaces(*older).map_err(io_error(target))?;
        }
        Ok(Self { place, before, scratch, written: Vec::new() })
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
        let path = self.place.named.join(relative);
        let failed = io_error(&path);
        let file = self.scratch.file(Path::new(relative)).map_err(&failed)?;
        let mut out = BufWriter::with_capacity(1 << 20, Counted { file, digest: Sha256::new(), bytes: 0 });
        fill(&mut out).map_err(&failed)?;
        let Counted { digest, bytes, .. } = out.into_inner().map_err(|e| failed(e.into_error()))?;
        self.written.push(Written { path: relative.to_owned(), bytes, sha256: hexadecimal(digest) });
        Ok(())
    }

    /// The files written so far.
    pub fn written(&self) -> &[Written] {
        &self.written
    }

    /// Syncs all files and makes the result visible, all at once.
    ///
    /// # Errors
    /// If the target is not what it was when the run began, or the system refuses; then the target is left as it is,
    /// unless the last step fails, which makes the change of names survive a power failure.
    pub fn commit(mut self) -> Result<(), OutputError> {
        let failed = io_error(&self.place.named);
        self.sync().map_err(&failed)?;
        if !self.is_as_written() {
            return Err(OutputError::Taken(self.scratch.directory().to_owned()));
        }
        let replaces = matches!(self.before, Before::Result(..));
        let _lock = if replaces { lock_directory(&self.place.parent)? } else { None };
        let no_cleanup = scratch::committing();
        if let Before::Empty(_, permissions) | Before::Result(_, permissions, _) = &self.before {
            give_permissions(self.scratch.directory(), permissions).map_err(&failed)?;
        }
        match &self.before {
            Before::Nothing => rename_new(self.scratch.directory(), &self.place.path).map_err(|e| self.refused(e))?,
            // Onto a directory, a rename succeeds only if that is still empty; onto anything else, never.
            Before::Empty(id, _) if self.is_there(*id) => {
                fs::rename(self.scratch.directory(), &self.place.path).map_err(|e| self.refused(e))?;
            }
            Before::Empty(..) => return Err(OutputError::Taken(self.place.named.clone())),
            Before::Result(id, _, owned) => self.replace(*id, owned)?,
        }
        self.scratch.keep_parents();
        drop(no_cleanup);
        sync_directory(&self.place.parent).map_err(&failed)
    }

    /// Puts the new result in the place of an older one and removes that. To be called under the lock of the parent.
    fn replace(&self, id: FileId, owned: &Owned) -> Result<(), OutputError> {
        let (new, target) = (self.scratch.directory(), &self.place.path);
        let failed = io_error(&self.place.named);
        let taken = || OutputError::Taken(self.place.named.clone());
        let new_id = FileState::at(new).map_err(&failed)?.id;
        let as_before = |path: &Path| FileState::at(path).is_ok_and(|at| at.id == id) && owned.is_all_of(path);
        if !as_before(target) {
            return Err(taken());
        }
        exchange(new, target, &self.scratch.aside()).map_err(|error| {
            self.scratch.keep_aside();
            self.refused(error)
        })?;
        // Somebody may have been quicker than the exchange. Now that the older one has a name that nobody knows, what is
        // seen of it is final.
        if !as_before(new) {
            exchange(new, target, &self.scratch.aside()).map_err(|_| self.stays())?;
            let is_back = FileState::at(new).is_ok_and(|at| at.id == new_id);
            return Err(if is_back { taken() } else { self.left() });
        }
        // The older one goes only when no power failure can bring its name back.
        if let Err(error) = sync_directory(&self.place.parent) {
            return exchange(new, target, &self.scratch.aside()).map_err(|_| self.stays()).and(Err(failed(error)));
        }
        if owned.remove(new) { Ok(()) } else { Err(self.left()) }
    }

    /// What was at the target cannot go back: it stays where it is for good.
    fn stays(&self) -> OutputError {
        self.scratch.disown();
        self.left()
    }

    fn left(&self) -> OutputError {
        OutputError::Left { target: self.place.named.clone(), left: self.scratch.directory().to_owned() }
    }

    fn is_there(&self, id: FileId) -> bool {
        FileState::at(&self.place.path).is_ok_and(|at| at.id == id)
    }

    /// What the refusal of the last rename means: something that was not there before is in the way.
    fn refused(&self, error: io::Error) -> OutputError {
        use io::ErrorKind::{AlreadyExists, CrossesDevices, DirectoryNotEmpty, NotADirectory, NotFound, ResourceBusy};
        match error.kind() {
            CrossesDevices | ResourceBusy => mounted(&self.place.named, error),
            AlreadyExists | DirectoryNotEmpty | NotADirectory | NotFound => {
                OutputError::Taken(self.place.named.clone())
            }
            _ => io_error(&self.place.named)(error),
        }
    }

    /// Whether the hidden directory is still the one that was made, with the files that were written and no others.
    fn is_as_written(&self) -> bool {
        let written: BTreeSet<&Path> = self.written.iter().map(|file| Path::new(&file.path)).collect();
        let same = |present: Vec<PathBuf>| present.iter().map(PathBuf::as_path).collect::<BTreeSet<_>>() == written;
        self.scratch.is_in_place() && list(self.scratch.directory()).is_ok_and(same)
    }

    /// Syncs all files, and the directories in which they lie.
    fn sync(&self) -> io::Result<()> {
        let paths: BTreeSet<&Path> = self.written.iter().flat_map(|file| Path::new(&file.path).ancestors()).collect();
        let directory = self.scratch.directory();
        together(&Vec::from_iter(paths), |path| {
            let path = directory.join(path);
            if path.is_dir() { sync_directory(&path) } else { sync_file(&path) }
        })
    }
}

/// Why a target cannot be replaced as a whole.
fn mounted(named: &Path, error: io::Error) -> OutputError {
    let why = "the system cannot rename it, as it is a mount point or part of a lower layer";
    let error = io::Error::new(error.kind(), format!("{error}: {why}; choose another name for the results"));
    io_error(named)(error)
}

/// What is at the target, if the new result may take its place.
fn look(place: &Place, force: bool) -> Result<Before, OutputError> {
    let Some((data, state)) = place.state()? else { return Ok(Before::Nothing) };
    // What is being replaced vanishes while it is looked at.
    look_at(place, force, &data, state.id).map_err(|error| match FileState::at(&place.path) {
        Ok(now) if now.id == state.id => error,
        _ => OutputError::Taken(place.named.clone()),
    })
}

fn look_at(place: &Place, force: bool, data: &fs::Metadata, id: FileId) -> Result<Before, OutputError> {
    if !data.is_dir() {
        return Err(OutputError::NotADirectory(place.named.clone()));
    }
    let current = std::env::current_dir().and_then(|current| current.canonicalize());
    if let (Ok(current), Ok(target)) = (current, place.path.canonicalize())
        && current.starts_with(target)
    {
        return Err(OutputError::Current(place.named.clone()));
    }
    let device = |id: FileId| id.numbers().map(|(device, _)| device);
    if FileState::at(&place.parent).is_ok_and(|parent| device(parent.id) != device(id)) {
        return Err(mounted(&place.named, io::ErrorKind::CrossesDevices.into()));
    }
    if fs::read_dir(&place.path).map_err(io_error(&place.named))?.next().is_none() {
        return Ok(Before::Empty(id, data.permissions()));
    }
    match force {
        true => {
            let owned = Owned::of(&place.path, &place.named)?;
            owned.check_removable(&place.path, &place.named)?;
            Ok(Before::Result(id, data.permissions(), owned))
        }
        false => Err(OutputError::Exists(place.named.clone())),
    }
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
        let helper = |_| crate::thread::builder().spawn_scoped(scope, some).ok();
        let others: Vec<_> = (1..items.len().min(AT_ONCE)).filter_map(helper).collect();
        let joined =
            others.into_iter().map(|other| other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        joined.fold(some(), io::Result::and)
    })
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
