//! Swaps under the transport distance.
//!
//! The optimal plan of the subset is kept on the graph of `budgeted::exchange`. A row that leaves lacks at the queries that
//! held it, and the one that comes in reaches them along shortest paths. What the swap changes is exactly the length of the
//! path if one query held the row, and at least the sum of the lengths by mass if several did; then the swap is made, and
//! taken back if it does not help. If every query holds whole rows (M divides k), the k-subsets with their costs are a valuated
//! matroid: where no swap lowers the cost and nothing limits the choice, no subset does.
//!
//! Limit: heights read the costs of all known rows once a pass, 8·N·M bytes; after a swap one search on M² numbers for every
//! query that is looked at.

use rayon::prelude::*;

use super::{Improved, Landscape, List, Measured, Pass, improved};
use crate::PoolScan;
use crate::admission::Exchanges;
use crate::relax::budgeted::candidates::{CandidateLists, costs_of, list_length};
use crate::relax::budgeted::demand::Demands;
use crate::relax::budgeted::exchange::Exchange;
use crate::relax::budgeted::too_large;
use crate::scan::ScanRequest;
use crate::task::{SelectError, Task, worthiest};
use crate::transport::exact::grid::{Grid, GridCosts};
use crate::transport::exact::masses::masses;
use crate::transport::exact::transport::solve_by_samples;

/// Name of the selector on the command line, for messages.
pub(super) const NAME: &str = "swap";

/// Changes below this share of the largest cost of the subset are rounding.
const SMALLEST: f64 = 1e-12;

/// Rows that are tried in the place of one that several queries hold, before others leave.
const TRIED: usize = 8;

/// Paths of swaps that did not help since the last one that did, times M², after which the search ends: some seconds.
pub(super) const PATIENCE: usize = 1 << 29;

/// Rows whose costs or heights one task of the thread pool evaluates.
const ROWS: usize = 192;

/// Pool rows that can take part, and their costs.
#[derive(Default)]
pub(crate) struct Active {
    /// Ascending.
    rows: Vec<usize>,
    /// Rows×M, less what each row is worth by itself.
    costs: Vec<f64>,
    /// Whether these are all that may be chosen.
    all: bool,
}

impl Active {
    /// What is asked of the pass over the pool to improve subsets of up to `largest` rows.
    pub(crate) fn needs(task: &Task<'_>, largest: usize) -> ScanRequest {
        let lists = if fits(task, largest) { 0 } else { listed(task, largest) };
        ScanRequest { row_best: false, lists }
    }

    /// All rows that may be chosen if memory allows, else those on lists, as far as memory allows, and the subset.
    ///
    /// # Errors
    /// If memory does not suffice, or the observer asks to stop.
    pub(in crate::relax) fn of(
        task: &Task<'_>,
        method: &'static str,
        scanned: &PoolScan,
        subset: &[usize],
    ) -> Result<Self, SelectError> {
        let (n, m, k) = (task.geometry.pool_len(), task.geometry.query_len(), subset.len());
        let all = fits(task, k);
        let mut rows: Vec<usize> = if all {
            (0..n).filter(|&row| task.constraints.is_none_or(|set| !set.is_excluded(row))).collect()
        } else {
            task.afford(method, Exchange::bytes(m, k) + (8 * m * k + 16 * n) as u64)?;
            let length = listed(task, k);
            let lists = CandidateLists::new(task, scanned.lists.as_ref(), length, length)?;
            let near = (0..m).flat_map(|query| lists.list(query)).map(|near| near.row as usize);
            near.chain(worthiest(task.quality, 2 * k)).collect()
        };
        rows.extend(subset);
        Self::with_rows(task, rows, all)
    }

    /// These and more rows, if memory allows.
    ///
    /// # Errors
    /// If memory does not suffice, or the observer asks to stop.
    pub(in crate::relax) fn with_more(
        mut self,
        task: &Task<'_>,
        method: &'static str,
        more: &[usize],
    ) -> Result<Self, SelectError> {
        let m = task.geometry.query_len() as u64;
        task.afford(method, (self.rows.len() + more.len()) as u64 * (16 * m + 64))?;
        self.rows.extend(more);
        Self::with_rows(task, self.rows, self.all)
    }

    fn with_rows(task: &Task<'_>, mut rows: Vec<usize>, all: bool) -> Result<Self, SelectError> {
        let m = task.geometry.query_len();
        rows.sort_unstable();
        rows.dedup();
        let mut costs = vec![0.0; rows.len() * m];
        task.watch.begin("costs of the rows", rows.len() as u64);
        costs.par_chunks_mut(ROWS * m).zip(rows.par_chunks(ROWS)).try_for_each(|(costs, rows)| {
            costs_of(task, rows, costs);
            task.watch.advance(rows.len() as u64)
        })?;
        Ok(Self { rows, costs, all })
    }

    pub(super) fn rows(&self) -> &[usize] {
        &self.rows
    }

    /// The rows and their costs.
    pub(in crate::relax) fn parts(&self) -> (&[usize], &[f64]) {
        (&self.rows, &self.costs)
    }

    /// The costs of the row at a position.
    pub(super) fn line(&self, at: usize) -> &[f64] {
        let m = self.costs.len() / self.rows.len();
        &self.costs[at * m..][..m]
    }

    /// Which positions are in the subset.
    pub(super) fn inside(&self, subset: &[usize]) -> Vec<bool> {
        let mut inside = vec![false; self.rows.len()];
        subset.iter().filter_map(|row| self.rows.binary_search(row).ok()).for_each(|at| inside[at] = true);
        inside
    }

    /// A number of every row, from its costs.
    pub(super) fn map(&self, of: impl Fn(&[f64]) -> f64 + Sync) -> Vec<f64> {
        each(&self.costs, self.costs.len() / self.rows.len(), of)
    }

    pub(in crate::relax) fn are_all(&self) -> bool {
        self.all
    }
}

/// Whether the costs of all rows can be held.
fn fits(task: &Task<'_>, k: usize) -> bool {
    let (n, m) = (task.geometry.pool_len() as u64, task.geometry.query_len());
    let held = n.saturating_mul(8 * m as u64 + 64);
    held.saturating_add(Exchange::bytes(m, k)) <= task.memory / 2
}

/// Rows of every list where they cannot.
fn listed(task: &Task<'_>, k: usize) -> usize {
    let m = task.geometry.query_len() as u64;
    let room = task.memory / 4 / (8 * m * m).max(1);
    list_length(task, k).min(room as usize).max(1)
}

fn each(costs: &[f64], m: usize, of: impl Fn(&[f64]) -> f64 + Sync) -> Vec<f64> {
    costs.par_chunks(ROWS * m).flat_map_iter(|costs| costs.chunks_exact(m).map(&of)).collect()
}

/// Improves a subset of these rows.
///
/// # Errors
/// If costs are too large to be added up, or the observer asks to stop.
pub(super) fn improve(
    task: &Task<'_>,
    known: &Active,
    subset: &[usize],
    limit: usize,
) -> Result<Improved, SelectError> {
    let Active { rows, costs, .. } = known;
    // To the last bit of the weights, so that what is said of swaps is true of the distance that is certified.
    let masses = masses(subset.len(), None, task.geometry.query_len(), task.weights).map_err(|_| too_large(NAME))?;
    let demands = Demands { unit: masses.supply.first().copied().unwrap_or(1), of: masses.demand };
    let mut shipping = Shipping::new(NAME, rows, costs, demands, PATIENCE);
    improved(&mut shipping, task, known, subset, limit)
}

/// The transport distance around a subset.
pub(in crate::relax) struct Shipping<'a> {
    method: &'static str,
    rows: &'a [usize],
    pub(super) costs: &'a [f64],
    pub(super) demands: Demands,
    patience: usize,
    pub(super) exchange: Exchange,
    /// ⟨c, π⟩ of the plan that heights were made of last.
    pub(in crate::relax) value: f64,
    /// Changes of the cost per row below this are rounding.
    pub(super) noticed: f64,
}

impl<'a> Shipping<'a> {
    /// Of rows and their costs to the queries (row-major); `demands` are those of the queries on as many rows as are in
    /// the subset. The search ends once swaps have read that many numbers in vain.
    pub(in crate::relax) fn new(
        method: &'static str,
        rows: &'a [usize],
        costs: &'a [f64],
        demands: Demands,
        patience: usize,
    ) -> Self {
        let exchange = Exchange::new(Grid::new(0.0), Vec::new());
        Self { method, rows, costs, demands, patience, exchange, value: f64::INFINITY, noticed: 0.0 }
    }

    /// Solves the transport of the subset.
    pub(super) fn solve(&mut self, inside: &[bool]) -> Result<(), SelectError> {
        let (m, Demands { unit: whole, of: demand }) = (self.demands.of.len(), &self.demands);
        let chosen: Vec<u32> = (0..).zip(inside).filter(|(_, inside)| **inside).map(|(at, _)| at).collect();
        let line = |at: u32| &self.costs[at as usize * m..][..m];
        let largest = chosen.iter().flat_map(|&at| line(at)).fold(0.0f64, |most, cost| most.max(cost.abs()));
        let supply: Vec<u64> = inside.iter().map(|inside| if *inside { *whole } else { 0 }).collect();
        // Twice as much, so that potentials have room to rise.
        let mut grid = Some(Grid::new(2.0 * largest)).filter(|_| largest.is_finite());
        let (grid, tree) = loop {
            let on = grid.ok_or(too_large(self.method))?;
            let costs = GridCosts { values: self.costs, m, grid: on };
            match solve_by_samples(costs, &chosen, &supply, demand) {
                Some(solved) => break (on, solved.tree),
                None => grid = on.coarser(),
            }
        };
        let total = chosen.len() as f64 * *whole as f64;
        let mut plan: Vec<_> = tree.shipments().collect();
        plan.sort_unstable();
        let shipped = plan.iter().map(|&(at, query, mass)| mass as f64 / total * line(at)[query as usize]);
        (self.value, self.noticed) = (shipped.sum(), SMALLEST * largest);
        self.exchange = Exchange::new(grid, tree.potentials);
        plan.iter().for_each(|&(at, query, mass)| self.exchange.give(self.costs, at, query as usize, mass));
        Ok(())
    }

    /// Of every query the least cost of a row outside the subset.
    fn entries(&self, inside: &[bool]) -> Vec<f64> {
        let (m, grid) = (self.demands.of.len(), self.exchange.grid);
        let least = |mut least: Vec<f64>, (line, inside): (&[f64], &bool)| {
            if !inside {
                least.iter_mut().zip(line).for_each(|(least, cost)| *least = least.min(grid.snap(*cost)));
            }
            least
        };
        let none = || vec![f64::INFINITY; m];
        let both = |mut one: Vec<f64>, two: Vec<f64>| {
            one.iter_mut().zip(two).for_each(|(one, two)| *one = one.min(two));
            one
        };
        self.costs.par_chunks_exact(m).zip(inside).fold(none, least).reduce(none, both)
    }

    /// For each of these rows what it costs at least to bring its mass to a query, by way of others or not.
    pub(super) fn ways(&mut self, rows: &[usize], query: usize) -> Vec<f64> {
        let m = self.demands.of.len();
        let lengths = self.exchange.lengths_to(query);
        let potentials = &self.exchange.potentials;
        let onward: Vec<f64> = lengths.iter().zip(potentials).map(|(length, g)| length - g).collect();
        let least = |at: &usize| {
            let line = &self.costs[at * m..][..m];
            potentials[query] + line.iter().zip(&onward).fold(f64::INFINITY, |least, (c, on)| (c + on).min(least))
        };
        rows.iter().map(least).collect()
    }
}

impl Measured for Shipping<'_> {
    fn objective(&self) -> f64 {
        self.value
    }

    fn least_gain(&self, count: usize) -> f64 {
        self.noticed / count as f64
    }
}

impl Landscape for Shipping<'_> {
    fn rows(&self) -> &[usize] {
        self.rows
    }

    /// min_j (c_ij − g_j).
    fn heights(&mut self, inside: &[bool]) -> Result<Vec<f64>, SelectError> {
        self.solve(inside)?;
        self.exchange.lower(&self.entries(inside));
        let potentials = &self.exchange.potentials;
        let height = |line: &[f64]| line.iter().zip(potentials).map(|(cost, g)| cost - g).fold(f64::INFINITY, f64::min);
        Ok(each(self.costs, potentials.len(), height))
    }

    fn swap(
        &mut self,
        list: &List,
        _heights: &[f64],
        inside: &mut [bool],
        mut limits: Option<&mut Exchanges<'_>>,
        most: usize,
    ) -> Result<Pass, SelectError> {
        let m = self.demands.of.len();
        let (out, new) = list.positions.split_at(list.within.iter().filter(|within| **within).count());
        let whole = self.demands.unit;
        let share = |mass: u64| mass as f64 / whole as f64;
        let (mut swaps, mut failed) = (0, 0);
        let mut ways: Vec<Option<Vec<f64>>> = vec![None; m];
        // Of the rows that may come in for one that several queries hold, those that seem best are tried first.
        let mut ranks = 0..TRIED;
        let complete = loop {
            let (mut changed, mut deeper) = (false, false);
            for &old in out {
                if swaps == most || failed * m * m > self.patience {
                    break;
                }
                if !inside[old] {
                    continue;
                }
                let held = self.exchange.holdings.of(old as u32);
                for &(query, _) in &held {
                    let query = query as usize;
                    if ways[query].is_none() {
                        ways[query] = Some(self.ways(new, query));
                    }
                }
                let line = &self.costs[old * m..][..m];
                let saved: f64 = held.iter().map(|&(query, mass)| share(mass) * line[query as usize]).sum();
                let change = |at: usize| {
                    let way = |query: u32| ways[query as usize].as_ref().map_or(f64::INFINITY, |ways| ways[at]);
                    held.iter().map(|&(query, mass)| share(mass) * way(query)).sum::<f64>() - saved
                };
                let allows = |new: usize| limits.as_ref().is_none_or(|all| all.allows(self.rows[old], self.rows[new]));
                let open = (0..new.len()).filter(|&at| !inside[new[at]]).map(|at| (change(at), new[at]));
                let mut better: Vec<(f64, usize)> =
                    open.filter(|&(change, at)| change < -self.noticed && allows(at)).collect();
                better.sort_by(|a, b| a.0.total_cmp(&b.0));
                deeper |= better.len() > ranks.end;
                for &(_, new) in better.iter().take(ranks.end).skip(ranks.start) {
                    let pair = (old as u32, new as u32);
                    if let Err(paths) = self.exchange.replace(self.costs, pair, whole, -self.noticed) {
                        failed += paths;
                        continue;
                    }
                    (inside[old], inside[new]) = (false, true);
                    if let Some(exchanges) = &mut limits {
                        exchanges.exchange(self.rows[old], self.rows[new]);
                    }
                    ways.fill(None);
                    (changed, swaps, failed) = (true, swaps + 1, 0);
                    break;
                }
            }
            if swaps == most || failed * m * m > self.patience {
                break swaps == most;
            }
            ranks = match (changed, deeper) {
                (true, _) => 0..TRIED,
                (false, true) => ranks.end..4 * ranks.end,
                (false, false) => break true,
            };
        };
        Ok(Pass { swaps, goes_on: complete, complete })
    }
}
