//! The lists of selectors and solvers: command line, tables, tests and studies all read them.

use crate::exact::{Optimal, exact, partial};
use crate::greedy::{DoublyGreedy, MeanSimilarity, Random, RoundRobin};
use crate::herding::{Energy, Mmd};
use crate::kde::KnnKde;
use crate::kde::ratio::KdeRatio;
use crate::knn::tv::KnnTv;
use crate::knn::uniform::KnnUniform;
use crate::lowrank::low_rank;
use crate::selector::{Selector, Settings};
use crate::sinkhorn::{Uot, sinkhorn, sinkhorn_newton};
use crate::sliced::sliced;
use crate::solver::{Solver, SolverSettings};

/// One selector and what users are told of it.
pub struct SelectorEntry {
    /// The name on the command line.
    pub name: &'static str,
    /// One line for `kantor methods`.
    pub summary: &'static str,
    /// The flags that it reads, by field name of [`Settings`] in kebab case.
    pub settings: &'static [&'static str],
    /// Makes it with these settings; they are checked when it selects.
    pub build: fn(&Settings) -> Box<dyn Selector>,
}

/// All selectors, in the order in which they are listed to users.
pub static SELECTORS: &[SelectorEntry] = &[
    SelectorEntry {
        name: "optimal",
        summary: "least transport distance of all subsets if the number of queries divides the budget, else a rounding of the relaxation",
        settings: &[],
        build: |_| Box::new(Optimal),
    },
    SelectorEntry {
        name: "random",
        summary: "rows drawn without replacement from `seed`: the baseline",
        settings: &[],
        build: |_| Box::new(Random),
    },
    SelectorEntry {
        name: "mean-similarity",
        summary: "the rows closest to the queries on average, by mean cost^p",
        settings: &[],
        build: |_| Box::new(MeanSimilarity),
    },
    SelectorEntry {
        name: "round-robin",
        summary: "queries take turns, each taking its closest row that is still free",
        settings: &[],
        build: |_| Box::new(RoundRobin),
    },
    SelectorEntry {
        name: "doubly-greedy",
        summary: "the rows closest to any query",
        settings: &[],
        build: |_| Box::new(DoublyGreedy),
    },
    SelectorEntry {
        name: "knn-uniform",
        summary: "mass 1/(KM) to each query's K nearest rows, K by the TSDS rule; ranked by mass, then closeness",
        settings: &["alpha", "tradeoff-c", "diversity", "list-cap", "sampling", "compat-reference"],
        build: |settings| Box::new(KnnUniform::new(settings)),
    },
    SelectorEntry {
        name: "knn-kde",
        summary: "as knn-uniform, but mass is divided by the density around each row, so near-copies share it",
        settings: &["alpha", "tradeoff-c", "diversity", "list-cap", "sigma", "kde-cap", "sampling", "compat-reference"],
        build: |settings| Box::new(KnnKde::new(settings)),
    },
    SelectorEntry {
        name: "knn-tv",
        summary: "1/(MN) to each row hardly farther from a query than its nearest, which gets the rest of its mass",
        settings: &["alpha", "tradeoff-c", "diversity", "sampling", "compat-reference"],
        build: |settings| Box::new(KnnTv::new(settings)),
    },
    SelectorEntry {
        name: "kde-ratio",
        summary: "rows drawn without replacement in proportion to query density over pool density",
        settings: &["kernel", "density-bandwidth", "density-sample"],
        build: |settings| Box::new(KdeRatio::new(settings)),
    },
    SelectorEntry {
        name: "uot",
        summary: "pool marginal of entropic unbalanced transport (cost half-cosine for directions), top k",
        settings: &["epsilon", "rho"],
        build: |settings| Box::new(Uot::new(settings)),
    },
    SelectorEntry {
        name: "energy",
        summary: "small energy distance: rows herded one by one, then swapped while swaps help; see `objective` energy",
        settings: &[],
        build: |_| Box::new(Energy),
    },
    SelectorEntry {
        name: "mmd",
        summary: "the same for the maximum mean discrepancy under `kernel`; see `objective` mmd",
        settings: &["kernel", "bandwidth"],
        build: |settings| Box::new(Mmd::new(settings)),
    },
];

/// The selector of that name.
pub fn selector(name: &str) -> Option<&'static SelectorEntry> {
    SELECTORS.iter().find(|entry| entry.name == name)
}

/// One transport solver and what users are told of it.
pub struct SolverEntry {
    /// The name on the command line.
    pub name: &'static str,
    /// One line for `kantor solvers`.
    pub summary: &'static str,
    /// The problems that it solves.
    pub problems: &'static str,
    /// Whether its problems have entropy: then ε must be positive, else 0.
    pub entropic: bool,
    /// Makes it; numbers are checked when it solves.
    pub build: fn(&SolverSettings) -> Box<dyn Solver>,
}

/// All solvers, in the order in which they are listed to users.
pub static SOLVERS: &[SolverEntry] = &[
    SolverEntry {
        name: "exact",
        summary: "the linear problem by the network simplex; primal and dual agree",
        problems: "hard marginals, or a capacity on one side; no entropy",
        entropic: false,
        build: |settings| Box::new(exact(settings)),
    },
    SolverEntry {
        name: "partial",
        summary: "total-variation penalties as transport with truncated costs; primal and dual agree",
        problems: "hard or TV marginals, no entropy",
        entropic: false,
        build: |settings| Box::new(partial(settings)),
    },
    SolverEntry {
        name: "sliced",
        summary: "exact transport of projections on lines; the largest is a lower bound",
        problems: "hard marginals, no entropy; rows, not matrices",
        entropic: false,
        build: |settings| Box::new(sliced(settings)),
    },
    SolverEntry {
        name: "sinkhorn",
        summary: "alternating updates with over-relaxation in the log domain, from larger to smaller ε; least memory",
        problems: "entropy; hard marginals or KL penalties",
        entropic: true,
        build: |settings| Box::new(sinkhorn(settings)),
    },
    SolverEntry {
        name: "sinkhorn-newton",
        summary: "Newton's method in the query potentials, safeguarded by Sinkhorn's; fastest to high accuracy",
        problems: "entropy; hard marginals or KL penalties",
        entropic: true,
        build: |settings| Box::new(sinkhorn_newton(settings)),
    },
    SolverEntry {
        name: "low-rank",
        summary: "alternating updates with a positive low-rank kernel, judged with the true one; for large ε",
        problems: "entropy; hard marginals or KL penalties; rows whose kernel is positive definite",
        entropic: true,
        build: |settings| Box::new(low_rank(settings)),
    },
];

/// The solver of that name.
pub fn solver(name: &str) -> Option<&'static SolverEntry> {
    SOLVERS.iter().find(|entry| entry.name == name)
}
