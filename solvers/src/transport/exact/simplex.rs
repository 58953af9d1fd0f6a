//! The network simplex for transport between rows and queries.
//!
//! Pricing looks at one block of rows after the other, in turn. The edge of the block whose reduced cost is most negative
//! enters the tree. All potentials and costs are exact on their grid, so the sign of a reduced cost is certain: when a whole
//! turn finds no negative one, the tree is optimal.
//!
//! Limit: per pivot, a pass over about a thousand costs, a walk around one cycle, and a walk through one subtree of the
//! queries.
//!
//! Tried and left out:
//! - larger blocks: fewer pivots, but slower ones;
//! - a start from the prices of an auction: the pivots that it saves do not pay for its sweeps;
//! - successive shortest paths between queries, as in `relax::budgeted`: with many queries and general weights, keeping the
//!   cheapest exchange between any two of them up to date costs far more than the pivots here.

use super::grid::{Grid, GridCosts};
use super::start::{self, Edge};
use super::tree::Tree;
use crate::simd;

/// Cells priced before the best of their edges enters the tree: about as much work as the pivot that follows.
const CELLS: usize = 1024;

/// Rows priced at a time, at least and at most.
const ROWS: (usize, usize) = (2, 16);

/// Minima that a pass over a row keeps side by side: enough to hide the latency of a comparison.
const LANES: usize = 16;

/// What a unit of mass costs on its way from a row to a column, on a grid.
pub(crate) trait EdgeCosts: Copy {
    /// The grid.
    fn grid(self) -> Grid;

    /// Number of columns.
    fn columns(self) -> usize;

    /// The cost from a row to a column.
    fn of(self, row: u32, column: u32) -> f64;

    /// The least c − g of a row over all columns, if it is below `bar`. Inlined into loops compiled by `simd::wide`.
    fn least_below(self, row: u32, potentials: &[f64], bar: f64) -> Option<f64>;

    /// The first column of which c − g has this value.
    fn position(self, row: u32, potentials: &[f64], value: f64) -> u32;
}

impl EdgeCosts for GridCosts<'_> {
    fn grid(self) -> Grid {
        self.grid
    }

    fn columns(self) -> usize {
        self.m
    }

    #[inline(always)]
    fn of(self, row: u32, query: u32) -> f64 {
        self.grid.snap(self.line(row)[query as usize])
    }

    #[inline(always)]
    fn least_below(self, row: u32, potentials: &[f64], bar: f64) -> Option<f64> {
        let lanes = least_by_lane(self, row, potentials);
        lanes.iter().fold(false, |any, &lane| any | (lane < bar)).then(|| least_of(lanes))
    }

    fn position(self, row: u32, potentials: &[f64], value: f64) -> u32 {
        position(self, row, potentials, value)
    }
}

/// An optimal tree, and how many pivots led to it.
pub(crate) struct SimplexResult {
    pub(crate) tree: Tree,
    pub(crate) pivots: u64,
}

/// Solves, starting from the queries' potentials `offers`; `None` if potentials leave the range in which the grid is exact.
pub(super) fn solve(
    costs: GridCosts<'_>,
    rows: &[u32],
    supply: &[u64],
    demand: &[u64],
    mut offers: Vec<f64>,
) -> Option<SimplexResult> {
    // The tree leaves out queries without demand.
    offers.iter_mut().zip(demand).filter(|(_, demand)| **demand == 0).for_each(|(offer, _)| *offer = f64::NEG_INFINITY);
    let edges = start::shipments(costs, rows, supply, demand, &offers);
    resume(costs, rows, supply.len(), edges, &offers)
}

/// Solves, starting from the potentials `offers` of the columns and from `edges` that meet all masses and make no cycle,
/// sorted by row. `rows` are those of `count` rows that have mass; a column without demand has the potential −∞.
pub(crate) fn resume(
    costs: impl EdgeCosts,
    rows: &[u32],
    count: usize,
    mut edges: Vec<Edge>,
    offers: &[f64],
) -> Option<SimplexResult> {
    start::join(costs, count, &mut edges, offers);
    optimise(costs, rows, Tree::new(costs, count, &edges, offers))
}

/// Pivots until the tree is optimal.
pub(crate) fn optimise<C: EdgeCosts>(costs: C, rows: &[u32], mut tree: Tree) -> Option<SimplexResult> {
    if tree.largest() > costs.grid().reach() {
        return None;
    }
    let (block, mut pivots) = ((CELLS / costs.columns()).clamp(ROWS.0, ROWS.1), 0);
    // The next row to price, and how many were priced since the last pivot.
    let (mut at, mut clean) = (0, 0);
    while clean < rows.len() {
        let end = (at + block).min(rows.len());
        clean += end - at;
        let entering = price(costs, &rows[at..end], &tree);
        at = if end == rows.len() { 0 } else { end };
        if let Some((row, column)) = entering {
            if tree.pivot(costs, row, column) > costs.grid().reach() {
                return None;
            }
            (pivots, clean) = (pivots + 1, 0);
        }
    }
    Some(SimplexResult { tree, pivots })
}

/// The edge of most negative reduced cost among those of the given rows, if one is negative.
fn price<C: EdgeCosts>(costs: C, rows: &[u32], tree: &Tree) -> Option<(u32, u32)> {
    let (gain, row, least) = simd::wide(
        #[inline(always)]
        || {
            let mut best = (0.0, 0, 0.0);
            for &row in rows {
                let holder = tree.holder(row);
                let current = costs.of(row, holder) - tree.potentials[holder as usize];
                if let Some(least) = costs.least_below(row, &tree.potentials, current - best.0) {
                    best = (current - least, row, least);
                }
            }
            best
        },
    );
    (gain > 0.0).then(|| (row, costs.position(row, &tree.potentials, least)))
}

/// The least c_ij − g_j of a row among the queries of each lane: query j belongs to lane j mod [`LANES`].
#[inline(always)]
fn least_by_lane(costs: GridCosts<'_>, row: u32, potentials: &[f64]) -> [f64; LANES] {
    let (line, grid) = (costs.line(row), costs.grid);
    let ((lines, line), (offers, rest)) = (line.as_chunks::<LANES>(), potentials.as_chunks::<LANES>());
    let mut least = [f64::INFINITY; LANES];
    for (line, offers) in lines.iter().zip(offers) {
        for lane in 0..LANES {
            let value = grid.snap(line[lane]) - offers[lane];
            least[lane] = if value < least[lane] { value } else { least[lane] };
        }
    }
    for (lane, (&cost, &offer)) in line.iter().zip(rest).enumerate() {
        let value = grid.snap(cost) - offer;
        least[lane] = if value < least[lane] { value } else { least[lane] };
    }
    least
}

/// The least of all lanes, by halves.
#[inline(always)]
fn least_of(mut lanes: [f64; LANES]) -> f64 {
    let mut half = LANES / 2;
    while half > 0 {
        for lane in 0..half {
            let other = lanes[lane + half];
            lanes[lane] = if other < lanes[lane] { other } else { lanes[lane] };
        }
        half /= 2;
    }
    lanes[0]
}

/// The first query of which c_ij − g_j has this value.
fn position(costs: GridCosts<'_>, row: u32, potentials: &[f64], value: f64) -> u32 {
    let (line, grid) = (costs.line(row), costs.grid);
    let at = simd::wide(
        #[inline(always)]
        || {
            let (lines, offers) = (line.as_chunks::<16>().0, potentials.as_chunks::<16>().0);
            for (chunk, (line, offers)) in lines.iter().zip(offers).enumerate() {
                let equal = |lane: usize| grid.snap(line[lane]) - offers[lane] == value;
                if (0..16).fold(false, |any, lane| any | equal(lane)) {
                    return 16 * chunk + (0..16).position(equal).unwrap_or(0);
                }
            }
            let rest = 16 * lines.len();
            let tail = line[rest..].iter().zip(&potentials[rest..]);
            rest + tail.into_iter().position(|(&cost, &g)| grid.snap(cost) - g == value).unwrap_or(0)
        },
    );
    at as u32
}

/// The least c − g of a row, and the first column that has it.
pub(crate) fn closest<C: EdgeCosts>(costs: C, row: u32, potentials: &[f64]) -> (f64, u32) {
    let least = simd::wide(
        #[inline(always)]
        || costs.least_below(row, potentials, f64::INFINITY),
    );
    let least = least.unwrap_or(f64::INFINITY);
    (least, costs.position(row, potentials, least))
}

/// The least and the second least c_ij − g_j of a row, and the first query that has the least.
pub(super) fn two_closest(costs: GridCosts<'_>, row: u32, potentials: &[f64]) -> (f64, f64, u32) {
    let (line, grid) = (costs.line(row), costs.grid);
    let (first, second) = simd::wide(
        #[inline(always)]
        || {
            let ((lines, line), (offers, rest)) = (line.as_chunks::<16>(), potentials.as_chunks::<16>());
            let (mut first, mut second) = ([f64::INFINITY; 16], [f64::INFINITY; 16]);
            let note = |value: f64, first: &mut f64, second: &mut f64| {
                let larger = if value < *first { *first } else { value };
                *first = if value < *first { value } else { *first };
                *second = if larger < *second { larger } else { *second };
            };
            for (line, offers) in lines.iter().zip(offers) {
                for lane in 0..16 {
                    note(grid.snap(line[lane]) - offers[lane], &mut first[lane], &mut second[lane]);
                }
            }
            for (lane, (&cost, &offer)) in line.iter().zip(rest).enumerate() {
                note(grid.snap(cost) - offer, &mut first[lane], &mut second[lane]);
            }
            let (mut one, mut two) = (f64::INFINITY, f64::INFINITY);
            for value in first.into_iter().chain(second) {
                note(value, &mut one, &mut two);
            }
            (one, two)
        },
    );
    (first, second, position(costs, row, potentials, first))
}
