//! The lines of a text file, plain or compressed, streamed; the file is hashed on the way.
//!
//! Limit: the decompressor; memory is one line and two buffers.

use std::io::{self, BufRead, BufReader, Read, Seek};
use std::path::Path;

use super::error::DataError;
use super::file::{Identity, explain, hexadecimal, open_filled};
use super::format::{Expected, LOOKED_AT, refuse_foreign};
use super::memory::{Allowance, Claim};
use super::unpack::{Unpacked, carried};

/// Longest line accepted, so that a damaged or hostile file cannot fill the memory.
const MAX_LINE: usize = 256 << 20;

/// Bytes unpacked at a time.
const BUFFER: usize = 1 << 20;

const LINE: &str = "a single line";
const LINE_REMEDY: &str = "check that it has line breaks, one JSON object per line, or allow more with --max-memory";

/// The lines of a file, unpacked.
pub(crate) struct Lines<'a> {
    reader: BufReader<Unpacked<'a>>,
    line: Vec<u8>,
    claim: Claim<'a>,
    path: &'a Path,
    identity: Identity,
    number: usize,
}

impl<'a> Lines<'a> {
    pub(crate) fn open(path: &'a Path, expected: Expected, allowance: &'a Allowance) -> Result<Self, DataError> {
        let (mut file, identity) = open_filled(path)?;
        let mut begin = Vec::new();
        (&mut file).take(LOOKED_AT as u64).read_to_end(&mut begin).map_err(DataError::io(path, "read it"))?;
        file.rewind().map_err(DataError::io(path, "read it"))?;
        refuse_foreign(path, &begin, expected)?;
        let unpacked =
            Unpacked::new(file, &begin, path, allowance).map_err(DataError::io(path, "start to unpack it"))?;
        let (reader, claim) = (BufReader::with_capacity(BUFFER, unpacked), Claim::new(allowance, path));
        Ok(Self { reader, line: Vec::new(), claim, path, identity, number: 0 })
    }

    /// The next line with its end, if any.
    pub(crate) fn next_line(&mut self) -> Result<Option<&[u8]>, DataError> {
        self.line.clear();
        self.number += 1;
        let read = self.read_line();
        self.explained(read)?;
        Ok((!self.line.is_empty()).then_some(&self.line))
    }

    fn read_line(&mut self) -> Result<(), DataError> {
        loop {
            let bytes = match self.reader.fill_buf() {
                Ok(bytes) => bytes,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    let packed = self.reader.get_ref().is_packed();
                    return Err(damaged(self.path, self.number, packed, error));
                }
            };
            let end = memchr::memchr(b'\n', bytes).map(|at| at + 1);
            let part = &bytes[..end.unwrap_or(bytes.len())];
            if self.line.len() + part.len() > MAX_LINE {
                let fault = format!("it has more than {MAX_LINE} bytes, the most that a line may have");
                let (file, line) = (self.path.to_owned(), self.number);
                return Err(DataError::Line { file, line, fault, remedy: LINE_REMEDY });
            }
            self.claim.room(&mut self.line, part.len(), LINE, LINE_REMEDY)?;
            self.line.extend_from_slice(part);
            let read = part.len();
            self.reader.consume(read);
            if end.is_some() || read == 0 {
                return Ok(());
            }
        }
    }

    /// What was made of the lines so far, unless that is an error and the file was written anew: then that is why.
    pub(crate) fn explained<T>(&self, found: Result<T, DataError>) -> Result<T, DataError> {
        explain(found, || self.identity.check_content(self.path))
    }

    /// Bytes of the file read so far.
    pub(crate) fn bytes_read(&self) -> u64 {
        self.reader.get_ref().bytes_read()
    }

    /// Identity and digest of the file, after the last line.
    pub(crate) fn finish(self) -> Result<(Identity, String), DataError> {
        let digest = self.reader.into_inner().digest().map_err(DataError::io(self.path, "read it"))?;
        self.identity.check(self.path)?;
        Ok((self.identity, hexadecimal(digest)))
    }
}

fn damaged(path: &Path, line: usize, packed: bool, error: io::Error) -> DataError {
    match carried(error) {
        Ok(error) => error,
        Err(error) if packed && error.raw_os_error().is_none() => DataError::Line {
            file: path.to_owned(),
            line,
            fault: format!("the compressed data is damaged or cut off here: {error}"),
            remedy: "compress or download the file again",
        },
        Err(cause) => DataError::Io { file: path.to_owned(), doing: "read it", cause },
    }
}
