//! The least cost of every query and the range of all costs, over some pool rows.
//!
//! Limit: reading the costs once.

use std::ops::Range;

use rayon::prelude::*;

use super::costs::Costs;
use super::pass::slice_len;
use super::slice::STEP;
use crate::watch::{Stopped, Watch};

/// Cheapest cost of every query among the first `rows` rows, and the range of their finite costs.
pub(crate) fn extremes(costs: &Costs<'_>, rows: usize, watch: &dyn Watch) -> Result<(Vec<f64>, f64), Stopped> {
    let m = costs.query_len();
    let slice = slice_len(rows);
    let starts: Vec<usize> = (0..rows).step_by(slice).collect();
    let parts: Result<Vec<_>, Stopped> = starts
        .par_iter()
        .map(|&start| {
            watch.advance(0)?;
            Ok(pulp::Arch::new().dispatch(Extremes { costs, rows: start..(start + slice).min(rows) }))
        })
        .collect();
    let (mut least, mut most) = (vec![f64::INFINITY; m], f64::NEG_INFINITY);
    for (part, part_most) in parts? {
        least.iter_mut().zip(part).for_each(|(l, p)| *l = l.min(p));
        most = part_most.into_iter().fold(most, f64::max);
    }
    let lowest = least.iter().copied().fold(f64::INFINITY, f64::min);
    Ok((least, (most - lowest).max(0.0)))
}

/// Least and greatest finite cost of every query over some rows.
struct Extremes<'a> {
    costs: &'a Costs<'a>,
    rows: Range<usize>,
}

impl pulp::WithSimd for Extremes<'_> {
    type Output = (Vec<f64>, Vec<f64>);

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) -> Self::Output {
        let m = self.costs.query_len();
        let (mut least, mut most) = (vec![f64::INFINITY; m], vec![f64::NEG_INFINITY; m]);
        let mut buffer = Vec::new();
        for first in self.rows.clone().step_by(STEP) {
            let last = (first + STEP).min(self.rows.end);
            for row in self.costs.rows(first..last, &mut buffer).chunks_exact(m) {
                for ((least, most), &c) in least.iter_mut().zip(&mut most).zip(row) {
                    *least = if c < *least { c } else { *least };
                    let finite = if c < f64::INFINITY { c } else { f64::NEG_INFINITY };
                    *most = if finite > *most { finite } else { *most };
                }
            }
        }
        (least, most)
    }
}
