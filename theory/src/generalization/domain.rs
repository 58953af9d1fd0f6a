//! Theorem 6.1 of arXiv 2602.14696 in computable form: two transport segments.

use super::bound::Bound;
use super::heldout::same_queries_distance;
use super::metric::MetricDistance;
use super::theorem::Theorem;

/// W₁(S, P) ≤ W₁(S, Q) + W₁(Q, P): the two segments of the theorem, the second from T11.
///
/// The theorem adds the training loss and a joint error of the best hypothesis. With examples and answers embedded
/// jointly there is no joint error (T1), and without that it cannot be computed.
pub fn segments(subset_to_queries: MetricDistance, queries_to_law: &Bound) -> Bound {
    let sum = same_queries_distance(subset_to_queries, queries_to_law);
    // Times 1 restates it under this theorem's name.
    sum.times(Theorem::Paper61, "c", 1.0)
}
