//! What can be wrong with a file: every message names the file, the place, the value and what to do about it.

use std::borrow::Cow;
use std::io;
use std::path::{Path, PathBuf};

use kantor_solvers::Stopped;
use kantor_theory::Cost;

use super::kind::is_named_columnar;
use super::name::readable;
use super::table::separator;

/// How many tables a message lists.
const LISTED: usize = 20;

/// A line of a file, or a record of a table, which may have several lines.
fn place(file: &Path, line: usize) -> String {
    let name = readable(file);
    match separator(file) {
        None if is_named_columnar(file) => format!("{name}: record {line}"),
        None => format!("{name}:{line}"),
        Some(_) if line == 0 => format!("{name}: the header"),
        Some(_) => format!("{name}: record {line}"),
    }
}

/// Why data could not be used.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// The operating system failed.
    #[error("{}: cannot {doing}: {cause}; check the path, its permissions and the disk", readable(file))]
    Io {
        /// The file.
        file: PathBuf,
        /// What was being done.
        doing: &'static str,
        /// The system's word for it.
        cause: io::Error,
    },
    /// The file is not what it claims to be, or not something kantor reads.
    #[error("{}: {fault}; {remedy}", readable(file))]
    Malformed {
        /// The file.
        file: PathBuf,
        /// What is wrong, with the value.
        fault: String,
        /// What to do.
        remedy: String,
    },
    /// The header describes another number of bytes than there are.
    #[error(
        "{}: {what} is {}: expected {expected} bytes, found {actual}; write or download the file again",
        readable(file),
        if actual < expected { "truncated" } else { "followed by extra bytes" }
    )]
    Size {
        /// The file.
        file: PathBuf,
        /// What is described: the array with its shape and type.
        what: String,
        /// Bytes that the header describes.
        expected: u64,
        /// Bytes that are there.
        actual: u64,
    },
    /// The numbers are of a type that is not accepted.
    #[error("{}: numbers of type `{dtype}` are not accepted; {remedy}", readable(file))]
    Dtype {
        /// The file.
        file: PathBuf,
        /// The type as the file names it.
        dtype: String,
        /// What to do.
        remedy: String,
    },
    /// The array is not n×d with n, d ≥ 1.
    #[error("{}: the array has shape {shape}, not (rows, columns); {remedy}", readable(file))]
    Shape {
        /// The file.
        file: PathBuf,
        /// The shape as the file states it.
        shape: String,
        /// What to do.
        remedy: String,
    },
    /// An integer that no `f64` equals.
    #[error(
        "{}: row {row}, column {column}: the integer {value} is beyond 2^53 and has no exact f64; \
         scale the integers down or store floats",
        readable(file)
    )]
    Inexact {
        /// The file.
        file: PathBuf,
        /// Row within the file.
        row: usize,
        /// Column.
        column: usize,
        /// The integer.
        value: String,
    },
    /// The file holds several tables, or not the one asked for.
    #[error("{}: {fault}; it holds: {names}; choose a 2-d one with --tensor NAME", readable(file))]
    Tensor {
        /// The file.
        file: PathBuf,
        /// Why there is no choice.
        fault: String,
        /// Names and shapes of what is there.
        names: String,
    },
    /// The file has several columns of vectors, or not the one asked for.
    #[error("{}: {fault}; its columns: {names}; name one of lists of numbers as FILE:COLUMN", readable(file))]
    Column {
        /// The file.
        file: PathBuf,
        /// Why there is no choice.
        fault: String,
        /// Names and types of what is there.
        names: String,
    },
    /// A name was given for the only table of a file, which has none.
    #[error("{}: holds {what}, which has no name; leave out --tensor", readable(file))]
    Unnamed {
        /// The file.
        file: PathBuf,
        /// What it holds.
        what: &'static str,
    },
    /// Two files that belong together have rows of different length.
    #[error(
        "{}: rows have {dim} columns, but those of {} have {other_dim}; give files made by the same model",
        readable(file),
        readable(other)
    )]
    Dimensions {
        /// The file.
        file: PathBuf,
        /// Its columns.
        dim: usize,
        /// The file that came first.
        other: PathBuf,
        /// Its columns.
        other_dim: usize,
    },
    /// A model is not the one whose rows are spoken of.
    #[error(
        "{}: this is the model {found}, and the rows were made by {meant} (SHA-256); give that model with --model",
        readable(file)
    )]
    OtherModel {
        /// Its folder or file.
        file: PathBuf,
        /// Its digest.
        found: String,
        /// That of the model which is meant.
        meant: String,
    },
    /// Rows that cannot be measured under the cost.
    #[error(
        "{}: row {row} {fault}{detail}; {count} bad row{} in all (of the whole set: {listed}); \
         {}",
        readable(file),
        if *count == 1 { "" } else { "s" },
        match (*count == 1, *can_be_dropped) {
            (true, true) => "repair it or skip and record it with --on-bad-row drop",
            (false, true) => "repair them or skip and record them with --on-bad-row drop",
            (true, false) => "repair it or take it out of the file",
            (false, false) => "repair them or take them out of the file",
        }
    )]
    BadRows {
        /// The file of the first bad row.
        file: PathBuf,
        /// The first bad row, counted within its file.
        row: usize,
        /// What is wrong with it.
        fault: Cow<'static, str>,
        /// The offending value and its column, if one value is to blame.
        detail: String,
        /// How many rows are bad.
        count: usize,
        /// The first few, counted over all files.
        listed: String,
        /// Whether rows of this file may be left out.
        can_be_dropped: bool,
    },
    /// A matrix entry that is no similarity or cost.
    #[error(
        "{}: entry of query row {query}, pool column {pool} is {}{}; {count} such entr{} in all; {}",
        readable(file),
        short(*value),
        match (value.is_finite(), cost) {
            (false, _) => "",
            (true, Cost::Precomputed) => ", but sums of costs beyond 1e280 overflow",
            (true, _) => ", but a cosine lies in [−1, 1]",
        },
        if *count == 1 { "y" } else { "ies" },
        match (value.is_finite(), *count) {
            (true, _) if *cost == Cost::Precomputed => "rescale the costs: divide all of them by one number",
            (true, _) => "give --cost precomputed if these are costs, else normalise the rows whose products they are",
            (_, 1) => "compute the matrix again or replace it",
            _ => "compute the matrix again or replace them",
        }
    )]
    BadEntry {
        /// The file.
        file: PathBuf,
        /// Row within the file.
        query: usize,
        /// Column.
        pool: usize,
        /// The value.
        value: f64,
        /// How many entries are like that.
        count: u64,
        /// What entries are taken for.
        cost: Cost,
    },
    /// An entry of a matrix of costs that are to be squared, the square of which is too large.
    #[error(
        "{}: the cost of query row {query}, pool column {pool} is {value:e}, but with --p 2 sums of the squares of costs \
         beyond 1e140 overflow; rescale the costs (divide all of them by one number), or give --p 1",
        readable(file)
    )]
    LargeCost {
        /// The file.
        file: PathBuf,
        /// Row within the file.
        query: usize,
        /// Column.
        pool: usize,
        /// The value.
        value: f64,
    },
    /// A negative entry of a matrix of costs that are to be squared.
    #[error(
        "{}: the cost of query row {query}, pool column {pool} is {value}, but --p 2 needs costs that are not negative, as \
         squares forget the sign; give --p 1, or costs of 0 and more",
        readable(file)
    )]
    NegativeCost {
        /// The file.
        file: PathBuf,
        /// Row within the file.
        query: usize,
        /// Column.
        pool: usize,
        /// The value.
        value: f64,
    },
    /// Nothing is left to work on.
    #[error("{}: {fault}; give a set with at least one usable row", readable(file))]
    Empty {
        /// The file.
        file: PathBuf,
        /// What is empty.
        fault: &'static str,
    },
    /// A line of a JSONL file is not acceptable.
    #[error("{}: {fault}; {remedy}", place(file, *line))]
    Line {
        /// The file.
        file: PathBuf,
        /// Line, from 1.
        line: usize,
        /// What is wrong, with the value.
        fault: String,
        /// What to do.
        remedy: &'static str,
    },
    /// Two lines claim the same id.
    #[error(
        "{}: the id `{id}` was already used at {}; make the ids unique or remove the field `id`",
        place(file, *line),
        place(other, *other_line)
    )]
    DuplicateId {
        /// The file of the second use.
        file: PathBuf,
        /// Its line, from 1.
        line: usize,
        /// The id.
        id: String,
        /// The file of the first use.
        other: PathBuf,
        /// Its line, from 1.
        other_line: usize,
    },
    /// There are more or fewer lines than vectors.
    #[error(
        "{}: the JSONL files hold {lines} rows, but there are {rows} vectors; \
         line i must be the text of vector i: give the files the vectors were made from, in the same order",
        readable(file)
    )]
    RowCount {
        /// The (last) JSONL file.
        file: PathBuf,
        /// Lines in all.
        lines: usize,
        /// Vectors.
        rows: usize,
    },
    /// The file is not the one that was opened.
    #[error(
        "{}: changed while it was read ({what}); nothing computed from it holds: run again when it is complete",
        readable(file)
    )]
    Changed {
        /// The file.
        file: PathBuf,
        /// What differs.
        what: &'static str,
    },
    /// Memory ran out, or would.
    #[error("{}: {what} needs {bytes} bytes, which cannot be had; {remedy}", readable(file))]
    Memory {
        /// The file.
        file: PathBuf,
        /// What would be allocated.
        what: &'static str,
        /// How much.
        bytes: u64,
        /// What to do.
        remedy: &'static str,
    },
    /// It would take more memory than allowed.
    #[error("{}: {what} takes {bytes} bytes of memory, but {left} may be taken; {remedy}", readable(file))]
    Limit {
        /// The file.
        file: PathBuf,
        /// What would be allocated.
        what: &'static str,
        /// How much.
        bytes: u64,
        /// What is left of the bytes allowed.
        left: u64,
        /// What to do.
        remedy: &'static str,
    },
    /// Something is longer than any of its kind.
    #[error("{}: {what} has {bytes} bytes, but at most {most} are read; is it the right file?", readable(file))]
    TooLong {
        /// The file.
        file: PathBuf,
        /// What is too long.
        what: &'static str,
        /// Its length.
        bytes: u64,
        /// The longest of its kind.
        most: u64,
    },
    /// No file was named.
    #[error("no {0} file was given; name at least one")]
    NoFiles(&'static str),
    /// Somebody asked to stop.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

/// The first of these names, with what they are.
fn listed(named: impl ExactSizeIterator<Item = (String, String)>) -> String {
    let more = named.len().saturating_sub(LISTED);
    let names: Vec<String> = named.take(LISTED).map(|(name, what)| format!("`{name}` {what}")).collect();
    names.join(", ") + &if more > 0 { format!(" and {more} more") } else { String::new() }
}

/// A number with its exponent where it would be a row of zeros.
fn short(value: f64) -> String {
    if value.is_finite() && value.abs() >= 1e16 { format!("{value:e}") } else { value.to_string() }
}

/// Which exit code an error calls for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// The command line is wrong (2).
    Usage,
    /// The data is wrong (3).
    BadInput,
    /// Reading failed (4).
    Io,
    /// A limit was hit (5).
    Resource,
    /// Stopped on request (130).
    Interrupted,
}

impl DataError {
    /// The same about a file of which no row can be left out, so that the remedy is another.
    pub(crate) fn never_dropped(mut self) -> Self {
        if let DataError::BadRows { can_be_dropped, .. } = &mut self {
            *can_be_dropped = false;
        }
        self
    }

    /// Which exit code this calls for.
    pub fn kind(&self) -> FaultKind {
        match self {
            DataError::Io { cause, .. } if cause.kind() == io::ErrorKind::OutOfMemory => FaultKind::Resource,
            DataError::Io { .. } | DataError::Changed { .. } => FaultKind::Io,
            DataError::Tensor { .. } | DataError::Column { .. } | DataError::Unnamed { .. } | DataError::NoFiles(_) => {
                FaultKind::Usage
            }
            DataError::Memory { .. } | DataError::Limit { .. } | DataError::TooLong { .. } => FaultKind::Resource,
            DataError::Stopped(_) => FaultKind::Interrupted,
            _ => FaultKind::BadInput,
        }
    }

    pub(crate) fn io(file: &Path, doing: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |cause| DataError::Io { file: file.to_owned(), doing, cause }
    }

    /// No choice among named tables (name, shape); lists the first of them.
    pub(crate) fn tensor(file: &Path, fault: String, tables: impl ExactSizeIterator<Item = (String, String)>) -> Self {
        DataError::Tensor { file: file.to_owned(), fault, names: listed(tables) }
    }

    /// No choice among columns (name, type); lists the first of them.
    #[cfg(feature = "parquet")]
    pub(crate) fn column(file: &Path, fault: String, columns: impl ExactSizeIterator<Item = (String, String)>) -> Self {
        DataError::Column { file: file.to_owned(), fault, names: listed(columns) }
    }

    pub(crate) fn malformed(file: &Path, fault: impl Into<String>, remedy: impl Into<String>) -> Self {
        DataError::Malformed { file: file.to_owned(), fault: fault.into(), remedy: remedy.into() }
    }
}
