//! Near-duplicate clusters: rows that near pairs connect, also by way of others (single linkage).

use std::sync::atomic::{AtomicU32, Ordering};

use kantor_theory::Rows;

use super::near::each_near_pair;
use crate::watch::{Stopped, Watch};

/// For every one of `rows` (distinct rows of `points`, ascending, none zero, all finite) the place in `rows` of the first
/// row of its cluster. Two rows are in one cluster if a chain of rows connects them in which the cosine of neighbours is at
/// least `cosine`, decided as [`near_duplicates`](super::near::near_duplicates) decides.
///
/// Memory: as for all near pairs, and four bytes a row. Whatever the order in which threads find the pairs, the answer is
/// the same.
///
/// ```
/// use kantor_solvers::{Quiet, density::clusters::clusters};
/// use kantor_theory::DenseRows;
/// let points = DenseRows::from_f64(2, vec![1.0, 0.0, 0.0, 1.0, 1.0, 0.1, 1.0, 0.2]).unwrap();
/// assert_eq!(clusters(&points, &[0, 1, 2, 3], 0.99, &Quiet), Ok(vec![0, 1, 0, 0]));
/// ```
///
/// # Errors
/// If the observer asks to stop.
pub fn clusters(points: &dyn Rows, rows: &[usize], cosine: f64, watch: &dyn Watch) -> Result<Vec<u32>, Stopped> {
    let parents: Vec<AtomicU32> = (0..rows.len() as u32).map(AtomicU32::new).collect();
    each_near_pair(points, rows, cosine, watch, |a, b| join(&parents, a as u32, b as u32))?;
    Ok((0..rows.len() as u32).map(|row| root(&parents, row)).collect())
}

/// The first row of a tree, halving the path to it.
fn root(parents: &[AtomicU32], mut row: u32) -> u32 {
    loop {
        let parent = parents[row as usize].load(Ordering::Relaxed);
        if parent == row {
            return row;
        }
        // Parents come before their rows, so whatever another thread writes here leads to the same root or a lower one.
        let above = parents[parent as usize].load(Ordering::Relaxed);
        parents[row as usize].fetch_min(above, Ordering::Relaxed);
        row = above;
    }
}

/// Hangs the later of two roots below the earlier one.
fn join(parents: &[AtomicU32], mut a: u32, mut b: u32) {
    loop {
        (a, b) = (root(parents, a), root(parents, b));
        let (first, last) = (a.min(b), a.max(b));
        if first == last {
            return;
        }
        let slot = &parents[last as usize];
        if slot.compare_exchange(last, first, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            return;
        }
    }
}
