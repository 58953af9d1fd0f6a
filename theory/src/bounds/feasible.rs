//! The subsets of which a bound for all subsets speaks, and how much one value a row can add up to on such a subset
//! (`notes/priced-support.md`, `notes/T15.md`).
//!
//! For values v_i of the pool rows and any price σ, every set S of k rows has
//! Σ_{i∈S} v_i ≤ σk + Σ_i max(0, v_i − σ). The least such number is the support function of these sets: with the k-th
//! largest value for σ it is the sum of the k largest. Constraints are priced first, and what rows are worth by themselves is
//! added to their values ([`FeasibleSet`]). Where tokens are the budget, the sum has weights, and module `knapsack` bounds it.

use crate::bounds::knapsack::{self, Item, Spent};
use crate::constraints::{FeasibleSet, Price, Priced};
use crate::rejection::Rejection;
use crate::rounding::{ExactSum, add_up, sub_down};
use crate::statement::Statement;

/// The subsets that may be chosen: any k distinct pool rows, as far as constraints allow.
#[derive(Debug, Clone)]
pub(super) struct Feasible<'a> {
    budget: usize,
    constrained: Option<(&'a FeasibleSet, Priced)>,
}

impl<'a> Feasible<'a> {
    /// Those of a problem without constraints.
    pub(super) fn of(problem: &Statement) -> Self {
        Self { budget: problem.budget, constrained: None }
    }

    /// Those of a problem with the constraints of `set`, at these prices, for values of whose mean a unit of the distance to its
    /// power lies between the two numbers `unit`.
    pub(super) fn among(
        problem: &Statement,
        set: &'a FeasibleSet,
        prices: &[Price],
        unit: [f64; 2],
    ) -> Result<Self, Rejection> {
        set.check_same_problem(problem)?;
        Ok(Self { budget: problem.budget, constrained: Some((set, set.priced(prices, unit)?)) })
    }

    /// The bound at the best price σ, or at zero if `values` hold it already: a constant added to all potentials is one.
    pub(super) fn support(&self, holds_price: bool) -> Support<'_> {
        let room = self.budget - self.constrained.as_ref().map_or(0, |(set, _)| set.included().min(self.budget));
        // Limits and what rows are worth by themselves may make the best price one below zero.
        let keeps = !holds_price
            || self.constrained.as_ref().is_some_and(|(set, priced)| {
                set.tokens().is_none() || !set.constraints().are_none() || priced.worths.is_some()
            });
        let (positive, largest, fixed) = (ExactSum::default(), Vec::new(), Vec::new());
        Support { of: self, room, keeps, positive, largest, fixed, items: Vec::new(), fixed_items: Vec::new() }
    }
}

/// A row that must be chosen, or must not, and what that is worth.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct FixedRow {
    pub(super) row: usize,
    pub(super) included: bool,
    /// A number ≥ what the bound of the sum rises by if it may but need not be chosen, positive; where tokens are the budget, of
    /// B (module `knapsack`).
    pub(super) worth: f64,
}

impl FixedRow {
    /// Of a row whose value less its discount is known, rounded down if it must be chosen, else up, at the price σ of a row.
    fn of(row: usize, included: bool, value: f64, threshold: f64) -> Option<Self> {
        let worth = match (included, threshold) {
            // Nothing is known of the rows that could take its place.
            (true, f64::MAX) => f64::INFINITY,
            (true, threshold) => add_up(threshold, -value),
            (false, threshold) => add_up(value, -threshold),
        };
        (worth > 0.0).then_some(Self { row, included, worth })
    }
}

/// What bounds Σ_{i∈S} v_i for every feasible S.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Bounded {
    /// A number ≥ Σ_{i∈S} v_i; where tokens are the budget, ≥ the fewest of them times the mean value of a token.
    pub(super) sum: f64,
    /// The price σ of a row, or of a token where these are the budget, that it is proved at: of rows the least value that was
    /// added. None if there are too few rows.
    pub(super) threshold: Option<f64>,
    /// Where tokens are the budget, a number ≥ B at that price.
    pub(super) spent: Option<f64>,
    /// Those that are worth something, ascending.
    pub(super) fixed: Vec<FixedRow>,
}

/// A bound of Σ_{i∈S} v_i for all feasible S, while the values come in. A row without a value counts as one with zero.
#[derive(Debug, Clone)]
pub(super) struct Support<'a> {
    of: &'a Feasible<'a>,
    /// Rows to choose beside those that must be chosen.
    room: usize,
    /// Whether values are kept until the best price is known.
    keeps: bool,
    /// Σ_i max(0, v_i) over values that were not kept, and those of rows that must be chosen.
    positive: ExactSum,
    /// The largest values and perhaps others.
    largest: Vec<f64>,
    /// Rows that must or must not be chosen, which of both, and their values less their discounts.
    fixed: Vec<(usize, bool, f64)>,
    /// Where tokens are the budget, in the place of all these: rows that may be chosen.
    items: Vec<Item>,
    /// With them, rows that must or must not be chosen.
    fixed_items: Vec<(usize, Item)>,
}

impl Support<'_> {
    /// Takes in the value of one more row.
    pub(super) fn add(&mut self, row: usize, value: f64) {
        if let Some((set, priced)) = &self.of.constrained
            && let Some((_, lengths)) = set.tokens()
        {
            let value = priced.worths.as_ref().map_or(value, |worths| add_up(value, worths[row]));
            let (length, discount, included) = (lengths[row], priced.discounts[row], set.is_included(row));
            let item = Item { length, value, discount, included };
            if included || set.is_excluded(row) {
                self.fixed_items.push((row, item));
            }
            if !set.is_excluded(row) && (self.keeps || value > 0.0) {
                self.items.push(item);
            }
            return;
        }
        let value = match &self.of.constrained {
            None => value,
            Some((set, priced)) if set.is_excluded(row) => {
                self.fixed.push((row, false, add_up(value, -priced.discounts[row])));
                return;
            }
            Some((set, priced)) if set.is_included(row) => {
                self.positive.add(value);
                self.positive.add(-priced.discounts[row]);
                self.fixed.push((row, true, sub_down(value, priced.discounts[row])));
                return;
            }
            Some((_, priced)) => add_up(value, -priced.discounts[row]),
        };
        if self.keeps {
            self.largest.push(value);
        } else if value > 0.0 {
            self.positive.add(value);
        }
    }

    /// Takes in the values of other rows.
    pub(super) fn merge(&mut self, other: Self) {
        self.positive.merge(&other.positive);
        self.largest.extend(other.largest);
        self.fixed.extend(other.fixed);
        self.items.extend(other.items);
        self.fixed_items.extend(other.fixed_items);
        // Sorting out once in k values costs O(1) each and O(k) memory in all.
        if self.largest.len() / 2 >= self.room {
            self.sort_out();
        }
    }

    /// The bound, once all rows were added.
    pub(super) fn bounded(mut self) -> Bounded {
        if let Some((set, priced)) = &self.of.constrained
            && let Some((tokens, _)) = set.tokens()
        {
            // Rows of which no item was made are worth nothing at σ ≥ 0.
            let least = if self.keeps { f64::NEG_INFINITY } else { 0.0 };
            let Spent { sum, sigma, spent } =
                knapsack::support(self.items, &priced.constant, (tokens.min, tokens.max), least);
            let worth = |(row, item): (usize, Item)| {
                let gained = item.gained(sigma);
                let worth = if item.included { -gained } else { gained };
                (worth > 0.0).then_some(FixedRow { row, included: item.included, worth })
            };
            let mut fixed: Vec<FixedRow> = self.fixed_items.into_iter().filter_map(worth).collect();
            fixed.sort_unstable_by_key(|fixed| fixed.row);
            return Bounded { sum, threshold: Some(sigma), spent: Some(spent), fixed };
        }
        self.sort_out();
        let threshold = match (self.keeps, self.room) {
            (false, _) => Some(0.0),
            // No row can be added: none is worth any price.
            (true, 0) => Some(f64::MAX),
            (true, room) if self.largest.len() < room => None,
            (true, _) => self.largest.iter().copied().reduce(f64::min),
        };
        self.largest.iter().for_each(|&value| self.positive.add(value));
        if let Some((_, priced)) = &self.of.constrained {
            self.positive.merge(&priced.constant);
        }
        let of = |(row, included, value)| FixedRow::of(row, included, value, threshold?);
        let mut fixed: Vec<FixedRow> = self.fixed.into_iter().filter_map(of).collect();
        fixed.sort_unstable_by_key(|fixed| fixed.row);
        Bounded { sum: self.positive.up(), threshold, spent: None, fixed }
    }

    fn sort_out(&mut self) {
        if self.room < self.largest.len() {
            self.largest.select_nth_unstable_by(self.room, |a, b| b.total_cmp(a));
            self.largest.truncate(self.room);
        }
    }
}
