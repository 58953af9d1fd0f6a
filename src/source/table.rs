//! Tables of text with a header (CSV, TSV): every record as a JSON object of texts, so that all that reads lines reads them.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use csv::{ByteRecord, ErrorKind, Reader, ReaderBuilder};

use super::error::DataError;
use super::lines::{LINE, LINE_REMEDY};
use super::memory::Claim;
use super::quotes::Quotes;
use super::unpack::Unpacked;

/// Bytes read at a time.
const BUFFER: usize = 1 << 18;

/// Columns of a table.
const COLUMNS: usize = 100_000;

const REMEDY: &str = "write it with a header and quotes, as csv.DictWriter does";

/// What parts the cells of a file of this name, packed or not; nothing if it is no table by its name.
pub(crate) fn separator(path: &Path) -> Option<u8> {
    let kind = |path: &Path| path.extension().and_then(OsStr::to_str).map(str::to_ascii_lowercase);
    let inner = match kind(path)?.as_str() {
        "gz" | "zst" | "zstd" => kind(Path::new(path.file_stem()?))?,
        kind => kind.to_owned(),
    };
    match inner.as_str() {
        "csv" => Some(b','),
        "tsv" => Some(b'\t'),
        _ => None,
    }
}

/// The records of a table.
pub(crate) struct Table<'a> {
    reader: Reader<Checked<Unpacked<'a>>>,
    /// The names of the columns, as JSON.
    names: Vec<Vec<u8>>,
    record: ByteRecord,
}

impl<'a> Table<'a> {
    /// Reads the header; no record may have more bytes than `most`.
    pub(crate) fn new(content: Unpacked<'a>, separator: u8, path: &Path, most: usize) -> Result<Self, io::Error> {
        let content = Checked { content, quotes: Quotes::new(separator, most), path: path.to_owned() };
        let mut builder = ReaderBuilder::new();
        let mut reader = builder.delimiter(separator).buffer_capacity(BUFFER).from_reader(content);
        let header = reader.byte_headers().map_err(|error| fault(path, 0, None, error))?.clone();
        reader.get_mut().quotes.next_line();
        let refuse = |fault: String| Err(io::Error::other(DataError::malformed(path, fault, REMEDY)));
        if header.len() > COLUMNS {
            return refuse(format!("it has {} columns, and may have {COLUMNS}", header.len()));
        }
        let mut seen = HashSet::with_capacity(header.len());
        for (at, name) in header.iter().enumerate() {
            let shown = String::from_utf8_lossy(name);
            if std::str::from_utf8(name).is_err() {
                return refuse(format!("the name of column {} is not UTF-8: `{shown}`", at + 1));
            }
            if !seen.insert(name) {
                return refuse(format!("two columns are called `{shown}`"));
            }
        }
        let names = header.iter().map(|name| serde_json::to_vec(&String::from_utf8_lossy(name)));
        Ok(Self { names: names.collect::<Result<_, _>>()?, reader, record: ByteRecord::new() })
    }

    /// Whether there is a column of this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        serde_json::to_vec(name).is_ok_and(|name| self.names.contains(&name))
    }

    /// Adds the next record, which is number `number`, to `line` as an object; nothing after the last one.
    pub(crate) fn next(
        &mut self,
        path: &Path,
        number: usize,
        line: &mut Vec<u8>,
        claim: &mut Claim<'_>,
    ) -> Result<(), io::Error> {
        let read = self.reader.read_byte_record(&mut self.record);
        let place = self.reader.get_mut().quotes.next_line();
        if !read.map_err(|error| fault(path, number, place, error))? {
            return Ok(());
        }
        let names = self.names.iter().map(|name| name.len() + OBJECT).sum::<usize>();
        let cells = self.record.as_slice().iter().map(|&byte| written(byte)).sum::<usize>();
        claim.room(line, names + cells, LINE, LINE_REMEDY).map_err(io::Error::other)?;
        for (at, (name, cell)) in self.names.iter().zip(&self.record).enumerate() {
            let Ok(cell) = std::str::from_utf8(cell) else {
                let (file, fault) = (path.to_owned(), format!("column {} is not UTF-8", at + 1));
                let remedy = "convert the file with iconv -t utf-8";
                return Err(io::Error::other(DataError::Line { file, line: number, fault, remedy }));
            };
            line.extend_from_slice(if at == 0 { b"{" } else { b", " });
            line.extend_from_slice(name);
            line.extend_from_slice(b": ");
            serde_json::to_writer(&mut *line, cell)?;
        }
        line.extend_from_slice(b"}\n");
        Ok(())
    }

    pub(crate) fn content(&self) -> &Unpacked<'a> {
        &self.reader.get_ref().content
    }

    pub(crate) fn into_content(self) -> Unpacked<'a> {
        self.reader.into_inner().content
    }
}

/// Bytes of an object beside the name and the text of each cell, its ends included.
const OBJECT: usize = 8;

/// Bytes of a byte of text in JSON.
fn written(byte: u8) -> usize {
    match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0c => 2,
        0..0x20 => 6,
        _ => 1,
    }
}

/// What is wrong with a record, which begins in this line of the file.
fn fault(path: &Path, number: usize, line: Option<usize>, error: csv::Error) -> io::Error {
    let fault = match error.into_kind() {
        ErrorKind::Io(error) => return error,
        ErrorKind::UnequalLengths { expected_len, len, .. } => {
            let at = line.map_or_else(String::new, |line| format!(" (line {line} of the file)"));
            format!("it has {len} cells, and the header {expected_len}{at}")
        }
        kind => format!("{kind:?}"),
    };
    io::Error::other(DataError::Line { file: path.to_owned(), line: number, fault, remedy: REMEDY })
}

/// Content whose quotes are checked, and no record of which is too long.
struct Checked<R> {
    content: R,
    quotes: Quotes,
    path: PathBuf,
}

impl<R: Read> Read for Checked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.content.read(buffer)?;
        let checked = if count == 0 { self.quotes.end() } else { self.quotes.take(&buffer[..count]) };
        match checked {
            Ok(()) => Ok(count),
            Err(fault) => Err(io::Error::other(DataError::malformed(&self.path, fault, REMEDY))),
        }
    }
}
