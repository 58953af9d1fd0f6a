//! The relaxed problem at given prices of the sides: transport over the rows of the lists, and whichever others turn out to be
//! worth a place (column generation).
//!
//! A row that has no slot could improve the solution only if max_j (g_j − c_ij) exceeds the threshold of its group by more
//! than its charge. Lists rule that out for all rows whose threshold is above what any row off the lists can reach, with what
//! it is worth by itself. The others are evaluated, if they are few, or the lists are made longer.

use kantor_theory::{CostBounds, FeasibleSet};
use rayon::prelude::*;

use super::family::Family;
use super::network::{Network, Shipment};
use super::sides::Sides;
use crate::relax::budgeted::TOO_LARGE;
use crate::relax::budgeted::demand::Demands;
use crate::relax::budgeted::slots::{NONE, Slots};
use crate::scan::{key_row, key_value};
use crate::task::{SelectError, Task};
use crate::transport::exact::grid::{Grid, GridCosts};
use crate::transport::exact::start;

/// Rows whose costs are evaluated together when they are not kept.
const ROWS: usize = 256;

/// How far the value of a row may be from that of a sample, as a share of what rows are worth.
const MARGIN: f64 = 0.3;

/// The solution of the relaxed problem at some prices.
#[derive(Debug, Clone)]
pub(super) struct Point {
    /// Price of every side.
    pub(super) prices: Vec<f64>,
    /// What the transport costs, in mass of rows.
    pub(super) cost: f64,
    /// What the chosen rows use of every side.
    pub(super) used: Vec<f64>,
    /// The Lagrangian: a lower bound of the cost of every subset if no row is missing.
    pub(super) value: f64,
    /// Whether no row is missing.
    pub(super) complete: bool,
    pub(super) potentials: Vec<f64>,
    /// Of every group.
    pub(super) thresholds: Vec<f64>,
    pub(super) plan: Vec<Shipment>,
}

/// The pool as far as it is known, and the network on it.
pub(super) struct Search<'a> {
    pub(super) task: &'a Task<'a>,
    pub(super) set: &'a FeasibleSet,
    /// Rows to choose, or tokens: what masses add up to.
    pub(super) budget: usize,
    /// About how many rows that is.
    pub(super) rows: usize,
    pub(super) demands: Demands,
    pub(super) family: &'a Family,
    pub(super) sides: Sides<'a>,
    pub(super) slots: Slots<'a>,
    pub(super) network: Network<'a>,
    pub(super) costs: CostBounds,
    /// What every slot costs beside its transport at the present prices.
    charges: Vec<f64>,
    /// The largest cost of the pool, if it was looked for.
    dearest: Option<f64>,
}

/// Where a search starts: the duals of a similar problem.
#[derive(Debug, Clone)]
pub(super) struct Start {
    pub(super) prices: Vec<f64>,
    pub(super) potentials: Vec<f64>,
    pub(super) thresholds: Vec<f64>,
    /// What is uncertain about the value of a row.
    pub(super) margin: f64,
}

impl<'a> Search<'a> {
    pub(super) fn new(
        task: &'a Task<'a>,
        set: &'a FeasibleSet,
        (budget, rows): (usize, usize),
        family: &'a Family,
        sides: Sides<'a>,
        slots: Slots<'a>,
    ) -> Self {
        let m = slots.m;
        let demands = Demands::new(budget, m, task.weights);
        let lengths = set.tokens().map(|(_, lengths)| lengths);
        let network = Network::new(family, m, demands.unit, lengths);
        let (costs, charges, dearest) = (CostBounds::new(task.geometry, task.power), Vec::new(), None);
        Self { task, set, budget, rows, demands, family, sides, slots, network, costs, charges, dearest }
    }

    /// Loads the rows that seem worth it and those that must be chosen, and makes a first plan. Returns where it starts.
    pub(super) fn open(&mut self, start: Option<&Start>) -> Result<Start, SelectError> {
        let m = self.slots.m;
        let start = start.cloned().unwrap_or_else(|| self.guess());
        let bars = self.bars(&start.prices, &start.thresholds);
        let mut rows = self.listed(&start.potentials, |row| bars[row] - start.margin);
        rows.extend(
            (0..bars.len()).filter(|&row| self.set.is_included(row) && self.is_unknown(row)).map(|row| row as u32),
        );
        rows.sort_unstable();
        rows.dedup();
        self.load(&rows)?;
        let chosen = loop {
            self.task.watch.advance(0)?;
            match self.greedy(&start) {
                Ok(chosen) => break chosen,
                Err(wanted) => self.load_some(wanted, &start)?,
            }
        };
        let grid = Grid::new(self.slots.costs.iter().fold(0.0f64, |most, cost| most.max(cost.abs())));
        let dense = GridCosts { values: &self.slots.costs, m, grid };
        let offers: Vec<f64> = start.potentials.iter().map(|g| grid.snap(g - start.potentials[0])).collect();
        let mut supply = vec![0; self.slots.rows.len()];
        chosen.iter().for_each(|&(slot, mass)| supply[slot as usize] = mass);
        let chosen: Vec<u32> = chosen.into_iter().map(|(slot, _)| slot).collect();
        let plan = start::shipments(dense, &chosen, &supply, &self.demands.of, &offers);
        self.charge(&start.prices);
        self.network.restart(&self.slots, &self.charges, plan, &offers).ok_or(TOO_LARGE)?;
        Ok(start)
    }

    /// What the value of no row can exceed, its own worth apart, where it is on no list; −∞ if all rows are on one.
    pub(super) fn reach(&self, potentials: &[f64]) -> f64 {
        let Some(lists) = self.slots.candidates.lists() else { return f64::NEG_INFINITY };
        let reach = |(query, g): (usize, &f64)| match lists.is_complete(query) {
            true => f64::NEG_INFINITY,
            false => g - self.costs.lower(lists.beyond(query) * lists.unit()),
        };
        potentials.iter().enumerate().map(reach).fold(f64::NEG_INFINITY, f64::max)
    }

    /// Where a search among more rows starts from this point.
    pub(super) fn duals(&self, point: &Point) -> Start {
        let Point { prices, potentials, thresholds, .. } = point.clone();
        Start { prices, potentials, thresholds, margin: MARGIN * self.surplus(point) }
    }

    fn is_unknown(&self, row: usize) -> bool {
        self.slots.slot_of[row] == NONE
    }

    fn charge(&mut self, prices: &[f64]) {
        let Self { sides, slots, charges, .. } = self;
        charges.truncate(0);
        charges.extend(slots.rows.iter().map(|&row| sides.charge(row as usize, prices)));
    }

    fn load(&mut self, rows: &[u32]) -> Result<(), SelectError> {
        let held = (self.slots.rows.len() + rows.len()) as u64;
        self.task.afford(super::NAME, held * (8 * self.slots.m as u64 + 100))?;
        self.slots.load(rows);
        Ok(())
    }

    /// Loads more rows of these groups, those on lists first; there are some, or the limits were in conflict.
    fn load_some(&mut self, wanted: Vec<i64>, start: &Start) -> Result<(), SelectError> {
        let mut left: Vec<usize> = wanted.iter().map(|&count| count as usize).collect();
        // A few more, so that not every search for the next best ends here again.
        left.iter_mut().filter(|left| **left > 0).for_each(|left| *left += *left / 4 + 64);
        let wanted_by = |row: usize, left: &[usize]| {
            let of = self.family.of_row[row];
            if of < Family::ABSENT { self.family.ancestors(of as usize).find(|&at| left[at] > 0) } else { None }
        };
        let is_open = |row: usize| self.is_unknown(row) && wanted_by(row, &left).is_some();
        let open: Vec<bool> = (0..self.set.pool()).map(is_open).collect();
        let mut near: Vec<(f64, u32)> = Vec::new();
        if let Some(lists) = self.slots.candidates.lists() {
            for (query, g) in start.potentials.iter().enumerate() {
                let keys = lists.keys(query).iter().filter(|&&key| open[key_row(key)]);
                let cost = |key: u64| self.costs.lower(f64::from(key_value(key)) * lists.unit());
                near.extend(keys.map(|&key| (cost(key) - self.task.worth(key_row(key)) - g, key_row(key) as u32)));
            }
        }
        near.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let mut taken = vec![false; open.len()];
        let order =
            near.into_iter().map(|(_, row)| row).chain((0..).zip(&open).filter(|(_, open)| **open).map(|(row, _)| row));
        let mut rows = Vec::new();
        for row in order {
            if std::mem::replace(&mut taken[row as usize], true) {
                continue;
            }
            if let Some(at) = wanted_by(row as usize, &left) {
                left[at] -= 1;
                rows.push(row);
            }
        }
        if rows.is_empty() {
            return Err(TOO_LARGE);
        }
        self.load(&rows)
    }

    /// Solves at these prices. Where the value cannot exceed `floor`, rows may be missing.
    pub(super) fn evaluate(&mut self, prices: &[f64], floor: f64) -> Result<Point, SelectError> {
        self.charge(prices);
        self.network.recharge(&self.slots, &self.charges).ok_or(TOO_LARGE)?;
        loop {
            self.task.watch.advance(0)?;
            let mut point = self.point(prices);
            if point.value <= floor {
                return Ok(point);
            }
            let missing = self.missing(&point)?;
            if missing.is_empty() {
                point.complete = true;
                return Ok(point);
            }
            self.load(&missing)?;
            self.charge(prices);
            self.network.restart(&self.slots, &self.charges, point.plan, &point.potentials).ok_or(TOO_LARGE)?;
        }
    }

    fn point(&self, prices: &[f64]) -> Point {
        let plan = self.network.plan();
        let unit = self.network.unit as f64;
        let (mut cost, mut used) = (0.0, vec![0.0; prices.len()]);
        for &(slot, query, mass) in &plan {
            let mass = mass as f64 / unit;
            cost += mass * self.slots.line(slot)[query as usize];
            let row = self.slots.rows[slot as usize] as usize;
            if self.family.of_row[row] != Family::FIXED {
                self.sides.add_use(row, mass, &mut used);
            }
        }
        let of_sides = self.sides.sides.iter().zip(prices).zip(&used).map(|((side, &price), used)| {
            let end = if price > 0.0 { side.most } else { side.least };
            if price == 0.0 { 0.0 } else { price * (used - end) }
        });
        let value = cost + of_sides.sum::<f64>();
        let thresholds = self.network.thresholds(&self.slots, &self.charges);
        let potentials = self.network.potentials().to_vec();
        Point { prices: prices.to_vec(), cost, used, value, complete: false, potentials, thresholds, plan }
    }

    /// What the value of every row without a slot must exceed to be chosen; infinite for rows that cannot be.
    fn bars(&self, prices: &[f64], thresholds: &[f64]) -> Vec<f64> {
        let grid = self.network.grid;
        let bar = |row: usize| match self.family.of_row[row] {
            Family::FIXED | Family::ABSENT => f64::INFINITY,
            _ if !self.is_unknown(row) => f64::INFINITY,
            group => thresholds[group as usize] + grid.snap(self.sides.charge(row, prices)),
        };
        (0..self.set.pool()).map(bar).collect()
    }

    /// Rows without a slot that are on a list and may have a value above their bar there, ascending.
    fn listed(&self, potentials: &[f64], bar: impl Fn(usize) -> f64) -> Vec<u32> {
        let Some(lists) = self.slots.candidates.lists() else { return Vec::new() };
        // Lists are by cost alone.
        let bar = |row: usize| bar(row) - self.task.worth(row);
        let least = (0..self.set.pool()).map(&bar).fold(f64::INFINITY, f64::min);
        let mut rows = Vec::new();
        for (query, &g) in potentials.iter().enumerate() {
            for &key in lists.keys(query) {
                let value = g - self.costs.lower((f64::from(key_value(key)) + lists.error()) * lists.unit());
                if value <= least {
                    break;
                }
                if value > bar(key_row(key)) {
                    rows.push(key_row(key) as u32);
                }
            }
        }
        rows.sort_unstable();
        rows.dedup();
        rows
    }

    /// Rows without a slot that would improve the solution, ascending, and perhaps a few others; not always all.
    fn missing(&mut self, point: &Point) -> Result<Vec<u32>, SelectError> {
        let n = self.set.pool();
        let bars = self.bars(&point.prices, &point.thresholds);
        loop {
            let rows = self.listed(&point.potentials, |row| bars[row]);
            if !rows.is_empty() {
                return Ok(rows);
            }
            let reach = self.reach(&point.potentials);
            let is_open = |row: &usize| bars[*row] - self.task.worth(*row) < reach;
            let open: Vec<u32> = (0..n).filter(is_open).map(|row| row as u32).collect();
            let is_few = open.len() <= (4 * self.rows).max(n / 16);
            if is_few || self.slots.candidates.lengthen().is_err() {
                return Ok(self.evaluated(&open, &bars, &point.potentials));
            }
        }
    }

    /// Those of the rows whose value exceeds the bar, at most a few per row to be chosen: those that exceed it most.
    fn evaluated(&self, rows: &[u32], bars: &[f64], potentials: &[f64]) -> Vec<u32> {
        let (m, grid) = (self.slots.m, self.network.grid);
        let judge = |rows: &[u32]| {
            let mut costs = vec![0.0; rows.len() * m];
            self.slots.candidates.costs(rows, &mut costs);
            let excess = |(line, &row): (&[f64], &u32)| {
                let value = line.iter().zip(potentials).map(|(cost, g)| g - grid.snap(*cost)).fold(f64::MIN, f64::max);
                (value > bars[row as usize]).then_some((value - bars[row as usize], row))
            };
            costs.chunks_exact(m).zip(rows).filter_map(excess).collect::<Vec<_>>()
        };
        let mut above: Vec<(f64, u32)> = rows.par_chunks(ROWS).flat_map_iter(judge).collect();
        above.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        above.truncate(2 * self.rows + ROWS);
        let mut rows: Vec<u32> = above.into_iter().map(|(_, row)| row).collect();
        rows.sort_unstable();
        rows
    }

    /// What the rows chosen at a point are worth beyond what they must be, per row; not zero.
    pub(super) fn surplus(&self, point: &Point) -> f64 {
        let chosen = point.plan.iter().map(|&(slot, query, mass)| {
            let value = point.potentials[query as usize] - self.slots.line(slot)[query as usize];
            let bar = self.bar(slot, point);
            if bar.is_finite() { (value - bar).max(0.0) * mass as f64 } else { 0.0 }
        });
        let surplus = chosen.sum::<f64>() / (self.budget as f64 * self.network.unit as f64);
        let largest = self.network.largest();
        // Where all costs are zero, any number will do.
        if largest == 0.0 { 1.0 } else { surplus.max(1e-6 * largest) }
    }

    /// What the value of a slot must exceed to be chosen at a point; −∞ if it must be chosen.
    pub(super) fn bar(&self, slot: u32, point: &Point) -> f64 {
        let row = self.slots.rows[slot as usize] as usize;
        match self.family.of_row[row] {
            Family::FIXED | Family::ABSENT => f64::NEG_INFINITY,
            group => point.thresholds[group as usize] + self.sides.charge(row, &point.prices),
        }
    }

    /// The value of a slot at these potentials.
    pub(super) fn worth(&self, slot: u32, potentials: &[f64]) -> f64 {
        let values = self.slots.line(slot).iter().zip(potentials).map(|(cost, g)| g - cost);
        values.fold(f64::NEG_INFINITY, f64::max)
    }

    /// Whether no subset whatever costs as much.
    pub(super) fn is_above_all(&mut self, value: f64) -> Result<bool, SelectError> {
        if value <= 2.0 * self.budget as f64 * self.network.largest() {
            return Ok(false);
        }
        let most = match self.dearest {
            Some(most) => most,
            None => {
                let rows: Vec<u32> = (0..self.set.pool() as u32).collect();
                let m = self.slots.m;
                let of = |rows: &[u32]| {
                    let mut costs = vec![0.0; rows.len() * m];
                    self.slots.candidates.costs(rows, &mut costs);
                    costs.into_iter().fold(0.0, f64::max)
                };
                let most = rows.par_chunks(ROWS).map(of).reduce(|| 0.0, f64::max);
                *self.dearest.insert(most)
            }
        };
        self.task.watch.advance(0)?;
        Ok(value > 1.001 * self.budget as f64 * most)
    }
}
