//! Quotas in shares where tokens are the budget: limits on the tokens of rows with a label.
//!
//! The number of rows is not known then, so a share is one of the tokens. "At most 30 % from the web" limits the sum of a column that
//! holds the lengths of these rows and 0 for others.

use kantor_theory::Column;

use super::rules::{Sum, SumEnd};
use super::{Amount, Quota, Rules};
use crate::certify::column_record;

/// Labels of one column that can have shares of the tokens each.
pub(super) const MOST_SHARES: usize = 100;

impl Quota {
    /// Whether an end is a share of the budget.
    pub(super) fn has_share(&self) -> bool {
        [self.min, self.max].into_iter().any(is_share)
    }
}

fn is_share(end: Option<Amount>) -> bool {
    matches!(end, Some(Amount::Share(_)))
}

impl Rules {
    /// The same rules, with limits on tokens in the place of shares in quotas, if tokens are the budget; quotas on columns that are not
    /// there, or of too many labels, stay as they are.
    pub(crate) fn with_shares_of_tokens(mut self) -> Self {
        let Some((record, lengths)) = self.length_column().cloned() else { return self };
        for quota in std::mem::take(&mut self.quotas) {
            let found = self.columns.iter().find(|(of, _)| of.name == quota.column).map(|(_, column)| column.clone());
            let Some(column) = found.filter(|column| quota.has_share() && column.rows() == lengths.rows()) else {
                self.quotas.push(quota);
                continue;
            };
            let labels = match &quota.label {
                Some(label) => vec![label.clone()],
                None => column.names().to_vec(),
            };
            let known = labels.iter().all(|label| column.names().contains(label));
            if labels.len() > MOST_SHARES || !known {
                self.quotas.push(quota);
                continue;
            }
            for label in labels {
                self.limit_tokens(&record.name, &lengths, &column, &quota, &label);
            }
            let rows = |end: Option<Amount>| end.filter(|end| !is_share(Some(*end)));
            let rest = Quota { min: rows(quota.min), max: rows(quota.max), ..quota };
            if rest.min.is_some() || rest.max.is_some() {
                self.quotas.push(rest);
            }
        }
        self
    }

    fn limit_tokens(&mut self, tokens: &str, lengths: &Column, column: &Column, quota: &Quota, label: &str) {
        let name = format!("{tokens} of {}={label}", quota.column);
        if !self.columns.iter().any(|(of, _)| of.name == name) {
            let number = |row: usize| match column.label(row) {
                Some(of) if of == label => lengths.number(row).unwrap_or(0.0),
                _ => 0.0,
            };
            let Ok(numbers) = Column::numbers((0..column.rows()).map(number).collect()) else { return };
            self.columns.push((column_record(&name, &numbers), numbers));
        }
        let share = |end: Option<Amount>| end.filter(|end| is_share(Some(*end))).map(SumEnd::Share);
        self.sums.push(Sum { column: name, min: share(quota.min), max: share(quota.max) });
    }
}
