//! Swaps under the distance of a kernel (`swaps` has what is the same for every objective).
//!
//! With h the potential of the subset, putting j in the place of i changes the squared distance by (2/k)·(h_j − h_i +
//! (κ − k_ij)/k), where κ = k(x, x). As k_ij ≤ κ, the height of a row is its potential. A pass makes the best swap among
//! the rows of its list again and again with their mutual kernel values at hand.
//!
//! Limit: per pass (2·512)² + 2·swaps·W inner products of 2d operations in `f64`, and one read of the W active
//! rows; longer lists only show that nothing is left.

use kantor_theory::FeasibleSet;

use super::cloud::KernelPoints;
use super::greedy::Herd;
use crate::admission::Exchanges;
use crate::relax::swaps::{Landscape, List, Pass, Swapped, descend};
use crate::task::SelectError;
use crate::watch::Watch;

/// Most swaps in a pass, after which the potentials of rows that are not on the list are looked at again.
const SWAPS: usize = 128;

/// A pass that makes all the swaps it may and lowers the squared distance by less than this share of it is the last: at
/// k = 10,000 thousands of swaps may be left that together change next to nothing.
const WORTH: f64 = 1e-3;

/// Gains below this share of the potentials are rounding.
const SMALLEST: f64 = 1e-12;

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

/// Improves a subset of that squared distance by at most `limit` swaps; rows that come in stand last, in the order of their
/// potentials.
///
/// # Errors
/// If the observer asks to stop or a row is bad.
pub(super) fn swap(
    cloud: &KernelPoints<'_>,
    herd: &mut Herd,
    squared_distance: f64,
    constraints: Option<&FeasibleSet>,
    limit: usize,
    watch: &dyn Watch,
) -> Result<Swapped, SelectError> {
    let mut inside = herd.inside();
    let original = inside.clone();
    let count = herd.rows.len();
    let mut landscape = Potentials { cloud, herd, count, squared_distance };
    let swapped = descend(&mut landscape, &mut inside, constraints, limit, watch)?;
    reorder(herd, &original, &inside);
    Ok(swapped)
}

/// The potentials of a subset of `count` rows.
struct Potentials<'a> {
    cloud: &'a KernelPoints<'a>,
    herd: &'a mut Herd,
    count: usize,
    squared_distance: f64,
}

impl Landscape for Potentials<'_> {
    fn rows(&self) -> &[usize] {
        &self.herd.field.rows
    }

    fn heights(&mut self, _inside: &[bool]) -> Result<Vec<f64>, SelectError> {
        Ok(self.herd.field.potentials(self.count as f64))
    }

    fn swap(
        &mut self,
        list: &List,
        potentials: &[f64],
        inside: &mut [bool],
        mut limits: Option<&mut Exchanges<'_>>,
        most: usize,
    ) -> Result<Pass, SelectError> {
        let (List { positions, within, .. }, k, most) = (list, self.count, most.min(SWAPS));
        let rows: Vec<usize> = positions.iter().map(|&at| self.herd.field.rows[at]).collect();
        let gram = self.cloud.gram(&rows)?;
        let mut heights: Vec<f64> = positions.iter().map(|&at| potentials[at]).collect();
        let mut now = within.clone();
        let (mut made, mut gained) = (0, 0.0);
        while made < most {
            let allows = |out: usize, new: usize| limits.as_ref().is_none_or(|all| all.allows(rows[out], rows[new]));
            let Some((out, new, gain)) = best(&heights, &now, &gram, k, &allows) else { break };
            gained += 2.0 * gain / k as f64;
            (now[out], now[new]) = (false, true);
            if let Some(exchanges) = &mut limits {
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
        self.herd.field.add(self.cloud, &moved_rows, &weights)?;
        moved.iter().for_each(|&at| inside[positions[at]] = now[at]);
        Ok(Pass {
            swaps: made,
            goes_on: made < SWAPS || gained >= WORTH * self.cloud.size(self.squared_distance),
            complete: true,
        })
    }
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
