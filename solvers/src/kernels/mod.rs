//! Passes over the pool that all families share.
//!
//! One blocked pass ([`scan`]) collects what the selectors need ([`Needs`](crate::Needs)): the closest query of every
//! row ([`screen::RowBest`]) and the nearest rows of every query ([`lists::NeighbourLists`]).

pub mod lists;
pub mod screen;

use crate::selector::{Findings, Needs, Task};
use crate::watch::Stopped;

/// Makes one pass over the pool and answers `needs`.
///
/// # Errors
/// If the observer asks to stop.
pub fn scan(task: &Task<'_>, needs: Needs) -> Result<Findings, Stopped> {
    let geometry = task.geometry;
    let row_best = needs.row_best.then(|| screen::RowBest::new(geometry));
    let lists = (needs.lists > 0).then(|| lists::NeighbourLists::new(geometry, needs.lists));
    task.watch.advance(geometry.pool_len() as u64)?;
    Ok(Findings { row_best, lists })
}
