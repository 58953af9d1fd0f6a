//! Any method, balanced over groups of queries: none of them goes short because another has more queries.
//!
//! The method chooses for each group's queries alone. The groups then take turns, in the order of their first query, each
//! taking the first row of its own selection that is not taken yet, so that pick r is group r mod G's ([`turns`]) and
//! the groups' numbers of rows differ by at most one: by none if G divides the budget. With fewer rows than groups the
//! last ones get none. A group whose selection is used up asks its method for twice as many rows; at
//! the whole budget there is always a free one among them. With one group it is the method itself. Certificates
//! are still about all queries.
//!
//! Under constraints a group takes the first [admissible](crate::admission) row of its order: it is asked for all rows in
//! the end, for a row that has been refused is not free.
//!
//! Methods that draw rows use the same random numbers for every group.
//!
//! Limit: one pass over the pool for every group, with that group's queries; and the method's own work for every group.

use kantor_theory::generalization::selectors::Optimises;
use kantor_theory::{Objective, Status};
use serde_json::json;

use crate::admission::Admission;
use crate::relax::Optimum;
use crate::scan::scan;
use crate::scan::{PoolScan, ScanRequest};
use crate::select::{Selection, Selector, notes};
use crate::task::{SelectError, Task};

/// How much longer than its share a group's order is at first, if orders are nested: rows that several groups want are
/// then found without asking twice.
const AHEAD: usize = 4;

/// The labels of the queries in the order in which their groups take turns: pick r is for the group of label r mod G,
/// G of them.
pub fn turns(labels: &[usize]) -> Vec<usize> {
    let mut known: Vec<usize> = Vec::new();
    for label in labels {
        if !known.contains(label) {
            known.push(*label);
        }
    }
    known
}

/// A selector whose groups of queries take turns.
pub struct Balanced {
    inner: Box<dyn Selector>,
    /// The queries of every group, ascending.
    groups: Vec<Vec<usize>>,
}

impl Balanced {
    /// Balances `inner` over the queries with equal labels; `labels` has one for every query.
    pub fn new(inner: Box<dyn Selector>, labels: &[usize]) -> Self {
        let queries_of = |label: usize| (0..labels.len()).filter(|&query| labels[query] == label).collect();
        Self { inner, groups: turns(labels).into_iter().map(queries_of).collect() }
    }

    /// What the method chooses for one group; constraints are those of all groups together.
    fn ask(&self, task: &Task<'_>, group: usize, budget: usize) -> Result<Selection, SelectError> {
        let weights: Option<Vec<f64>> =
            task.weights.map(|all| self.groups[group].iter().map(|&query| all[query]).collect());
        task.geometry.with_queries(&self.groups[group], |geometry| {
            let task = Task { geometry, weights: weights.as_deref(), groups: None, constraints: None, ..*task };
            let scanned = scan(&task, self.inner.needs(&task, budget))?;
            let mut selections = self.inner.select(&task, &scanned, &[budget])?;
            let Some(selection) = selections.pop() else { unreachable!("one selection per budget") };
            Ok(selection)
        })?
    }

    /// One selection by all groups.
    fn choose(&self, task: &Task<'_>, budget: usize) -> Result<Selection, SelectError> {
        let count = self.groups.len();
        let pool = task.geometry.pool_len();
        let mut admission = task.constraints.map(|set| Admission::new(set, budget)).transpose()?;
        let longest = if admission.is_some() { pool } else { budget };
        let mut free = vec![true; pool];
        let mut hands: Vec<Hand> = Vec::with_capacity(count);
        let (mut rows, mut scores) = (Vec::with_capacity(budget), Vec::with_capacity(budget));
        for turn in 0..budget {
            let group = turn % count;
            if hands.len() <= group {
                let share = (budget - group).div_ceil(count);
                let ahead = if self.inner.nested() { AHEAD.saturating_mul(share).min(budget) } else { share };
                hands.push(Hand { selection: self.ask(task, group, ahead)?, next: 0 });
            }
            let (row, score) = loop {
                let hand = &mut hands[group];
                if let Some(picked) = hand.pick(&mut free, admission.as_mut()) {
                    break picked;
                }
                // Fewer than `budget` rows are taken, so that many hold a free one; all rows hold an admissible one.
                let more = hand.selection.budget().saturating_mul(2).min(longest);
                *hand = Hand { selection: self.ask(task, group, more)?, next: 0 };
            };
            rows.push(row);
            scores.push(score);
        }
        let selections = || hands.iter().map(|hand| &hand.selection);
        let status = selections().map(|selection| selection.status).find(|status| !status.is_success());
        let by_group: Vec<_> = selections().map(|selection| &selection.notes).collect();
        let notes = notes([("balanced-groups", json!(count)), ("by-group", json!(by_group))]);
        Ok(Selection { rows, scores, status: status.unwrap_or(Status::Uncertified), notes })
    }
}

/// A group's selection and how far it has been used.
struct Hand {
    selection: Selection,
    next: usize,
}

impl Hand {
    /// Takes the first row that is free and admissible.
    fn pick(&mut self, free: &mut [bool], mut admission: Option<&mut Admission<'_>>) -> Option<(usize, f64)> {
        let rows = &self.selection.rows;
        let mut takes = |row: usize| {
            std::mem::replace(&mut free[row], false) && admission.as_mut().is_none_or(|admission| admission.take(row))
        };
        let at = (self.next..rows.len()).find(|&at| takes(rows[at]));
        self.next = at.map_or(rows.len(), |at| at + 1);
        at.map(|at| (rows[at], self.selection.scores[at]))
    }
}

impl Selector for Balanced {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn nested(&self) -> bool {
        self.inner.nested()
    }

    fn obeys_constraints(&self) -> bool {
        self.groups.len() > 1 || self.inner.obeys_constraints()
    }

    fn minimises(&self, objective: Objective) -> bool {
        self.groups.len() < 2 && self.inner.minimises(objective)
    }

    fn weighs_quality(&self) -> bool {
        self.inner.weighs_quality()
    }

    fn supports(&self, task: &Task<'_>) -> Result<(), SelectError> {
        self.inner.supports(task)
    }

    /// With several groups, that of the method holds for every group's queries alone.
    fn guarantee(&self) -> Option<&'static Optimises> {
        self.inner.guarantee().filter(|_| self.groups.len() < 2)
    }

    fn needs(&self, task: &Task<'_>, largest: usize) -> ScanRequest {
        if self.groups.len() > 1 { ScanRequest::default() } else { self.inner.needs(task, largest) }
    }

    fn of_optimum(&self, task: &Task<'_>, optimum: &Optimum, budgets: &[usize]) -> Option<Vec<Selection>> {
        if self.groups.len() > 1 { None } else { self.inner.of_optimum(task, optimum, budgets) }
    }

    fn select(&self, task: &Task<'_>, scanned: &PoolScan, budgets: &[usize]) -> Result<Vec<Selection>, SelectError> {
        if self.groups.len() < 2 {
            return self.inner.select(task, scanned, budgets);
        }
        let count = task.largest(budgets)?;
        if !self.nested() {
            return budgets.iter().map(|&budget| self.choose(task, budget)).collect();
        }
        // Turns through fixed orders: what is taken first does not depend on how long it goes on.
        Ok(self.choose(task, count)?.prefixes(budgets))
    }
}
