//! Near-duplicates: pairs of rows whose directions almost agree.
//!
//! A cosine at least c means a chord of at most √(2(1 − c)), which is short beside the spread of real rows, so the boxes
//! and pivots of the [search](super::search) rule out nearly all pairs. What the screen cannot tell is decided on the
//! exact cosine.
//!
//! Limit: the search's, which bounds a pair by 64 operations in single precision, where boxes do not rule out its whole
//! block, after one read of the rows. Measured at a cosine of 0.999: 21,276 rows of real text (d = 384) 0.30 CPU-seconds, 226
//! million pairs; 197,000 made rows in 200 clusters (d = 512) 5.1, of which bounding all 19 billion pairs alone would
//! be 20 at the speed of plain faer.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use kantor_theory::Rows;
use kantor_theory::cost::Family;

use super::cloud::{Cloud, Scratch};
use super::search::{Halt, Pair, Search};
use crate::watch::{Stopped, Watch};

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
    let cloud = Cloud::new(points, rows, Family::Angle);
    let within = 2.0 * (1.0 - cosine);
    let search = Search::new(&cloud, within);
    let count = AtomicU64::new(0);
    let earliest: Vec<AtomicU32> = (0..rows.len()).map(|_| AtomicU32::new(u32::MAX)).collect();
    let member: Vec<AtomicBool> = (0..rows.len()).map(|_| AtomicBool::new(false)).collect();
    let take = |pairs: &[Pair]| -> Result<(), Halt> {
        let (mut scratch, mut exact) = (Scratch::default(), Vec::new());
        let mut found = 0;
        for pair in pairs {
            let (a, b) = (pair.a as usize, pair.b as usize);
            let (lower, upper) = search.squared(a, b, pair.cosine);
            let near = upper <= within
                || (lower <= within && {
                    cloud.squared(&mut scratch, a, &[pair.b], &mut exact);
                    exact[0] <= within
                });
            if near {
                found += 1;
                let (x, y) = (cloud.given[a], cloud.given[b]);
                earliest[x.max(y)].fetch_min(x.min(y) as u32, Ordering::Relaxed);
                [x, y].iter().for_each(|&at| member[at].store(true, Ordering::Relaxed));
            }
        }
        count.fetch_add(found, Ordering::Relaxed);
        Ok(())
    };
    search.sweep(0..cloud.len(), watch, &take).map_err(|_| Stopped)?;
    let near = |(at, earliest): (usize, &AtomicU32)| {
        let first = earliest.load(Ordering::Relaxed);
        (first != u32::MAX).then(|| (rows[first as usize], rows[at]))
    };
    let members = rows.iter().zip(&member).filter(|(_, member)| member.load(Ordering::Relaxed));
    let members = members.map(|(&row, _)| row).collect();
    Ok(NearDuplicates {
        pairs: count.into_inner(),
        rows: earliest.iter().enumerate().filter_map(near).collect(),
        members,
    })
}
