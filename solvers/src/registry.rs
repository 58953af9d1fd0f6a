//! The lists of selectors, their settings and solvers: command line, tables, tests and studies all read them.

use std::sync::LazyLock;

use crate::objective::ObjectiveSettings;
use crate::select::{
    Auto, DoublyGreedy, Energy, KdeRatio, KnnKde, KnnTv, KnnUniform, MeanSimilarity, Mmd, Optimal, Random, RoundRobin,
    Selector, Swap, Uot,
};
use crate::settings::{Setting, SettingGroup, Settings};
use crate::solver::{Solver, SolverSettings};
use crate::transport::exact::{exact, partial};
use crate::transport::lowrank::low_rank;
use crate::transport::sinkhorn::{sinkhorn, sinkhorn_newton};
use crate::transport::sliced::sliced;

/// One selector and what users are told of it.
pub struct SelectorEntry {
    /// The name on the command line.
    pub name: &'static str,
    /// One line for `kantor methods`.
    pub summary: &'static str,
    /// The settings that it reads.
    pub settings: fn() -> Vec<Setting>,
    /// Makes it with these settings.
    pub build: fn(&Settings) -> Box<dyn Selector>,
}

impl SelectorEntry {
    /// Of a selector without settings.
    const fn plain<T: Selector + Default + 'static>(name: &'static str, summary: &'static str) -> Self {
        Self { name, summary, settings: Vec::new, build: |_| Box::new(T::default()) }
    }

    /// Of a selector that is its settings.
    const fn with<T: Selector + SettingGroup + 'static>(name: &'static str, summary: &'static str) -> Self {
        Self { name, summary, settings: T::described, build: |settings| Box::new(settings.read::<T>()) }
    }
}

/// All selectors, in the order in which they are listed to users.
pub static SELECTORS: &[SelectorEntry] = &[
    SelectorEntry::plain::<Optimal>(
        "optimal",
        "least transport distance of all subsets if the number of queries divides the budget, else a rounding of the relaxation",
    ),
    SelectorEntry::plain::<Random>("random", "rows drawn without replacement from `seed`: the baseline"),
    SelectorEntry::plain::<MeanSimilarity>(
        "mean-similarity",
        "the rows closest to the queries on average, by mean cost^p",
    ),
    SelectorEntry::plain::<RoundRobin>(
        "round-robin",
        "queries take turns, each taking its closest row that is still free",
    ),
    SelectorEntry::plain::<DoublyGreedy>("doubly-greedy", "the rows closest to any query"),
    SelectorEntry::with::<KnnUniform>(
        "knn-uniform",
        "mass 1/(KM) to each query's K nearest rows, K by the TSDS rule; ranked by mass, then closeness",
    ),
    SelectorEntry::with::<KnnKde>(
        "knn-kde",
        "as knn-uniform, but mass is divided by the density around each row, so near-copies share it",
    ),
    SelectorEntry::with::<KnnTv>(
        "knn-tv",
        "1/(MN) to each row hardly farther from a query than its nearest, which gets the rest of its mass",
    ),
    SelectorEntry::with::<KdeRatio>(
        "kde-ratio",
        "rows drawn without replacement in proportion to query density over pool density",
    ),
    SelectorEntry::with::<Uot>(
        "uot",
        "pool marginal of entropic unbalanced transport (cost half-cosine for directions), top k",
    ),
    SelectorEntry::plain::<Energy>(
        "energy",
        "small energy distance: rows herded one by one, then swapped while swaps help; see `objective` energy",
    ),
    SelectorEntry::with::<Mmd>("mmd", "the same for the maximum mean discrepancy under `kernel`; see `objective` mmd"),
    SelectorEntry::with::<Swap>(
        "swap",
        "the rows of `swap-start`, then swaps of one row while they lower the objective, whichever it is",
    ),
    SelectorEntry::with::<Auto>(
        "auto",
        "the method whose choices are closest to queries that it has not seen, of several that are compared",
    ),
];

/// The order in which users see settings, and in which `batch` has digested them; any others follow.
const ORDER: &str = "epsilon rho alpha tradeoff-c diversity list-cap sigma kde-cap sampling kernel bandwidth density-bandwidth \
                     density-sample compat-reference";

/// Whether `batch` has digested a setting from the first.
pub(crate) fn is_always_digested(setting: &str) -> bool {
    ORDER.split(' ').any(|name| name == setting)
}

/// The settings of all selectors and objectives.
pub fn settings() -> &'static [Setting] {
    static SETTINGS: LazyLock<Vec<Setting>> = LazyLock::new(|| {
        let mut all = ObjectiveSettings::described();
        for setting in SELECTORS.iter().flat_map(|entry| (entry.settings)()) {
            if all.iter().all(|known| known.name != setting.name) {
                all.push(setting);
            }
        }
        all.sort_by_key(|setting| ORDER.split(' ').position(|name| name == setting.name).unwrap_or(usize::MAX));
        all
    });
    &SETTINGS
}

/// The selector of that name.
pub fn selector(name: &str) -> Option<&'static SelectorEntry> {
    SELECTORS.iter().find(|entry| entry.name == name)
}

/// All selectors but those that [run others](Selector::runs_others): whoever asks for all methods means these.
pub fn all_selectors() -> impl Iterator<Item = &'static SelectorEntry> {
    SELECTORS.iter().filter(|entry| !(entry.build)(&Settings::default()).runs_others())
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
    /// The fields of [`SolverSettings`] that it reads, beside memory.
    pub reads: &'static [&'static str],
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
        reads: &[],
        build: |settings| Box::new(exact(settings)),
    },
    SolverEntry {
        name: "partial",
        summary: "total-variation penalties as transport with truncated costs; primal and dual agree",
        problems: "hard or TV marginals, no entropy",
        entropic: false,
        reads: &[],
        build: |settings| Box::new(partial(settings)),
    },
    SolverEntry {
        name: "sliced",
        summary: "exact transport of projections on lines; the largest is a lower bound",
        problems: "hard marginals, no entropy; rows, not matrices",
        entropic: false,
        reads: &["directions", "seed"],
        build: |settings| Box::new(sliced(settings)),
    },
    SolverEntry {
        name: "sinkhorn",
        summary: "alternating updates with over-relaxation in the log domain, from larger to smaller ε; least memory",
        problems: "entropy; hard marginals or KL penalties",
        entropic: true,
        reads: &["tolerance", "iterations"],
        build: |settings| Box::new(sinkhorn(settings)),
    },
    SolverEntry {
        name: "sinkhorn-newton",
        summary: "Newton's method in the query potentials, safeguarded by Sinkhorn's; fastest to high accuracy",
        problems: "entropy; hard marginals or KL penalties",
        entropic: true,
        reads: &["tolerance", "iterations"],
        build: |settings| Box::new(sinkhorn_newton(settings)),
    },
    SolverEntry {
        name: "low-rank",
        summary: "alternating updates with a positive low-rank kernel, judged with the true one; for large ε",
        problems: "entropy; hard marginals or KL penalties; rows whose kernel is positive definite",
        entropic: true,
        reads: &["tolerance", "iterations", "rank"],
        build: |settings| Box::new(low_rank(settings)),
    },
];

/// The solver of that name.
pub fn solver(name: &str) -> Option<&'static SolverEntry> {
    SOLVERS.iter().find(|entry| entry.name == name)
}
