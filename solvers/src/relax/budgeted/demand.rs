//! How much of the chosen rows every query takes, in whole units.

use crate::transport::exact::masses::{apportion, gcd};
use crate::weights::shares;

/// Units of a row where shares are no ratios of small numbers.
const FINE: u64 = 1 << 32;

/// How far a query's number of rows may be from a whole one, relative to itself, and count as whole: weights such as 0.3 are
/// no binary fractions.
const WHOLE: f64 = 1e-9;

/// What k rows of `unit` units each have to give to the queries: as many units in all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Demands {
    /// Units of a row.
    pub(crate) unit: u64,
    /// Units for every query.
    pub(crate) of: Vec<u64>,
}

impl Demands {
    /// For a budget and queries with these weights, uniform if there are none.
    pub(crate) fn new(budget: usize, queries: usize, weights: Option<&[f64]>) -> Self {
        let k = budget as u64;
        let Some(weights) = weights else {
            let common = gcd(k, queries as u64);
            return Self { unit: queries as u64 / common, of: vec![k / common; queries] };
        };
        let rows: Vec<f64> = shares(Some(weights), queries).iter().map(|share| share * budget as f64).collect();
        let whole: Vec<u64> = rows.iter().map(|rows| rows.round() as u64).collect();
        let is_whole = rows.iter().all(|rows| *rows >= 0.5 && (rows - rows.round()).abs() <= WHOLE * rows);
        if is_whole && whole.iter().sum::<u64>() == k {
            return Self { unit: 1, of: whole };
        }
        Self { unit: FINE, of: apportion(weights, k * FINE) }
    }

    /// The whole rows of every query.
    pub(crate) fn rows(&self, query: usize) -> usize {
        (self.of[query] / self.unit) as usize
    }

    /// What every query takes beyond whole rows.
    pub(crate) fn rest(&self, query: usize) -> u64 {
        self.of[query] % self.unit
    }

    /// Whether every query takes whole rows.
    pub(crate) fn are_whole(&self) -> bool {
        (0..self.of.len()).all(|query| self.rest(query) == 0)
    }
}

/// The largest number of rows, rounded up, that a query takes of k.
pub(crate) fn largest_share(budget: usize, queries: usize, weights: Option<&[f64]>) -> usize {
    match weights {
        None => budget.div_ceil(queries),
        Some(_) => {
            let largest = shares(weights, queries).into_iter().fold(0.0, f64::max);
            ((largest * budget as f64).ceil() as usize).clamp(1, budget)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn demands_add_up_to_the_rows() {
        assert_eq!(Demands::new(6, 4, None), Demands { unit: 2, of: vec![3; 4] });
        // Seven tenths are no binary fraction, and still seven rows of ten.
        let tenths = Demands::new(10, 2, Some(&[0.3, 0.7]));
        assert_eq!(tenths, Demands { unit: 1, of: vec![3, 7] });
        for (budget, weights) in [
            (7, vec![0.3, 0.7]),
            (5, vec![1.0, 1.0, 1e-7]),
            (3, vec![1e300, 2e300, 3e300, 4e300]),
            (4, vec![1e-300, 1e300]),
        ] {
            let demands = Demands::new(budget, weights.len(), Some(&weights));
            assert_eq!(demands.of.iter().sum::<u64>(), budget as u64 * demands.unit);
            assert!(demands.of.iter().all(|&of| of > 0) && !demands.are_whole());
        }
        assert_eq!(largest_share(10, 3, Some(&[1.0, 1.0, 2.0])), 5);
    }
}
