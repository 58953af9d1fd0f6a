//! T13 and Theorem 6.2 of arXiv 2602.14696: what can be said before looking at the data, and how little that is.

use super::assumption::Assumption;
use super::bound::{Bound, Kind};
use super::heldout::deviation;
use super::metric::MetricDistance;
use super::theorem::Theorem;
use crate::rounding::{add_up, div_up, library_up, mul_up, sqrt_up};

/// Levels of the dyadic partition that are tried.
const LEVELS: u32 = 64;

/// T13: E W₁(P̂_n, P) for n independent draws from a law on [0, 1]^d, as a share of the diameter √d:
/// min over k* of 2^{−k*} + Σ_{k≤k*} 2^{−(k−1)}·min(2, √(N_k/n)), with N_k ≤ 2^{kd} cells hit at level k.
///
/// `cells[k−1]`, where given, is a smaller known number of cells at level k. 1 means that nothing is said.
pub fn dyadic_rate(dim: u32, n: f64, cells: &[f64]) -> f64 {
    let mut best = 1.0f64;
    let mut sum = 0.0;
    let mut width = 1.0;
    for level in 1..=LEVELS {
        let all = f64::from(level * dim.min(4096)).exp2();
        let hit = cells.get(level as usize - 1).copied().unwrap_or(all).min(all);
        let term = sqrt_up(div_up(hit, n)).min(2.0);
        // 2^{−(k−1)} is the width of the level above.
        sum = add_up(sum, mul_up(width, term));
        width /= 2.0;
        best = best.min(add_up(width, sum));
    }
    best
}

/// T13: W₁(P̂_n, P) ≤ √d·rate + √d·√(ln(1/δ)/(2n)) with probability ≥ 1 − δ, for a law on [0, 1]^d.
pub fn a_priori_distance(dim: u32, n: usize, delta: f64) -> Bound {
    a_priori_share(dim, n, delta).times(Theorem::T13, "diameter", sqrt_up(f64::from(dim)))
}

/// [`a_priori_distance`] as a share of the diameter of the cube.
pub fn a_priori_share(dim: u32, n: usize, delta: f64) -> Bound {
    let rate = dyadic_rate(dim, n as f64, &[]);
    let value = add_up(rate, deviation(n, delta)).min(1.0);
    let inputs = [("rate/diameter", rate), ("d", f64::from(dim)), ("n", n as f64), ("δ", delta)];
    let assumptions = [Assumption::QueriesIid, Assumption::PriorDiameter];
    Bound::new(Theorem::T13, Kind::HighProbability(delta), value, assumptions, &inputs)
}

/// Theorem 6.2's own finite quantity: |L_T(θ_random) − L_T(θ_S)| ≤ C*·W₁(S_random, S), C* = K·G/μ, from the distance
/// between the two subsets themselves: no rate, no triangle inequality.
pub fn gain_over_random(c_star: f64, random_to_chosen: MetricDistance) -> Bound {
    let inputs = [("W₁(S_random, S)", random_to_chosen.upper()), ("C*", c_star)];
    let value = mul_up(c_star, random_to_chosen.upper());
    Bound::new(Theorem::Paper62, Kind::Deterministic, value, [Assumption::StronglyConvex], &inputs)
}

/// What goes into [`a_priori_gain`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AprioriGain {
    /// C* = K·G/μ; 1 gives the right-hand side in its units.
    pub c_star: f64,
    /// The constant C_d of the rate, which the theorem leaves open; 1 gives the rate in its units.
    pub c_d: f64,
    /// Diameter Δ.
    pub diameter: f64,
    /// Dimension d ≥ 3.
    pub dim: usize,
    /// Size B of both subsets.
    pub budget: usize,
    /// δ; the statement holds with probability ≥ 1 − 2δ.
    pub delta: f64,
    /// W₁ between pool and queries.
    pub pool_to_queries: MetricDistance,
    /// W₁ between the chosen subset and the queries.
    pub subset_to_queries: MetricDistance,
}

/// The right-hand side of Theorem 6.2: C*·(C_d Δ B^{−1/d} + Δ√(ln(1/δ)/(2B)) + W₁(D, Q) + W₁(S, Q)).
///
/// It bounds the *gain over a random subset* from above, so it promises none. Constants are open: a heuristic.
/// `None` for d < 3, where the rate is another.
pub fn a_priori_gain(x: &AprioriGain) -> Option<Bound> {
    if x.dim < 3 {
        return None;
    }
    let rate = library_up((x.budget as f64).powf(-1.0 / x.dim as f64));
    let mean = mul_up(x.c_d, mul_up(x.diameter, rate));
    let spread = mul_up(x.diameter, deviation(x.budget, x.delta));
    let segments = add_up(x.pool_to_queries.upper(), x.subset_to_queries.upper());
    let value = mul_up(x.c_star, add_up(add_up(mean, spread), segments));
    let inputs = [
        ("C*", x.c_star),
        ("C_d", x.c_d),
        ("Δ", x.diameter),
        ("d", x.dim as f64),
        ("B^(-1/d)", rate),
        ("W₁(pool, Q)", x.pool_to_queries.upper()),
        ("W₁(S, Q)", x.subset_to_queries.upper()),
        ("δ", 2.0 * x.delta),
    ];
    let assumptions = [Assumption::StronglyConvex, Assumption::PoolRandom, Assumption::PriorDiameter];
    Some(Bound::new(Theorem::Paper62, Kind::Heuristic, value, assumptions, &inputs))
}
