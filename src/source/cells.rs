//! One value a row: text with one a line, or a field of JSON lines; plain or compressed.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use kantor_solvers::Watch;

use super::error::DataError;
use super::file::Identity;
use super::format::{Columnar, Expected, unmarked};
use super::json::{Fault, Json};
use super::lines::Lines;
use super::memory::Allowance;
use super::name::split_once;
use super::pace::Pace;
use crate::suggest::did_you_mean;

/// Where values came from.
#[derive(Debug, Clone)]
pub struct ValueFile {
    /// The file as it was named, without the field.
    pub path: PathBuf,
    /// `jsonl`, `text`, `npy`, `parquet` or `arrow`.
    pub format: &'static str,
    /// Lines in it.
    pub rows: usize,
    /// Its size on disk.
    pub bytes: u64,
    /// SHA-256 of the file as stored, in hexadecimal.
    pub sha256: String,
    pub(super) identity: Identity,
}

impl ValueFile {
    /// Fails if the file was written anew since it was read.
    pub(crate) fn check_content(&self) -> Result<(), DataError> {
        self.identity.check_content(&self.path)
    }

    /// Fails if the file is no longer the one that was read.
    ///
    /// # Errors
    /// Names the file.
    pub fn check_unchanged(&self) -> Result<(), DataError> {
        self.identity.check(&self.path)
    }
}

/// What stands in a line.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Cell<'a> {
    /// Text, without space around it.
    Text(Cow<'a, str>),
    /// A number, `true` or `false` in JSON, as it is spelled.
    Bare(&'a str),
    /// `null`.
    Null,
    /// An object without the field, as it is spelled.
    Missing(&'a str),
    /// An array or an object, as it is spelled.
    Nested(&'a str),
}

/// A file of one value a row, and the words for it.
pub(crate) struct Cells<'a> {
    pub(crate) path: &'a Path,
    /// The field of JSON lines.
    pub(crate) field: &'a str,
    /// Whether it was named, so that there must be such lines.
    pub(crate) is_named: bool,
    pub(crate) expected: Expected,
    /// How many there must be.
    pub(crate) rows: usize,
    /// What one value is: `label`.
    pub(crate) value: &'static str,
    /// What rows are: `queries`.
    pub(crate) of: &'static str,
    /// What to do if there are more or fewer.
    pub(crate) remedy: &'static str,
}

/// What is wrong with a value, and what to do.
pub(crate) type Refusal = (String, &'static str);

/// Why a value is not taken: it is refused, or there is no room for it.
pub(crate) enum Untaken {
    Refused(Refusal),
    NoRoom(DataError),
}

impl From<Refusal> for Untaken {
    fn from(refusal: Refusal) -> Self {
        Untaken::Refused(refusal)
    }
}

impl From<DataError> for Untaken {
    fn from(error: DataError) -> Self {
        Untaken::NoRoom(error)
    }
}

impl Untaken {
    /// The error about this line.
    pub(super) fn at(self, file: &Path, line: usize) -> DataError {
        match self {
            Untaken::Refused((fault, remedy)) => DataError::Line { file: file.to_owned(), line, fault, remedy },
            Untaken::NoRoom(error) => error,
        }
    }
}

impl Cells<'_> {
    /// Hands over what stands in each line.
    ///
    /// # Errors
    /// If the file cannot be read, a line is refused, or there are more or fewer lines than rows.
    pub(crate) fn read(
        &self,
        allowance: &Allowance,
        watch: &dyn Watch,
        take: impl FnMut(Cell<'_>) -> Result<(), Untaken>,
    ) -> Result<ValueFile, DataError> {
        let mut lines = Lines::open_cells(self.path, self.expected, self.field, allowance)?;
        let parsed = self.parse(&mut lines, watch, take);
        let json = lines.explained(parsed)?;
        let columnar = lines.columnar();
        let (identity, sha256) = lines.finish()?;
        watch.advance(self.rows as u64)?;
        let format = columnar.map_or(if json { "jsonl" } else { "text" }, Columnar::name);
        let path = self.path.to_owned();
        Ok(ValueFile { path, format, rows: self.rows, bytes: identity.bytes, sha256, identity })
    }

    /// Whether the lines are JSON.
    fn parse(
        &self,
        lines: &mut Lines<'_>,
        watch: &dyn Watch,
        mut take: impl FnMut(Cell<'_>) -> Result<(), Untaken>,
    ) -> Result<bool, DataError> {
        let Self { field, rows, value, of, .. } = self;
        let refuse = |line, refusal: Refusal| Untaken::from(refusal).at(self.path, line);
        let (mut number, mut json, mut pace) = (0, false, Pace::default());
        while let Some(line) = lines.next_line()? {
            number += 1;
            if pace.due(line.len()).is_some() {
                watch.advance(0)?;
            }
            if number > *rows {
                let fault = format!("there is a {value} here, but there are {rows} {of}");
                return Err(refuse(number, (fault, self.remedy)));
            }
            let line = if number == 1 { unmarked(line) } else { line };
            let Ok(text) = std::str::from_utf8(line) else {
                let fault = "the line is not UTF-8".to_owned();
                return Err(refuse(number, (fault, "convert the file with iconv -t utf-8")));
            };
            let text = text.trim();
            json = if number == 1 { text.starts_with('{') } else { json };
            if self.is_named && !json {
                let fault = format!("the lines are not JSON, and have no field `{field}`");
                return Err(refuse(number, (fault, "leave out the field, or give JSON lines")));
            }
            let found = if json { cell(text, field) } else { Ok(Cell::Text(text.into())) };
            found.map_err(Untaken::from).and_then(&mut take).map_err(|untaken| untaken.at(self.path, number))?;
        }
        if number < *rows {
            let fault = format!("the file ends before this line, but there are {rows} {of}");
            return Err(refuse(number + 1, (fault, self.remedy)));
        }
        Ok(json)
    }
}

/// What to do if a field holds something else.
pub(crate) const FIELD_REMEDY: &str = "name the field that holds the labels as FILE:FIELD";

/// That a line lacks a field, with the field of it that may have been meant.
pub(super) fn lacking(field: &str, line: &str) -> String {
    format!("there is no field `{field}`{}", meant(field, line))
}

/// The field of a line that may have been meant by one that it lacks, in words; nothing if none is like it.
pub(crate) fn meant(field: &str, line: &str) -> String {
    let keys: Vec<String> =
        Json::fields_of(line).flatten().filter_map(|(key, _)| key.text().map(Cow::into_owned)).collect();
    did_you_mean(field, keys.iter().map(String::as_str))
}

/// The field of a JSON object.
pub(super) fn cell<'a>(line: &'a str, field: &str) -> Result<Cell<'a>, Refusal> {
    let fault = |fault: Fault| {
        let fault = format!("bad JSON: {} is expected at column {}", fault.expected, fault.at + 1);
        (fault, FIELD_REMEDY)
    };
    let Some(value) = Json::new(line).map_err(fault)?.get(field) else { return Ok(Cell::Missing(line)) };
    Ok(match (value.text(), value.raw()) {
        (Some(Cow::Borrowed(text)), _) => Cell::Text(text.trim().into()),
        (Some(Cow::Owned(text)), _) => Cell::Text(text.trim().to_owned().into()),
        (None, raw) if value.is_number() || matches!(raw, "true" | "false") => Cell::Bare(raw),
        (None, "null") => Cell::Null,
        (None, raw) => Cell::Nested(raw),
    })
}

/// The file and the field: what is named, if there is such a file; else what comes before and after the last colon.
pub(crate) fn split(named: &Path) -> (PathBuf, Option<String>) {
    let (path, field) = parts(named);
    (path.to_owned(), field.map(str::to_owned))
}

/// As [`split`], the file alone.
pub(crate) fn file_of(named: &Path) -> &Path {
    parts(named).0
}

pub(super) fn parts(named: &Path) -> (&Path, Option<&str>) {
    match split_once(named.as_os_str(), b':', true).and_then(|(path, field)| Some((path, field.to_str()?))) {
        Some((path, field)) if !named.exists() => (Path::new(path), Some(field)),
        _ => (named, None),
    }
}
