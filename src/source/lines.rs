//! The lines of a text file, plain or compressed, streamed; the file is hashed on the way. Records of a table are lines of JSON.
//!
//! Limit: the decompressor; memory is one line and two buffers.

use std::io::{self, BufRead, BufReader, Read, Seek};
use std::path::Path;

use super::columnar::Records;
use super::error::DataError;
use super::file::{Identity, explain, hexadecimal, open_filled};
use super::format::{Columnar, Expected, LOOKED_AT, refuse_foreign};
use super::memory::{Allowance, Claim};
use super::table::{Table, separator};
use super::unpack::{Unpacked, carried};

/// Longest line accepted, so that a damaged or hostile file cannot fill the memory.
pub(super) const MAX_LINE: usize = 256 << 20;

/// Bytes unpacked at a time.
const BUFFER: usize = 1 << 20;

pub(super) const LINE: &str = "a single line";
pub(super) const LINE_REMEDY: &str =
    "check that it has line breaks, one JSON object per line, or allow more with --max-memory";

const RECORD_REMEDY: &str = "allow more with --max-memory, or leave out its longest columns";

enum Reader<'a> {
    Lines(BufReader<Unpacked<'a>>),
    Table(Box<Table<'a>>),
    /// With the content as it is stored, for its digest.
    Records(Box<Records<'a>>, Unpacked<'a>),
}

impl<'a> Reader<'a> {
    fn content(&self) -> &Unpacked<'a> {
        match self {
            Reader::Lines(reader) => reader.get_ref(),
            Reader::Table(table) => table.content(),
            Reader::Records(_, content) => content,
        }
    }
}

/// The lines of a file, unpacked.
pub(crate) struct Lines<'a> {
    reader: Reader<'a>,
    line: Vec<u8>,
    claim: Claim<'a>,
    path: &'a Path,
    identity: Identity,
    columnar: Option<Columnar>,
    number: usize,
}

impl<'a> Lines<'a> {
    /// The lines, or the records of a table that has this name.
    pub(crate) fn open(path: &'a Path, expected: Expected, allowance: &'a Allowance) -> Result<Self, DataError> {
        Self::open_fields(path, expected, None, allowance)
    }

    /// As [`Lines::open`], of which the caller looks at these fields alone: others may be null where they are columns.
    pub(crate) fn open_fields(
        path: &'a Path,
        expected: Expected,
        fields: Option<&[&str]>,
        allowance: &'a Allowance,
    ) -> Result<Self, DataError> {
        Self::parted(path, expected, separator(path), fields, allowance)
    }

    /// As [`Lines::open`], of a table only if one of its columns is `field`: else it is a list that has such a name.
    pub(crate) fn open_cells(
        path: &'a Path,
        expected: Expected,
        field: &str,
        allowance: &'a Allowance,
    ) -> Result<Self, DataError> {
        if separator(path).is_some() {
            match Self::open(path, expected, allowance) {
                Ok(lines) if matches!(&lines.reader, Reader::Table(table) if table.has(field)) => return Ok(lines),
                _ => {}
            }
        }
        Self::parted(path, expected, None, Some(&[field]), allowance)
    }

    fn parted(
        path: &'a Path,
        expected: Expected,
        separator: Option<u8>,
        fields: Option<&[&str]>,
        allowance: &'a Allowance,
    ) -> Result<Self, DataError> {
        let (mut file, identity) = open_filled(path)?;
        let mut begin = Vec::new();
        (&mut file).take(LOOKED_AT as u64).read_to_end(&mut begin).map_err(DataError::io(path, "read it"))?;
        file.rewind().map_err(DataError::io(path, "read it"))?;
        refuse_foreign(path, &begin, expected)?;
        let unpacked =
            Unpacked::new(file, &begin, path, allowance).map_err(DataError::io(path, "start to unpack it"))?;
        let columnar = Columnar::of(&begin);
        let reader = match (separator, columnar) {
            (_, Some(kind)) => Reader::Records(Box::new(Records::open(path, kind, fields, allowance)?), unpacked),
            (None, _) => Reader::Lines(BufReader::with_capacity(BUFFER, unpacked)),
            (Some(separator), _) => {
                let packed = unpacked.is_packed();
                // The record is held as it is read, in cells, and as a line.
                let most = MAX_LINE.min(usize::try_from(allowance.left() / 4).unwrap_or(MAX_LINE));
                let table = Table::new(unpacked, separator, path, most);
                Reader::Table(Box::new(table.map_err(|error| damaged(path, 0, packed, error))?))
            }
        };
        let claim = Claim::new(allowance, path);
        Ok(Self { reader, line: Vec::new(), claim, path, identity, columnar, number: 0 })
    }

    /// The next line with its end, if any.
    pub(crate) fn next_line(&mut self) -> Result<Option<&[u8]>, DataError> {
        self.line.clear();
        self.number += 1;
        let read = self.read_line();
        self.explained(read)?;
        Ok((!self.line.is_empty()).then_some(&self.line))
    }

    /// Passes over the next line; false after the last one.
    pub(crate) fn skip_line(&mut self) -> Result<bool, DataError> {
        if let Reader::Records(records, _) = &mut self.reader {
            self.number += 1;
            let skipped = records.advance();
            return self.explained(skipped);
        }
        Ok(self.next_line()?.is_some())
    }

    /// Which kind of columns the file has, if it has any.
    pub(crate) fn columnar(&self) -> Option<Columnar> {
        self.columnar
    }

    fn read_line(&mut self) -> Result<(), DataError> {
        let (path, number) = (self.path, self.number);
        let reader = match &mut self.reader {
            Reader::Lines(reader) => reader,
            Reader::Table(table) => {
                let read = table.next(path, number, &mut self.line, &mut self.claim);
                return read.map_err(|error| damaged(path, number, table.content().is_packed(), error));
            }
            Reader::Records(records, _) => {
                records.next(number, &mut self.line)?;
                return self.claim.raise_to(self.line.len() as u64, LINE, RECORD_REMEDY);
            }
        };
        loop {
            let bytes = match reader.fill_buf() {
                Ok(bytes) => bytes,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    return Err(damaged(path, number, reader.get_ref().is_packed(), error));
                }
            };
            let end = memchr::memchr(b'\n', bytes).map(|at| at + 1);
            let part = &bytes[..end.unwrap_or(bytes.len())];
            if self.line.len() + part.len() > MAX_LINE {
                let fault = format!("it has more than {MAX_LINE} bytes, the most that a line may have");
                let (file, line) = (path.to_owned(), number);
                return Err(DataError::Line { file, line, fault, remedy: LINE_REMEDY });
            }
            self.claim.room(&mut self.line, part.len(), LINE, LINE_REMEDY)?;
            self.line.extend_from_slice(part);
            let read = part.len();
            reader.consume(read);
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
        if let Reader::Records(records, _) = &self.reader {
            return records.bytes_read();
        }
        self.reader.content().bytes_read()
    }

    /// Identity and digest of the file, after the last line.
    pub(crate) fn finish(self) -> Result<(Identity, String), DataError> {
        let content = match self.reader {
            Reader::Lines(reader) => reader.into_inner(),
            Reader::Table(table) => table.into_content(),
            Reader::Records(_, content) => content,
        };
        let digest = content.digest().map_err(DataError::io(self.path, "read it"))?;
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
