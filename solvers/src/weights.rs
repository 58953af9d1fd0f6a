//! Weights of one side divided by their sum, and turns in proportion to them.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use crate::task::Task;

/// The weights of the queries of a task, in a unit in which the largest is 1, and their sum: ones and M if there are none.
pub(crate) struct QueryWeights {
    pub(crate) of: Vec<f64>,
    pub(crate) total: f64,
}

impl QueryWeights {
    pub(crate) fn new(task: &Task<'_>) -> Self {
        Self::of(task.weights, task.geometry.query_len())
    }

    /// As [`QueryWeights::new`], of `count` queries with these weights.
    pub(crate) fn of(weights: Option<&[f64]>, count: usize) -> Self {
        let of = match weights {
            None => vec![1.0; count],
            Some(weights) => {
                let largest = weights.iter().copied().fold(0.0, f64::max);
                weights.iter().map(|weight| weight / largest).collect()
            }
        };
        let total = of.iter().sum();
        Self { of, total }
    }

    /// M times the weights of total 1: ones if there are none.
    pub(crate) fn masses(&self) -> Vec<f64> {
        self.of.iter().map(|weight| weight * self.of.len() as f64 / self.total).collect()
    }
}

/// Whose turn each of `count` picks is: the queries' in their order, or in proportion to their weights by the divisor method of
/// Webster and Sainte-Laguë. Every query has had its share wherever all shares are whole.
pub(crate) fn turns(task: &Task<'_>, count: usize) -> Vec<u32> {
    let m = task.geometry.query_len();
    if task.weights.is_none() {
        return (0..count).map(|turn| (turn % m) as u32).collect();
    }
    let weights = QueryWeights::new(task).of;
    let claim = |query: usize, had: usize| Claim { rank: (2 * had + 1) as f64 / weights[query], query, had };
    let mut claims: BinaryHeap<Claim> = (0..m).map(|query| claim(query, 0)).collect();
    let next = |_| {
        let Some(Claim { query, had, .. }) = claims.pop() else { unreachable!("there is a query") };
        claims.push(claim(query, had + 1));
        query as u32
    };
    (0..count).map(next).collect()
}

/// The next turn of a query, greatest where it comes first.
struct Claim {
    rank: f64,
    query: usize,
    had: usize,
}

impl Ord for Claim {
    fn cmp(&self, other: &Self) -> Ordering {
        other.rank.total_cmp(&self.rank).then(other.query.cmp(&self.query))
    }
}

impl PartialOrd for Claim {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Claim {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Claim {}

/// Weights of total 1, uniform where none are given; they are not negative, and one is positive.
///
/// They are divided by the largest first, so that a sum of huge or of subnormal weights neither overflows nor vanishes.
pub(crate) fn shares(weights: Option<&[f64]>, count: usize) -> Vec<f64> {
    let Some(weights) = weights else { return vec![1.0 / count as f64; count] };
    let largest = weights.iter().copied().fold(0.0, f64::max);
    let total: f64 = weights.chunks(1024).map(|chunk| chunk.iter().map(|w| w / largest).sum::<f64>()).sum();
    weights.iter().map(|w| w / largest / total).collect()
}

/// Those of the [`shares`] that are positive, and where they are if some are not.
pub(crate) fn positive_shares(weights: Option<&[f64]>, count: usize) -> (Vec<f64>, Option<Vec<usize>>) {
    let mut shares = shares(weights, count);
    let positive: Vec<usize> = (0..count).filter(|&i| shares[i] > 0.0).collect();
    shares.retain(|&share| share > 0.0);
    (shares, (positive.len() < count).then_some(positive))
}
