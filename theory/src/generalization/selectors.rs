//! What each selector provably optimises, and how far from the best that leaves it (`notes/selectors.md`).

use crate::rounding::{ExactSum, add_up, div_down, div_up};

/// What is proved of a selector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Optimises {
    /// The method's name on the command line.
    pub method: &'static str,
    /// What it minimises or maximises exactly, if anything.
    pub exactly: &'static str,
    /// How that number relates to the transport distance W.
    pub relation: &'static str,
    /// What is known of its distance from the optimum.
    pub guarantee: &'static str,
}

/// All selectors of which something is proved.
pub static OPTIMISES: &[Optimises] = &[
    Optimises {
        method: "optimal",
        exactly: "W over all k-subsets if M divides k; an integral transport problem with capacity 1/k",
        relation: "is W",
        guarantee: "attains the lower bound of all subsets if M | k; NP-hard for k < M, then an interval",
    },
    Optimises {
        method: "random",
        exactly: "nothing",
        relation: "the null hypothesis of the p-value",
        guarantee: "E W falls like k^(-1/d) to the pool's own distance, which selection may beat",
    },
    Optimises {
        method: "mean-similarity",
        exactly: "the mean of all pairwise costs (product coupling)",
        relation: "an upper bound of W (T6)",
        guarantee: "no k rows have a lower mean cost to all queries; nothing on W",
    },
    Optimises {
        method: "round-robin",
        exactly: "nothing: serial dictatorship on the b-matching that `optimal` solves",
        relation: "its assignment cost ≥ W ≥ LB, the mean cost of each query's k/M nearest rows",
        guarantee: "optimal if the queries' top-(k/M) lists are disjoint; worst case 2^n − 1, certified afterwards",
    },
    Optimises {
        method: "doubly-greedy",
        exactly: "c(S→Q), the mean cost from chosen rows to their nearest query",
        relation: "a lower bound of W (T6), blind to coverage",
        guarantee: "no k rows have a lower mean cost to their nearest query; nothing on coverage",
    },
    Optimises {
        method: "knn-uniform",
        exactly: "TSDS's regularised transport over plans, one-sided cap; then the k largest masses",
        relation: "its plan is a coupling, so its cost ≥ W₁ between queries and the *weighted* pool",
        guarantee: "its masses are optimal for TSDS's problem with G_∞, unless the list cap decides; the k rows taken are certified \
                    against every k-subset with --diversity",
    },
    Optimises {
        method: "knn-kde",
        exactly: "the same with masses divided by a density estimate",
        relation: "as knn-uniform; r copies of a row share the mass of one",
        guarantee: "its masses are optimal for TSDS's problem with G_KDE, unless the list cap decides; r copies of a row share \
                    the mass of one; none after taking k rows",
    },
    Optimises {
        method: "knn-tv",
        exactly: "TSDS's regularised transport over plans, total-variation penalty; then the k largest masses",
        relation: "as knn-uniform",
        guarantee: "its masses are optimal for TSDS's problem with G_TV; with the default α that is the even plan; none after \
                    taking k rows",
    },
    Optimises {
        method: "kde-ratio",
        exactly: "nothing: a weighted draw without replacement",
        relation: "none: in expectation it shifts the pool towards the queries' density",
        guarantee: "an exact draw by its weights; the pool density is exact, or estimated from a sample as the manifest says",
    },
    Optimises {
        method: "uot",
        exactly: "entropic unbalanced transport over plans; then the k largest masses",
        relation: "its value without the marginal terms bounds nothing (T4); its plan does, with them",
        guarantee: "none after taking the top k; at ρ → 0 the scores are a softmax over rows",
    },
    Optimises {
        method: "energy",
        exactly: "nothing: a local minimum of the energy distance under swaps",
        relation: "half its square is a lower bound of W₁ (T6)",
        guarantee: "no swap of two rows lowers the energy distance, or the manifest says so; certified against every k-subset \
                    with --objective energy",
    },
    Optimises {
        method: "mmd",
        exactly: "nothing: a local minimum of the maximum mean discrepancy under swaps",
        relation: "σ·MMD is a lower bound of W₁ for the Gaussian kernel (T6)",
        guarantee: "no swap of two rows lowers the discrepancy, or the manifest says so; certified against every k-subset with \
                    --objective mmd",
    },
];

/// The entry of a method.
pub fn optimises(method: &str) -> Option<&'static Optimises> {
    OPTIMISES.iter().find(|entry| entry.method == method)
}

/// LB = (1/k) Σ_j Σ_{r ≤ k/M} c_{j(r)}, rounded down: every query's k/M nearest rows, whoever else wants them, when M
/// divides k. No k-subset is closer.
///
/// `lists[j]` holds lower ends of the k/M least costs of query j. `None` if M does not divide k or a list is too short.
pub fn nearest_rows_bound(lists: &[Vec<f64>], k: usize) -> Option<f64> {
    let share = k / lists.len().max(1);
    if lists.is_empty() || !k.is_multiple_of(lists.len()) || lists.iter().any(|list| list.len() < share) {
        return None;
    }
    let mut sum = ExactSum::default();
    lists.iter().flat_map(|list| &list[..share]).for_each(|&cost| sum.add(cost));
    Some(div_down(sum.down(), k as f64))
}

/// cost/LB − 1, rounded up: how far an assignment can be above the best; `None` if LB is not positive.
pub fn assignment_excess(cost: f64, lower_bound: f64) -> Option<f64> {
    (lower_bound > 0.0).then(|| add_up(div_up(cost, lower_bound), -1.0).max(0.0))
}
