//! The terms of a statement: which distance, of how many rows, under which weights.

mod checks;

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::constraints::{Column, ColumnRecord, Constraints, FeasibleSet, Quality};
use crate::cost::Cost;
use crate::cost_bounds::Power;
use crate::geometry::Geometry;
use crate::kernel::Kernel;
use crate::rejection::Rejection;
use crate::rounding::{ExactSum, div_down};
use crate::tokens::TokenBudget;

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

/// What takes the place of what a convention says of `best` where the budget is in tokens.
pub const TOKENS: &str = "every subset row weighs its number in the column of `tokens`, divided by the sum of these; best = lower bound \
     of the distance of every subset of distinct pool rows, however many, so weighted, whose numbers add up to min <= x <= max";

/// What is added to [`CONVENTION`] where there are several tasks.
pub const WORST: &str = "; the queries are those of several tasks, so many of each as `tasks` says, one after the other: distance is the largest \
     of those to each task alone, whose weights are divided by their own sum, and `plan` has a coupling for each task";

/// What is added to the convention of the objective where there are [`Constraints`].
pub const CONSTRAINED: &str = " that obeys `constraints`, as `subset` does: it has all rows of `include`, none of `exclude`, and \
     for every limit min <= x <= max, x the number of its rows with the label (`each`: with any one label) or the sum of its \
     numbers (`sum`) in the column; rows are numbered as in `subset`";

/// What is added to the convention where there is a [`Quality`].
pub const VALUED: &str = "; where there is a `quality`, distance and best are instead of that distance to the power p, the power 2 under \
     energy and mmd, less weight times the mean of the numbers in the column of `quality` over the subset, and may be negative";

/// The same where the budget is in tokens.
pub const VALUED_IN_TOKENS: &str = "; where there is a `quality`, distance and best are instead of that distance to the power p, the power \
     2 under energy and mmd, less weight times the mean of the numbers in the column of `quality` over the subset, whose rows weigh what \
     they weigh in the distance, and may be negative";

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
    /// What chosen rows are worth by themselves; absent in files if nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quality: Option<Quality>,
    /// How many tokens the subsets have in all, if that is what they are limited by: `budget` is then but the number of rows of
    /// one subset, 0 if none is meant, whose weights are the lengths of its rows. Absent in files if rows are the budget.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<TokenBudget>,
    /// [`Objective::convention`], word for word, [`TOKENS`] where these are the budget, [`CONSTRAINED`] where there are constraints, [`WEIGHTED`] where a
    /// kernel's distance has weights, and [`VALUED`] or [`VALUED_IN_TOKENS`] where there is a quality.
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
            quality: None,
            tokens: None,
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

    /// Which of several tasks a query belongs to.
    pub fn task_of(&self, query: usize) -> Option<usize> {
        let mut end = 0;
        self.tasks.iter().position(|count| {
            end += count;
            query < end
        })
    }

    /// The problem of the task that has these queries alone, without constraints. No more is copied than it has.
    pub(crate) fn of_task(&self, queries: Range<usize>) -> Self {
        let &Self { cost, p, budget, pool, objective, .. } = self;
        let count = queries.len();
        let query = self.weights.query.as_ref().map(|weights| weights[queries].to_vec());
        let weights = Weights { subset: self.weights.subset.clone(), query };
        let (tasks, constraints, convention) = (Vec::new(), Constraints::default(), String::new());
        let (quality, tokens) = (None, None);
        let alone = Self {
            cost,
            p,
            budget,
            pool,
            queries: count,
            weights,
            tasks,
            objective,
            constraints,
            quality,
            tokens,
            convention,
        };
        alone.with_convention()
    }

    /// The same problem for subsets that obey these constraints.
    pub fn constrained(self, constraints: Constraints) -> Self {
        Self { constraints, ..self }.with_convention()
    }

    /// The same problem where chosen rows are worth something by themselves.
    pub fn valued(self, quality: Option<Quality>) -> Self {
        Self { quality, ..self }.with_convention()
    }

    /// The same problem for subsets of so many tokens, each row weighing its length.
    pub fn in_tokens(self, tokens: TokenBudget) -> Self {
        Self { tokens: Some(tokens), ..self }.with_convention()
    }

    /// What a bound for all subsets is about: not the number and lengths of the rows of one subset, where tokens are the budget.
    pub fn of_every_subset(&self) -> Self {
        match self.tokens {
            None => self.clone(),
            Some(_) => {
                let weights = Weights { subset: None, query: self.weights.query.clone() };
                Self { budget: 0, weights, ..self.clone() }.with_convention()
            }
        }
    }

    /// What the weights of every subset add up to at least: its rows, or tokens.
    pub(crate) fn least_total(&self) -> f64 {
        self.tokens.as_ref().map_or(self.budget as f64, |tokens| tokens.min)
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
        let valued = match (&self.quality, &self.tokens) {
            (None, _) => "",
            (Some(_), None) => VALUED,
            (Some(_), Some(_)) => VALUED_IN_TOKENS,
        };
        let convention = match (&self.tokens, self.objective.convention().split_once("best = ")) {
            (Some(_), Some((distance, _))) => distance.to_owned() + TOKENS,
            _ => self.objective.convention().to_owned(),
        };
        convention + constrained + if weighted { WEIGHTED } else { "" } + worst + valued
    }

    /// The columns that it speaks of: those of its constraints, then that of the lengths where tokens are the budget, and last
    /// that of its quality.
    pub fn columns(&self) -> impl Iterator<Item = &ColumnRecord> {
        let lengths = self.tokens.iter().map(|tokens| &tokens.column);
        self.constraints.columns.iter().chain(lengths).chain(self.quality.iter().map(|quality| &quality.column))
    }

    /// The subsets that it speaks of, from [`Statement::columns`] for a pool of `stored` rows of which those in `dropped`
    /// (ascending) are left out.
    ///
    /// # Errors
    /// As [`FeasibleSet::new`], [`FeasibleSet::in_tokens`] and [`FeasibleSet::valued`].
    pub fn feasible(&self, columns: &[Column], stored: usize, dropped: &[usize]) -> Result<FeasibleSet, Rejection> {
        let (of_limits, others) = columns.split_at(self.constraints.columns.len().min(columns.len()));
        let set = FeasibleSet::new(&self.constraints, of_limits, stored, dropped)?;
        match (&self.tokens, &self.quality, others) {
            (None, None, []) => Ok(set),
            (Some(tokens), None, [column]) => set.in_tokens(tokens, column, stored, dropped),
            (None, Some(quality), [column]) => set.valued(quality.clone(), column, dropped),
            (Some(tokens), Some(quality), [lengths, column]) => {
                set.in_tokens(tokens, lengths, stored, dropped)?.valued(quality.clone(), column, dropped)
            }
            _ => Err(Rejection::new("columns", "that of lengths or of quality is missing, or there is one too many")),
        }
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
