//! What is asked: a pool, queries, and a [`Goal`]. The rows may be anywhere; what works on a [`Problem`] reads no file.

mod target;

use std::sync::Arc;

use kantor_solvers::{Task, Watch};
use kantor_theory::certificate::Role;
use kantor_theory::{
    Cost, FeasibleSet, Geometry, GeometryError, Objective, PickedColumns, PickedRows, Power, Rows, Weights,
};

use crate::certify::Terms;
use crate::constraints::{RuleError, Rules};

pub use target::Target;

/// What is asked of a pool and queries, without their rows.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Goal {
    /// Pairwise cost.
    pub cost: Cost,
    /// Power p of the transport distances.
    pub power: Power,
    /// Which distance is minimised and certified.
    pub objective: Target,
    /// Numbers of rows to choose.
    pub budgets: Vec<usize>,
}

/// Pool and queries, or a matrix, with what is asked of them.
///
/// ```
/// use kantor::prelude::*;
/// let (pool, query) = (ndarray::array![[0.0], [1.0], [5.0]], ndarray::array![[0.0], [2.0]]);
/// let (pool, query) = (ArrayRows::new(pool.view()), ArrayRows::new(query.view()));
/// let goal = Goal { cost: Cost::Euclidean, budgets: vec![2], ..Goal::default() };
/// let problem = Problem::new(&pool, &query, goal)?;
/// assert_eq!(problem.geometry().cost_of(2, 1), 3.0);
/// # Ok::<_, kantor::theory::GeometryError>(())
/// ```
pub struct Problem<'a> {
    geometry: Geometry<'a>,
    /// The query rows, or the lines of the matrix.
    queries: &'a dyn Rows,
    query_weights: Option<Vec<f64>>,
    /// How many queries each of several tasks has; empty if there is one.
    parts: Vec<usize>,
    /// The same if the worst of them counts.
    tasks: Vec<usize>,
    /// The group of each query, such as its conversation, if they are of groups.
    groups: Option<Vec<usize>>,
    goal: Goal,
    ruled: Option<Arc<Ruled>>,
}

/// What choices obey, for the rows as they are stored.
struct Ruled {
    rules: Rules,
    /// Rows that are stored, but take no part; ascending.
    dropped: Vec<usize>,
}

impl<'a> Problem<'a> {
    /// Chooses from a pool for queries.
    ///
    /// # Errors
    /// As [`Geometry::new`].
    pub fn new(pool: &'a dyn Rows, queries: &'a dyn Rows, goal: Goal) -> Result<Self, GeometryError> {
        Self::of(Geometry::new(pool, queries, goal.cost)?, queries, goal)
    }

    /// Chooses columns of an M×N matrix of similarities or costs.
    ///
    /// # Errors
    /// As [`Geometry::from_matrix`]; or if an entry cannot be raised to the power that is asked for.
    pub fn from_matrix(matrix: &'a dyn Rows, goal: Goal) -> Result<Self, GeometryError> {
        Self::of(Geometry::from_matrix(matrix, goal.cost)?, matrix, goal)
    }

    fn of(geometry: Geometry<'a>, queries: &'a dyn Rows, goal: Goal) -> Result<Self, GeometryError> {
        goal.power.check(&geometry)?;
        let (query_weights, parts, tasks, groups, ruled) = (None, Vec::new(), Vec::new(), None, None);
        Ok(Self { geometry, queries, query_weights, parts, tasks, groups, goal, ruled })
    }

    /// The same problem, whose proofs look at no row twice; see [`Geometry::with_cache`].
    #[must_use]
    pub fn with_cache(self) -> Self {
        Self { geometry: self.geometry.with_cache(), ..self }
    }

    /// The same problem for queries with these weights, one for each, of which only ratios matter; equal ones are none. What
    /// chooses refuses weights that are not positive and finite: a query that is to count for nothing is left out.
    ///
    /// ```
    /// use kantor::prelude::*;
    /// let (pool, query) = (ndarray::array![[0.0], [1.0], [2.0], [9.0]], ndarray::array![[0.0], [9.0]]);
    /// let (pool, query) = (ArrayRows::new(pool.view()), ArrayRows::new(query.view()));
    /// let goal = Goal { cost: Cost::Euclidean, budgets: vec![4], ..Goal::default() };
    /// let problem = Problem::new(&pool, &query, goal)?.weighted(Some(vec![3.0, 1.0]));
    /// let outcome = choose(&problem, &Request { methods: vec!["optimal".into()], ..Request::default() }, &Quiet)?;
    /// // Three of four rows are the first query's: (0 + 1 + 2 + 0)/4.
    /// assert!((outcome.chosen[0].selections[0].best().unwrap_or(0.0) - 0.75).abs() < 1e-12);
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn weighted(self, weights: Option<Vec<f64>>) -> Self {
        let uneven = |weights: &Vec<f64>| {
            weights.len() != self.geometry.query_len()
                || weights.iter().any(|weight| weight != &weights[0] || *weight <= 0.0)
        };
        Self { query_weights: weights.filter(uneven), ..self }
    }

    /// The same problem with the distance to the *worst* of several tasks, which have so many of the queries each, one after
    /// the other. Weights count within a task. Of one task nothing changes.
    ///
    /// ```
    /// use kantor::prelude::*;
    /// let (pool, query) = (ndarray::array![[0.0], [1.0], [2.0]], ndarray::array![[0.0], [2.0]]);
    /// let (pool, query) = (ArrayRows::new(pool.view()), ArrayRows::new(query.view()));
    /// let goal = Goal { cost: Cost::Euclidean, budgets: vec![1], ..Goal::default() };
    /// let problem = Problem::new(&pool, &query, goal)?.worst_of(vec![1, 1]);
    /// let outcome = choose(&problem, &Request { methods: vec!["optimal".into()], ..Request::default() }, &Quiet)?;
    /// // The row between is at 1 from either task, each other one at 2 from one of them.
    /// assert_eq!(outcome.chosen[0].selections[0].selection.rows, [1]);
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn worst_of(self, tasks: Vec<usize>) -> Self {
        let one = tasks == [self.geometry.query_len()];
        Self { tasks: if one { Vec::new() } else { tasks.clone() }, ..self }.in_parts(tasks)
    }

    /// The same problem, whose queries are those of several tasks, which have so many each, one after the other: folds of the
    /// queries ([`Request::cross_fit`](crate::pipeline::Request::cross_fit)) are then drawn from every task, and keep its share of the weights.
    #[must_use]
    pub fn in_parts(self, parts: Vec<usize>) -> Self {
        Self { parts: if parts.len() > 1 { parts } else { Vec::new() }, ..self }
    }

    /// The same problem, whose queries are of groups, such as conversations: the group of each, by any number. What keeps queries back, to choose
    /// or to measure by them, keeps groups together where there are enough of them. Not one number for each query is none.
    #[must_use]
    pub fn in_groups(self, groups: Option<Vec<usize>>) -> Self {
        let m = self.geometry.query_len();
        Self { groups: groups.filter(|groups| groups.len() == m), ..self }
    }

    /// The same problem, for choices that obey these rules, and for their quality.
    #[must_use]
    pub fn constrained(self, rules: Rules) -> Self {
        self.constrained_as_stored(rules, Vec::new())
    }

    /// As [`Problem::constrained`], for a pool of whose stored rows those in `dropped` (ascending) take no part.
    #[must_use]
    pub(crate) fn constrained_as_stored(self, rules: Rules, dropped: Vec<usize>) -> Self {
        let rules = rules.with_shares_of_tokens();
        let ruled = (!rules.are_none()).then(|| Arc::new(Ruled { rules, dropped }));
        Self { ruled, ..self }
    }

    /// The same problem, whose rules leave out these rows of it as they are [like no query](Rules::exclude_unlike).
    pub(crate) fn without_unlike(self, least: f64, rows: &[usize]) -> Self {
        let Some(Ruled { rules, dropped }) = self.ruled.as_deref() else { return self };
        let kept = (0..self.geometry.pool_len() + dropped.len()).filter(|row| dropped.binary_search(row).is_err());
        let stored: Vec<usize> = kept.collect();
        let rules = rules.clone().exclude_unlike(least, rows.iter().map(|&row| stored[row]).collect());
        let ruled = Some(Arc::new(Ruled { rules, dropped: dropped.clone() }));
        Self { ruled, ..self }
    }

    /// The same problem for other numbers of rows.
    #[must_use]
    pub fn with_budgets(mut self, budgets: Vec<usize>) -> Self {
        self.goal.budgets = budgets;
        self
    }

    /// The same problem for other queries, or other lines in the place of the matrix, without weights and tasks; nothing is cached.
    ///
    /// # Errors
    /// As [`Problem::new`] and [`Problem::from_matrix`].
    pub fn with_queries<'b>(&self, queries: &'b dyn Rows) -> Result<Problem<'b>, GeometryError>
    where
        'a: 'b,
    {
        let other = match self.pool() {
            Some(pool) => Problem::new(pool, queries, self.goal.clone()),
            None => Problem::from_matrix(queries, self.goal.clone()),
        };
        Ok(Problem { ruled: self.ruled.clone(), ..other? })
    }

    /// The rows of the pool with these numbers, or those columns of the matrix: what [`Problem::in_pool`] takes.
    pub(crate) fn pool_part(&self, rows: Vec<usize>) -> Box<dyn Rows + 'a> {
        match self.pool() {
            Some(pool) => Box::new(PickedRows::new(pool, rows)),
            None => Box::new(PickedColumns::new(self.queries, rows)),
        }
    }

    /// The same problem with a part of its pool: rows of these numbers (ascending), which are in `part`. Rules speak of rows as they are
    /// stored, so they hold for those that are left.
    ///
    /// # Errors
    /// As [`Problem::new`] and [`Problem::from_matrix`].
    pub(crate) fn in_pool<'b>(&self, part: &'b dyn Rows, rows: &[usize]) -> Result<Problem<'b>, GeometryError>
    where
        'a: 'b,
    {
        let other = match self.pool() {
            Some(_) => Problem::new(part, self.queries, self.goal.clone())?,
            None => Problem::from_matrix(part, self.goal.clone())?,
        };
        let ruled = self.ruled.as_deref().map(|Ruled { rules, dropped }| {
            let all = self.geometry.pool_len() + dropped.len();
            let stored = (0..all).filter(|row| dropped.binary_search(row).is_err());
            let mut gone = dropped.clone();
            gone.extend(
                stored.enumerate().filter(|(row, _)| rows.binary_search(row).is_err()).map(|(_, stored)| stored),
            );
            gone.sort_unstable();
            Arc::new(Ruled { rules: rules.clone(), dropped: gone })
        });
        let (query_weights, groups) = (self.query_weights.clone(), self.groups.clone());
        let (parts, tasks) = (self.parts.clone(), self.tasks.clone());
        Ok(Problem { query_weights, parts, tasks, groups, ruled, ..other })
    }

    /// All pairs of pool rows and queries, and the cost between them.
    pub fn geometry(&self) -> &Geometry<'a> {
        &self.geometry
    }

    /// The problem as selectors see it, for one seed and at most `memory` bytes beyond the input; for transport, and without constraints, which
    /// depend on the budget ([`Problem::feasible`]).
    pub fn task<'t>(&'t self, seed: u64, memory: u64, watch: &'t dyn Watch) -> Task<'t> {
        let (geometry, power, weights) = (&self.geometry, self.goal.power, self.query_weights());
        let groups = self.groups();
        Task { power, seed, weights, tasks: &self.tasks, groups, ..Task::new(geometry, memory, watch) }
    }

    /// What is asked.
    pub fn goal(&self) -> &Goal {
        &self.goal
    }

    /// Weights of the queries, unless all are equal.
    pub fn query_weights(&self) -> Option<&[f64]> {
        self.query_weights.as_deref()
    }

    /// The group of every query, if they are of groups.
    pub(crate) fn groups(&self) -> Option<&[usize]> {
        self.groups.as_deref()
    }

    /// The numbers of queries of all tasks, one after the other; of one, all.
    pub(crate) fn parts(&self) -> Vec<usize> {
        if self.parts.is_empty() { vec![self.geometry.query_len()] } else { self.parts.clone() }
    }

    /// The same problem for the queries of these numbers (ascending), which are these rows: each task that has some of them keeps its
    /// share of the weights.
    ///
    /// # Errors
    /// As [`Problem::new`] and [`Problem::from_matrix`].
    pub(crate) fn among<'b>(&self, rows: &'b dyn Rows, queries: &[usize]) -> Result<Problem<'b>, GeometryError>
    where
        'a: 'b,
    {
        let weight = |query: usize| self.query_weights().map_or(1.0, |weights| weights[query]);
        let (mut weights, mut counts, mut first) = (Vec::with_capacity(queries.len()), Vec::new(), 0);
        for count in self.parts() {
            let part = first..first + count;
            let here = || queries.iter().copied().filter(|query| part.contains(query));
            let kept: f64 = here().map(weight).sum();
            let whole: f64 = part.clone().map(weight).sum();
            // Of one task nothing changes.
            let scale = if count == self.geometry.query_len() { 1.0 } else { whole / kept };
            weights.extend(here().map(|query| scale * weight(query)));
            counts.push(here().count());
            first = part.end;
        }
        let groups = self.groups().map(|groups| queries.iter().map(|&query| groups[query]).collect());
        let other = self.with_queries(rows)?.weighted(Some(weights)).in_groups(groups);
        Ok(if self.tasks.is_empty() { other.in_parts(counts) } else { other.worst_of(counts) })
    }

    /// The weights of uniform rows and of the queries, as statements have them.
    pub(crate) fn weights(&self) -> Weights {
        Weights { subset: None, query: self.query_weights.clone() }
    }

    /// How many queries each of several tasks has, if the distance is that to the worst of them; else empty.
    pub fn tasks(&self) -> &[usize] {
        &self.tasks
    }

    /// The distance that is certified, under this objective.
    pub(crate) fn terms(&self, objective: Objective) -> Terms {
        Terms { power: self.goal.power, weights: self.weights(), objective, tasks: self.tasks.clone() }
    }

    /// What choices must obey, if anything.
    pub fn rules(&self) -> Option<&Rules> {
        self.ruled.as_ref().map(|ruled| &ruled.rules)
    }

    /// The number of every row in the column of quality, if there is one.
    pub(crate) fn scores(&self) -> Option<Vec<f64>> {
        let Ruled { rules, dropped } = self.ruled.as_deref()?;
        rules.scores(dropped)
    }

    /// The subsets of `budget` rows that may be chosen, with what rows are worth by themselves; `None` if all may and rows are
    /// worth nothing.
    ///
    /// # Errors
    /// If the rules make no constraints for this budget and pool.
    pub fn feasible(&self, budget: usize) -> Result<Option<FeasibleSet>, RuleError> {
        let Some(Ruled { rules, dropped }) = self.ruled.as_deref() else { return Ok(None) };
        if rules.admit_all() && rules.valued().is_none_or(|quality| quality.weight == 0.0) {
            return Ok(None);
        }
        rules.feasible(budget, self.geometry.pool_len() + dropped.len(), dropped).map(Some)
    }

    /// The pool rows; none if there is a matrix.
    pub fn pool(&self) -> Option<&'a dyn Rows> {
        self.geometry.points()
    }

    /// The query rows, or the lines of the matrix.
    pub fn queries(&self) -> &'a dyn Rows {
        self.queries
    }

    /// The rows that certificates are about, with their roles.
    pub fn tables(&self) -> Vec<(Role, &'a dyn Rows)> {
        match self.pool() {
            Some(pool) => vec![(Role::Pool, pool), (Role::Query, self.queries)],
            None => vec![(Role::Similarity, self.queries)],
        }
    }
}
