//! What the duals of several tasks say of the rows, smoothed.
//!
//! For shares θ_t of the tasks and h_j = θ_t g_j, the value of row i is u_i = Σ_t max_{j∈t} (h_j − θ_t c_ij) − Σ_r y_r A_ri with
//! prices y_r of limits. Where tokens are the budget, values are of a token, and a row has as many as it is long. Smoothed by ε, the largest of some numbers is ε log Σ exp(·/ε), and a row is chosen to the part f_i
//! that the logistic function of (u_i − σ)/ε says, where the threshold σ makes Σ f_i the number of rows asked for. So every
//! number that follows has derivatives, which are sums over few rows: only those near the threshold or above it, and of these
//! only the queries that are nearly the best reply.
//!
//! Limit: one pass over all costs for the largest of each task, 8·N·M bytes.

use std::ops::Range;

use rayon::prelude::*;

use crate::relax::constrained::sides::Sides;
use crate::simd;
use crate::transport::sinkhorn::exp::exp;

/// Rows whose values one task of the thread pool evaluates.
const ROWS: usize = 256;

/// Parts below e^−20 count as none: of replies, and of rows.
const NOTHING: f64 = 20.0;

/// Rows of which less is chosen, and replies that have less of a row, are left out of derivatives.
const LEAST_PART: f64 = 1e-8;

/// Which rows there are and what they cost.
pub(super) struct Field<'a> {
    /// Pool rows, ascending.
    pub(super) rows: &'a [usize],
    /// Rows×M.
    pub(super) costs: &'a [f64],
    /// The queries of every task.
    pub(super) spans: Vec<Range<usize>>,
    pub(super) states: Vec<RowState>,
    /// What every row counts of the budget: one, or its tokens.
    pub(super) masses: Vec<f64>,
    /// Limits with prices, less what the rows that are kept use: these bear none.
    pub(super) sides: Option<Sides<'a>>,
    /// What is to be chosen of the rows that are free.
    pub(super) room: f64,
    /// What is to be chosen in all.
    pub(super) budget: f64,
}

/// What constraints say of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RowState {
    Free,
    /// It must be chosen, or all rows are.
    Kept,
    /// It must not be chosen.
    Absent,
}

/// Duals: shares of the tasks, potentials of the queries times the share of their task, and prices of all limits.
#[derive(Debug, Clone)]
pub(super) struct Duals {
    pub(super) shares: Vec<f64>,
    pub(super) potentials: Vec<f64>,
    pub(super) prices: Vec<f64>,
}

/// The smoothed values of the rows near the threshold or above it.
pub(super) struct Level {
    /// Positions and values.
    rows: Vec<(usize, f64)>,
    /// The threshold σ; 0 if there is no free row to choose.
    threshold: f64,
    /// kσ + ε Σ t_i log(1 + exp((u_i − σ)/ε)) of the free rows of masses t_i, and Σ t_i u_i of those kept.
    pub(super) support: f64,
}

/// Where the mass of a row goes.
pub(super) struct Reply {
    /// Of its mass at each task the queries and parts, all tasks after each other.
    pub(super) queries: Vec<(usize, f64)>,
    /// Of every task its mean cost there, and its mean squared cost.
    pub(super) costs: Vec<(f64, f64)>,
}

impl Field<'_> {
    pub(super) fn line(&self, at: usize) -> &[f64] {
        let m = self.queries();
        &self.costs[at * m..][..m]
    }

    pub(super) fn queries(&self) -> usize {
        self.spans.last().map_or(0, |span| span.end)
    }

    /// The limits with prices that a row at a position uses, if it bears them, and how much.
    pub(super) fn uses(&self, at: usize) -> impl Iterator<Item = (usize, f64)> + '_ {
        let sides = self.sides.as_ref().filter(|_| self.states[at] == RowState::Free);
        sides.into_iter().flat_map(move |sides| sides.uses(self.rows[at]).flatten())
    }

    /// The values of all rows without smoothing; minus infinity of those that must not be chosen.
    pub(super) fn values(&self, duals: &Duals) -> Vec<f64> {
        let m = self.queries();
        let value = |at: usize, line: &[f64]| match self.states[at] {
            RowState::Free => self.value_of(self.rows[at], line, duals),
            RowState::Kept => self.reply_of(line, duals),
            RowState::Absent => f64::NEG_INFINITY,
        };
        let chunks = self.costs.par_chunks(ROWS * m).enumerate();
        let of = |(chunk, costs): (usize, &[f64])| {
            costs.chunks_exact(m).zip(chunk * ROWS..).map(|(line, at)| value(at, line)).collect::<Vec<f64>>()
        };
        chunks.map(of).collect::<Vec<_>>().concat()
    }

    /// The value of a pool row that is free and has these costs, without smoothing.
    pub(super) fn value_of(&self, row: usize, line: &[f64], duals: &Duals) -> f64 {
        self.reply_of(line, duals) - self.sides.as_ref().map_or(0.0, |sides| sides.charge(row, &duals.prices))
    }

    fn reply_of(&self, line: &[f64], duals: &Duals) -> f64 {
        let of_task = |(span, &share): (&Range<usize>, &f64)| {
            largest(&duals.potentials[span.clone()], &line[span.clone()], share)
        };
        self.spans.iter().zip(&duals.shares).map(of_task).sum()
    }

    /// The sum of the values of what is kept, and of the best of the others; with the value of the last of these.
    pub(super) fn support(&self, values: &[f64]) -> (f64, f64) {
        let kept: f64 = self.of(RowState::Kept).map(|at| self.masses[at] * values[at]).sum();
        if self.room <= 0.0 {
            // All of them are chosen: the least is the last.
            let least = self.of(RowState::Kept).map(|at| values[at]).reduce(f64::min);
            return (kept, least.unwrap_or(0.0));
        }
        let (mut left, mut before, mut last) = (self.room, 0.0, (0.0, 0.0));
        for (value, mass) in self.descending(values) {
            if left <= 0.0 {
                break;
            }
            before += last.0 * last.1;
            last = (value, mass.min(left));
            left -= mass;
        }
        (kept + before + last.0 * last.1, last.0)
    }

    /// The values and masses of the free rows, the largest value first.
    fn descending(&self, values: &[f64]) -> Vec<(f64, f64)> {
        let mut free: Vec<(f64, f64)> = self.of(RowState::Free).map(|at| (values[at], self.masses[at])).collect();
        free.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.total_cmp(&b.1)));
        free
    }

    /// The rows that count at these duals, smoothed by `epsilon`.
    pub(super) fn level(&self, duals: &Duals, epsilon: f64) -> Level {
        let values = self.values(duals);
        // Smoothing adds at most this to a value, and the threshold is no lower than what makes one row (or token) more than
        // are chosen count as so many.
        let added = self.spans.iter().map(|span| (span.len() as f64).ln()).sum::<f64>();
        let below = epsilon * (added + (self.room + 1.0).ln() + NOTHING);
        let bar = match end_of(&self.descending(&values), self.room) {
            _ if self.room <= 0.0 => f64::INFINITY,
            None => f64::NEG_INFINITY,
            Some(value) => value - below,
        };
        let counts = |at: &usize| match self.states[*at] {
            RowState::Free => values[*at] >= bar,
            RowState::Kept => true,
            RowState::Absent => false,
        };
        let active: Vec<usize> = (0..values.len()).filter(counts).collect();
        let of = |rows: &[usize]| rows.iter().map(|&at| (at, self.value(at, duals, epsilon))).collect::<Vec<_>>();
        let rows: Vec<(usize, f64)> = active.par_chunks(ROWS / 4).map(of).collect::<Vec<_>>().concat();
        let is_free = |row: &&(usize, f64)| self.states[row.0] == RowState::Free;
        let of = |&(at, value): &(usize, f64)| (value, self.masses[at]);
        let free: Vec<(f64, f64)> = rows.iter().filter(is_free).map(of).collect();
        let threshold = threshold(&free, self.room, epsilon);
        let kept: f64 = rows.iter().filter(|row| !is_free(row)).map(of).map(|(value, mass)| value * mass).sum();
        let above: f64 =
            free.iter().map(|(value, mass)| mass * (epsilon * softplus((value - threshold) / epsilon))).sum();
        Level { support: self.room * threshold + above + kept, rows, threshold }
    }

    /// The smoothed value of a row.
    fn value(&self, at: usize, duals: &Duals, epsilon: f64) -> f64 {
        let line = self.line(at);
        let of_task = |(span, &share): (&Range<usize>, &f64)| {
            let (h, costs) = (&duals.potentials[span.clone()], &line[span.clone()]);
            let most = largest(h, costs, share);
            most + epsilon * sum_of_exponentials(h, costs, (share, most, epsilon)).ln()
        };
        self.spans.iter().zip(&duals.shares).map(of_task).sum::<f64>()
            - self.uses(at).map(|(side, amount)| duals.prices[side] * amount).sum::<f64>()
    }

    /// The rows of a level that are chosen to some part, with these parts.
    pub(super) fn chosen(&self, epsilon: f64, level: &Level) -> Vec<(usize, f64)> {
        let part = |&(at, value): &(usize, f64)| match self.states[at] {
            RowState::Free => (at, logistic((value - level.threshold) / epsilon)),
            _ => (at, 1.0),
        };
        level.rows.iter().map(part).filter(|(_, part)| *part >= LEAST_PART).collect()
    }

    /// Who replies to a row.
    pub(super) fn reply(&self, at: usize, duals: &Duals, epsilon: f64) -> Reply {
        let line = self.line(at);
        let (mut queries, mut costs) = (Vec::new(), Vec::with_capacity(self.spans.len()));
        for (span, &share) in self.spans.iter().zip(&duals.shares) {
            let (h, of_task) = (&duals.potentials[span.clone()], &line[span.clone()]);
            let most = largest(h, of_task, share);
            let first = queries.len();
            let mut sum = 0.0;
            for (query, (h, cost)) in (span.start..).zip(h.iter().zip(of_task)) {
                let below = (h - share * cost - most) / epsilon;
                if below > -NOTHING {
                    let part = exp(below);
                    sum += part;
                    queries.push((query, part));
                }
            }
            let (mut mean, mut square) = (0.0, 0.0);
            for (query, part) in &mut queries[first..] {
                *part /= sum;
                let cost = line[*query];
                mean += *part * cost;
                square += *part * cost * cost;
            }
            costs.push((mean, square));
        }
        queries.retain(|(_, part)| *part >= LEAST_PART);
        Reply { queries, costs }
    }

    /// The positions in a state.
    fn of(&self, state: RowState) -> impl Iterator<Item = usize> + '_ {
        (0..self.states.len()).filter(move |&at| self.states[at] == state)
    }
}

/// max_j (h_j − θ c_j), in eight lanes.
fn largest(h: &[f64], costs: &[f64], share: f64) -> f64 {
    let (h, h_rest) = h.as_chunks::<8>();
    let (costs, costs_rest) = costs.as_chunks::<8>();
    let lanes = simd::wide(
        #[inline(always)]
        || {
            let mut lanes = [f64::NEG_INFINITY; 8];
            for (h, costs) in h.iter().zip(costs) {
                for lane in 0..8 {
                    let value = h[lane] - share * costs[lane];
                    lanes[lane] = if value > lanes[lane] { value } else { lanes[lane] };
                }
            }
            lanes
        },
    );
    let rest = h_rest.iter().zip(costs_rest).map(|(h, cost)| h - share * cost);
    rest.chain(lanes).fold(f64::NEG_INFINITY, f64::max)
}

/// Σ_j exp((h_j − θ c_j − most)/ε) over the terms that are not [`NOTHING`], in eight lanes.
fn sum_of_exponentials(h: &[f64], costs: &[f64], (share, most, epsilon): (f64, f64, f64)) -> f64 {
    let (h, h_rest) = h.as_chunks::<8>();
    let (costs, costs_rest) = costs.as_chunks::<8>();
    let lanes = simd::wide(
        #[inline(always)]
        || {
            let mut lanes = [0.0; 8];
            for (h, costs) in h.iter().zip(costs) {
                for lane in 0..8 {
                    lanes[lane] += part((h[lane] - share * costs[lane] - most) / epsilon);
                }
            }
            lanes
        },
    );
    let rest = h_rest.iter().zip(costs_rest).map(|(h, cost)| part((h - share * cost - most) / epsilon));
    rest.chain(lanes).sum()
}

/// eˣ, or 0 if that is [`NOTHING`].
#[inline(always)]
fn part(below: f64) -> f64 {
    let part = exp(below);
    if below > -NOTHING { part } else { 0.0 }
}

/// 1/(1 + e^−x).
pub(super) fn logistic(x: f64) -> f64 {
    if x >= 0.0 {
        1.0 / (1.0 + exp(-x))
    } else {
        let e = exp(x);
        e / (1.0 + e)
    }
}

/// log(1 + e^x).
pub(super) fn softplus(x: f64) -> f64 {
    x.max(0.0) + exp(-x.abs()).ln_1p()
}

/// The first value, of values and masses by falling value, with which these are more than `mass`; `None` if all are no more.
fn end_of(descending: &[(f64, f64)], mass: f64) -> Option<f64> {
    let mut sum = 0.0;
    let more = |(_, of): &&(f64, f64)| {
        sum += of;
        sum > mass
    };
    descending.iter().find(more).map(|(value, _)| *value)
}

/// The number at which Σ t logistic((u − σ)/ε) is `room`, of values u with masses t: Newton's method in a bracket. The masses are
/// more than that.
fn threshold(values: &[(f64, f64)], room: f64, epsilon: f64) -> f64 {
    let total: f64 = values.iter().map(|(_, mass)| mass).sum();
    if room <= 0.0 || total <= room {
        return 0.0;
    }
    let spread = epsilon * (NOTHING + total.ln());
    let mut low = values.iter().fold(f64::INFINITY, |least, (value, _)| least.min(*value)) - spread;
    let mut high = values.iter().fold(f64::NEG_INFINITY, |most, (value, _)| most.max(*value)) + spread;
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.total_cmp(&b.1)));
    let mut at = end_of(&sorted, room - 0.5).unwrap_or(low);
    for _ in 0..100 {
        let (mut sum, mut slope) = (0.0, 0.0);
        for (value, mass) in values {
            let part = logistic((value - at) / epsilon);
            sum += mass * part;
            slope += mass * part * (1.0 - part) / epsilon;
        }
        let excess = sum - room;
        if excess.abs() <= 1e-12 * room {
            break;
        }
        if excess > 0.0 {
            low = at
        } else {
            high = at
        }
        let next = at + excess / slope;
        let inside = next > low && next < high;
        let next = if inside { next } else { low + 0.5 * (high - low) };
        if next == at {
            break;
        }
        at = next;
    }
    at
}
