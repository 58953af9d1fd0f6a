//! The worst of several tasks: what evidence proves of max_t W_p(S, Q_t) (`notes/T18.md`).
//!
//! - One subset: potentials and a plan for every task bound the distance to that task; the largest of the lower ends and the
//!   largest of the upper ends enclose the largest distance.
//! - Every subset: for any shares θ_t ≥ 0 of the tasks and any potentials,
//!   Σ_t θ_t Σ_j b_j g_j − (1/k) Σ_{i∈S} Σ_t θ_t max_{j∈t} (g_j − c_ij^p) ≤ Σ_t θ_t W_p(S, Q_t)^p ≤ Σ_t θ_t · max_t W_p(S, Q_t)^p.
//!   Where tokens are the budget, the sum over S is a mean by lengths (`notes/T17.md`).
//!
//! Limit: the pass over closeness of [`transport`](super::transport), and one copy of every block.

use std::ops::Range;

use crate::bounds::best::{Relaxation, values_of_closeness};
use crate::bounds::{DistanceEvidence, Executor, Interval, check_potentials, ratio_down, transport};
use crate::cost_bounds::CostBounds;
use crate::geometry::Geometry;
use crate::plan::SparsePlan;
use crate::rejection::Rejection;
use crate::rounding::{ExactSum, add_down, add_up, div_up, mul_up, sub_down};
use crate::statement::{Statement, total};

/// The queries of every task.
pub(crate) fn spans(tasks: &[usize]) -> impl Iterator<Item = Range<usize>> + '_ {
    tasks.iter().scan(0, |start, &count| {
        let span = *start..*start + count;
        *start = span.end;
        Some(span)
    })
}

/// Evaluates both ends, to the power p, for the pool rows `rows`, task by task.
pub(super) fn intervals(
    geometry: &Geometry<'_>,
    problem: &Statement,
    rows: &[usize],
    evidence: &DistanceEvidence,
    executor: Executor<'_>,
) -> Result<Vec<Interval>, Rejection> {
    if let Some(g) = &evidence.potentials {
        check_potentials(g, problem.queries, "distance potentials")?;
    }
    if let Some(plan) = &evidence.plan {
        let (lengths, m) = ([plan.position.len(), plan.query.len(), plan.mass.len()], problem.queries);
        if lengths.iter().any(|&length| length != lengths[0]) || plan.query.iter().any(|&query| query >= m) {
            return Err(Rejection::new("plan", "lengths differ, or an entry goes to no query"));
        }
        let order = |(a, b): ((usize, usize, u64), (usize, usize, u64))| (a.0, a.1) < (b.0, b.1);
        if !plan.entries().zip(plan.entries().skip(1)).all(order) {
            return Err(Rejection::new("plan", "an entry is out of order"));
        }
    }
    let mut plans = evidence.plan.as_ref().map(|plan| plan.of_tasks(&problem.tasks).into_iter());
    let mut found = Vec::with_capacity(problem.tasks.len());
    for span in spans(&problem.tasks) {
        let of_task = DistanceEvidence {
            potentials: evidence.potentials.as_ref().map(|g| g[span.clone()].to_vec()),
            plan: plans.as_mut().map(|plans| plans.next().unwrap_or_default()),
        };
        let (alone, queries) = (problem.of_task(span.clone()), span.collect::<Vec<usize>>());
        let interval = geometry
            .with_queries(&queries, |geometry| transport::interval(geometry, &alone, rows, &of_task, executor))
            .map_err(|fault| Rejection::new("rows", fault.to_string()))??;
        found.push(interval);
    }
    Ok(found)
}

/// The interval around the largest of the distances that these enclose. Evidence is there for all tasks or for none.
pub(super) fn largest(of_tasks: &[Interval]) -> Interval {
    let most = |end: fn(&Interval) -> Option<f64>| of_tasks.iter().filter_map(end).reduce(f64::max);
    Interval { lower: most(|found| found.lower), upper: most(|found| found.upper) }
}

/// What shares of the tasks and potentials say of all subsets.
pub(super) fn relaxation<'a>(
    geometry: &'a Geometry<'_>,
    problem: &'a Statement,
    shares: &'a [f64],
    g: &'a [f64],
) -> Result<Relaxation<'a>, Rejection> {
    check_potentials(g, problem.queries, "best potentials")?;
    if shares.len() != problem.tasks.len() {
        let place = format!("{} shares for {} tasks", shares.len(), problem.tasks.len());
        return Err(Rejection::new("shares", place));
    }
    let sum = sum(shares)?;
    let costs = CostBounds::new(geometry, problem.p);
    let m = problem.queries;
    let values = move |closeness: &[f64], out: &mut [f64]| {
        let (mut block, mut replies) = (Vec::new(), vec![0.0; out.len()]);
        out.fill(0.0);
        for (span, &share) in spans(&problem.tasks).zip(shares) {
            block.clear();
            closeness.chunks_exact(m).for_each(|line| block.extend_from_slice(&line[span.clone()]));
            costs.best_replies(&g[span], &block, &mut replies);
            for (out, &reply) in out.iter_mut().zip(&replies) {
                // What is not finite stays so, under a share of zero too: the row is then rejected.
                *out = if reply == f64::INFINITY { reply } else { add_up(*out, mul_up(share, reply)) };
            }
        }
    };
    Ok(Relaxation {
        holds_price: true,
        outside: None,
        values: values_of_closeness(geometry, values),
        lower: Box::new(move |support| {
            let earned = spans(&problem.tasks).zip(shares).fold(0.0, |earned, (span, &share)| {
                // Negated, as a mean may be negative.
                add_down(earned, -mul_up(share, -problem.of_task(span.clone()).mean_potential_down(&g[span])))
            });
            Some(ratio_down(sub_down(earned, div_up(support, problem.least_total())), &sum))
        }),
    })
}

/// The sum of shares, which is positive.
pub(super) fn sum(shares: &[f64]) -> Result<ExactSum, Rejection> {
    // Negated so that NaN is caught.
    if let Some(at) = shares.iter().position(|share| !(share.is_finite() && *share >= 0.0)) {
        return Err(Rejection::new("shares", format!("the share of task {at} is negative or not finite")));
    }
    let sum = total(shares);
    if !(sum.down() >= f64::MIN_POSITIVE && sum.up() < f64::MAX) {
        return Err(Rejection::new("shares", "the shares of the tasks have sum zero or overflow"));
    }
    Ok(sum)
}

impl SparsePlan {
    /// The entries to the queries of every task, numbered from the first of these; all queries must belong to a task.
    fn of_tasks(&self, tasks: &[usize]) -> Vec<SparsePlan> {
        let ends: Vec<usize> = spans(tasks).map(|span| span.end).collect();
        let mut plans = vec![SparsePlan::default(); tasks.len()];
        for (position, query, mass) in self.entries() {
            let task = ends.partition_point(|&end| end <= query);
            let plan = &mut plans[task];
            plan.position.push(position);
            plan.query.push(query + tasks[task] - ends[task]);
            plan.mass.push(mass);
        }
        plans
    }
}
