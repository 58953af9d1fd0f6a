//! How a computation over rows is cut into pieces, who runs them, and how what they find comes together.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use crate::geometry::Geometry;
use crate::rejection::Rejection;

/// Rows per task: enough work to be worth a thread, few enough for even shares.
pub(super) const TASK: usize = 1024;

/// Rows that are looked at together.
pub(super) const BLOCK: usize = 64;

/// Runs `task(0)`, …, `task(count − 1)`, each once, in any order and on any thread.
pub type Executor<'a> = &'a dyn Fn(usize, &(dyn Fn(usize) + Sync));

/// The [`Executor`] that runs one task after the other on the calling thread.
pub fn sequential(count: usize, task: &(dyn Fn(usize) + Sync)) {
    (0..count).for_each(task);
}

/// Runs all tasks and merges what they return; the first failure in task order wins.
///
/// An executor that leaves a task out (because it was stopped) gives an error; a task that it runs twice, or that does
/// not exist, counts once or not at all.
pub(super) fn gather<T: Send>(
    count: usize,
    executor: Executor<'_>,
    task: impl Fn(usize) -> Result<T, Rejection> + Sync,
    empty: T,
    merge: impl Fn(&mut T, T) + Sync,
) -> Result<T, Rejection> {
    struct State<T> {
        total: T,
        done: Vec<bool>,
        failure: Option<(usize, Rejection)>,
    }
    let state = Mutex::new(State { total: empty, done: vec![false; count], failure: None });
    executor(count, &|index| {
        if index >= count {
            return;
        }
        let part = task(index);
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        if std::mem::replace(&mut state.done[index], true) {
            return;
        }
        match part {
            Ok(part) => merge(&mut state.total, part),
            Err(failure) if state.failure.as_ref().is_none_or(|(first, _)| index < *first) => {
                state.failure = Some((index, failure));
            }
            Err(_) => {}
        }
    });
    let state = state.into_inner().unwrap_or_else(PoisonError::into_inner);
    match state.failure {
        Some((_, failure)) => Err(failure),
        None if state.done.contains(&false) => Err(Rejection::new("complete", "the computation was stopped")),
        None => Ok(state.total),
    }
}

/// Visits the positions 0 to `count` in blocks, tasks of [`TASK`] positions at a time.
///
/// Every task has a total of its own, which starts `empty`, and a workspace from `workspace`.
pub(super) fn over_blocks<T: Clone + Send + Sync, W>(
    count: usize,
    executor: Executor<'_>,
    workspace: impl Fn() -> W + Sync,
    empty: T,
    visit: impl Fn(&mut T, &mut W, Range<usize>) -> Result<(), Rejection> + Sync,
    merge: impl Fn(&mut T, T) + Sync,
) -> Result<T, Rejection> {
    let task = |index: usize| {
        let (mut total, mut workspace) = (empty.clone(), workspace());
        let end = ((index + 1) * TASK).min(count);
        for first in (index * TASK..end).step_by(BLOCK) {
            visit(&mut total, &mut workspace, first..(first + BLOCK).min(end))?;
        }
        Ok(total)
    };
    gather(count.div_ceil(TASK), executor, task, empty.clone(), merge)
}

/// Visits the pool rows `rows` in blocks: `visit` takes the total, the position of the first row, the rows, and their
/// closeness to all queries (row-major), all of which is finite.
///
/// O(M) memory per task.
pub(super) fn over_closeness<T: Clone + Send + Sync>(
    geometry: &Geometry<'_>,
    rows: &[usize],
    executor: Executor<'_>,
    empty: T,
    visit: impl Fn(&mut T, usize, &[usize], &[f64]) -> Result<(), Rejection> + Sync,
    merge: impl Fn(&mut T, T) + Sync,
) -> Result<T, Rejection> {
    let m = geometry.query_len();
    let visit = |total: &mut T, closeness: &mut Vec<f64>, span: Range<usize>| {
        let (first, block) = (span.start, &rows[span]);
        let closeness = &mut closeness[..block.len() * m];
        check_rows(geometry, block.iter().copied())?;
        geometry.closeness_gather(block, closeness);
        match closeness.iter().position(|s| !s.is_finite()) {
            Some(at) => {
                let (row, query) = (block[at / m], at % m);
                let place = format!("the closeness of pool row {row} and query {query} is not finite");
                Err(Rejection::new("rows", place))
            }
            None => visit(total, first, block, closeness),
        }
    };
    over_blocks(rows.len(), executor, || vec![0.0; BLOCK * m], empty, visit, merge)
}

/// Checks that the pool rows can be measured.
pub(super) fn check_rows(geometry: &Geometry<'_>, rows: impl IntoIterator<Item = usize>) -> Result<(), Rejection> {
    geometry.check_rows(rows).map_err(|fault| Rejection::new("rows", fault.to_string()))
}
