//! What rows are worth by themselves, beside what they cost (`notes/quality.md`): a number s_i of any sign for every row, and its
//! weight w.
//!
//! D(S)^q is then taken less w times the mean of s over S, under the measure that is compared with the queries. In a bound for all subsets that is one more discount of every row,
//! −w·s_i, like that of a price, but with no limit and so with no constant.

use serde::{Deserialize, Serialize};

use super::column::Values;
use super::{Column, ColumnRecord, FeasibleSet};
use crate::bounds::Interval;
use crate::rejection::Rejection;
use crate::rounding::{ExactSum, add_up, div_down, div_up, mul_down, mul_up, sub_down};
use crate::tokens::Lengths;

/// What chosen rows are worth by themselves: a row with the number s_i in the column costs w·s_i less, whichever query it
/// serves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quality {
    /// The weight w, in units of the cost to the power p, of a kernel's squared distance, for each unit of the column;
    /// positive and finite.
    pub weight: f64,
    /// The column of the numbers, one for every pool row as stored; of any sign.
    pub column: ColumnRecord,
}

/// The quality of a statement, and the numbers in its column for the rows of the problem.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Valued {
    quality: Quality,
    scores: Vec<f64>,
}

impl FeasibleSet {
    /// The same subsets, of whose rows each is worth `quality.weight` times its number in `column`, by itself. `column` has a
    /// value for every stored row, those in `dropped` (ascending) too, and the digest that `quality` names: the caller must
    /// make sure of that.
    ///
    /// ```
    /// use kantor_theory::constraints::{Column, ColumnRecord, Constraints, FeasibleSet};
    /// use kantor_theory::{Cost, DenseRows, Geometry, Power, Quality, Statement, constrained_best_bound, sequential};
    /// let pool = DenseRows::from_f64(1, vec![0.0, 1.0, 3.0]).ok_or("no rows")?;
    /// let query = DenseRows::from_f64(1, vec![0.0]).ok_or("no rows")?;
    /// let geometry = Geometry::new(&pool, &query, Cost::Euclidean)?;
    /// // The row at 3 is worth 5: no other row has less than 3 − 5.
    /// let quality = Quality { weight: 0.5, column: ColumnRecord { name: "score".into(), ..ColumnRecord::default() } };
    /// let scores = Column::scores(vec![0.0, -1.0, 10.0])?;
    /// let set = FeasibleSet::new(&Constraints::default(), &[], 3, &[])?.valued(quality.clone(), &scores, &[])?;
    /// let statement = Statement::new(&geometry, Power::One, 1).valued(Some(quality));
    /// let bound = constrained_best_bound(&geometry, &statement, vec![0.0], &set, &[], &sequential)?;
    /// assert!((bound.lower() + 2.0).abs() < 1e-9 && bound.lower() <= -2.0);
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If the weight is not positive and finite, the column has labels or another number of rows, or a number times the weight is
    /// too large for a double.
    pub fn valued(self, quality: Quality, column: &Column, dropped: &[usize]) -> Result<Self, Rejection> {
        let name = &quality.column.name;
        let fault = |place: String| Err(Rejection::new("quality", place));
        if !(quality.weight > 0.0 && quality.weight.is_finite()) {
            return fault(format!("the weight {:e} is not positive and finite", quality.weight));
        }
        let Values::Numbers(numbers) = &column.0 else { return fault(format!("column `{name}` has no numbers")) };
        let stored = self.pool() + dropped.len();
        if numbers.len() != stored {
            return fault(format!("column `{name}` has {} rows, the pool {stored}", numbers.len()));
        }
        if let Some(row) = numbers.iter().position(|&score| !worth_up(quality.weight, score.abs()).is_finite()) {
            let (weight, score) = (quality.weight, numbers[row]);
            return fault(format!(
                "{score:e} of row {row} in column `{name}` times {weight:e} is too large for a double"
            ));
        }
        let kept = numbers.iter().enumerate().filter(|(row, _)| dropped.binary_search(row).is_err());
        let scores = kept.map(|(_, &score)| score).collect();
        Ok(Self { valued: Some(Valued { quality, scores }), ..self })
    }

    /// What the rows are worth by themselves, if anything.
    pub fn quality(&self) -> Option<&Quality> {
        self.valued.as_ref().map(|valued| &valued.quality)
    }

    /// For every row a number ≥ w·s_i in values v_i, of whose mean a unit lies between these two numbers; none without a quality.
    pub(crate) fn worths(&self, [least, most]: [f64; 2]) -> Option<impl Iterator<Item = f64> + '_> {
        let Valued { quality: Quality { weight, .. }, scores } = self.valued.as_ref()?;
        Some(scores.iter().map(move |&score| {
            let worth = worth_up(*weight, score);
            if worth >= 0.0 { mul_up(worth, most) } else { -mul_down(-worth, least) }
        }))
    }

    /// The interval of D(S)^q, less w times the mean of s over these rows, which weigh their lengths where tokens are the budget;
    /// the same without a quality.
    pub(crate) fn less_quality(&self, interval: Interval, rows: &[usize]) -> Interval {
        let Some(Valued { quality, scores }) = &self.valued else { return interval };
        let mut worth = ExactSum::default();
        let (low, high) = match &self.tokens {
            None => {
                rows.iter().for_each(|&row| worth.add_product(quality.weight, scores[row]));
                let k = rows.len() as f64;
                (div_down(worth.down(), k), div_up(worth.up(), k))
            }
            Some(Lengths { of_row, .. }) => {
                let mut total = ExactSum::default();
                for &row in rows {
                    worth.add_product(of_row[row], scores[row]);
                    total.add(of_row[row]);
                }
                let (low, high) = (worth.ratio_down(&total), worth.ratio_up(&total));
                (-worth_up(quality.weight, -low), worth_up(quality.weight, high))
            }
        };
        let Interval { lower, upper } = interval;
        Interval { lower: lower.map(|lower| sub_down(lower, high)), upper: upper.map(|upper| add_up(upper, -low)) }
    }
}

/// A number ≥ weight·score.
fn worth_up(weight: f64, score: f64) -> f64 {
    if score >= 0.0 { mul_up(weight, score) } else { -mul_down(weight, -score) }
}
