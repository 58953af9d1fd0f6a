//! One file of output that appears whole or not at all, and what outputs may be called.

use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::error::{OutputError, in_the_way, io_error};
use super::place::Place;
use super::recover::recover;
use super::scratch::{self, Scratch};
use super::system::{check_lock, exchange, give_permissions, is_fixed, lock_directory, rename_new, sync_directory};
use crate::file_state::{FileId, FileState};

/// Name of the file while it is written.
pub(super) const NAME: &str = "file";

/// A file being written. Without [`OutputFile::commit`] nothing of it stays.
pub struct OutputFile {
    place: Place,
    /// The file that it replaces.
    before: Option<(FileState, Permissions)>,
    // Before the hidden directory: network file systems keep a name for a file that is removed while it is open.
    out: BufWriter<File>,
    scratch: Scratch,
}

impl OutputFile {
    /// Opens a hidden file beside `target` after checking that `target` may be written.
    ///
    /// # Errors
    /// If something is at `target` and `force` is not given, if it is no regular file, or if the system refuses.
    pub fn create(target: &Path, force: bool) -> Result<Self, OutputError> {
        let place = Place::new(target)?;
        recover(&place.path);
        let before = match place.state()? {
            None => None,
            Some((data, _)) if !data.is_file() => return Err(OutputError::NotAFile(target.to_owned())),
            Some(_) if !force => return Err(OutputError::Exists(target.to_owned())),
            Some(_) if is_fixed(&place.path) => return Err(OutputError::Protected(target.to_owned())),
            Some((data, state)) => Some((state, data.permissions())),
        };
        // A directory that is missing is more likely a slip than a wish.
        fs::metadata(&place.parent).map_err(|error| in_the_way(&place.parent, target, error))?;
        if before.is_some() {
            check_lock(&place.parent)?;
        }
        let scratch = Scratch::new(&place)?;
        let out = BufWriter::new(scratch.file_to_move(Path::new(NAME)).map_err(io_error(target))?);
        Ok(Self { place, before, scratch, out })
    }

    /// The error for a refusal of the system while it was written.
    pub fn failed(&self, error: io::Error) -> OutputError {
        io_error(&self.place.named)(error)
    }

    /// Writes this content and commits the file.
    ///
    /// # Errors
    /// As [`OutputFile::commit`].
    pub fn finish(mut self, content: &[u8]) -> Result<(), OutputError> {
        self.out.write_all(content).map_err(io_error(&self.place.named))?;
        self.commit()
    }

    /// Syncs the file and makes it visible.
    ///
    /// # Errors
    /// If what is at the target is not what was there at first, or the system refuses; then the target is left as it is.
    pub fn commit(self) -> Result<(), OutputError> {
        Self::commit_all(vec![self])
    }

    /// Syncs several files and makes them visible, all of them or none. If the process is killed between the renames, each
    /// file is the older or the newer one.
    ///
    /// # Errors
    /// As [`OutputFile::commit`], for the first of them that cannot take its place.
    pub fn commit_all(mut files: Vec<Self>) -> Result<(), OutputError> {
        for Self { place, out, .. } in &mut files {
            out.flush().and_then(|()| out.get_ref().sync_all()).map_err(io_error(&place.named))?;
        }
        // The same order for all programs: of two that want the same names, one gets all of them.
        files.sort_by(|a, b| a.place.path.cmp(&b.place.path));
        let _locks = lock_parents(&files)?;
        let no_cleanup = scratch::committing();
        for at in 0..files.len() {
            if let Err(error) = files[at].show() {
                let error = files[..at].iter().find_map(|shown| shown.is_also(&files[at])).unwrap_or(error);
                // Each goes back whatever becomes of the others; the first that could not is told.
                let back: Vec<_> = files[..at].iter().rev().map(Self::hide).collect();
                return back.into_iter().collect::<Result<(), _>>().and(Err(error));
            }
        }
        let removed: Vec<_> = files.iter().map(Self::remove_older).collect();
        files.iter_mut().for_each(|file| file.scratch.keep_parents());
        drop(no_cleanup);
        removed.into_iter().collect::<Result<(), _>>()?;
        files.iter().try_for_each(|Self { place, .. }| sync_directory(&place.parent).map_err(io_error(&place.named)))
    }

    /// Which file was made.
    fn made(&self) -> Option<FileId> {
        self.out.get_ref().metadata().map(|data| FileId::of(&data)).ok().filter(|id| id.numbers().is_some())
    }

    /// That the name of another output leads to this one, which has just taken its place.
    fn is_also(&self, other: &Self) -> Option<OutputError> {
        let there = fs::metadata(&other.place.path).map(|data| FileId::of(&data)).ok();
        let names = [self, other].map(|file| file.place.named.clone());
        (there.is_some() && there == self.made()).then_some(OutputError::OneName(names))
    }

    /// Where the new file is while it is hidden, and the older one while it is not.
    fn hidden(&self) -> PathBuf {
        self.scratch.directory().join(NAME)
    }

    /// Puts the new file in its place; the older one is hidden then.
    fn show(&self) -> Result<(), OutputError> {
        let Self { place, before, scratch, .. } = self;
        let (new, failed) = (self.hidden(), io_error(&place.named));
        let taken = || OutputError::Taken(place.named.clone());
        let refused = |error: io::Error| match error.kind() {
            io::ErrorKind::AlreadyExists | io::ErrorKind::NotFound => taken(),
            _ => failed(error),
        };
        let Some((before, permissions)) = before else {
            return rename_new(&new, &place.path).map_err(refused);
        };
        give_permissions(&new, permissions).map_err(&failed)?;
        if FileState::at(&place.path).ok().as_ref() != Some(before) {
            return Err(taken());
        }
        // Should the run be killed before the older file is removed, the next one does that.
        scratch.adopt(Path::new(NAME), before.id).map_err(&failed)?;
        exchange(&new, &place.path, &scratch.aside()).map_err(|error| {
            scratch.keep_aside();
            refused(error)
        })?;
        // Somebody may have been quicker than the exchange.
        if !FileState::at(&new).is_ok_and(|at| at.same_content(before)) {
            exchange(&new, &place.path, &scratch.aside()).map_err(|_| self.left())?;
            return Err(taken());
        }
        Ok(())
    }

    /// Takes back what [`Self::show`] did, unless somebody changed the file since.
    fn hide(&self) -> Result<(), OutputError> {
        let Self { place, before, scratch, .. } = self;
        let (new, made) = (self.hidden(), self.made());
        let is_new = |path: &Path| made.is_some() && FileState::at(path).ok().map(|at| at.id) == made;
        let moved = |from: &Path, to: &Path| match before {
            None => rename_new(from, to),
            Some(_) => exchange(&new, &place.path, &scratch.aside()),
        };
        let stays = || if before.is_some() { self.left() } else { OutputError::Taken(place.named.clone()) };
        if !is_new(&place.path) {
            return Err(stays());
        }
        moved(&place.path, &new).map_err(|error| match before {
            None => io_error(&place.named)(error),
            Some(_) => self.left(),
        })?;
        // Somebody may have been quicker than the rename: then it is theirs that is hidden now.
        if is_new(&new) {
            return Ok(());
        }
        moved(&new, &place.path).map_err(|_| self.left())?;
        Err(stays())
    }

    /// The older file, or what was in its place, cannot go back to its name: it stays where it is.
    fn left(&self) -> OutputError {
        self.scratch.disown();
        OutputError::Left { target: self.place.named.clone(), left: self.hidden() }
    }

    fn remove_older(&self) -> Result<(), OutputError> {
        if self.before.is_some() { fs::remove_file(self.hidden()).map_err(|_| self.left()) } else { Ok(()) }
    }
}

/// Locks the directories in which files are replaced, each once, in an order that is the same for all programs.
fn lock_parents(files: &[OutputFile]) -> Result<Vec<Option<File>>, OutputError> {
    let mut parents = BTreeMap::new();
    for OutputFile { place, .. } in files.iter().filter(|file| file.before.is_some()) {
        let id = fs::metadata(&place.parent).map_err(io_error(&place.named))?;
        parents.entry(FileId::of(&id).numbers()).or_insert(place);
    }
    parents.values().map(|place| lock_directory(&place.parent)).collect()
}

impl Write for OutputFile {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.out.write(data)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Checks that no output, named by its flag, is the same file as an input or another output, and removes what killed runs
/// left of them.
///
/// # Errors
/// Names the two that are one.
pub fn distinct<'a>(
    outputs: &[(&'static str, &'a Path)],
    inputs: impl IntoIterator<Item = &'a Path>,
) -> Result<(), OutputError> {
    // By name as well as by file: an output need not be there yet.
    let known = |path: &Path| -> Result<_, OutputError> {
        let place = Place::new(path)?;
        let name = place.parent.canonicalize().map(|parent| parent.join(place.path.file_name().unwrap_or_default()));
        Ok((name.unwrap_or(place.path), fs::metadata(path).ok().map(|data| FileId::of(&data))))
    };
    let one = |a: &(PathBuf, Option<FileId>), b: &(PathBuf, Option<FileId>)| {
        a.0 == b.0 || matches!((a.1, b.1), (Some(a), Some(b)) if a == b && a.numbers().is_some())
    };
    let named = outputs.iter().map(|(_, path)| known(path)).collect::<Result<Vec<_>, _>>()?;
    for input in inputs {
        let Ok(input_known) = known(input) else { continue };
        if let Some(at) = named.iter().position(|output| one(output, &input_known)) {
            let (flag, output) = outputs[at];
            return Err(OutputError::IsInput { flag, output: output.to_owned(), input: input.to_owned() });
        }
    }
    for (at, name) in named.iter().enumerate() {
        if let Some(other) = named[..at].iter().position(|other| one(other, name)) {
            let flags = [outputs[other].0, outputs[at].0];
            return Err(OutputError::Same { flags, output: outputs[at].1.to_owned() });
        }
    }
    for (_, output) in outputs {
        recover(&Place::new(output)?.path);
    }
    Ok(())
}

#[cfg(all(test, unix))]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Two files that are to replace older ones, and where these are.
    fn two(work: &Path) -> (Vec<OutputFile>, [PathBuf; 2]) {
        let targets = ["a", "b"].map(|name| work.join(name));
        let open = |target: &PathBuf| {
            fs::write(target, "older").unwrap();
            let mut file = OutputFile::create(target, true).unwrap();
            file.write_all(b"newer").unwrap();
            file.flush().unwrap();
            file
        };
        (targets.iter().map(open).collect(), targets)
    }

    #[test]
    fn what_stands_in_its_place_after_a_kill_is_not_touched_by_the_next_run() {
        let work = tempfile::tempdir().unwrap();
        let (files, [a, b]) = two(work.path());
        files[0].show().unwrap();
        // The locks go with the process, and the files stay.
        for file in files {
            let (journal, away) = (file.scratch.directory().with_extension("journal"), work.path().join("away"));
            fs::rename(&journal, &away).unwrap();
            drop(file);
            fs::rename(&away, &journal).unwrap();
        }
        // In place, so that its inode stays that of the file which was made.
        File::options().append(true).open(&a).unwrap().write_all(b", and notes").unwrap();
        [&a, &b].into_iter().for_each(|target| recover(target));
        assert_eq!(fs::read_to_string(&a).unwrap(), "newer, and notes");
        assert_eq!(fs::read_to_string(&b).unwrap(), "older");
        assert_eq!(fs::read_dir(work.path()).unwrap().count(), 2);
    }

    #[test]
    fn an_older_file_that_cannot_go_back_is_kept_and_named() {
        let work = tempfile::tempdir().unwrap();
        let (files, [a, b]) = two(work.path());
        files[0].show().unwrap();
        // Somebody puts another file in the place of the first, and the second cannot be shown.
        fs::rename(&a, work.path().join("taken away")).unwrap();
        fs::write(&a, "stranger").unwrap();
        let Err(OutputError::Left { left, .. }) = files[0].hide() else { panic!("it went back") };
        drop(files);
        recover(&a);
        assert_eq!(fs::read_to_string(&left).unwrap(), "older");
        assert_eq!(fs::read_to_string(&a).unwrap(), "stranger");
        assert_eq!(fs::read_to_string(&b).unwrap(), "older");
    }
}
