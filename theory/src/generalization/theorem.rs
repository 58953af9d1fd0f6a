//! The statements that kantor stands behind, by the name of their page in `theory/notes`.

use std::fmt;

/// A statement with a page of its own: `theory/notes/<id>.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs, reason = "names are ids; `title` says what each is")]
pub enum Theorem {
    WeakDuality,
    BestSubset,
    T1,
    T1b,
    T2,
    T3,
    T4,
    T5,
    T6,
    T7,
    T8,
    T8b,
    T9,
    T10,
    T11,
    T12,
    T13,
    T14,
    Paper61,
    Paper62,
    Selectors,
    Objective,
    Composite,
    RandomReference,
    IntrinsicDimension,
}

impl Theorem {
    /// All of them, in the order of the map.
    pub const ALL: [Theorem; 25] = [
        Theorem::WeakDuality,
        Theorem::BestSubset,
        Theorem::T1,
        Theorem::T1b,
        Theorem::T2,
        Theorem::T3,
        Theorem::T4,
        Theorem::T5,
        Theorem::T6,
        Theorem::T7,
        Theorem::T8,
        Theorem::T8b,
        Theorem::T9,
        Theorem::T10,
        Theorem::T11,
        Theorem::T12,
        Theorem::T13,
        Theorem::T14,
        Theorem::Paper61,
        Theorem::Paper62,
        Theorem::Selectors,
        Theorem::Objective,
        Theorem::Composite,
        Theorem::RandomReference,
        Theorem::IntrinsicDimension,
    ];

    /// The name of its page, without `.md`.
    pub fn id(self) -> &'static str {
        self.entry().0
    }

    /// What it is, in a few words.
    pub fn title(self) -> &'static str {
        self.entry().1
    }

    fn entry(self) -> (&'static str, &'static str) {
        match self {
            Theorem::WeakDuality => ("weak-duality", "potentials and plans enclose a distance"),
            Theorem::BestSubset => ("best-subset", "potentials bound the distance of every subset"),
            Theorem::T1 => ("T1", "Kantorovich–Rubinstein: loss gap ≤ L·W₁"),
            Theorem::T1b => ("T1b", "truncated metric: loss gap ≤ OT of min(L·d, B)"),
            Theorem::T2 => ("T2", "chamfer distance = W₁ after the best reweighting"),
            Theorem::T3 => ("T3", "capacity path: R_Q ≤ λ·R_S + L·OT_λ"),
            Theorem::T4 => ("T4", "any partial plan, paid for by its missing mass"),
            Theorem::T5 => ("T5", "entropic transport brackets OT, its divergence does not"),
            Theorem::T6 => ("T6", "cheap lower and upper bounds of W₁"),
            Theorem::T7 => ("T7", "projection and residual"),
            Theorem::T8 => ("T8", "gradient features: the constant is the measured step"),
            Theorem::T8b => ("T8b", "guaranteed descent from the relative matching error"),
            Theorem::T9 => ("T9", "probabilistic Lipschitz bound, measured on a plan"),
            Theorem::T10 => ("T10", "held-out queries: distance to the law of the queries"),
            Theorem::T11 => ("T11", "the same queries, by random half-splits"),
            Theorem::T12 => ("T12", "direct evaluation on held-out queries"),
            Theorem::T13 => ("T13", "rates of the empirical measure"),
            Theorem::T14 => ("T14", "maximum mean discrepancy"),
            Theorem::Paper61 => ("paper-6.1", "two transport segments (arXiv 2602.14696)"),
            Theorem::Paper62 => ("paper-6.2", "gain over a random subset (arXiv 2602.14696)"),
            Theorem::Selectors => ("selectors", "what each selector provably optimises"),
            Theorem::Objective => ("objective", "the objective family (1 − p^α)/α"),
            Theorem::Composite => ("composite", "the main statement: T1b, T3, T10 or T11, and T12 together"),
            Theorem::RandomReference => ("random-reference", "percentile among random subsets, exact p-value"),
            Theorem::IntrinsicDimension => ("intrinsic-dimension", "how fast distances can shrink with more data"),
        }
    }
}

impl fmt::Display for Theorem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}
