//! Points of a metric space, and all distances between two sets of them.
//!
//! A [`Cloud`] holds points in `f64`; chords are measured as Euclidean distances of normalised rows, whose rounding enters every
//! enclosure as a slack of at most 2(D + 8)u per pair, D = [`depth`]`(d)`.

use crate::bounds::{Candidates, DistanceEvidence, Executor, best_bound, distance_bound};
use crate::cost::Cost;
use crate::cost_bounds::{CostBounds, Power};
use crate::dot::{self, depth};
use crate::generalization::{Bound, Kind, Metric, MetricDistance, Theorem};
use crate::geometry::{Geometry, GeometryError};
use crate::plan::SparsePlan;
use crate::rejection::Rejection;
use crate::rounding::{ExactSum, UNIT, add_up, div_up, sub_down};
use crate::rows::{DenseRows, Rows};
use crate::statement::Statement;

/// Rows whose distances are evaluated at a time: enough to fill the tiles of the inner products.
const BLOCK: usize = 48;

/// Points of a metric space: n×d, in `f64`.
#[derive(Debug, Clone, PartialEq)]
pub struct Cloud {
    rows: DenseRows,
    metric: Metric,
}

impl Cloud {
    /// The given rows of a table, normalised for the chord. Rows are taken as valid under the metric's cost.
    ///
    /// `None` if there are none, or the table has no columns.
    pub fn new(metric: Metric, table: &dyn Rows, which: impl IntoIterator<Item = usize>) -> Option<Self> {
        let dim = table.dim();
        let mut values = Vec::new();
        let mut row = vec![0.0; dim];
        for index in which {
            table.read_row(index, &mut row);
            if metric == Metric::Chord {
                let norm = dot::dot(&row, &row).sqrt();
                row.iter_mut().for_each(|x| *x /= norm);
            }
            values.extend_from_slice(&row);
        }
        let rows = DenseRows::from_f64(dim, values).filter(|rows| !rows.is_empty())?;
        Some(Self { rows, metric })
    }

    /// Some of the points.
    ///
    /// `None` if that leaves none.
    pub fn part(&self, which: impl IntoIterator<Item = usize>) -> Option<Self> {
        let mut values = Vec::new();
        let mut row = vec![0.0; self.rows.dim()];
        for index in which {
            self.rows.read_row(index, &mut row);
            values.extend_from_slice(&row);
        }
        let rows = DenseRows::from_f64(self.rows.dim(), values).filter(|rows| !rows.is_empty())?;
        Some(Self { rows, metric: self.metric })
    }

    /// The points themselves.
    pub fn rows(&self) -> &DenseRows {
        &self.rows
    }

    /// Number of points.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none: never.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The metric.
    pub fn metric(&self) -> Metric {
        self.metric
    }

    /// All pairs of these points and those.
    ///
    /// # Errors
    /// If the dimensions differ.
    pub fn pairs<'a>(&'a self, others: &Cloud) -> Result<Pairs<'a>, GeometryError> {
        let cost = if self.metric == Metric::Angular { Cost::Angular } else { Cost::Euclidean };
        let geometry = Geometry::new(&self.rows, &others.rows, cost)?;
        let costs = CostBounds::new(&geometry, Power::One);
        let slack = if self.metric == Metric::Chord { 2.0 * (depth(self.rows.dim()) as f64 + 8.0) * UNIT } else { 0.0 };
        Ok(Pairs { geometry, costs, slack, metric: self.metric })
    }
}

/// Distances between the points of two clouds: rows (the subset, k) and columns (the queries, M), enclosed.
pub struct Pairs<'a> {
    geometry: Geometry<'a>,
    costs: CostBounds,
    slack: f64,
    metric: Metric,
}

/// A share of mass that a row may give at most, as a fraction: num/den times its own weight 1/k.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capacity {
    /// Numerator.
    pub num: u64,
    /// Denominator, positive.
    pub den: u64,
}

impl Capacity {
    /// The number λ.
    pub fn value(self) -> f64 {
        self.num as f64 / self.den as f64
    }

    /// A number ≥ λ.
    pub fn up(self) -> f64 {
        if self.num.is_multiple_of(self.den) {
            (self.num / self.den) as f64
        } else {
            div_up(self.num as f64, self.den as f64)
        }
    }
}

impl<'a> Pairs<'a> {
    /// For solvers: the same pairs with costs that carry no proof.
    pub fn geometry(&self) -> &Geometry<'a> {
        &self.geometry
    }

    /// The metric.
    pub fn metric(&self) -> Metric {
        self.metric
    }

    /// Number of rows and of columns.
    pub fn shape(&self) -> (usize, usize) {
        (self.geometry.pool_len(), self.geometry.query_len())
    }

    /// Calls `each(row, lower, upper)` with the ends of the distances of every row to all columns.
    pub fn for_each_row(&self, mut each: impl FnMut(usize, &[f64], &[f64])) {
        let (k, m) = self.shape();
        let mut block = vec![0.0; BLOCK.min(k) * m];
        let mut upper = vec![0.0; m];
        for first in (0..k).step_by(BLOCK) {
            let rows = first..(first + BLOCK).min(k);
            let block = &mut block[..rows.len() * m];
            self.geometry.closeness_block(rows.clone(), block);
            for (row, lower) in rows.zip(block.chunks_exact_mut(m)) {
                for j in 0..m {
                    upper[j] = self.upper_of(row, j, lower[j]);
                    lower[j] = sub_down(self.costs.lower(lower[j]), self.slack).max(0.0);
                }
                each(row, lower, &upper);
            }
        }
    }

    fn upper_of(&self, row: usize, column: usize, closeness: f64) -> f64 {
        add_up(self.costs.upper(closeness, || self.geometry.same_row(row, column)), self.slack)
    }

    /// The transport distance W₁ of the rows, weighted as `problem` says, to the columns, from evidence for it.
    ///
    /// # Errors
    /// As [`distance_bound`]; also if there is no plan, or the problem is about another power than one.
    pub fn distance(
        &self,
        problem: &Statement,
        evidence: DistanceEvidence,
        executor: Executor<'_>,
    ) -> Result<MetricDistance, Rejection> {
        if problem.p != Power::One {
            return Err(Rejection::new("power", "the distance of a metric is W₁"));
        }
        let rows: Vec<usize> = (0..self.geometry.pool_len()).collect();
        let bound = distance_bound(&self.geometry, problem, &rows, evidence, executor)?;
        let distance = MetricDistance::new(bound.interval());
        let distance = distance.ok_or_else(|| Rejection::new("plan", "an upper bound needs a plan"))?;
        Ok(distance.widened(self.slack))
    }

    /// T1b, T3: a number ≥ min ⟨f(d), π⟩ over plans that serve every column its 1/M and take at most λ/k from each row,
    /// from one such plan; f is the distance cut off as `f(upper end)`, and must not fall where the distance grows.
    ///
    /// # Errors
    /// If the plan takes too much from a row or does not serve every column alike.
    pub fn capped_cost(&self, plan: &SparsePlan, capacity: Capacity, f: impl Fn(f64) -> f64) -> Result<f64, Rejection> {
        let (k, m) = self.shape();
        let (mut sent, mut received) = (vec![0u128; k], vec![0u128; m]);
        let mut closeness = vec![0.0; m];
        let mut sum = ExactSum::default();
        let mut at = usize::MAX;
        for (row, column, mass) in plan.entries() {
            if row >= k || column >= m {
                return Err(Rejection::new("plan", format!("an entry goes from {row} to {column}")));
            }
            if at != row {
                self.geometry.closeness_block(row..row + 1, &mut closeness);
                at = row;
            }
            sent[row] += u128::from(mass);
            received[column] += u128::from(mass);
            sum.add_times(mass, f(self.upper_of(row, column, closeness[column])));
        }
        let total = plan.total();
        let share = (total > 0 && total.is_multiple_of(m as u128)).then(|| total / m as u128);
        if let Some(j) = received.iter().position(|&mass| Some(mass) != share) {
            return Err(Rejection::new("marginal", format!("column {j} receives {} of {total}", received[j])));
        }
        // sent/T ≤ num/(den·k), without division.
        let limit = total.checked_mul(u128::from(capacity.num));
        let over = |&mass: &u128| {
            let used = mass.checked_mul(k as u128).and_then(|x| x.checked_mul(u128::from(capacity.den)));
            used.zip(limit).is_none_or(|(used, limit)| used > limit)
        };
        if capacity.den == 0 || sent.iter().any(over) {
            return Err(Rejection::new("capacity", "a row sends more than its share, or numbers overflow"));
        }
        Ok(sum.ratio_up(&plan.total_sum()))
    }

    /// T4: what is left of a plan of W₁ when its entries longer than `limit` are dropped: numbers ≥ ⟨π, d⟩ of the rest and
    /// ≥ the share of the mass that was dropped, which both marginals then miss.
    ///
    /// # Errors
    /// If the marginals of the plan are not the uniform weights.
    pub fn without_longer(&self, plan: &SparsePlan, limit: f64) -> Result<(f64, f64), Rejection> {
        let whole = Capacity { num: 1, den: 1 };
        let kept = self.capped_cost(plan, whole, |d| if d <= limit { d } else { 0.0 })?;
        let dropped = self.capped_cost(plan, whole, |d| if d <= limit { 0.0 } else { 1.0 })?;
        Ok((kept, dropped.min(1.0)))
    }

    /// No k of these rows, weighted alike, are closer to the columns than this, from any number per column.
    ///
    /// # Errors
    /// As [`best_bound`].
    pub fn best_subset(&self, budget: usize, potentials: Vec<f64>, executor: Executor<'_>) -> Result<Bound, Rejection> {
        let problem = Statement::new(&self.geometry, Power::One, budget);
        let lower = best_bound(&self.geometry, &problem, potentials, Candidates::All, executor)?.lower();
        let lower = sub_down(lower, self.slack).max(0.0);
        Ok(Bound::new(Theorem::BestSubset, Kind::Deterministic, lower, [], &[("k", budget as f64)]).below())
    }

    /// The mean distance over all pairs: what the product coupling costs.
    pub fn mean(&self) -> MetricDistance {
        let (k, m) = self.shape();
        let (mut low, mut high) = (ExactSum::default(), ExactSum::default());
        self.for_each_row(|_, lower, upper| {
            lower.iter().for_each(|&x| low.add(x));
            upper.iter().for_each(|&x| high.add(x));
        });
        MetricDistance::mean(&low, &high, k * m)
    }

    /// Where each column's nearest row is (ties to the lower row), and the two directed means of nearest distances.
    pub fn chamfer(&self) -> Chamfer {
        let (k, m) = self.shape();
        let mut nearest = vec![(f64::INFINITY, f64::INFINITY, 0usize); m];
        let (mut low, mut high) = (ExactSum::default(), ExactSum::default());
        self.for_each_row(|row, lower, upper| {
            let least = |ends: &[f64]| ends.iter().copied().fold(f64::INFINITY, f64::min);
            low.add(least(lower));
            high.add(least(upper));
            for (best, (&l, &u)) in nearest.iter_mut().zip(lower.iter().zip(upper)) {
                best.0 = best.0.min(l);
                if u < best.1 {
                    (best.1, best.2) = (u, row);
                }
            }
        });
        let rows_to_columns = MetricDistance::mean(&low, &high, k);
        let (mut low, mut high) = (ExactSum::default(), ExactSum::default());
        let mut counts = vec![0; k];
        for &(l, u, row) in &nearest {
            low.add(l);
            high.add(u);
            counts[row] += 1;
        }
        let columns_to_rows = MetricDistance::mean(&low, &high, m);
        let hausdorff = nearest.iter().map(|n| n.1).fold(0.0, f64::max);
        Chamfer { columns_to_rows, rows_to_columns, hausdorff, counts }
    }
}

/// Means of nearest distances between rows (S) and columns (Q).
#[derive(Debug, Clone, PartialEq)]
pub struct Chamfer {
    /// c(Q→S) = (1/M) Σ_j min_i d.
    pub columns_to_rows: MetricDistance,
    /// c(S→Q) = (1/k) Σ_i min_j d.
    pub rows_to_columns: MetricDistance,
    /// A number ≥ max_j min_i d: how far any query is from the subset.
    pub hausdorff: f64,
    /// For how many columns each row is the nearest: the optimal weights of T2, times M.
    pub counts: Vec<usize>,
}
