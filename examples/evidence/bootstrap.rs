//! Percentile bootstrap over queries (Efron): how much a mean over these queries says of other queries of the kind.
//!
//! One set of draws serves all statistics of a query set, so differences of two models are taken on the same queries.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A value and the middle 95 % of its bootstrap distribution.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Estimate {
    /// On the queries as they are.
    pub(crate) value: f64,
    /// 2.5 % of the draws lie below.
    pub(crate) low: f64,
    /// 2.5 % of the draws lie above.
    pub(crate) high: f64,
}

impl Estimate {
    /// Whether the interval lies above 0 (1), below (−1) or holds it (0).
    pub(crate) fn sign(self) -> i32 {
        i32::from(self.low > 0.0) - i32::from(self.high < 0.0)
    }
}

/// How often each draw with replacement takes each query.
#[derive(Debug, Clone)]
pub(crate) struct Bootstrap {
    queries: usize,
    /// One line of multiplicities per draw.
    draws: Vec<Vec<f64>>,
}

impl Bootstrap {
    /// `draws` draws of as many queries as there are, by ChaCha8 from `seed`.
    pub(crate) fn new(queries: usize, draws: usize, seed: u64) -> Self {
        let mut generator = ChaCha8Rng::seed_from_u64(seed);
        let mut draw = || {
            let mut counts = vec![0.0; queries];
            (0..queries).for_each(|_| counts[generator.random_range(0..queries)] += 1.0);
            counts
        };
        Self { queries, draws: (0..draws).map(|_| draw()).collect() }
    }

    /// A statistic of weighted queries; draws in which it is not defined are left out.
    pub(crate) fn estimate(&self, statistic: impl Fn(&[f64]) -> f64) -> Estimate {
        let mut drawn: Vec<f64> = self.draws.iter().map(|w| statistic(w)).filter(|x| !x.is_nan()).collect();
        drawn.sort_unstable_by(f64::total_cmp);
        let at = |share: f64| {
            let place = share * drawn.len().saturating_sub(1) as f64;
            drawn.get(place.round() as usize).copied().unwrap_or(f64::NAN)
        };
        Estimate { value: statistic(&vec![1.0; self.queries]), low: at(0.025), high: at(0.975) }
    }
}

/// Σ wᵢ·xᵢ / Σ wᵢ·yᵢ: nats per token, where queries differ in length.
pub(crate) fn ratio(weights: &[f64], x: &[f64], y: &[f64]) -> f64 {
    let sum = |of: &[f64]| weights.iter().zip(of).map(|(w, v)| w * v).sum::<f64>();
    sum(x) / sum(y)
}
