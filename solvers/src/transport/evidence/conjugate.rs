//! Potentials that are feasible for the linear problem, from any others.

use kantor_theory::TransportProblem;
use rayon::prelude::*;

use super::rows::{blocks, costs_of};

/// The twice conjugate of g: f_i = min_j (c_ij^p − g_j), then g_j = min_i (c_ij^p − f_i) over the rows with weight.
///
/// The dual value of the linear problem never falls by it. Entries that are not finite (queries without weight, solvers
/// that broke down) are left out at first and get the largest value that the others allow; if no entry is finite, all
/// start from 0. One pass over the costs.
pub fn conjugate(problem: &TransportProblem<'_>, g: &[f64]) -> Vec<f64> {
    let m = problem.geometry.query_len();
    let start: Vec<f64> = if g.len() == m && g.iter().any(|g| g.is_finite()) {
        g.iter().map(|&g| if g.is_finite() { g } else { f64::NEG_INFINITY }).collect()
    } else {
        vec![0.0; m]
    };
    let weights = problem.weights.subset.as_deref();
    let counts = |position: usize| weights.is_none_or(|weights| weights[position] > 0.0);
    let least = |mut a: Vec<f64>, b: Vec<f64>| {
        a.iter_mut().zip(b).for_each(|(a, b)| *a = a.min(b));
        a
    };
    let mut found = vec![f64::INFINITY; m];
    for span in blocks(problem) {
        let costs = costs_of(problem, span.clone());
        let reply = |mut least: Vec<f64>, (position, costs): (usize, &[f64])| {
            if counts(position) {
                let f = costs.iter().zip(&start).map(|(cost, g)| cost - g).fold(f64::INFINITY, f64::min);
                least.iter_mut().zip(costs).for_each(|(least, cost)| *least = least.min(cost - f));
            }
            least
        };
        let lines = span.into_par_iter().zip(costs.par_chunks_exact(m));
        let block = lines.fold(|| vec![f64::INFINITY; m], reply).reduce(|| vec![f64::INFINITY; m], least);
        found = least(found, block);
    }
    // No query has potential −0, whatever the order of the minima.
    found.iter_mut().for_each(|g| *g += 0.0);
    found
}
