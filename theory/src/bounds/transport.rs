//! What potentials and plans prove of the transport distance W_p.
//!
//! With subset weights a and query weights b, each of total 1 (`notes/weak-duality.md`):
//! - lower, for any g:  Σ_j b_j g_j − Σ_{i∈S} a_i max_j(g_j − c_ij^p) ≤ W_p(S)^p;
//! - upper, for any masses x ≥ 0 of total 1: W_p(S)^p ≤ Σ x_ij c_ij^p + (c_max − min(0, c_min))·(mass that is missing),
//!   where missing = Σ_i (a_i − Σ_j x_ij)₊ + Σ_j (Σ_i x_ij − b_j)₊. Uniform marginals must be met exactly, as integers,
//!   and then nothing is missing.

use crate::bounds::best::{Relaxation, values_of_closeness};
use crate::bounds::blocks::over_closeness;
use crate::bounds::{DistanceEvidence, Executor, Interval, check_potentials};
use crate::cost_bounds::CostBounds;
use crate::geometry::Geometry;
use crate::rejection::Rejection;
use crate::rounding::{ExactSum, add_up, div_up, mul_up, sub_down};
use crate::statement::{Statement, total};

/// What a pass over subset rows adds up.
#[derive(Clone, Default)]
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

/// Evaluates both bounds of W_p^p for the pool rows `rows`.
pub(super) fn interval(
    geometry: &Geometry<'_>,
    problem: &Statement,
    rows: &[usize],
    evidence: &DistanceEvidence,
    executor: Executor<'_>,
) -> Result<Interval, Rejection> {
    let m = geometry.query_len();
    let costs = CostBounds::new(geometry, problem.p);
    if let Some(g) = &evidence.potentials {
        check_potentials(g, m, "distance potentials")?;
    }
    let missing = match &evidence.plan {
        Some(plan) => plan.missing_mass(problem)?,
        None => 0.0,
    };
    let visit = |sums: &mut Sums, first: usize, block: &[usize], closeness: &[f64]| {
        if let Some(g) = &evidence.potentials {
            let mut replies = vec![0.0; block.len()];
            costs.best_replies(g, closeness, &mut replies);
            for (position, &reply) in (first..).zip(&replies) {
                match &problem.weights.subset {
                    None => sums.dual.add(reply),
                    Some(a) => sums.dual.add_product(a[position], reply),
                }
            }
        }
        if let Some(plan) = &evidence.plan {
            for (position, query, mass) in plan.of_positions(first..first + block.len()) {
                let at = (position - first) * m + query;
                let upper = costs.upper(closeness[at], || geometry.same_row(rows[position], query));
                sums.primal.add_times(mass, upper);
            }
            if missing > 0.0 {
                for &s in closeness {
                    sums.largest = sums.largest.max(costs.upper(s, || false));
                    sums.smallest = sums.smallest.min(costs.lower(s));
                }
            }
        }
        Ok(())
    };
    let merge = |total: &mut Sums, part: Sums| {
        total.dual.merge(&part.dual);
        total.primal.merge(&part.primal);
        total.largest = total.largest.max(part.largest);
        total.smallest = total.smallest.min(part.smallest);
    };
    let sums = over_closeness(geometry, rows, executor, Sums::default(), visit, merge)?;

    let lower = evidence.potentials.as_ref().map(|g| {
        let spent = match problem.weights.subset.as_deref() {
            None => div_up(sums.dual.up(), rows.len() as f64),
            Some(a) => sums.dual.ratio_up(&total(a)),
        };
        let value = sub_down(problem.mean_potential_down(g), spent);
        if costs.signed() { value } else { value.max(0.0) }
    });
    let upper = evidence.plan.as_ref().map(|plan| {
        let mean = sums.primal.ratio_up(&plan.total_sum());
        let repair = mul_up(add_up(sums.largest, -sums.smallest), missing);
        add_up(mean, repair)
    });
    for bound in [lower, upper].into_iter().flatten() {
        if !bound.is_finite() {
            return Err(Rejection::new("range", "a bound is too large for a double: rescale potentials or costs"));
        }
    }
    Ok(Interval { lower, upper })
}

/// What potentials say of all subsets.
pub(super) fn relaxation<'a>(
    geometry: &'a Geometry<'_>,
    problem: &'a Statement,
    g: &'a [f64],
) -> Result<Relaxation<'a>, Rejection> {
    check_potentials(g, problem.queries, "best potentials")?;
    let costs = CostBounds::new(geometry, problem.p);
    Ok(Relaxation {
        holds_price: true,
        outside: None,
        values: values_of_closeness(geometry, move |closeness, out| costs.best_replies(g, closeness, out)),
        lower: Box::new(move |support| {
            Some(sub_down(problem.mean_potential_down(g), div_up(support, problem.least_total())))
        }),
    })
}
