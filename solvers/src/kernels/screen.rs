//! The closest query of every pool row.

use kantor_theory::Geometry;

/// How close every pool row comes to its closest query.
#[derive(Debug, Clone, PartialEq)]
pub struct RowBest {
    best: Vec<(f64, usize)>,
}

impl RowBest {
    pub(crate) fn new(geometry: &Geometry<'_>) -> Self {
        let mut row = vec![0.0; geometry.query_len()];
        let best = (0..geometry.pool_len())
            .map(|i| {
                geometry.closeness_row(i, &mut row);
                let mut best = (f64::NEG_INFINITY, 0);
                for (j, &c) in row.iter().enumerate() {
                    if c > best.0 {
                        best = (c, j);
                    }
                }
                best
            })
            .collect();
        Self { best }
    }

    /// The `count` pool rows closest to their closest query: (row, closeness), closest first, ties to the lower row.
    pub fn top(&self, _geometry: &Geometry<'_>, count: usize) -> Vec<(usize, f64)> {
        let mut order: Vec<(usize, f64)> = self.best.iter().enumerate().map(|(i, b)| (i, b.0)).collect();
        order.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        order.truncate(count);
        order
    }
}
