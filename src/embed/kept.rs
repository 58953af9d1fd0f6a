//! Finished blocks of rows, kept in a file beside the target until all are there.
//!
//! A line of JSON says what the rows are of ([`EmbedRecord`]); blocks follow, each with a digest, so that one which was not written to
//! its end is known. The file is locked while a run works on it. It is begun only where nothing is, gone on with only if it is of
//! the same rows, and removed when they are written.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use kantor_theory::json;

use super::record::EmbedRecord;
use crate::file_state::FileId;
use crate::output::{OutputError, OutputFile};
use crate::pipeline::Error;
use crate::source::DataError;

/// What is added to the name of the target.
const ENDING: &str = ".unfinished";

/// Bytes of the first line that are read.
const LINE: u64 = 1 << 24;

const DIGEST: usize = blake3::OUT_LEN;

/// The finished blocks.
pub(super) struct Kept {
    path: PathBuf,
    file: File,
    /// Bytes of the first line.
    header: u64,
    /// Bytes of a row and its mark, rows of a block, and rows in all.
    row: usize,
    block: usize,
    total: usize,
    finished: usize,
    cut: usize,
    dropped: usize,
}

/// What is marked of a row: its text was cut, or nothing was left of it to make a row of.
pub(super) const CUT: u8 = 1;
pub(super) const DROPPED: u8 = 2;

impl Kept {
    /// Begins a file beside `target`, or goes on with one that an earlier run for the same rows left there. Another one is replaced
    /// only if `force` is given and kantor wrote it.
    pub(super) fn open(target: &Path, record: &EmbedRecord, block: usize, force: bool) -> Result<Self, Error> {
        let mut path = OsString::from(target);
        path.push(ENDING);
        let path = PathBuf::from(path);
        let mut line = serde_json::to_vec(record).unwrap_or_default();
        line.push(b'\n');
        // The first line appears whole or not at all: what has none is not of kantor.
        let begin = |force| OutputFile::create(&path, force).and_then(|file| file.finish(&line));
        match fs::symlink_metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => match begin(false) {
                // Another run was quicker.
                Ok(()) | Err(OutputError::Exists(_) | OutputError::Taken(_)) => {}
                Err(error) => return Err(error.into()),
            },
            _ => {}
        }
        let file = locked(&path)?;
        let row = record.dim * record.element.bytes() + 1;
        let mut kept = Self {
            path: path.clone(),
            file,
            header: 0,
            row,
            block,
            total: record.rows,
            finished: 0,
            cut: 0,
            dropped: 0,
        };
        let found = kept.first_line()?;
        kept.header = found.len() as u64;
        if json::from_slice::<EmbedRecord>(&found).is_ok_and(|found| found.is_of_rows_of(record)) {
            kept.look_through().map_err(DataError::io(&kept.path, "read the rows that it keeps"))?;
        } else {
            kept.check_may_go(&found, force)?;
            begin(true)?;
            (kept.file, kept.header) = (locked(&path)?, line.len() as u64);
            kept.look_through().map_err(DataError::io(&kept.path, "keep finished rows in it"))?;
        }
        Ok(kept)
    }

    /// How many rows are finished.
    pub(super) fn rows(&self) -> usize {
        self.finished
    }

    /// Texts among them that were longer than what is read.
    pub(super) fn cut(&self) -> usize {
        self.cut
    }

    /// Texts among them whose rows are zeros.
    pub(super) fn dropped(&self) -> usize {
        self.dropped
    }

    fn first_line(&mut self) -> Result<Vec<u8>, DataError> {
        let mut line = Vec::new();
        let read = self.file.rewind().and_then(|()| {
            let mut limited = BufReader::new(&self.file).take(LINE);
            limited.read_until(b'\n', &mut line)
        });
        read.map_err(DataError::io(&self.path, "read the rows that it keeps"))?;
        Ok(line)
    }

    /// Fails unless what is there, which begins like this, may go.
    fn check_may_go(&self, found: &[u8], force: bool) -> Result<(), Error> {
        let fault = match (EmbedRecord::begins(found), force) {
            _ if found.is_empty() => "is in the way and empty: remove it, or choose another name for the output",
            (true, true) => return Ok(()),
            (true, false) => {
                "keeps rows of other text, another model or other settings: go on with these, or begin anew with --force"
            }
            (false, _) => "is in the way and was not written by kantor: move it, or choose another name for the output",
        };
        Err(OutputError::InTheWay { path: self.path.clone(), fault }.into())
    }

    /// Counts the blocks that are whole, and cuts off what follows them.
    fn look_through(&mut self) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(self.header))?;
        let (mut length, mut bytes) = (self.header, Vec::new());
        while self.finished < self.total {
            let rows = self.block.min(self.total - self.finished);
            bytes.resize(rows * self.row + DIGEST, 0);
            match self.file.read_exact(&mut bytes) {
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => break,
                read => read?,
            }
            let (content, digest) = bytes.split_at(rows * self.row);
            if self.digest(content).as_bytes()[..] != *digest {
                break;
            }
            self.count(content);
            length += bytes.len() as u64;
        }
        self.file.set_len(length)?;
        self.file.seek(SeekFrom::Start(length)).map(drop)
    }

    /// Of a block, which also says where it stands.
    fn digest(&self, content: &[u8]) -> blake3::Hash {
        let mut hash = blake3::Hasher::new();
        hash.update(&(self.finished as u64).to_le_bytes());
        hash.update(content);
        hash.finalize()
    }

    fn count(&mut self, content: &[u8]) {
        let marked = |with: u8| {
            let marks = content.chunks_exact(self.row).filter_map(|row| row.last());
            marks.filter(|&&mark| mark & with != 0).count()
        };
        self.cut += marked(CUT);
        self.dropped += marked(DROPPED);
        self.finished += content.len() / self.row;
    }

    /// Keeps a block: of each row its numbers, then its marks.
    pub(super) fn push(&mut self, content: &[u8]) -> Result<(), DataError> {
        let digest = self.digest(content);
        let mut write = || {
            self.file.write_all(content)?;
            self.file.write_all(digest.as_bytes())?;
            self.file.sync_data()
        };
        write().map_err(DataError::io(&self.path, "keep finished rows in it"))?;
        self.count(content);
        Ok(())
    }

    /// Writes the numbers of all rows to `out`.
    pub(super) fn copy(&mut self, out: &mut impl Write) -> Result<(), Copied> {
        let mut from = BufReader::with_capacity(1 << 20, &self.file);
        let mut out = BufWriter::with_capacity(1 << 20, out);
        from.seek(SeekFrom::Start(self.header)).map_err(Copied::Read)?;
        let mut row = vec![0; self.row];
        let mut digest = [0; DIGEST];
        for at in 0..self.total {
            from.read_exact(&mut row).map_err(Copied::Read)?;
            out.write_all(&row[..self.row - 1]).map_err(Copied::Write)?;
            if (at + 1) % self.block == 0 || at + 1 == self.total {
                from.read_exact(&mut digest).map_err(Copied::Read)?;
            }
        }
        out.flush().map_err(Copied::Write)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Removes the file, if it is still there.
    pub(super) fn remove(self) {
        let same = |data: &fs::Metadata| FileId::of(data).numbers();
        let (own, there) = (self.file.metadata(), fs::symlink_metadata(&self.path));
        if let (Ok(own), Ok(there)) = (own, there)
            && (same(&own).is_none() || same(&own) == same(&there))
        {
            // What stays is taken for finished by the next run.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Which end of a copy failed.
pub(super) enum Copied {
    Read(io::Error),
    Write(io::Error),
}

/// Opens what is there for this run alone, if that is a file of its own name.
fn locked(path: &Path) -> Result<File, Error> {
    let is_file = fs::symlink_metadata(path).is_ok_and(|data| data.is_file());
    if !is_file {
        let fault = "is in the way and is no regular file: move it, or choose another name for the output";
        return Err(OutputError::InTheWay { path: path.to_owned(), fault }.into());
    }
    let opened = OpenOptions::new().read(true).write(true).open(path);
    let file = opened.map_err(DataError::io(path, "go on with the rows that it keeps"))?;
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => Err(OutputError::Locked(path.to_owned()).into()),
        // Where files cannot be locked, nobody can.
        Ok(()) | Err(TryLockError::Error(_)) => Ok(file),
    }
}
