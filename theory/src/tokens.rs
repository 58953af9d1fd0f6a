//! Budgets in tokens (T17, `notes/T17.md`): the chosen rows are as many as their lengths allow, and each weighs as much as it is
//! long.

use serde::{Deserialize, Serialize};

use crate::constraints::{Column, ColumnRecord};
use crate::rejection::Rejection;
use crate::rounding::ExactSum;

/// How many tokens the chosen rows may have in all.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenBudget {
    /// The lengths of the pool rows, one number a row as stored.
    pub column: ColumnRecord,
    /// The fewest tokens, positive.
    pub min: f64,
    /// The most tokens.
    pub max: f64,
}

impl TokenBudget {
    /// Checks what needs no data.
    pub(crate) fn check_alone(&self) -> Result<(), Rejection> {
        let Self { min, max, .. } = *self;
        match min >= f64::MIN_POSITIVE && min <= max && max.is_finite() {
            true => Ok(()),
            false => Err(Rejection::new("tokens", format!("a budget from {min} to {max} tokens"))),
        }
    }
}

/// A budget in tokens with the lengths of the rows of one problem, dropped rows not counted.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Lengths {
    pub(crate) budget: TokenBudget,
    pub(crate) of_row: Vec<f64>,
}

impl Lengths {
    /// Those of the rows `kept`, by their numbers in the column.
    pub(crate) fn new(budget: &TokenBudget, column: &Column, kept: &[usize]) -> Result<Self, Rejection> {
        budget.check_alone()?;
        let length = |&row: &usize| {
            let found = if row < column.rows() { column.number(row) } else { None };
            found.ok_or_else(|| Rejection::new("tokens", format!("row {row} has no length")))
        };
        Ok(Self { budget: budget.clone(), of_row: kept.iter().map(length).collect::<Result<_, _>>()? })
    }

    /// Checks that these rows keep to the budget.
    pub(crate) fn check(&self, chosen: &[usize]) -> Result<(), Rejection> {
        let TokenBudget { min, max, .. } = self.budget;
        let less = |end: f64| {
            let mut sum = ExactSum::default();
            chosen.iter().for_each(|&row| sum.add(self.of_row[row]));
            sum.add(-end);
            sum
        };
        if less(min).down() < 0.0 || less(max).up() > 0.0 {
            let place = format!("the chosen rows have {} tokens, not {min} to {max}", less(0.0).down());
            return Err(Rejection::new("tokens", place));
        }
        Ok(())
    }

    /// Checks that these are the weights of the chosen rows.
    pub(crate) fn check_weights(&self, chosen: &[usize], weights: Option<&[f64]>) -> Result<(), Rejection> {
        let lengths = chosen.iter().map(|&row| self.of_row[row]);
        match weights {
            Some(weights) if weights.len() == chosen.len() && lengths.eq(weights.iter().copied()) => Ok(()),
            _ => Err(Rejection::new("tokens", "the weights of the subset are not the lengths of its rows")),
        }
    }
}
