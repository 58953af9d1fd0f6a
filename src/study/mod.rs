//! Does distance predict what training gives? Published tables, and a user's own results. How much would more queries, or a larger pool, help?

mod curve;
mod own;
mod runs;
mod tables;

use std::path::Path;

use csv::Position;
use serde::de::DeserializeOwned;

pub use curve::{Axis, Curve, LEAST, LearningCurves, LeftOut, Point, learning_curves, learning_curves_of};
pub use own::{Cell, Joined, Pair, joined};
pub use runs::{TaskRun, runs_of_batch};
pub use tables::{BudgetResult, Correlation, Published, TrainingOutcome, published, published_files};

use crate::source::whole::{self, Whole};
use crate::source::{DataError, quotes};

/// Size up to which numbers can be added up and squared.
const LARGEST: f64 = 1e100;

/// Two sides of a correlation.
type Paired = (Vec<f64>, Vec<f64>);

/// The lines of a CSV file with a header, each as `take` wants it.
fn read_csv<L: DeserializeOwned, T>(path: &Path, take: impl Fn(L) -> Option<T>) -> Result<Vec<T>, DataError> {
    let table = whole::read(path, Whole::Results)?;
    let malformed = |byte: u64, fault: String| DataError::Malformed {
        file: path.to_owned(),
        fault: format!("line {} {fault}", line_of(&table, byte)),
        remedy: "compare it with the header and correct it".to_owned(),
    };
    quotes::check(&table).map_err(|fault| DataError::Malformed {
        file: path.to_owned(),
        fault,
        remedy: "quote cells as csv.writer does".to_owned(),
    })?;
    let mut reader = csv::Reader::from_reader(&table[..]);
    let header =
        reader.headers().cloned().map_err(|error| malformed(0, format!("is no header: {}", reason(&error))))?;
    let mut lines = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| {
            malformed(error.position().map_or(0, Position::byte), format!("cannot be read: {}", reason(&error)))
        })?;
        let begin = record.position().map_or(0, Position::byte);
        let large = |field: &&str| {
            field.starts_with(|c: char| "+-.".contains(c) || c.is_ascii_digit())
                && field.trim().parse().is_ok_and(|number: f64| number.is_finite() && number.abs() > LARGEST)
        };
        if let Some(field) = record.iter().find(large) {
            return Err(malformed(begin, format!("has `{field}`: numbers beyond {LARGEST:e} have no mean")));
        }
        let line =
            record.deserialize(Some(&header)).map_err(|error| malformed(begin, fault(&error, &header, &record)))?;
        lines.push(take(line).ok_or_else(|| malformed(begin, "lacks a value".to_owned()))?);
    }
    Ok(lines)
}

/// The line on which the record begins that is read from this byte on: empty lines before it are part of none.
fn line_of(table: &[u8], byte: u64) -> usize {
    let rest = usize::try_from(byte).ok().and_then(|byte| table.get(byte..)).unwrap_or_default();
    let empty = rest.iter().take_while(|byte| b"\r\n".contains(byte)).count();
    let before = &table[..table.len() - rest.len() + empty];
    1 + before.iter().filter(|&&byte| byte == b'\n').count()
}

/// Why a record cannot be read, without its place.
fn reason(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("it has {len} fields, and the header has {expected_len}")
        }
        csv::ErrorKind::Utf8 { err, .. } => format!("it is not UTF-8: {err}"),
        _ => error.to_string(),
    }
}

/// What is wrong with a record, with the column and its text.
fn fault(error: &csv::Error, header: &csv::StringRecord, record: &csv::StringRecord) -> String {
    if let csv::ErrorKind::Deserialize { err, .. } = error.kind() {
        let column = err.field().and_then(|field| Some((header.get(field as usize)?, record.get(field as usize)?)));
        return match column {
            Some((name, text)) => format!("has `{text}` in column `{name}`: {}", err.kind()),
            None => err.kind().to_string(),
        };
    }
    error.to_string()
}
