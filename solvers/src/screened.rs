//! Which pool rows can count in the bound for all subsets, proved for all others.
//!
//! A row counts only if g_j − c_ij^p > 0 for some query j. That it does not is proved here, from the lists that a pass
//! has made or from the costs of all pairs; nothing else in this crate vouches for a [`Screened`].
#![allow(unsafe_code, reason = "the proofs that `Screened::assume` asks for are in this module")]

use std::cmp::Ordering;

use kantor_theory::cost_bounds::CostBounds;
use kantor_theory::{Geometry, Power, Screened};

use crate::kernels::lists::NeighbourLists;
use crate::kernels::{key_row, key_value};

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

/// The same from `lower`, a lower end of c_ij for every pool row and query (N×M, row-major), which the caller took from
/// [`CostBounds`] for this geometry after every row was checked.
pub(crate) fn rows_above(geometry: &Geometry<'_>, lower: &[f64], potentials: &[f64]) -> Screened {
    let (n, m) = (geometry.pool_len(), geometry.query_len());
    assert_eq!((lower.len(), potentials.len()), (n * m, m), "a cost for every pair and a potential for every query");
    let counts = |row: &usize| {
        lower[row * m..(row + 1) * m].iter().zip(potentials).any(|(c, g)| c.partial_cmp(g).is_none_or(Ordering::is_lt))
    };
    let rows = (0..n).filter(counts).collect();
    // SAFETY: every row left out has g_j ≤ a lower end of c_ij for all j, and the caller checked it.
    unsafe { Screened::assume(geometry, Power::One, potentials.to_vec(), rows) }
}
