//! Sinkhorn's alternating updates with over-relaxation, one pass per round, going uphill at every coordinate.
//!
//! A round replaces every pool potential f_i by f_i + ω(f* − f_i) for its best reply f* to the queries', shifts constant
//! mass between the sides to where D is largest (Séjourné, Vialard and Peyré, arXiv 2201.00730; nothing to do in the
//! balanced problem), and does the same to every g_j. This is block over-relaxation of a two-block problem: if the plain
//! rounds (ω = 1) contract by λ near the solution, ω = 2/(1 + √(1 − λ)) contracts by ω − 1, so the number of rounds falls to
//! about its root (Thibault, Chizat, Dossal and Papadakis, arXiv 1711.01851; Lehmann, von Renesse, Sambale and Uschmajew,
//! arXiv 2012.12562). λ is estimated from the residuals.
//!
//! Safeguard. With δ = f* − f and x = δ/ρ, y = −δ/ε, the change of D at one coordinate is the positive mass a e^{−f*/ρ}
//! times ρ R(x) + ε R(y) for R(x) = e^x − e^{(1−ω)x} − ωx = Σ_{n≥2} (1 − (1−ω)ⁿ) xⁿ/n!. For ω in [1, 2] all coefficients
//! are non-negative, so R ≥ 0 for x ≥ 0; for x < 0 it is as long as |x| is at most the root z(ω) of R(−z) = 0. So D rises
//! at every coordinate with −ρ z ≤ δ ≤ ε z, and any other takes f*, its best value. D is monotone without a trial.

use super::dual::{Dual, End, Goal, Patience, Point};
use super::exp;
use super::pass::{Ask, OverRelaxation};
use super::penalty::Penalty;
use super::weight::Weight;
use crate::watch::Stopped;

/// Rounds between two looks at the rate, at least.
const SPAN: usize = 6;

/// Largest ω: above it rates could not be told from rounding.
const MOST: f64 = 1.998;

/// Pool potentials and ω, which go on from one ε to the next.
pub(crate) struct Relaxed {
    /// f (N).
    rows: Vec<f64>,
    factor: f64,
    shift: f64,
}

impl Relaxed {
    /// No pool potentials yet.
    pub(crate) fn new(rows: usize) -> Self {
        Self { rows: vec![f64::NAN; rows], factor: 1.0, shift: 0.0 }
    }

    /// Goes round from `g` until the goal is met, and returns the query potentials.
    pub(crate) fn run<W: Weight>(
        &mut self,
        dual: &mut Dual<'_, W>,
        mut g: Vec<f64>,
        goal: Goal,
    ) -> Result<(Vec<f64>, End), Stopped> {
        let mut stuck = Patience::new();
        let mut rate = Rate::new();
        let mut before = f64::NEG_INFINITY;
        loop {
            let relaxation = OverRelaxation { factor: self.factor, reach: reach(self.factor), shift: self.shift };
            let point = dual.evaluate(g, Ask::Relaxed { relaxation, rows: &mut self.rows })?;
            if point.residual <= goal.tolerance {
                self.shift = 0.0;
                return Ok((point.g, End::Met));
            }
            if dual.passes >= goal.limit {
                self.shift = 0.0;
                return Ok((point.g, End::Limit));
            }
            if stuck.ends(&point, point.dual - before) || !point.dual.is_finite() {
                self.shift = 0.0;
                return Ok((point.g, End::Stuck));
            }
            before = point.dual;
            if let Some(factor) = rate.look(point.residual, self.factor) {
                self.factor = factor;
            }
            g = self.reply(dual, &point);
        }
    }

    /// The shift, then the queries' relaxed replies.
    fn reply<W: Weight>(&mut self, dual: &Dual<'_, W>, point: &Point) -> Vec<f64> {
        let Penalty { epsilon, pool, query } = dual.penalty;
        // D(f + t, g − t) is largest where Σ a e^{−(f+t)/ρ} = Σ b e^{−(g−t)/ρ}; a hard side's sum is 1.
        let softness = inverse(pool) + inverse(query);
        let log_pool = if pool == f64::INFINITY { 0.0 } else { point.sums.escape.ln_1p() };
        let log_query = if query == f64::INFINITY { 0.0 } else { point.target.iter().sum::<f64>().ln() };
        let shift = if softness > 0.0 { (log_pool - log_query) / softness } else { 0.0 };
        self.shift = if shift.is_finite() { shift } else { 0.0 };
        let (up, down) = (reach(self.factor) * epsilon, -reach(self.factor) * query);
        let reply = |j: usize| {
            let g = point.g[j] - self.shift;
            let lack = dual.penalty.log_slope(g) + exp::ln(dual.measures.queries[j])
                - exp::ln(point.sums.columns[j].max(f64::MIN_POSITIVE));
            let step = lack / dual.penalty.curvature();
            g + if step <= up && step >= down { self.factor * step } else { step }
        };
        (0..point.g.len()).map(reply).collect()
    }
}

fn inverse(rho: f64) -> f64 {
    if rho == f64::INFINITY { 0.0 } else { 1.0 / rho }
}

/// z(ω), from below: the root of e^{−z} − e^{(ω−1)z} + ωz.
fn reach(factor: f64) -> f64 {
    let rises = |z: f64| (-z).exp() - ((factor - 1.0) * z).exp() + factor * z >= 0.0;
    // At 40 the sign is that of the middle term; near 0 rounding would decide, and z is about 6(2 − ω) there.
    let (mut low, mut high) = (0.0, 40.0);
    if factor <= 1.0 {
        return f64::MAX;
    }
    for _ in 0..40 {
        let middle = 0.5 * (low + high);
        if rises(middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
    low
}

/// Estimates the rate of the plain rounds from residuals.
struct Rate {
    /// Residual at the beginning of the span, and rounds since.
    first: f64,
    rounds: usize,
    /// Rate of the last span, per round.
    last: f64,
}

impl Rate {
    fn new() -> Self {
        Self { first: f64::NAN, rounds: 0, last: f64::NAN }
    }

    /// A better ω after this residual, if it is time for one.
    fn look(&mut self, residual: f64, factor: f64) -> Option<f64> {
        if self.first.is_nan() {
            (self.first, self.rounds) = (residual, 0);
            return None;
        }
        self.rounds += 1;
        // The closer ω is to 2, the longer its transients.
        let span = SPAN.max((2.0 / (2.0 - factor)) as usize);
        if self.rounds < span {
            return None;
        }
        let rate = (residual / self.first).powf(1.0 / self.rounds as f64);
        let settled = (rate - self.last).abs() <= 0.1 * (1.0 - rate);
        *self = Self { first: residual, rounds: 0, last: rate };
        // What ω would give if λ were below the estimate that it stands for.
        let expected = factor - 1.0;
        if !settled || !(0.0..1.0).contains(&rate) || rate <= expected + 0.1 * (1.0 - expected) {
            return None;
        }
        // Young's relation between the rates μ under ω and λ of the plain rounds: (μ + ω − 1)² = λ ω² μ.
        let plain = (rate + factor - 1.0).powi(2) / (factor * factor * rate);
        let better = (2.0 / (1.0 + (1.0 - plain.min(1.0)).max(0.0).sqrt())).min(MOST);
        self.last = f64::NAN;
        (better > factor).then_some(better)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn within_reach_the_dual_rises() {
        for step in 1..100 {
            let factor = 1.0 + f64::from(step) / 100.0;
            let z = reach(factor);
            let series = |x: f64| x.exp() - ((1.0 - factor) * x).exp() - factor * x;
            assert!(z > 0.0 && (z > 39.0 || series(-1.01 * z) < 0.0), "{factor} {z}");
            for part in 0..=100 {
                let x = z * f64::from(part) / 100.0;
                assert!(series(-x) >= -1e-12 && series(x) >= -1e-12, "{factor} {x}");
            }
        }
        assert_eq!(reach(1.0), f64::MAX);
    }
}
