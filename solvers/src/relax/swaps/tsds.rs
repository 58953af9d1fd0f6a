//! Swaps under TSDS's objective F_λ (`notes/tsds.md` of the theory crate).
//!
//! F_λ(S) is the least of U_K, the mean cost of the K nearest rows of every query in S plus λ(1/K − 1/N). For K fixed a swap changes
//! of every query at most the K nearest and the next, so what it changes in U_K takes M operations. The height of a row is
//! minus its h_i at potentials that attain F_λ(S): no swap of a row for one of smaller h_i lowers F_λ.
//!
//! A pass tries every pair on its list, at the K of the minimum and those next to it.
//!
//! Limit: 3M operations a pair.

use super::{Active, Improved, Landscape, LeftOpen, List, Measured, Pass, Swapped, improved};
use crate::admission::Exchanges;
use crate::task::{SelectError, Task};
use crate::weights::shares;

/// Changes below this share of the objective are rounding.
const SMALLEST: f64 = 1e-12;

/// Improves a subset of these rows.
///
/// # Errors
/// If the observer asks to stop.
pub(super) fn improve(
    task: &Task<'_>,
    known: &Active,
    diversity: f64,
    subset: &[usize],
    limit: usize,
) -> Result<Improved, SelectError> {
    let m = task.geometry.query_len();
    let even = diversity / task.geometry.pool_len() as f64;
    let (columns, means) = (Vec::new(), Vec::new());
    let mut plans = Plans { known, diversity, even, shares: shares(task.weights, m), columns, means, count: 1 };
    improved(&mut plans, task, known, subset, limit)
}

/// The plans of a subset with the mass of every query on K rows, for all K.
struct Plans<'a> {
    known: &'a Active,
    diversity: f64,
    /// λ/N.
    even: f64,
    /// The mass of every query.
    shares: Vec<f64>,
    /// Of every query the costs of the subset, ascending.
    columns: Vec<Vec<f64>>,
    /// U_K + λ/N by K − 1.
    means: Vec<f64>,
    /// The least K that attains the minimum.
    count: usize,
}

impl Plans<'_> {
    fn value(&self) -> f64 {
        self.means[self.count - 1]
    }

    fn noticed(&self) -> f64 {
        let largest = self
            .columns
            .iter()
            .filter_map(|column| column.get(self.count - 1))
            .fold(0.0f64, |most, c| most.max(c.abs()));
        SMALLEST * (largest + self.diversity / self.count as f64)
    }

    fn measure(&mut self) {
        let k = self.columns.first().map_or(0, Vec::len);
        let mut sum = 0.0;
        self.means.clear();
        for l in 0..k {
            sum += self.columns.iter().zip(&self.shares).map(|(column, share)| share * column[l]).sum::<f64>();
            self.means.push((sum + self.diversity) / (l + 1) as f64);
        }
        self.count = (0..k).min_by(|&a, &b| self.means[a].total_cmp(&self.means[b])).map_or(1, |least| least + 1);
    }

    /// Potentials that attain the minimum.
    fn potentials(&self) -> Vec<f64> {
        let filled = |l: usize| -> f64 {
            let of = |(column, share): (&Vec<f64>, &f64)| {
                share * column[..self.count].iter().map(|cost| column[l] - cost).sum::<f64>()
            };
            self.columns.iter().zip(&self.shares).map(of).sum()
        };
        let (last, next) = (self.count - 1, self.count);
        if next == self.means.len() {
            return self.columns.iter().map(|column| column[last]).collect();
        }
        let (low, high) = (filled(last), filled(next));
        let part = if high > low { ((self.diversity - low) / (high - low)).clamp(0.0, 1.0) } else { 0.0 };
        self.columns.iter().map(|column| column[last] + part * (column[next] - column[last])).collect()
    }

    /// What the least U_K of the K looked at becomes with the row of costs `new` in the place of that of costs `old`.
    fn after(&self, old: &[f64], new: &[f64]) -> f64 {
        let counts = self.count.saturating_sub(1).max(1)..=(self.count + 1).min(self.means.len());
        let of = |count: usize| {
            let change = |(query, column): (usize, &Vec<f64>)| {
                let (last, next) = (column[count - 1], column.get(count).copied().unwrap_or(f64::INFINITY));
                let leaves = old[query] <= last;
                let bar = if leaves { next } else { last };
                let (gone, come) = (if leaves { old[query] } else { last }, new[query].min(bar));
                self.shares[query] * (come - gone)
            };
            self.means[count - 1] + self.columns.iter().enumerate().map(change).sum::<f64>() / count as f64
        };
        counts.map(of).fold(f64::INFINITY, f64::min)
    }

    fn replace(&mut self, old: usize, new: usize) {
        let (old, new) = (self.known.line(old), self.known.line(new));
        for ((column, old), new) in self.columns.iter_mut().zip(old).zip(new) {
            let at = column.partition_point(|cost| cost.total_cmp(old).is_lt()).min(column.len() - 1);
            column.remove(at);
            let at = column.partition_point(|cost| cost.total_cmp(new).is_lt());
            column.insert(at, *new);
        }
        self.measure();
    }
}

impl Measured for Plans<'_> {
    fn objective(&self) -> f64 {
        self.value() - self.even
    }

    fn least_gain(&self, _count: usize) -> f64 {
        self.noticed()
    }

    fn left_open(&self, swapped: Swapped, count: usize) -> Option<LeftOpen> {
        let every_share = self.count <= 2 && self.count + 1 >= count;
        Some(LeftOpen::Shares).filter(|_| !swapped.proved && !every_share)
    }
}

impl Landscape for Plans<'_> {
    fn rows(&self) -> &[usize] {
        self.known.rows()
    }

    /// −h_i.
    fn heights(&mut self, inside: &[bool]) -> Result<Vec<f64>, SelectError> {
        let chosen: Vec<usize> = (0..inside.len()).filter(|&at| inside[at]).collect();
        let column = |query: usize| {
            let mut column: Vec<f64> = chosen.iter().map(|&at| self.known.line(at)[query]).collect();
            column.sort_unstable_by(f64::total_cmp);
            column
        };
        self.columns = (0..self.shares.len()).map(column).collect();
        self.measure();
        let potentials = self.potentials();
        let height = |line: &[f64]| {
            let of = |((cost, g), share): ((&f64, &f64), &f64)| share * (g - cost).max(0.0);
            -line.iter().zip(&potentials).zip(&self.shares).map(of).sum::<f64>()
        };
        Ok(self.known.map(height))
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
        let (rows, mut swaps, mut changed) = (self.known.rows(), 0, true);
        while std::mem::take(&mut changed) {
            for &old in out {
                if swaps == most {
                    break;
                }
                if !inside[old] {
                    continue;
                }
                let allows = |new: usize| limits.as_ref().is_none_or(|all| all.allows(rows[old], rows[new]));
                let bar = self.value() - self.noticed();
                let open = new.iter().filter(|&&new| !inside[new]);
                let after = open.map(|&new| (self.after(self.known.line(old), self.known.line(new)), new));
                let better = after.filter(|&(after, new)| after < bar && allows(new));
                let Some((_, new)) = better.min_by(|a, b| a.0.total_cmp(&b.0)) else { continue };
                self.replace(old, new);
                (inside[old], inside[new]) = (false, true);
                if let Some(exchanges) = &mut limits {
                    exchanges.exchange(rows[old], rows[new]);
                }
                (changed, swaps) = (true, swaps + 1);
            }
        }
        Ok(Pass { swaps, goes_on: true, complete: true })
    }
}
