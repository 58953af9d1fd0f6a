//! Lower and upper bound of the transport distance of one subset, from potentials and from a plan.
//!
//! With subset weights a and query weights b, each of total 1 (`notes/weak-duality.md`):
//! - lower, for any g:  Σ_j b_j g_j − Σ_{i∈S} a_i max_j(g_j − c_ij^p) ≤ W_p(S)^p;
//! - upper, for any masses x ≥ 0 of total 1: W_p(S)^p ≤ Σ x_ij c_ij^p + (c_max − min(0, c_min))·(mass that is missing),
//!   where missing = Σ_i (a_i − Σ_j x_ij)₊ + Σ_j (Σ_i x_ij − b_j)₊. Uniform marginals must be met exactly, as integers,
//!   and then nothing is missing.

use crate::bounds::{BLOCK, BestBound, Interval, Spread, TASK, check_potentials, check_transport, gather};
use crate::cost_bounds::CostBounds;
use crate::geometry::Geometry;
use crate::identity::GeometryId;
use crate::plan::SparsePlan;
use crate::rejection::Rejection;
use crate::rounding::{ExactSum, add_up, div_up, mul_up, sub_down};
use crate::statement::{Objective, Statement, total};

/// What proves a distance: potentials its lower bound, a plan its upper bound; either may be missing.
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
    interval: Interval,
}

impl DistanceBound {
    /// What was proved on this geometry; a distance that was evaluated rests on no evidence.
    pub(super) fn proved(
        geometry: &Geometry<'_>,
        problem: &Statement,
        rows: &[usize],
        evidence: DistanceEvidence,
        interval: Interval,
    ) -> Self {
        Self { geometry: geometry.id(), statement: problem.clone(), rows: rows.to_vec(), evidence, interval }
    }

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
        match best.statement() == &self.statement {
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

    /// The distance lies in here.
    pub fn interval(&self) -> Interval {
        self.interval
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

/// What a pass over subset rows adds up.
#[derive(Default)]
struct Sums {
    /// Σ_i a_i max_j(g_j − c_ij), scaled by the total weight.
    dual: ExactSum,
    /// Σ x_ij c_ij, scaled by the plan's total mass.
    primal: ExactSum,
    /// Largest upper bound of a cost, at least 0.
    largest: f64,
    /// Smallest lower bound of a cost, at most 0.
    smallest: f64,
}

/// Evaluates both bounds for the pool rows `rows` (of the geometry), in units of the distance (p-th root taken).
///
/// O(k·M·d) time, O(M) memory per task beside the plan.
///
/// # Errors
/// If the evidence does not fit the problem, a row is bad, the spread stopped early, or the bounds contradict each
/// other, which would mean a defect here.
pub fn distance_bound(
    geometry: &Geometry<'_>,
    problem: &Statement,
    rows: &[usize],
    evidence: DistanceEvidence,
    spread: Spread<'_>,
) -> Result<DistanceBound, Rejection> {
    problem.check(geometry)?;
    check_subset(rows, problem)?;
    check_transport(problem)?;
    let m = geometry.query_len();
    let costs = CostBounds::new(geometry, problem.p);
    if let Some(g) = &evidence.potentials {
        check_potentials(g, m, "distance potentials")?;
    }
    let missing = match &evidence.plan {
        Some(plan) => plan.missing_mass(problem)?,
        None => 0.0,
    };
    let task = |index: usize| {
        let mut sums = Sums::default();
        let mut closeness = vec![0.0; BLOCK * m];
        let mut replies = [0.0; BLOCK];
        let end = ((index + 1) * TASK).min(rows.len());
        for first in (index * TASK..end).step_by(BLOCK) {
            let span = first..(first + BLOCK).min(end);
            let block = &rows[span.clone()];
            let closeness = &mut closeness[..block.len() * m];
            geometry.check_rows(block.iter().copied()).map_err(|fault| Rejection::new("rows", fault.to_string()))?;
            geometry.closeness_gather(block, closeness);
            if let Some(at) = closeness.iter().position(|s| !s.is_finite()) {
                let place = format!("the closeness of pool row {} and query {} is not finite", block[at / m], at % m);
                return Err(Rejection::new("rows", place));
            }
            if let Some(g) = &evidence.potentials {
                costs.best_replies(g, closeness, &mut replies[..block.len()]);
                for (position, &reply) in span.clone().zip(&replies) {
                    match &problem.weights.subset {
                        None => sums.dual.add(reply),
                        Some(a) => sums.dual.add_product(a[position], reply),
                    }
                }
            }
            if let Some(plan) = &evidence.plan {
                for (position, query, mass) in plan.of_positions(span.clone()) {
                    let at = (position - first) * m + query;
                    let upper = costs.upper(closeness[at], || geometry.same_row(rows[position], query));
                    sums.primal.add_times(mass, upper);
                }
                if missing > 0.0 {
                    for &s in closeness.iter() {
                        sums.largest = sums.largest.max(costs.upper(s, || false));
                        sums.smallest = sums.smallest.min(costs.lower(s));
                    }
                }
            }
        }
        Ok(sums)
    };
    let merge = |total: &mut Sums, part: Sums| {
        total.dual.merge(&part.dual);
        total.primal.merge(&part.primal);
        total.largest = total.largest.max(part.largest);
        total.smallest = total.smallest.min(part.smallest);
    };
    let sums = gather(rows.len().div_ceil(TASK), spread, task, Sums::default(), merge)?;

    let lower = evidence.potentials.as_ref().map(|g| {
        let spent = match problem.weights.subset.as_deref() {
            None => div_up(sums.dual.up(), rows.len() as f64),
            Some(a) => sums.dual.ratio_up(&total(a)),
        };
        let value = sub_down(problem.mean_potential_down(g), spent);
        problem.p.root_down(if costs.signed() { value } else { value.max(0.0) })
    });
    let upper = evidence.plan.as_ref().map(|plan| {
        let mean = sums.primal.ratio_up(&plan.total_sum());
        let repair = mul_up(add_up(sums.largest, -sums.smallest), missing);
        problem.p.root_up(add_up(mean, repair))
    });
    for bound in [lower, upper].into_iter().flatten() {
        if !bound.is_finite() {
            return Err(Rejection::new("range", "a bound is too large for a double: rescale potentials or costs"));
        }
    }
    if let (Some(lower), Some(upper)) = (lower, upper)
        && lower > upper
    {
        return Err(Rejection::new("contradiction", format!("lower bound {lower} is above upper bound {upper}")));
    }
    Ok(DistanceBound::proved(geometry, problem, rows, evidence, Interval { lower, upper }))
}

/// Checks that a subset has as many rows as the budget, all distinct and in the pool.
pub(crate) fn check_subset(rows: &[usize], problem: &Statement) -> Result<(), Rejection> {
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
