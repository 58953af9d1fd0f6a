//! Does distance predict what training gives? Published tables, and a user's own results.

mod own;
mod runs;
mod tables;

use std::path::Path;

use serde::de::DeserializeOwned;

pub use own::{Cell, Joined, Pair, joined};
pub use runs::TaskRun;
pub use tables::{BudgetResult, Correlation, Published, TrainingOutcome, published, published_files};

use crate::source::DataError;
use crate::source::whole::{self, Whole};

/// Size up to which numbers can be added up and squared.
const LARGEST: f64 = 1e100;

/// Two sides of a correlation.
type Paired = (Vec<f64>, Vec<f64>);

/// The lines of a CSV file with a header, each as `take` wants it.
fn read_csv<L: DeserializeOwned, T>(path: &Path, take: impl Fn(L) -> Option<T>) -> Result<Vec<T>, DataError> {
    let table = whole::read(path, Whole::Results)?;
    let malformed = |line: usize, fault: String| DataError::Malformed {
        file: path.to_owned(),
        fault: format!("line {line} {fault}"),
        remedy: "compare it with the header and correct it".to_owned(),
    };
    let mut reader = csv::Reader::from_reader(&table[..]);
    let header = reader.headers().cloned().map_err(|error| malformed(1, format!("is no header: {error}")))?;
    let mut lines = Vec::new();
    for (at, record) in reader.records().enumerate() {
        let record = record.map_err(|error| malformed(at + 2, format!("cannot be read: {error}")))?;
        let large = |field: &&str| {
            field.starts_with(|c: char| "+-.".contains(c) || c.is_ascii_digit())
                && field.trim().parse().is_ok_and(|number: f64| number.is_finite() && number.abs() > LARGEST)
        };
        if let Some(field) = record.iter().find(large) {
            return Err(malformed(at + 2, format!("has `{field}`: numbers beyond {LARGEST:e} have no mean")));
        }
        let line =
            record.deserialize(Some(&header)).map_err(|error| malformed(at + 2, fault(&error, &header, &record)))?;
        lines.push(take(line).ok_or_else(|| malformed(at + 2, "lacks a value".to_owned()))?);
    }
    Ok(lines)
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
