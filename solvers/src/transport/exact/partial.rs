//! The solver `partial`: total-variation penalties ρ·Σ|x − w| on one or both marginals, as transport with truncated
//! costs (theorem T4, `theory/notes/partial.md`).
//!
//! Let every unit of mass travel in a graph of rows, queries and one hub: row i → query j at c_ij, and between the hub
//! and row i (query j) at ρ_pool (ρ_query) in either direction. To leave mass of a row unsent is to send it to the hub,
//! to go over a row's weight is to fetch it from there. With
//!   F_i = min(ρ_pool, min_j c_ij + ρ_query)   (row to hub),
//!   G_j = min(ρ_query, min_i c_ij + ρ_pool)   (hub to query),
//!   c'_ij = min(c_ij, F_i + G_j)              (row to query),
//! the problem is balanced transport with the costs c', and a hard marginal is ρ = ∞.

use kantor_theory::transport_problem::Marginal;
use kantor_theory::{Power, Status, TransportProblem};
use sprs::TriMat;

use super::masses::{Masses, masses_of};
use super::solver::all_costs;
use super::transport::{Transport, transport};
use crate::solver::{BuiltIn, Plan, Potentials, Residuals, Solution, SolveError, SolverSettings, within};
use crate::watch::Watch;

const NAME: &str = "partial";

/// Solves problems without entropy whose marginals are hard or penalised by total variation.
///
/// Reads `memory`: it holds all costs.
pub fn partial(settings: &SolverSettings) -> BuiltIn {
    BuiltIn { name: NAME, solve, settings: settings.clone() }
}

fn solve(
    problem: &TransportProblem<'_>,
    _start: Option<&Potentials>,
    settings: &SolverSettings,
    _watch: &dyn Watch,
) -> Result<Solution, SolveError> {
    problem.check()?;
    let refuse = |fault| Err(SolveError::Unsupported { solver: NAME, fault });
    if problem.epsilon > 0.0 {
        return refuse("solves problems without entropy: take `epsilon` 0");
    }
    let (Some(pool), Some(query)) = (price(problem.pool), price(problem.query)) else {
        return refuse("needs hard marginals or TV penalties");
    };
    let (n, m) = (problem.row_count(), problem.geometry.query_len());
    within(NAME, 8 * n as u64 * m as u64, settings.memory)?;
    let masses = masses_of(problem)?;
    let mut costs = all_costs(problem);
    let hub = Hub::new(&costs, m, pool, query);
    if hub.cheapest() < -(pool + query) {
        return refuse("finds no least value: some cost is below minus the sum of both penalties");
    }
    hub.truncate(&mut costs);
    let found = transport(&costs, &masses)?;
    let potentials = hub.potentials(&costs, &found.potentials);
    let plan = hub.plan(problem, &found);
    Ok(hub.solution(problem, &masses, potentials, &plan, found.pivots))
}

/// What a unit of mass too little or too much costs.
fn price(marginal: Marginal) -> Option<f64> {
    match marginal {
        Marginal::Hard => Some(f64::INFINITY),
        Marginal::Tv(rho) => Some(rho),
        Marginal::Kl(_) | Marginal::Capacity(_) => None,
    }
}

/// The shortest ways between the hub and every point.
struct Hub {
    /// ρ of the pool and of the queries.
    pool: f64,
    query: f64,
    /// Least cost of every row, and its first query.
    nearest_query: Vec<(f64, usize)>,
    /// Least cost of every query, and its first row.
    nearest_row: Vec<(f64, usize)>,
}

impl Hub {
    fn new(costs: &[f64], m: usize, pool: f64, query: f64) -> Self {
        let mut nearest_row = vec![(f64::INFINITY, 0); m];
        let mut nearest_query = Vec::with_capacity(costs.len() / m);
        for (i, line) in costs.chunks_exact(m).enumerate() {
            let mut nearest = (f64::INFINITY, 0);
            for (j, (&cost, row)) in line.iter().zip(&mut nearest_row).enumerate() {
                if cost < nearest.0 {
                    nearest = (cost, j);
                }
                if cost < row.0 {
                    *row = (cost, i);
                }
            }
            nearest_query.push(nearest);
        }
        Self { pool, query, nearest_query, nearest_row }
    }

    fn cheapest(&self) -> f64 {
        self.nearest_row.iter().map(|(cost, _)| *cost).fold(f64::INFINITY, f64::min)
    }

    /// F_i.
    fn leave(&self, i: usize) -> f64 {
        self.pool.min(self.nearest_query[i].0 + self.query)
    }

    /// G_j.
    fn enter(&self, j: usize) -> f64 {
        self.query.min(self.nearest_row[j].0 + self.pool)
    }

    /// Turns c into c'.
    fn truncate(&self, costs: &mut [f64]) {
        let enter: Vec<f64> = (0..self.nearest_row.len()).map(|j| self.enter(j)).collect();
        for (i, line) in costs.chunks_exact_mut(enter.len()).enumerate() {
            let leave = self.leave(i);
            // Not f64::min: a cost that is no number must reach the check of the costs.
            line.iter_mut().zip(&enter).for_each(|(c, enter)| *c = if leave + enter < *c { leave + enter } else { *c });
        }
    }

    /// Potentials of the problem, f + g ≤ c, |f| ≤ ρ_pool and |g| ≤ ρ_query, from those of the truncated costs.
    fn potentials(&self, truncated: &[f64], query: &[f64]) -> Potentials {
        let reply = |line: &[f64]| line.iter().zip(query).map(|(c, g)| c - g).fold(f64::INFINITY, f64::min);
        let pool: Vec<f64> = truncated.chunks_exact(query.len()).map(reply).collect();
        // The hub's potential h must satisfy f_i + h ≤ F_i and g_j − h ≤ G_j; both ends are infinite if one side is hard
        // and the other too.
        let low = (0..query.len()).map(|j| query[j] - self.enter(j)).fold(f64::NEG_INFINITY, f64::max);
        let high = (0..pool.len()).map(|i| self.leave(i) - pool[i]).fold(f64::INFINITY, f64::min);
        // The least one, as a large one would cost the others their last digits.
        let hub = 0.0_f64.max(low).min(high);
        Potentials {
            pool: pool.into_iter().map(|f| (f + hub).clamp(-self.pool, self.pool)).collect(),
            query: query.iter().map(|g| (g - hub).clamp(-self.query, self.query)).collect(),
        }
    }

    /// The masses that go the ways that the truncated costs stand for: row, query and mass.
    fn plan(&self, problem: &TransportProblem<'_>, found: &Transport) -> Vec<(usize, usize, u64)> {
        let mut plan = Vec::with_capacity(found.plan.len());
        for shipment in &found.plan {
            let (i, j, mass) = (shipment.row, shipment.query, shipment.mass);
            if cost(problem, i, j) <= self.leave(i) + self.enter(j) {
                plan.push((i, j, mass));
                continue;
            }
            let (least, via) = self.nearest_query[i];
            if least + self.query < self.pool {
                plan.push((i, via, mass));
            }
            let (least, via) = self.nearest_row[j];
            if least + self.pool < self.query {
                plan.push((via, j, mass));
            }
        }
        plan
    }

    fn solution(
        &self,
        problem: &TransportProblem<'_>,
        masses: &Masses,
        potentials: Potentials,
        plan: &[(usize, usize, u64)],
        iterations: u64,
    ) -> Solution {
        let weight = |mass: f64| mass / masses.total as f64;
        let gain = |masses: &[u64], potentials: &[f64]| {
            masses.iter().zip(potentials).map(|(&w, f)| weight(w as f64) * f).sum::<f64>()
        };
        let dual = gain(&masses.supply, &potentials.pool) + gain(&masses.demand, &potentials.query);
        // What is missed is counted in whole units, as a large price would be paid for rounding too.
        let signed = |masses: &[u64]| masses.iter().map(|&mass| i128::from(mass)).collect::<Vec<_>>();
        let (mut pool, mut query) = (signed(&masses.supply), signed(&masses.demand));
        let mut transport = 0.0;
        let mut entries = TriMat::with_capacity((pool.len(), query.len()), plan.len());
        for &(i, j, mass) in plan {
            pool[i] -= i128::from(mass);
            query[j] -= i128::from(mass);
            let mass = weight(mass as f64);
            entries.add_triplet(i, j, mass);
            transport += mass * cost(problem, i, j);
        }
        let missed = |rest: &[i128]| weight(rest.iter().map(|x| x.unsigned_abs()).sum::<u128>() as f64);
        let (pool, query) = (missed(&pool), missed(&query));
        let paid = |price: f64, missed: f64| if price.is_finite() { price * missed } else { 0.0 };
        let left = |price: f64, missed: f64| if price.is_finite() { 0.0 } else { missed };
        Solution {
            status: Status::Optimal,
            potentials,
            plan: Plan::Sparse(entries.to_csr()),
            primal: transport + paid(self.pool, pool) + paid(self.query, query),
            dual,
            transport,
            residuals: Residuals { pool: left(self.pool, pool), query: left(self.query, query) },
            iterations,
        }
    }
}

/// c^p of a row that takes part and a query.
fn cost(problem: &TransportProblem<'_>, position: usize, query: usize) -> f64 {
    let cost = problem.geometry.cost_of(problem.row(position), query);
    if problem.power == Power::Two { cost * cost } else { cost }
}
