//! The pass over the pool that all selectors share.
//!
//! One blocked pass ([`scan`]) collects what the selectors ask for ([`ScanRequest`]): the closest query of every row
//! ([`best::RowBest`]) and the nearest rows of every query ([`lists::NeighbourLists`]). Every thread makes a [`Summary`] of
//! the blocks that it takes, and these are merged. The pass works on screened values ([`screen::Screen`]); whatever the
//! screen cannot decide is decided on exact pairs ([`pairs::PairCloseness`]).

use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::task::Task;
use crate::watch::Stopped;

pub mod best;
mod key;
pub mod lists;
mod pack;
pub mod pairs;
pub mod screen;
pub mod screened;
mod summary;

pub(crate) use key::{row as key_row, value as key_value};

use best::RowBest;
use lists::NeighbourLists;
use screen::{Screen, ScreenWorkspace};

pub use summary::{MergeError, Scale, Summary};

/// What a selector asks of the pass over the pool; the requests of several selectors are met by one pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ScanRequest {
    /// The closest query of every pool row.
    pub row_best: bool,
    /// The nearest pool rows of every query: this many, 0 for none.
    pub lists: usize,
}

impl ScanRequest {
    /// What answers both.
    pub fn union(self, other: ScanRequest) -> ScanRequest {
        ScanRequest { row_best: self.row_best || other.row_best, lists: self.lists.max(other.lists) }
    }
}

/// What the pass found, as asked for by [`ScanRequest`].
#[derive(Default)]
pub struct PoolScan {
    /// Present if `row_best` was asked for.
    pub row_best: Option<RowBest>,
    /// Present if `lists` was asked for; at least that long, or as long as the pool.
    pub lists: Option<NeighbourLists>,
    /// Rows whose norms the pass saw to be not finite or near the ends of their range, ascending: all bad rows are among
    /// them.
    pub suspects: Vec<usize>,
}

/// Makes one pass over the pool and answers `needs`.
///
/// Memory beyond the input: per thread a block of rows and its M values each, and the lists ([`list_bytes`]).
///
/// # Errors
/// If the observer asks to stop.
///
/// # Panics
/// If the pool has more than 2³² rows.
pub fn scan(task: &Task<'_>, needs: ScanRequest) -> Result<PoolScan, Stopped> {
    pass(task, needs, None)
}

/// Bytes that lists of `count` rows take while they are collected by all threads.
pub fn list_bytes(task: &Task<'_>, count: usize) -> u64 {
    let (n, m) = (task.geometry.pool_len(), task.geometry.query_len());
    // Whole lists are spread over the threads and then joined; buffers grow by doubling.
    let buffers = if count >= n { 3 } else { 2 * rayon::current_num_threads() + 1 };
    8 * (count.min(n) * m * buffers) as u64
}

/// As [`scan`], with only `eligible` rows on the lists.
pub(crate) fn pass(task: &Task<'_>, needs: ScanRequest, eligible: Option<&[bool]>) -> Result<PoolScan, Stopped> {
    let (n, m) = (task.geometry.pool_len(), task.geometry.query_len());
    assert!(n <= u32::MAX as usize && m < 1 << 31, "row numbers are held in 32 bits");
    let block = task.block.clamp(1, n);
    let screen = Screen::new(task.geometry);
    let next = AtomicUsize::new(0);
    task.watch.begin("comparing pool with queries", n as u64);
    let run = |_| {
        let mut summary = Summary::new(needs, &screen);
        let mut workspace = ScreenWorkspace::default();
        loop {
            let first = next.fetch_add(block, Ordering::Relaxed);
            if first >= n {
                return Ok(summary);
            }
            let rows = first..n.min(first + block);
            let count = rows.len() as u64;
            summary.update(&screen, rows, &mut workspace, eligible);
            task.watch.advance(count)?;
        }
    };
    let threads = rayon::current_num_threads();
    let parts: Vec<Summary> = (0..threads).into_par_iter().with_max_len(1).map(run).collect::<Result<_, Stopped>>()?;
    let mut whole = Summary::new(needs, &screen);
    let merged = parts.into_iter().try_for_each(|part| whole.merge(part)).and_then(|()| whole.finish(n));
    let Ok(scanned) = merged else { unreachable!("the blocks of one pass are parts of one pool") };
    Ok(scanned)
}
