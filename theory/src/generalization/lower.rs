//! T6: bounds of W₁ that need no transport, to say early that nothing will be said.

use super::assumption::{Assumption, Refusal};
use super::bound::{Bound, Kind};
use super::kernel::Enclosure;
use super::theorem::Theorem;
use super::{Cloud, Metric, MetricDistance};
use crate::dot::{self, depth};
use crate::rounding::{
    ExactSum, TINY, UNIT, add_up, div_down, div_up, mul_down, mul_up, scale_of, sqrt_down, sqrt_up, sub_down,
};
use crate::rows::Rows;

/// ‖mean of a − mean of b‖ ≤ W₁, enclosed; also T8's ‖ḡ_Q − ḡ_S‖.
///
/// # Errors
/// For the angular metric, which is not the norm of a difference.
pub fn mean_difference(a: &Cloud, b: &Cloud) -> Result<Enclosure, Refusal> {
    if !a.metric().is_norm() {
        return Err(Refusal::new(
            Theorem::T6,
            Assumption::Metric,
            "angles have no means: use `euclidean` or directions",
        ));
    }
    let (mean_a, mean_b) = (means(a), means(b));
    let (mut low, mut high) = (ExactSum::default(), ExactSum::default());
    for (&(a0, a1), &(b0, b1)) in mean_a.iter().zip(&mean_b) {
        let near = sub_down(a0, b1).max(sub_down(b0, a1)).max(0.0);
        let far = add_up(a1, -b0).max(add_up(b1, -a0));
        low.add(mul_down(near, near));
        high.add(mul_up(far, far));
    }
    // Each normalised row errs by half the slack of a pair, and so does each mean.
    let slack = if a.metric() == Metric::Chord { 2.0 * (depth(a.rows().dim()) as f64 + 8.0) * UNIT } else { 0.0 };
    Ok(Enclosure {
        lower: sub_down(sqrt_down(low.down().max(0.0)), slack).max(0.0),
        upper: add_up(sqrt_up(high.up()), slack),
    })
}

/// ‖mean‖ of a cloud, enclosed (Euclidean rows).
pub fn mean_norm(cloud: &Cloud) -> Enclosure {
    let (mut low, mut high) = (ExactSum::default(), ExactSum::default());
    for (down, up) in means(cloud) {
        let near = down.max(-up).max(0.0);
        let far = up.abs().max(down.abs());
        low.add(mul_down(near, near));
        high.add(mul_up(far, far));
    }
    Enclosure { lower: sqrt_down(low.down().max(0.0)), upper: sqrt_up(high.up()) }
}

/// The mean of every coordinate, enclosed.
fn means(cloud: &Cloud) -> Vec<(f64, f64)> {
    let (rows, n) = (cloud.rows(), cloud.len());
    let mut sums = vec![ExactSum::default(); rows.dim()];
    let mut row = vec![0.0; rows.dim()];
    for i in 0..n {
        rows.read_row(i, &mut row);
        sums.iter_mut().zip(&row).for_each(|(sum, &x)| sum.add(x));
    }
    sums.iter().map(|sum| (div_down(sum.down(), n as f64), div_up(sum.up(), n as f64))).collect()
}

/// W₁ of two sets of numbers with uniform weights, ∫|F − G|, rounded down.
pub fn one_dimensional_down(a: &[f64], b: &[f64]) -> f64 {
    one_dimensional(a, b, sub_down).down().max(0.0)
}

/// W₁ of two sets of numbers with uniform weights, ∫|F − G|, rounded up.
pub fn one_dimensional_up(a: &[f64], b: &[f64]) -> f64 {
    one_dimensional(a, b, |x, y| add_up(x, -y)).up()
}

struct Scaled {
    sum: ExactSum,
    pairs: f64,
}

impl Scaled {
    fn down(&self) -> f64 {
        div_down(self.sum.down(), self.pairs)
    }

    fn up(&self) -> f64 {
        div_up(self.sum.up(), self.pairs)
    }
}

fn one_dimensional(a: &[f64], b: &[f64], width: impl Fn(f64, f64) -> f64) -> Scaled {
    let (k, m) = (a.len() as i64, b.len() as i64);
    // What each point adds to (F − G)·k·m, in order.
    let mut steps: Vec<(f64, i64)> = a.iter().map(|&x| (x, m)).chain(b.iter().map(|&x| (x, -k))).collect();
    steps.sort_by(|x, y| x.0.total_cmp(&y.0));
    let (mut sum, mut level) = (ExactSum::default(), 0i64);
    for pair in steps.windows(2) {
        level += pair[0].1;
        sum.add_times(level.unsigned_abs(), width(pair[1].0, pair[0].0).max(0.0));
    }
    Scaled { sum, pairs: (k * m) as f64 }
}

/// W₁ along one direction is at most W₁: a number ≤ W₁ for any direction (normalised here).
///
/// # Errors
/// For the angular metric.
pub fn projected_distance(a: &Cloud, b: &Cloud, direction: &[f64]) -> Result<f64, Refusal> {
    if !a.metric().is_norm() {
        return Err(Refusal::new(Theorem::T6, Assumption::Metric, "angles cannot be projected on a direction"));
    }
    let steps = (depth(direction.len()) as f64 + 8.0) * UNIT;
    // A direction has no size: near 1, its squares do not underflow.
    let scale = scale_of(direction);
    let direction: Vec<f64> = direction.iter().map(|x| x / scale).collect();
    let norm = mul_up(sqrt_up(dot::dot(&direction, &direction)), 1.0 + steps);
    if norm == 0.0 || !norm.is_finite() {
        return Ok(0.0);
    }
    // What may underflow in the products of one projection.
    let underflow = (direction.len() as f64 + 4.0) * TINY;
    let mut largest: f64 = 0.0;
    let mut project = |cloud: &Cloud| -> Vec<f64> {
        let mut row = vec![0.0; direction.len()];
        (0..cloud.len())
            .map(|i| {
                cloud.rows().read_row(i, &mut row);
                largest = largest.max(dot::dot(&row, &row));
                dot::dot(&row, &direction)
            })
            .collect()
    };
    let (x, y) = (project(a), project(b));
    let error = mul_up(mul_up(2.0 * steps, norm), sqrt_up(add_up(largest, underflow)));
    let error = add_up(error, 2.0 * underflow);
    let chord = if a.metric() == Metric::Chord { 2.0 * steps } else { 0.0 };
    let value = sub_down(one_dimensional_down(&x, &y), error).max(0.0);
    Ok(sub_down(div_down(value, norm), chord).max(0.0))
}

/// c_d = Γ(d/2)/(√π·Γ((d+1)/2)): the mean of |u₁| on the sphere, so that SW₁ ≤ c_d·W₁. By c_{d+2} = c_d·d/(d + 1).
///
/// The mean over sampled directions divided by c_d estimates a lower bound of W₁ and can overshoot it; the largest
/// [`projected_distance`] cannot.
pub fn sliced_constant(dim: usize) -> f64 {
    let (mut d, mut c) = if dim % 2 == 1 { (1, 1.0) } else { (2, std::f64::consts::FRAC_2_PI) };
    while d < dim {
        c *= d as f64 / (d as f64 + 1.0);
        d += 2;
    }
    c
}

/// One of the lower bounds of W₁ below or above, as what it is: a number ≤ W₁.
pub fn below(value: f64) -> Bound {
    Bound::new(Theorem::T6, Kind::Deterministic, value, [], &[]).below()
}

/// T6: ½·energy² ≤ W₁.
pub fn energy_lower(energy_squared: Enclosure) -> f64 {
    energy_squared.lower / 2.0
}

/// T6: σ·MMD ≤ W₁ for the Gaussian kernel of width σ.
pub fn mmd_lower(sigma: f64, mmd: Enclosure) -> f64 {
    mul_down(sigma, mmd.lower)
}

/// T6: W₁ ≤ the mean distance of all pairs, what the product coupling costs.
pub fn product_upper(mean: MetricDistance) -> Bound {
    Bound::new(Theorem::T6, Kind::Deterministic, mean.upper(), [], &[("at least", mean.lower())])
}
