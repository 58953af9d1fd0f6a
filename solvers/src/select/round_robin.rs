//! Queries take turns, each taking its closest row that is still free.
//!
//! Every query walks down its list of screened neighbours once, so k picks cost no more than the lists: O(MN) at
//! k = N. Screened order is not exact order, so a row is resolved (evaluated in `f64`) before anything is decided
//! that its screened value leaves open: a query picks the best of its resolved rows once no unresolved row can beat
//! it. A row that stands alone within twice the screen's error needs no resolving.
//!
//! Lists are kept short at first. When a query's next row may lie beyond its list, one more pass lists longer
//! stretches of the rows that are still free.
//!
//! Under constraints a row that is not [admissible](crate::admission) is not free.
//!
//! Limit: memory latency; a resolved row is somewhere in the pool.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use kantor_theory::Geometry;

use super::prefixes;
use crate::admission::Admission;
use crate::relax::budgeted::demand::largest_share;
use crate::scan::lists::NeighbourLists;
use crate::scan::pairs::{PairCloseness, closeness_of};
use crate::scan::{self, key_row, key_value, list_bytes};
use crate::scan::{PoolScan, ScanRequest};
use crate::select::{Selection, Selector, notes};
use crate::task::{SelectError, Task};
use crate::weights::turns;

/// First list length in multiples of a query's fair share k/M: rows wanted by up to this many queries are on it.
const SHARES: usize = 32;

/// Shortest first list.
const SHORTEST: usize = 1024;

/// By how much lists grow when they run out.
const GROWTH: usize = 4;

/// Queries in file order, cyclically, each taking its closest unused row; ties to the lower row (arXiv:2602.14696).
///
/// Queries with weights take turns in proportion to these: the next turn is that of the least (2t + 1)/b_j, t the turns that
/// query j has had (the divisor method of Webster and Sainte-Laguë), at equality that of the lower query.
///
/// The score is the closeness to the query that picked the row: without weights, number r (from 0) of the order was picked
/// by query r mod M.
#[derive(Debug, Clone, Copy, Default)]
pub struct RoundRobin;

impl Selector for RoundRobin {
    fn name(&self) -> &'static str {
        "round-robin"
    }

    fn nested(&self) -> bool {
        true
    }

    fn obeys_constraints(&self) -> bool {
        true
    }

    fn needs(&self, task: &Task<'_>, largest: usize) -> ScanRequest {
        let share = largest_share(largest, task.geometry.query_len(), task.weights);
        ScanRequest { row_best: false, lists: affordable(task, largest.min(SHORTEST.max(SHARES * share))) }
    }

    fn select(&self, task: &Task<'_>, scanned: &PoolScan, budgets: &[usize]) -> Result<Vec<Selection>, SelectError> {
        let count = task.largest(budgets)?;
        let mut turns = Turns::new(task, count)?;
        let mut wanted = self.needs(task, count).lists;
        let mut extensions = 0;
        let mut done = scanned.lists.as_ref().is_some_and(|lists| turns.pick(lists));
        while !done {
            wanted = affordable(task, wanted.saturating_mul(GROWTH));
            let request = ScanRequest { row_best: false, lists: wanted };
            let found = scan::pass(task, request, Some(&turns.free))?;
            extensions += 1;
            done = found.lists.as_ref().is_none_or(|lists| turns.pick(lists));
        }
        let notes = notes([("list_extensions", extensions.into()), ("resolved_pairs", turns.resolved.into())]);
        Ok(prefixes(turns.order(), budgets, notes))
    }
}

/// The list length nearest to `count` that the task's memory allows; the whole pool if that costs no more.
fn affordable(task: &Task<'_>, count: usize) -> usize {
    let n = task.geometry.pool_len();
    // Lists that are cut back are held twice by every thread and once merged; whole ones only once.
    if list_bytes(task, n) <= task.memory && (count >= n || list_bytes(task, count) >= list_bytes(task, n)) {
        return n;
    }
    let one = list_bytes(task, 1).max(1);
    count.min((task.memory / one) as usize).max(1)
}

/// The state of the game.
struct Turns<'a> {
    geometry: &'a Geometry<'a>,
    count: usize,
    /// The query of every pick.
    turn_of: Vec<u32>,
    free: Vec<bool>,
    admission: Option<Admission<'a>>,
    picks: Vec<usize>,
    resolved: u64,
}

/// How far one query has come.
#[derive(Clone, Default)]
struct Hand {
    /// Rows of the list before this are resolved, taken or waiting in `best`.
    next: usize,
    /// Resolved rows.
    best: BinaryHeap<Resolved>,
}

/// A row and its closeness in units of the screen; greater is closer, then lower.
#[derive(Clone, Copy, PartialEq)]
struct Resolved {
    closeness: f64,
    row: usize,
}

impl Eq for Resolved {}

impl Ord for Resolved {
    fn cmp(&self, other: &Self) -> Ordering {
        self.closeness.total_cmp(&other.closeness).then(other.row.cmp(&self.row))
    }
}

impl PartialOrd for Resolved {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<'a> Turns<'a> {
    fn new(task: &Task<'a>, count: usize) -> Result<Self, SelectError> {
        let may_be = |row: usize| task.constraints.is_none_or(|set| !set.is_excluded(row));
        let free = (0..task.geometry.pool_len()).map(may_be).collect();
        let admission = task.constraints.map(|set| Admission::new(set, count)).transpose()?;
        let (geometry, turn_of, picks) = (task.geometry, turns(task, count), Vec::with_capacity(count));
        Ok(Self { geometry, count, turn_of, free, admission, picks, resolved: 0 })
    }

    /// Picks until all rows are chosen (true) or a query's next row may not be on its list (false).
    fn pick(&mut self, lists: &NeighbourLists) -> bool {
        let m = self.geometry.query_len();
        let mut pairs = PairCloseness::new(self.geometry);
        let mut hands = vec![Hand::default(); m];
        while self.picks.len() < self.count {
            let query = self.turn_of[self.picks.len()] as usize;
            let Some(row) = self.closest_free(query, &mut hands[query], lists, &mut pairs) else { return false };
            self.free[row] = false;
            if self.admission.as_mut().is_none_or(|admission| admission.take(row)) {
                self.picks.push(row);
            }
        }
        true
    }

    /// The closest free row of `query`; `None` if the list does not tell.
    fn closest_free(
        &mut self,
        query: usize,
        hand: &mut Hand,
        lists: &NeighbourLists,
        pairs: &mut PairCloseness<'_>,
    ) -> Option<usize> {
        let keys = lists.keys(query);
        while hand.best.peek().is_some_and(|best| !self.free[best.row]) {
            hand.best.pop();
        }
        loop {
            hand.next = self.next_free(keys, hand.next);
            let Some(&head) = keys.get(hand.next) else {
                let settled = |best: &&Resolved| lists.is_complete(query) || best.closeness >= lists.beyond(query);
                return hand.best.peek().filter(settled).map(|best| best.row);
            };
            let value = f64::from(key_value(head));
            match hand.best.peek() {
                Some(best) if best.closeness > value + lists.error() => return Some(best.row),
                None if self.stands_alone(query, hand.next, value, lists) => return Some(key_row(head)),
                _ => {}
            }
            let row = key_row(head);
            let closeness = pairs.closeness(row, query) / lists.unit();
            hand.best.push(Resolved { closeness, row });
            hand.next += 1;
            self.resolved += 1;
        }
    }

    /// Whether the free row at `at` is closer than all free rows after it, whatever their exact closeness.
    fn stands_alone(&self, query: usize, at: usize, value: f64, lists: &NeighbourLists) -> bool {
        let keys = lists.keys(query);
        match keys.get(self.next_free(keys, at + 1)) {
            Some(&second) => f64::from(key_value(second)) + lists.error() < value - lists.error(),
            None => lists.is_complete(query) || lists.beyond(query) <= value - lists.error(),
        }
    }

    fn next_free(&self, keys: &[u64], from: usize) -> usize {
        keys[from..].iter().position(|&key| self.free[key_row(key)]).map_or(keys.len(), |offset| from + offset)
    }

    /// The picks with their exact closeness.
    fn order(&self) -> Vec<(usize, f64)> {
        let pairs: Vec<(u32, u32)> =
            self.picks.iter().zip(&self.turn_of).map(|(&row, &query)| (row as u32, query)).collect();
        let scores = closeness_of(self.geometry, &pairs);
        self.picks.iter().copied().zip(scores).collect()
    }
}
