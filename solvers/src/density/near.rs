//! Near-duplicates: pairs of rows whose directions almost agree.
//!
//! A cosine at least c means a chord of at most √(2(1 − c)), which is short beside the spread of real rows, so the boxes
//! and pivots of the [search](super::search) rule out nearly all pairs. What the screen cannot tell is decided on the
//! exact cosine.
//!
//! Limit: the search's, which bounds a pair by 64 operations in single precision, where boxes do not rule out its whole
//! block, after one read of the rows.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};

use kantor_theory::cost::Family;
use kantor_theory::geometry::row_fault;
use kantor_theory::{JoinedRows, Rows};
use rayon::prelude::*;

use super::cloud::{PairWorkspace, SortedPoints};
use super::search::{Halt, Pair, Search};
use crate::watch::{Stopped, Watch};

/// Pool rows that are compared with all queries at a time, at least: with about 150 bytes each.
const CHUNK: usize = 1 << 16;

/// Pairs of rows whose cosine is at least some number.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NearDuplicates {
    /// How many pairs.
    pub pairs: u64,
    /// Rows near an earlier one, with the earliest such row: (earlier row, row), by row.
    pub rows: Vec<(usize, usize)>,
    /// Rows near any other, earlier or later, ascending.
    pub members: Vec<usize>,
}

/// The pairs of `rows` (distinct rows of `points`, ascending, none zero, all finite) whose cosine is at least `cosine`.
///
/// Decided on 2(1 − cos) ≤ 2(1 − `cosine`), in `f64`, canonical. Memory: O(block·d) per thread and about 150 bytes a row.
///
/// # Errors
/// If the observer asks to stop.
pub fn near_duplicates(
    points: &dyn Rows,
    rows: &[usize],
    cosine: f64,
    watch: &dyn Watch,
) -> Result<NearDuplicates, Stopped> {
    let earliest: Vec<AtomicU32> = (0..rows.len()).map(|_| AtomicU32::new(u32::MAX)).collect();
    let member: Vec<AtomicBool> = (0..rows.len()).map(|_| AtomicBool::new(false)).collect();
    let pairs = each_near_pair(points, rows, cosine, watch, |x, y| {
        earliest[y].fetch_min(x as u32, Ordering::Relaxed);
        [x, y].iter().for_each(|&at| member[at].store(true, Ordering::Relaxed));
    })?;
    let near = |(at, earliest): (usize, &AtomicU32)| {
        let first = earliest.load(Ordering::Relaxed);
        (first != u32::MAX).then(|| (rows[first as usize], rows[at]))
    };
    let members = rows.iter().zip(&member).filter(|(_, member)| member.load(Ordering::Relaxed));
    let members = members.map(|(&row, _)| row).collect();
    Ok(NearDuplicates { pairs, rows: earliest.iter().enumerate().filter_map(near).collect(), members })
}

/// Calls `found` with the places in `rows` of both rows of every near pair, the earlier first: by several threads, in any
/// order. Returns how many there are.
///
/// # Errors
/// If the observer asks to stop.
pub(super) fn each_near_pair(
    points: &dyn Rows,
    rows: &[usize],
    cosine: f64,
    watch: &dyn Watch,
    found: impl Fn(usize, usize) + Sync,
) -> Result<u64, Stopped> {
    let cloud = SortedPoints::new(points, rows, Family::Angle);
    let near = Near::new(&cloud, cosine);
    let count = AtomicU64::new(0);
    let take = |pairs: &[Pair]| -> Result<(), Halt> {
        let mut here = 0;
        near.decide(pairs, |x, y| {
            here += 1;
            found(x, y);
        });
        count.fetch_add(here, Ordering::Relaxed);
        Ok(())
    };
    near.search.sweep(0..cloud.len(), watch, &take).map_err(|_| Stopped)?;
    Ok(count.into_inner())
}

/// The queries to which some row of the pool has at least this cosine, as (query row, first such pool row), ascending.
///
/// Rows that have no direction are near none. The pool goes by in parts, each of which is searched together with the
/// queries: pairs of queries are looked at with each part, so a part has many more rows than there are queries. Decided as
/// [`near_duplicates`] decides.
///
/// # Errors
/// If the observer asks to stop.
///
/// # Panics
/// If pool and queries have different dimensions.
pub fn near_queries(
    pool: &dyn Rows,
    query: &dyn Rows,
    cosine: f64,
    watch: &dyn Watch,
) -> Result<Vec<(usize, usize)>, Stopped> {
    assert_eq!(pool.dim(), query.dim(), "pool and queries of different dimension");
    let (m, both) = (query.len(), JoinedRows::new(query, pool));
    let directed = |rows: Range<usize>| -> Vec<usize> {
        let has_direction = |numbers: &mut Vec<f64>, row: usize| {
            both.read_row(row, numbers);
            row_fault(Family::Angle, numbers).is_none().then_some(row)
        };
        rows.into_par_iter().map_init(|| vec![0.0; both.dim()], has_direction).flatten().collect()
    };
    let queries = directed(0..m);
    let first: Vec<AtomicUsize> = queries.iter().map(|_| AtomicUsize::new(usize::MAX)).collect();
    let step = CHUNK.max(4 * m);
    for start in (0..pool.len()).step_by(step) {
        let mut rows = queries.clone();
        rows.extend(directed(m + start..m + (start + step).min(pool.len())));
        let cloud = SortedPoints::led(&both, &rows, queries.len(), Family::Angle);
        let near = Near::new(&cloud, cosine);
        let take = |pairs: &[Pair]| -> Result<(), Halt> {
            near.decide(pairs, |x, y| {
                if x < queries.len() && y >= queries.len() {
                    first[x].fetch_min(rows[y] - m, Ordering::Relaxed);
                }
            });
            Ok(())
        };
        near.search.sweep(0..queries.len(), watch, &take).map_err(|_| Stopped)?;
    }
    let found = queries.iter().zip(&first).map(|(&query, first)| (query, first.load(Ordering::Relaxed)));
    Ok(found.filter(|(_, row)| *row < pool.len()).collect())
}

/// Which pairs are near.
struct Near<'a, 'b> {
    cloud: &'b SortedPoints<'a>,
    search: Search<'a, 'b>,
    /// The largest squared chord.
    within: f64,
}

impl<'a, 'b> Near<'a, 'b> {
    fn new(cloud: &'b SortedPoints<'a>, cosine: f64) -> Self {
        let within = 2.0 * (1.0 - cosine);
        Self { cloud, search: Search::new(cloud, within), within }
    }

    /// Calls `found` with the places of both rows in the caller's list, the earlier first, for every pair that is near.
    fn decide(&self, pairs: &[Pair], mut found: impl FnMut(usize, usize)) {
        let (mut scratch, mut exact) = (PairWorkspace::default(), Vec::new());
        for pair in pairs {
            let (a, b) = (pair.a as usize, pair.b as usize);
            let (lower, upper) = self.search.squared(a, b, pair.cosine);
            let near = upper <= self.within
                || (lower <= self.within && {
                    self.cloud.squared(&mut scratch, a, &[pair.b], &mut exact);
                    exact[0] <= self.within
                });
            if near {
                let (x, y) = (self.cloud.given[a], self.cloud.given[b]);
                found(x.min(y), x.max(y));
            }
        }
    }
}
