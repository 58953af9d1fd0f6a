//! Which measures the relaxation under constraints is over, and how mass may move between rows of a core.
//!
//! Mass moves from one row to another, within the limits of every group of a family that holds one of the two. For nested
//! groups no other move is needed: where none of these helps, none at all does. What is left over, sums and groups that
//! cross others, has multipliers (augmented Lagrangian): the excess over a limit costs its price and the square of the
//! excess, and the price rises to what the excess costs at the end ([`Core::raise`]).
//!
//! Limit: O(core + groups) beside the kernel for every move; for sides as many numbers again as there are rows on the sides
//! of the two that move.

use kantor_theory::FeasibleSet;
use kantor_theory::constraints::Price;

use super::greedy::Field;
use crate::relax::constrained::family::{Family, ROOT};
use crate::relax::constrained::linear::{Limited, LinearStep};

/// Less room than this share of a row is none.
const NO_ROOM: f64 = 1e-9;

/// By how many times what rows differ in potential a limit exceeded wholly raises its price.
const STIFFNESS: f64 = 4.0;

/// Limits, and what a measure with masses in [0, 1], or up to the lengths of rows, uses of them.
pub(super) struct Polytope<'a> {
    pub(super) limited: Limited<'a>,
    /// In every group of the family.
    masses: Vec<f64>,
    used: Vec<f64>,
    /// Of the sides.
    prices: Vec<f64>,
    /// What a unit of excess adds to the price of a side.
    stiffness: Vec<f64>,
    /// Where tokens are the budget, how many masses add up to, and the fewest and the most.
    tokens: Option<(f64, f64, f64)>,
}

/// The linear step at a measure.
pub(super) struct Bound {
    /// Σ of the potentials over the best vertex, at the prices of the sides.
    pub(super) least: f64,
    /// By how much the prices let a measure that exceeds sides, or uses less than it pays for, miss the least value.
    pub(super) slackness: f64,
    pub(super) prices: Vec<Price>,
}

impl<'a> Polytope<'a> {
    /// At a subset of `budget` rows, or of tokens, with these masses.
    pub(super) fn new(set: &'a FeasibleSet, budget: usize, subset: impl Iterator<Item = (usize, f64)>) -> Self {
        let limited = Limited::new(set, budget);
        let (mut masses, mut used) = (vec![0.0; limited.family.groups.len()], vec![0.0; limited.sides.sides.len()]);
        for (row, mass) in subset.filter(|(row, _)| limited.family.of_row[*row] < Family::ABSENT) {
            limited.family.ancestors(limited.family.of_row[row] as usize).for_each(|group| masses[group] += mass);
            limited.sides.add_use(row, mass, &mut used);
        }
        let (prices, stiffness) = (vec![0.0; used.len()], vec![0.0; used.len()]);
        let tokens = set.tokens().map(|(of, _)| (budget as f64, of.min, of.max));
        Self { limited, masses, used, prices, stiffness, tokens }
    }

    /// Whether the mass of a row may change.
    pub(super) fn is_free(&self, row: usize) -> bool {
        self.limited.family.of_row[row] < Family::ABSENT
    }

    /// What the linear step proves at the potentials of a field.
    pub(super) fn bound(&self, field: &Field, potentials: &[f64]) -> Bound {
        let charge = |row: usize| if self.is_free(row) { self.limited.sides.charge(row, &self.prices) } else { 0.0 };
        let heights: Vec<f64> = field.rows.iter().zip(potentials).map(|(&row, h)| h + charge(row)).collect();
        let LinearStep { mut least, thresholds } = self.limited.step(&field.rows, &heights);
        let mut slackness = 0.0;
        for ((side, &price), used) in self.limited.sides.sides.iter().zip(&self.prices).zip(&self.used) {
            if price != 0.0 {
                let end = if price > 0.0 { side.most } else { side.least };
                least -= price * end;
                slackness += (price * (used - end)).abs();
            }
        }
        if let Some((total, fewest, most)) = self.tokens {
            // What rows cost beyond the threshold is spread over as many tokens as makes it count most.
            let spent = total * thresholds[ROOT] - least;
            least = total * (thresholds[ROOT] - (spent / fewest).max(spent / most));
        }
        Bound { least, slackness, prices: self.limited.prices(&thresholds, &self.prices) }
    }

    /// The rows of a core and their potentials, to which what sides cost is added.
    pub(super) fn core<'p>(
        &'p mut self,
        rows: &[usize],
        mass: &[f64],
        caps: &'p [f64],
        heights: &mut [f64],
    ) -> Core<'p, 'a> {
        let group = |&row: &usize| self.limited.family.of_row[row] as usize;
        let groups = rows.iter().map(group).collect();
        let uses: Vec<Vec<_>> = rows.iter().map(|&row| self.limited.sides.uses(row).collect()).collect();
        let mut members = vec![Vec::new(); self.used.len()];
        for (at, uses) in uses.iter().enumerate() {
            uses.iter().flatten().for_each(|&(side, amount)| members[side].push((at, amount)));
        }
        if self.stiffness.iter().all(|rate| *rate == 0.0) {
            let spread = spread(heights, mass, caps);
            for (rate, side) in self.stiffness.iter_mut().zip(&self.limited.sides.sides) {
                let end = if side.most.is_finite() { side.most } else { side.least };
                *rate = STIFFNESS * spread / (end.max(side.scale) * side.scale);
            }
        }
        let costs: Vec<f64> = (0..self.used.len()).map(|side| self.cost(side)).collect();
        let live = costs.iter().map(|cost| *cost != 0.0).collect();
        for (height, uses) in heights.iter_mut().zip(&uses) {
            uses.iter().flatten().for_each(|&(side, amount)| *height += costs[side] * amount);
        }
        Core { polytope: self, caps, groups, uses, members, live }
    }

    /// What one unit more of a side costs, with its excess.
    fn cost(&self, side: usize) -> f64 {
        let (of, price, rate) = (&self.limited.sides.sides[side], self.prices[side], self.stiffness[side]);
        let cost = |end: f64| price + rate * (self.used[side] - end);
        (if of.most.is_finite() { cost(of.most).max(0.0) } else { 0.0 })
            + (if of.least.is_finite() { cost(of.least).min(0.0) } else { 0.0 })
    }

    fn may_lose(&self, group: usize) -> bool {
        self.masses[group] - self.limited.family.groups[group].min as f64 > NO_ROOM
    }

    fn may_gain(&self, group: usize) -> bool {
        self.limited.family.groups[group].max as f64 - self.masses[group] > NO_ROOM
    }
}

/// By how much the highest row that has mass is above the lowest that has room.
fn spread(heights: &[f64], mass: &[f64], caps: &[f64]) -> f64 {
    let finite = |has: &dyn Fn(usize) -> bool| {
        let of: Vec<f64> =
            (0..heights.len()).filter(|&at| heights[at].is_finite() && has(at)).map(|at| heights[at]).collect();
        of
    };
    let highest = finite(&|at| mass[at] > 0.0).into_iter().fold(f64::NEG_INFINITY, f64::max);
    let lowest = finite(&|at| mass[at] < caps[at]).into_iter().fold(f64::INFINITY, f64::min);
    (highest - lowest).max(0.0)
}

/// What a row uses of a column: of which side, and how much.
type Use = Option<(usize, f64)>;

/// Rows between which mass moves, by place in the core.
pub(super) struct Core<'p, 'a> {
    polytope: &'p mut Polytope<'a>,
    /// How much mass every row may have.
    caps: &'p [f64],
    groups: Vec<usize>,
    uses: Vec<Vec<Use>>,
    /// Of every side, with the amounts.
    members: Vec<Vec<(usize, f64)>>,
    /// Sides that cost something, or did.
    live: Vec<bool>,
}

impl Core<'_, '_> {
    /// The row of greatest height among those from which mass may fall furthest.
    pub(super) fn highest(&self, heights: &[f64], mass: &[f64]) -> Option<usize> {
        let groups = &self.polytope.limited.family.groups;
        let mut highest: Vec<Option<usize>> = vec![None; groups.len()];
        let mut lowest = vec![f64::INFINITY; groups.len()];
        let higher = |a: Option<usize>, b: usize| a.is_none_or(|a| heights[b].total_cmp(&heights[a]).is_ge());
        for (at, &group) in self.groups.iter().enumerate() {
            if mass[at] > 0.0 && higher(highest[group], at) {
                highest[group] = Some(at);
            }
            if mass[at] < self.caps[at] {
                lowest[group] = lowest[group].min(heights[at]);
            }
        }
        let mut found: Option<(f64, usize)> = None;
        for &group in self.polytope.limited.outside_in.iter().rev() {
            let Some(from) = highest[group] else {
                if group != ROOT && self.polytope.may_gain(group) {
                    let parent = groups[group].parent;
                    lowest[parent] = lowest[parent].min(lowest[group]);
                }
                continue;
            };
            let fall = heights[from] - lowest[group];
            if found.is_none_or(|(most, _)| fall > most) {
                found = Some((fall, from));
            }
            if group != ROOT {
                let parent = groups[group].parent;
                if self.polytope.may_lose(group) && higher(highest[parent], from) {
                    highest[parent] = Some(from);
                }
                if self.polytope.may_gain(group) {
                    lowest[parent] = lowest[parent].min(lowest[group]);
                }
            }
        }
        found.map(|(_, from)| from)
    }

    /// For every group whether its rows may take mass from this row.
    pub(super) fn open(&self, from: usize) -> Vec<bool> {
        let family = &self.polytope.limited.family;
        let mut open = vec![false; family.groups.len()];
        let mut around = vec![false; family.groups.len()];
        let mut leaves = true;
        for group in family.ancestors(self.groups[from]) {
            (open[group], around[group]) = (leaves, true);
            leaves &= group == ROOT || self.polytope.may_lose(group);
        }
        for &group in self.polytope.limited.outside_in.iter().filter(|group| !around[**group]) {
            open[group] = open[family.groups[group].parent] && self.polytope.may_gain(group);
        }
        open
    }

    /// The group of a row.
    pub(super) fn group(&self, at: usize) -> usize {
        self.groups[at]
    }

    /// What sides add to the second derivative as mass moves.
    pub(super) fn curve(&self, from: usize, to: usize) -> f64 {
        let rate = |side: usize| if self.live[side] { self.polytope.stiffness[side] } else { 0.0 };
        let of = |(a, b): (&Use, &Use)| match (*a, *b) {
            (Some((a, x)), Some((b, y))) if a == b => rate(a) * (x - y) * (x - y),
            (a, b) => a.into_iter().chain(b).map(|(side, x)| rate(side) * x * x).sum(),
        };
        self.uses[from].iter().zip(&self.uses[to]).map(of).sum()
    }

    /// The most mass that may move.
    pub(super) fn room(&self, from: usize, to: usize) -> f64 {
        let Polytope { limited, masses, .. } = &*self.polytope;
        let (family, common) = (&limited.family, self.common(from, to));
        let leaves = family.ancestors(self.groups[from]).take_while(|&group| group != common);
        let enters = family.ancestors(self.groups[to]).take_while(|&group| group != common);
        let leaves = leaves.map(|group| masses[group] - family.groups[group].min as f64);
        enters.map(|group| family.groups[group].max as f64 - masses[group]).chain(leaves).fold(f64::INFINITY, f64::min)
    }

    /// The least group that contains both.
    fn common(&self, from: usize, to: usize) -> usize {
        let family = &self.polytope.limited.family;
        let around: Vec<usize> = family.ancestors(self.groups[from]).collect();
        family.ancestors(self.groups[to]).find(|group| around.contains(group)).unwrap_or(ROOT)
    }

    /// Moves mass, and brings heights up to what sides cost then.
    pub(super) fn shift(&mut self, from: usize, to: usize, mass: f64, heights: &mut [f64]) {
        let common = self.common(from, to);
        for (at, mass) in [(from, -mass), (to, mass)] {
            let Polytope { limited, masses, .. } = &mut *self.polytope;
            let around = limited.family.ancestors(self.groups[at]).take_while(|&group| group != common);
            around.for_each(|group| masses[group] += mass);
            for place in 0..self.uses[at].len() {
                let Some((side, amount)) = self.uses[at][place] else { continue };
                let before = self.polytope.cost(side);
                self.polytope.used[side] += mass * amount;
                self.recost(side, before, heights);
            }
        }
    }

    /// Raises the prices of the sides to what their excess costs; whether one changes by more than `tolerance` a row.
    pub(super) fn raise(&mut self, tolerance: f64, heights: &mut [f64]) -> bool {
        let mut changed = false;
        for side in 0..self.members.len() {
            let before = self.polytope.cost(side);
            changed |=
                (before - self.polytope.prices[side]).abs() * self.polytope.limited.sides.sides[side].scale > tolerance;
            self.polytope.prices[side] = before;
            self.recost(side, before, heights);
        }
        changed
    }

    fn recost(&mut self, side: usize, before: f64, heights: &mut [f64]) {
        let after = self.polytope.cost(side);
        if after != before {
            self.live[side] = true;
            self.members[side].iter().for_each(|&(at, amount)| heights[at] += (after - before) * amount);
        }
    }
}
