//! What a pass keeps of the pool rows that it has seen, and how summaries of parts are merged into one of the whole pool.
//!
//! [`Summary::merge`] joins the threads of one pass, and shards that were scanned on several machines. The result of
//! [`Summary::finish`] depends neither on how the pool was split into blocks and parts nor on the order of merging.

use std::ops::Range;

use kantor_theory::GeometryId;
use serde::{Deserialize, Serialize};

use super::best::{self, Best, RowBest};
use super::lists::{Collector, NeighbourLists};
use super::screen::{Screen, ScreenWorkspace};
use crate::scan::{PoolScan, ScanRequest};

/// The answer to a [`ScanRequest`] for some rows of a pool.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Summary {
    request: ScanRequest,
    scale: Scale,
    queries: usize,
    spans: Vec<Span>,
    lists: Option<Collector>,
    suspects: Vec<usize>,
    /// The geometry that was scanned and its number of rows; `None` if a row was kept off the lists, or the error of the
    /// screen is not proved. An identity holds within one process only, so a summary that was read from a file has none, and
    /// no screening proof rests on it.
    #[serde(skip)]
    geometry: Option<(GeometryId, usize)>,
}

/// Unit and error bound of screened values. Only values of one scale can be compared.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Scale {
    /// Screened values are multiples of this power of two.
    pub unit: f64,
    /// How far a screened value may be from the exact one, in such units.
    pub error: f64,
}

/// Consecutive rows that were seen.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Span {
    rows: Range<usize>,
    /// One per row if the request has `row_best`, else empty.
    best: Vec<Best>,
}

/// Why summaries cannot be merged, or do not cover the pool once.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MergeError {
    /// They answer different questions.
    #[error("summaries of different requests, queries or scales cannot be merged")]
    Different,
    /// Some rows were seen by both, or by none.
    #[error("pool row {row} was seen {} once", if *.missing { "less than" } else { "more than" })]
    Rows {
        /// The first such row.
        row: usize,
        /// Whether nobody saw it.
        missing: bool,
    },
}

impl Summary {
    /// Of no rows yet.
    pub fn new(request: ScanRequest, screen: &Screen<'_>) -> Self {
        let queries = screen.geometry().query_len();
        Self {
            request,
            scale: Scale { unit: screen.unit(), error: screen.error() },
            queries,
            spans: Vec::new(),
            lists: (request.lists > 0).then(|| Collector::new(request.lists, queries, 2.0 * screen.error())),
            suspects: Vec::new(),
            geometry: scanned(screen),
        }
    }

    /// Takes in a block of rows. If `eligible` is given, only rows that it marks come on the lists.
    ///
    /// # Panics
    /// If the rows lie outside the pool of `screen`, or it has another scale or number of queries.
    pub fn update(
        &mut self,
        screen: &Screen<'_>,
        rows: Range<usize>,
        workspace: &mut ScreenWorkspace,
        eligible: Option<&[bool]>,
    ) {
        assert_eq!(self.scale, Scale { unit: screen.unit(), error: screen.error() }, "a screen of another scale");
        if self.geometry != scanned(screen) || eligible.is_some() {
            self.geometry = None;
        }
        let values = screen.block(rows.clone(), workspace);
        let m = self.queries;
        assert_eq!(values.len(), rows.len() * m, "a screen of other queries");
        if let Some(lists) = &mut self.lists {
            lists.scan(rows.start, values, eligible);
        }
        match self.spans.last() {
            Some(last) if last.rows.end == rows.start => {}
            _ => self.spans.push(Span { rows: rows.start..rows.start, best: Vec::new() }),
        }
        if let Some(Span { rows: seen, best }) = self.spans.last_mut() {
            seen.end = rows.end;
            if self.request.row_best {
                let first = best.len();
                best.resize(first + rows.len(), Best::default());
                best::scan(values, m, 2.0 * self.scale.error, &mut best[first..]);
            }
        }
        self.suspects.append(workspace.suspects());
    }

    /// Renumbers the rows of a part that was scanned as a pool of its own: its row 0 becomes row `first` of the whole pool.
    ///
    /// # Panics
    /// If a row number would not fit into 32 bits.
    #[must_use]
    pub fn starting_at(mut self, first: usize) -> Self {
        for Span { rows, .. } in &mut self.spans {
            *rows = rows.start + first..rows.end + first;
            assert!(rows.end <= u32::MAX as usize, "row numbers are held in 32 bits");
        }
        self.suspects.iter_mut().for_each(|row| *row += first);
        self.lists.iter_mut().for_each(|lists| lists.renumber(first));
        self.geometry = self.geometry.filter(|_| first == 0);
        self
    }

    /// Takes in what was found of other rows.
    ///
    /// # Errors
    /// If it answers another request or its values are of another scale.
    pub fn merge(&mut self, other: Summary) -> Result<(), MergeError> {
        let terms = |summary: &Summary| (summary.request, summary.scale, summary.queries);
        if terms(self) != terms(&other) {
            return Err(MergeError::Different);
        }
        self.spans.extend(other.spans);
        self.suspects.extend(other.suspects);
        if let (Some(lists), Some(others)) = (&mut self.lists, other.lists) {
            lists.merge(others);
        }
        if self.geometry != other.geometry {
            self.geometry = None;
        }
        Ok(())
    }

    /// The answer for all `pool` rows.
    ///
    /// # Errors
    /// If a row was not seen, or seen twice.
    pub fn finish(mut self, pool: usize) -> Result<PoolScan, MergeError> {
        self.spans.sort_unstable_by_key(|span| span.rows.start);
        let mut best = Vec::with_capacity(if self.request.row_best { pool } else { 0 });
        let mut next = 0;
        for span in self.spans {
            if span.rows.start != next {
                return Err(MergeError::Rows { row: next.min(span.rows.start), missing: next < span.rows.start });
            }
            next = span.rows.end;
            best.extend(span.best);
        }
        if next != pool {
            return Err(MergeError::Rows { row: next.min(pool), missing: next < pool });
        }
        self.suspects.sort_unstable();
        let row_best = self.request.row_best.then(|| RowBest::new(best, 2.0 * self.scale.error));
        // A part of the rows says nothing of the others.
        let whole = self.geometry.filter(|(_, rows)| *rows == pool).map(|(id, _)| id);
        let lists = self.lists.map(|lists| NeighbourLists::new(lists, self.scale, whole, &self.suspects));
        Ok(PoolScan { row_best, lists, suspects: self.suspects })
    }
}

/// What a summary may vouch for that is made with this screen alone.
fn scanned(screen: &Screen<'_>) -> Option<(GeometryId, usize)> {
    screen.is_proved().then(|| (screen.geometry().id(), screen.geometry().pool_len()))
}
