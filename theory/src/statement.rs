//! The terms of a statement: which distance, of how many rows, under which weights.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::constraints::Constraints;
use crate::cost::{Cost, Family};
use crate::cost_bounds::{LARGEST_DIM, Power};
use crate::geometry::Geometry;
use crate::kernel::{Kernel, KernelName};
use crate::rejection::Rejection;
use crate::rounding::{ExactSum, div_down};

/// What the bounds bound; part of every certificate.
pub const CONVENTION: &str = "distance = (min <c^p, x> over couplings x of subset and queries, both of total mass 1)^(1/p); \
     best = lower bound of the distance of every subset of `budget` distinct pool rows with equal weights";

/// The same for [`Objective::Energy`] and [`Objective::Mmd`].
pub const KERNEL_CONVENTION: &str = "distance = sqrt(E k(x,x') - 2 E k(x,q) + E k(q,q')), x, x' from the subset and q, q' from the \
     queries, all uniform and independent; k = -|x-q| for energy; points are rows, divided by their norms for costs of directions; \
     best = lower bound of the distance of every subset of `budget` distinct pool rows with equal weights";

/// The same for [`Objective::Tsds`].
pub const TSDS_CONVENTION: &str = "distance = min <c, x> + diversity*(M*max_ij x_ij - 1/N) over x >= 0 on subset rows and queries \
     that give every query mass 1/M, the rows any mass; best = lower bound of it for every subset of `budget` distinct pool rows";

/// What is added to [`KERNEL_CONVENTION`] where there are [`Weights`].
pub const WEIGHTED: &str =
    "; instead of uniform, the side whose `weights` are given has these as probabilities, divided by their sum";

/// What is added to [`CONVENTION`] where there are several tasks.
pub const WORST: &str = "; the queries are those of several tasks, so many of each as `tasks` says, one after the other: distance is the largest \
     of those to each task alone, whose weights are divided by their own sum, and `plan` has a coupling for each task";

/// What is added to the convention of the objective where there are [`Constraints`].
pub const CONSTRAINED: &str = " that obeys `constraints`, as `subset` does: it has all rows of `include`, none of `exclude`, and \
     for every limit min <= x <= max, x the number of its rows with the label (`each`: with any one label) or the sum of its \
     numbers (`sum`) in the column; rows are numbered as in `subset`";

/// Which distance between subset and queries a statement is about.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Objective {
    /// The transport distance W_p.
    #[default]
    W,
    /// The energy distance: the root of 2E‖x − q‖ − E‖x − x'‖ − E‖q − q'‖.
    Energy,
    /// The maximum mean discrepancy under this kernel (biased, that is with all pairs): the root of
    /// E k(x, x') − 2E k(x, q) + E k(q, q').
    Mmd(Kernel),
    /// The regularised transport problem of TSDS (arXiv 2410.11303) on the subset's rows, with its penalty G_∞ on
    /// concentration: [`TSDS_CONVENTION`].
    Tsds {
        /// Weight λ of the penalty; positive and finite.
        diversity: f64,
    },
}

impl Objective {
    /// The word for it in results.
    pub fn name(self) -> &'static str {
        match self {
            Objective::W => "w",
            Objective::Energy => "energy",
            Objective::Mmd(_) => "mmd",
            Objective::Tsds { .. } => "tsds",
        }
    }

    /// The kernel whose distance it is; none for transport, regularised or not.
    pub fn kernel(self) -> Option<Kernel> {
        match self {
            Objective::W | Objective::Tsds { .. } => None,
            Objective::Energy => Some(Kernel::ENERGY),
            Objective::Mmd(kernel) => Some(kernel),
        }
    }

    /// The weight of the penalty, where there is one.
    pub fn diversity(self) -> Option<f64> {
        match self {
            Objective::Tsds { diversity } => Some(diversity),
            _ => None,
        }
    }

    /// What certificates without constraints say the numbers mean.
    pub fn convention(self) -> &'static str {
        match self {
            Objective::W => CONVENTION,
            Objective::Energy | Objective::Mmd(_) => KERNEL_CONVENTION,
            Objective::Tsds { .. } => TSDS_CONVENTION,
        }
    }

    /// Whether it is the one that files need not name.
    fn is_w(&self) -> bool {
        *self == Objective::W
    }
}

/// Weights of the two measures, divided by their exact sum; uniform where missing.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Weights {
    /// One per subset row, in subset order.
    pub subset: Option<Vec<f64>>,
    /// One per query.
    pub query: Option<Vec<f64>>,
}

/// The statement's terms.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statement {
    /// The pairwise cost c.
    pub cost: Cost,
    /// The power p.
    pub p: Power,
    /// Number of subset rows, k.
    pub budget: usize,
    /// Number of pool rows that can be chosen (those not dropped), N.
    pub pool: usize,
    /// Number of queries (those not dropped), M.
    pub queries: usize,
    /// Weights of subset rows and queries.
    pub weights: Weights,
    /// How many of the queries belong to each task, one after the other: `distance` is then that to the task which is
    /// farthest. Empty, and absent in files, if there is one task.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tasks: Vec<usize>,
    /// Which distance; absent in files if it is W.
    #[serde(default, skip_serializing_if = "Objective::is_w")]
    pub objective: Objective,
    /// Which subsets `best` is about; absent in files if it is about all.
    #[serde(default, skip_serializing_if = "Constraints::are_none")]
    pub constraints: Constraints,
    /// [`Objective::convention`], word for word, [`CONSTRAINED`] where there are constraints, and [`WEIGHTED`] where a
    /// kernel's distance has weights.
    pub convention: String,
}

impl Statement {
    /// The problem of choosing `budget` rows of this geometry, with uniform weights.
    pub fn new(geometry: &Geometry<'_>, p: Power, budget: usize) -> Self {
        Self {
            cost: geometry.cost(),
            p,
            budget,
            pool: geometry.pool_len(),
            queries: geometry.query_len(),
            weights: Weights::default(),
            tasks: Vec::new(),
            objective: Objective::W,
            constraints: Constraints::default(),
            convention: CONVENTION.to_owned(),
        }
    }

    /// The same problem with these weights.
    pub fn weighted(self, weights: Weights) -> Self {
        Self { weights, ..self }.with_convention()
    }

    /// The same problem with the distance to the farthest of several tasks, which have so many queries each.
    pub fn in_tasks(self, tasks: Vec<usize>) -> Self {
        Self { tasks, ..self }.with_convention()
    }

    /// The problem of the task that has these queries alone, without constraints. No more is copied than it has.
    pub(crate) fn of_task(&self, queries: Range<usize>) -> Self {
        let &Self { cost, p, budget, pool, objective, .. } = self;
        let count = queries.len();
        let query = self.weights.query.as_ref().map(|weights| weights[queries].to_vec());
        let weights = Weights { subset: self.weights.subset.clone(), query };
        let (tasks, constraints, convention) = (Vec::new(), Constraints::default(), String::new());
        Self { cost, p, budget, pool, queries: count, weights, tasks, objective, constraints, convention }
            .with_convention()
    }

    /// The same problem for subsets that obey these constraints.
    pub fn constrained(self, constraints: Constraints) -> Self {
        Self { constraints, ..self }.with_convention()
    }

    /// The same problem under another distance.
    pub fn under(self, objective: Objective) -> Self {
        Self { objective, ..self }.with_convention()
    }

    fn with_convention(mut self) -> Self {
        self.convention = self.expected_convention();
        self
    }

    /// What certificates of this problem say the numbers mean.
    fn expected_convention(&self) -> String {
        let constrained = if self.constraints.are_none() { "" } else { CONSTRAINED };
        let weighted = self.objective.kernel().is_some() && self.weights != Weights::default();
        let worst = if self.tasks.is_empty() { "" } else { WORST };
        self.objective.convention().to_owned() + constrained + if weighted { WEIGHTED } else { "" } + worst
    }

    /// Checks that the problem makes sense and is about this geometry.
    pub(crate) fn check(&self, geometry: &Geometry<'_>) -> Result<(), Rejection> {
        self.check_alone()?;
        let (n, m) = (geometry.pool_len(), geometry.query_len());
        if (self.pool, self.queries) != (n, m) {
            let place = format!("{} rows and {} queries are claimed, there are {n} and {m}", self.pool, self.queries);
            return Err(Rejection::new("shape", place));
        }
        if self.cost != geometry.cost() {
            return Err(Rejection::new("cost", format!("`{}` is claimed, not `{}`", self.cost, geometry.cost())));
        }
        self.p.check(geometry).map_err(|fault| Rejection::new("cost", fault.to_string()))?;
        match geometry.points().map(|rows| rows.dim()) {
            Some(dim) if dim > LARGEST_DIM => Err(Rejection::new("shape", format!("{dim} columns are too many"))),
            _ => Ok(()),
        }
    }

    /// The part of [`Statement::check`] that needs no data.
    pub(crate) fn check_alone(&self) -> Result<(), Rejection> {
        if self.convention != self.expected_convention() {
            return Err(Rejection::new("convention", "problem.convention is not the one of this schema"));
        }
        if let Objective::Mmd(kernel) = self.objective
            && !kernel.name().is_positive_definite()
        {
            return Err(Rejection::new("objective", format!("kernel `{kernel}` is not positive definite")));
        }
        self.constraints.check_alone()?;
        if self.objective != Objective::W {
            self.check_plain_terms()?;
        }
        if self.budget == 0 || self.budget > self.pool || self.queries == 0 {
            let place = format!("budget {} of {} rows for {} queries", self.budget, self.pool, self.queries);
            return Err(Rejection::new("budget", place));
        }
        self.check_tasks()?;
        let sides = [("subset", &self.weights.subset, self.budget), ("query", &self.weights.query, self.queries)];
        for (side, weights, count) in sides {
            let Some(weights) = weights else { continue };
            if weights.len() != count {
                let place = format!("{} {side} weights for {count} rows", weights.len());
                return Err(Rejection::new("weights", place));
            }
            // Negated so that NaN is caught; -0 is refused with the negative numbers.
            if let Some(at) = weights.iter().position(|w| !w.is_finite() || w.is_sign_negative()) {
                return Err(Rejection::new("weights", format!("{side} weight {at} is negative or not finite")));
            }
            let sum = total(weights);
            if !(sum.down() >= f64::MIN_POSITIVE && sum.up() < f64::MAX) {
                return Err(Rejection::new("weights", format!("the {side} weights have sum zero or overflow")));
            }
        }
        Ok(())
    }

    /// Checks that the tasks, if there are several, have all queries and each some weight.
    fn check_tasks(&self) -> Result<(), Rejection> {
        let fault = |place: String| Err(Rejection::new("tasks", place));
        if self.tasks.is_empty() {
            return Ok(());
        }
        if self.objective != Objective::W {
            return fault(format!("`{}` has no tasks", self.objective.name()));
        }
        let sum = self.tasks.iter().try_fold(0usize, |sum, &count| sum.checked_add(count));
        if self.tasks.len() < 2 || self.tasks.contains(&0) || sum != Some(self.queries) {
            return fault(format!("{:?} queries in tasks, of {} queries", self.tasks, self.queries));
        }
        let Some(weights) = self.weights.query.as_ref().filter(|weights| weights.len() == self.queries) else {
            return Ok(());
        };
        let mut rest = &weights[..];
        for (task, &count) in self.tasks.iter().enumerate() {
            let (of_task, others) = rest.split_at(count);
            let sum = total(of_task);
            if !(sum.down() >= f64::MIN_POSITIVE && sum.up() < f64::MAX) {
                return fault(format!("the weights of task {task} have sum zero or overflow"));
            }
            rest = others;
        }
        Ok(())
    }

    /// What other objectives than W do not know of.
    fn check_plain_terms(&self) -> Result<(), Rejection> {
        let (name, kernel) = (self.objective.name(), self.objective.kernel());
        let fault = if self.p != Power::One {
            "has no power p"
        } else if kernel.is_none() && self.weights != Weights::default() {
            "is proved for uniform weights only"
        } else if kernel.is_some() && self.cost.family() == Family::Given {
            "needs points, not a matrix of costs"
        } else if kernel.is_some_and(|k| k.name() == KernelName::Cosine) && self.cost.family() != Family::Angle {
            "with the cosine kernel needs unit rows, that is a cost of directions"
        } else if let Objective::Tsds { diversity } = self.objective
            && !(diversity > 0.0 && diversity.is_finite())
        {
            "needs a diversity that is positive and finite"
        } else {
            return Ok(());
        };
        Err(Rejection::new("objective", format!("`{name}` {fault}")))
    }

    /// A number ≤ Σ_j b_j g_j.
    pub(crate) fn mean_potential_down(&self, g: &[f64]) -> f64 {
        let mut sum = ExactSum::default();
        match &self.weights.query {
            None => {
                g.iter().for_each(|&g| sum.add(g));
                div_down(sum.down(), g.len() as f64)
            }
            Some(b) => {
                b.iter().zip(g).for_each(|(&b, &g)| sum.add_product(b, g));
                sum.ratio_down(&total(b))
            }
        }
    }
}

/// The exact sum of some weights.
pub(crate) fn total(weights: &[f64]) -> ExactSum {
    let mut sum = ExactSum::default();
    for &w in weights {
        sum.add(w);
    }
    sum
}
