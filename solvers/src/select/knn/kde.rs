//! `knn-kde`: as `knn-uniform`, but rows in a crowd share what a lone row would get.
//!
//! A listed row takes mass in proportion to 1/ρ, where ρ is the density of listed rows around it ([`density`](crate::density)), up to
//! a common level s (module `level`); r copies of one row, with no other row within σ, therefore get together what one copy
//! would get, as long as the caps let all of them be listed and counted.

use kantor_theory::Status;
use kantor_theory::kernel::{BANDWIDTH_RANGE, Kernel, KernelName};
use serde_json::json;

use super::uniform::KnnUniform;
use super::{Tradeoff, cost_of, lists_of};
use super::{level, rank};
use crate::density::nearest;
use crate::scan::{PoolScan, ScanRequest};
use crate::select::{Selection, Selector, notes};
use crate::settings::{SettingGroup, settings};
use crate::task::{SelectError, Task};
use crate::weights::QueryWeights;

/// Bytes that lists of neighbours may take: rows come in groups if more were needed.
const LIST_BYTES: u64 = 896 << 20;

settings! {
    /// TSDS with the density-weighted regulariser G = M·max ρ|γ − 1/(ρMΣ1/ρ)| (arXiv 2410.11303), in the cosine form of
    /// arXiv 2602.14696. Unlike the published code, its total mass is always 1 and a small support is no error.
    pub struct KnnKde {
        ..tradeoff: Tradeoff;
        list_cap: usize as KnnUniform;
        /// Support radius of the density kernel of knn-kde
        sigma: f64 = 0.75 => range(|sigma| (0.0..=BANDWIDTH_RANGE.1).contains(&sigma), "it must be between 0 and 1e70");
        /// Most neighbours that count towards a density in knn-kde
        kde_cap: usize = 1000 => some_rows();
    }
}

impl KnnKde {
    /// Both caps stop at a tenth of the pool, as published.
    fn capped(task: &Task<'_>, cap: usize) -> usize {
        cap.min((task.geometry.pool_len() / 10).max(1))
    }

    /// The densities of the listed rows (all ones for σ = 0), at the rows' own indices.
    fn densities(&self, task: &Task<'_>, listed: &[usize]) -> Result<Vec<f64>, SelectError> {
        let mut of_row = vec![1.0; task.geometry.pool_len()];
        if self.sigma > 0.0 {
            let Some(points) = task.geometry.points() else { unreachable!("`supports` asks for points") };
            let (family, cap) = (task.geometry.cost().family(), Self::capped(task, self.kde_cap));
            // The narrowest kernel there is stands for narrower ones.
            let kernel = Kernel::new(KernelName::Compact, Some(self.sigma.max(BANDWIDTH_RANGE.0)));
            let Ok(kernel) = kernel else { unreachable!("the bandwidth was checked") };
            let memory = task.memory.min(LIST_BYTES);
            let found = nearest::nearest(points, listed, family, kernel, cap, memory, task.watch)?;
            for (&row, value) in listed.iter().zip(found.values) {
                of_row[row] = value;
            }
        }
        Ok(of_row)
    }
}

impl Selector for KnnKde {
    fn name(&self) -> &'static str {
        "knn-kde"
    }

    fn nested(&self) -> bool {
        true
    }

    fn supports(&self, task: &Task<'_>) -> Result<(), SelectError> {
        self.check()?;
        if self.sigma > 0.0 && task.geometry.points().is_none() {
            let fault = "needs the representations of the pool for its densities, not only similarities: \
                         give `pool` and `query`, or `sigma` 0 for equal densities";
            return Err(SelectError::Unsupported { method: self.name(), fault });
        }
        Ok(())
    }

    fn needs(&self, task: &Task<'_>, _largest: usize) -> ScanRequest {
        ScanRequest { row_best: !self.tradeoff.compat_reference, lists: Self::capped(task, self.list_cap) }
    }

    fn select(&self, task: &Task<'_>, scanned: &PoolScan, budgets: &[usize]) -> Result<Vec<Selection>, SelectError> {
        self.supports(task)?;
        let largest = task.largest(budgets)?;
        let lists = lists_of(scanned, self.name())?;
        let lists = lists.exact(task.geometry, Self::capped(task, self.list_cap));

        let mut is_listed = vec![false; task.geometry.pool_len()];
        for neighbour in lists.iter().flatten() {
            is_listed[neighbour.row] = true;
        }
        let listed: Vec<usize> = (0..is_listed.len()).filter(|&row| is_listed[row]).collect();
        let density = self.densities(task, &listed)?;

        let cost = task.geometry.cost();
        let columns: Vec<Vec<level::ListEntry>> = lists
            .iter()
            .map(|list| {
                let entry = |n| level::ListEntry { distance: cost_of(cost, n), weight: 1.0 / density[n.row] };
                list.iter().map(entry).collect()
            })
            .collect();
        let masses = QueryWeights::new(task).masses();
        let found = level::sweep(&columns, &masses, &self.tradeoff);
        let mut mass = vec![0.0; task.geometry.pool_len()];
        for ((list, column), of_query) in lists.iter().zip(&columns).zip(&masses) {
            for (neighbour, share) in list.iter().zip(level::shares(column, found.level)) {
                mass[neighbour.row] += of_query * share / lists.len() as f64;
            }
        }

        let order = rank::order(task, scanned, &mass, largest, &self.tradeoff, self.name())?;
        let cap_reached = lists.first().is_some_and(|list| list.len() < task.geometry.pool_len())
            && (!found.fired || columns.iter().any(|column| level::overflows(column, found.level)));
        let notes = notes([
            ("level", json!(found.level)),
            ("list_cap_reached", json!(cap_reached)),
            ("sampling", json!(self.tradeoff.sampling)),
            ("rows_with_mass", json!(mass.iter().filter(|&&m| m > 0.0).count())),
            ("rows_with_density", json!(listed.len())),
        ]);
        let scores = order.iter().map(|&row| mass[row]).collect();
        Ok(Selection { rows: order, scores, status: Status::Uncertified, notes }.prefixes(budgets))
    }
}
