//! Exact transport between a subset and the queries.
//!
//! Any potentials suggest a start for the network simplex, and those of the same problem on a sample of the rows
//! suggest a good one. Masses are whole numbers and costs lie on a grid of 2⁻⁵⁰, so nothing is rounded on the way:
//! primal and dual optimum of the rounded costs agree exactly. Should potentials outgrow the grid, which takes a path
//! through many rows of the largest cost, the problem is solved again on a coarser one.
//!
//! Limit: some ten passes over the n×m costs and a few pivots per row, each O(m) and less.

use super::grid::{Grid, GridCosts};
use super::masses::Masses;
use super::simplex::{self, SimplexResult};
use super::tree::Tree;

/// Rows per query below which no sample is taken.
const COARSEST: usize = 4;

/// Each sample holds one of this many rows.
const THINNING: u64 = 4;

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
    /// Edges that entered the basis, samples included.
    pub pivots: u64,
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
    /// Sums of costs would overflow.
    #[error("the costs are too large to be added up: rescale them")]
    Range,
}

/// Solves min ⟨c, π⟩ over plans with these marginals.
///
/// `costs` is n×m, row-major: all costs of the first row first. Points without mass are allowed; the potentials
/// returned are feasible for them too: f_i + g_j ≤ c_ij for every row with mass and every query.
///
/// Takes O(n + m) memory beyond the costs, and another copy of them if n < m.
///
/// # Errors
/// If the shapes do not fit, the sums differ or are zero, a cost is not finite, or sums of costs would overflow.
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
    let (mut potentials, mut plan, pivots);
    if n < m {
        let mut turned = vec![0.0; n * m];
        for (i, line) in costs.chunks_exact(m).enumerate() {
            line.iter().enumerate().for_each(|(j, &cost)| turned[j * n + i] = cost);
        }
        let solved = solve(&turned, &masses.demand, &masses.supply)?;
        plan = shipments(&solved.tree);
        plan.iter_mut().for_each(|s| (s.row, s.query) = (s.query, s.row));
        plan.sort_unstable_by_key(|s| (s.row, s.query));
        pivots = solved.pivots;
        potentials = vec![f64::INFINITY; m];
        lower(costs, &masses.supply, &solved.tree.potentials, &mut potentials, |_| true);
    } else {
        let solved = solve(costs, &masses.supply, &masses.demand)?;
        plan = shipments(&solved.tree);
        pivots = solved.pivots;
        potentials = solved.tree.potentials;
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
    Ok(Transport { potentials, plan, total: masses.total, value, dual: queries + rows, pivots })
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

/// Solves on the first grid on which nothing is rounded on the way.
fn solve(costs: &[f64], supply: &[u64], demand: &[u64]) -> Result<SimplexResult, TransportError> {
    let rows: Vec<u32> = (0..supply.len() as u32).filter(|&i| supply[i as usize] > 0).collect();
    let mut grid = Some(Grid::new(costs.iter().fold(0.0, |largest: f64, cost| largest.max(cost.abs()))));
    while let Some(on) = grid {
        let costs = GridCosts { values: costs, m: demand.len(), grid: on };
        if let Some(solved) = solve_by_samples(costs, &rows, supply, demand) {
            return Ok(solved);
        }
        grid = on.coarser();
    }
    Err(TransportError::Range)
}

/// Solves from the potentials of the same problem on a sample of the rows, itself solved that way.
pub(crate) fn solve_by_samples(
    costs: GridCosts<'_>,
    rows: &[u32],
    supply: &[u64],
    demand: &[u64],
) -> Option<SimplexResult> {
    // A sample by position would pick up the period of selection orders that go round the queries.
    let mixed = |row: u32| (u64::from(row) + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40;
    let sample: Vec<u32> = rows.iter().copied().filter(|&row| mixed(row) % THINNING == 0).collect();
    let mut potentials = nearest(costs, rows);
    let mut pivots = 0;
    if rows.len() >= COARSEST * demand.len() && !sample.is_empty() && sample.len() < rows.len() {
        let held: u64 = sample.iter().map(|&row| supply[row as usize]).sum();
        let coarse = solve_by_samples(costs, &sample, supply, &shares(demand, held))?;
        pivots = coarse.pivots;
        // A query whose share is nothing has no potential there.
        let known = potentials.iter_mut().zip(coarse.tree.potentials).filter(|(_, g)| g.is_finite());
        known.for_each(|(potential, g)| *potential = g);
    }
    let mut solved = simplex::solve(costs, rows, supply, demand, potentials)?;
    solved.pivots += pivots;
    Some(solved)
}

/// Whole shipments of a tree, by row, then query.
fn shipments(tree: &Tree) -> Vec<Shipment> {
    let shipment = |(row, query, mass)| Shipment { row: row as usize, query: query as usize, mass };
    let mut plan: Vec<Shipment> = tree.shipments().map(shipment).collect();
    plan.sort_unstable_by_key(|s| (s.row, s.query));
    plan
}

/// For every query the cost of its nearest row.
fn nearest(costs: GridCosts<'_>, rows: &[u32]) -> Vec<f64> {
    let mut least = vec![f64::INFINITY; costs.m];
    for &row in rows {
        for (least, &cost) in least.iter_mut().zip(costs.line(row)) {
            *least = least.min(costs.grid.snap(cost));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_potentials_outgrow_a_grid_a_coarser_one_is_taken() {
        let (n, m) = (30, 12);
        let costs: Vec<f64> = (0..n * m).map(|at| ((at * 7919 + 13) % 1009) as f64 / 1009.0).collect();
        let (supply, demand) = (vec![2; n], vec![5; m]);
        let rows: Vec<u32> = (0..n as u32).collect();
        let on = |grid| solve_by_samples(GridCosts { values: &costs, m, grid }, &rows, &supply, &demand);
        let fine = Grid::new(0.01);
        assert!(on(fine).is_none(), "the costs alone are out of its reach");
        let (Some(coarse), Ok(usual)) = (fine.coarser().and_then(on), solve(&costs, &supply, &demand)) else {
            panic!("both grids reach that far")
        };
        let value = |tree: &Tree| {
            let cost = |s: &Shipment| s.mass as f64 * costs[s.row * m + s.query];
            shipments(tree).iter().map(cost).sum::<f64>()
        };
        assert!((value(&coarse.tree) - value(&usual.tree)).abs() < 1e-9);
        let mut grid = Some(fine);
        let steps = std::iter::from_fn(|| {
            grid = grid?.coarser();
            grid
        });
        assert!(steps.count() < 110, "a grid cannot be made coarser for ever");
    }
}
