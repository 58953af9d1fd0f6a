//! The subsets that obey constraints ([`FeasibleSet`]), and what prices on the limits add to a bound for all of them (T15).
//!
//! Take any prices y_r of the limits lo_r ≤ Σ_{i∈S} A_ri ≤ hi_r, and let u_i = v_i − Σ_r y_r A_ri: the value of a row less its
//! *discount*. Every feasible S has Σ_{i∈S} v_i ≤ Σ_{i∈S} u_i + Σ_r (hi_r·max(y_r, 0) − lo_r·max(−y_r, 0)).
//!
//! [`FeasibleSet::priced`] computes the discounts and the last sum, its *constant*. Module `bounds::feasible` bounds
//! Σ_{i∈S} u_i: by the rows that must be chosen, and as many of the largest others as there is room for.

use serde::{Deserialize, Serialize};

use super::column::{NONE, Values};
use super::{Column, Constraints, Counted, Limit};
use crate::rejection::Rejection;
use crate::rounding::{ExactSum, add_down, mul_down, mul_up};

/// The price of a limit: its dual variable, in units of the values v_i per unit of what the limit counts. Nothing about it is
/// believed: whatever it is, the bound holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// Index into [`Constraints::limits`].
    pub limit: usize,
    /// Which label, for a limit on [every one](Counted::Each).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Positive for the upper end of the limit, negative for the lower one.
    pub price: f64,
}

/// The subsets that obey constraints. Rows are numbered as in the problem, dropped rows not counted.
#[derive(Debug, Clone, PartialEq)]
pub struct FeasibleSet {
    pub(super) constraints: Constraints,
    /// For every limit, what it counts.
    pub(super) counts: Vec<Count>,
    /// The values of [`Constraints::columns`], without dropped rows.
    pub(super) columns: Vec<Values>,
    /// Whether every row may, must or must not be chosen.
    pub(super) rows: Vec<RowState>,
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
        let count = |Limit { column, of, .. }: &Limit| match (of, &columns[*column].0) {
            (Counted::Label(label), Values::Labels { names, .. }) => {
                Ok(Count::Label(names.iter().position(|name| name == label).map(|place| place as u32)))
            }
            (Counted::Each, Values::Labels { .. }) => Ok(Count::Each),
            (Counted::Sum, Values::Numbers(_)) => Ok(Count::Sum),
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
        })
    }

    /// What the subsets obey.
    pub fn constraints(&self) -> &Constraints {
        &self.constraints
    }

    /// Rows of the problem.
    pub fn pool(&self) -> usize {
        self.rows.len()
    }

    /// Checks that these distinct rows may be chosen together.
    ///
    /// # Errors
    /// Names the first constraint that they break.
    pub fn check(&self, chosen: &[usize]) -> Result<(), Rejection> {
        let fault = |place: String| Err(Rejection::new("constraints", place));
        if let Some(row) = chosen.iter().find(|&&row| self.rows.get(row).is_none_or(|is| *is == RowState::Excluded)) {
            return fault(format!("row {row} is chosen, which may not be"));
        }
        let included = |row: &&usize| self.rows[**row] == RowState::Included;
        let (wanted, found) = (self.included(), chosen.iter().filter(included).count());
        if found < wanted {
            return fault(format!("{found} of {wanted} rows are chosen that must be"));
        }
        for (at, limit) in self.constraints.limits.iter().enumerate() {
            let (least, most) = (limit.min.unwrap_or(0.0), limit.max.unwrap_or(f64::INFINITY));
            let name = || self.name_of(limit, None);
            match (self.counts[at], &self.columns[limit.column]) {
                (Count::Label(place), Values::Labels { of_row, .. }) => {
                    let count = chosen.iter().filter(|&&row| Some(of_row[row]) == place).count() as f64;
                    if count < least || count > most {
                        return fault(format!("{count} rows are chosen with {}, not {least} to {most}", name()));
                    }
                }
                (Count::Each, Values::Labels { of_row, names }) => {
                    let mut of_label = vec![0.0; names.len()];
                    for place in chosen.iter().map(|&row| of_row[row]).filter(|&place| place != NONE) {
                        of_label[place as usize] += 1.0;
                    }
                    if let Some(place) = of_label.iter().position(|&count| count < least || count > most) {
                        let (count, name) = (of_label[place], self.name_of(limit, Some(place)));
                        return fault(format!("{count} rows are chosen with {name}, not {least} to {most}"));
                    }
                }
                (Count::Sum, Values::Numbers(numbers)) => {
                    let sum = |offset: f64| {
                        let mut sum = ExactSum::default();
                        chosen.iter().for_each(|&row| sum.add(numbers[row]));
                        sum.add(-offset);
                        sum
                    };
                    // An exact sum takes finite terms only: no upper end, no comparison with it.
                    if sum(least).down() < 0.0 || limit.max.is_some_and(|most| sum(most).up() > 0.0) {
                        return fault(format!("{} adds up to {}, not {least} to {most}", name(), sum(0.0).down()));
                    }
                }
                _ => return fault(format!("limit {at} is not about its column")),
            }
        }
        Ok(())
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

    /// The discount of every row and the constant that these prices make.
    ///
    /// # Errors
    /// If a price is of no limit, not finite, or of an end that the limit does not have.
    pub(crate) fn priced(&self, prices: &[Price]) -> Result<Priced, Rejection> {
        let fault = |at: usize, why: &str| Err(Rejection::new("prices", format!("price {at} {why}")));
        let mut constant = ExactSum::default();
        let mut discounts = vec![0.0; self.pool()];
        for (at, Price { limit: of, label, price }) in prices.iter().enumerate() {
            let Some(limit) = self.constraints.limits.get(*of) else { return fault(at, "is of no limit") };
            if !price.is_finite() {
                return fault(at, "is not finite");
            }
            // A positive price is of the upper end, a negative one of the lower end, which is 0 if none is given.
            let end = if *price > 0.0 { limit.max } else { Some(limit.min.unwrap_or(0.0)) };
            let Some(end) = end else { return fault(at, "is of an upper end that the limit does not have") };
            constant.add_product(end, *price);
            match (self.counts[*of], &self.columns[limit.column], label) {
                (Count::Label(place), Values::Labels { of_row, .. }, None) => {
                    discount(&mut discounts, of_row, place, *price);
                }
                (Count::Each, Values::Labels { of_row, names }, Some(label)) => {
                    match names.iter().position(|name| name == label) {
                        Some(place) => discount(&mut discounts, of_row, Some(place as u32), *price),
                        None => return fault(at, "is of a label that no row has"),
                    }
                }
                (Count::Sum, Values::Numbers(numbers), None) => {
                    for (sum, &number) in discounts.iter_mut().zip(numbers) {
                        let size = if *price > 0.0 { mul_down(number, *price) } else { -mul_up(number, -price) };
                        *sum = add_down(*sum, size);
                    }
                }
                _ => return fault(at, "names a label, or none, where its limit does not"),
            }
        }
        Ok(Priced { constant, discounts })
    }
}

/// Adds a price, rounding down, to the discounts of the rows whose label has the index `place`.
fn discount(discounts: &mut [f64], of_row: &[u32], place: Option<u32>, price: f64) {
    let Some(place) = place.filter(|&place| place != NONE) else { return };
    for (sum, _) in discounts.iter_mut().zip(of_row).filter(|(_, of)| **of == place) {
        *sum = add_down(*sum, price);
    }
}

/// What prices do to a bound: they lower the value of every row by its discount, and add a constant.
#[derive(Debug, Clone)]
pub(crate) struct Priced {
    /// Σ_r (hi_r·max(y_r, 0) − lo_r·max(−y_r, 0)).
    pub(crate) constant: ExactSum,
    /// For every row a number ≤ Σ_r y_r A_ri.
    pub(crate) discounts: Vec<f64>,
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

    /// Number of rows that must be chosen.
    pub fn included(&self) -> usize {
        self.rows.iter().filter(|row| **row == RowState::Included).count()
    }
}
