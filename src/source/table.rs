//! Tables of text with a header (CSV, TSV): every record as a JSON object of texts, so that all that reads lines reads them.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use csv::{ByteRecord, ErrorKind, Position, Reader, ReaderBuilder};

use super::error::DataError;
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
    reader: Reader<Bounded<Unpacked<'a>>>,
    /// The names of the columns, as JSON.
    names: Vec<Vec<u8>>,
    record: ByteRecord,
}

impl<'a> Table<'a> {
    /// Reads the header; no record may have more bytes than `most`.
    pub(crate) fn new(content: Unpacked<'a>, separator: u8, path: &Path, most: usize) -> Result<Self, io::Error> {
        let content = Bounded { content, left: most, most, quotes: 0, path: path.to_owned() };
        let mut builder = ReaderBuilder::new();
        let mut reader = builder.delimiter(separator).buffer_capacity(BUFFER).from_reader(content);
        let header = reader.byte_headers().map_err(|error| fault(path, 0, error))?.clone();
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
    pub(crate) fn next(&mut self, path: &Path, number: usize, line: &mut Vec<u8>) -> Result<(), io::Error> {
        let bounded = self.reader.get_mut();
        bounded.left = bounded.most;
        if !self.reader.read_byte_record(&mut self.record).map_err(|error| fault(path, number, error))? {
            return self.check_quotes(path);
        }
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

    /// A quote that is not closed makes all that follows one cell. Tabs part cells that nobody need quote.
    fn check_quotes(&self, path: &Path) -> Result<(), io::Error> {
        if separator(path) == Some(b',') && !self.reader.get_ref().quotes.is_multiple_of(2) {
            let fault = "has an odd number of quotes: one is not closed, or not doubled within a cell".to_owned();
            return Err(io::Error::other(DataError::malformed(path, fault, REMEDY)));
        }
        Ok(())
    }

    pub(crate) fn content(&self) -> &Unpacked<'a> {
        &self.reader.get_ref().content
    }

    pub(crate) fn into_content(self) -> Unpacked<'a> {
        self.reader.into_inner().content
    }
}

/// What is wrong with a record.
fn fault(path: &Path, line: usize, error: csv::Error) -> io::Error {
    let at = error.position().map(Position::line);
    let fault = match error.into_kind() {
        ErrorKind::Io(error) => return error,
        ErrorKind::UnequalLengths { expected_len, len, .. } => {
            let at = at.map_or_else(String::new, |at| format!(" (line {at} of the file)"));
            format!("it has {len} cells, and the header {expected_len}{at}")
        }
        kind => format!("{kind:?}"),
    };
    io::Error::other(DataError::Line { file: path.to_owned(), line, fault, remedy: REMEDY })
}

/// Content of which no more than `most` bytes may be read at a time.
struct Bounded<R> {
    content: R,
    left: usize,
    most: usize,
    /// Marks of quotation so far.
    quotes: usize,
    path: PathBuf,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.content.read(buffer)?;
        self.quotes += memchr::memchr_iter(b'"', &buffer[..count]).count();
        self.left = match self.left.checked_sub(count) {
            Some(left) => left,
            None => {
                let fault = format!("a record has more than {} bytes: is a quote missing?", self.most);
                return Err(io::Error::other(DataError::malformed(&self.path, fault, REMEDY)));
            }
        };
        Ok(count)
    }
}
