//! Which pool rows can count in the bound for all subsets, read off lists that a pass has already made.
//!
//! A row counts only if g_j − c_ij^p > 0 for some query j. A listed row is judged by the least cost that its screened
//! closeness allows; all others by the least cost beyond the list. Limit: one look at every listed row.

use kantor_theory::cost_bounds::CostBounds;
use kantor_theory::{Cost, Geometry, Power};

use crate::kernels::lists::NeighbourLists;
use crate::kernels::{key_row, key_value};

/// The pool rows, ascending, with max_j (g_j − c_ij^p) > 0, and perhaps a few others; of all rows left out it is
/// proved that the maximum is not positive.
///
/// `None` if the lists are too short to tell.
pub fn active_rows(
    geometry: &Geometry<'_>,
    lists: &NeighbourLists,
    power: Power,
    potentials: &[f64],
) -> Option<Vec<usize>> {
    if geometry.cost() == Cost::Precomputed && power == Power::Two {
        // The square of a given cost may rise with closeness: what is beyond a list says nothing about its square.
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
    Some(rows)
}
