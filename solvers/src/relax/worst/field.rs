//! What the duals of several tasks say of the rows, smoothed.
//!
//! For shares θ_t of the tasks and h_j = θ_t g_j, the value of row i is u_i = Σ_t max_{j∈t} (h_j − θ_t c_ij) − Σ_r y_r A_ri with
//! prices y_r of limits. Smoothed by ε, the largest of some numbers is ε log Σ exp(·/ε), and a row is chosen to the part f_i
//! that the logistic function of (u_i − σ)/ε says, where the threshold σ makes Σ f_i the number of rows asked for. So every
//! number that follows has derivatives, which are sums over few rows: only those near the threshold or above it, and of these
//! only the queries that are nearly the best reply.
//!
//! Limit: one pass over all costs for the largest of each task, 8·N·M bytes.

use std::ops::Range;

use rayon::prelude::*;

use crate::relax::constrained::sides::Sides;
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
    /// Limits with prices, less what the rows that are kept use: these bear none.
    pub(super) sides: Option<Sides<'a>>,
    /// Rows to choose of those that are free.
    pub(super) room: usize,
    /// Rows to choose.
    pub(super) budget: usize,
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
    /// kσ + ε Σ log(1 + exp((u_i − σ)/ε)) of the free rows, and Σ u_i of those kept.
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

    /// The sum of the values of the rows that are kept, and of the best ones of the others; with the value of the last of these.
    pub(super) fn support(&self, values: &[f64]) -> (f64, f64) {
        let kept: f64 = self.of(RowState::Kept).map(|at| values[at]).sum();
        if self.room == 0 {
            // All of them are chosen: the least is the last.
            let least = self.of(RowState::Kept).map(|at| values[at]).reduce(f64::min);
            return (kept, least.unwrap_or(0.0));
        }
        let mut free: Vec<f64> = self.of(RowState::Free).map(|at| values[at]).collect();
        let (best, last, _) = free.select_nth_unstable_by(self.room - 1, |a, b| b.total_cmp(a));
        // In one order, whatever the selection left.
        best.sort_unstable_by(|a, b| b.total_cmp(a));
        (kept + best.iter().sum::<f64>() + *last, *last)
    }

    /// The rows that count at these duals, smoothed by `epsilon`.
    pub(super) fn level(&self, duals: &Duals, epsilon: f64) -> Level {
        let values = self.values(duals);
        // Smoothing adds at most this to a value, and the threshold is no lower than what makes one row more than are
        // chosen count as so many.
        let added = self.spans.iter().map(|span| (span.len() as f64).ln()).sum::<f64>();
        let below = epsilon * (added + ((self.room + 1) as f64).ln() + NOTHING);
        let mut free: Vec<f64> = self.of(RowState::Free).map(|at| values[at]).collect();
        let bar = match self.room {
            0 => f64::INFINITY,
            room if room >= free.len() => f64::NEG_INFINITY,
            room => *free.select_nth_unstable_by(room, |a, b| b.total_cmp(a)).1 - below,
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
        let free: Vec<f64> = rows.iter().filter(is_free).map(|row| row.1).collect();
        let threshold = threshold(&free, self.room, epsilon);
        let kept: f64 = rows.iter().filter(|row| !is_free(row)).map(|row| row.1).sum();
        let above: f64 = free.iter().map(|value| epsilon * softplus((value - threshold) / epsilon)).sum();
        Level { support: self.room as f64 * threshold + above + kept, rows, threshold }
    }

    /// The smoothed value of a row.
    fn value(&self, at: usize, duals: &Duals, epsilon: f64) -> f64 {
        let line = self.line(at);
        let of_task = |(span, &share): (&Range<usize>, &f64)| {
            let (h, costs) = (&duals.potentials[span.clone()], &line[span.clone()]);
            let most = largest(h, costs, share);
            let parts = h.iter().zip(costs).map(|(h, cost)| (h - share * cost - most) / epsilon);
            let sum: f64 = parts.filter(|below| *below > -NOTHING).map(exp).sum();
            most + epsilon * sum.ln()
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
    let mut lanes = [f64::NEG_INFINITY; 8];
    let (h, h_rest) = h.as_chunks::<8>();
    let (costs, costs_rest) = costs.as_chunks::<8>();
    for (h, costs) in h.iter().zip(costs) {
        for lane in 0..8 {
            let value = h[lane] - share * costs[lane];
            lanes[lane] = if value > lanes[lane] { value } else { lanes[lane] };
        }
    }
    let rest = h_rest.iter().zip(costs_rest).map(|(h, cost)| h - share * cost);
    rest.chain(lanes).fold(f64::NEG_INFINITY, f64::max)
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

/// The number at which Σ logistic((u − σ)/ε) is `room`: Newton's method in a bracket. There are more numbers than that.
fn threshold(values: &[f64], room: usize, epsilon: f64) -> f64 {
    if room == 0 || values.len() <= room {
        return 0.0;
    }
    let wanted = room as f64;
    let spread = epsilon * (NOTHING + (values.len() as f64).ln());
    let mut low = values.iter().copied().fold(f64::INFINITY, f64::min) - spread;
    let mut high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max) + spread;
    let mut sorted = values.to_vec();
    let mut at = *sorted.select_nth_unstable_by(room - 1, |a, b| b.total_cmp(a)).1;
    for _ in 0..100 {
        let (mut sum, mut slope) = (0.0, 0.0);
        for value in values {
            let part = logistic((value - at) / epsilon);
            sum += part;
            slope += part * (1.0 - part) / epsilon;
        }
        let excess = sum - wanted;
        if excess.abs() <= 1e-12 * wanted {
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
