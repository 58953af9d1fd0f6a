//! Prices that prove that no subset obeys limits (Farkas' lemma, `notes/T15.md`).
//!
//! With prices y_r let d_i = Σ_r y_r A_ri, and c = Σ_r (hi_r·max(y_r, 0) − lo_r·max(−y_r, 0)). Every feasible S has
//! Σ_{i∈S} d_i ≤ c. So if the sum of the d_i is greater than c on all subsets of the budget's size that hold what must be chosen,
//! there is no feasible one. Limits without a price take no part in that.

use super::feasible::RowState;
use super::{FeasibleSet, Price};
use crate::rejection::Rejection;
use crate::rounding::{ExactSum, mul_down, mul_up, sub_down};
use crate::tokens::Lengths;

impl FeasibleSet {
    /// Whether these prices prove that no subset of `budget` rows, or of the budget in tokens if there is one, obeys the limits
    /// that have a price. Everything is rounded towards `false`.
    ///
    /// O(N) time where rows are the budget, O(N log N) where tokens are.
    ///
    /// # Errors
    /// If a price is of no limit, not finite, or of an end that the limit does not have.
    pub fn refutes(&self, budget: usize, prices: &[Price]) -> Result<bool, Rejection> {
        let (limit, charges) = self.charged(prices, vec![0.0; self.pool()])?;
        let (mut least, mut free) = (ExactSum::default(), Vec::new());
        for (row, &charge) in charges.iter().enumerate() {
            match self.rows[row] {
                RowState::Included => least.add(charge),
                RowState::Free => free.push((charge, row)),
                RowState::Excluded => {}
            }
        }
        match &self.tokens {
            Some(lengths) => self.add_least_of_tokens(&free, lengths, &mut least),
            None => {
                let Some(room) = budget.checked_sub(self.included()).filter(|room| *room <= free.len()) else {
                    return Ok(true);
                };
                if room > 0 {
                    free.select_nth_unstable_by(room - 1, |a, b| a.0.total_cmp(&b.0));
                }
                free[..room].iter().for_each(|(charge, _)| least.add(*charge));
            }
        }
        Ok(least.down() > limit.up())
    }

    /// Adds a number ≤ Σ d_i·x_i for all x in \[0, 1\] that bring the tokens into the budget, those of included rows counted: for any
    /// σ, Σ min(0, d_i − σ·t_i) plus σ times the tokens that are left, the fewest if σ is positive, else the most.
    fn add_least_of_tokens(&self, free: &[(f64, usize)], Lengths { budget, of_row }: &Lengths, least: &mut ExactSum) {
        let mut order: Vec<(f64, f64)> = free.iter().map(|&(charge, row)| (charge, of_row[row])).collect();
        order.retain(|(_, length)| *length > 0.0);
        order.sort_unstable_by(|a, b| (a.0 / a.1).total_cmp(&(b.0 / b.1)));
        let (mut used, mut sigma) = (self.included_tokens(), 0.0);
        for (charge, length) in order {
            let ratio = charge / length;
            if used >= if ratio < 0.0 { budget.max } else { budget.min } {
                break;
            }
            (used, sigma) = (used + length, ratio);
            if sigma < 0.0 && used < budget.max {
                sigma = 0.0;
            }
        }
        // A number ≥ σ·t.
        let of = |length: f64| if sigma > 0.0 { mul_up(sigma, length) } else { -mul_down(-sigma, length) };
        for &(charge, row) in free {
            let reduced = sub_down(charge, of(of_row[row]));
            if reduced < 0.0 {
                least.add(reduced);
            }
        }
        least.add_product(sigma, if sigma > 0.0 { budget.min } else { budget.max });
        let included = (0..of_row.len()).filter(|&row| self.rows[row] == RowState::Included);
        included.for_each(|row| least.add_product(-sigma, of_row[row]));
    }

    /// The end of a limit that a price is of, in words: `` `source=web` (at least 40) ``.
    pub fn end_in_words(&self, Price { limit, label, price }: &Price) -> String {
        let limit = &self.constraints.limits[*limit];
        let name = match label {
            Some(label) => format!("{}={label}", self.constraints.columns[limit.column].name),
            None => self.name_of(limit, None),
        };
        match (*price > 0.0, limit.max) {
            (true, Some(most)) => format!("`{name}` (at most {most})"),
            _ => format!("`{name}` (at least {})", limit.min.unwrap_or(0.0)),
        }
    }
}
