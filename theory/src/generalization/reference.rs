//! A chosen subset among random ones: percentile, exact p-value, position between chance and the best possible.

use super::assumption::Assumption;
use super::bound::{Bound, Kind};
use super::metric::MetricDistance;
use super::theorem::Theorem;

/// p = (1 + #{W_r ≤ W_S})/(R + 1): valid for the null hypothesis that S was drawn uniformly like the R references.
///
/// References that cannot be told to be farther count as closer, so rounding never lowers p.
pub fn p_value(subset: MetricDistance, references: &[MetricDistance]) -> Bound {
    let not_farther = references.iter().filter(|reference| reference.lower() <= subset.upper()).count();
    let r = references.len() as f64;
    let inputs = [("W", subset.upper()), ("references", r), ("not farther", not_farther as f64)];
    // A ratio of two small whole numbers, as near as a double can be: nothing to round outwards.
    let value = (1.0 + not_farther as f64) / (r + 1.0);
    Bound::new(Theorem::RandomReference, Kind::Deterministic, value, [Assumption::PoolRandom], &inputs)
}

/// The share of references that are closer than the subset: an estimate of its percentile. `None` without references.
pub fn percentile(subset: MetricDistance, references: &[MetricDistance]) -> Option<Bound> {
    let closer = references.iter().filter(|reference| reference.upper() < subset.lower()).count();
    let r = references.len() as f64;
    let inputs = [("references", r), ("closer", closer as f64)];
    let value = closer as f64 / r;
    (r > 0.0).then(|| Bound::new(Theorem::RandomReference, Kind::Estimate, value, [Assumption::PoolRandom], &inputs))
}

/// (W_random − W_S)/(W_random − LB): 0 for chance, 1 for the best that any subset could be, negative if worse than
/// chance. LB is a lower bound of all subsets; W_random the mean of the references. `None` if chance is no worse than LB.
pub fn position(subset: MetricDistance, references: &[MetricDistance], best: f64) -> Option<Bound> {
    let random = references.iter().map(|reference| reference.upper()).sum::<f64>() / references.len() as f64;
    let inputs = [("W random", random), ("W", subset.upper()), ("lower bound of all", best)];
    let value = (random - subset.upper()) / (random - best);
    (random > best)
        .then(|| Bound::new(Theorem::RandomReference, Kind::Estimate, value, [Assumption::PoolRandom], &inputs))
}

/// W₁(S, Q_e)/V̂: how far the subset is from fresh queries, in units of how far queries are from each other. Near 1
/// there is nothing left to gain.
pub fn noise_ratio(held_out: MetricDistance, split_mean: f64) -> Option<Bound> {
    let inputs = [("W held out", held_out.upper()), ("V̂", split_mean)];
    let value = held_out.upper() / split_mean;
    (split_mean > 0.0).then(|| Bound::new(Theorem::T11, Kind::Estimate, value, [Assumption::QueriesIid], &inputs))
}
