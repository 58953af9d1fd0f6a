//! A lower bound for **every** subset of k rows, under any objective, from evidence that need not be believed.
//!
//! Every such bound splits in two (`notes/priced-support.md`): the objective and the evidence give a constant and one
//! value v_i a pool row ([`Relaxation`]), the subsets that may be chosen bound the sum of their values ([`Feasible`]):
//! - W: v_i = max_j(g_j − c_ij^p), Σ_j b_j g_j − (1/k) Σ_{i∈S} v_i ≤ W_p(S)^p (`notes/best-subset.md`);
//! - energy and MMD: v_i = −h(x_i), see [`discrepancy`];
//! - TSDS: v_i = Σ_j max(0, g_j − c_ij), see [`tsds`].
//!
//! Whoever has proved that v_i ≤ 0 for rows under W or TSDS may leave them out ([`Screened`]); the checker leaves none
//! out.
//!
//! [`Screened`]: crate::bounds::Screened

use std::ops::Range;

use crate::bounds::blocks::{BLOCK, check_rows, over_blocks};
use crate::bounds::feasible::{Feasible, Support};
use crate::bounds::{Candidates, Executor, Witness, discrepancy, misplaced, transport, tsds};
use crate::geometry::Geometry;
use crate::identity::GeometryId;
use crate::rejection::Rejection;
use crate::statement::{Objective, Statement};

/// What proves a bound for all subsets.
#[derive(Debug, Clone, PartialEq)]
pub enum BestEvidence {
    /// Of W and of TSDS's problem: one number per query.
    Potentials(Vec<f64>),
    /// Of the distance of a kernel.
    Witness(Witness),
}

impl From<Vec<f64>> for BestEvidence {
    fn from(potentials: Vec<f64>) -> Self {
        Self::Potentials(potentials)
    }
}

impl From<Witness> for BestEvidence {
    fn from(witness: Witness) -> Self {
        Self::Witness(witness)
    }
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

/// What an objective D and evidence say of every subset S (`notes/priced-support.md`): one value v_i a pool row, and a
/// number ≤ D(S) that falls as Σ_{i∈S} v_i rises.
pub(super) trait Relaxation: Sync {
    /// Which bound of Σ_{i∈S} v_i it is made for.
    fn support(&self, feasible: Feasible) -> Support;

    /// Numbers ≥ v_i for some pool rows, into `out`; none is +∞.
    fn values(&self, rows: Block<'_>, workspace: &mut Vec<f64>, out: &mut [f64]) -> Result<(), Rejection>;

    /// A number ≤ D(S) for all S whose values add up to at most `support`; `None` if it is too large for a double.
    fn lower(&self, support: f64) -> Option<f64>;
}

/// Some pool rows that are looked at together.
#[derive(Clone)]
pub(super) enum Block<'a> {
    /// Neighbours.
    Span(Range<usize>),
    /// Any.
    Listed(&'a [usize]),
}

impl Block<'_> {
    /// The row at this offset.
    pub(super) fn row(&self, offset: usize) -> usize {
        match self {
            Block::Span(span) => span.start + offset,
            Block::Listed(rows) => rows[offset],
        }
    }

    /// Checks that no value of these rows is +∞, which stands for a closeness that is not finite.
    pub(super) fn check_finite(&self, values: &[f64]) -> Result<(), Rejection> {
        match values.iter().position(|&value| value == f64::INFINITY) {
            Some(at) => {
                let place = format!("pool row {} has a closeness that is not finite", self.row(at));
                Err(Rejection::new("rows", place))
            }
            None => Ok(()),
        }
    }

    /// Checks the rows and evaluates their closeness to all queries.
    pub(super) fn closeness<'w>(
        &self,
        geometry: &Geometry<'_>,
        workspace: &'w mut Vec<f64>,
    ) -> Result<&'w [f64], Rejection> {
        let m = geometry.query_len();
        workspace.resize(BLOCK * m, 0.0);
        match self {
            Block::Span(span) => {
                let closeness = &mut workspace[..span.len() * m];
                geometry.closeness_block(span.clone(), closeness);
                check_rows(geometry, span.clone())?;
                Ok(closeness)
            }
            Block::Listed(rows) => {
                let closeness = &mut workspace[..rows.len() * m];
                geometry.closeness_gather(rows, closeness);
                check_rows(geometry, rows.iter().copied())?;
                Ok(closeness)
            }
        }
    }
}

/// Evaluates the bound for subsets of `problem.budget` rows, in units of the distance.
///
/// O(rows·M·d) time, for kernels O(N·(L + M)·d) with L rows of the witness; O(M) memory per task, and O(k) but for W.
///
/// # Errors
/// If the evidence is of another objective or does not fit the problem, a row is bad, the rows were screened for
/// something else, or the executor stopped early.
pub fn best_bound(
    geometry: &Geometry<'_>,
    problem: &Statement,
    evidence: impl Into<BestEvidence>,
    candidates: Candidates<'_>,
    executor: Executor<'_>,
) -> Result<BestBound, Rejection> {
    problem.check(geometry)?;
    if problem.weights.subset.is_some() {
        return Err(Rejection::new("best", "bounds for all subsets are proved for uniform subsets only"));
    }
    let evidence = evidence.into();
    let listed = candidates.rows(geometry, problem, &evidence)?;
    let lower = match (&evidence, problem.objective, problem.objective.kernel()) {
        (BestEvidence::Potentials(g), Objective::W, _) => {
            relaxed(geometry, problem, &transport::Potentials::new(geometry, problem, g)?, listed, executor)
        }
        (BestEvidence::Potentials(g), Objective::Tsds { diversity }, _) => {
            relaxed(geometry, problem, &tsds::Potentials::new(geometry, problem, diversity, g)?, listed, executor)
        }
        (BestEvidence::Witness(witness), _, Some(kernel)) => {
            let tangent = discrepancy::Tangent::new(geometry, problem, kernel, witness, executor)?;
            relaxed(geometry, problem, &tangent, listed, executor)
        }
        (BestEvidence::Potentials(_), other, _) => Err(misplaced("potentials", other)),
        (BestEvidence::Witness(_), other, _) => Err(misplaced("measures on pool rows", other)),
    }?;
    Ok(BestBound { geometry: geometry.id(), statement: problem.clone(), evidence, lower })
}

/// A number ≤ D(S) for all feasible S; rows that are not `listed` have v_i ≤ 0.
fn relaxed(
    geometry: &Geometry<'_>,
    problem: &Statement,
    relaxation: &impl Relaxation,
    listed: Option<&[usize]>,
    executor: Executor<'_>,
) -> Result<f64, Rejection> {
    let visit = |support: &mut Support, workspace: &mut Vec<f64>, span: Range<usize>| {
        let block = listed.map_or(Block::Span(span.clone()), |rows| Block::Listed(&rows[span.clone()]));
        let mut values = [0.0; BLOCK];
        let values = &mut values[..span.len()];
        relaxation.values(block, workspace, values)?;
        // Where rows are left out, no other may count for less than they do.
        let least = listed.map_or(f64::NEG_INFINITY, |_| 0.0);
        values.iter().for_each(|value| support.add(value.max(least)));
        Ok(())
    };
    let rows = listed.map_or(geometry.pool_len(), <[usize]>::len);
    let empty = relaxation.support(Feasible::of(problem));
    let support = over_blocks(rows, executor, Vec::new, empty, visit, Support::merge)?;
    let too_large = "the bound is too large for a double: rescale rows, costs, or the numbers that prove it";
    relaxation.lower(support.upper()).ok_or_else(|| Rejection::new("range", too_large))
}
