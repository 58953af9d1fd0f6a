//! What a distance implies for a loss: every quantity of `theory/notes` that the inputs allow, with its assumptions.
//!
//! This module draws (random subsets, half-splits), solves (transports) and asks; what may be called a bound is decided in
//! [`kantor_theory::generalization`], which takes solved plans as evidence and evaluates them on the safe side.

mod contradicted;
mod evidence;
mod gradients;
mod line;
mod losses;
mod references;
mod sample;
mod solve;
mod summary;
mod transport;

use kantor_solvers::Watch;
use kantor_theory::generalization::{Cloud, LossObjective, Metric, MetricDistance, Refusal, Theorem};
use kantor_theory::{Cost, Interval, Objective, Rows};

use crate::certify;
use crate::pipeline::Error;
use crate::probe;
use crate::problem::Problem;

pub use line::{Line, Says};
use solve::Solved;

/// Points of the capacity path, at most.
const PATH: usize = 17;

/// Subsets larger than this are not compared with themselves: k² distances.
const PAIRWISE: usize = 4096;

/// Losses of one trained model, where they are known.
#[derive(Debug, Clone, Default)]
pub struct Losses {
    /// One per subset row.
    pub subset: Option<Vec<f64>>,
    /// One per query.
    pub query: Option<Vec<f64>>,
    /// One per held-out query.
    pub held_out: Option<Vec<f64>>,
}

/// What rows that are gradients were made with.
#[derive(Debug, Clone, Copy)]
pub struct GradientTerms {
    /// ‖Δ‖, how far training moved the parameters.
    pub step: Option<f64>,
    /// β, the smoothness of the loss.
    pub smoothness: Option<f64>,
}

/// What is known beside the rows; nothing is invented for what is not.
#[derive(Debug, Clone)]
pub struct BoundTerms {
    /// L in the metric.
    pub lipschitz: Option<f64>,
    /// B.
    pub range: Option<f64>,
    /// D; if the metric has one of its own, only a smaller one says more.
    pub diameter: Option<f64>,
    /// δ.
    pub delta: f64,
    /// The training objective.
    pub objective: Option<LossObjective>,
    /// Lipschitz constant of row ↦ logits, with an objective.
    pub logit_lipschitz: Option<f64>,
    /// ε of entropic transport in units of the metric; else a share of the mean distance.
    pub epsilon: Option<f64>,
    /// Present if the rows are gradients.
    pub gradients: Option<GradientTerms>,
    /// Seed of splits and references.
    pub seed: u64,
    /// Number of half-splits of the queries.
    pub splits: usize,
    /// Number of random subsets.
    pub references: usize,
    /// Bytes that may be used beyond the input.
    pub memory: u64,
}

impl Default for BoundTerms {
    /// Nothing known, δ = 0.05, ten half-splits, 19 random subsets, and the memory that the system has to give.
    fn default() -> Self {
        Self {
            lipschitz: None,
            range: None,
            diameter: None,
            delta: 0.05,
            objective: None,
            logit_lipschitz: None,
            epsilon: None,
            gradients: None,
            seed: 0,
            splits: 10,
            references: 19,
            memory: probe::available_memory().unwrap_or(u64::MAX),
        }
    }
}

/// Held-out queries, and how many of them are also among the queries of the selection.
pub struct UnseenQueries<'a> {
    /// The rows.
    pub rows: &'a dyn Rows,
    /// What messages call them; by their place, if empty.
    pub numbers: &'a [usize],
    /// Known to have taken part.
    pub shared: usize,
}

/// The inputs of [`bounds`].
pub struct Subject<'a> {
    /// Pool, queries and the cost of the selection; statements use the metric behind it.
    pub problem: &'a Problem<'a>,
    /// What messages call the queries; by their place, if empty.
    pub query_numbers: &'a [usize],
    /// The subset: distinct pool rows.
    pub subset: &'a [usize],
    /// What messages call its rows; by their place, if empty.
    pub subset_numbers: &'a [usize],
    /// Queries that the selection did not see.
    pub held_out: Option<UnseenQueries<'a>>,
    /// Losses.
    pub losses: &'a Losses,
}

/// What the table is about, and its lines.
#[derive(Debug, Clone)]
pub struct Report {
    /// The cost of the selection.
    pub cost: Cost,
    /// Proved to contain the distance of the subset under it.
    pub by_cost: Interval,
    /// Random subsets that were drawn.
    pub references: usize,
    /// B in force.
    pub range: Option<f64>,
    /// The metric of all distances.
    pub metric: Metric,
    /// D.
    pub diameter: Option<f64>,
    /// In the order of the questions.
    pub lines: Vec<Line>,
}

/// What the parts share.
struct Study<'a> {
    subject: &'a Subject<'a>,
    pool: &'a dyn Rows,
    terms: &'a BoundTerms,
    metric: Metric,
    diameter: Option<f64>,
    subset: Cloud,
    query: Cloud,
    held_out: Option<Cloud>,
    /// L in force: given, or from the objective.
    lipschitz: Option<f64>,
    /// B in force: given, or 1/α.
    range: Option<f64>,
    watch: &'a dyn Watch,
    lines: Vec<Line>,
}

/// All quantities that these inputs allow.
///
/// # Errors
/// If the cost has no metric behind it, two of the points are farther apart than the given diameter, memory does not suffice, a transport cannot be solved or certified, or `watch`
/// asks to stop.
pub fn bounds(subject: &Subject<'_>, terms: &BoundTerms, watch: &dyn Watch) -> Result<Report, Error> {
    let Subject { problem, subset, .. } = subject;
    let (Some(pool), Some(metric)) = (problem.pool(), Metric::behind(problem.goal().cost)) else {
        return Err(Error::Request(
            "bounds need rows and a metric: `precomputed` costs are not known to be one".to_owned(),
        ));
    };
    let (k, m) = (subset.len(), problem.queries().len());
    let held = subject.held_out.as_ref().map_or(0, |held| held.rows.len());
    let needed = 8 * (4 * k * m.max(held) + (2 * k + 2 * m + 2 * held) * pool.dim()) as u64;
    if needed > terms.memory {
        return Err(Error::Memory { needed, allowed: terms.memory });
    }
    let cloud = |rows: &dyn Rows, which: &mut dyn Iterator<Item = usize>| {
        Cloud::new(metric, rows, which)
            .ok_or_else(|| Error::Request("the subset and the query sets need rows".to_owned()))
    };
    let all = |rows: &dyn Rows| cloud(rows, &mut (0..rows.len()));
    let mut study = Study {
        subject,
        pool,
        terms,
        metric,
        diameter: metric.diameter().into_iter().chain(terms.diameter).reduce(f64::min),
        subset: cloud(pool, &mut subset.iter().copied())?,
        query: all(problem.queries())?,
        held_out: subject.held_out.as_ref().map(|held| all(held.rows)).transpose()?,
        lipschitz: terms.lipschitz,
        range: terms.range,
        watch,
        lines: Vec::new(),
    };
    study.check_diameter()?;
    study.cost_itself();
    study.objective();
    study.part("constants");
    let solved = study.distances()?;
    study.part("distance between subset and queries");
    study.other_evidence(&solved)?;
    study.part("the same distance from other evidence");
    study.loss_gaps(&solved)?;
    study.part("losses on these queries");
    let law = study.fresh_queries(&solved)?;
    study.part("the law of the queries");
    study.measured_losses(&solved, law.as_ref())?;
    study.part("measured losses");
    study.references(&solved)?;
    study.part("among other subsets");
    study.gradients()?;
    study.part("gradients");
    study.refuse_contradicted()?;
    let cost = problem.goal().cost;
    let by_cost = certify::distance(problem.geometry(), &problem.terms(Objective::W), subset)?.interval();
    let Study { range, diameter, lines, .. } = study;
    Ok(Report { cost, by_cost, references: terms.references, range, metric, diameter, lines })
}

impl Study<'_> {
    fn push(&mut self, line: Line) {
        self.lines.push(line);
    }

    /// Names the part of the table to which the lines since the last one belong.
    fn part(&mut self, name: &'static str) {
        self.lines.iter_mut().filter(|line| line.part.is_empty()).for_each(|line| line.part = name);
    }

    /// Gives the reason why something was not looked at.
    fn skip(&mut self, quantity: &str, theorem: Theorem, why: impl Into<String>) {
        self.push(Line::new(quantity, Says::NotComputed { theorem, why: why.into() }));
    }

    fn refuse(&mut self, quantity: &str, refusal: Refusal) {
        self.push(Line::new(quantity, Says::Refused(refusal)));
    }

    /// The cost of the selection, if it is no metric.
    fn cost_itself(&mut self) {
        let cost = self.subject.problem.goal().cost;
        if let Err(refusal) = Metric::of(cost, Theorem::T1) {
            self.refuse(&format!("loss gap from cost `{cost}`"), refusal);
        }
    }

    /// Constants of the training objective; they stand in for L and B where those are not given.
    fn objective(&mut self) {
        let Some(objective) = self.terms.objective else { return };
        self.push(Line::value("error per unit of loss, c_α", objective.error_constant_bound()));
        if let Some(logits) = self.terms.logit_lipschitz {
            let bound = objective.loss_lipschitz(logits);
            self.lipschitz = self.lipschitz.or(Some(bound.value()));
            self.push(Line::value("Lipschitz constant of the loss, L", bound));
        }
        self.range = self.range.or(Some(objective.range()).filter(|range| range.is_finite()));
    }

    /// W₁ between two clouds, certified.
    fn distance(&self, a: &Cloud, b: &Cloud) -> Result<MetricDistance, Error> {
        self.watch.advance(0)?;
        Ok(solve::distance(&a.pairs(b)?)?.distance)
    }

    /// R_S, enclosed.
    fn subset_loss(&self) -> Option<(f64, f64)> {
        kantor_theory::generalization::lipschitz::mean_loss(self.subject.losses.subset.as_deref()?, None)
    }

    /// Distances that are no longer than this are needed for L to say anything.
    fn solved(&self) -> Result<Solved, Error> {
        self.watch.begin("transport", 0);
        self.watch.advance(0)?;
        Ok(solve::distance(&self.subset.pairs(&self.query)?)?)
    }
}
