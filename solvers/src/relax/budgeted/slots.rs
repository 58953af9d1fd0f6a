//! The rows whose costs are known.

use rayon::prelude::*;

use super::TOO_LARGE;
use super::candidates::CandidateLists;
use crate::task::SelectError;
use crate::transport::exact::masses::masses;
use crate::transport::exact::transport::transport;

/// No slot.
pub(crate) const NONE: u32 = u32::MAX;

/// Rows whose costs one task of the thread pool evaluates.
const ROWS_PER_TASK: usize = 192;

/// The candidates, and the rows whose costs are known; a row's *slot* is its place among the latter. All states of the search
/// share them.
pub(crate) struct Slots<'a> {
    pub(crate) candidates: CandidateLists<'a>,
    pub(crate) m: usize,
    /// About how many slots will be needed.
    expected: usize,
    /// The pool row of every slot.
    pub(crate) rows: Vec<u32>,
    /// Costs of every slot to all queries (slots×M), less what the row is worth by itself.
    pub(crate) costs: Vec<f64>,
    /// The slot of every pool row, or [`NONE`].
    pub(crate) slot_of: Vec<u32>,
}

impl<'a> Slots<'a> {
    pub(crate) fn new(candidates: CandidateLists<'a>, n: usize, m: usize, expected: usize) -> Self {
        Self { candidates, m, expected, rows: Vec::new(), costs: Vec::new(), slot_of: vec![NONE; n] }
    }

    /// The slot of a row, whose costs are evaluated if they are not known.
    pub(crate) fn slot(&mut self, row: u32) -> u32 {
        if self.slot_of[row as usize] == NONE {
            self.load(&[row]);
        }
        self.slot_of[row as usize]
    }

    /// The costs of a slot to all queries.
    pub(crate) fn line(&self, slot: u32) -> &[f64] {
        &self.costs[slot as usize * self.m..][..self.m]
    }

    /// Evaluates the costs of rows that have no slot.
    pub(crate) fn load(&mut self, rows: &[u32]) {
        let start = self.costs.len();
        if start == 0 {
            self.costs.reserve(self.expected * self.m);
        }
        self.costs.resize(start + rows.len() * self.m, 0.0);
        let (candidates, new) = (&self.candidates, &mut self.costs[start..]);
        new.par_chunks_mut(ROWS_PER_TASK * self.m)
            .zip(rows.par_chunks(ROWS_PER_TASK))
            .for_each(|(lines, rows)| candidates.costs(rows, lines));
        for &row in rows {
            self.slot_of[row as usize] = self.rows.len() as u32;
            self.rows.push(row);
        }
    }

    /// Exact distance of a subset from the queries with their weights; uniform, unless there are lengths of rows.
    ///
    /// # Errors
    /// If costs are too large to be added up.
    pub(crate) fn distance(&self, chosen: &[u32], lengths: Option<&[f64]>) -> Result<f64, SelectError> {
        let costs: Vec<f64> = chosen.iter().flat_map(|&slot| self.line(slot)).copied().collect();
        let length = |lengths: &[f64]| chosen.iter().map(|&slot| lengths[self.rows[slot as usize] as usize]).collect();
        let weights: Option<Vec<f64>> = lengths.map(length);
        let masses =
            masses(chosen.len(), weights.as_deref(), self.m, self.candidates.query_weights()).map_err(|_| TOO_LARGE)?;
        Ok(transport(&costs, &masses).map_err(|_| TOO_LARGE)?.value)
    }
}
