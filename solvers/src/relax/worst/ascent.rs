//! The best duals: Newton's method on the smoothed dual, for less and less smoothing.
//!
//! Limits have no price until the rows that are chosen exceed them. At every level of smoothing the bound without smoothing is
//! evaluated, and the best duals are kept.

use super::field::{Duals, Field, Level, RowState, softplus};
use super::newton::{self, Priced};
use crate::task::SelectError;
use crate::watch::Watch;

/// ε at first, as a share of how costs spread.
const FIRST: f64 = 0.5;

/// By how much ε falls from level to level.
const FALL: f64 = 4.0;

/// Levels; the last ε is some 10⁻⁵ of how costs spread.
const LEVELS: usize = 9;

/// Steps of a level.
const STEPS: usize = 40;

/// A rise that is not worth another step, as a share of ε.
const CLOSED: f64 = 0.01;

/// How far a step may lead, in ε: farther away the derivatives say nothing.
const REACH: f64 = 32.0;

/// The damping of the first step of a level, and of the last that is tried.
const DAMPING: (f64, f64) = (1e-3, 1e6);

/// Halvings of a step.
const HALVINGS: usize = 30;

/// Limits that get a price at a time, and in all: beyond that they have none, and the bound is less than it could be.
const ADMITTED: usize = 64;
pub(super) const MOST: usize = 512;

/// A share that counts as none, and from which on θ is taken no closer to zero.
const NO_SHARE: f64 = 1e-11;
const LEAST_SHARE: f64 = 1e-12;

/// The best duals.
pub(super) struct Ascent {
    pub(super) duals: Duals,
    /// The bound that they prove if no row is missing, in mean cost.
    pub(super) bound: f64,
    /// The value of the last row chosen at these duals, all others above it.
    pub(super) threshold: f64,
    /// Of all rows, at these duals.
    pub(super) values: Vec<f64>,
}

/// The smoothed dual on some rows.
struct Smoothed<'a> {
    field: &'a Field<'a>,
    /// b: of every query its share of its task.
    weights: &'a [f64],
    priced: Vec<Priced>,
}

/// Finds the best duals for these rows, starting from those of others if there are some.
///
/// # Errors
/// If the observer asks to stop.
pub(super) fn ascend(
    field: &Field<'_>,
    weights: &[f64],
    start: Option<&Duals>,
    watch: &dyn Watch,
) -> Result<Ascent, SelectError> {
    let mut smoothed = Smoothed { field, weights, priced: Vec::new() };
    smoothed.reprice(start);
    let mut duals = start.cloned().unwrap_or_else(|| smoothed.start());
    duals.shares.iter_mut().for_each(|share| *share = share.max(LEAST_SHARE));
    let mut best = smoothed.exact(&duals);
    let mut epsilon = FIRST * spread(field.costs).max(f64::MIN_POSITIVE);
    watch.begin("duals of the tasks", LEVELS as u64);
    for left in (0..LEVELS).rev() {
        loop {
            let level = smoothed.climb(&mut duals, epsilon, watch)?;
            // Limits that are exceeded now get their prices at the next level, which begins with all rows of this one.
            if !smoothed.admit(epsilon, &level) || left > 0 {
                break;
            }
        }
        let found = smoothed.exact(&duals);
        if found.bound > best.bound {
            best = found;
        }
        epsilon /= FALL;
        watch.advance(1)?;
    }
    Ok(best)
}

/// How far costs are from their mean, on average.
fn spread(costs: &[f64]) -> f64 {
    let count = costs.len().max(1) as f64;
    let mean = costs.iter().sum::<f64>() / count;
    costs.iter().map(|cost| (cost - mean).abs()).sum::<f64>() / count
}

impl Smoothed<'_> {
    /// Equal shares; every query pays what its share of its nearest rows costs.
    fn start(&self) -> Duals {
        let Field { spans, rows, budget, .. } = self.field;
        let m = self.field.queries();
        let mean = self.field.masses.iter().sum::<f64>() / rows.len() as f64;
        let mut column = Vec::with_capacity(rows.len());
        let mut pays = |query: usize| {
            column.clear();
            column.extend((0..rows.len()).map(|at| self.field.costs[at * m + query]));
            let share = (self.weights[query] * *budget / mean) as usize;
            let last = share.min(rows.len() - 1);
            *column.select_nth_unstable_by(last, f64::total_cmp).1
        };
        let tasks = spans.len() as f64;
        let potentials = (0..m).map(|query| pays(query) / tasks).collect();
        let sides = self.field.sides.as_ref().map_or(0, |sides| sides.sides.len());
        Duals { shares: vec![1.0 / tasks; spans.len()], potentials, prices: vec![0.0; sides] }
    }

    /// Σ b h.
    fn earned(&self, duals: &Duals) -> f64 {
        duals.potentials.iter().zip(self.weights).map(|(h, b)| h * b).sum()
    }

    /// The smoothed dual.
    fn value(&self, duals: &Duals, level: &Level, epsilon: f64) -> f64 {
        let room = |priced: &Priced| {
            let price = duals.prices[priced.side];
            let unit = epsilon / priced.scale;
            (priced.most - priced.least) * unit * softplus(price / unit) + priced.least * price
        };
        let spent = level.support + self.priced.iter().map(room).sum::<f64>();
        let entropy: f64 = duals.shares.iter().map(|share| -share * share.ln()).sum();
        self.earned(duals) - spent / self.field.budget + epsilon * entropy
    }

    /// The bound without smoothing, at duals in which tasks of next to no share have none.
    fn exact(&self, duals: &Duals) -> Ascent {
        let mut duals = duals.clone();
        for (span, share) in self.field.spans.iter().zip(&mut duals.shares).filter(|(_, share)| **share <= NO_SHARE) {
            *share = 0.0;
            duals.potentials[span.clone()].fill(0.0);
        }
        // An end of a limit that there is not has no price, nor has a lower one that the kept rows already reach.
        for (side, price) in self.field.sides.iter().flat_map(|sides| &sides.sides).zip(&mut duals.prices) {
            let binds = if *price > 0.0 { side.most.is_finite() } else { side.least.is_finite() && side.least > 0.0 };
            *price = if binds { *price } else { 0.0 };
        }
        let values = self.field.values(&duals);
        let (support, threshold) = self.field.support(&values);
        let room = |priced: &Priced| {
            let price = duals.prices[priced.side];
            price * if price > 0.0 { priced.most } else { priced.least }
        };
        let spent = support + self.priced.iter().map(room).sum::<f64>();
        let bound = self.earned(&duals) - spent / self.field.budget;
        let bound = bound / duals.shares.iter().sum::<f64>();
        Ascent { duals, bound, threshold, values }
    }

    /// Climbs at one level of smoothing.
    fn climb(&self, duals: &mut Duals, epsilon: f64, watch: &dyn Watch) -> Result<Level, SelectError> {
        let (mut damping, most) = DAMPING;
        let mut level = self.field.level(duals, epsilon);
        let mut value = self.value(duals, &level, epsilon);
        for _ in 0..STEPS {
            watch.advance(0)?;
            let slope = newton::slope(self.field, self.weights, &self.priced, duals, &level, epsilon);
            let Some((step, rise)) = slope.step(self.field.spans.len(), damping) else {
                damping *= 10.0;
                if damping > most {
                    break;
                }
                continue;
            };
            let mut part = self.longest(duals, &step, epsilon);
            // What the step gains, as far as it goes.
            let gain = part * rise;
            let found = (0..HALVINGS).find_map(|halving| {
                if halving > 0 {
                    part /= 2.0;
                }
                let next = self.moved(duals, &step, part);
                let of_next = self.field.level(&next, epsilon);
                let found = self.value(&next, &of_next, epsilon);
                (found >= value + 1e-4 * part * rise).then_some((next, of_next, found, halving))
            });
            let Some((next, of_next, found, halvings)) = found else {
                damping *= 10.0;
                if gain <= CLOSED * epsilon || damping > most {
                    break;
                }
                continue;
            };
            (*duals, level, value) = (next, of_next, found);
            damping = if halvings == 0 { (damping / 10.0).max(1e-9) } else { (damping * 10.0).min(1.0) };
            if gain <= CLOSED * epsilon {
                break;
            }
        }
        Ok(level)
    }

    /// The longest part of a step that leaves every task a share and does not lead too far.
    fn longest(&self, duals: &Duals, step: &[f64], epsilon: f64) -> f64 {
        let farthest = step[..duals.potentials.len()].iter().fold(0.0f64, |most, step| most.max(step.abs()));
        let reach = if farthest > REACH * epsilon { REACH * epsilon / farthest } else { 1.0 };
        let shares = step[step.len() - duals.shares.len()..].iter().zip(&duals.shares);
        let room = shares.filter(|(step, share)| **step < 0.0 && **share > LEAST_SHARE);
        room.map(|(step, share)| 0.9 * share / -step).fold(reach, f64::min)
    }

    fn moved(&self, duals: &Duals, step: &[f64], part: f64) -> Duals {
        let mut moved = duals.clone();
        let (potentials, rest) = step.split_at(moved.potentials.len());
        let (prices, shares) = rest.split_at(self.priced.len());
        moved.potentials.iter_mut().zip(potentials).for_each(|(h, step)| *h += part * step);
        self.priced.iter().zip(prices).for_each(|(priced, step)| moved.prices[priced.side] += part * step);
        moved.shares.iter_mut().zip(shares).for_each(|(share, step)| *share = (*share + part * step).max(LEAST_SHARE));
        moved
    }

    /// Gives prices to limits that the chosen rows exceed, those that are exceeded most first; `false` if there is none.
    fn admit(&mut self, epsilon: f64, level: &Level) -> bool {
        let Some(sides) = &self.field.sides else { return false };
        let mut used = vec![0.0; sides.sides.len()];
        let mut free = 0.0;
        let mean = self.field.masses.iter().sum::<f64>() / self.field.rows.len() as f64;
        for (at, part) in self.field.chosen(epsilon, level) {
            if self.field.states[at] == RowState::Free {
                let mass = self.field.masses[at] * part;
                sides.add_use(self.field.rows[at], mass, &mut used);
                free += mass;
            }
        }
        let mut new: Vec<(f64, usize)> = Vec::new();
        for (at, side) in sides.sides.iter().enumerate() {
            let excess = (used[at] - side.most).max(side.least - used[at]) / side.scale;
            // Far less than a row is smoothing.
            if excess > 1e-3 * (mean + free * 1e-3) && self.priced.iter().all(|priced| priced.side != at) {
                new.push((excess, at));
            }
        }
        new.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        new.truncate(ADMITTED.min(MOST - self.priced.len()));
        new.iter().for_each(|&(_, side)| self.price(side));
        !new.is_empty()
    }

    /// Gives a price to a limit.
    fn price(&mut self, at: usize) {
        let Some(sides) = &self.field.sides else { return };
        let side = &sides.sides[at];
        let least = side.least.max(0.0);
        // No choice uses more than so many of the rows, or tokens, that use most.
        let used = |row: &usize| -> f64 {
            sides.uses(*row).flatten().filter(|(of, _)| *of == at).map(|(_, amount)| amount).sum()
        };
        let most = if side.most.is_finite() {
            side.most
        } else {
            self.field.room * self.field.rows.iter().map(used).fold(0.0, f64::max)
        };
        self.priced.push(Priced { side: at, least, most: most.max(least), scale: side.scale });
    }

    /// Gives prices to the limits that have some in these duals.
    fn reprice(&mut self, duals: Option<&Duals>) {
        let prices = duals.map_or(&[][..], |duals| &duals.prices);
        prices.iter().enumerate().filter(|(_, price)| **price != 0.0).for_each(|(side, _)| self.price(side));
    }
}
