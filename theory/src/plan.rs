//! Sparse transport plans with integer masses: marginals are checked by counting, without a tolerance.
//!
//! An entry (position, query, mass) sends mass/T from a subset row to a query, T being the sum of all masses. For
//! uniform weights every position must send T/k and every query receive T/M, as integers; the smallest such plan has
//! T = lcm(k, M). Weights that are not uniform need not be ratios of small integers; there the masses approximate them
//! (T near 2⁶⁰ leaves errors near 1e-18) and what is missing is paid for in the bound.

use std::ops::Range;

use crate::rejection::Rejection;
use crate::rounding::{ExactSum, add_up, div_down, div_up, sub_down};
use crate::statement::Statement;

/// Who serves whom: entries sorted by position, then query; positive integer masses.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SparsePlan {
    pub(crate) position: Vec<usize>,
    pub(crate) query: Vec<usize>,
    pub(crate) mass: Vec<u64>,
}

impl SparsePlan {
    /// The plan with these entries (position in the subset, query, mass), in any order; entries of equal place are
    /// added up and zeros left out.
    ///
    /// `None` if masses of equal place overflow.
    pub fn new(mut entries: Vec<(usize, usize, u64)>) -> Option<Self> {
        entries.sort_unstable();
        let mut plan = Self::default();
        for (position, query, mass) in entries.into_iter().filter(|entry| entry.2 > 0) {
            match (plan.position.last(), plan.query.last(), plan.mass.last_mut()) {
                (Some(&p), Some(&q), Some(last)) if (p, q) == (position, query) => *last = last.checked_add(mass)?,
                _ => {
                    plan.position.push(position);
                    plan.query.push(query);
                    plan.mass.push(mass);
                }
            }
        }
        Some(plan)
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.mass.len()
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.mass.is_empty()
    }

    /// The entries (position, query, mass), sorted.
    pub fn entries(&self) -> impl Iterator<Item = (usize, usize, u64)> + '_ {
        self.position.iter().zip(&self.query).zip(&self.mass).map(|((&i, &j), &x)| (i, j, x))
    }

    /// The entries of these positions.
    pub(crate) fn of_positions(&self, positions: Range<usize>) -> impl Iterator<Item = (usize, usize, u64)> + '_ {
        let first = self.position.partition_point(|&p| p < positions.start);
        let end = self.position.partition_point(|&p| p < positions.end);
        (first..end).map(|entry| (self.position[entry], self.query[entry], self.mass[entry]))
    }

    /// The sum T of all masses.
    pub fn total(&self) -> u128 {
        self.mass.iter().map(|&mass| u128::from(mass)).sum()
    }

    /// T as an exact sum.
    pub(crate) fn total_sum(&self) -> ExactSum {
        let mut sum = ExactSum::default();
        self.mass.iter().for_each(|&mass| sum.add_times(mass, 1.0));
        sum
    }

    /// An upper bound on the share of mass that the plan does not deliver: exactly 0 for uniform weights.
    ///
    /// # Errors
    /// If the arrays differ in length, an entry is out of range, out of order or zero, or uniform marginals are not
    /// met exactly.
    pub(crate) fn missing_mass(&self, problem: &Statement) -> Result<f64, Rejection> {
        let (k, m) = (problem.budget, problem.queries);
        if self.position.len() != self.mass.len() || self.query.len() != self.mass.len() {
            let lengths = format!("{}, {} and {}", self.position.len(), self.query.len(), self.mass.len());
            return Err(Rejection::new("plan", format!("position, query and mass have lengths {lengths}")));
        }
        let (mut sent, mut received) = (vec![0u128; k], vec![0u128; m]);
        let mut last = None;
        for (entry, (position, query, mass)) in self.entries().enumerate() {
            if position >= k || query >= m {
                return Err(Rejection::new("plan", format!("entry {entry} goes from {position} to {query}")));
            }
            if mass == 0 || last >= Some((position, query)) {
                return Err(Rejection::new("plan", format!("entry {entry} is zero or out of order")));
            }
            last = Some((position, query));
            sent[position] += u128::from(mass);
            received[query] += u128::from(mass);
        }
        let total = self.total();
        if total == 0 {
            return Err(Rejection::new("plan", "no mass"));
        }
        let short = shortfall(problem.weights.subset.as_deref(), &sent, total, true)
            .map_err(|i| Rejection::new("marginal", format!("subset position {i} sends {} of {total}", sent[i])))?;
        let over = shortfall(problem.weights.query.as_deref(), &received, total, false)
            .map_err(|j| Rejection::new("marginal", format!("query {j} receives {} of {total}", received[j])))?;
        Ok(add_up(short, over).min(1.0))
    }
}

/// An upper bound on Σ (weight − mass)₊ if `short`, on Σ (mass − weight)₊ if not, both as shares; the place where
/// uniform weights are not met exactly as an error.
fn shortfall(weights: Option<&[f64]>, masses: &[u128], total: u128, short: bool) -> Result<f64, usize> {
    let Some(weights) = weights else {
        let count = masses.len() as u128;
        // Compared by division, which cannot overflow as the product could.
        let share = total.is_multiple_of(count).then_some(total / count);
        return match masses.iter().position(|&mass| Some(mass) != share) {
            Some(place) => Err(place),
            None => Ok(0.0),
        };
    };
    let scale = crate::statement::total(weights);
    let (scale_low, scale_high) = (scale.down(), scale.up());
    // A u128 of at most 2¹²⁷ converts with one rounding, which one step outwards covers.
    let (total_low, total_high) = ((total as f64).next_down(), (total as f64).next_up());
    let mut sum = ExactSum::default();
    for (&weight, &mass) in weights.iter().zip(masses) {
        let mass = mass as f64;
        let difference = if short {
            sub_down(div_down(mass.next_down().max(0.0), total_high), div_up(weight, scale_low))
        } else {
            sub_down(div_down(weight, scale_high), div_up(if mass == 0.0 { 0.0 } else { mass.next_up() }, total_low))
        };
        sum.add((-difference).max(0.0));
    }
    Ok(sum.up())
}
