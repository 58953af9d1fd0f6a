//! The rows of a file of columns as lines of JSON.

use std::collections::HashSet;
use std::path::Path;

use arrow_array::RecordBatch;

use super::{Batches, Wanted, guarded, json};
use crate::source::error::DataError;
use crate::source::format::Columnar;
use crate::source::memory::Allowance;

/// The rows of a file, of which some columns are read.
pub(crate) struct Records<'a> {
    path: &'a Path,
    batches: Batches<'a>,
    /// The names of all columns as JSON, and which column of a batch each is.
    columns: Vec<(Vec<u8>, Option<usize>)>,
    batch: Option<RecordBatch>,
    /// The next row of the batch.
    at: usize,
}

impl<'a> Records<'a> {
    /// All columns, or those with these names; others are `null`.
    pub(crate) fn open(
        path: &'a Path,
        kind: Columnar,
        fields: Option<&[&str]>,
        allowance: &'a Allowance,
    ) -> Result<Self, DataError> {
        let wanted = fields.map_or(Wanted::All, Wanted::Named);
        let batches = Batches::open(path, kind, &wanted, allowance)?;
        let (mut seen, mut columns, mut places) = (HashSet::new(), Vec::new(), wanted.places(batches.schema()));
        places.reverse();
        for (at, field) in batches.schema().fields().iter().enumerate() {
            if !seen.insert(field.name()) {
                let fault = format!("two columns are called `{}`", field.name());
                return Err(DataError::malformed(path, fault, "give each column a name of its own"));
            }
            let mut name = Vec::new();
            json::text(field.name(), &mut name);
            let read = places.last() == Some(&at) && places.pop().is_some();
            columns.push((name, read.then(|| columns_read(&columns))));
        }
        Ok(Self { path, batches, columns, batch: None, at: 0 })
    }

    /// About how many bytes of the file were read.
    pub(crate) fn bytes_read(&self) -> u64 {
        self.batches.bytes_read()
    }

    /// Adds the next row, which is number `number`, to `line` as an object; nothing after the last one.
    pub(crate) fn next(&mut self, number: usize, line: &mut Vec<u8>) -> Result<(), DataError> {
        if !self.advance()? {
            return Ok(());
        }
        let Some(batch) = &self.batch else { return Ok(()) };
        let (path, row, columns) = (self.path, self.at - 1, &self.columns);
        guarded(path, || {
            line.push(b'{');
            for (at, (name, column)) in columns.iter().enumerate() {
                json::entry(at, |line| line.extend_from_slice(name), line);
                match column {
                    None => line.extend_from_slice(b"null"),
                    Some(column) => json::write(&**batch.column(*column), row, line).map_err(|fault| {
                        let (file, fault) =
                            (path.to_owned(), format!("column {} {fault}", String::from_utf8_lossy(name)));
                        DataError::Line { file, line: number, fault, remedy: "leave the column out" }
                    })?,
                }
            }
            line.extend_from_slice(b"}\n");
            Ok(())
        })
    }

    /// Passes over the next row; false after the last one.
    pub(crate) fn advance(&mut self) -> Result<bool, DataError> {
        while self.batch.as_ref().is_none_or(|batch| self.at == batch.num_rows()) {
            self.batch = None;
            self.at = 0;
            match self.batches.next()? {
                Some(batch) => self.batch = Some(batch),
                None => return Ok(false),
            }
        }
        self.at += 1;
        Ok(true)
    }
}

/// Columns of a batch that are among these.
fn columns_read(columns: &[(Vec<u8>, Option<usize>)]) -> usize {
    columns.iter().filter(|(_, column)| column.is_some()).count()
}
