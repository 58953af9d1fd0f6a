//! Which pool rows can count in the bound for all subsets, proved for all others.
//!
//! A row counts only if g_j − c_ij^p > 0 for some query j. That it does not is proved here, from the lists that a pass
//! has made or from the costs of all pairs; nothing else in this crate vouches for a [`Screened`].
#![allow(unsafe_code, reason = "the proofs that `Screened::assume` asks for are in this module")]

use std::cmp::Ordering;
use std::ops::Range;

use kantor_theory::cost_bounds::CostBounds;
use kantor_theory::{Geometry, Power, Screened};
use rayon::prelude::*;

use super::lists::NeighbourLists;
use super::{key_row, key_value};
use crate::task::{SelectError, Task};

/// Rows whose costs are evaluated together.
const ROWS: usize = 512;

/// The pool rows, ascending, with max_j (g_j − c_ij^p) > 0, and perhaps a few others; of all rows left out it is
/// proved that the maximum is not positive.
///
/// A listed row is judged by the least cost that its screened closeness allows; all others by the least cost beyond the
/// list. Limit: one look at every listed row.
///
/// `None` if the lists are of another geometry, too short to tell, or of a pool with a row that cannot be measured.
pub fn active_rows(
    geometry: &Geometry<'_>,
    lists: &NeighbourLists,
    power: Power,
    potentials: &[f64],
) -> Option<Screened> {
    let suspects = lists.suspects_of(geometry)?;
    if potentials.len() != geometry.query_len() || geometry.check_rows(suspects.iter().copied()).is_err() {
        return None;
    }
    let costs = CostBounds::new(geometry, power);
    let mut rows = Vec::new();
    for (query, &g) in potentials.iter().enumerate() {
        // The closeness is the largest that fits, so the cost is the least. A bound that is no number rules nothing out.
        let ruled_out = |screened: f64| costs.lower(screened * lists.unit()) >= g;
        if !lists.is_complete(query) && !ruled_out(lists.beyond(query)) {
            return None;
        }
        // Lists are sorted by screened closeness, so those that count come first.
        let keys = lists.keys(query);
        let end = keys.partition_point(|&key| !ruled_out(f64::from(key_value(key)) + lists.error()));
        rows.extend(keys[..end].iter().map(|&key| key_row(key)));
    }
    rows.sort_unstable();
    rows.dedup();
    // SAFETY: the lists are of this geometry and of its whole pool, of which every row that may be bad was checked just
    // now. A row that is not among `rows` is, for every query j, listed behind `end` or not listed at all: its closeness
    // is then at most that of the screened value by the screen's proved error, and the lower end of the cost there is at
    // least g_j. Costs that are squared are not negative, or `lower` is zero and rules out what is not positive only.
    Some(unsafe { Screened::assume(geometry, power, potentials.to_vec(), rows) })
}

/// Lower ends of c_ij for every pool row and query of one geometry (N×M, row-major), all rows of which were checked.
///
/// Limit: 8·N·M bytes, and the products of all pairs once.
pub(crate) struct LowerCosts<'a> {
    geometry: &'a Geometry<'a>,
    values: Vec<f64>,
}

impl<'a> LowerCosts<'a> {
    /// Evaluates all of them. Advances the task's `watch` by rows.
    ///
    /// # Errors
    /// If a row is bad or the observer asks to stop.
    pub(crate) fn new(task: &Task<'a>) -> Result<Self, SelectError> {
        let (n, m) = (task.geometry.pool_len(), task.geometry.query_len());
        let bounds = CostBounds::new(task.geometry, Power::One);
        let mut values = vec![0.0; n * m];
        task.watch.begin("costs of all pairs", n as u64);
        let fill = |(index, low): (usize, &mut [f64])| {
            let rows = index * ROWS..index * ROWS + low.len() / m;
            task.geometry.check_rows(rows.clone())?;
            fill(task.geometry, &bounds, rows.clone(), low);
            Ok::<_, SelectError>(task.watch.advance(rows.len() as u64)?)
        };
        values.par_chunks_mut(ROWS * m).enumerate().try_for_each(fill)?;
        Ok(Self { geometry: task.geometry, values })
    }

    /// All of them.
    pub(crate) fn values(&self) -> &[f64] {
        &self.values
    }

    /// The pool rows with a potential above the lower end of a cost.
    ///
    /// # Panics
    /// If there is not one potential for every query.
    pub(crate) fn rows_below(&self, potentials: &[f64]) -> Screened {
        let m = self.geometry.query_len();
        assert_eq!(potentials.len(), m, "a potential for every query");
        let counts = |row: &usize| {
            let costs = &self.values[row * m..(row + 1) * m];
            costs.iter().zip(potentials).any(|(c, g)| c.partial_cmp(g).is_none_or(Ordering::is_lt))
        };
        let rows = (0..self.geometry.pool_len()).filter(counts).collect();
        // SAFETY: `new` alone makes `values`: lower ends of the costs of this geometry, of which it checked every row. A
        // row left out has g_j ≤ the lower end of c_ij for all j.
        unsafe { Screened::assume(self.geometry, Power::One, potentials.to_vec(), rows) }
    }
}

/// Lower ends of the costs of these rows; a closeness that is not a number is infinitely far.
fn fill(geometry: &Geometry<'_>, bounds: &CostBounds, rows: Range<usize>, low: &mut [f64]) {
    let mut closeness = vec![0.0; low.len()];
    geometry.closeness_block(rows, &mut closeness);
    for s in &mut closeness {
        *s = if s.is_nan() { f64::NEG_INFINITY } else { *s };
    }
    let mut high = vec![0.0; low.len()];
    bounds.ends(&closeness, low, &mut high);
}
