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

/// What every guarantee is about, in one sentence for all methods.
pub const SCOPE: &str = "Guarantees are for a method by itself, up to the rounding of f64: with `balance-groups` they hold for every \
     group's queries alone, not for the rows that the groups take in turns. With weights of the queries, means over queries and masses \
     of queries are weighted, and M | k means that every query's share of the k rows is a whole number.";

/// All selectors of which something is proved.
pub static OPTIMISES: &[Optimises] = &[
    Optimises {
        method: "optimal",
        exactly: "W_p over all k-subsets if M divides k; an integral transport problem with capacity 1/k",
        relation: "is W_p",
        guarantee: "attains the lower bound of W_p of all subsets if M | k; NP-hard for k < M, then an interval",
    },
    Optimises {
        method: "random",
        exactly: "nothing",
        relation: "the null hypothesis of the p-value",
        guarantee: "E W_p^p is at least W_p^p of the whole pool, which selection may beat; for metric costs E W₁ exceeds that by \
                    O(k^(-1/d)), d > 2",
    },
    Optimises {
        method: "mean-similarity",
        exactly: "the mean of all pairwise costs^p (product coupling)",
        relation: "its p-th root is an upper bound of W_p (T6)",
        guarantee: "no k rows have a lower mean cost^p to all queries, under any cost; nothing on W_p",
    },
    Optimises {
        method: "round-robin",
        exactly: "nothing: serial dictatorship on the b-matching that `optimal` solves",
        relation: "if M | k, its assignment cost^p ≥ W_p^p ≥ LB, the mean cost^p of each query's k/M nearest rows",
        guarantee: "if M | k: optimal where the queries' lists of k/M nearest rows are disjoint, and for metric costs and p = 1 at \
                    most 2^k − 1 times the best; certified afterwards",
    },
    Optimises {
        method: "doubly-greedy",
        exactly: "c(S→Q)^p, the mean cost^p from chosen rows to their nearest query",
        relation: "c(S→Q) is a lower bound of W_p (T6), blind to coverage",
        guarantee: "no k rows have a lower mean cost^p to their nearest query, under any cost; nothing on coverage",
    },
    Optimises {
        method: "knn-uniform",
        exactly: "TSDS's regularised transport over plans, one-sided cap, with the cost itself whatever p; then k rows by mass",
        relation: "its plan is a coupling, so its cost ≥ W₁ between queries and the *weighted* pool",
        guarantee: "its masses are optimal for TSDS's problem with G_∞ one-sided (the published one up to K = N/2), unless the \
                    list cap decides, which the manifest then says; the k rows taken are certified against every k-subset with \
                    `diversity`",
    },
    Optimises {
        method: "knn-kde",
        exactly: "the same with masses divided by a density estimate",
        relation: "as knn-uniform; r copies of a row share the mass of one if no other row is within sigma and the caps allow r",
        guarantee: "its masses are optimal for TSDS's problem with G_KDE one-sided, for the densities among the listed rows (at most \
                    `kde-cap` neighbours and a tenth of the pool count), unless the list cap decides, which the manifest then \
                    says; none after taking k rows",
    },
    Optimises {
        method: "knn-tv",
        exactly: "TSDS's regularised transport over plans, total-variation penalty, with the cost itself whatever p; then k rows by mass",
        relation: "as knn-uniform",
        guarantee: "its masses are optimal for TSDS's problem with G_TV; that is the even plan where no cost exceeds its query's \
                    least by (1 − α)C/α (495 by default), or by `diversity`; none after taking k rows",
    },
    Optimises {
        method: "kde-ratio",
        exactly: "nothing: a weighted draw without replacement",
        relation: "none: in expectation it shifts the pool towards the queries' density",
        guarantee: "an exact draw by its weights (rows of weight 0 last); the pool density is exact to 1e-9, or estimated from a \
                    sample, as the manifest says",
    },
    Optimises {
        method: "uot",
        exactly: "entropic unbalanced transport over plans, with the cost itself (half-cosine for directions) whatever p; then the \
                  k largest masses",
        relation: "its value without the marginal terms bounds nothing (T4); its plan does, with them",
        guarantee: "converged to 1e-10 in the marginals, or its status says so; none after taking the top k; at ρ → 0 the masses are \
                    the mean over queries of a softmax over rows",
    },
    Optimises {
        method: "energy",
        exactly: "nothing: a local minimum of the energy distance under swaps",
        relation: "half its square is a lower bound of W₁ of the Euclidean distance between the points compared (T6)",
        guarantee: "no swap of two rows takes more than the manifest's `least-gain-noticed`, a matter of rounding, from the squared \
                    energy distance, or the manifest says why that is left open; certified against every k-subset with \
                    `objective` energy",
    },
    Optimises {
        method: "mmd",
        exactly: "nothing: a local minimum of the maximum mean discrepancy under swaps",
        relation: "σ·MMD is a lower bound of W₁ of the Euclidean distance between the points compared, for the Gaussian kernel (T6)",
        guarantee: "as `energy`, for the squared discrepancy; certified against every k-subset with `objective` mmd",
    },
    Optimises {
        method: "swap",
        exactly: "nothing: a local minimum of the objective under swaps; W_p over all k-subsets if M divides k and no swap helps",
        relation: "is the objective, whichever it is",
        guarantee: "never worse than its start, for every cost, power, objective and constraint; no swap of two rows takes more than \
                    the manifest's `least-gain-noticed`, a matter of rounding, from the objective (W_p^p, the square of a kernel's \
                    distance, TSDS's), or the manifest says why that is left open",
    },
    Optimises {
        method: "auto",
        exactly: "nothing: the first of its candidates that is not worse than the best by more than one standard error of the paired \
                  scores of unseen queries",
        relation: "none; the manifest says which candidate was taken, and its relation holds",
        guarantee: "each score is an unbiased estimate, up to a term that all candidates share, of the squared distance under a local \
                    kernel to the law that the queries are independent draws from; certified afterwards like any other method",
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
