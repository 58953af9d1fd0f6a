//! [`Rules`].

use kantor_theory::constraints::{ColumnRecord, Counted, Limit};
use kantor_theory::{Column, Constraints, FeasibleSet, Quality, Rejection};

use super::shares::MOST_SHARES;
use super::tokens::{self, TokenError};
use super::{Amount, Quota};
use crate::certify::column_record;
use crate::suggest::did_you_mean;

/// What chosen rows must obey, and what they are worth by themselves, whatever the budget. Rows are numbered as stored.
///
/// ```
/// use kantor::prelude::*;
/// use kantor::theory::Column;
/// let source = Column::labels([Some("web"), Some("web"), Some("books"), None]);
/// let tokens = Column::numbers(vec![120.0, 80.0, 400.0, 60.0])?;
/// let rules = Rules::default()
///     .column("source", source)
///     .column("tokens", tokens)
///     .quota("source=web:..50%".parse()?)
///     .sum("tokens", None, Some(500.0))
///     .exclude([3]);
/// let constraints = rules.at(2)?;
/// assert_eq!(constraints.limits[0].max, Some(1.0));
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rules {
    pub(super) columns: Vec<(ColumnRecord, Column)>,
    pub(super) quotas: Vec<Quota>,
    pub(super) sums: Vec<Sum>,
    /// The column of lengths, if tokens are the budget.
    pub(super) lengths: Option<String>,
    include: Vec<usize>,
    exclude: Vec<usize>,
    /// Rows that are excluded as they are like no query: for other queries these are others.
    unlike: Option<Unlike>,
    /// What rows are worth by themselves: a column and its weight.
    quality: Option<(ColumnRecord, Column, f64)>,
    /// How columns and lists came about that no file says, in words.
    remarks: Vec<String>,
}

/// Labels that a message lists.
const LISTED: usize = 12;

/// Rows whose largest similarity to a query is less than `least`.
#[derive(Debug, Clone, PartialEq)]
struct Unlike {
    least: f64,
    rows: Vec<usize>,
}

/// A limit on the sum of a column.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sum {
    pub(super) column: String,
    pub(super) min: Option<SumEnd>,
    pub(super) max: Option<SumEnd>,
}

/// An end of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum SumEnd {
    Number(f64),
    /// A share of the budget in tokens.
    Share(Amount),
}

impl Sum {
    fn at(&self, column: usize, budget: usize) -> Limit {
        let least = |end: SumEnd| match end {
            SumEnd::Number(number) => number,
            SumEnd::Share(amount) => amount.at_least(budget) as f64,
        };
        let most = |end: SumEnd| match end {
            SumEnd::Number(number) => number,
            SumEnd::Share(amount) => amount.at_most(budget) as f64,
        };
        Limit { column, of: Counted::Sum, min: self.min.map(least), max: self.max.map(most) }
    }
}

impl std::fmt::Display for SumEnd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            SumEnd::Number(number) => number.fmt(f),
            SumEnd::Share(amount) => amount.fmt(f),
        }
    }
}

/// Why rules make no constraints.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// A rule speaks of a column that is not there.
    #[error("there is no column `{name}`{meant} (known: {known})")]
    UnknownColumn {
        /// The name given.
        name: String,
        /// What may have been meant, in words; empty if no name is like it.
        meant: String,
        /// All names.
        known: String,
    },
    /// A quota speaks of a label that no row has.
    #[error("no row has `{column}={label}`{meant} (labels are {known})")]
    UnknownLabel {
        /// The column.
        column: String,
        /// The label.
        label: String,
        /// What may have been meant, in words; empty if no label is like it.
        meant: String,
        /// The first labels.
        known: String,
    },
    /// A quota ends before it begins at this budget.
    #[error("`{quota}` asks for at least {min} and at most {max} of {budget} rows")]
    Empty {
        /// In words.
        quota: String,
        /// At least so many rows.
        min: u64,
        /// At most so many rows.
        max: u64,
        /// Rows to choose.
        budget: usize,
    },
    /// Tokens are the budget, and something else is wrong with that.
    #[error(transparent)]
    Tokens(#[from] TokenError),
    /// The rules do not fit the pool.
    #[error(transparent)]
    Refused(#[from] Rejection),
}

impl Rules {
    /// Adds a column of which rules speak by this name.
    pub fn column(self, name: &str, column: Column) -> Self {
        self.column_of(column_record(name, &column), column)
    }

    /// Adds a column with its record.
    pub(crate) fn column_of(mut self, record: ColumnRecord, column: Column) -> Self {
        self.columns.push((record, column));
        self
    }

    /// Limits the number of rows with a label.
    pub fn quota(mut self, quota: Quota) -> Self {
        self.quotas.push(quota);
        self
    }

    /// Limits the sum of the numbers of a column.
    pub fn sum(mut self, column: &str, min: Option<f64>, max: Option<f64>) -> Self {
        let (min, max) = (min.map(SumEnd::Number), max.map(SumEnd::Number));
        self.sums.push(Sum { column: column.to_owned(), min, max });
        self
    }

    /// Counts budgets in tokens, not rows: the numbers of this column are the lengths of rows, and each row that is chosen weighs its
    /// length. Shares in quotas are then shares of the tokens, and the mean quality is weighted by them too.
    ///
    /// ```
    /// use kantor::prelude::*;
    /// use kantor::theory::Column;
    /// let (pool, query) = (ndarray::array![[0.0], [1.0], [2.0], [9.0]], ndarray::array![[0.0]]);
    /// let (pool, query) = (ArrayRows::new(pool.view()), ArrayRows::new(query.view()));
    /// let lengths = Column::numbers(vec![30.0, 50.0, 40.0, 20.0])?;
    /// // At most 80 tokens, whatever the number of rows.
    /// let goal = Goal { cost: Cost::Euclidean, budgets: vec![80], ..Goal::default() };
    /// let rules = Rules::default().column("tokens", lengths).budget_in_tokens("tokens");
    /// let problem = Problem::new(&pool, &query, goal)?.constrained(rules);
    /// let outcome = choose(&problem, &Request { methods: vec!["optimal".into()], ..Request::default() }, &Quiet)?;
    /// let found = &outcome.chosen[0].selections[0];
    /// assert_eq!(found.selection.rows, [0, 1]);
    /// assert_eq!(found.tokens.map(|tokens| tokens.used), Some(80));
    /// // 30 tokens at distance 0 and 50 at distance 1.
    /// assert!(found.best().is_some_and(|best| best <= 50.0 / 80.0));
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn budget_in_tokens(self, column: &str) -> Self {
        Self { lengths: Some(column.to_owned()), ..self }
    }

    /// Whether budgets are in tokens.
    pub fn are_in_tokens(&self) -> bool {
        self.lengths.is_some()
    }

    /// Chooses these rows whatever else is chosen.
    pub fn include(mut self, rows: impl IntoIterator<Item = usize>) -> Self {
        add(&mut self.include, rows);
        self
    }

    /// Does not choose these rows.
    pub fn exclude(mut self, rows: impl IntoIterator<Item = usize>) -> Self {
        add(&mut self.exclude, rows);
        self
    }

    /// Does not choose these rows, whose largest cosine to a query is less than `least`; in place of those that other queries excluded.
    pub(crate) fn exclude_unlike(mut self, least: f64, rows: Vec<usize>) -> Self {
        self.unlike = Some(Unlike { least, rows });
        self
    }

    /// The largest cosine to a query that rows must have, if there is such a limit.
    pub(crate) fn least_similarity(&self) -> Option<f64> {
        self.unlike.as_ref().map(|unlike| unlike.least)
    }

    /// All rows that are excluded, ascending.
    fn excluded(&self) -> Vec<usize> {
        let mut rows = self.exclude.clone();
        add(&mut rows, self.unlike.iter().flat_map(|unlike| unlike.rows.iter().copied()));
        rows
    }

    /// Chooses for quality too: the mean of `column`, which has a number of any sign for every row, times `weight`, is taken off
    /// the distance to the power p (the square of a kernel's). A weight of 0 changes nothing; the mean is still said.
    ///
    /// ```
    /// use kantor::prelude::*;
    /// use kantor::theory::Column;
    /// let (pool, query) = (ndarray::array![[0.0], [0.1], [0.2]], ndarray::array![[0.0]]);
    /// let (pool, query) = (ArrayRows::new(pool.view()), ArrayRows::new(query.view()));
    /// let goal = Goal { cost: Cost::Euclidean, budgets: vec![1], ..Goal::default() };
    /// let rules = Rules::default().quality("score", Column::scores(vec![1.0, 2.0, 2.5])?, 0.15);
    /// let problem = Problem::new(&pool, &query, goal)?.constrained(rules);
    /// let outcome = choose(&problem, &Request { methods: vec!["optimal".into()], ..Request::default() }, &Quiet)?;
    /// // 0 − 0.15, 0.1 − 0.3 and 0.2 − 0.375.
    /// assert_eq!(outcome.chosen[0].selections[0].selection.rows, [1]);
    /// assert_eq!(outcome.chosen[0].selections[0].mean_quality, Some(2.0));
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn quality(self, name: &str, column: Column, weight: f64) -> Self {
        self.quality_of(column_record(name, &column), column, weight)
    }

    /// The same, of a column with its record.
    pub(crate) fn quality_of(mut self, record: ColumnRecord, column: Column, weight: f64) -> Self {
        self.quality = Some((record, column, weight));
        self
    }

    /// What rows are worth by themselves, if that is asked for.
    pub fn valued(&self) -> Option<Quality> {
        let (column, _, weight) = self.quality.as_ref()?;
        Some(Quality { weight: *weight, column: column.clone() })
    }

    /// The number of every row in the column of quality, without those in `dropped` (ascending).
    pub(crate) fn scores(&self, dropped: &[usize]) -> Option<Vec<f64>> {
        let (_, column, _) = self.quality.as_ref()?;
        let kept = (0..column.rows()).filter(|row| dropped.binary_search(row).is_err());
        kept.map(|row| column.number(row)).collect()
    }

    /// Whether every subset may be chosen, and nothing is asked of quality.
    pub fn are_none(&self) -> bool {
        self.admit_all() && self.quality.is_none()
    }

    /// Whether every subset may be chosen.
    pub(crate) fn admit_all(&self) -> bool {
        let counted = self.quotas.is_empty() && self.sums.is_empty() && self.lengths.is_none();
        counted && self.include.is_empty() && self.excluded().is_empty()
    }

    /// Adds to [`Rules::in_words`] how a column or a list came about.
    pub(crate) fn remark(mut self, remark: String) -> Self {
        self.remarks.push(remark);
        self
    }

    /// One phrase for each rule.
    pub fn in_words(&self) -> Vec<String> {
        let mut words: Vec<String> = self.quotas.iter().map(Quota::to_string).collect();
        words.extend(self.sums.iter().map(|Sum { column, min, max }| {
            let end = |end: &Option<SumEnd>| end.map_or_else(String::new, |end| end.to_string());
            format!("{column} in all:{}..{}", end(min), end(max))
        }));
        words.extend(self.lengths.iter().map(|column| format!("budgets in tokens, counted by `{column}`")));
        let lists = [("included", self.include.len()), ("excluded", self.excluded().len())];
        words.extend(lists.iter().filter(|(_, rows)| *rows > 0).map(|(what, rows)| format!("rows {what}: {rows}")));
        words.extend(self.remarks.iter().cloned());
        words
    }

    /// All columns that were added, each with its record.
    pub(crate) fn all_columns(&self) -> impl Iterator<Item = &(ColumnRecord, Column)> {
        self.columns.iter()
    }

    /// All columns of which certificates speak, each with its record: those of the rules, then that of quality.
    pub(crate) fn spoken_of(&self) -> impl Iterator<Item = (&ColumnRecord, &Column)> {
        let quality = self.quality.iter().map(|(record, column, _)| (record, column));
        self.columns().map(|(record, column)| (record, column)).chain(quality)
    }

    /// The columns of which the rules speak, each with its record; last that of lengths, if tokens are the budget.
    pub fn columns(&self) -> impl Iterator<Item = &(ColumnRecord, Column)> {
        self.limited_columns().chain(self.length_column())
    }

    /// About how many rows a budget has room for; just as many, if rows are the budget.
    pub fn rows_about(&self, budget: usize) -> usize {
        let Some((_, column)) = self.length_column() else { return budget };
        let rows = column.rows();
        let total: f64 = (0..rows).filter_map(|row| column.number(row)).sum();
        let share = if total > 0.0 { budget as f64 / total } else { 1.0 };
        ((share * rows as f64).ceil() as usize).clamp(1, rows.max(1))
    }

    /// The column that counts tokens, if these are the budget, with its record.
    pub(crate) fn length_column(&self) -> Option<&(ColumnRecord, Column)> {
        let name = self.lengths.as_ref()?;
        self.columns.iter().find(|(record, _)| record.name == *name)
    }

    fn limited_columns(&self) -> impl Iterator<Item = &(ColumnRecord, Column)> {
        let spoken_of = |name: &str| {
            self.quotas.iter().any(|quota| quota.column == name) || self.sums.iter().any(|sum| sum.column == name)
        };
        self.columns.iter().filter(move |(record, _)| spoken_of(&record.name))
    }

    /// The constraints for choosing `budget` rows, or tokens.
    ///
    /// # Errors
    /// If a rule speaks of a column that is not there, or a quota has no room at this budget.
    pub fn at(&self, budget: usize) -> Result<Constraints, RuleError> {
        let columns: Vec<ColumnRecord> = self.limited_columns().map(|(record, _)| record.clone()).collect();
        let place =
            |name: &str| columns.iter().position(|record| record.name == name).ok_or_else(|| self.unknown_column(name));
        let mut limits = Vec::with_capacity(self.quotas.len() + self.sums.len());
        for quota in &self.quotas {
            let column = place(&quota.column)?;
            self.check_label(quota)?;
            if self.lengths.is_some() && quota.has_share() {
                return Err(TokenError::Shares { quota: quota.to_string(), most: MOST_SHARES }.into());
            }
            let min = quota.min.map(|amount: Amount| amount.at_least(budget));
            let max = quota.max.map(|amount: Amount| amount.at_most(budget));
            if let (Some(min), Some(max)) = (min, max)
                && min > max
            {
                return Err(RuleError::Empty { quota: quota.to_string(), min, max, budget });
            }
            let of = quota.label.clone().map_or(Counted::Each, Counted::Label);
            limits.push(Limit { column, of, min: min.map(|min| min as f64), max: max.map(|max| max as f64) });
        }
        for sum in &self.sums {
            limits.push(sum.at(place(&sum.column)?, budget));
        }
        Ok(Constraints { columns, limits, include: self.include.clone(), exclude: self.excluded() })
    }

    fn unknown_column(&self, name: &str) -> RuleError {
        RuleError::UnknownColumn {
            name: name.to_owned(),
            meant: did_you_mean(name, self.columns.iter().map(|(record, _)| record.name.as_str())),
            known: self.columns.iter().map(|(record, _)| record.name.as_str()).collect::<Vec<_>>().join(", "),
        }
    }

    /// A limit on a label that no row has limits nothing: it is a slip.
    fn check_label(&self, quota: &Quota) -> Result<(), RuleError> {
        let Some(label) = &quota.label else { return Ok(()) };
        let names = self.columns.iter().find(|(record, _)| record.name == quota.column).map(|(_, of)| of.names());
        let names = names.unwrap_or_default();
        if names.contains(label) {
            return Ok(());
        }
        let mut known = names.iter().take(LISTED).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        if names.len() > LISTED {
            known.push_str(&format!(" and {} more", names.len() - LISTED));
        }
        let (column, meant) = (quota.column.clone(), did_you_mean(label, names.iter().map(String::as_str)));
        Err(RuleError::UnknownLabel { column, label: label.clone(), meant, known })
    }

    /// The subsets of `budget` rows, or tokens, that may be chosen from a pool of `stored` rows, of which those in `dropped` (ascending)
    /// are left out, and what their rows are worth by themselves.
    ///
    /// # Errors
    /// As [`Rules::at`], or if columns, rows or the weight of quality do not fit the pool.
    pub fn feasible(&self, budget: usize, stored: usize, dropped: &[usize]) -> Result<FeasibleSet, RuleError> {
        let constraints = self.at(budget)?;
        let columns: Vec<Column> = self.limited_columns().map(|(_, column)| column.clone()).collect();
        let set = FeasibleSet::new(&constraints, &columns, stored, dropped)?;
        let set = match &self.quality {
            Some((record, column, weight)) if *weight != 0.0 => {
                set.valued(Quality { weight: *weight, column: record.clone() }, column, dropped)?
            }
            _ => set,
        };
        let Some(name) = &self.lengths else { return Ok(set) };
        let (record, column) = self.length_column().ok_or_else(|| self.unknown_column(name))?;
        let tokens = tokens::budget(budget, record, column, &set, dropped)?;
        Ok(set.in_tokens(&tokens, column, stored, dropped)?)
    }
}

/// Adds rows to an ascending list.
fn add(list: &mut Vec<usize>, rows: impl IntoIterator<Item = usize>) {
    list.extend(rows);
    list.sort_unstable();
    list.dedup();
}
