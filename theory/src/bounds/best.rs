//! A lower bound for **every** subset of k rows, under any objective, from evidence that need not be believed.
//!
//! Every such bound has two parts (`notes/priced-support.md`). The objective and the evidence give one value v_i per pool
//! row, and a lower bound of D(S) that falls as Σ_{i∈S} v_i rises ([`Relaxation`]). The subsets that may be chosen limit that
//! sum (module `bounds::feasible`). With costs c_ij, potentials g_j and weights b_j of the queries, the values are
//! - for W: v_i = max_j(g_j − c_ij^p), and Σ_j b_j g_j − (1/k) Σ_{i∈S} v_i ≤ W_p(S)^p (`notes/best-subset.md`);
//! - for W of the worst of several tasks see [`tasks`];
//! - for energy and MMD: v_i = −h(x_i), see [`discrepancy`];
//! - for TSDS: v_i = Σ_j max(0, g_j − c_ij), see [`tsds`].
//!
//! Where rows are worth something by themselves, that is added to their values (`notes/quality.md`).
//!
//! Under W and TSDS, rows with a proof that v_i ≤ 0 may be left out ([`Screened`]). The checker leaves none out.
//!
//! [`Screened`]: crate::bounds::Screened

use std::ops::Range;

use crate::bounds::blocks::{BLOCK, check_rows, over_blocks};
use crate::bounds::feasible::{Bounded, Feasible, FixedRow, Support};
use crate::bounds::outside::Outside;
use crate::bounds::{Candidates, Executor, Witness, discrepancy, local, misplaced, tasks, transport, tsds};
use crate::constraints::{FeasibleSet, Price};
use crate::geometry::Geometry;
use crate::identity::GeometryId;
use crate::rejection::Rejection;
use crate::statement::{Objective, Statement};

/// What proves a bound for all subsets.
#[derive(Debug, Clone, PartialEq)]
pub enum BestEvidence {
    /// Of W and of TSDS's problem: one number per query.
    Potentials(Vec<f64>),
    /// Of W of the worst of several tasks.
    Tasks {
        /// One number per task, divided by their exact sum; not negative.
        shares: Vec<f64>,
        /// One number per query.
        potentials: Vec<f64>,
    },
    /// Of the distance of a kernel.
    Witness(Witness),
    /// Of the discrepancy of a local kernel (T19).
    Local {
        /// Active rows, with numbers in units of 1/k, of any sum.
        witness: Witness,
        /// For each of them what is taken from its diagonal.
        shift: Vec<f64>,
    },
}

impl BestEvidence {
    /// Numbers ≤ and ≥ what a unit of D(S)^q is in the mean of the values v_i.
    pub(super) fn unit(&self) -> Result<[f64; 2], Rejection> {
        Ok(match self {
            BestEvidence::Potentials(_) => [1.0; 2],
            BestEvidence::Tasks { shares, .. } => {
                let sum = tasks::sum(shares)?;
                [sum.down(), sum.up()]
            }
            // The square of a kernel's distance is at least a constant less twice the mean.
            BestEvidence::Witness(_) | BestEvidence::Local { .. } => [0.5; 2],
        })
    }
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
    prices: Vec<Price>,
    threshold: Option<f64>,
    spent: Option<f64>,
    fixed: Vec<FixedRow>,
    outside: Option<Outside>,
    lower: f64,
}

impl BestBound {
    /// Which geometry it is about.
    pub(crate) fn geometry(&self) -> GeometryId {
        self.geometry
    }

    /// The statement that it was proved for.
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

    /// Prices of the limits of its constraints, which prove it too.
    pub fn prices(&self) -> &[Price] {
        &self.prices
    }

    /// The price σ of a row, or of a token, that the bound is proved at (`notes/T16.md`); none under TSDS's objective, and if fewer rows than
    /// the budget may be chosen.
    pub(super) fn threshold(&self) -> Option<f64> {
        self.threshold
    }

    /// Where tokens are the budget, a number ≥ B at that price (`notes/T17.md`).
    pub(super) fn spent(&self) -> Option<f64> {
        self.spent
    }

    /// The rows that must or must not be chosen and are worth something, ascending.
    pub(super) fn fixed(&self) -> &[FixedRow] {
        &self.fixed
    }

    /// What rows that are not in the pool are worth, under the distance of a kernel.
    pub(super) fn outside(&self) -> Option<&Outside> {
        self.outside.as_ref()
    }

    /// The subset size k for which it was proved.
    pub fn budget(&self) -> usize {
        self.statement.budget
    }
}

/// Writes numbers ≥ v_i of some pool rows into the last argument; the first is a workspace. None of them is +∞.
type Values<'a> = Box<dyn Fn(&mut Vec<f64>, &[usize], &mut [f64]) -> Result<(), Rejection> + Sync + 'a>;

/// What an objective D and evidence say of every subset S (`notes/priced-support.md`): one value v_i a pool row, and a
/// number ≤ D(S)^q (module `bounds::root`) that falls as Σ_{i∈S} v_i rises.
pub(super) struct Relaxation<'a> {
    /// Whether the price σ of a row is contained in the values already.
    pub(super) holds_price: bool,
    /// What rows that are not in the pool are worth, where the evidence says so by itself.
    pub(super) outside: Option<Outside>,
    pub(super) values: Values<'a>,
    /// A number ≤ D(S)^q for all S whose values add up to at most this; `None` if it is too large for a double.
    pub(super) lower: Box<dyn Fn(f64) -> Option<f64> + 'a>,
}

/// Values that `of` computes from the closeness of rows to all queries. Where a closeness is not finite, `of` writes +∞ and
/// the row is rejected.
pub(super) fn values_of_closeness<'a>(
    geometry: &'a Geometry<'_>,
    of: impl Fn(&[f64], &mut [f64]) + Sync + 'a,
) -> Values<'a> {
    Box::new(move |workspace, rows, out| {
        workspace.resize(BLOCK * geometry.query_len(), 0.0);
        let closeness = &mut workspace[..rows.len() * geometry.query_len()];
        // Consecutive rows are evaluated faster as a block than one by one.
        if rows.windows(2).all(|pair| pair[0] + 1 == pair[1]) {
            geometry.closeness_block(rows[0]..rows[0] + rows.len(), closeness);
        } else {
            geometry.closeness_gather(rows, closeness);
        }
        check_rows(geometry, rows.iter().copied())?;
        of(closeness, out);
        match out.iter().position(|&value| value == f64::INFINITY) {
            Some(at) => {
                let place = format!("pool row {} has a closeness that is not finite", rows[at]);
                Err(Rejection::new("rows", place))
            }
            None => Ok(()),
        }
    })
}

/// Evaluates the bound for subsets of `problem.budget` rows, in units of the distance.
///
/// ```
/// use kantor_theory::{Candidates, Cost, DenseRows, Geometry, Power, Statement, best_bound, sequential};
/// let pool = DenseRows::from_f64(1, vec![0.0, 1.0, 5.0]).ok_or("no rows")?;
/// let query = DenseRows::from_f64(1, vec![2.0]).ok_or("no rows")?;
/// let geometry = Geometry::new(&pool, &query, Cost::Euclidean)?;
/// let statement = Statement::new(&geometry, Power::One, 1);
/// // The best row is at distance 1; a potential between that and the next best, 2, proves it.
/// let bound = best_bound(&geometry, &statement, vec![1.5], Candidates::All, &sequential)?;
/// assert!((bound.lower() - 1.0).abs() < 1e-9 && bound.lower() <= 1.0);
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
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
    problem.check_unconstrained()?;
    bound_among(geometry, problem, evidence.into(), candidates, Feasible::of(problem), &[], executor)
}

/// As [`best_bound`], for the subsets that obey the constraints of the problem (T15), and with what its rows are worth by
/// themselves. `feasible` holds the same with the columns that they speak of; any `prices` of its limits give a bound. Looks at all rows.
///
/// ```
/// use kantor_theory::constraints::{Column, ColumnRecord, Constraints, Counted, FeasibleSet, Limit, Price};
/// use kantor_theory::{Cost, DenseRows, Geometry, Power, Statement, constrained_best_bound, sequential};
/// let pool = DenseRows::from_f64(1, vec![0.0, 0.1, 3.0]).ok_or("no rows")?;
/// let query = DenseRows::from_f64(1, vec![0.0]).ok_or("no rows")?;
/// let geometry = Geometry::new(&pool, &query, Cost::Euclidean)?;
/// // Two rows, at most one of them from the web: the row at 3 has to be one.
/// let source = Column::labels([Some("web"), Some("web"), Some("books")]);
/// let constraints = Constraints {
///     columns: vec![ColumnRecord { name: "source".into(), ..ColumnRecord::default() }],
///     limits: vec![Limit { column: 0, of: Counted::Label("web".into()), min: None, max: Some(1.0) }],
///     ..Constraints::default()
/// };
/// let feasible = FeasibleSet::new(&constraints, &[source], 3, &[])?;
/// assert_eq!(feasible.conflict(2), None);
/// let statement = Statement::new(&geometry, Power::One, 2).constrained(constraints);
/// let prices = [Price { limit: 0, label: None, price: 2.9 }];
/// let bound = constrained_best_bound(&geometry, &statement, vec![3.0], &feasible, &prices, &sequential)?;
/// assert!((bound.lower() - 1.5).abs() < 1e-9 && bound.lower() <= 1.5);
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// As [`best_bound`]; and if `feasible` or the prices do not fit the problem.
pub fn constrained_best_bound(
    geometry: &Geometry<'_>,
    problem: &Statement,
    evidence: impl Into<BestEvidence>,
    feasible: &FeasibleSet,
    prices: &[Price],
    executor: Executor<'_>,
) -> Result<BestBound, Rejection> {
    let evidence = evidence.into();
    let among = Feasible::among(problem, feasible, prices, evidence.unit()?)?;
    bound_among(geometry, problem, evidence, Candidates::All, among, prices, executor)
}

fn bound_among(
    geometry: &Geometry<'_>,
    problem: &Statement,
    evidence: BestEvidence,
    candidates: Candidates<'_>,
    feasible: Feasible<'_>,
    prices: &[Price],
    executor: Executor<'_>,
) -> Result<BestBound, Rejection> {
    problem.check(geometry)?;
    if problem.weights.subset.is_some() {
        return Err(Rejection::new("best", "bounds for all subsets are proved for uniform subsets only"));
    }
    let listed = candidates.rows(geometry, problem, &evidence)?;
    let mut relaxation = match (&evidence, problem.objective, problem.objective.kernel()) {
        (BestEvidence::Potentials(g), Objective::W, _) if problem.tasks.is_empty() => {
            transport::relaxation(geometry, problem, g)?
        }
        (BestEvidence::Tasks { shares, potentials }, Objective::W, _) if !problem.tasks.is_empty() => {
            tasks::relaxation(geometry, problem, shares, potentials)?
        }
        (BestEvidence::Potentials(g), Objective::Tsds { diversity }, _) => {
            tsds::relaxation(geometry, problem, diversity, g)?
        }
        (BestEvidence::Witness(witness), _, Some(kernel)) => {
            discrepancy::relaxation(geometry, problem, kernel, witness, executor)?
        }
        (BestEvidence::Local { witness, shift }, _, Some(kernel)) => {
            local::relaxation(geometry, problem, kernel, (witness, shift), executor)?
        }
        (BestEvidence::Potentials(_) | BestEvidence::Tasks { .. }, Objective::W, _) => {
            let fault = "shares of tasks belong to a statement about several tasks, and to no other";
            return Err(Rejection::new("tasks", fault));
        }
        (BestEvidence::Tasks { .. }, other, _) => return Err(misplaced("shares of tasks", other)),
        (BestEvidence::Potentials(_), other, _) => return Err(misplaced("potentials", other)),
        (BestEvidence::Witness(_) | BestEvidence::Local { .. }, other, _) => {
            return Err(misplaced("measures on pool rows", other));
        }
    };
    let outside = relaxation.outside.take();
    let (powered, Bounded { threshold, spent, fixed, .. }) =
        relaxed(geometry.pool_len(), &feasible, relaxation, listed, executor)?;
    let lower = problem.lower_of_power(powered).ok_or_else(|| Rejection::new("range", TOO_LARGE))?;
    // Of TSDS's it depends on which rows were left out, and nothing is made of it.
    let threshold = threshold.filter(|_| !matches!(problem.objective, Objective::Tsds { .. }));
    let (geometry, statement, prices) = (geometry.id(), problem.clone(), prices.to_vec());
    Ok(BestBound { geometry, statement, evidence, prices, threshold, spent, fixed, outside, lower })
}

/// Why there is no bound.
const TOO_LARGE: &str = "the bound is too large for a double: rescale rows, costs, or the numbers that prove it";

/// A number ≤ D(S)^q for all feasible S, less what its rows are worth by themselves, and what it is proved by. Pool rows that are not `listed` are known to have v_i ≤ 0.
fn relaxed(
    pool: usize,
    feasible: &Feasible<'_>,
    Relaxation { holds_price, values: evaluate, lower, .. }: Relaxation<'_>,
    listed: Option<&[usize]>,
    executor: Executor<'_>,
) -> Result<(f64, Bounded), Rejection> {
    // A row that was left out may have any value up to 0. So listed rows count for at least 0: a subset with rows that were
    // left out could otherwise exceed the sum.
    let least = if listed.is_some() { 0.0 } else { f64::NEG_INFINITY };
    let visit = |support: &mut Support<'_>, workspace: &mut Vec<f64>, span: Range<usize>| {
        let rows: Vec<usize> = listed.map_or_else(|| span.clone().collect(), |rows| rows[span.clone()].to_vec());
        let mut values = [0.0; BLOCK];
        evaluate(workspace, &rows, &mut values[..rows.len()])?;
        rows.iter().zip(&values).for_each(|(&row, value)| support.add(row, value.max(least)));
        Ok(())
    };
    let count = listed.map_or(pool, <[usize]>::len);
    let support = over_blocks(count, executor, Vec::new, feasible.support(holds_price), visit, Support::merge)?;
    let bounded = support.bounded();
    let lower = lower(bounded.sum).ok_or_else(|| Rejection::new("range", TOO_LARGE))?;
    Ok((lower, bounded))
}
