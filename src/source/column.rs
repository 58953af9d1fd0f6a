//! Columns: a label or a number for every pool row as stored, of which constraints and quality speak.
//!
//! Text with one value a line, or JSON lines with a field (that of the column's name unless another is named as
//! `FILE:FIELD`); plain or compressed. A row whose label is missing, `null` or empty has none; every row has a number.

use std::collections::HashMap;
use std::path::Path;

use kantor_solvers::Watch;
use kantor_theory::Column;

use super::cells::{Cell, Cells, Refusal, Untaken, ValueFile, cell, split};
use super::error::DataError;
use super::format::Expected;
use super::jsonl::JsonlRows;
use super::labels::NAME;
use super::memory::{Allowance, Claim};
use super::name::readable;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnKind {
    /// Labels, which are counted: text, or numbers as they are spelled.
    Labels,
    /// Numbers, which add up: finite and not negative.
    Numbers,
    /// Numbers of any sign: finite.
    Scores,
}

/// A column that was read.
#[derive(Debug, Clone)]
pub struct ReadColumn {
    /// Its values.
    pub column: Column,
    /// The file.
    pub file: ValueFile,
    /// The file and, of JSON lines, the field, as they can be named again.
    pub origin: String,
}

/// Values, while they are read.
enum Values {
    Labels { names: Vec<String>, places: HashMap<String, usize>, of_row: Vec<usize> },
    Numbers { numbers: Vec<f64>, signed: bool },
}

/// No label.
const NONE: usize = usize::MAX;

/// Bytes that a row of a column takes in all: while it is read, in the rules, and in the sets of subsets that obey them.
pub(crate) const ROW: u64 = 40;

/// Copies of a label's text while a column is read: two in here, and one in the column.
const COPIES: u64 = 3;

const WHAT: &str = "the column";
const MORE: &str = "allow more with --max-memory";

const NUMBER: &str = "give every row a number that is finite and not negative";
const SCORE: &str = "give every row a number that is finite";
const NAMED: &str = "name the field that holds the values as FILE:FIELD";

impl ReadColumn {
    /// Reads the column that is called `name`: a value for each of `rows` pool rows, dropped ones counted.
    ///
    /// # Errors
    /// If the file cannot be read, a line has a value of another kind, or there are more or fewer lines than rows.
    pub fn read(
        name: &str,
        named: &Path,
        kind: ColumnKind,
        rows: usize,
        allowance: &Allowance,
        watch: &dyn Watch,
    ) -> Result<Self, DataError> {
        let (path, field) = split(named);
        watch.begin("read column", rows as u64);
        let mut claim = Claim::new(allowance, &path);
        let mut values = Values::of(kind, rows, &mut claim)?;
        let cells = Cells {
            path: &path,
            field: field.as_deref().unwrap_or(name),
            is_named: field.is_some(),
            expected: Expected::Column,
            rows,
            value: "value",
            of: "pool rows",
            remedy: "give one line per pool row, in the same order",
        };
        let file = cells.read(allowance, watch, |cell| values.take(cell, cells.field, &mut claim))?;
        let column = values.column(&path)?;
        claim.keep();
        let place = readable(&path);
        let origin = if file.format != "text" { format!("{place}:{}", cells.field) } else { place.into_owned() };
        Ok(Self { column, file, origin })
    }

    /// Fails if the file is no longer the one that was read.
    ///
    /// # Errors
    /// Names the file.
    pub fn check_unchanged(&self) -> Result<(), DataError> {
        self.file.check_unchanged()
    }
}

impl JsonlRows {
    /// A field of every row as the column of its name, and where it can be read again: of one file as `FILE:FIELD`.
    ///
    /// # Errors
    /// If a row has a value of another kind, a file changed since it was scanned, or `watch` asks to stop.
    pub fn column(
        &self,
        field: &str,
        kind: ColumnKind,
        allowance: &Allowance,
        watch: &dyn Watch,
    ) -> Result<(Column, Option<String>), DataError> {
        let path = self.place(0).0;
        let mut claim = Claim::new(allowance, path);
        let mut values = Values::of(kind, self.len(), &mut claim)?;
        self.cells(field, watch, |cell| values.take(cell, field, &mut claim))?;
        claim.keep();
        let origin = match self.files() {
            [file] => Some(format!("{}:{field}", readable(&file.path))),
            _ => None,
        };
        Ok((values.column(path)?, origin))
    }

    /// The number of words of a field of text, for every row: what white space separates. A row without the field has none.
    ///
    /// # Errors
    /// As [`JsonlRows::column`].
    pub fn words(&self, field: &str, watch: &dyn Watch) -> Result<Column, DataError> {
        self.counted(field, watch, |text| Ok(text.split_whitespace().count()))
    }

    /// The same of what `count` counts; or what it says is wrong.
    pub(crate) fn counted(
        &self,
        field: &str,
        watch: &dyn Watch,
        count: impl Fn(&str) -> Result<usize, String>,
    ) -> Result<Column, DataError> {
        let mut counts = Vec::with_capacity(self.len());
        self.cells(field, watch, |cell| {
            counts.push(match &cell {
                Cell::Text(text) => count(text).map_err(|fault| (fault, "name a field of text"))? as f64,
                Cell::Null | Cell::Missing => 0.0,
                Cell::Bare(_) | Cell::Nested(_) => return Err(refused(&cell, field, "no text").into()),
            });
            Ok(())
        })?;
        if counts.iter().all(|&count| count == 0.0) {
            let fault = format!("no row has words in the field `{field}`");
            return Err(DataError::malformed(self.place(0).0, fault, "name the field that holds the text"));
        }
        Column::numbers(counts).map_err(|fault| DataError::malformed(self.place(0).0, fault.to_string(), NUMBER))
    }

    /// Hands over what stands in a field of each row.
    fn cells(
        &self,
        field: &str,
        watch: &dyn Watch,
        mut take: impl FnMut(Cell<'_>) -> Result<(), Untaken>,
    ) -> Result<(), DataError> {
        let mut first = None;
        self.visit_fields(&[field], watch, |row, line| {
            if first.is_none() {
                let text = std::str::from_utf8(line).unwrap_or_default().trim();
                first =
                    cell(text, field).map_err(Untaken::from).and_then(&mut take).err().map(|untaken| (row, untaken));
            }
            Ok(())
        })?;
        match first {
            None => Ok(()),
            Some((row, untaken)) => {
                let (file, line) = self.place(row);
                Err(untaken.at(file, line))
            }
        }
    }
}

impl Values {
    fn of(kind: ColumnKind, rows: usize, claim: &mut Claim<'_>) -> Result<Self, DataError> {
        claim.add((rows as u64).saturating_mul(ROW - size_of::<usize>() as u64), WHAT, MORE)?;
        Ok(match kind {
            ColumnKind::Labels => {
                let mut of_row = Vec::new();
                claim.room(&mut of_row, rows, WHAT, MORE)?;
                Values::Labels { names: Vec::new(), places: HashMap::new(), of_row }
            }
            ColumnKind::Numbers | ColumnKind::Scores => {
                let mut numbers = Vec::new();
                claim.room(&mut numbers, rows, WHAT, MORE)?;
                Values::Numbers { numbers, signed: kind == ColumnKind::Scores }
            }
        })
    }

    fn column(self, path: &Path) -> Result<Column, DataError> {
        match self {
            Values::Labels { names, of_row, .. } => {
                Ok(Column::labels(of_row.iter().map(|&place| names.get(place).map(String::as_str))))
            }
            Values::Numbers { numbers, signed } => {
                let column = if signed { Column::scores(numbers) } else { Column::numbers(numbers) };
                column.map_err(|fault| DataError::malformed(path, fault.to_string(), remedy(signed)))
            }
        }
    }

    fn take(&mut self, cell: Cell<'_>, field: &str, claim: &mut Claim<'_>) -> Result<(), Untaken> {
        match self {
            Values::Labels { names, places, of_row } => {
                let label = match &cell {
                    Cell::Text(label) => label.as_ref(),
                    Cell::Bare(label) => label,
                    Cell::Null | Cell::Missing => "",
                    Cell::Nested(_) => return Err(refused(&cell, field, "neither text nor a number").into()),
                };
                let place = match places.get(label) {
                    _ if label.is_empty() => NONE,
                    Some(place) => *place,
                    None => {
                        claim.add(NAME + COPIES * label.len() as u64, WHAT, MORE)?;
                        names.push(label.to_owned());
                        places.insert(label.to_owned(), names.len() - 1);
                        names.len() - 1
                    }
                };
                of_row.push(place);
            }
            Values::Numbers { numbers, signed } => {
                let wanted =
                    if *signed { "no number that is finite" } else { "no number that is finite and not negative" };
                // What is missing has the remedy of numbers, whatever their sign.
                let refused = |what: &str| {
                    let (fault, advice) = refused(&cell, field, what);
                    (fault, if advice == NUMBER { remedy(*signed) } else { advice })
                };
                let number = match &cell {
                    Cell::Text(text) => text.parse::<f64>(),
                    Cell::Bare(text) => text.parse(),
                    _ => return Err(refused("no number").into()),
                };
                match number {
                    Ok(x) if x.is_finite() && (*signed || x.is_sign_positive()) => numbers.push(x),
                    _ => return Err(refused(wanted).into()),
                }
            }
        }
        Ok(())
    }
}

/// What to do about what is no number.
fn remedy(signed: bool) -> &'static str {
    if signed { SCORE } else { NUMBER }
}

/// What is wrong with a line, with the value.
fn refused(cell: &Cell<'_>, field: &str, what: &str) -> Refusal {
    let short = |text: &str| -> String { text.chars().take(40).collect() };
    match cell {
        Cell::Missing => (format!("there is no field `{field}`"), NAMED),
        Cell::Null => (format!("the field `{field}` is null"), NUMBER),
        Cell::Text(text) => (format!("`{}` is {what}", short(text)), NUMBER),
        Cell::Bare(text) => (format!("the field `{field}` is {}, {what}", short(text)), NUMBER),
        Cell::Nested(text) => (format!("the field `{field}` is {}, {what}", short(text)), NAMED),
    }
}
