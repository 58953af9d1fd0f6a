//! `knn-tv`: every query spreads its mass over all rows that are hardly farther than its nearest.
//!
//! With the penalty G = ½ Σ |γ − 1/(MN)| (total variation from the uniform plan), moving mass δ of a query from a row
//! to its nearest one costs (1−α)·δ and saves (α/C)·(d − d_min)·δ. So rows with (α/C)(d − d_min) < 1 − α keep 1/(MN), and all other mass
//! goes to the nearest row: the optimum in closed form, without lists or caps.
//!
//! Limit: the f64 pass over all N·M pairs that decides who is close, 2NMd operations, at the speed of
//! [`kantor_theory::dot`]; memory O(block·M) per thread.

use kantor_theory::Status;
use rayon::prelude::*;
use serde_json::json;

use super::cost_of;
use super::rank;
use super::{Tradeoff, lists_of};
use crate::scan::lists::Neighbour;
use crate::scan::{PoolScan, ScanRequest};
use crate::select::{Selection, Selector, notes};
use crate::settings::{SettingGroup, settings};
use crate::task::{SelectError, Task};
use crate::weights::QueryWeights;

settings! {
    /// TSDS with the total-variation regulariser (arXiv 2410.11303).
    pub struct KnnTv {
        ..tradeoff: Tradeoff;
    }
}

impl Selector for KnnTv {
    fn name(&self) -> &'static str {
        "knn-tv"
    }

    fn nested(&self) -> bool {
        true
    }

    fn supports(&self, _task: &Task<'_>) -> Result<(), SelectError> {
        self.check()
    }

    fn needs(&self, _task: &Task<'_>, _largest: usize) -> ScanRequest {
        ScanRequest { row_best: !self.tradeoff.compat_reference, lists: 1 }
    }

    fn select(&self, task: &Task<'_>, scanned: &PoolScan, budgets: &[usize]) -> Result<Vec<Selection>, SelectError> {
        self.supports(task)?;
        let largest = task.largest(budgets)?;
        let (geometry, n, m) = (task.geometry, task.geometry.pool_len(), task.geometry.query_len());
        let nearest: Vec<Neighbour> = lists_of(scanned, self.name())?.exact(geometry, 1).concat();
        let least: Vec<f64> = nearest.iter().map(|neighbour| cost_of(geometry.cost(), neighbour)).collect();

        // In units of 1/(MN), so that rows tie exactly when they should: without weights, all are whole numbers.
        let masses = QueryWeights::new(task).masses();
        let mut mass = vec![0.0; n];
        let block = task.block.clamp(1, 1024);
        task.watch.begin("rows close to queries", n as u64);
        let kept = mass
            .par_chunks_mut(block)
            .enumerate()
            .map_init(Vec::new, |closeness, (number, mass)| {
                let start = number * block;
                closeness.resize(mass.len() * m, 0.0);
                geometry.closeness_block(start..start + mass.len(), closeness);
                let mut kept = vec![0u64; m];
                for ((row, mass), line) in (start..).zip(mass.iter_mut()).zip(closeness.chunks_exact(m)) {
                    for (j, &closeness) in line.iter().enumerate() {
                        let cost = cost_of(geometry.cost(), &Neighbour { row, closeness });
                        let stays = row == nearest[j].row || !self.tradeoff.outweighs(cost - least[j], 1);
                        *mass += if stays { masses[j] } else { 0.0 };
                        kept[j] += u64::from(stays);
                    }
                }
                task.watch.advance(mass.len() as u64)?;
                Ok(kept)
            })
            .try_reduce(
                || vec![0u64; m],
                |mut x, y| {
                    x.iter_mut().zip(&y).for_each(|(x, y)| *x += y);
                    Ok::<_, crate::Stopped>(x)
                },
            )?;
        for ((neighbour, kept), of_query) in nearest.iter().zip(&kept).zip(&masses) {
            mass[neighbour.row] += of_query * (n as u64 - kept) as f64;
        }
        let order = rank::order(task, scanned, &mass, largest, &self.tradeoff, self.name())?;
        let total = m as f64 * n as f64;
        let notes = notes([
            ("rows_with_mass", json!(mass.iter().filter(|&&mass| mass > 0.0).count())),
            ("pairs_with_mass", json!(kept.iter().sum::<u64>())),
            ("sampling", json!(self.tradeoff.sampling)),
        ]);
        let scores = order.iter().map(|&row| mass[row] / total).collect();
        Ok(Selection { rows: order, scores, status: Status::Uncertified, notes }.prefixes(budgets))
    }
}
