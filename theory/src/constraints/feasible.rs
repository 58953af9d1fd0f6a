//! The subsets that obey constraints ([`FeasibleSet`]), and what prices on the limits add to a bound for all of them (T15).
//!
//! Take any prices y_r of the limits lo_r ≤ Σ_{i∈S} A_ri ≤ hi_r, and let u_i = v_i − Σ_r y_r A_ri: the value of a row less its
//! *discount*. Every feasible S has Σ_{i∈S} v_i ≤ Σ_{i∈S} u_i + Σ_r (hi_r·max(y_r, 0) − lo_r·max(−y_r, 0)).
//!
//! Module `priced` computes the discounts and the last sum, its *constant*. Module `bounds::feasible` bounds
//! Σ_{i∈S} u_i: by the rows that must be chosen, and as many of the largest others as there is room for.

use std::collections::HashMap;

use super::column::{NONE, Values, adds_up};
use super::quality::Valued;
use super::{Column, Constraints, Counted, Limit};
use crate::rejection::Rejection;
use crate::rounding::ExactSum;
use crate::statement::Statement;
use crate::tokens::{Lengths, TokenBudget};

/// The subsets that obey constraints, and what their rows are worth by themselves, if anything
/// ([`FeasibleSet::valued`]). Rows are numbered as in the problem, dropped rows not counted.
#[derive(Debug, Clone, PartialEq)]
pub struct FeasibleSet {
    pub(super) constraints: Constraints,
    /// For every limit, what it counts.
    pub(super) counts: Vec<Count>,
    /// The values of [`Constraints::columns`], without dropped rows.
    pub(super) columns: Vec<Values>,
    /// Whether every row may, must or must not be chosen.
    pub(super) rows: Vec<RowState>,
    /// What every row is worth by itself.
    pub(super) valued: Option<Valued>,
    /// The budget in tokens, if that is what limits the number of rows.
    pub(super) tokens: Option<Lengths>,
}

/// What a limit counts, resolved in its column.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Count {
    /// Rows with the label of this index; `None` if no row has the label.
    Label(Option<u32>),
    /// Rows with each label, one count per label.
    Each,
    /// The sum of the numbers.
    Sum,
}

/// Whether a row may, must or must not be chosen, apart from limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RowState {
    Free,
    Included,
    Excluded,
}

impl FeasibleSet {
    /// Resolves constraints for a pool of `stored` rows, of which those in `dropped` (ascending) are left out. `columns` are
    /// those of the constraints, in order, and have values for dropped rows too.
    ///
    /// The caller must make sure that the columns have the digests that the constraints name.
    ///
    /// # Errors
    /// If the constraints make no sense, or columns and rows do not fit them.
    pub fn new(
        constraints: &Constraints,
        columns: &[Column],
        stored: usize,
        dropped: &[usize],
    ) -> Result<Self, Rejection> {
        constraints.check_alone()?;
        let fault = |place: String| Err(Rejection::new("constraints", place));
        if columns.len() != constraints.columns.len() {
            return fault(format!("{} columns are given, {} are named", columns.len(), constraints.columns.len()));
        }
        for (column, record) in columns.iter().zip(&constraints.columns) {
            if column.rows() != stored {
                return fault(format!("column `{}` has {} rows, the pool {stored}", record.name, column.rows()));
            }
        }
        // Where each label stands, of columns with limits on single labels: there may be as many limits as labels.
        let mut places: Vec<Option<HashMap<&str, u32>>> = vec![None; columns.len()];
        let count = |Limit { column, of, .. }: &Limit| match (of, &columns[*column].0) {
            (Counted::Label(label), Values::Labels { names, .. }) => {
                let places = places[*column]
                    .get_or_insert_with(|| names.iter().zip(0..).map(|(name, place)| (name.as_str(), place)).collect());
                Ok(Count::Label(places.get(label.as_str()).copied()))
            }
            (Counted::Each, Values::Labels { .. }) => Ok(Count::Each),
            (Counted::Sum, Values::Numbers(numbers)) if numbers.iter().all(|&x| adds_up(x)) => Ok(Count::Sum),
            _ => {
                let name = &constraints.columns[*column].name;
                Err(Rejection::new("constraints", format!("column `{name}` has other values than its limit is about")))
            }
        };
        let counts = constraints.limits.iter().map(count).collect::<Result<_, _>>()?;
        let mut rows = vec![RowState::Free; stored];
        for (list, state) in [(&constraints.include, RowState::Included), (&constraints.exclude, RowState::Excluded)] {
            for &row in list {
                match rows.get_mut(row) {
                    Some(slot) => *slot = state,
                    None => return fault(format!("row {row} of a pool of {stored}")),
                }
            }
        }
        if let Some(row) = dropped.iter().find(|row| rows.get(**row) == Some(&RowState::Included)) {
            return fault(format!("row {row} is to be included, but was dropped"));
        }
        let kept: Vec<usize> = (0..stored).filter(|row| dropped.binary_search(row).is_err()).collect();
        let keep = |column: &Column| match &column.0 {
            Values::Labels { of_row, names } => {
                Values::Labels { of_row: kept.iter().map(|&row| of_row[row]).collect(), names: names.clone() }
            }
            Values::Numbers(numbers) => Values::Numbers(kept.iter().map(|&row| numbers[row]).collect()),
        };
        Ok(Self {
            constraints: constraints.clone(),
            counts,
            columns: columns.iter().map(keep).collect(),
            rows: kept.iter().map(|&row| rows[row]).collect(),
            valued: None,
            tokens: None,
        })
    }

    /// All subsets of a pool of so many rows.
    pub fn any(pool: usize) -> Self {
        let (constraints, rows) = (Constraints::default(), vec![RowState::Free; pool]);
        Self { constraints, counts: Vec::new(), columns: Vec::new(), rows, valued: None, tokens: None }
    }

    /// The same subsets, as far as they keep to this budget in tokens. `column` has the lengths of all `stored` rows, of which
    /// those in `dropped` (ascending) are left out, as in [`FeasibleSet::new`].
    ///
    /// # Errors
    /// If the column has no number for every row, or the budget makes no sense.
    pub fn in_tokens(
        self,
        budget: &TokenBudget,
        column: &Column,
        stored: usize,
        dropped: &[usize],
    ) -> Result<Self, Rejection> {
        let kept: Vec<usize> = (0..stored).filter(|row| dropped.binary_search(row).is_err()).collect();
        if kept.len() != self.pool() || column.rows() != stored {
            let place = format!("{} lengths of {stored} rows, {} of which take part", column.rows(), self.pool());
            return Err(Rejection::new("tokens", place));
        }
        Ok(Self { tokens: Some(Lengths::new(budget, column, &kept)?), ..self })
    }

    /// The budget in tokens and the lengths of the rows of the problem, if there is one.
    pub fn tokens(&self) -> Option<(&TokenBudget, &[f64])> {
        self.tokens.as_ref().map(|lengths| (&lengths.budget, &lengths.of_row[..]))
    }

    /// What the subsets obey.
    pub fn constraints(&self) -> &Constraints {
        &self.constraints
    }

    /// Rows of the problem.
    pub fn pool(&self) -> usize {
        self.rows.len()
    }

    /// Checks that these are the subsets of which this problem speaks.
    pub(crate) fn check_same_problem(&self, problem: &Statement) -> Result<(), Rejection> {
        let tokens = self.tokens.as_ref().map(|lengths| &lengths.budget);
        let same = self.constraints == problem.constraints
            && self.quality() == problem.quality.as_ref()
            && tokens == problem.tokens.as_ref();
        match same && self.pool() == problem.pool {
            true => Ok(()),
            false => Err(Rejection::new("constraints", "they were resolved for another problem or another pool")),
        }
    }

    /// Checks that these distinct rows may be chosen together.
    ///
    /// # Errors
    /// Names the first constraint that they break.
    pub fn check(&self, chosen: &[usize]) -> Result<(), Rejection> {
        match self.broken(chosen).into_iter().next() {
            Some(broken) => Err(broken),
            None => Ok(()),
        }
    }

    /// The constraints that these distinct rows break, of a limit on every label one for each label.
    pub fn broken(&self, chosen: &[usize]) -> Vec<Rejection> {
        let mut all = Vec::new();
        let mut fault = |place: String| all.push(Rejection::new("constraints", place));
        let barred = |row: &&usize| self.rows.get(**row).is_none_or(|is| *is == RowState::Excluded);
        let barred: Vec<usize> = chosen.iter().filter(barred).copied().collect();
        match barred[..] {
            [] => {}
            [row] => fault(format!("row {row} is chosen, which may not be")),
            [row, ..] => fault(format!("row {row} and {} others are chosen, which may not be", barred.len() - 1)),
        }
        // What follows looks at rows by number.
        if chosen.iter().any(|&row| row >= self.pool()) {
            return all;
        }
        let included = |row: &&usize| self.rows[**row] == RowState::Included;
        let (wanted, found) = (self.included(), chosen.iter().filter(included).count());
        if found < wanted {
            fault(format!("{found} of {wanted} rows are chosen that must be"));
        }
        // For every column of labels with limits, how many chosen rows have each.
        let mut tallies: Vec<Vec<u32>> = vec![Vec::new(); self.columns.len()];
        for (limit, count) in self.constraints.limits.iter().zip(&self.counts) {
            let (least, most) = (limit.min.unwrap_or(0.0), limit.max.unwrap_or(f64::INFINITY));
            let mut broken = |count: u32, place: Option<usize>| {
                let name = self.name_of(limit, place);
                fault(format!("{count} rows are chosen with {name}, not {least} to {most}"));
            };
            match &self.columns[limit.column] {
                Values::Labels { of_row, names } => {
                    let tally = &mut tallies[limit.column];
                    if tally.is_empty() {
                        tally.resize(names.len(), 0);
                        let places = chosen.iter().map(|&row| of_row[row]).filter(|&place| place != NONE);
                        places.for_each(|place| tally[place as usize] += 1);
                    }
                    let breaks = |&count: &u32| f64::from(count) < least || f64::from(count) > most;
                    match count {
                        Count::Label(None) if breaks(&0) => broken(0, None),
                        Count::Label(None) => {}
                        Count::Label(Some(place)) => {
                            let place = *place as usize;
                            if breaks(&tally[place]) {
                                broken(tally[place], Some(place));
                            }
                        }
                        _ => {
                            let places = tally.iter().enumerate().filter(|(_, count)| breaks(count));
                            places.for_each(|(place, count)| broken(*count, Some(place)));
                        }
                    }
                }
                Values::Numbers(numbers) => {
                    let sum = |offset: f64| {
                        let mut sum = ExactSum::default();
                        chosen.iter().for_each(|&row| sum.add(numbers[row]));
                        sum.add(-offset);
                        sum
                    };
                    // An exact sum takes finite terms only: no upper end, no comparison with it.
                    if sum(least).down() < 0.0 || limit.max.is_some_and(|most| sum(most).up() > 0.0) {
                        let (name, sum) = (self.name_of(limit, None), sum(0.0).down());
                        fault(format!("{name} adds up to {sum}, not {least} to {most}"));
                    }
                }
            }
        }
        all.extend(self.tokens.as_ref().and_then(|lengths| lengths.check(chosen).err()));
        all
    }

    /// Checks that these weights of the chosen rows, none if they are equal, go with the budget.
    pub(crate) fn check_weights(&self, chosen: &[usize], weights: Option<&[f64]>) -> Result<(), Rejection> {
        self.tokens.as_ref().map_or(Ok(()), |lengths| lengths.check_weights(chosen, weights))
    }

    /// What a limit is about, in words: `source=web`.
    pub(super) fn name_of(&self, limit: &Limit, place: Option<usize>) -> String {
        let column = &self.constraints.columns[limit.column].name;
        let label = match (&limit.of, &self.columns[limit.column]) {
            (Counted::Label(label), _) => Some(label.as_str()),
            (_, Values::Labels { names, .. }) => place.and_then(|place| names.get(place)).map(String::as_str),
            _ => None,
        };
        label.map_or_else(|| column.clone(), |label| format!("{column}={label}"))
    }
}

impl FeasibleSet {
    /// Whether the row must be chosen.
    pub fn is_included(&self, row: usize) -> bool {
        self.rows[row] == RowState::Included
    }

    /// Whether the row must not be chosen.
    pub fn is_excluded(&self, row: usize) -> bool {
        self.rows[row] == RowState::Excluded
    }

    /// Tokens of the rows that must be chosen; none if rows are the budget.
    pub fn included_tokens(&self) -> f64 {
        let lengths = self.tokens.iter().flat_map(|lengths| &lengths.of_row);
        lengths.zip(&self.rows).filter(|(_, row)| **row == RowState::Included).map(|(length, _)| length).sum()
    }

    /// Number of rows that must be chosen.
    pub fn included(&self) -> usize {
        self.rows.iter().filter(|row| **row == RowState::Included).count()
    }
}
