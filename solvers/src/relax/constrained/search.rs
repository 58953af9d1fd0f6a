//! The relaxed problem at given prices of the sides: transport over the rows of the lists, and whichever others turn out to be
//! worth a place (column generation).
//!
//! A row that has no slot could improve the solution only if max_j (g_j − c_ij) exceeds the threshold of its group by more
//! than its charge. Lists rule that out for all rows whose threshold is above what any row off the lists can reach. The others
//! are evaluated, if they are few, or the lists are made longer.

use kantor_theory::FeasibleSet;
use kantor_theory::constraints::ColumnRanges;
use rayon::prelude::*;

use super::family::Family;
use super::network::{Network, Shipment};
use super::sides::Sides;
use crate::relax::budgeted::TOO_LARGE;
use crate::relax::budgeted::slots::{NONE, Slots};
use crate::task::{SelectError, Task};
use crate::transport::exact::grid::{Grid, GridCosts};
use crate::transport::exact::simplex;
use crate::transport::exact::start;

/// Rows whose costs are evaluated together when they are not kept.
const ROWS: usize = 256;

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
    pub(super) budget: usize,
    pub(super) family: &'a Family,
    pub(super) sides: Sides<'a>,
    pub(super) slots: Slots<'a>,
    pub(super) network: Network<'a>,
    /// What every slot costs beside its transport at the present prices.
    charges: Vec<f64>,
    /// The largest cost of the pool, if it was looked for.
    dearest: Option<f64>,
}

impl<'a> Search<'a> {
    pub(super) fn new(
        task: &'a Task<'a>,
        set: &'a FeasibleSet,
        ranges: &[ColumnRanges<'a>],
        budget: usize,
        family: &'a Family,
        slots: Slots<'a>,
        network: Network<'a>,
    ) -> Result<Self, SelectError> {
        let sides = Sides::of(set, ranges, family);
        let mut this = Self { task, set, budget, family, sides, slots, network, charges: Vec::new(), dearest: None };
        this.open()?;
        Ok(this)
    }

    /// Loads the front of every list and the rows that must be chosen, and makes a first plan.
    fn open(&mut self) -> Result<(), SelectError> {
        let m = self.slots.m;
        let lists = (0..m).flat_map(|j| self.slots.candidates.list(j)).map(|near| near.row);
        let included = (0..self.set.pool()).filter(|&row| self.set.is_included(row)).map(|row| row as u32);
        let mut rows: Vec<u32> = lists.chain(included).collect();
        rows.sort_unstable();
        rows.dedup();
        rows.retain(|&row| !self.set.is_excluded(row as usize));
        self.load(&rows)?;
        let share = self.budget.div_ceil(m);
        let offers: Vec<f64> = (0..m)
            .map(|j| {
                let list = self.slots.candidates.list(j);
                list.get((share + share / 4).min(list.len().saturating_sub(1))).map_or(0.0, |near| near.cost)
            })
            .collect();
        let chosen = loop {
            match self.greedy(&offers) {
                Ok(chosen) => break chosen,
                Err(short) => self.load_some(short)?,
            }
        };
        let grid = Grid::new(self.slots.costs.iter().fold(0.0f64, |most, cost| most.max(cost.abs())));
        let dense = GridCosts { values: &self.slots.costs, m, grid };
        let offers: Vec<f64> = offers.into_iter().map(|g| grid.snap(g)).collect();
        let supply = vec![self.network.unit; self.slots.rows.len()];
        let plan = start::shipments(dense, &chosen, &supply, &vec![self.network.demand(); m], &offers);
        self.charges = vec![0.0; self.slots.rows.len()];
        self.network.restart(&self.slots, &self.charges, plan, &offers).ok_or(TOO_LARGE)?;
        Ok(())
    }

    fn load(&mut self, rows: &[u32]) -> Result<(), SelectError> {
        let held = (self.slots.rows.len() + rows.len()) as u64;
        self.task.afford(super::NAME, held * (8 * self.slots.m as u64 + 100))?;
        self.slots.load(rows);
        Ok(())
    }

    /// Loads more rows of a group; there are some, or the limits were in conflict.
    fn load_some(&mut self, group: usize) -> Result<(), SelectError> {
        let within = |row: &usize| {
            let of = self.family.of_row[*row];
            of != Family::FIXED && self.family.ancestors(of as usize).any(|at| at == group)
        };
        let unknown = (0..self.set.pool()).filter(|&row| self.slots.slot_of[row] == NONE).filter(within);
        let wanted = 64 + 2 * self.family.groups[group].min.max(0) as usize + self.slots.rows.len() / 2;
        let rows: Vec<u32> = unknown.take(wanted).map(|row| row as u32).collect();
        if rows.is_empty() {
            return Err(TOO_LARGE);
        }
        self.load(&rows)
    }

    /// Slots of a subset that obeys the limits of all groups, of large values at these potentials; or the group of which there
    /// are too few.
    fn greedy(&self, offers: &[f64]) -> Result<Vec<u32>, usize> {
        let (family, m) = (self.family, self.slots.m);
        let dense = GridCosts { values: &self.slots.costs, m, grid: Grid::new(0.0) };
        let (mut chosen, mut order) = (Vec::with_capacity(self.budget), Vec::new());
        for (slot, &row) in (0..).zip(&self.slots.rows) {
            match family.of_row[row as usize] {
                Family::FIXED => chosen.push(slot),
                group => {
                    let line = dense.line(slot).iter().zip(offers);
                    order.push((line.map(|(cost, g)| cost - g).fold(f64::INFINITY, f64::min), slot, group as usize));
                }
            }
        }
        order.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let (mut counts, mut taken) = (vec![0i64; family.groups.len()], vec![false; self.slots.rows.len()]);
        // The least numbers of the inner groups first, and last the number of all rows.
        for at in family.from_root().into_iter().rev() {
            let wanted = family.groups[at].min;
            for &(_, slot, group) in &order {
                if counts[at] >= wanted {
                    break;
                }
                let has_room = || family.ancestors(group).all(|at| counts[at] < family.groups[at].max);
                if !taken[slot as usize] && family.ancestors(group).any(|other| other == at) && has_room() {
                    taken[slot as usize] = true;
                    chosen.push(slot);
                    family.ancestors(group).for_each(|at| counts[at] += 1);
                }
            }
            if counts[at] < wanted {
                return Err(at);
            }
        }
        chosen.sort_unstable();
        Ok(chosen)
    }

    /// Solves at these prices. Where the value cannot exceed `floor`, rows may be missing.
    pub(super) fn evaluate(&mut self, prices: &[f64], floor: f64) -> Result<Point, SelectError> {
        self.charges.clear();
        let charge = |&row: &u32| self.sides.charge(row as usize, prices);
        self.charges.extend(self.slots.rows.iter().map(charge));
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
            let charge = |&row: &u32| self.sides.charge(row as usize, prices);
            self.charges.extend(missing.iter().map(charge));
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

    /// Rows without a slot that would improve the solution, ascending; not always all.
    fn missing(&mut self, point: &Point) -> Result<Vec<u32>, SelectError> {
        let (n, grid) = (self.set.pool(), self.network.grid);
        // What the value of a row must exceed; infinite for rows that cannot enter.
        let bar = |row: usize| match self.family.of_row[row] {
            _ if self.slots.slot_of[row] != NONE => f64::INFINITY,
            Family::FIXED => f64::INFINITY,
            group => point.thresholds[group as usize] + grid.snap(self.sides.charge(row, &point.prices)),
        };
        let bars: Vec<f64> = (0..n).map(bar).collect();
        let least = bars.iter().copied().fold(f64::INFINITY, f64::min);
        loop {
            let mut rows = Vec::new();
            for (j, &g) in point.potentials.iter().enumerate() {
                let near = self.slots.candidates.list(j).iter().take_while(|near| g - grid.snap(near.cost) > least);
                rows.extend(
                    near.filter(|near| g - grid.snap(near.cost) > bars[near.row as usize]).map(|near| near.row),
                );
            }
            rows.sort_unstable();
            rows.dedup();
            if !rows.is_empty() {
                return Ok(rows);
            }
            let reach = |(j, &g): (usize, &f64)| g - grid.snap(self.slots.candidates.radius(j));
            let reach = point.potentials.iter().enumerate().map(reach).fold(f64::NEG_INFINITY, f64::max);
            let open: Vec<u32> = (0..n).filter(|&row| bars[row] < reach).map(|row| row as u32).collect();
            if open.is_empty() {
                return Ok(rows);
            }
            if open.len() <= (4 * self.budget).max(n / 16) {
                return Ok(self.evaluated(&open, &bars, &point.potentials));
            }
            if self.slots.candidates.extend().is_err() {
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
        above.truncate(2 * self.budget + ROWS);
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
            Family::FIXED => f64::NEG_INFINITY,
            group => point.thresholds[group as usize] + self.sides.charge(row, &point.prices),
        }
    }

    /// The value of a slot at a point.
    pub(super) fn worth(&self, slot: u32, point: &Point) -> f64 {
        let values = self.slots.line(slot).iter().zip(&point.potentials).map(|(cost, g)| g - cost);
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
