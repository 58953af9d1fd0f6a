//! The subsets of which a bound for all subsets speaks, and how much one value a row can add up to on such a subset
//! (`notes/priced-support.md`).
//!
//! For values v_i of the pool rows and any price σ, every set S of k rows has
//! Σ_{i∈S} v_i ≤ σk + Σ_i max(0, v_i − σ). The least such number is the support function of these sets: with the k-th
//! largest value for σ it is the sum of the k largest.

use crate::rounding::ExactSum;
use crate::statement::Statement;

/// The subsets that may be chosen: any k distinct pool rows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Feasible {
    budget: usize,
}

impl Feasible {
    /// Those of a problem.
    pub(super) fn of(problem: &Statement) -> Self {
        Self { budget: problem.budget }
    }

    /// The bound at price zero, for values that hold the price already: a constant added to all potentials is one.
    pub(super) fn priced(self) -> Support {
        Support { budget: self.budget, keeps: false, positive: ExactSum::default(), largest: Vec::new() }
    }

    /// The bound at the best price.
    pub(super) fn best_priced(self) -> Support {
        Support { keeps: true, ..self.priced() }
    }
}

/// A bound of Σ_{i∈S} v_i for all feasible S, while the values come in. A row without a value counts as one with zero.
#[derive(Debug, Clone)]
pub(super) struct Support {
    budget: usize,
    /// Whether values are kept until the best price is known.
    keeps: bool,
    /// Σ_i max(0, v_i) over values that were not kept.
    positive: ExactSum,
    /// The k largest values and perhaps others.
    largest: Vec<f64>,
}

impl Support {
    /// Takes in the value of one more row.
    pub(super) fn add(&mut self, value: f64) {
        if self.keeps {
            self.largest.push(value);
        } else if value > 0.0 {
            self.positive.add(value);
        }
    }

    /// Takes in the values of other rows.
    pub(super) fn merge(&mut self, other: Support) {
        self.positive.merge(&other.positive);
        self.largest.extend(other.largest);
        // Sorting out once in k values costs O(1) each and O(k) memory in all.
        if self.largest.len() / 2 >= self.budget {
            self.sort_out();
        }
    }

    /// A number ≥ Σ_{i∈S} v_i for every feasible S.
    pub(super) fn upper(mut self) -> f64 {
        self.sort_out();
        self.largest.iter().for_each(|&value| self.positive.add(value));
        self.positive.up()
    }

    fn sort_out(&mut self) {
        if self.budget < self.largest.len() {
            self.largest.select_nth_unstable_by(self.budget, |a, b| b.total_cmp(a));
            self.largest.truncate(self.budget);
        }
    }
}
