//! A proved interval around the distance of one subset, under any objective.

use crate::bounds::{BestBound, Executor, Interval, discrepancy, misplaced, tasks, transport, tsds};
use crate::constraints::FeasibleSet;
use crate::cost_bounds::Power;
use crate::geometry::Geometry;
use crate::identity::GeometryId;
use crate::kernel::Kernel;
use crate::plan::SparsePlan;
use crate::rejection::Rejection;
use crate::statement::{Objective, Statement, Weights};

/// What proves a transport distance: potentials its lower bound, a plan its upper bound; either may be missing. Other
/// objectives are evaluated and need none.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DistanceEvidence {
    /// One number per query.
    pub potentials: Option<Vec<f64>>,
    /// Which subset row serves which query, and how much.
    pub plan: Option<SparsePlan>,
}

/// A proved interval around the distance of a subset, with its evidence.
#[derive(Debug, Clone, PartialEq)]
pub struct DistanceBound {
    geometry: GeometryId,
    statement: Statement,
    rows: Vec<usize>,
    evidence: DistanceEvidence,
    powered: Interval,
    interval: Interval,
    of_tasks: Vec<Interval>,
}

impl DistanceBound {
    /// What it is about, word for word.
    pub fn statement(&self) -> &Statement {
        &self.statement
    }

    /// Checks that `best` is about this subset too: the same problem on the same geometry.
    ///
    /// # Errors
    /// If it is not: the two then do not say how far this subset is from the best.
    pub fn check_same_problem(&self, best: &BestBound) -> Result<(), Rejection> {
        if best.geometry() != self.geometry {
            return Err(Rejection::new("best", "the bound for all subsets was proved on another geometry"));
        }
        match best.statement() == &self.statement.of_every_subset() {
            true => Ok(()),
            false => {
                Err(Rejection::new("best", "the bound for all subsets is about another problem than the distance"))
            }
        }
    }

    /// Which distance it is.
    pub fn objective(&self) -> Objective {
        self.statement.objective
    }

    /// What certificates of the statement call the distance lies in here: with a quality, less what rows are worth.
    pub fn interval(&self) -> Interval {
        self.interval
    }

    /// The distance lies in here, whatever rows are worth by themselves.
    pub fn plain(&self) -> Interval {
        self.statement.root(self.powered)
    }

    /// Its power, of which the quality is taken, lies in here: the power p of W_p, the square of a kernel's distance.
    pub fn powered(&self) -> Interval {
        self.powered
    }

    /// The distances to each of several tasks lie in here, in their order; empty if there is one.
    pub fn of_tasks(&self) -> &[Interval] {
        &self.of_tasks
    }

    /// The subset: distinct pool rows of the geometry.
    pub fn rows(&self) -> &[usize] {
        &self.rows
    }

    /// What proves it.
    pub fn evidence(&self) -> &DistanceEvidence {
        &self.evidence
    }
}

/// Proves an interval around the distance of the pool rows `rows` (of the geometry), in units of the distance.
///
/// ```
/// use kantor_theory::{Cost, DenseRows, DistanceEvidence, Geometry, Power, SparsePlan, Statement, distance_bound, sequential};
/// let pool = DenseRows::from_f64(1, vec![0.0, 1.0, 5.0]).ok_or("no rows")?;
/// let query = DenseRows::from_f64(1, vec![2.0]).ok_or("no rows")?;
/// let geometry = Geometry::new(&pool, &query, Cost::Euclidean)?;
/// let evidence = DistanceEvidence { potentials: Some(vec![0.0]), plan: SparsePlan::new(vec![(0, 0, 1), (1, 0, 1)]) };
/// let statement = Statement::new(&geometry, Power::One, 2);
/// let interval = distance_bound(&geometry, &statement, &[1, 2], evidence, &sequential)?.interval();
/// assert!(interval.lower <= Some(2.0) && interval.upper >= Some(2.0));
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
///
/// O(k·M·d) time and O(M) memory per task beside the plan for W; O((k + M)²·d) time for kernels; O(k·M·(d + log k)) time
/// and 16·k·M bytes for TSDS.
///
/// # Errors
/// If the evidence does not fit the problem, a row is bad, the executor stopped early, or the bounds contradict each
/// other, which would mean a defect here.
pub fn distance_bound(
    geometry: &Geometry<'_>,
    problem: &Statement,
    rows: &[usize],
    evidence: DistanceEvidence,
    executor: Executor<'_>,
) -> Result<DistanceBound, Rejection> {
    problem.check_unconstrained()?;
    bound_of(geometry, problem, rows, evidence, None, executor)
}

/// As [`distance_bound`], for a subset that obeys the constraints of the problem, and with what its rows are worth by
/// themselves; `feasible` holds the same with the columns that they speak of.
///
/// # Errors
/// As [`distance_bound`]; and if `feasible` does not fit the problem or the rows break a constraint.
pub fn constrained_distance_bound(
    geometry: &Geometry<'_>,
    problem: &Statement,
    rows: &[usize],
    evidence: DistanceEvidence,
    feasible: &FeasibleSet,
    executor: Executor<'_>,
) -> Result<DistanceBound, Rejection> {
    feasible.check_same_problem(problem)?;
    check_subset(rows, problem)?;
    feasible.check(rows)?;
    feasible.check_weights(rows, problem.weights.subset.as_deref())?;
    bound_of(geometry, problem, rows, evidence, Some(feasible), executor)
}

fn bound_of(
    geometry: &Geometry<'_>,
    problem: &Statement,
    rows: &[usize],
    evidence: DistanceEvidence,
    feasible: Option<&FeasibleSet>,
    executor: Executor<'_>,
) -> Result<DistanceBound, Rejection> {
    problem.check(geometry)?;
    check_subset(rows, problem)?;
    let mut of_tasks = Vec::new();
    let powered = match problem.objective {
        Objective::W if !problem.tasks.is_empty() => {
            let powered = tasks::intervals(geometry, problem, rows, &evidence, executor)?;
            of_tasks = powered.iter().map(|&powered| problem.root(powered)).collect();
            Ok(tasks::largest(&powered))
        }
        Objective::W => transport::interval(geometry, problem, rows, &evidence, executor),
        other if evidence != DistanceEvidence::default() => Err(misplaced("potentials and plans", other)),
        Objective::Energy => discrepancy::interval(geometry, Kernel::ENERGY, rows, &problem.weights, executor),
        Objective::Mmd(kernel) => discrepancy::interval(geometry, kernel, rows, &problem.weights, executor),
        Objective::Tsds { diversity } => tsds::interval(geometry, problem, diversity, rows, executor),
    }?;
    let interval = match feasible.filter(|set| set.quality().is_some()) {
        None => problem.root(powered),
        Some(set) => set.less_quality(powered, rows),
    };
    if [interval.lower, interval.upper].into_iter().flatten().any(|end| !end.is_finite()) {
        return Err(Rejection::new("range", "a bound is too large for a double: rescale what rows are worth"));
    }
    if let Interval { lower: Some(lower), upper: Some(upper) } = interval
        && lower > upper
    {
        return Err(Rejection::new("contradiction", format!("lower bound {lower} is above upper bound {upper}")));
    }
    let (geometry, statement, rows) = (geometry.id(), problem.clone(), rows.to_vec());
    Ok(DistanceBound { geometry, statement, rows, evidence, powered, interval, of_tasks })
}

/// Checks that a subset has as many rows as the budget, all distinct and in the pool.
fn check_subset(rows: &[usize], problem: &Statement) -> Result<(), Rejection> {
    if rows.len() != problem.budget {
        let place = format!("{} rows for a budget of {}", rows.len(), problem.budget);
        return Err(Rejection::new("subset", place));
    }
    let mut seen = vec![false; problem.pool];
    for (position, &row) in rows.iter().enumerate() {
        match seen.get_mut(row) {
            None => {
                let place = format!("subset[{position}] is row {row} of a pool of {}", problem.pool);
                return Err(Rejection::new("subset", place));
            }
            Some(true) => return Err(Rejection::new("subset", format!("subset[{position}] repeats row {row}"))),
            Some(first) => *first = true,
        }
    }
    Ok(())
}

/// Checks that pool rows and weights fit the geometry.
pub(super) fn check_weighted(
    geometry: &Geometry<'_>,
    power: Power,
    rows: &[usize],
    weights: &Weights,
) -> Result<(), Rejection> {
    let statement = Statement::new(geometry, power, rows.len()).weighted(weights.clone());
    statement.check(geometry)?;
    check_subset(rows, &statement)
}
