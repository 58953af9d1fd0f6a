//! Where the network simplex starts: a spanning tree of shipments that good potentials suggest.
//!
//! Limit: two looks at every cost.

use super::grid::GridCosts;
use super::simplex::{EdgeCosts, closest, two_closest};

/// An edge of a tree: a row, a column, and the mass that goes from one to the other.
pub(crate) type Edge = (u32, u32, u64);

/// Shipments that meet all masses, by row: each row goes to the query of least c_ij − g_j that still lacks mass, and
/// the rows whose second choice costs them most go first. Every shipment uses up its row or its query, so there is no
/// cycle among them.
pub(crate) fn shipments(
    costs: GridCosts<'_>,
    rows: &[u32],
    supply: &[u64],
    demand: &[u64],
    offers: &[f64],
) -> Vec<Edge> {
    let wish = |&row: &u32| {
        let (first, second, query) = two_closest(costs, row, offers);
        (second - first, row, query)
    };
    let mut wishes: Vec<(f64, u32, u32)> = rows.iter().map(wish).collect();
    wishes.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    let (mut open, mut wanted) = (offers.to_vec(), demand.to_vec());
    let mut edges = Vec::with_capacity(rows.len() + demand.len());
    for (_, row, mut query) in wishes {
        let mut left = supply[row as usize];
        while left > 0 {
            if wanted[query as usize] == 0 {
                query = closest(costs, row, &open).1;
            }
            let mass = left.min(wanted[query as usize]);
            edges.push((row, query, mass));
            left -= mass;
            wanted[query as usize] -= mass;
            if wanted[query as usize] == 0 {
                open[query as usize] = f64::NEG_INFINITY;
            }
        }
    }
    edges.sort_unstable();
    edges
}

/// Joins the trees of a forest by edges without mass, from a row of one tree to a column of those joined before.
pub(super) fn join(costs: impl EdgeCosts, rows: usize, edges: &mut Vec<Edge>, offers: &[f64]) {
    let graph = Graph::new(costs.columns(), rows, edges);
    let mut joined = vec![f64::NEG_INFINITY; costs.columns()];
    let (mut first, mut links) = (true, Vec::new());
    for root in (0..costs.columns()).filter(|&query| offers[query] > f64::NEG_INFINITY) {
        if joined[root] > f64::NEG_INFINITY {
            continue;
        }
        let members = graph.component(edges, root as u32);
        let links_of = members.iter().flat_map(|&query| graph.of_query(edges, query)).map(|&(row, query, _)| {
            let (reduced, to) = closest(costs, row, &joined);
            (reduced - (costs.of(row, query) - offers[query as usize]), row, to)
        });
        if !std::mem::take(&mut first) {
            links.extend(links_of.min_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, row, to)| (row, to, 0)));
        }
        members.iter().for_each(|&query| joined[query as usize] = offers[query as usize]);
    }
    edges.extend(links);
    edges.sort_unstable();
}

/// Which edges meet at a row and at a query.
pub(super) struct Graph {
    /// First edge of each row.
    rows: Vec<u32>,
    /// First place of each query in `by_query`.
    queries: Vec<u32>,
    /// Edges by query.
    by_query: Vec<u32>,
}

impl Graph {
    /// Of edges sorted by row.
    pub(super) fn new(queries: usize, rows: usize, edges: &[Edge]) -> Self {
        let mut by_query: Vec<u32> = (0..edges.len() as u32).collect();
        by_query.sort_by_key(|&edge| edges[edge as usize].1);
        let row_of = |row: u32| edges.partition_point(|edge| edge.0 < row) as u32;
        let query_of = |query: u32| by_query.partition_point(|&edge| edges[edge as usize].1 < query) as u32;
        Self {
            rows: (0..=rows as u32).map(row_of).collect(),
            queries: (0..=queries as u32).map(query_of).collect(),
            by_query,
        }
    }

    /// The edges of a row.
    pub(super) fn of_row<'a>(&self, edges: &'a [Edge], row: u32) -> &'a [Edge] {
        &edges[self.rows[row as usize] as usize..self.rows[row as usize + 1] as usize]
    }

    /// The edges of a query.
    pub(super) fn of_query<'a>(&'a self, edges: &'a [Edge], query: u32) -> impl Iterator<Item = &'a Edge> {
        let span = self.queries[query as usize] as usize..self.queries[query as usize + 1] as usize;
        self.by_query[span].iter().map(|&edge| &edges[edge as usize])
    }

    /// The queries that edges connect with this one.
    fn component(&self, edges: &[Edge], query: u32) -> Vec<u32> {
        let mut seen = vec![false; self.queries.len() - 1];
        seen[query as usize] = true;
        let (mut members, mut at) = (vec![query], 0);
        while let Some(&query) = members.get(at) {
            at += 1;
            for &(row, ..) in self.of_query(edges, query) {
                for &(_, other, _) in self.of_row(edges, row) {
                    if !std::mem::replace(&mut seen[other as usize], true) {
                        members.push(other);
                    }
                }
            }
        }
        members
    }
}
