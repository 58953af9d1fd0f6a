//! From chosen rows to a certificate: solvers find the evidence, `kantor-theory` says what it proves.

mod among;
mod facts;
mod metric;
mod tasks;

use kantor_solvers::Watch;
use kantor_solvers::relax::budgeted::Budgeted;
use kantor_solvers::relax::tsds::TsdsDual;
use kantor_solvers::scan::lists::NeighbourLists;
use kantor_solvers::scan::screened::active_rows;
use kantor_solvers::transport::evidence::conjugate;
use kantor_solvers::transport::evidence::round;
use kantor_solvers::transport::exact::{TransportError, WeightError, costs};
use kantor_solvers::{Solution, SolveError, Task};
use kantor_theory::bounds::{BestBound, Candidates, DistanceBound, DistanceEvidence, best_bound, distance_bound};
use kantor_theory::certificate::MadeBy;
use kantor_theory::cost_bounds::Power;
use kantor_theory::plan::SparsePlan;
use kantor_theory::{
    BestEvidence, Certificate, Facts, FeasibleSet, Geometry, Interval, Objective, Rejection, Statement, Status,
    TransportProblem, Weights, excess,
};
use rayon::prelude::*;

pub use among::{best_among, distance_among};
pub use facts::{column_record, facts, facts_for, facts_of};
pub(crate) use facts::{dropped_rows, file_facts};
pub use metric::{Measured, SubsetMetric, measure};
pub(crate) use tasks::transports;

/// Rows of a subset that one task looks at.
const ROWS: usize = 256;

/// An interval that closes to this share of itself is called optimal.
const CLOSED: f64 = 1e-9;

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum CertifyError {
    /// The weights make no measure.
    #[error(transparent)]
    Weights(#[from] WeightError),
    /// The costs cannot be solved on.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The plan cannot be made feasible.
    #[error(transparent)]
    Solve(#[from] SolveError),
    /// The kernel does not accept the evidence.
    #[error("the distance could not be certified: {0}")]
    Rejected(#[from] Rejection),
}

/// Which distance is meant, beside pool, queries and cost.
#[derive(Debug, Clone, Default)]
pub struct Terms {
    /// The power p of W_p.
    pub power: Power,
    /// Weights of both sides.
    pub weights: Weights,
    /// Transport, the distance of a kernel, or TSDS's problem.
    pub objective: Objective,
    /// How many of the queries belong to each of several tasks, one after the other, if the distance is that to the worst of
    /// them; else empty.
    pub tasks: Vec<usize>,
}

impl Terms {
    /// The distance under `objective` of uniform rows, for the queries of a task with their weights.
    pub fn of(task: &Task<'_>, objective: Objective) -> Self {
        let weights = Weights { subset: None, query: task.weights.map(<[f64]>::to_vec) };
        Self { power: task.power, weights, objective, tasks: task.tasks.to_vec() }
    }

    /// The same for these rows, which weigh their lengths if tokens are the budget of `set`.
    #[must_use]
    pub fn of_rows(self, set: Option<&FeasibleSet>, rows: &[usize]) -> Self {
        let Some((_, lengths)) = set.and_then(FeasibleSet::tokens) else { return self };
        let subset = Some(rows.iter().map(|&row| lengths[row]).collect());
        Self { weights: Weights { subset, ..self.weights }, ..self }
    }

    fn problem(&self, geometry: &Geometry<'_>, budget: usize) -> Statement {
        let problem = Statement::new(geometry, self.power, budget).weighted(self.weights.clone());
        problem.under(self.objective).in_tasks(self.tasks.clone())
    }

    fn problem_among(&self, geometry: &Geometry<'_>, budget: usize, set: &FeasibleSet) -> Statement {
        let problem =
            self.problem(geometry, budget).constrained(set.constraints().clone()).valued(set.quality().cloned());
        match set.tokens() {
            None => problem,
            Some((tokens, _)) => problem.in_tokens(tokens.clone()),
        }
    }
}

/// Runs the tasks on all worker threads.
pub fn in_parallel(count: usize, task: &(dyn Fn(usize) + Sync)) {
    (0..count).into_par_iter().for_each(task);
}

/// Runs the tasks of a stage on all worker threads until `watch` asks to stop. A bound whose tasks were not all run is then
/// refused with the rule `complete`.
pub fn watched(stage: &str, watch: &dyn Watch) -> impl Fn(usize, &(dyn Fn(usize) + Sync)) {
    move |count, task| {
        watch.begin(stage, count as u64);
        let run = |index| watch.advance(1).map(|()| task(index));
        let _ = (0..count).into_par_iter().try_for_each(run);
    }
}

/// Proves an interval around the distance of the rows to the queries: solves the transport between them exactly, or
/// evaluates the distance of a kernel or TSDS's problem.
///
/// Takes 8·k·M bytes for the costs of transport.
///
/// ```
/// use kantor::certify::{Terms, distance};
/// use kantor::prelude::*;
/// let (pool, query) = (ndarray::array![[0.0], [1.0], [5.0]], ndarray::array![[0.0], [2.0]]);
/// let (pool, query) = (ArrayRows::new(pool.view()), ArrayRows::new(query.view()));
/// let problem = Problem::new(&pool, &query, Goal { cost: Cost::Euclidean, ..Goal::default() })?;
/// let interval = distance(problem.geometry(), &Terms::default(), &[0, 1])?.interval();
/// assert!(interval.lower <= Some(0.5) && interval.upper >= Some(0.5));
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// If weights or costs are no numbers to solve with, or the evidence is refused.
pub fn distance(geometry: &Geometry<'_>, terms: &Terms, rows: &[usize]) -> Result<DistanceBound, CertifyError> {
    let problem = terms.problem(geometry, rows.len());
    Ok(distance_bound(geometry, &problem, rows, evidence(geometry, terms, rows)?, &in_parallel)?)
}

/// What proves the distance of these rows: optimal potentials and an optimal plan of transport, to every task by itself;
/// nothing for objectives that are evaluated.
fn evidence(geometry: &Geometry<'_>, terms: &Terms, rows: &[usize]) -> Result<DistanceEvidence, CertifyError> {
    if terms.objective != Objective::W {
        return Ok(DistanceEvidence::default());
    }
    let (mut potentials, mut entries) = (Vec::with_capacity(geometry.query_len()), Vec::new());
    for (first, solved) in transports(&costs(geometry, terms.power, rows), rows.len(), &terms.weights, &terms.tasks)? {
        potentials.extend(solved.potentials);
        entries.extend(solved.plan.iter().map(|entry| (entry.row, first + entry.query, entry.mass)));
    }
    Ok(DistanceEvidence { potentials: Some(potentials), plan: SparsePlan::new(entries) })
}

/// Proves an interval around the transport distance of the rows of `problem`, without entropy and with hard marginals,
/// from whatever a solver found: potentials by conjugation below, the plan made feasible above (theorem T5).
///
/// Takes about 48 bytes per entry of the feasible plan, `memory` at most.
///
/// # Errors
/// If the weights make no measure, the plan takes too much memory, or the evidence is refused.
pub fn bracket(
    problem: &TransportProblem<'_>,
    solution: &Solution,
    memory: u64,
) -> Result<DistanceBound, CertifyError> {
    let potentials = conjugate(problem, &solution.potentials.query);
    let plan = round(problem, solution, &potentials, memory)?;
    let rows: Vec<usize> = (0..problem.row_count()).map(|position| problem.row(position)).collect();
    let statement = Statement::new(problem.geometry, problem.power, rows.len()).weighted(problem.weights.clone());
    let evidence = DistanceEvidence { potentials: Some(potentials), plan: Some(plan) };
    Ok(distance_bound(problem.geometry, &statement, &rows, evidence, &in_parallel)?)
}

/// Proves how close any subset of `found.budget` rows can be, from the potentials of the best one.
///
/// Only rows that `lists` cannot rule out are looked at; all rows if the lists are too short.
///
/// # Errors
/// If the potentials are refused.
pub fn best(
    geometry: &Geometry<'_>,
    terms: &Terms,
    found: &Budgeted,
    lists: Option<&NeighbourLists>,
) -> Result<BestBound, CertifyError> {
    let problem = terms.problem(geometry, found.budget);
    if !terms.tasks.is_empty() {
        return Ok(best_bound(geometry, &problem, best_evidence(found), Candidates::All, &in_parallel)?);
    }
    let screened = lists.and_then(|lists| active_rows(geometry, lists, terms.power, &found.potentials));
    let candidates = screened.as_ref().map_or(Candidates::All, Candidates::Screened);
    Ok(best_bound(geometry, &problem, found.potentials.clone(), candidates, &in_parallel)?)
}

/// What proves the bound for all subsets that `found` knows.
pub(crate) fn best_evidence(found: &Budgeted) -> BestEvidence {
    let Budgeted { potentials, shares, .. } = found;
    match &shares[..] {
        [] => BestEvidence::Potentials(potentials.clone()),
        shares => BestEvidence::Tasks { shares: shares.to_vec(), potentials: potentials.clone() },
    }
}

/// Proves an interval around the distance of the rows of `found`, if its solver found a plan for them too.
///
/// # Errors
/// If the evidence is refused.
pub fn found_distance(
    geometry: &Geometry<'_>,
    terms: &Terms,
    found: &Budgeted,
) -> Result<Option<DistanceBound>, CertifyError> {
    let Some(takers) = &found.takers else { return Ok(None) };
    let plan = SparsePlan::new(takers.iter().enumerate().map(|(position, &query)| (position, query, 1)).collect());
    let evidence = DistanceEvidence { potentials: Some(found.potentials.clone()), plan };
    let problem = terms.problem(geometry, found.budget);
    Ok(Some(distance_bound(geometry, &problem, &found.rows, evidence, &in_parallel)?))
}

/// Proves how close any subset of `budget` rows can be under the distance of a kernel.
///
/// # Errors
/// If the objective is transport or the witness is refused.
pub fn best_under(
    geometry: &Geometry<'_>,
    terms: &Terms,
    budget: usize,
    evidence: impl Into<BestEvidence>,
) -> Result<BestBound, CertifyError> {
    let problem = terms.problem(geometry, budget);
    Ok(best_bound(geometry, &problem, evidence, Candidates::All, &in_parallel)?)
}

/// Proves how small TSDS's objective can be for any subset of `dual.budget` rows.
///
/// # Errors
/// If the objective is another or the potentials are refused.
pub fn best_tsds(geometry: &Geometry<'_>, terms: &Terms, dual: &TsdsDual) -> Result<BestBound, CertifyError> {
    let problem = terms.problem(geometry, dual.budget);
    // A gathered row costs more than one of a block.
    let few = 4 * dual.screened.rows().len() <= geometry.pool_len();
    let candidates = if few { Candidates::Screened(&dual.screened) } else { Candidates::All };
    Ok(best_bound(geometry, &problem, dual.potentials.clone(), candidates, &in_parallel)?)
}

/// Who is close to whom between some rows and the queries.
#[derive(Debug, Clone, PartialEq)]
pub struct Nearest {
    /// The closest query of every row and the cost between the two; ties to the first query.
    pub of_rows: Vec<(usize, f64)>,
    /// The closest of the rows to every query, by its number in the pool, and the cost between the two; ties to the first.
    pub of_queries: Vec<(usize, f64)>,
}

/// The word for a distance that was proved: `optimal` if its interval closes.
pub fn closed(interval: Interval) -> Status {
    closed_beside(interval, interval.lower.map_or(0.0, f64::abs))
}

/// The same beside a number of this size.
fn closed_beside(interval: Interval, size: f64) -> Status {
    match (interval.lower, interval.upper) {
        (Some(lower), Some(upper)) if upper - lower <= CLOSED * size => Status::Optimal,
        _ => Status::Certified,
    }
}

/// Finds [`Nearest`] of these rows, in `f64`.
pub fn nearest(geometry: &Geometry<'_>, rows: &[usize]) -> Nearest {
    let m = geometry.query_len();
    let of = |rows: &[usize]| {
        let mut block = vec![0.0; rows.len() * m];
        geometry.closeness_gather(rows, &mut block);
        let mut best = vec![(rows[0], f64::NEG_INFINITY); m];
        let mut nearest = |(&row, line): (&usize, &[f64])| {
            best.iter_mut().zip(line).filter(|((_, best), x)| *x > best).for_each(|(best, x)| *best = (row, *x));
            let first = (0..m).fold(0, |first, j| if line[j] > line[first] { j } else { first });
            (first, geometry.cost().from_closeness(line[first]))
        };
        let of_rows: Vec<_> = rows.iter().zip(block.chunks_exact(m)).map(&mut nearest).collect();
        (of_rows, best)
    };
    let blocks: Vec<_> = rows.par_chunks(ROWS).map(of).collect();
    let closer = |best: (usize, f64), other: (usize, f64)| if other.1 > best.1 { other } else { best };
    let of_query = |j: usize| blocks.iter().map(|(_, best)| best[j]).reduce(closer);
    let cost = |(row, closeness)| (row, geometry.cost().from_closeness(closeness));
    let of_queries = (0..m).filter_map(of_query).map(cost).collect();
    Nearest { of_rows: blocks.into_iter().flat_map(|(rows, _)| rows).collect(), of_queries }
}

/// What was proved of one subset.
#[derive(Debug, Clone)]
pub struct Certified {
    distance: DistanceBound,
    best: Option<BestBound>,
}

impl Certified {
    /// Joins a distance and the bound for all subsets of that size.
    ///
    /// # Errors
    /// If they are not about one problem on one geometry.
    pub fn new(distance: DistanceBound, best: Option<BestBound>) -> Result<Self, CertifyError> {
        best.as_ref().map_or(Ok(()), |best| distance.check_same_problem(best))?;
        Ok(Self { distance, best })
    }

    /// The interval of its distance to the power p (the square of a kernel's) less its quality, with what is proved below every
    /// subset, if the statement has a quality.
    pub fn less_quality(&self) -> Option<(Interval, Option<f64>)> {
        self.distance.statement().quality.as_ref()?;
        Some((self.distance.interval(), self.best.as_ref().map(BestBound::lower)))
    }

    /// Around its distance.
    pub fn distance(&self) -> &DistanceBound {
        &self.distance
    }

    /// Below the distance of every subset of its size.
    pub fn best(&self) -> Option<&BestBound> {
        self.best.as_ref()
    }

    /// How far the subset can be above the best possible one; see [`excess`]. None with a quality: a share of the distance less
    /// quality means nothing.
    pub fn excess(&self) -> Option<f64> {
        if self.less_quality().is_some() {
            return None;
        }
        excess(self.distance.interval().upper?, self.best.as_ref()?.lower())
    }

    /// The word for it: `optimal` if the interval between the best possible and its own distance closes.
    pub fn status(&self) -> Status {
        let upper = self.distance.interval().upper;
        // Of a difference, what counts is the distance: what rows are worth may be of any size.
        let size = self.less_quality().and(self.distance.powered().lower);
        let closed = |best: &BestBound| {
            let interval = Interval { lower: Some(best.lower()), upper };
            size.map_or_else(|| closed(interval), |size| closed_beside(interval, size.abs()))
        };
        self.best.as_ref().map_or(Status::Certified, closed)
    }

    /// The certificate over these inputs.
    ///
    /// # Errors
    /// If the bounds contradict each other.
    pub fn certificate(&self, facts: &Facts, selector: Option<&str>) -> Result<Certificate, CertifyError> {
        let made_by = MadeBy {
            tool: "kantor".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            selector: selector.map(str::to_owned),
        };
        let (inputs, dropped) = (facts.inputs.clone(), facts.dropped.clone());
        Ok(Certificate::new(inputs, dropped, &self.distance, self.best.as_ref(), made_by)?)
    }
}
