//! Passes over the pool that all families share.
//!
//! One blocked pass ([`scan`]) collects what the selectors need ([`ScanRequest`]): the closest query of every row
//! ([`best::RowBest`]) and the nearest rows of every query ([`lists::NeighbourLists`]). It works on screened values
//! ([`screen::Screen`]); whatever the screen cannot decide is decided on exact pairs ([`pairs::PairCloseness`]).

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

use crate::selector::{PoolScan, ScanRequest, Task};
use crate::watch::Stopped;

pub mod best;
mod key;
pub mod lists;
mod pack;
pub mod pairs;
pub mod screen;

pub(crate) use key::{row as key_row, value as key_value};

use best::{Best, RowBest};
use lists::{Collector, NeighbourLists};
use screen::{Screen, ScreenWorkspace};

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
    let buffers = if count >= n { 1 } else { 2 * rayon::current_num_threads() + 1 };
    8 * (count.min(n) * m * buffers) as u64
}

/// As [`scan`], with only `eligible` rows on the lists.
pub(crate) fn pass(task: &Task<'_>, needs: ScanRequest, eligible: Option<&[bool]>) -> Result<PoolScan, Stopped> {
    let (n, m) = (task.geometry.pool_len(), task.geometry.query_len());
    assert!(n <= u32::MAX as usize && m < 1 << 31, "row numbers are held in 32 bits");
    let block = task.block.clamp(1, n);
    let screen = Screen::new(task.geometry);
    let margin = 2.0 * screen.error();
    let mut best = vec![Best::default(); if needs.row_best { n } else { 0 }];
    let everything = needs.lists >= n;
    let mut columns = vec![vec![0u64; n]; if everything { m } else { 0 }];

    let mut best_blocks = best.chunks_mut(block);
    let mut column_blocks: Vec<_> = columns.iter_mut().map(|column| column.chunks_mut(block)).collect();
    let work: Vec<Block<'_>> = (0..n)
        .step_by(block)
        .map(|start| Block {
            rows: start..n.min(start + block),
            best: best_blocks.next(),
            columns: column_blocks.iter_mut().filter_map(Iterator::next).collect(),
        })
        .collect();
    let queue = Mutex::new(work.into_iter());

    task.watch.begin("comparing pool with queries", n as u64);
    let run = |_| {
        let mut collector = (needs.lists > 0 && !everything).then(|| Collector::new(needs.lists, m, &screen));
        let mut scratch = ScreenWorkspace::default();
        let mut values = vec![0.0f32; block * m];
        loop {
            let next = queue.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some(Block { rows, best, columns }) = next else { return Ok((collector, scratch.into_suspects())) };
            let values = &mut values[..rows.len() * m];
            screen.block(rows.clone(), &mut scratch, values);
            if let Some(best) = best {
                best::scan(values, m, margin, best);
            }
            if let Some(collector) = &mut collector {
                collector.scan(rows.start, values, eligible);
            }
            for (query, column) in columns.into_iter().enumerate() {
                for ((slot, row), line) in column.iter_mut().zip(rows.clone()).zip(values.chunks_exact(m)) {
                    *slot = key::key(line[query], row);
                }
            }
            task.watch.advance(rows.len() as u64)?;
        }
    };
    let threads = rayon::current_num_threads();
    let parts: Vec<_> = (0..threads).into_par_iter().with_max_len(1).map(run).collect::<Result<_, Stopped>>()?;
    let (collectors, suspects): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
    let mut suspects = suspects.concat();
    suspects.sort_unstable();

    let row_best = needs.row_best.then(|| RowBest::new(best, &screen));
    let lists = match needs.lists {
        0 => None,
        _ if everything => Some(NeighbourLists::complete(columns, eligible, suspects.clone(), &screen)),
        _ => {
            let collectors = collectors.into_iter().flatten().collect();
            Some(NeighbourLists::merge(collectors, eligible, suspects.clone(), &screen))
        }
    };
    Ok(PoolScan { row_best, lists, suspects, optimum: None, herded: None })
}

/// One unit of work: rows, and where their results go.
struct Block<'a> {
    rows: Range<usize>,
    best: Option<&'a mut [Best]>,
    columns: Vec<&'a mut [u64]>,
}
