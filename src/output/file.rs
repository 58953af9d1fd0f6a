//! One file of output that appears whole or not at all, and what outputs may be called.

use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::error::{OutputError, io_error};
use super::group::{Group, Member};
use super::place::Place;
use super::recover::recover;
use super::scratch::{self, Scratch};
use super::system::{exchange, lock_directory, rename_new, sync_directory};
use crate::file_state::{FileId, FileState};

/// Name of the file while it is written.
pub(super) const NAME: &str = "file";

/// A file being written. Without [`OutputFile::commit`] nothing of it stays.
pub struct OutputFile {
    place: Place,
    /// The file that it replaces.
    before: Option<(FileState, Permissions)>,
    scratch: Scratch,
    out: BufWriter<File>,
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
            Some((data, state)) => Some((state, data.permissions())),
        };
        // A directory that is missing is more likely a slip than a wish.
        fs::metadata(&place.parent).map_err(io_error(target))?;
        let scratch = Scratch::new(&place)?;
        let out = BufWriter::new(scratch.file(Path::new(NAME)).map_err(io_error(target))?);
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

    /// Syncs several files and makes them visible, all of them or none; after a kill between the renames, the next run for
    /// one of them takes the others back.
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
        if files.len() > 1 {
            let member =
                |file: &Self| Member { target: file.place.path.clone(), journal: file.scratch.journal().to_owned() };
            let group = Group::new(files.iter().map(member).collect());
            for Self { place, scratch, .. } in &files {
                scratch.write_line(&group).map_err(io_error(&place.named))?;
            }
        }
        for (at, file) in files.iter().enumerate() {
            if let Err(error) = file.show() {
                // In the order in which they came, the last one first.
                files[..at].iter().rev().try_for_each(Self::hide)?;
                return Err(error);
            }
        }
        let removed: Vec<_> = files.iter().map(Self::remove_older).collect();
        files.iter_mut().for_each(|file| file.scratch.keep_parents());
        drop(no_cleanup);
        removed.into_iter().collect::<Result<(), _>>()?;
        files.iter().try_for_each(|Self { place, .. }| sync_directory(&place.parent).map_err(io_error(&place.named)))
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
        fs::set_permissions(&new, permissions.clone()).map_err(&failed)?;
        if FileState::at(&place.path).ok().as_ref() != Some(before) {
            return Err(taken());
        }
        // Should the run be killed before the older file is removed, the next one does that.
        scratch.adopt(Path::new(NAME), before.id).map_err(&failed)?;
        exchange(&new, &place.path, &scratch.aside()).map_err(refused)?;
        // Somebody may have been quicker than the exchange.
        if !FileState::at(&new).is_ok_and(|at| at.same_content(before)) {
            exchange(&new, &place.path, &scratch.aside()).map_err(&failed)?;
            return Err(taken());
        }
        Ok(())
    }

    /// Takes back what [`Self::show`] did, unless somebody changed the file since.
    fn hide(&self) -> Result<(), OutputError> {
        let Self { place, before, scratch, out } = self;
        let (new, failed) = (self.hidden(), io_error(&place.named));
        let made = FileId::of(&out.get_ref().metadata().map_err(&failed)?);
        if !FileState::at(&place.path).is_ok_and(|at| at.id == made) {
            return Err(OutputError::Taken(place.named.clone()));
        }
        match before {
            None => rename_new(&place.path, &new),
            Some(_) => exchange(&new, &place.path, &scratch.aside()),
        }
        .map_err(&failed)
    }

    fn remove_older(&self) -> Result<(), OutputError> {
        let left = |_| OutputError::Left { target: self.place.named.clone(), left: self.hidden() };
        if self.before.is_some() { fs::remove_file(self.hidden()).map_err(left) } else { Ok(()) }
    }
}

/// Locks the directories in which files are replaced, each once, in an order that is the same for all programs.
fn lock_parents(files: &[OutputFile]) -> Result<Vec<Option<File>>, OutputError> {
    let mut parents = BTreeMap::new();
    for OutputFile { place, .. } in files.iter().filter(|file| file.before.is_some()) {
        let id = fs::metadata(&place.parent).map_err(io_error(&place.named))?;
        parents.entry(FileId::of(&id).numbers()).or_insert(place);
    }
    parents.values().map(|place| lock_directory(&place.parent).map_err(io_error(&place.named))).collect()
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

    /// As if a run were killed after it had shown the first `shown` of three files.
    fn killed(work: &Path, older: bool, shown: usize) {
        let targets = ["a", "b", "c"].map(|name| work.join(name));
        let open = |target: &PathBuf| {
            if older {
                fs::write(target, "older").unwrap();
            }
            let mut file = OutputFile::create(target, older).unwrap();
            file.write_all(b"newer").unwrap();
            file.flush().unwrap();
            file
        };
        let files = targets.each_ref().map(open);
        let member =
            |file: &OutputFile| Member { target: file.place.path.clone(), journal: file.scratch.journal().to_owned() };
        let group = Group::new(files.iter().map(member).collect());
        files.iter().for_each(|file| file.scratch.write_line(&group).unwrap());
        files[..shown].iter().for_each(|file| file.show().unwrap());
        // The locks go with the process, and the files stay.
        for file in files {
            let (journal, away) = (file.scratch.journal().to_owned(), work.join("away"));
            fs::rename(&journal, &away).unwrap();
            drop(file);
            fs::rename(&away, &journal).unwrap();
        }
    }

    #[test]
    fn what_a_kill_between_renames_leaves_is_taken_back_or_kept_whole() {
        for older in [false, true] {
            for shown in 0..=3 {
                for asked in ["a", "b", "c"] {
                    let work = tempfile::tempdir().unwrap();
                    killed(work.path(), older, shown);
                    // The next run for one of them, then for the others.
                    ["a", "b", "c"].iter().filter(|name| **name == asked).chain(&["a", "b", "c"]).for_each(|name| {
                        recover(&work.path().join(name));
                    });
                    let content = |name| fs::read_to_string(work.path().join(name)).ok();
                    let expected = match (shown, older) {
                        (3, _) => Some("newer".to_owned()),
                        (_, true) => Some("older".to_owned()),
                        (_, false) => None,
                    };
                    for name in ["a", "b", "c"] {
                        assert_eq!(content(name), expected, "{name} after {shown}, older: {older}, asked: {asked}");
                    }
                    let left = fs::read_dir(work.path()).unwrap().count();
                    assert_eq!(left, if expected.is_some() { 3 } else { 0 }, "{shown} {older} {asked}");
                }
            }
        }
    }
}
