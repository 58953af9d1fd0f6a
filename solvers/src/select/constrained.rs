//! Any method, under constraints of which it knows nothing.
//!
//! The method is asked for its order, longer and longer, all rows in the end, and the rows that are
//! [admissible](crate::admission) are taken in that order, with their scores. Every completion is in the whole order, so
//! the budget is always met. A method that [obeys constraints](Selector::obeys_constraints) by itself is asked for its
//! rows.
//!
//! Where tokens are the budget, rows are taken in that order as long as they fit, and those that do not are passed over, until there
//! are enough; what limits then leave short of the fewest tokens is [completed](TokenAdmission::complete). A method whose own choice [is in tokens](Selector::obeys_token_budgets) is asked for it.
//!
//! Groups of queries are balanced within ([`Balanced`](crate::select::Balanced) obeys by itself): passing over rows of a
//! finished order would leave groups short whose rows are passed over.
//!
//! Limit: the method's own work for every length asked for.

use std::collections::HashMap;

use kantor_theory::generalization::selectors::Optimises;
use kantor_theory::{FeasibleSet, Objective};

use crate::admission::{Admission, TokenAdmission, rows_within};
use crate::relax::Optimum;
use crate::scan::{PoolScan, ScanRequest, scan};
use crate::select::{Selection, Selector};
use crate::task::{SelectError, Task};

/// By how much the order asked for grows; where tokens are counted, at most.
const GROWTH: usize = 8;

/// Rows that are asked for beyond those that seem to have the tokens.
const TOKEN_MARGIN: f64 = 1.1;

/// A selector that obeys the constraints of its task.
pub struct Constrained {
    inner: Box<dyn Selector>,
}

impl Constrained {
    /// Makes `inner` obey constraints.
    pub fn new(inner: Box<dyn Selector>) -> Self {
        Self { inner }
    }

    /// The constraints that are not left to the method itself.
    fn left_to_us<'a>(&self, task: &Task<'a>) -> Option<&'a FeasibleSet> {
        task.constraints.filter(|set| match set.tokens() {
            None => !self.inner.obeys_constraints(),
            Some(_) => !self.inner.obeys_token_budgets(),
        })
    }

    /// The first `length` rows in the order of the method, for a pass that was made for the `first`; `longer` is a later one.
    fn order(
        &self,
        task: &Task<'_>,
        (scanned, longer): (&PoolScan, &mut Option<PoolScan>),
        (length, first): (usize, usize),
    ) -> Result<Selection, SelectError> {
        let needs = self.inner.needs(task, length);
        if needs != self.inner.needs(task, first) {
            *longer = Some(scan(task, needs)?);
        }
        let order = self.inner.select(task, longer.as_ref().unwrap_or(scanned), &[length])?.pop();
        // Every selector gives one selection for each budget; of a caller's own this was checked.
        let Some(order) = order else { unreachable!("one selection per budget") };
        Ok(order)
    }

    fn choose_tokens(
        &self,
        task: &Task<'_>,
        set: &FeasibleSet,
        scanned: &PoolScan,
        start: &TokenAdmission<'_>,
    ) -> Result<Selection, SelectError> {
        let (pool, first) = (task.geometry.pool_len(), first_length(set, 0));
        let (mut length, mut longer) = (first, None);
        loop {
            let order = self.order(task, (scanned, &mut longer), (length, first))?;
            let (mut admission, mut passed_over) = (start.clone(), 0usize);
            let (mut rows, mut scores) = (Vec::with_capacity(length), Vec::with_capacity(length));
            for (&row, &score) in order.rows.iter().zip(&order.scores) {
                if admission.is_met() {
                    break;
                }
                match admission.take(row) {
                    true => {
                        rows.push(row);
                        scores.push(score);
                    }
                    false => passed_over += 1,
                }
            }
            if !admission.is_met() && length == pool {
                // All were asked for, and what is left of them does not fit beside the others.
                rows = admission.clone().complete(rows)?;
                let of: HashMap<usize, f64> = order.rows.iter().copied().zip(order.scores.iter().copied()).collect();
                scores = rows.iter().map(|row| of.get(row).copied().unwrap_or(f64::NEG_INFINITY)).collect();
            }
            if admission.is_met() || length == pool {
                let mut notes = order.notes;
                notes.insert("rows-passed-over".to_owned(), passed_over.into());
                return Ok(Selection { rows, scores, status: order.status, notes });
            }
            // So many rows have this share of the tokens.
            let grown = (length as f64 * TOKEN_MARGIN / admission.share().max(1.0 / GROWTH as f64)).ceil() as usize;
            length = if admission.is_settled() { pool } else { grown.clamp(length + 1, pool) };
        }
    }

    fn choose(
        &self,
        task: &Task<'_>,
        set: &FeasibleSet,
        scanned: &PoolScan,
        budget: usize,
    ) -> Result<Selection, SelectError> {
        let start = Admission::new(set, budget)?;
        let (pool, first) = (task.geometry.pool_len(), first_length(set, budget));
        let (mut length, mut longer) = (first, None);
        loop {
            let order = self.order(task, (scanned, &mut longer), (length, first))?;
            let mut admission = start.clone();
            let (mut rows, mut scores) = (Vec::with_capacity(budget), Vec::with_capacity(budget));
            let mut asked = order.rows.iter().zip(&order.scores);
            for (&row, &score) in asked.by_ref().filter(|(row, _)| admission.take(**row)).take(budget) {
                rows.push(row);
                scores.push(score);
            }
            if rows.len() == budget {
                let passed_over = length - asked.len() - budget;
                let mut notes = order.notes;
                notes.insert("rows-passed-over".to_owned(), passed_over.into());
                return Ok(Selection { rows, scores, status: order.status, notes });
            }
            // With nothing left but rows that must be chosen, they are wherever they are.
            let grown = if admission.is_settled() { pool } else { length.saturating_mul(GROWTH) };
            length = grown.min(pool);
        }
    }
}

/// The rows asked for first: those that must not be chosen take no other's place. Of a budget in tokens, about as many as it has
/// room for.
fn first_length(set: &FeasibleSet, budget: usize) -> usize {
    let budget = rows_within(set).unwrap_or(budget);
    let excluded = (0..set.pool()).filter(|&row| set.is_excluded(row)).count();
    (budget + excluded).min(set.pool())
}

impl Selector for Constrained {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    /// Limits depend on the budget.
    fn nested(&self) -> bool {
        false
    }

    fn obeys_constraints(&self) -> bool {
        true
    }

    fn weighs_quality(&self) -> bool {
        self.inner.weighs_quality()
    }

    fn minimises(&self, objective: Objective) -> bool {
        self.inner.obeys_constraints() && self.inner.minimises(objective)
    }

    fn supports(&self, task: &Task<'_>) -> Result<(), SelectError> {
        self.inner.supports(task)
    }

    /// What is proved of methods is proved without constraints.
    fn guarantee(&self) -> Option<&'static Optimises> {
        None
    }

    fn needs(&self, task: &Task<'_>, largest: usize) -> ScanRequest {
        match self.left_to_us(task) {
            Some(set) => self.inner.needs(&Task { constraints: None, ..*task }, first_length(set, largest)),
            None => self.inner.needs(task, largest),
        }
    }

    fn of_optimum(&self, task: &Task<'_>, optimum: &Optimum, budgets: &[usize]) -> Option<Vec<Selection>> {
        if self.left_to_us(task).is_some() { None } else { self.inner.of_optimum(task, optimum, budgets) }
    }

    fn select(&self, task: &Task<'_>, scanned: &PoolScan, budgets: &[usize]) -> Result<Vec<Selection>, SelectError> {
        let Some(set) = self.left_to_us(task) else { return self.inner.select(task, scanned, budgets) };
        if let Some(start) = TokenAdmission::new(set)? {
            return Ok(vec![self.choose_tokens(&Task { constraints: None, ..*task }, set, scanned, &start)?]);
        }
        let budget = task.largest(budgets)?;
        Ok(vec![self.choose(&Task { constraints: None, ..*task }, set, scanned, budget)?])
    }
}
