//! Prices of limits, and what they do to a bound (T15): the discount of every row, and a constant.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::FeasibleSet;
use super::column::{NONE, Values};
use super::feasible::Count;
use crate::rejection::Rejection;
use crate::rounding::{ExactSum, add_down, mul_down, mul_up};

/// The price of a limit: its dual variable, in units of the values v_i per unit of what the limit counts. Nothing about it is
/// believed: whatever it is, the bound holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// Index into [`Constraints::limits`](super::Constraints::limits).
    pub limit: usize,
    /// Which label, for a limit on [every one](super::Counted::Each).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Positive for the upper end of the limit, negative for the lower one.
    pub price: f64,
}

/// What prices do to a bound: they lower the value of every row by its discount, and add a constant.
#[derive(Debug, Clone)]
pub(crate) struct Priced {
    /// Σ_r (hi_r·max(y_r, 0) − lo_r·max(−y_r, 0)).
    pub(crate) constant: ExactSum,
    /// For every row a number ≤ Σ_r y_r A_ri; less what it is worth by itself, unless tokens are the budget.
    pub(crate) discounts: Vec<f64>,
    /// Where tokens are the budget, for every row a number ≥ what each of its tokens is worth by itself, if anything.
    pub(crate) worths: Option<Vec<f64>>,
}

/// What the prices on one column add up to, rounded down.
enum OfColumn<'a> {
    /// For every label.
    Labels { sums: Vec<f64>, places: Option<HashMap<&'a str, usize>> },
    /// For a row with the number one: prices of upper ends, and of lower ends with their sign turned, rounded up.
    Numbers { upper: f64, lower: f64 },
}

impl FeasibleSet {
    /// The discount of every row and the constant that these prices make, with values of whose mean a unit of the distance to its
    /// power lies between the two numbers `unit`.
    ///
    /// O(prices) time, and one pass over rows and labels for each column that has prices.
    ///
    /// # Errors
    /// If a price is of no limit, not finite, or of an end that the limit does not have.
    pub(crate) fn priced(&self, prices: &[Price], unit: [f64; 2]) -> Result<Priced, Rejection> {
        let (discounts, worths) = match self.worths(unit) {
            None => (vec![0.0; self.pool()], None),
            Some(worths) if self.tokens.is_some() => (vec![0.0; self.pool()], Some(worths.collect())),
            Some(worths) => (worths.map(|worth| -worth).collect(), None),
        };
        let (constant, discounts) = self.charged(prices, discounts)?;
        Ok(Priced { constant, discounts, worths })
    }

    /// The constant that these prices make, and the sum of these numbers and Σ_r y_r A_ri for every row, rounded down.
    pub(super) fn charged(&self, prices: &[Price], mut discounts: Vec<f64>) -> Result<(ExactSum, Vec<f64>), Rejection> {
        let mut constant = ExactSum::default();
        let mut columns: Vec<Option<OfColumn<'_>>> = self.columns.iter().map(|_| None).collect();
        for (at, price) in prices.iter().enumerate() {
            self.add(price, &mut columns, &mut constant)
                .map_err(|why| Rejection::new("prices", format!("price {at} {why}")))?;
        }
        for (values, prices) in self.columns.iter().zip(&columns) {
            match (values, prices) {
                (Values::Labels { of_row, .. }, Some(OfColumn::Labels { sums, .. })) => {
                    for (discount, place) in discounts.iter_mut().zip(of_row).filter(|(_, place)| **place != NONE) {
                        *discount = add_down(*discount, sums[*place as usize]);
                    }
                }
                (Values::Numbers(numbers), Some(OfColumn::Numbers { upper, lower })) => {
                    for (discount, &number) in discounts.iter_mut().zip(numbers) {
                        *discount = add_down(*discount, mul_down(number, *upper));
                        *discount = add_down(*discount, -mul_up(number, *lower));
                    }
                }
                _ => {}
            }
        }
        Ok((constant, discounts))
    }

    /// Takes in one price, or says what is wrong with it.
    fn add<'a>(
        &'a self,
        Price { limit, label, price }: &Price,
        columns: &mut [Option<OfColumn<'a>>],
        constant: &mut ExactSum,
    ) -> Result<(), &'static str> {
        let count = self.counts.get(*limit).ok_or("is of no limit")?;
        let limit = &self.constraints.limits[*limit];
        if !price.is_finite() {
            return Err("is not finite");
        }
        // A positive price is of the upper end, a negative one of the lower end, which is 0 if none is given.
        let end = if *price > 0.0 { limit.max } else { Some(limit.min.unwrap_or(0.0)) };
        constant.add_product(end.ok_or("is of an upper end that the limit does not have")?, *price);
        let column = columns[limit.column].get_or_insert_with(|| match &self.columns[limit.column] {
            Values::Labels { names, .. } => OfColumn::Labels { sums: vec![0.0; names.len()], places: None },
            Values::Numbers(_) => OfColumn::Numbers { upper: 0.0, lower: 0.0 },
        });
        let place = match (count, &self.columns[limit.column], column, label) {
            (Count::Label(place), _, OfColumn::Labels { sums, .. }, None) => {
                place.map(|place| &mut sums[place as usize])
            }
            (Count::Each, Values::Labels { names, .. }, OfColumn::Labels { sums, places }, Some(label)) => {
                let places = places.get_or_insert_with(|| {
                    names.iter().enumerate().map(|(place, name)| (name.as_str(), place)).collect()
                });
                let place = places.get(label.as_str()).ok_or("is of a label that no row has")?;
                Some(&mut sums[*place])
            }
            (Count::Sum, _, OfColumn::Numbers { upper, .. }, None) if *price > 0.0 => Some(upper),
            (Count::Sum, _, OfColumn::Numbers { lower, .. }, None) => {
                *lower = -add_down(-*lower, *price);
                None
            }
            _ => return Err("names a label, or none, where its limit does not"),
        };
        if let Some(sum) = place {
            *sum = add_down(*sum, *price);
        }
        Ok(())
    }
}
