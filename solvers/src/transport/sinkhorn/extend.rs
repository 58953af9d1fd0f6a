//! Potentials of points without weight: what the best reply to the others would be.
//!
//! f_i = −ε(1 − θ) ln Σ_j β_j exp((g_j − c_ij)/ε) and the same for queries with α: the limit as the weight tends to 0
//! where the reference is the product of the weights. Such points carry nothing, but bounds and warm starts read their
//! potentials. Limit: the costs of these points, one exponential each.

use kantor_theory::TransportProblem;

use super::costs::Costs;
use super::exp;
use super::measures::Measures;
use super::penalty::Penalty;

/// Rows at a time.
const ROWS: usize = 480;

/// All pool potentials: `f` where `active` says so (everywhere if `None`).
pub(crate) fn pool(
    problem: &TransportProblem<'_>,
    penalty: &Penalty,
    measures: &Measures,
    active: Option<&[usize]>,
    queries: Option<&[usize]>,
    f: Vec<f64>,
    g: &[f64],
) -> Vec<f64> {
    let Some(active) = active else { return f };
    let mut all = spread(active, f, problem.row_count());
    let idle: Vec<usize> = (0..all.len()).filter(|&i| all[i].is_nan()).collect();
    let rows: Vec<usize> = idle.iter().map(|&i| problem.row(i)).collect();
    let costs = Costs::between(problem.geometry, problem.power, Some(&rows), queries, 0);
    let mut buffer = Vec::new();
    for first in (0..idle.len()).step_by(ROWS) {
        let last = (first + ROWS).min(idle.len());
        let values = costs.rows(first..last, &mut buffer);
        for (&i, c) in idle[first..last].iter().zip(values.chunks_exact(g.len())) {
            let mut sum = LogSum::default();
            for ((g, c), base) in g.iter().zip(c).zip(&measures.base) {
                sum.add((g - c) / penalty.epsilon, *base);
            }
            all[i] = sum.reply(penalty.epsilon * (1.0 - penalty.theta()));
        }
    }
    all
}

/// All query potentials: `g` where `active` says so (everywhere if `None`).
pub(crate) fn query(
    problem: &TransportProblem<'_>,
    penalty: &Penalty,
    measures: &Measures,
    rows: Option<&[usize]>,
    active: Option<&[usize]>,
    f: &[f64],
    g: Vec<f64>,
) -> Vec<f64> {
    let Some(active) = active else { return g };
    let mut all = spread(active, g, problem.geometry.query_len());
    let idle: Vec<usize> = (0..all.len()).filter(|&j| all[j].is_nan()).collect();
    let costs = Costs::between(problem.geometry, problem.power, rows, Some(&idle), 0);
    let mut sums = vec![LogSum::default(); idle.len()];
    let mut buffer = Vec::new();
    for first in (0..f.len()).step_by(ROWS) {
        let last = (first + ROWS).min(f.len());
        let values = costs.rows(first..last, &mut buffer);
        for (i, c) in (first..last).zip(values.chunks_exact(idle.len())) {
            for (sum, c) in sums.iter_mut().zip(c) {
                sum.add((f[i] - c) / penalty.epsilon, measures.row_base(i));
            }
        }
    }
    for (j, sum) in idle.into_iter().zip(sums) {
        all[j] = sum.reply(penalty.epsilon * (1.0 - penalty.query_theta()));
    }
    all
}

/// The values at their places among `count`, NaN elsewhere.
fn spread(places: &[usize], values: Vec<f64>, count: usize) -> Vec<f64> {
    let mut all = vec![f64::NAN; count];
    places.iter().zip(values).for_each(|(&at, value)| all[at] = value);
    all
}

/// ln Σ w e^z without overflow.
#[derive(Debug, Clone, Copy)]
struct LogSum {
    greatest: f64,
    sum: f64,
}

impl Default for LogSum {
    fn default() -> Self {
        Self { greatest: f64::NEG_INFINITY, sum: 0.0 }
    }
}

impl LogSum {
    fn add(&mut self, z: f64, weight: f64) {
        if z > self.greatest {
            self.sum *= exp::exp(self.greatest - z);
            self.greatest = z;
        }
        if self.greatest > f64::NEG_INFINITY {
            self.sum += weight * exp::exp(z - self.greatest);
        }
    }

    /// −scale·ln Σ; 0 where nothing is within reach.
    fn reply(self, scale: f64) -> f64 {
        let value = -scale * (self.greatest + self.sum.ln());
        if value.is_finite() { value } else { 0.0 }
    }
}
