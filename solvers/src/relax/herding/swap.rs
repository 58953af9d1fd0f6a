//! Swaps of one row for another until none lowers the distance.
//!
//! With h the potential of the subset, putting j in the place of i changes the squared distance by (2/k)·(h_j − h_i +
//! (κ − k_ij)/k), where κ = k(x, x). As k_ij ≤ κ, only rows of the subset above the least potential outside, and rows
//! outside below the greatest inside, can take part. A pass takes the [`LIST`] most promising of both kinds, makes the
//! best swap among them again and again with their mutual kernel values at hand, and then brings the potentials of all
//! active rows up to date.
//!
//! Under constraints only swaps that keep every limit are made. Rows of a group that a limit keeps small may all lie below
//! rows of others, and would fill the list: so rows are promising by their distance from the threshold of their group,
//! the dual of the linear step.
//!
//! Limit: per pass (2·[`LIST`])² + 2·swaps·W inner products of 2d operations in `f64`, and one read of the W active
//! rows; longer lists only show that nothing is left.

use kantor_theory::FeasibleSet;

use super::cloud::KernelPoints;
use super::greedy::{Herd, least_of};
use crate::admission::Exchanges;
use crate::relax::constrained::linear::Limited;
use crate::task::SelectError;
use crate::watch::Watch;

/// Rows of each kind on the list of a pass, to begin with.
const LIST: usize = 512;

/// The same once no swap on shorter lists helps.
const LONGEST: usize = 2048;

/// Most swaps in a pass, after which the potentials of rows that are not on the list are looked at again.
const SWAPS: usize = 128;

/// Most passes.
const PASSES: usize = 64;

/// A pass that makes all the swaps it may and lowers the squared distance by less than this share of it is the last: at
/// k = 10,000 thousands of swaps may be left that together change next to nothing.
const WORTH: f64 = 1e-3;

/// Gains below this share of the potentials are rounding.
const SMALLEST: f64 = 1e-12;

/// What became of the swaps.
#[derive(Debug, Clone, Copy)]
pub(super) struct Swapped {
    /// How many were made.
    pub(super) swaps: usize,
    /// Whether no swap of two active rows lowers the distance any more, by as much as is told from rounding.
    pub(super) exhausted: bool,
}

/// What a swap may take from the squared distance without being told from rounding: (2/k)·(the gain that is not made +
/// the error of a gain), a gain being a difference of potentials.
///
/// A potential is a difference of two means of kernel values, each summed with an error of at most
/// [`SMALLEST`]·(their sizes); what the kernel values err by themselves is added four times, for two potentials of two
/// means.
pub(super) fn unnoticed(cloud: &KernelPoints<'_>, herd: &Herd) -> f64 {
    let k = herd.rows.len() as f64;
    let sizes = herd.field.sums.iter().zip(&herd.field.queries).map(|(sum, query)| sum.abs() / k + query.abs());
    let size = sizes.filter(|size| size.is_finite()).fold(cloud.kernel.value(0.0).abs(), f64::max);
    2.0 / k * (4.0 * SMALLEST * size + 4.0 * cloud.resolution())
}

/// Improves a subset of that squared distance; rows that come in stand last, in the order of their potentials.
///
/// # Errors
/// If the observer asks to stop or a row is bad.
pub(super) fn swap(
    cloud: &KernelPoints<'_>,
    herd: &mut Herd,
    squared_distance: f64,
    constraints: Option<&FeasibleSet>,
    watch: &dyn Watch,
) -> Result<Swapped, SelectError> {
    let k = herd.rows.len();
    let mut inside = vec![false; herd.field.rows.len()];
    for &row in &herd.rows {
        if let Some(at) = herd.field.position(row) {
            inside[at] = true;
        }
    }
    let original = inside.clone();
    let mut swapped = Swapped { swaps: 0, exhausted: false };
    let mut limits = constraints.map(|set| (Limited::new(set, k), Exchanges::new(set, &herd.rows)));
    let mut length = LIST;
    watch.begin("swapping", PASSES as u64);
    for _ in 0..PASSES {
        watch.advance(1)?;
        let potentials = herd.field.potentials(k as f64);
        let List { positions, within, complete } =
            list(&herd.field.rows, &potentials, &inside, length, limits.as_ref());
        if positions.is_empty() {
            swapped.exhausted = true;
            break;
        }
        let rows: Vec<usize> = positions.iter().map(|&at| herd.field.rows[at]).collect();
        let gram = cloud.gram(&rows)?;
        let mut heights: Vec<f64> = positions.iter().map(|&at| potentials[at]).collect();
        let mut now = within.clone();
        let (mut made, mut gained) = (0, 0.0);
        while made < SWAPS {
            let exchanges = limits.as_ref().map(|(_, exchanges)| exchanges);
            let allows = |out: usize, new: usize| exchanges.is_none_or(|all| all.allows(rows[out], rows[new]));
            let Some((out, new, gain)) = best(&heights, &now, &gram, k, &allows) else { break };
            gained += 2.0 * gain / k as f64;
            (now[out], now[new]) = (false, true);
            if let Some((_, exchanges)) = &mut limits {
                exchanges.exchange(rows[out], rows[new]);
            }
            let (old, new) = (&gram[out * rows.len()..][..rows.len()], &gram[new * rows.len()..][..rows.len()]);
            for (height, (old, new)) in heights.iter_mut().zip(old.iter().zip(new)) {
                *height += (new - old) / k as f64;
            }
            made += 1;
        }
        let moved: Vec<usize> = (0..rows.len()).filter(|&at| now[at] != within[at]).collect();
        let weights: Vec<f64> = moved.iter().map(|&at| if now[at] { 1.0 } else { -1.0 }).collect();
        let moved_rows: Vec<usize> = moved.iter().map(|&at| rows[at]).collect();
        herd.field.add(cloud, &moved_rows, &weights)?;
        moved.iter().for_each(|&at| inside[positions[at]] = now[at]);
        swapped.swaps += made;
        if made == 0 {
            swapped.exhausted = complete;
            if complete || length >= LONGEST {
                break;
            }
            length *= 2;
        }
        if made == SWAPS && gained < WORTH * squared_distance {
            break;
        }
    }
    reorder(herd, &original, &inside);
    Ok(swapped)
}

/// Rows that may take part in a swap.
struct List {
    /// Positions of active rows: rows of the subset, then others.
    positions: Vec<usize>,
    within: Vec<bool>,
    /// Whether all that may take part are there.
    complete: bool,
}

fn list(
    rows: &[usize],
    potentials: &[f64],
    inside: &[bool],
    length: usize,
    limits: Option<&(Limited<'_>, Exchanges<'_>)>,
) -> List {
    let may_move = |at: usize| match limits {
        Some((_, exchanges)) if inside[at] => exchanges.may_leave(rows[at]),
        Some((_, exchanges)) => exchanges.may_enter(rows[at]),
        None => true,
    };
    let of = |kind: bool| (0..inside.len()).filter(move |&at| inside[at] == kind && may_move(at));
    let greatest = of(true).map(|at| potentials[at]).fold(f64::NEG_INFINITY, f64::max);
    let least = of(false).map(|at| potentials[at]).fold(f64::INFINITY, f64::min);
    let out: Vec<usize> = of(true).filter(|&at| potentials[at] > least).collect();
    let new: Vec<usize> = of(false).filter(|&at| potentials[at] < greatest).collect();
    let complete = out.len() <= length && new.len() <= length;
    let heights = limits.and_then(|(limited, _)| limited.above_thresholds(rows, potentials));
    let heights = heights.as_deref().unwrap_or(potentials);
    let negated: Vec<f64> = heights.iter().map(|h| -h).collect();
    // Of equal rows the last one leaves first.
    let mut out = least_of(&negated, out.into_iter().rev().collect(), length);
    let mut new = least_of(heights, new, length);
    out.sort_unstable_by(|a, b| b.cmp(a));
    new.sort_unstable();
    let within = (0..out.len() + new.len()).map(|at| at < out.len()).collect();
    out.extend(new);
    List { positions: out, within, complete }
}

/// The swap that lowers the distance most, as places on the list: who leaves, who comes, and half of k times what the
/// squared distance loses; the first of equals, of those swaps that are allowed.
fn best(
    heights: &[f64],
    within: &[bool],
    gram: &[f64],
    k: usize,
    allows: &dyn Fn(usize, usize) -> bool,
) -> Option<(usize, usize, f64)> {
    let n = heights.len();
    let outside: Vec<usize> = (0..n).filter(|&at| !within[at]).collect();
    let mut found = None;
    let mut most = 0.0;
    for out in (0..n).filter(|&at| within[at]) {
        let own = gram[out * n + out];
        for &new in &outside {
            let gain = heights[out] - heights[new] - (own - gram[out * n + new]) / k as f64;
            let noticed = SMALLEST * (heights[out].abs() + heights[new].abs());
            if gain > most && gain > noticed && allows(out, new) {
                (most, found) = (gain, Some((out, new, gain)));
            }
        }
    }
    found
}

/// Rows that stayed in their order, then those that came in by rising potential.
fn reorder(herd: &mut Herd, before: &[bool], inside: &[bool]) {
    let potentials = herd.field.potentials(herd.rows.len() as f64);
    let stayed = |row: &usize| herd.field.position(*row).is_some_and(|at| inside[at]);
    let (mut rows, mut scores): (Vec<usize>, Vec<f64>) =
        herd.rows.iter().zip(&herd.scores).filter(|(row, _)| stayed(row)).map(|(&row, &score)| (row, score)).unzip();
    let mut came: Vec<usize> = (0..inside.len()).filter(|&at| inside[at] && !before[at]).collect();
    came.sort_by(|&a, &b| potentials[a].total_cmp(&potentials[b]).then(a.cmp(&b)));
    rows.extend(came.iter().map(|&at| herd.field.rows[at]));
    scores.extend(came.iter().map(|&at| -potentials[at]));
    (herd.rows, herd.scores) = (rows, scores);
}
