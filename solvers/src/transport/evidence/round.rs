//! A feasible plan in whole units, from any plan.
//!
//! Rounding after Altschuler, Weed and Rigollet (arXiv 1705.09634, algorithm 2): rows are scaled to their weights,
//! columns that are too full are scaled down, and what is then missing is added. Two things differ. Rows are scaled
//! up as well as down, so that ‖F − G‖₁ ≤ 2‖r − a‖₁ + ‖s − b‖₁ for the plan F with marginals r, s and the result G
//! (`theory/notes/bracket.md`), and a plan of Gibbs form needs its query potentials only, since the factors of the
//! rows cancel. And what is missing is not spread over all pairs but goes, row by row, to the queries of least
//! c_ij − g_j that still have room: few entries, and cheap ones if the potentials are good.
//!
//! Entries below [`FAINT`] of the largest in their row are left out and repaired too. Two passes over the costs for a
//! Gibbs plan, one more for the rows with something missing.

use kantor_theory::{SparsePlan, TransportProblem};
use rayon::prelude::*;

use super::rows::{blocks, costs_of, gibbs_row, log_reference};
use crate::solver::{Plan, Solution, SolveError, within};
use crate::transport::exact::{Masses, masses_of};

/// Entries smaller than this share of the largest in their row are not worth keeping.
const FAINT: f64 = 1e-4;

/// Most units in all: sums of them stay far from overflow.
const UNITS: u64 = 1 << 62;

/// Bytes that an entry takes while a plan is made.
const ENTRY: u64 = 48;

/// Turns the plan of `solution` into one with exactly the weights of `problem` as marginals, in whole units.
///
/// Uniform weights are met exactly; others as [`masses`](crate::transport::exact::masses()) represents them. `potentials` say which
/// pairs are cheap; they decide how good the plan is, never whether it is one. Without a plan all mass goes to the
/// cheapest pairs.
///
/// # Errors
/// If the weights make no measure or the entries would take more than `memory` bytes.
pub fn round(
    problem: &TransportProblem<'_>,
    solution: &Solution,
    potentials: &[f64],
    memory: u64,
) -> Result<SparsePlan, SolveError> {
    let m = problem.geometry.query_len();
    let mut masses = masses_of(problem)?;
    refine(&mut masses);
    let source = Source::new(problem, solution);
    let columns = source.columns(problem, &masses);
    let fit: Vec<f64> = (masses.demand.iter().zip(&columns))
        .map(|(&demand, &column)| if column > 0.0 { (demand as f64 / column).min(1.0) } else { 0.0 })
        .collect();

    let mut left = Left { rows: masses.supply.clone(), columns: masses.demand.clone() };
    let mut entries = Vec::new();
    source.for_each(problem, |position, line| {
        let largest = line.iter().copied().fold(0.0, f64::max);
        let supply = masses.supply[position] as f64;
        for (j, &share) in line.iter().enumerate().filter(|(_, share)| **share > FAINT * largest) {
            left.ship(position, j, (supply * share * fit[j]) as u64, &mut entries);
        }
        check(entries.len(), memory)
    })?;
    // What rounding down left fits into entries that are there already, for the most part.
    for at in 0..entries.len() {
        let (position, query, _) = entries[at];
        left.ship(position, query, max_rounding_residue(masses.supply[position], m), &mut entries);
    }
    left.fill_cheap(problem, potentials, &masses, &mut entries);
    left.fill_in_order(&mut entries);
    check(entries.len(), memory)?;
    match SparsePlan::new(entries) {
        Some(plan) => Ok(plan),
        None => unreachable!("masses of equal place add up to at most {UNITS}"),
    }
}

fn check(entries: usize, memory: u64) -> Result<(), SolveError> {
    within("the plan", entries as u64 * ENTRY, memory)
}

/// Cuts the units into as many equal parts as there is room for: a plan that is not a vertex needs them.
fn refine(masses: &mut Masses) {
    let factor = UNITS / masses.total;
    masses.supply.iter_mut().chain(&mut masses.demand).for_each(|mass| *mass *= factor);
    masses.total *= factor;
}

/// Gives the rows of a plan, each scaled to total 1, or zeros where there is nothing.
enum Source<'a> {
    Gibbs { g: &'a [f64], offset: Vec<f64>, epsilon: f64 },
    Sparse(&'a sprs::CsMat<f64>),
    Nothing,
}

impl<'a> Source<'a> {
    fn new(problem: &TransportProblem<'_>, solution: &'a Solution) -> Self {
        let shape = (problem.row_count(), problem.geometry.query_len());
        match &solution.plan {
            Plan::Gibbs if solution.potentials.query.len() == shape.1 && problem.epsilon > 0.0 => {
                let (g, epsilon) = (solution.potentials.query.as_slice(), problem.epsilon);
                let offset = log_reference(problem.reference, problem.weights.query.as_deref(), shape.1);
                Source::Gibbs { g, offset, epsilon }
            }
            Plan::Sparse(plan) if plan.is_csr() && plan.shape() == shape => Source::Sparse(plan),
            _ => Source::Nothing,
        }
    }

    /// Calls `visit` with every row that has mass, in order.
    fn for_each(
        &self,
        problem: &TransportProblem<'_>,
        mut visit: impl FnMut(usize, &[f64]) -> Result<(), SolveError>,
    ) -> Result<(), SolveError> {
        let m = problem.geometry.query_len();
        match self {
            Source::Gibbs { g, offset, epsilon } => {
                for span in blocks(problem) {
                    let costs = costs_of(problem, span.clone());
                    let mut lines = vec![0.0; costs.len()];
                    lines.par_chunks_exact_mut(m).zip(costs.par_chunks_exact(m)).for_each(|(line, costs)| {
                        gibbs_row(costs, offset, g, *epsilon, line);
                        scale(line);
                    });
                    for (position, line) in span.zip(lines.chunks_exact(m)) {
                        visit(position, line)?;
                    }
                }
            }
            Source::Sparse(plan) => {
                let mut line = vec![0.0; m];
                for (position, row) in plan.outer_iterator().enumerate() {
                    line.fill(0.0);
                    row.iter().for_each(|(j, &mass)| line[j] = if mass > 0.0 { mass } else { 0.0 });
                    scale(&mut line);
                    visit(position, &line)?;
                }
            }
            Source::Nothing => {}
        }
        Ok(())
    }

    /// Σ_i supply_i·share_ij.
    fn columns(&self, problem: &TransportProblem<'_>, masses: &Masses) -> Vec<f64> {
        let mut columns = vec![0.0; masses.demand.len()];
        let added = self.for_each(problem, |position, line| {
            let supply = masses.supply[position] as f64;
            columns.iter_mut().zip(line).for_each(|(column, share)| *column += supply * share);
            Ok(())
        });
        match added {
            Ok(()) => columns,
            Err(_) => unreachable!("adding up does not fail"),
        }
    }
}

/// Divides by the sum; zeros if that is no positive number.
fn scale(line: &mut [f64]) {
    let sum: f64 = line.iter().sum();
    let factor = if sum > 0.0 && sum.is_finite() { 1.0 / sum } else { 0.0 };
    line.iter_mut().for_each(|x| *x *= factor);
}

/// At least as many units as rounding down can leave in a row of `supply`: few beside the supply.
fn max_rounding_residue(supply: u64, queries: usize) -> u64 {
    (supply >> 40) + queries as u64
}

/// What rows have still to send and queries to receive.
struct Left {
    rows: Vec<u64>,
    columns: Vec<u64>,
}

impl Left {
    /// Sends `units`, or as many as there is room for.
    fn ship(&mut self, position: usize, query: usize, units: u64, entries: &mut Vec<(usize, usize, u64)>) {
        let units = units.min(self.rows[position]).min(self.columns[query]);
        if units > 0 {
            self.rows[position] -= units;
            self.columns[query] -= units;
            entries.push((position, query, units));
        }
    }

    /// Rows that have more left than rounding down leaves send it to the queries of least c − g with room.
    fn fill_cheap(
        &mut self,
        problem: &TransportProblem<'_>,
        potentials: &[f64],
        masses: &Masses,
        entries: &mut Vec<(usize, usize, u64)>,
    ) {
        let m = self.columns.len();
        for span in blocks(problem) {
            let wanting: Vec<usize> =
                span.filter(|&i| self.rows[i] > max_rounding_residue(masses.supply[i], m)).collect();
            let rows: Vec<usize> = wanting.iter().map(|&position| problem.row(position)).collect();
            let costs = crate::transport::exact::costs(problem.geometry, problem.power, &rows);
            for (&position, costs) in wanting.iter().zip(costs.chunks_exact(m)) {
                while self.rows[position] > 0 {
                    let open = (0..m).filter(|&j| self.columns[j] > 0);
                    let slack = |&j: &usize| costs[j] - potentials[j];
                    let Some(j) = open.min_by(|a, b| slack(a).total_cmp(&slack(b))) else { break };
                    self.ship(position, j, u64::MAX, entries);
                }
            }
        }
    }

    /// Empties what is left in order of rows and queries (the north-west corner rule).
    fn fill_in_order(&mut self, entries: &mut Vec<(usize, usize, u64)>) {
        let (mut position, mut query) = (0, 0);
        while position < self.rows.len() && query < self.columns.len() {
            if self.rows[position] == 0 {
                position += 1;
            } else if self.columns[query] == 0 {
                query += 1;
            } else {
                self.ship(position, query, u64::MAX, entries);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn units_are_cut_finely_and_stay_equal() {
        let mut uniform = crate::transport::exact::masses(6, None, 4, None).unwrap();
        refine(&mut uniform);
        assert!(uniform.total > UNITS / 2 && uniform.total <= UNITS);
        assert!(uniform.supply.iter().all(|&x| x == uniform.total / 6));
        assert!(uniform.demand.iter().all(|&x| x == uniform.total / 4));
        assert_eq!(uniform.supply.iter().sum::<u64>(), uniform.demand.iter().sum::<u64>());
    }
}
