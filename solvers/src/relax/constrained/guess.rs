//! Where a search starts that knows of no similar problem: from what the lists say of the rows.

use super::family::Family;
use super::search::{Search, Start};
use crate::scan::{key_row, key_value};

impl Search<'_> {
    /// Potentials at which every query would take somewhat more than its share of its nearest rows.
    pub(super) fn guess(&self) -> Start {
        let (m, lists) = (self.slots.m, self.slots.candidates.lists());
        // Of tokens as many rows as have them on average.
        let share = |query: usize| {
            let mass = self.demands.of[query].div_ceil(self.demands.unit) as usize;
            if self.set.tokens().is_some() { (mass * self.rows).div_ceil(self.budget) } else { mass }
        };
        let nth = |query: usize, count: usize| {
            let (Some(lists), keys) = (lists, lists.map_or(&[][..], |lists| lists.keys(query))) else { return 0.0 };
            let mut near = keys.iter().filter(|&&key| self.family.of_row[key_row(key)] != Family::ABSENT);
            let key = near.nth(count).or(keys.last());
            key.map_or(0.0, |&key| self.costs.lower(f64::from(key_value(key)) * lists.unit()))
        };
        let potentials: Vec<f64> = (0..m).map(|query| nth(query, share(query) + share(query) / 4)).collect();
        let margins = (0..m).map(|query| nth(query, 2 * share(query) + 16) - potentials[query]);
        let margin = margins.fold(0.0, f64::max);
        let thresholds = vec![self.guessed_threshold(&potentials); self.family.groups.len()];
        Start { prices: vec![0.0; self.sides.sides.len()], potentials, thresholds, margin }
    }

    /// The value that about as many rows exceed as are chosen, at potentials that are guessed for rows that are worth nothing by
    /// themselves: zero for these.
    fn guessed_threshold(&self, potentials: &[f64]) -> f64 {
        let (Some(_), Some(lists)) = (self.task.quality, self.slots.candidates.lists()) else { return 0.0 };
        let mut values = vec![self.reach(potentials); self.set.pool()];
        let mut listed = vec![false; values.len()];
        for (query, &g) in potentials.iter().enumerate() {
            for &key in lists.keys(query) {
                let (row, value) = (key_row(key), g - self.costs.lower(f64::from(key_value(key)) * lists.unit()));
                values[row] = if listed[row] { values[row].max(value) } else { value };
                listed[row] = true;
            }
        }
        let free = |(row, value): (usize, f64)| {
            let is_free = self.family.of_row[row] < Family::ABSENT && value > f64::NEG_INFINITY;
            is_free.then(|| value + self.task.worth(row))
        };
        let mut values: Vec<f64> = values.into_iter().enumerate().filter_map(free).collect();
        let rank = (self.rows + self.rows / 4).min(values.len().saturating_sub(1));
        if values.is_empty() { 0.0 } else { *values.select_nth_unstable_by(rank, |a, b| b.total_cmp(a)).1 }
    }
}
