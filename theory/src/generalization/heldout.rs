//! Finite samples of queries: T10 (held-out queries), T11 (the same queries), T12 (the loss itself on held-out queries).
//!
//! Only the queries are random. A chosen subset is never an independent sample, so no term of size 1/√k appears.

use super::assumption::{Assumption, Refusal};
use super::bound::{Bound, Kind};
use super::lipschitz::mean_loss;
use super::metric::MetricDistance;
use super::theorem::Theorem;
use crate::rounding::{ExactSum, add_up, div_up, library_down, library_up, mul_down, mul_up, sqrt_up};

/// A number ≥ √(ln(1/δ)/(2n)).
pub fn deviation(n: usize, delta: f64) -> f64 {
    sqrt_up(div_up(log_inverse(delta), 2.0 * n as f64))
}

/// A number ≥ ln(1/δ), for δ ≤ 1; infinite where δ is no probability to fail with.
pub(crate) fn log_inverse(delta: f64) -> f64 {
    if delta > 0.0 { (-library_down(delta.ln())).max(0.0) } else { f64::INFINITY }
}

/// T10: W₁(S, P) ≤ W₁(S, Q_e) + D·√(ln(1/δ)/(2M_e)) with probability ≥ 1 − δ, for S chosen without Q_e.
///
/// The same for OT_λ instead of W₁. `distance` is the distance to the held-out queries, `held_out` their number.
pub fn held_out_distance(distance: MetricDistance, diameter: f64, held_out: usize, delta: f64) -> Bound {
    let term = mul_up(diameter, deviation(held_out, delta));
    let inputs = [
        ("W held out", distance.upper()),
        ("statistical term", term),
        ("D", diameter),
        ("M held out", held_out as f64),
        ("δ", delta),
    ];
    let assumptions = [Assumption::HeldOut, Assumption::QueriesIid, Assumption::PriorDiameter];
    let value = add_up(distance.upper(), term);
    Bound::new(Theorem::T10, Kind::HighProbability(delta), value, assumptions, &inputs)
}

/// T11: W₁(Q, P) ≤ V̂ + 3D·√(ln(1/δ)/(2M)) with probability ≥ 1 − δ.
///
/// `splits` are certified distances between random halves of the same queries, drawn without looking at them; V̂ is the
/// mean of their upper ends. For odd M the halves have ⌊M/2⌋ queries.
///
/// `None` if there are no splits or fewer than two queries.
pub fn law_distance(splits: &[MetricDistance], diameter: f64, queries: usize, delta: f64) -> Option<Bound> {
    let split = split_mean(splits)?;
    if queries < 2 {
        return None;
    }
    // One query moves W₁(Q, P) by D/M and V̂ by D/⌊M/2⌋: 3D/M in all if M is even, D(1 + M/⌊M/2⌋)/M if not.
    let moves = if queries.is_multiple_of(2) { 3.0 } else { add_up(1.0, div_up(queries as f64, (queries / 2) as f64)) };
    let term = mul_up(mul_up(moves, diameter), deviation(queries, delta));
    let inputs = [
        ("V̂", split),
        ("statistical term", term),
        ("D", diameter),
        ("M", queries as f64),
        ("splits", splits.len() as f64),
        ("δ", delta),
    ];
    let assumptions = [Assumption::QueriesIid, Assumption::PriorDiameter];
    Some(Bound::new(Theorem::T11, Kind::HighProbability(delta), add_up(split, term), assumptions, &inputs))
}

/// The mean of the upper ends of the distances between halves: the noise floor V̂ of T11.
pub fn split_mean(splits: &[MetricDistance]) -> Option<f64> {
    let mut sum = ExactSum::default();
    splits.iter().for_each(|split| sum.add(split.upper()));
    (!splits.is_empty()).then(|| div_up(sum.up(), splits.len() as f64))
}

/// T11: W₁(S, P) ≤ W₁(S, Q) + (bound on W₁(Q, P)), for every S at once, however it was chosen.
pub fn same_queries_distance(distance: MetricDistance, law: &Bound) -> Bound {
    Bound::new(Theorem::T11, Kind::Deterministic, distance.upper(), [], &[("W", distance.upper())])
        .plus(Theorem::T11, law)
}

/// Losses on held-out queries, checked: finite, within a range [low, low + B] fixed in advance.
#[derive(Debug, Clone, Copy)]
pub struct HeldOutLosses<'a> {
    losses: &'a [f64],
    range: f64,
}

impl<'a> HeldOutLosses<'a> {
    /// Checks that all losses lie in [low, low + B]. `numbers` are what the losses are called; their places, if empty.
    ///
    /// # Errors
    /// If one does not, which contradicts the range.
    pub fn new(losses: &'a [f64], numbers: &[usize], low: f64, range: f64) -> Result<Self, Refusal> {
        let high = add_up(low, range);
        match losses.iter().position(|&x| !(x >= low && x <= high)) {
            Some(at) => Err(Refusal::new(
                Theorem::T12,
                Assumption::Bounded,
                format!(
                    "held-out loss {} is {}, outside [{low}, {high}]: give the true range of the loss",
                    numbers.get(at).unwrap_or(&at),
                    losses[at]
                ),
            )),
            None if losses.is_empty() => {
                Err(Refusal::new(Theorem::T12, Assumption::ModelHeldOut, "there are no held-out losses"))
            }
            None => Ok(Self { losses, range }),
        }
    }

    fn bound(&self, value: f64, delta: f64, term: f64) -> Bound {
        let mean = mean_loss(self.losses, None).map_or(f64::NAN, |(_, up)| up);
        let inputs = [
            ("R held out", mean),
            ("statistical term", term),
            ("B", self.range),
            ("M held out", self.losses.len() as f64),
            ("δ", delta),
        ];
        let assumptions = [Assumption::ModelHeldOut, Assumption::QueriesIid, Assumption::Bounded];
        Bound::new(Theorem::T12, Kind::HighProbability(delta), value, assumptions, &inputs)
    }

    /// T12, Hoeffding: R_P ≤ R_{Q_e} + B·√(ln(1/δ)/(2M_e)).
    pub fn hoeffding(&self, delta: f64) -> Bound {
        let term = mul_up(self.range, deviation(self.losses.len(), delta));
        let mean = mean_loss(self.losses, None).map_or(f64::INFINITY, |(_, up)| up);
        self.bound(add_up(mean, term), delta, term)
    }

    /// T12, empirical Bernstein (Maurer and Pontil 2009): R_P ≤ R_{Q_e} + √(2V ln(2/δ)/n) + 7B ln(2/δ)/(3(n − 1)), V the
    /// sample variance with n − 1. `None` for fewer than two losses.
    pub fn empirical_bernstein(&self, delta: f64) -> Option<Bound> {
        let n = self.losses.len();
        let (low, high) = mean_loss(self.losses, None).filter(|_| n >= 2)?;
        // Σ(x − m)² ≤ Σ(x − c)² for the mean m and any c; c is a computed mean.
        let centre = low.midpoint(high);
        let mut squares = ExactSum::default();
        for &x in self.losses {
            let far = add_up(x.max(centre), -x.min(centre));
            squares.add(mul_up(far, far));
        }
        let term = bernstein_term(div_up(squares.up(), n as f64 - 1.0), self.range, n, delta);
        Some(self.bound(add_up(high, term), delta, term))
    }
}

/// What empirical Bernstein adds to the mean of n losses with sample variance V.
pub fn bernstein_term(variance: f64, range: f64, n: usize, delta: f64) -> f64 {
    let log = log_inverse(delta / 2.0);
    let spread = sqrt_up(div_up(mul_up(mul_up(2.0, variance), log), n as f64));
    let rest = div_up(mul_up(mul_up(7.0, range), log), 3.0 * (n as f64 - 1.0));
    add_up(spread, rest)
}

/// T12 for weighted means of losses in a range of length B: a number ≥ B·√(Σa_i²·ln(1/δ)/2), the a_i of total 1.
pub fn weighted_deviation(range: f64, weights: &[f64], delta: f64) -> f64 {
    let (mut squares, mut total) = (ExactSum::default(), ExactSum::default());
    weights.iter().for_each(|&a| {
        squares.add_product(a, a);
        total.add(a);
    });
    let share = div_up(squares.up(), mul_down(total.down(), total.down()));
    mul_up(range, sqrt_up(div_up(mul_up(share, log_inverse(delta)), 2.0)))
}

/// T12, Clopper and Pearson 1934: the error rate is at most this with probability ≥ 1 − δ, after `errors` of n. It is the
/// risk where all losses, not only those seen, are 0 or 1.
///
/// The least rate p at which so few errors have probability ≤ δ, found by halving and then checked with every error of
/// rounding against it; never below errors/n, where half of the mass lies. `None` if `errors` > n or n = 0.
pub fn clopper_pearson(errors: u64, n: u64, delta: f64) -> Option<Bound> {
    if n == 0 || errors > n {
        return None;
    }
    let (mut low, mut high) = (errors as f64 / n as f64, 1.0f64);
    if errors < n {
        for _ in 0..100 {
            let middle = low.midpoint(high);
            if tail_up(errors, n, middle) <= delta { high = middle } else { low = middle }
        }
    }
    let inputs = [("errors", errors as f64), ("M held out", n as f64), ("δ", delta)];
    let assumptions = [Assumption::ModelHeldOut, Assumption::QueriesIid, Assumption::ZeroOne];
    Some(Bound::new(Theorem::T12, Kind::HighProbability(delta), high, assumptions, &inputs))
}

/// A number ≥ P(Binomial(n, p) ≤ x), for x < n and x/n ≤ p < 1, where terms fall away from x; 0 or 1 at the ends.
///
/// The term at x is taken through logarithms: each of the 2·min(x, n−x) + 2 logarithms errs by 16 units of itself at
/// most, and so does every one of their sums. The terms below follow by ratios, whose errors of 4 units each add up.
fn tail_up(x: u64, n: u64, p: f64) -> f64 {
    if p <= 0.0 || p >= 1.0 {
        return if p <= 0.0 { 1.0 } else { 0.0 };
    }
    let (xf, nf) = (x as f64, n as f64);
    let mut log = 0.0;
    let mut size = 0.0;
    let fewer = x.min(n - x);
    for i in 0..fewer {
        let step = ((nf - i as f64) / (fewer - i) as f64).ln();
        log += step;
        size += step.abs();
    }
    for part in [xf * p.ln(), (nf - xf) * (-p).ln_1p()] {
        log += part;
        size += part.abs();
    }
    let slack = (fewer as f64 + 40.0) * size * crate::rounding::UNIT * 2.0;
    let top = library_up(add_up(log, slack).exp()).max(f64::MIN_POSITIVE);
    // 1 + r_x + r_x·r_{x−1} + …, r_i = i(1 − p)/((n − i + 1)p).
    let (mut sum, mut term) = (1.0f64, 1.0f64);
    for i in (1..=x).rev() {
        term *= i as f64 * (1.0 - p) / ((nf - i as f64 + 1.0) * p);
        sum += term;
        if term < 1e-18 * sum && i as f64 * (1.0 - p) < 0.5 * (nf - i as f64 + 1.0) * p {
            // What is left is less than this term: the ratios only fall.
            sum += term;
            break;
        }
    }
    mul_up(top, sum * (1.0 + (8.0 * xf + 16.0) * crate::rounding::UNIT)).min(1.0)
}
