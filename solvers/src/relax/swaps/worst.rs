//! Swaps under the distance to the worst of several tasks.
//!
//! The plan of every task is kept as for one task ([`Shipping`]). What a swap changes of each is known as well as there, and it
//! lowers the largest distance only if it lowers that to the task which is farthest: so the heights are those of that task. Of
//! the swaps that help, those come first that cost the mean of the tasks least: once the tasks are level, a swap that wins much
//! for one of them and loses more for the others leaves less to win.
//!
//! Limit: as for transport, for every task; the costs of the known rows once more.

use std::ops::Range;

use kantor_theory::FeasibleSet;

use super::transport::{PATIENCE, Shipping};
use super::{Active, Improved, Landscape, List, Measured, Pass, improved};
use crate::admission::Exchanges;
use crate::relax::budgeted::demand::Demands;
use crate::relax::budgeted::too_large;
use crate::relax::worst::spans;
use crate::task::{SelectError, Task};
use crate::transport::exact::masses::masses;
use crate::watch::Watch;

/// By how much the mean of the tasks may rise for what the largest falls, in turns.
const RATIOS: [f64; 4] = [0.0, 0.05, 0.5, f64::INFINITY];

/// Rows that are tried in the place of one.
const TRIED: usize = 8;

/// Costs of rows to the queries of every task by themselves, rows×m.
pub(in crate::relax) struct TaskCosts(Vec<Vec<f64>>);

impl TaskCosts {
    /// Of the costs of rows to all queries.
    pub(in crate::relax) fn of<'b>(spans: &[Range<usize>], lines: impl Iterator<Item = &'b [f64]>) -> Self {
        let mut costs = vec![Vec::new(); spans.len()];
        for line in lines {
            spans.iter().zip(&mut costs).for_each(|(span, costs)| costs.extend_from_slice(&line[span.clone()]));
        }
        Self(costs)
    }
}

/// The distances to all tasks around a subset.
pub(in crate::relax) struct Farthest<'a> {
    rows: &'a [usize],
    /// What every task counts in the mean.
    shares: Vec<f64>,
    parts: Vec<Shipping<'a>>,
    /// Of every task the cost of its plan, in rows.
    values: Vec<f64>,
    budget: f64,
}

impl<'a> Farthest<'a> {
    /// Of rows, of which `budget` are in the subset.
    ///
    /// # Errors
    /// If costs are too large to be added up, or memory does not suffice.
    pub(in crate::relax) fn new(
        task: &Task<'_>,
        method: &'static str,
        rows: &'a [usize],
        costs: &'a TaskCosts,
        shares: Vec<f64>,
        budget: usize,
    ) -> Result<Self, SelectError> {
        let mut parts = Vec::with_capacity(costs.0.len());
        for (span, costs) in spans(task.tasks).into_iter().zip(&costs.0) {
            let weights = task.weights.map(|weights| &weights[span.clone()]);
            let masses = masses(budget, None, span.len(), weights).map_err(|_| too_large(method))?;
            let demands = Demands { unit: masses.supply.first().copied().unwrap_or(1), of: masses.demand };
            parts.push(Shipping::new(method, rows, costs, demands, PATIENCE));
        }
        let total: f64 = shares.iter().sum();
        let shares = shares.into_iter().map(|share| share / total).collect();
        Ok(Self { rows, shares, parts, values: Vec::new(), budget: budget as f64 })
    }

    /// Solves the transport to every task.
    pub(in crate::relax) fn solve(&mut self, inside: &[bool]) -> Result<(), SelectError> {
        self.parts.iter_mut().try_for_each(|part| part.solve(inside))?;
        self.values = self.parts.iter().map(|part| part.value * self.budget).collect();
        Ok(())
    }

    /// The largest mean cost.
    pub(in crate::relax) fn largest(&self) -> f64 {
        self.total() / self.budget
    }

    fn total(&self) -> f64 {
        self.values.iter().copied().fold(f64::NEG_INFINITY, f64::max)
    }

    fn noticed(&self) -> f64 {
        self.parts.iter().map(|part| part.noticed).fold(0.0, f64::max)
    }

    /// Swaps among the `listed` rows of each kind that are nearest to the threshold by these heights, while that helps.
    ///
    /// # Errors
    /// If costs are too large to be added up, or the observer asks to stop.
    pub(in crate::relax) fn level(
        &mut self,
        heights: &[f64],
        inside: &mut [bool],
        set: Option<&FeasibleSet>,
        (listed, passes): (usize, usize),
        watch: &dyn Watch,
    ) -> Result<(), SelectError> {
        let chosen: Vec<usize> = (0..inside.len()).filter(|&at| inside[at]).map(|at| self.rows[at]).collect();
        let mut limits = set.map(|set| Exchanges::new(set, &chosen));
        watch.begin("levelling the tasks", passes as u64);
        for _ in 0..passes {
            watch.advance(1)?;
            self.solve(inside)?;
            let may = |at: usize| match &limits {
                Some(exchanges) if inside[at] => exchanges.may_leave(self.rows[at]),
                Some(exchanges) => exchanges.may_enter(self.rows[at]),
                None => true,
            };
            let of = |kind: bool| {
                let mut of: Vec<usize> = (0..inside.len()).filter(|&at| inside[at] == kind && may(at)).collect();
                of.sort_unstable_by(|&a, &b| {
                    let by = heights[a].total_cmp(&heights[b]);
                    if kind { by.reverse() } else { by }.then(a.cmp(&b))
                });
                of.truncate(listed);
                of
            };
            let (out, new) = (of(true), of(false));
            let within = (0..out.len() + new.len()).map(|at| at < out.len()).collect();
            let list = List { positions: [out, new].concat(), within, complete: false };
            if self.swap(&list, heights, inside, limits.as_mut(), usize::MAX)?.swaps == 0 {
                return Ok(());
            }
        }
        self.solve(inside)
    }

    /// What a swap of `old` for each of `new` changes of every task, by task; exactly where one query holds `old`.
    fn changes(&mut self, old: usize, new: &[usize], ways: &mut [Vec<Option<Vec<f64>>>]) -> Vec<Vec<f64>> {
        let mut changes = Vec::with_capacity(self.parts.len());
        for (part, ways) in self.parts.iter_mut().zip(ways) {
            let held = part.exchange.holdings.of(old as u32);
            let m = part.demands.of.len();
            let line = &part.costs[old * m..][..m];
            let share = |mass: u64| mass as f64 / part.demands.unit as f64;
            let saved: f64 = held.iter().map(|&(query, mass)| share(mass) * line[query as usize]).sum();
            let mut change = vec![-saved; new.len()];
            for &(query, mass) in &held {
                let share = mass as f64 / part.demands.unit as f64;
                let ways = ways[query as usize].get_or_insert_with(|| part.ways(new, query as usize));
                change.iter_mut().zip(ways.iter()).for_each(|(change, way)| *change += share * way);
            }
            changes.push(change);
        }
        changes
    }

    /// Makes a swap if that lowers the largest by more than rounding.
    fn replace(&mut self, old: usize, new: usize) -> bool {
        let (pair, bar) = ((old as u32, new as u32), self.total() - self.noticed());
        let mut changes = Vec::with_capacity(self.parts.len());
        for (part, value) in self.parts.iter_mut().zip(&self.values) {
            match part.exchange.replace(part.costs, pair, part.demands.unit, bar - value) {
                Ok(change) => changes.push(change),
                Err(_) => break,
            }
        }
        let done = changes.len();
        if done == self.parts.len() {
            self.values.iter_mut().zip(changes).for_each(|(value, change)| *value += change);
            return true;
        }
        for part in &mut self.parts[..done] {
            // The way back is there, and leads to the same cost.
            let _ = part.exchange.replace(part.costs, (pair.1, pair.0), part.demands.unit, f64::INFINITY);
        }
        false
    }
}

impl Measured for Farthest<'_> {
    fn objective(&self) -> f64 {
        self.largest()
    }

    fn least_gain(&self, count: usize) -> f64 {
        self.noticed() / count as f64
    }
}

impl Landscape for Farthest<'_> {
    fn rows(&self) -> &[usize] {
        self.rows
    }

    /// Those of the task that is farthest.
    fn heights(&mut self, inside: &[bool]) -> Result<Vec<f64>, SelectError> {
        self.solve(inside)?;
        let by = |a: &usize, b: &usize| self.values[*a].total_cmp(&self.values[*b]).then(b.cmp(a));
        let farthest = (0..self.parts.len()).max_by(by).unwrap_or(0);
        self.parts[farthest].heights(inside)
    }

    fn swap(
        &mut self,
        list: &List,
        _heights: &[f64],
        inside: &mut [bool],
        mut limits: Option<&mut Exchanges<'_>>,
        most: usize,
    ) -> Result<Pass, SelectError> {
        let (out, new) = list.positions.split_at(list.within.iter().filter(|within| **within).count());
        let unknown: Vec<Vec<Option<Vec<f64>>>> =
            self.parts.iter().map(|part| vec![None; part.demands.of.len()]).collect();
        let mut ways = unknown.clone();
        let (mut swaps, mut failed, mut untried) = (0, 0, false);
        for ratio in RATIOS {
            loop {
                let mut changed = false;
                untried = false;
                for &old in out {
                    if swaps == most || failed > PATIENCE / self.patience_unit() {
                        return Ok(Pass { swaps, goes_on: swaps == most, complete: swaps == most });
                    }
                    if !inside[old] {
                        continue;
                    }
                    let changes = self.changes(old, new, &mut ways);
                    let (total, noticed) = (self.total(), self.noticed());
                    let gain = |at: usize| {
                        let after = self.values.iter().zip(&changes).map(|(value, change)| value + change[at]);
                        total - after.fold(f64::NEG_INFINITY, f64::max)
                    };
                    let mean = |at: usize| {
                        self.shares.iter().zip(&changes).map(|(share, change)| share * change[at]).sum::<f64>()
                    };
                    let allows =
                        |at: usize| limits.as_ref().is_none_or(|all| all.allows(self.rows[old], self.rows[new[at]]));
                    let mut better: Vec<(f64, usize)> = (0..new.len())
                        .filter(|&at| !inside[new[at]])
                        .map(|at| (gain(at), at))
                        .filter(|&(gain, at)| gain > noticed && mean(at) <= ratio * gain && allows(at))
                        .collect();
                    better.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
                    untried |= better.len() > TRIED;
                    for &(_, at) in better.iter().take(TRIED) {
                        if !self.replace(old, new[at]) {
                            failed += 1;
                            // The plans are others of the same cost.
                            ways.clone_from(&unknown);
                            continue;
                        }
                        (inside[old], inside[new[at]]) = (false, true);
                        if let Some(exchanges) = &mut limits {
                            exchanges.exchange(self.rows[old], self.rows[new[at]]);
                        }
                        ways.clone_from(&unknown);
                        (changed, swaps, failed) = (true, swaps + 1, 0);
                        break;
                    }
                }
                if !changed {
                    break;
                }
            }
        }
        Ok(Pass { swaps, goes_on: true, complete: !untried })
    }
}

impl Farthest<'_> {
    /// Numbers that a swap which fails reads.
    fn patience_unit(&self) -> usize {
        self.parts.iter().map(|part| part.demands.of.len().pow(2)).sum::<usize>().max(1)
    }
}

/// Improves a subset of these rows.
///
/// # Errors
/// If costs are too large to be added up, memory does not suffice, or the observer asks to stop.
pub(super) fn improve(
    task: &Task<'_>,
    method: &'static str,
    known: &Active,
    subset: &[usize],
    limit: usize,
) -> Result<Improved, SelectError> {
    let (rows, costs) = known.parts();
    task.afford(method, 16 * costs.len() as u64)?;
    let m = task.geometry.query_len();
    let costs = TaskCosts::of(&spans(task.tasks), costs.chunks_exact(m));
    let equal = vec![1.0; task.tasks.len()];
    let mut farthest = Farthest::new(task, method, rows, &costs, equal, subset.len())?;
    improved(&mut farthest, task, known, subset, limit)
}
