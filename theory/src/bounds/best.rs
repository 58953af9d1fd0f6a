//! A lower bound for **every** subset of k rows, from one number per query.
//!
//! For any g and any S of k distinct rows, weighted 1/k each (weak duality of the capped transport problem,
//! `notes/best-subset.md`): Σ_j b_j g_j − (1/k) Σ_{i∈pool} max(0, max_j(g_j − c_ij^p)) ≤ W_p(S)^p.
//! Rows with max_j(g_j − c_ij^p) ≤ 0 add nothing. Whoever has proved that of rows may leave them out ([`Screened`]);
//! the checker leaves none out.
//!
//! [`Screened`]: crate::bounds::Screened

use crate::bounds::{BLOCK, Candidates, Spread, TASK, Witness, check_potentials, check_transport, gather};
use crate::cost_bounds::CostBounds;
use crate::geometry::Geometry;
use crate::identity::GeometryId;
use crate::rejection::Rejection;
use crate::rounding::{ExactSum, div_up, sub_down};
use crate::statement::{Objective, Statement};

/// What proves a bound for all subsets.
#[derive(Debug, Clone, PartialEq)]
pub enum BestEvidence {
    /// Of W and of TSDS's problem: one number per query.
    Potentials(Vec<f64>),
    /// Of the distance of a kernel.
    Witness(Witness),
}

/// A proved lower bound for the distance of every k-subset, with what proves it.
#[derive(Debug, Clone, PartialEq)]
pub struct BestBound {
    geometry: GeometryId,
    statement: Statement,
    evidence: BestEvidence,
    lower: f64,
}

impl BestBound {
    /// What was proved on this geometry.
    pub(super) fn proved(geometry: &Geometry<'_>, problem: &Statement, evidence: BestEvidence, lower: f64) -> Self {
        Self { geometry: geometry.id(), statement: problem.clone(), evidence, lower }
    }

    /// Which geometry it is about.
    pub(crate) fn geometry(&self) -> GeometryId {
        self.geometry
    }

    /// What it is about, word for word.
    pub fn statement(&self) -> &Statement {
        &self.statement
    }

    /// Every subset of [`BestBound::budget`] rows is at least this far from the queries.
    pub fn lower(&self) -> f64 {
        self.lower
    }

    /// Which distance it is.
    pub fn objective(&self) -> Objective {
        self.statement.objective
    }

    /// What proves it.
    pub fn evidence(&self) -> &BestEvidence {
        &self.evidence
    }

    /// The subset size k for which it was proved.
    pub fn budget(&self) -> usize {
        self.statement.budget
    }
}

/// Evaluates the bound for subsets of `problem.budget` rows, in units of the distance (p-th root taken).
///
/// O(rows·M·d) time, O(M) memory per task.
///
/// # Errors
/// If a potential is missing or not finite, a row is bad, the rows were screened for something else, or the spread
/// stopped early.
pub fn best_bound(
    geometry: &Geometry<'_>,
    problem: &Statement,
    potentials: Vec<f64>,
    candidates: Candidates<'_>,
    spread: Spread<'_>,
) -> Result<BestBound, Rejection> {
    problem.check(geometry)?;
    if problem.weights.subset.is_some() {
        return Err(Rejection::new("best", "bounds for all subsets are proved for uniform subsets only"));
    }
    check_transport(problem)?;
    check_potentials(&potentials, geometry.query_len(), "best potentials")?;
    let candidates = candidates.rows(geometry, problem, &potentials)?;
    let costs = CostBounds::new(geometry, problem.p);
    let reply = |closeness: &[f64], replies: &mut [f64]| costs.best_replies(&potentials, closeness, replies);
    let merge = |total: &mut ExactSum, part: ExactSum| total.merge(&part);
    let replies = over_rows(geometry, candidates, spread, reply, ExactSum::add, merge)?;
    let spent = div_up(replies.up(), problem.budget as f64);
    let value = sub_down(problem.mean_potential_down(&potentials), spent);
    let lower = if costs.signed() { value } else { value.max(0.0) };
    if !lower.is_finite() {
        return Err(Rejection::new("range", "the bound is too large for a double: rescale potentials or costs"));
    }
    Ok(BestBound::proved(geometry, problem, BestEvidence::Potentials(potentials), problem.p.root_down(lower)))
}

/// Collects the positive ones of a number per row, which `of` finds from the row's closeness to all queries: +∞ if that
/// is not finite, and at most 0 for all rows that are not among `listed`.
pub(super) fn over_rows<T: Default + Send>(
    geometry: &Geometry<'_>,
    listed: Option<&[usize]>,
    spread: Spread<'_>,
    of: impl Fn(&[f64], &mut [f64]) + Sync,
    add: impl Fn(&mut T, f64) + Sync,
    merge: impl Fn(&mut T, T) + Sync,
) -> Result<T, Rejection> {
    let m = geometry.query_len();
    let rows = listed.map_or(geometry.pool_len(), <[usize]>::len);
    let task = |index: usize| {
        let mut sum = T::default();
        let mut closeness = vec![0.0; BLOCK * m];
        let mut replies = [0.0; BLOCK];
        let end = ((index + 1) * TASK).min(rows);
        for first in (index * TASK..end).step_by(BLOCK) {
            let span = first..(first + BLOCK).min(end);
            let (closeness, replies) = (&mut closeness[..span.len() * m], &mut replies[..span.len()]);
            let checked = match listed {
                None => {
                    geometry.closeness_block(span.clone(), closeness);
                    geometry.check_rows(span)
                }
                Some(rows) => {
                    geometry.closeness_gather(&rows[span.clone()], closeness);
                    geometry.check_rows(rows[span].iter().copied())
                }
            };
            checked.map_err(|fault| Rejection::new("rows", fault.to_string()))?;
            of(closeness, replies);
            for (offset, &reply) in replies.iter().enumerate() {
                if reply == f64::INFINITY {
                    let row = listed.map_or(first + offset, |rows| rows[first + offset]);
                    return Err(Rejection::new("rows", format!("pool row {row} has a closeness that is not finite")));
                }
                if reply > 0.0 {
                    add(&mut sum, reply);
                }
            }
        }
        Ok(sum)
    };
    gather(rows.div_ceil(TASK), spread, task, T::default(), merge)
}
