//! What was made of files once and takes long to make, kept in a folder for the next run.
//!
//! An entry is a file named by the digest of all that its content depends on (its [`Key`]): a line that says what it is, a digest
//! of the content under that key, and the content, packed. Entries are made beside their name and renamed, so of several runs one
//! wins and no run sees part of one. An entry is believed only if it is a file of this user whose content has that digest; one
//! that is damaged is made again. Whatever else has its name stays. Nothing that goes wrong here ends a run: what cannot be
//! read is made, and what cannot be kept is said.
//!
//! Limit: unpacking and digesting on one core.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use kantor_solvers::{Stopped, Watch};
use serde::Serialize;

use crate::output::recover::recover;
use crate::output::{OutputError, OutputFile, in_the_way};
use crate::source::DataError;
use crate::source::name::readable;

/// How entries begin.
const MAGIC: &[u8] = b"kantor/cache/1\n";

/// Bytes of a digest.
const DIGEST: usize = 32;

/// The quickest level of the packer: rows of hashed words are mostly zeros.
const LEVEL: i32 = 1;

/// Logarithm of the memory that unpacking may take; packing takes less.
const WINDOW: u32 = 23;

/// Bytes after which to ask whether to stop.
const STEP: usize = 8 << 20;

/// All that the content of an entry depends on, by digest.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Key([u8; DIGEST]);

impl Key {
    /// Of a description that says everything, the version of what makes the content among it.
    pub(crate) fn of(description: &impl Serialize) -> Self {
        let mut digest = blake3::Hasher::new();
        // Writing to a digest does not fail, nor does turning text and numbers into JSON.
        let _ = serde_json::to_writer(&mut digest, description);
        Self(*digest.finalize().as_bytes())
    }

    fn digest(&self) -> blake3::Hasher {
        blake3::Hasher::new_keyed(&self.0)
    }

    fn name(&self) -> String {
        format!("{}.kantor", blake3::Hash::from_bytes(self.0))
    }
}

/// A folder of entries, as one run uses it.
#[derive(Debug)]
pub struct Cache {
    folder: PathBuf,
    told: Mutex<Told>,
}

/// What a run did with the folder.
#[derive(Debug, Default)]
struct Told {
    read: bool,
    kept: bool,
    /// The folder cannot be written: no second try.
    closed: bool,
    faults: Vec<String>,
}

/// What is at the name of an entry.
enum Found {
    Content,
    Nothing,
    /// An entry that is not whole.
    Damaged,
    /// Something that this run neither believes nor replaces, and why.
    Strange(String),
}

impl Cache {
    /// This folder, which need not be there yet.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder, told: Mutex::default() }
    }

    /// Appends `len` bytes to `out`, which has room for them: those of the entry, or those that `make` appends, which are then
    /// kept. Whether they were read.
    ///
    /// # Errors
    /// Those of `make`, or if `watch` asks to stop.
    pub(crate) fn read_or(
        &self,
        key: &Key,
        len: usize,
        out: &mut Vec<u8>,
        watch: &dyn Watch,
        make: impl FnOnce(&mut Vec<u8>) -> Result<(), DataError>,
    ) -> Result<bool, DataError> {
        let (path, start) = (self.folder.join(key.name()), out.len());
        // What a killed run had begun is not written again where the entry is there.
        if let Ok(path) = std::path::absolute(&path) {
            recover(&path);
        }
        let found = self.read(&path, key, len, out, watch)?;
        if let Found::Content = found {
            self.told().read = true;
            return Ok(true);
        }
        out.truncate(start);
        make(out)?;
        let damaged = matches!(found, Found::Damaged);
        if damaged {
            self.fault(format!("{} was damaged or changed: what it should hold was made again", readable(&path)));
        }
        match found {
            Found::Strange(why) => self.fault(format!("{} is not used and stays as it is: {why}", readable(&path))),
            _ if self.told().closed => {}
            _ => match self.write(&path, key, &out[start..], damaged, watch)? {
                Ok(()) => self.told().kept = true,
                // Another run was quicker.
                Err(OutputError::Exists(_) | OutputError::Taken(_)) => {}
                Err(error) => {
                    self.fault(format!("nothing is kept in {}: {error}", readable(&self.folder)));
                    self.told().closed = true;
                }
            },
        }
        Ok(false)
    }

    /// What went wrong, one sentence each.
    pub fn faults(&self) -> Vec<String> {
        self.told().faults.clone()
    }

    /// What it was good for, one sentence each.
    pub fn uses(&self) -> Vec<String> {
        let (told, folder) = (self.told(), readable(&self.folder));
        let read = told.read.then(|| format!("rows were read from the cache {folder}; --no-cache makes them again"));
        let kept =
            told.kept.then(|| format!("rows are kept in the cache {folder} for the next run, unless with --no-cache"));
        read.into_iter().chain(kept).collect()
    }

    fn told(&self) -> std::sync::MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fault(&self, fault: String) {
        self.told().faults.push(format!("cache: {fault}"));
    }

    fn read(
        &self,
        path: &Path,
        key: &Key,
        len: usize,
        out: &mut Vec<u8>,
        watch: &dyn Watch,
    ) -> Result<Found, DataError> {
        let mut file = match open(path) {
            Ok(Ok(file)) => file,
            Ok(Err(why)) => return Ok(Found::Strange(why.to_owned())),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Ok(Found::Nothing);
            }
            Err(error) => return Ok(Found::Strange(error.to_string())),
        };
        let (mut begin, mut digest) = ([0; MAGIC.len()], [0; DIGEST]);
        if file.read_exact(&mut begin).is_err() || begin != MAGIC {
            return Ok(Found::Strange("it is no entry of a cache; take it away".to_owned()));
        }
        if file.read_exact(&mut digest).is_err() {
            return Ok(Found::Damaged);
        }
        match unpack(file, len, key, out, watch) {
            Ok(found) if found == digest => Ok(Found::Content),
            Err(Failed::Stopped(stopped)) => Err(stopped.into()),
            Ok(_) | Err(Failed::Io(_)) => Ok(Found::Damaged),
        }
    }

    fn write(
        &self,
        path: &Path,
        key: &Key,
        content: &[u8],
        replace: bool,
        watch: &dyn Watch,
    ) -> Result<Result<(), OutputError>, Stopped> {
        let failed = |error| in_the_way(&self.folder, &self.folder, error);
        let folder = make_folder(&self.folder).map_err(failed);
        let mut file = match folder.and_then(|()| OutputFile::create(path, replace)) {
            Ok(file) => file,
            Err(error) => return Ok(Err(error)),
        };
        match pack(&mut file, key, content, watch) {
            Ok(()) => Ok(file.commit()),
            Err(Failed::Stopped(stopped)) => Err(stopped),
            Err(Failed::Io(error)) => Ok(Err(file.failed(error))),
        }
    }
}

/// Why packing or unpacking ended early.
enum Failed {
    Stopped(Stopped),
    Io(io::Error),
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<Stopped> for Failed {
    fn from(stopped: Stopped) -> Self {
        Self::Stopped(stopped)
    }
}

/// Makes the folder for this user alone: rows tell of the text that they were made of.
fn make_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(folder)
}

/// Opens an entry, or says why what has its name is none.
fn open(path: &Path) -> io::Result<Result<File, &'static str>> {
    const NO_FILE: &str = "it is no regular file; take it away";
    // Asked before opening, too: opening a device may do something to it.
    if !fs::symlink_metadata(path)?.is_file() {
        return Ok(Err(NO_FILE));
    }
    let mut options = File::options();
    options.read(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, libc::O_NOFOLLOW | libc::O_NONBLOCK);
    let file = options.open(path)?;
    let data = file.metadata()?;
    #[cfg(unix)]
    if std::os::unix::fs::MetadataExt::uid(&data) != rustix::process::geteuid().as_raw() {
        return Ok(Err("it belongs to another user"));
    }
    Ok(if data.is_file() { Ok(file) } else { Err(NO_FILE) })
}

/// Appends what is packed in `file` to `out` and digests it, if it has this length.
fn unpack(file: File, len: usize, key: &Key, out: &mut Vec<u8>, watch: &dyn Watch) -> Result<[u8; DIGEST], Failed> {
    let mut digest = key.digest();
    let mut content = zstd::stream::read::Decoder::new(file)?;
    content.window_log_max(WINDOW)?;
    let end = out.len() + len;
    while out.len() < end {
        let at = out.len();
        let read = (&mut content).take((end - at).min(STEP) as u64).read_to_end(out)?;
        if read == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        digest.update(&out[at..]);
        watch.advance(0)?;
    }
    match content.read(&mut [0])? {
        0 => Ok(*digest.finalize().as_bytes()),
        _ => Err(io::Error::from(io::ErrorKind::InvalidData).into()),
    }
}

/// Writes an entry of this content.
fn pack(out: &mut dyn Write, key: &Key, content: &[u8], watch: &dyn Watch) -> Result<(), Failed> {
    let digest = key.digest().update(content).finalize();
    out.write_all(MAGIC)?;
    out.write_all(digest.as_bytes())?;
    let mut packer = zstd::stream::write::Encoder::new(out, LEVEL)?;
    for step in content.chunks(STEP) {
        packer.write_all(step)?;
        watch.advance(0)?;
    }
    packer.finish()?;
    Ok(())
}
