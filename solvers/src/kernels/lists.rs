//! The nearest pool rows of every query.

use kantor_theory::Geometry;

/// A pool row on a query's list.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Neighbour {
    /// The pool row.
    pub row: usize,
    /// Its exact closeness to the query.
    pub closeness: f64,
}

/// For every query, enough of the pool to know its nearest rows.
#[derive(Debug, Clone, PartialEq)]
pub struct NeighbourLists {
    lists: Vec<Vec<Neighbour>>,
}

impl NeighbourLists {
    pub(crate) fn new(geometry: &Geometry<'_>, count: usize) -> Self {
        let lists = (0..geometry.query_len())
            .map(|j| {
                let mut list: Vec<Neighbour> = (0..geometry.pool_len())
                    .map(|row| Neighbour { row, closeness: geometry.closeness(row, j) })
                    .collect();
                list.sort_by(|a, b| b.closeness.total_cmp(&a.closeness).then(a.row.cmp(&b.row)));
                list.truncate(count);
                list
            })
            .collect();
        Self { lists }
    }

    /// The `count` nearest pool rows of every query in exact order: closest first, ties to the lower row.
    ///
    /// `count` is at most what was asked for in [`Needs`](crate::Needs).
    pub fn exact(&self, _geometry: &Geometry<'_>, count: usize) -> Vec<Vec<Neighbour>> {
        self.lists.iter().map(|list| list[..count.min(list.len())].to_vec()).collect()
    }
}
