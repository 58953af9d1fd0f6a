//! Labels of queries: the groups that a query set is made of.
//!
//! Text with one label a line, or JSON lines with a field (`task` unless another is named as `FILE:FIELD`); plain or
//! compressed.

use std::collections::HashMap;
use std::path::Path;

use kantor_solvers::Watch;

use super::cells::{Cell, Cells, FIELD_REMEDY, Refusal, ValueFile, lacking, split};
use super::error::DataError;
use super::format::Expected;
use super::memory::{Allowance, Claim};

/// The field of JSON lines that holds the label if none is named.
const FIELD: &str = "task";

/// Bytes that a name takes in a list and a table beside its text.
pub(super) const NAME: u64 = 160;

/// Bytes of a label: it stands in tables, pages and manifests.
const LONGEST: usize = 1000;

/// The label of every query.
#[derive(Debug, Clone)]
pub struct Labels {
    /// The labels in order of first appearance.
    pub names: Vec<String>,
    /// For every query the place of its label in `names`.
    pub of: Vec<usize>,
    /// The file, if they are from one.
    pub file: Option<ValueFile>,
}

impl Labels {
    /// Reads one label for each of `queries` queries.
    ///
    /// # Errors
    /// If the file cannot be read, a line has no label, or there are more or fewer lines than queries.
    pub fn read(named: &Path, queries: usize, watch: &dyn Watch) -> Result<Self, DataError> {
        Self::read_within(named, queries, &Allowance::unlimited(), watch)
    }

    /// As [`Labels::read`]; what decompression takes counts towards `allowance`.
    ///
    /// # Errors
    /// As [`Labels::read`], or if that is too much.
    pub fn read_within(
        named: &Path,
        queries: usize,
        allowance: &Allowance,
        watch: &dyn Watch,
    ) -> Result<Self, DataError> {
        let (path, field) = split(named);
        watch.begin("read labels", queries as u64);
        let (mut names, mut of, mut places) = (Vec::new(), Vec::new(), HashMap::new());
        let (what, remedy) = ("the labels", "allow more with --max-memory");
        let mut claim = Claim::new(allowance, &path);
        claim.room(&mut of, queries, what, remedy)?;
        let cells = Cells {
            path: &path,
            field: field.as_deref().unwrap_or(FIELD),
            is_named: field.is_some(),
            expected: Expected::Labels,
            rows: queries,
            value: "label",
            of: "queries",
            remedy: "give one line per query, in the same order",
        };
        let file = cells.read(allowance, watch, |cell| {
            let label = label(cell, cells.field)?;
            let place = match places.get(&label) {
                Some(place) => *place,
                None => {
                    claim.add(NAME + 2 * label.len() as u64, what, remedy)?;
                    places.insert(label.clone(), names.len());
                    names.push(label);
                    names.len() - 1
                }
            };
            of.push(place);
            Ok(())
        })?;
        claim.keep();
        Ok(Self { names, of, file: Some(file) })
    }

    /// Of consecutive parts with these names and numbers of queries.
    pub(crate) fn of_parts(names: Vec<String>, counts: &[usize]) -> Self {
        let of = counts.iter().enumerate().flat_map(|(part, &count)| std::iter::repeat_n(part, count)).collect();
        Self { names, of, file: None }
    }

    /// The same without the queries that were dropped; `originals` are those that are left.
    pub(crate) fn kept(&mut self, originals: impl Iterator<Item = usize>) {
        self.of = originals.map(|query| self.of[query]).collect();
    }

    /// How many queries each label has.
    pub fn counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.names.len()];
        self.of.iter().for_each(|&label| counts[label] += 1);
        counts
    }
}

/// What a line says.
fn label(cell: Cell<'_>, field: &str) -> Result<String, Refusal> {
    let label = match cell {
        Cell::Text(label) => label.into_owned(),
        Cell::Bare(label) => label.to_owned(),
        Cell::Missing(line) => return Err((lacking(field, line), FIELD_REMEDY)),
        Cell::Null | Cell::Nested(_) => {
            return Err((format!("the field `{field}` is neither text nor a number"), FIELD_REMEDY));
        }
    };
    match label.len() {
        0 => Err(("the label is empty".to_owned(), "give every query a label")),
        bytes if bytes > LONGEST => {
            Err((format!("the label has {bytes} bytes, which are more than {LONGEST}"), FIELD_REMEDY))
        }
        _ => Ok(label),
    }
}
