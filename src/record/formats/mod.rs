//! The chosen records in the formats that trainers read: one file for each format that was asked for.

mod alpaca;
mod chat;
mod columns;
mod marks;
mod shape;

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use crate::output::ResultDirectory;
use crate::pipeline::{Error, Inputs};
use crate::source::{DataError, JsonlRows, Taken};

use super::files::SelectedRow;
use super::{Manifest, SelectionRecord};

/// A format in which chosen records are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowFormat {
    /// The lines as they are.
    Jsonl,
    /// The id of each record, a line each.
    Ids,
    /// `{"messages": [{"role": …, "content": …}, …]}`, a line each.
    Chat,
    /// `{"instruction": …, "input": …, "output": …}`, a line each.
    Alpaca,
    /// The columns of files that have some, as a Parquet file.
    Parquet,
    /// The same as a directory that HuggingFace's `load_from_disk` reads.
    Hf,
}

impl RowFormat {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Jsonl, Self::Ids, Self::Chat, Self::Alpaca, Self::Parquet, Self::Hf];

    /// Its name as a value of `--format`.
    pub fn name(self) -> &'static str {
        match self {
            RowFormat::Jsonl => "jsonl",
            RowFormat::Ids => "ids",
            RowFormat::Chat => "chat",
            RowFormat::Alpaca => "alpaca",
            RowFormat::Parquet => "parquet",
            RowFormat::Hf => "hf",
        }
    }

    /// The file, or the directory, in the directory of a selection that holds it.
    pub(crate) fn file(self) -> &'static str {
        match self {
            RowFormat::Jsonl => "selected.jsonl",
            RowFormat::Ids => "selected.ids.txt",
            RowFormat::Chat => "selected.chat.jsonl",
            RowFormat::Alpaca => "selected.alpaca.jsonl",
            RowFormat::Parquet => "selected.parquet",
            RowFormat::Hf => "selected.hf",
        }
    }

    /// Whether it is made of the records, not of the rows' numbers alone.
    fn needs_records(self) -> bool {
        self != RowFormat::Ids
    }

    /// Whether it is made of columns, not of lines.
    fn has_columns(self) -> bool {
        matches!(self, RowFormat::Parquet | RowFormat::Hf)
    }
}

impl fmt::Display for RowFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for RowFormat {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|format| format.name() == name).ok_or_else(|| format!("there is no format `{name}`"))
    }
}

/// What the card beside chosen records says of a selection.
pub type Card = fn(&Manifest, &SelectionRecord) -> String;

/// How chosen records are copied.
#[derive(Debug, Clone, Default)]
pub struct Copies {
    /// In these formats; if there are none, as they are, where records are known: columns as Parquet, else as lines of JSON.
    pub formats: Vec<RowFormat>,
    /// Whether each record is given fields with its rank and weight.
    pub ranks: bool,
    /// What their card says; without it there is none.
    pub card: Option<Card>,
}

impl Copies {
    /// Whether records are copied as they are.
    pub(crate) fn are_default(&self) -> bool {
        self.formats.is_empty() && !self.ranks
    }

    /// The names of the formats, and whether records are given ranks.
    pub(crate) fn names(&self) -> (Vec<&'static str>, bool) {
        (self.formats.iter().map(|format| format.name()).collect(), self.ranks)
    }

    /// Fails if records of these inputs cannot be copied so.
    ///
    /// # Errors
    /// If there are no records but they are asked for, or fields are to be added to what has none.
    pub fn check(&self, inputs: &Inputs) -> Result<(), Error> {
        let refuse = |fault: String| Err(Error::Request(fault));
        if self.ranks && self.formats.contains(&RowFormat::Ids) {
            return refuse(
                "--with-ranks adds fields to records, and --format ids has none: leave one of them out".to_owned(),
            );
        }
        let lines = |records: &JsonlRows| !records.have_columns();
        if let Some(format) = self.formats.iter().find(|format| format.has_columns())
            && inputs.examples().is_some_and(lines)
        {
            return refuse(format!(
                "--format {format} writes the columns of Parquet and Arrow files, and the records are lines: choose --format jsonl"
            ));
        }
        let format =
            self.formats.iter().find(|format| format.needs_records()).map(|format| format!("--format {format}"));
        match format.or(self.ranks.then(|| "--with-ranks".to_owned())) {
            Some(flag) if inputs.examples().is_none() => refuse(format!(
                "{flag} writes the records of chosen rows: give them with --pool-jsonl, as many as the pool has rows"
            )),
            _ => Ok(()),
        }
    }
}

impl Copies {
    /// The formats that are written.
    fn written(&self, inputs: &Inputs) -> Vec<RowFormat> {
        match inputs.examples() {
            _ if !self.formats.is_empty() => self.formats.clone(),
            Some(records) if records.have_columns() => vec![RowFormat::Parquet],
            _ => vec![RowFormat::Jsonl],
        }
    }

    /// Whether lines of the records are asked for, and whether columns are.
    pub(super) fn need(&self, inputs: &Inputs) -> (bool, bool) {
        let written = self.written(inputs);
        let lines = written.iter().any(|format| format.needs_records() && !format.has_columns());
        (lines, written.iter().any(|format| format.has_columns()))
    }
}

/// The records of a selection's rows, and how to copy them.
pub(super) struct Records<'a> {
    pub(super) copies: &'a Copies,
    /// The lines of the pool's records by row number, if they are known.
    pub(super) lines: Option<&'a HashMap<usize, Box<[u8]>>>,
    /// The same with their columns, if they have some that are asked for.
    pub(super) taken: Option<&'a Taken>,
    /// What each row weighs, of a total of 1.
    pub(super) weights: Vec<f64>,
    /// Where the records are from.
    pub(super) inputs: &'a Inputs,
}

impl Records<'_> {
    /// Writes those of these rows into the directory `dir` of a result.
    pub(super) fn write(&self, rows: &[SelectedRow], staging: &mut ResultDirectory, dir: &str) -> Result<(), Error> {
        let numbers: Vec<usize> = rows.iter().map(|row| row.index).collect();
        for format in self.copies.written(self.inputs) {
            let path = format!("{dir}/{}", format.file());
            match (format, self.taken, self.lines) {
                // Columns have ranks and weights of their own.
                (RowFormat::Parquet, Some(taken), _) => {
                    columns::parquet(taken, &numbers, &self.weights, staging, &path)?
                }
                (RowFormat::Hf, Some(taken), _) => columns::dataset(taken, &numbers, &self.weights, staging, &path)?,
                (RowFormat::Ids, ..) => self.write_lines(|row| id(&row.id), format, rows, staging, &path)?,
                (RowFormat::Parquet | RowFormat::Hf, None, _) | (_, _, None) => {}
                (_, _, Some(lines)) => {
                    let line: fn(&[u8]) -> Result<Vec<u8>, String> = match format {
                        RowFormat::Chat => chat::line,
                        RowFormat::Alpaca => alpaca::line,
                        _ => |record| Ok(record.to_vec()),
                    };
                    let record = |row: &SelectedRow| match lines.get(&row.index) {
                        Some(record) => line(record),
                        None => Err("it was not read with the others".to_owned()),
                    };
                    self.write_lines(record, format, rows, staging, &path)?;
                }
            }
        }
        Ok(())
    }

    /// Writes these rows in a format of lines; `line` makes that of a row, or says why there is none.
    fn write_lines(
        &self,
        line: impl Fn(&SelectedRow) -> Result<Vec<u8>, String>,
        format: RowFormat,
        rows: &[SelectedRow],
        staging: &mut ResultDirectory,
        path: &str,
    ) -> Result<(), Error> {
        let mark = |row: &SelectedRow, line| marks::add(line, row.rank, self.weights[row.rank]);
        let marked =
            |row: &SelectedRow| line(row).and_then(|line| if self.copies.ranks { mark(row, line) } else { Ok(line) });
        let line = |row: &SelectedRow| marked(row).map_err(|fault| self.refused(row.index, format, &fault));
        let lines: Vec<Vec<u8>> = rows.iter().map(line).collect::<Result<_, _>>()?;
        Ok(staging.file(path, |out| lines.iter().try_for_each(|line| out.write_all(line)))?)
    }

    /// The record of this row of the pool's files cannot be written so.
    fn refused(&self, index: usize, format: RowFormat, fault: &str) -> Error {
        let fault = format!("cannot be written as --format {format}: {fault}");
        let remedy = "choose --format jsonl, which writes every record as it is, or mend the record";
        match self.inputs.examples() {
            Some(examples) => {
                let (file, line) = examples.place(index);
                DataError::Line { file: file.to_owned(), line, fault, remedy }.into()
            }
            None => Error::Request(format!("row {index} {fault}; {remedy}")),
        }
    }
}

/// A line with an id.
fn id(id: &str) -> Result<Vec<u8>, String> {
    match id.contains(['\n', '\r']) {
        true => Err(format!("its id has a line break: {id:?}")),
        false => Ok(format!("{id}\n").into_bytes()),
    }
}
