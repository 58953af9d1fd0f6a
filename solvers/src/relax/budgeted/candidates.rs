//! The pool as the budgeted solver sees it: every query's nearest rows, as many as the search turns out to need.
//!
//! Rows that are not on a list cost at least as much as the last row on it. A search that would have to look beyond
//! that asks for longer lists, so it is never wrong; lists grow geometrically and reach the whole pool only if the
//! search does. Lists are by cost alone: what rows are worth by themselves is for their reader to add.

use kantor_theory::{Geometry, Power};

use super::demand::largest_share;
use crate::scan::ScanRequest;
use crate::scan::lists::NeighbourLists;
use crate::scan::{list_bytes, scan};
use crate::task::{SelectError, Task};
use crate::watch::Stopped;

/// Name of the method on the command line, for its messages.
pub(crate) const NAME: &str = "optimal";

/// Growth of the lists when a new pass over the pool is needed.
const GROWTH: usize = 4;

/// Rows per list to ask of the pass for budgets up to `largest`.
///
/// Some optimum uses only pairs in which the row is among the query's k + M nearest: of these, fewer are taken by
/// others than there are. Far fewer are needed unless the queries crowd together.
pub(crate) fn list_length(task: &Task<'_>, largest: usize) -> usize {
    let (n, m) = (task.geometry.pool_len(), task.geometry.query_len());
    let share = largest_share(largest, m, task.weights);
    let mut count = (12 * share + 64).min(largest + m);
    while count > 2 * share + 64 && list_bytes(task, count) > task.memory / 2 {
        count /= 2;
    }
    count.min(n)
}

/// A listed row and its cost, raised to the power of the problem.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Candidate {
    pub(crate) row: u32,
    pub(crate) cost: f64,
}

/// Lists of the nearest rows, and the costs of any row.
pub(crate) struct CandidateLists<'a> {
    task: &'a Task<'a>,
    /// The lists of the pass: those given, their front, or those of a later pass.
    given: Option<&'a NeighbourLists>,
    front: Option<NeighbourLists>,
    scanned: Option<NeighbourLists>,
    /// What was asked of that pass.
    asked: usize,
    lists: Vec<Vec<Candidate>>,
    length: usize,
}

impl<'a> CandidateLists<'a> {
    /// The first `length` rows of every list; `given` was asked for `asked`.
    pub(crate) fn new(
        task: &'a Task<'a>,
        given: Option<&'a NeighbourLists>,
        asked: usize,
        length: usize,
    ) -> Result<Self, Stopped> {
        let mut this = Self { task, given, front: None, scanned: None, asked, lists: Vec::new(), length: 0 };
        if given.is_none() {
            this.rescan()?;
        }
        this.read(length);
        Ok(this)
    }

    /// The nearest rows of a query, nearest first.
    pub(crate) fn list(&self, query: usize) -> &[Candidate] {
        &self.lists[query]
    }

    /// What every row that is not listed costs at least; infinite if all are listed.
    pub(crate) fn radius(&self, query: usize) -> f64 {
        match self.lists[query].last() {
            Some(last) if self.length < self.task.geometry.pool_len() => last.cost,
            _ => f64::INFINITY,
        }
    }

    /// Weights of the queries, if they have any.
    pub(crate) fn query_weights(&self) -> Option<&[f64]> {
        self.task.weights
    }

    /// Makes all lists longer.
    pub(crate) fn extend(&mut self) -> Result<(), SelectError> {
        if self.length >= self.asked {
            self.lengthen()?;
        }
        self.read((2 * self.length).min(self.asked));
        Ok(())
    }

    /// The lists as a pass made them that was asked for no more: a search that reads them whole then finds the same whatever
    /// else is asked of the pass, by other methods or for other budgets.
    pub(crate) fn lists(&self) -> Option<&NeighbourLists> {
        self.scanned.as_ref().or(self.front.as_ref()).or(self.given)
    }

    /// Leaves of the given lists what was asked for.
    pub(crate) fn without_more(mut self) -> Self {
        self.front = self.given.map(|given| given.front(self.asked));
        self
    }

    /// Makes another pass for longer lists.
    pub(crate) fn lengthen(&mut self) -> Result<(), SelectError> {
        let n = self.task.geometry.pool_len();
        self.asked = (self.asked * GROWTH).min(n);
        self.task.afford(NAME, list_bytes(self.task, self.asked))?;
        Ok(self.rescan()?)
    }

    /// As [`costs_of`].
    pub(crate) fn costs(&self, rows: &[u32], out: &mut [f64]) {
        let rows: Vec<usize> = rows.iter().map(|&row| row as usize).collect();
        costs_of(self.task, &rows, out);
    }

    /// The lists of a later pass, if there was one.
    pub(crate) fn into_longer_lists(self) -> Option<NeighbourLists> {
        self.scanned
    }

    fn rescan(&mut self) -> Result<(), Stopped> {
        let scanned = scan(self.task, ScanRequest { row_best: false, lists: self.asked })?;
        self.scanned = scanned.lists;
        Ok(())
    }

    fn read(&mut self, length: usize) {
        let geometry = self.task.geometry;
        self.length = length.min(self.asked).max(1);
        let lists = self.lists().map(|lists| lists.exact(geometry, self.length));
        self.lists = lists
            .unwrap_or_default()
            .into_iter()
            .map(|list| {
                let candidate = |near: &crate::scan::lists::Neighbour| Candidate {
                    row: near.row as u32,
                    cost: cost(geometry, self.task.power, near.closeness),
                };
                list.iter().map(candidate).collect()
            })
            .collect();
    }
}

/// Costs of rows to all queries, less what the rows are worth by themselves, rows×M.
pub(crate) fn costs_of(task: &Task<'_>, rows: &[usize], out: &mut [f64]) {
    task.geometry.closeness_gather(rows, out);
    out.iter_mut().for_each(|value| *value = cost(task.geometry, task.power, *value));
    if task.quality.is_some() {
        let lines = out.chunks_exact_mut(task.geometry.query_len()).zip(rows);
        lines.for_each(|(line, &row)| line.iter_mut().for_each(|value| *value -= task.worth(row)));
    }
}

fn cost(geometry: &Geometry<'_>, power: Power, closeness: f64) -> f64 {
    let cost = geometry.cost().from_closeness(closeness);
    match power {
        Power::One => cost,
        Power::Two => cost * cost,
    }
}
