//! Where the rows of an outcome come from: files, in which rows may have been left out, or memory.

use std::borrow::Cow;

use crate::pipeline::Inputs;
use crate::source::{DroppedRecord, Labels};

/// Files, or nothing if the rows are in memory: then a row is known by its place alone.
#[derive(Clone, Copy)]
pub(crate) struct Origin<'a>(pub(crate) Option<&'a Inputs>);

impl<'a> Origin<'a> {
    /// Number of the pool row in its files.
    pub(super) fn row(self, row: usize) -> usize {
        self.0.map_or(row, |inputs| inputs.original_row(row))
    }

    /// Number of the query row in its file.
    pub(super) fn query(self, query: usize) -> usize {
        self.0.map_or(query, |inputs| inputs.original_query(query))
    }

    /// The id of the example in this row of the pool's files, or the row number.
    pub(super) fn id(self, row: usize) -> Cow<'a, str> {
        let id = self.0.and_then(Inputs::examples).and_then(|examples| examples.id(row));
        id.map_or_else(|| Cow::Owned(row.to_string()), Cow::Borrowed)
    }

    /// The name of one of several tasks, or its number from one.
    pub(super) fn task(self, task: usize) -> String {
        let name = self.0.and_then(|inputs| inputs.task_names().get(task).cloned());
        name.unwrap_or_else(|| format!("task {}", task + 1))
    }

    pub(super) fn labels(self) -> Option<&'a Labels> {
        self.0.and_then(Inputs::groups)
    }

    /// What the queries count, if that was given.
    pub(super) fn query_weights(self) -> Option<&'a [f64]> {
        self.0.and_then(Inputs::query_weights)
    }

    /// The labels of the queries with their numbers of queries.
    pub(crate) fn groups(self) -> Vec<(String, usize)> {
        self.labels().map_or_else(Vec::new, |labels| labels.names.iter().cloned().zip(labels.counts()).collect())
    }

    pub(super) fn dropped(self) -> &'a [DroppedRecord] {
        self.0.map_or(&[], Inputs::dropped)
    }

    pub(super) fn overlap(self) -> usize {
        self.0.map_or(0, Inputs::overlap)
    }
}
