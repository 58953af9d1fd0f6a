//! Plans compressed by rows, without the entries that are too small to matter.

use kantor_theory::{SparsePlan, TransportProblem};
use rayon::prelude::*;
use sprs::CsMat;

use super::rows::{blocks, costs_of, gibbs_row, log_reference};
use crate::solver::{Plan, Solution, SolveError, within};

/// Bytes of an entry: its column and its mass.
const ENTRY: u64 = 16;

/// A plan and what was left out of it.
#[derive(Debug, Clone, PartialEq)]
pub struct ThresholdedPlan {
    /// Masses by row (taking part) and query.
    pub plan: CsMat<f64>,
    /// Sum of the masses that are in it.
    pub kept: f64,
    /// Sum of the masses that are not.
    pub dropped: f64,
}

/// The plan of `solution` without entries that are less than `threshold` of the mass of their row.
///
/// What is dropped of a row is less than `threshold`·M of its mass. One pass over the costs for a Gibbs plan; 16 bytes
/// per entry that is kept.
///
/// # Errors
/// If there is no plan, the potentials do not fit the problem, or the entries take more than `memory` bytes.
pub fn thresholded(
    problem: &TransportProblem<'_>,
    solution: &Solution,
    threshold: f64,
    memory: u64,
) -> Result<ThresholdedPlan, SolveError> {
    let (n, m) = (problem.row_count(), problem.geometry.query_len());
    let mut kept = Kept { indptr: vec![0], indices: Vec::new(), values: Vec::new(), dropped: 0.0, threshold, memory };
    let absent = SolveError::Unsupported { solver: "the plan", fault: "is not made by this solver: take another" };
    match &solution.plan {
        Plan::Absent => return Err(absent),
        Plan::Sparse(plan) if plan.is_csr() && plan.shape() == (n, m) => {
            for row in plan.outer_iterator() {
                kept.row(row.iter().map(|(j, &mass)| (j, mass)))?;
            }
        }
        Plan::Sparse(_) => return Err(absent),
        Plan::Gibbs => {
            let (f, g) = (&solution.potentials.pool, &solution.potentials.query);
            if f.len() != n || g.len() != m || problem.epsilon <= 0.0 {
                return Err(absent);
            }
            let offset = log_reference(problem.reference, problem.weights.query.as_deref(), m);
            let log_row = log_reference(problem.reference, problem.weights.subset.as_deref(), n);
            for span in blocks(problem) {
                let costs = costs_of(problem, span.clone());
                let mut lines = vec![0.0; costs.len()];
                lines
                    .par_chunks_exact_mut(m)
                    .zip(costs.par_chunks_exact(m))
                    .zip(span.clone().into_par_iter())
                    .for_each(|((line, costs), i)| {
                        let largest = gibbs_row(costs, &offset, g, problem.epsilon, line);
                        let factor = (log_row[i] + f[i] / problem.epsilon + largest).exp();
                        line.iter_mut().for_each(|x| *x = if *x > 0.0 { *x * factor } else { 0.0 });
                    });
                for line in lines.chunks_exact(m) {
                    kept.row(line.iter().copied().enumerate())?;
                }
            }
        }
    }
    Ok(kept.finish(n, m))
}

/// The same masses as shares of their sum.
pub fn compressed(plan: &SparsePlan, rows: usize, queries: usize) -> CsMat<f64> {
    let total = plan.total() as f64;
    let mut indptr = vec![0; rows + 1];
    let (mut indices, mut values) = (Vec::with_capacity(plan.len()), Vec::with_capacity(plan.len()));
    for (position, query, mass) in plan.entries() {
        indptr[position + 1] += 1;
        indices.push(query);
        values.push(mass as f64 / total);
    }
    for position in 0..rows {
        indptr[position + 1] += indptr[position];
    }
    CsMat::new((rows, queries), indptr, indices, values)
}

/// Rows of a compressed plan as they come.
struct Kept {
    indptr: Vec<usize>,
    indices: Vec<usize>,
    values: Vec<f64>,
    dropped: f64,
    threshold: f64,
    memory: u64,
}

impl Kept {
    fn row(&mut self, entries: impl Iterator<Item = (usize, f64)> + Clone) -> Result<(), SolveError> {
        let least = self.threshold * entries.clone().map(|(_, mass)| mass).sum::<f64>();
        for (j, mass) in entries {
            if mass > 0.0 && mass >= least {
                self.indices.push(j);
                self.values.push(mass);
            } else {
                self.dropped += mass;
            }
        }
        self.indptr.push(self.indices.len());
        within("the plan", self.indices.len() as u64 * ENTRY, self.memory)
    }

    fn finish(self, rows: usize, queries: usize) -> ThresholdedPlan {
        let kept = self.values.iter().sum();
        let plan = CsMat::new((rows, queries), self.indptr, self.indices, self.values);
        ThresholdedPlan { plan, kept, dropped: self.dropped }
    }
}
