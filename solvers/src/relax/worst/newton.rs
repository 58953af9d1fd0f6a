//! The step of Newton's method on the smoothed dual, which is concave.
//!
//! Unknowns are h, the prices of those limits that have one, and θ with Σ θ = 1, of which the last is eliminated; the threshold σ
//! is chosen anew at every point and eliminated too. With parts p_ij of the replies and q_i = (p_ij, −A_ri, −Σ_j p_ij c_ij), all by
//! task, the Hessian is −1/(kε) times Σ_i f_i Σ_t Cov_t + Σ_i f_i (1 − f_i) q_i q_iᵀ − (Σ_i f_i (1 − f_i) q_i)(…)ᵀ/Σ_i f_i (1 − f_i),
//! less what the entropy of θ and of the room of limits have on the diagonal.
//!
//! Where tokens are the budget, f_i has the tokens of the row as a factor, but 1 − f_i has not.
//! Where ε is large, many queries reply to each of many rows, and only some of the rows enter the Hessian: it need not be exact.
//!
//! Limit: D²·8 bytes for each of [`PARTS`] sums of D unknowns, and D³/6 operations.

use rayon::prelude::*;

use super::field::{Duals, Field, Level, logistic};
use crate::transport::linalg::fixed;

/// Sums that are made at the same time: a fixed number, so that they do not depend on that of threads.
const PARTS: usize = 8;

/// Rows of which less is chosen, and replies that have less of a row, are left out of the Hessian.
const LEAST_CURVATURE: f64 = 1e-4;

/// Products of pairs of replies that the Hessian is made of, about, at most.
const MOST_PRODUCTS: usize = 1 << 26;

/// Rows that tell how many queries reply to one.
const PROBES: usize = 32;

/// No unknown, or no task.
const NONE: usize = usize::MAX;

/// A limit with a price: its side, and the ends of what free rows may use.
#[derive(Debug, Clone, Copy)]
pub(super) struct Priced {
    pub(super) side: usize,
    pub(super) least: f64,
    pub(super) most: f64,
    /// What a row uses on average.
    pub(super) scale: f64,
}

/// The derivatives of the smoothed dual at a point.
pub(super) struct Slope {
    gradient: Vec<f64>,
    /// Minus the Hessian; the lower triangle.
    curvature: Vec<f64>,
}

/// Bytes for so many unknowns.
pub(super) fn bytes(unknowns: usize) -> u64 {
    8 * (PARTS as u64 + 2) * (unknowns as u64) * (unknowns as u64)
}

/// Of Σ b h less what is chosen and the room of limits, plus the entropy of θ.
pub(super) fn slope(
    field: &Field<'_>,
    weights: &[f64],
    priced: &[Priced],
    duals: &Duals,
    level: &Level,
    epsilon: f64,
) -> Slope {
    let (m, tasks, limits) = (field.queries(), field.spans.len(), priced.len());
    let (first_share, size) = (m + limits, m + limits + tasks);
    let k = field.budget;
    let task_of: Vec<usize> = field.spans.iter().enumerate().flat_map(|(task, span)| vec![task; span.len()]).collect();
    let mut unknown_of = vec![NONE; duals.prices.len()];
    priced.iter().enumerate().for_each(|(at, priced)| unknown_of[priced.side] = m + at);

    let chosen = field.chosen(epsilon, level);
    let probes = chosen.iter().step_by((chosen.len() / PROBES).max(1));
    let counts: Vec<usize> = probes.map(|&(at, _)| field.reply(at, duals, epsilon).queries.len()).collect();
    let squares = counts.iter().map(|count| count * count).sum::<usize>() / counts.len().max(1);
    let stride = (squares.saturating_mul(chosen.len()) / MOST_PRODUCTS + 1).min(PROBES);
    let unknowns = Unknowns { field, duals, epsilon, task_of, unknown_of, first_share, size };
    let chunk = chosen.len().div_ceil(PARTS).max(1);
    let sums = chosen.par_chunks(chunk).map(|chosen| {
        let mut sums = Sums::new(size);
        chosen.iter().enumerate().for_each(|(place, row)| unknowns.add(row, place.is_multiple_of(stride), &mut sums));
        sums
    });
    let all = sums.collect::<Vec<_>>().into_iter().fold(Sums::new(size), Sums::plus);
    let Sums { mut gradient, mut curvature, mean, total, .. } = all;
    // Rows that were left out are as those that were not.
    curvature.iter_mut().for_each(|value| *value *= stride as f64);
    if total > 0.0 {
        for a in 0..size {
            let scale = stride as f64 * mean[a] / total;
            curvature[a * size..][..=a].iter_mut().zip(&mean).for_each(|(value, of_b)| *value -= scale * of_b);
        }
    }
    curvature.iter_mut().for_each(|value| *value /= k * epsilon);
    gradient.iter_mut().for_each(|value| *value /= k);
    add(&mut gradient[..m], weights);
    for (at, priced) in (m..).zip(priced) {
        let room = priced.most - priced.least;
        let part = logistic(duals.prices[priced.side] * priced.scale / epsilon);
        gradient[at] -= (priced.least + room * part) / k;
        curvature[at * (size + 1)] += room * part * (1.0 - part) * priced.scale / (k * epsilon);
    }
    for (at, share) in (first_share..).zip(&duals.shares) {
        gradient[at] -= epsilon * (share.ln() + 1.0);
        curvature[at * (size + 1)] += epsilon / share;
    }
    Slope { gradient, curvature }
}

/// Sums over rows.
struct Sums {
    gradient: Vec<f64>,
    curvature: Vec<f64>,
    /// Σ_i f_i (1 − f_i) q_i, and without q_i.
    mean: Vec<f64>,
    total: f64,
    /// Of the row at hand the q_i that are not zero: unknown, value, and the task whose covariance it is in.
    q: Vec<(usize, f64, usize)>,
}

impl Sums {
    fn new(size: usize) -> Self {
        let (gradient, curvature, mean) = (vec![0.0; size], vec![0.0; size * size], vec![0.0; size]);
        Self { gradient, curvature, mean, total: 0.0, q: Vec::new() }
    }

    fn plus(mut self, other: Self) -> Self {
        add(&mut self.gradient, &other.gradient);
        add(&mut self.curvature, &other.curvature);
        add(&mut self.mean, &other.mean);
        self.total += other.total;
        self
    }
}

/// What the unknowns are: potentials, prices, shares.
struct Unknowns<'a> {
    field: &'a Field<'a>,
    duals: &'a Duals,
    epsilon: f64,
    /// Of every query.
    task_of: Vec<usize>,
    /// Of every side the unknown that is its price, if it has one.
    unknown_of: Vec<usize>,
    first_share: usize,
    size: usize,
}

impl Unknowns<'_> {
    /// Adds a row that is chosen to a part; to the Hessian only if it is `curved`.
    fn add(&self, &(at, part): &(usize, f64), curved: bool, sums: &mut Sums) {
        let Self { field, size, first_share, .. } = *self;
        let Sums { gradient, curvature, mean, total, q } = sums;
        let reply = field.reply(at, self.duals, self.epsilon);
        let mass = field.masses[at] * part;
        q.clear();
        reply.queries.iter().for_each(|&(query, of)| gradient[query] -= mass * of);
        let large = reply.queries.iter().filter(|(_, of)| *of >= LEAST_CURVATURE);
        q.extend(large.map(|&(query, of)| (query, of, self.task_of[query])));
        let queries = q.len();
        let uses = field.uses(at).map(|(side, amount)| (self.unknown_of[side], -amount, NONE));
        q.extend(uses.filter(|(unknown, ..)| *unknown != NONE));
        q[queries..].sort_unstable_by_key(|(unknown, ..)| *unknown);
        let costs = reply.costs.iter().enumerate();
        q.extend(costs.map(|(task, (mean, _))| (first_share + task, -mean, task)));
        q[queries..].iter().for_each(|&(unknown, value, _)| gradient[unknown] -= mass * value);
        if !curved || part < LEAST_CURVATURE {
            return;
        }
        let line = field.line(at);
        for &(query, of, task) in &q[..queries] {
            curvature[query * (size + 1)] += mass * of;
            curvature[(first_share + task) * size + query] -= mass * of * line[query];
        }
        for (task, (_, square)) in reply.costs.iter().enumerate() {
            curvature[(first_share + task) * (size + 1)] += mass * square;
        }
        let varies = mass * (1.0 - part);
        for (place, &(a, of_a, task)) in q.iter().enumerate() {
            let row = &mut curvature[a * size..][..size];
            for &(b, of_b, other) in &q[..=place] {
                let same = task == other && task != NONE;
                row[b] += of_a * of_b * if same { varies - mass } else { varies };
            }
            mean[a] += varies * of_a;
        }
        *total += varies;
    }
}

impl Slope {
    /// The step with `damping`, and by how much the linear part of the dual rises along it; `None` if there is none.
    pub(super) fn step(&self, tasks: usize, damping: f64) -> Option<(Vec<f64>, f64)> {
        let size = self.gradient.len();
        let (last, shares) = (size - 1, size - tasks..size - 1);
        let of_last = |at: usize| self.curvature[last * size + at];
        // θ_T = 1 − Σ of the others.
        let is_share = |at: usize| f64::from(u8::from(shares.contains(&at)));
        let mut matrix = vec![0.0; last * last];
        for a in 0..last {
            for b in 0..=a {
                let (in_a, in_b) = (is_share(a), is_share(b));
                matrix[a * last + b] =
                    self.curvature[a * size + b] - in_a * of_last(b) - in_b * of_last(a) + in_a * in_b * of_last(last);
            }
        }
        let trace: f64 = (0..last).map(|at| matrix[at * (last + 1)].max(0.0)).sum();
        let floor = 1e-9 * trace / last as f64;
        for at in 0..last {
            let diagonal = &mut matrix[at * (last + 1)];
            *diagonal = diagonal.max(0.0) * (1.0 + damping) + floor.max(f64::MIN_POSITIVE);
        }
        let gradient = |at: usize| self.gradient[at] - is_share(at) * self.gradient[last];
        let mut step: Vec<f64> = (0..last).map(gradient).collect();
        if !fixed::solve(&mut matrix, &mut step) {
            return None;
        }
        let rise = step.iter().enumerate().map(|(at, step)| step * gradient(at)).sum();
        step.push(-step[shares].iter().sum::<f64>());
        step.iter().all(|x| x.is_finite()).then_some((step, rise))
    }
}

fn add(to: &mut [f64], of: &[f64]) {
    to.iter_mut().zip(of).for_each(|(to, of)| *to += of);
}
