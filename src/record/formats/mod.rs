//! The chosen records in the formats that trainers read: one file for each format that was asked for.

mod alpaca;
mod chat;
mod marks;
mod shape;

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use crate::output::ResultDirectory;
use crate::pipeline::{Error, Inputs};
use crate::source::DataError;

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
}

impl RowFormat {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Jsonl, Self::Ids, Self::Chat, Self::Alpaca];

    /// Its name as a value of `--format`.
    pub fn name(self) -> &'static str {
        match self {
            RowFormat::Jsonl => "jsonl",
            RowFormat::Ids => "ids",
            RowFormat::Chat => "chat",
            RowFormat::Alpaca => "alpaca",
        }
    }

    /// The file in the directory of a selection that holds it.
    pub(crate) fn file(self) -> &'static str {
        match self {
            RowFormat::Jsonl => "selected.jsonl",
            RowFormat::Ids => "selected.ids.txt",
            RowFormat::Chat => "selected.chat.jsonl",
            RowFormat::Alpaca => "selected.alpaca.jsonl",
        }
    }

    /// Whether it is made of the records, not of the rows' numbers alone.
    fn needs_records(self) -> bool {
        self != RowFormat::Ids
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
    /// In these formats; if there are none, as lines of JSON where records are known.
    pub formats: Vec<RowFormat>,
    /// Whether each record is given fields with its rank and weight.
    pub ranks: bool,
    /// What their card says; without it there is none.
    pub card: Option<Card>,
}

impl Copies {
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

/// The records of a selection's rows, and how to copy them.
pub(super) struct Records<'a> {
    pub(super) copies: &'a Copies,
    /// The lines of the pool's records by row number, if they are known.
    pub(super) lines: Option<&'a HashMap<usize, Box<[u8]>>>,
    /// What each row weighs, of a total of 1.
    pub(super) weights: Vec<f64>,
    /// Where the records are from.
    pub(super) inputs: &'a Inputs,
}

impl Records<'_> {
    /// Writes those of these rows into the directory `dir` of a result.
    pub(super) fn write(&self, rows: &[SelectedRow], staging: &mut ResultDirectory, dir: &str) -> Result<(), Error> {
        let formats: &[RowFormat] = match &self.copies.formats[..] {
            [] => &[RowFormat::Jsonl],
            formats => formats,
        };
        for &format in formats.iter().filter(|format| self.lines.is_some() || !format.needs_records()) {
            let line = |row| self.line(format, row).map_err(|fault| self.refused(row.index, format, &fault));
            let lines: Vec<Vec<u8>> = rows.iter().map(line).collect::<Result<_, _>>()?;
            staging.file(&format!("{dir}/{}", format.file()), |out| {
                lines.iter().try_for_each(|line| out.write_all(line))
            })?;
        }
        Ok(())
    }

    /// The line of a row; or why there is none.
    fn line(&self, format: RowFormat, row: &SelectedRow) -> Result<Vec<u8>, String> {
        let record = self.lines.and_then(|lines| lines.get(&row.index)).map(|line| &line[..]).unwrap_or_default();
        let line = match format {
            RowFormat::Jsonl => record.to_vec(),
            RowFormat::Ids => id(&row.id)?,
            RowFormat::Chat => chat::line(record)?,
            RowFormat::Alpaca => alpaca::line(record)?,
        };
        if self.copies.ranks { marks::add(line, row.rank, self.weights[row.rank]) } else { Ok(line) }
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
