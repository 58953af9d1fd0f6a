//! Exact transport between a subset and the queries.
//!
//! Any potentials are a start: each row goes to the query of least c_ij − g_j, and what some queries then hold too
//! much flows to those that hold too little along shortest paths in the `Exchange` graph. Potentials from the same
//! problem on a sample of the rows leave little to move. Masses are whole numbers and costs lie on a grid of 2⁻⁵⁰, so
//! nothing is rounded on the way: primal and dual optimum of the rounded costs agree exactly.
//!
//! Limit: one pass over the n×m costs per level; the rest touches only rows that move.

use super::exchange::{Exchange, Grid};
use super::masses::Masses;
use crate::simd;

/// Rows per query below which no sample is taken.
const COARSEST: usize = 4;

/// Each sample holds one of this many rows.
const THINNING: usize = 4;

/// One entry of a transport plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shipment {
    /// Position in the subset.
    pub row: usize,
    /// The query.
    pub query: usize,
    /// Mass in units of the common denominator.
    pub mass: u64,
}

/// An optimal plan with its potentials.
#[derive(Debug, Clone, PartialEq)]
pub struct Transport {
    /// Dual variable g of every query. Those of the rows follow: f_i = min_j (c_ij − g_j) over the given queries.
    pub potentials: Vec<f64>,
    /// Who sends how much where, by row, then query. Rows and queries without mass are absent.
    pub plan: Vec<Shipment>,
    /// Common denominator of the masses.
    pub total: u64,
    /// ⟨c, π⟩ of the plan, evaluated in `f64`.
    pub value: f64,
    /// Dual value of the potentials, evaluated in `f64`; equals `value` up to rounding.
    pub dual: f64,
    /// Shortest paths that were searched, samples included.
    pub searches: u64,
}

/// Why there is nothing to solve.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum TransportError {
    /// The numbers of costs and masses do not fit.
    #[error("{costs} costs for {rows} rows and {queries} queries")]
    Shape {
        /// Number of costs.
        costs: usize,
        /// Number of row masses.
        rows: usize,
        /// Number of query masses.
        queries: usize,
    },
    /// Both sides must hold the same positive mass.
    #[error("the masses of rows and queries must have one positive sum")]
    Unbalanced,
    /// A cost is NaN or infinite.
    #[error("the cost of row {row} and query {query} is not finite")]
    NotFinite {
        /// Position in the subset.
        row: usize,
        /// The query.
        query: usize,
    },
}

/// Solves min ⟨c, π⟩ over plans with these marginals.
///
/// `costs` is n×m, row-major: all costs of the first row first. Points without mass are allowed; the potentials
/// returned are feasible for them too: f_i + g_j ≤ c_ij for every row with mass and every query.
///
/// Takes O(min(n, m)² + n) memory beyond the costs, and another copy of them if n < m.
///
/// # Errors
/// If the shapes do not fit, the sums differ or are zero, or a cost is not finite.
pub fn transport(costs: &[f64], masses: &Masses) -> Result<Transport, TransportError> {
    let (n, m) = (masses.supply.len(), masses.demand.len());
    if costs.len() != n * m || n > u32::MAX as usize {
        return Err(TransportError::Shape { costs: costs.len(), rows: n, queries: m });
    }
    let sum = |side: &[u64]| side.iter().try_fold(0u64, |sum, &mass| sum.checked_add(mass));
    if sum(&masses.supply) != Some(masses.total) || sum(&masses.demand) != Some(masses.total) || masses.total == 0 {
        return Err(TransportError::Unbalanced);
    }
    if let Some(at) = costs.iter().position(|cost| !cost.is_finite()) {
        return Err(TransportError::NotFinite { row: at / m, query: at % m });
    }
    let grid = Grid::new(costs.iter().fold(0.0, |largest: f64, cost| largest.max(cost.abs())));

    let (mut potentials, mut plan, searches);
    if n < m {
        let mut turned = vec![0.0; n * m];
        for (i, line) in costs.chunks_exact(m).enumerate() {
            line.iter().enumerate().for_each(|(j, &cost)| turned[j * n + i] = cost);
        }
        let state = solve(&turned, &masses.demand, &masses.supply, grid);
        plan = state.plan();
        plan.iter_mut().for_each(|s| (s.row, s.query) = (s.query, s.row));
        plan.sort_unstable_by_key(|s| (s.row, s.query));
        searches = state.searches;
        potentials = vec![f64::INFINITY; m];
        lower(costs, &masses.supply, &state.exchange.potentials, &mut potentials, |_| true);
    } else {
        let state = solve(costs, &masses.supply, &masses.demand, grid);
        plan = state.plan();
        searches = state.searches;
        potentials = state.exchange.potentials;
        for (g, _) in potentials.iter_mut().zip(&masses.demand).filter(|(_, demand)| **demand == 0) {
            *g = f64::NEG_INFINITY;
        }
        if masses.demand.contains(&0) {
            let rows: Vec<f64> = costs.chunks_exact(m).map(|line| row_potential(line, &potentials)).collect();
            potentials.iter_mut().filter(|g| **g == f64::NEG_INFINITY).for_each(|g| *g = f64::INFINITY);
            lower(costs, &masses.supply, &rows, &mut potentials, |j| masses.demand[j] == 0);
        }
    }

    let weight = |mass: u64| mass as f64 / masses.total as f64;
    let value = plan.iter().map(|s| weight(s.mass) * costs[s.row * m + s.query]).sum();
    let rows: f64 = (costs.chunks_exact(m).zip(&masses.supply).filter(|(_, supply)| **supply > 0))
        .map(|(line, &supply)| weight(supply) * row_potential(line, &potentials))
        .sum();
    let queries: f64 = potentials.iter().zip(&masses.demand).map(|(g, &demand)| weight(demand) * g).sum();
    Ok(Transport { potentials, plan, total: masses.total, value, dual: queries + rows, searches })
}

/// min_j (c_j − g_j).
fn row_potential(line: &[f64], potentials: &[f64]) -> f64 {
    line.iter().zip(potentials).map(|(cost, g)| cost - g).fold(f64::INFINITY, f64::min)
}

/// Lowers the potentials of the chosen queries to min_i (c_ij − f_i) over the rows with mass.
fn lower(costs: &[f64], supply: &[u64], rows: &[f64], potentials: &mut [f64], chosen: impl Fn(usize) -> bool) {
    let lines = costs.chunks_exact(potentials.len()).zip(supply).zip(rows).filter(|((_, supply), _)| **supply > 0);
    for ((line, _), f) in lines {
        for (_, (g, cost)) in potentials.iter_mut().zip(line).enumerate().filter(|(j, _)| chosen(*j)) {
            *g = g.min(cost - f);
        }
    }
}

struct State {
    exchange: Exchange,
    rows: Vec<u32>,
    searches: u64,
}

impl State {
    fn plan(&self) -> Vec<Shipment> {
        let pieces =
            |&row: &u32| self.exchange.holdings.of(row).into_iter().map(move |(query, mass)| (row, query, mass));
        let shipment = |(row, query, mass)| Shipment { row: row as usize, query: query as usize, mass };
        self.rows.iter().flat_map(pieces).map(shipment).collect()
    }
}

fn solve(costs: &[f64], supply: &[u64], demand: &[u64], grid: Grid) -> State {
    let rows: Vec<u32> = (0..supply.len() as u32).filter(|&i| supply[i as usize] > 0).collect();
    let (potentials, searches) = sampled_potentials(costs, supply, demand, grid, &rows);
    let mut state = balance(costs, supply, demand, grid, rows, potentials);
    state.searches += searches;
    state
}

/// Potentials of the problem on a sample of the rows, itself solved that way.
fn sampled_potentials(costs: &[f64], supply: &[u64], demand: &[u64], grid: Grid, rows: &[u32]) -> (Vec<f64>, u64) {
    let m = demand.len();
    // A sample by position would pick up the period of selection orders that go round the queries.
    let mixed = |row: u32| (u64::from(row) + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40;
    let sample: Vec<u32> = rows.iter().copied().filter(|&row| mixed(row) % THINNING as u64 == 0).collect();
    if rows.len() < COARSEST * m || sample.is_empty() || sample.len() == rows.len() {
        return (nearest(costs, m, grid, rows), 0);
    }
    let held: u64 = sample.iter().map(|&row| supply[row as usize]).sum();
    let share = shares(demand, held);
    let (potentials, searches) = sampled_potentials(costs, supply, &share, grid, &sample);
    let state = balance(costs, supply, &share, grid, sample, potentials);
    (state.exchange.potentials, state.searches + searches)
}

/// For every query the cost of its nearest row.
fn nearest(costs: &[f64], m: usize, grid: Grid, rows: &[u32]) -> Vec<f64> {
    let mut least = vec![f64::INFINITY; m];
    for &row in rows {
        for (least, &cost) in least.iter_mut().zip(&costs[row as usize * m..][..m]) {
            *least = least.min(grid.snap(cost));
        }
    }
    least
}

/// Splits `total` in proportion to `demand`, zero to zero.
fn shares(demand: &[u64], total: u64) -> Vec<u64> {
    let sum: u128 = demand.iter().map(|&d| u128::from(d)).sum();
    let mut before: u128 = 0;
    let mut given = 0;
    demand
        .iter()
        .map(|&d| {
            before += u128::from(d);
            // Cumulative shares are rounded down, so they end at the total.
            let until = (before * u128::from(total) / sum) as u64;
            let share = until - given;
            given = until;
            share
        })
        .collect()
}

/// Starts from the potentials and moves mass until every query holds what it demands.
fn balance(costs: &[f64], supply: &[u64], demand: &[u64], grid: Grid, rows: Vec<u32>, potentials: Vec<f64>) -> State {
    let m = demand.len();
    let mut exchange = Exchange::new(grid, potentials);
    // A query without demand gets nothing, so nothing can pass through it.
    let offer: Vec<f64> = (exchange.potentials.iter().zip(demand))
        .map(|(&g, &demand)| if demand > 0 { g } else { f64::NEG_INFINITY })
        .collect();
    let mut held = vec![0u64; m];
    let mut reduced = vec![0.0; m];
    let start: Vec<(u32, usize, u64)> = rows
        .iter()
        .map(|&row| {
            let query = closest(grid, &costs[row as usize * m..][..m], &offer, &mut reduced);
            held[query] += supply[row as usize];
            (row, query, supply[row as usize])
        })
        .collect();
    exchange.fill(costs, start.into_iter());
    let mut searches = 0;
    for source in 0..m {
        while held[source] < demand[source] {
            let found = exchange.search(source, |t, _| if held[t] > demand[t] { 0.0 } else { f64::INFINITY });
            let Some(found) = found else { unreachable!("equal sums: who lacks mass can reach who has too much") };
            searches += 1;
            let surplus = held[found.end] - demand[found.end];
            let mass = exchange.bottleneck().min(surplus).min(demand[source] - held[source]);
            exchange.raise(found);
            exchange.shift(costs, mass);
            held[found.end] -= mass;
            held[source] += mass;
        }
    }
    State { exchange, rows, searches }
}

/// The first query of least c_j − g_j.
fn closest(grid: Grid, line: &[f64], offer: &[f64], reduced: &mut [f64]) -> usize {
    let least = simd::wide(
        #[inline(always)]
        || {
            let mut least = [f64::INFINITY; 8];
            for (t, ((out, &cost), &g)) in reduced.iter_mut().zip(line).zip(offer).enumerate() {
                *out = grid.snap(cost) - g;
                let lane = &mut least[t % 8];
                *lane = if *out < *lane { *out } else { *lane };
            }
            least.into_iter().fold(f64::INFINITY, f64::min)
        },
    );
    reduced.iter().position(|&value| value == least).unwrap_or(0)
}
