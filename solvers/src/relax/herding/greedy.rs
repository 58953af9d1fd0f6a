//! Block greedy herding: rows are picked one by one so that each lowers the distance most, many per pass over the pool.
//!
//! After t picks with sums s(x) = Σ k(x, z) over the picks and q(x) the mean of k to the queries, the next row is the
//! free one with the least s(x)/(t + 1) − q(x): the squared distance after t + 1 picks is, up to terms that do not
//! depend on x, 2/(t + 1) times that. A pass brings s up to date on the active rows; then a block of picks is decided
//! on a short list of the rows that were least, with their mutual kernel values at hand, so that every pick sees all
//! picks before it. Block and list depend on t alone: the order for a smaller budget is a prefix of that for a larger
//! one.
//!
//! All rows are active if there are few; else, after the first [`ActiveSet::warmup`] picks, those, the rows nearest to every
//! query, and the rows that are then least. The least alone would not do: few picks leave near rows between them above
//! far ones, and those are needed later.
//!
//! Limit: k·W inner products for W active rows, 2kWd operations in `f64`, as many roots or exponentials as pairs, and one
//! read of the W rows per pass of up to 128 picks.

use rayon::prelude::*;

use super::cloud::KernelPoints;
use crate::admission::Admission;
use crate::relax::swaps::least_of;
use crate::task::{SelectError, worthiest};
use crate::watch::{Stopped, Watch};

/// Queries whose distances to all rows are in memory together.
const TOGETHER: usize = 4;

/// Most picks per pass.
const BLOCK: usize = 128;

/// When a part of the rows is made active, and how large a part.
#[derive(Debug, Clone, Copy)]
pub(super) struct ActiveSet {
    /// Picks after which the active rows are chosen.
    pub(super) warmup: usize,
    /// Active rows to begin with.
    pub(super) min_size: usize,
}

impl Default for ActiveSet {
    fn default() -> Self {
        Self { warmup: 512, min_size: 98_304 }
    }
}

impl ActiveSet {
    /// How many rows are active from `picks` picks on, unless the pool has fewer.
    fn rows(self, picks: usize) -> usize {
        self.min_size.max(4 * picks.next_power_of_two())
    }
}

/// Active rows, and what is known of them.
#[derive(Clone)]
pub(super) struct Field {
    /// Pool rows, ascending.
    pub(super) rows: Vec<usize>,
    /// Mean of k to the queries, and half of what the row is worth by itself: the squared distance falls with twice the mean of
    /// these.
    pub(super) queries: Vec<f64>,
    /// Σ k over the picks.
    pub(super) sums: Vec<f64>,
}

impl Field {
    fn new(cloud: &KernelPoints<'_>, rows: Vec<usize>) -> Result<Self, SelectError> {
        let mut queries = cloud.query_means(&rows)?;
        if let Some(quality) = cloud.quality {
            queries.iter_mut().zip(&rows).for_each(|(mean, &row)| *mean += 0.5 * quality[row]);
        }
        let sums = vec![0.0; rows.len()];
        Ok(Self { rows, queries, sums })
    }

    /// Adds Σ weight·k(x, z) for some rows z.
    pub(super) fn add(&mut self, cloud: &KernelPoints<'_>, rows: &[usize], weights: &[f64]) -> Result<(), SelectError> {
        if !rows.is_empty() {
            cloud.add(&self.rows, &cloud.geometry.to_rows(rows)?, weights, &mut self.sums)?;
        }
        Ok(())
    }

    /// The potential h(x) = Σ k(x, z)/count − q(x) of every row; NaN is +∞.
    pub(super) fn potentials(&self, count: f64) -> Vec<f64> {
        let potential = |(sum, query): (&f64, &f64)| nan_as_infinity(sum / count - query);
        self.sums.iter().zip(&self.queries).map(potential).collect()
    }

    /// The position of a pool row.
    pub(super) fn position(&self, row: usize) -> Option<usize> {
        self.rows.binary_search(&row).ok()
    }
}

/// NaN counts as +∞, so that it is never the least.
pub(super) fn nan_as_infinity(x: f64) -> f64 {
    if x.is_nan() { f64::INFINITY } else { x }
}

/// A prefix of the order, and the field of it.
pub(super) struct Herd {
    pub(super) rows: Vec<usize>,
    /// Minus what was least when the row was picked.
    pub(super) scores: Vec<f64>,
    pub(super) field: Field,
}

impl Herd {
    /// Some rows, with enough active rows around them.
    pub(super) fn of(cloud: &KernelPoints<'_>, rows: &[usize], active: ActiveSet) -> Result<Self, SelectError> {
        Self::weighted(cloud, (rows, &vec![1.0; rows.len()]), active, rows.len())
    }

    /// The same of rows with weights, with active rows as for so many.
    pub(super) fn weighted(
        cloud: &KernelPoints<'_>,
        (rows, weights): (&[usize], &[f64]),
        active: ActiveSet,
        about: usize,
    ) -> Result<Self, SelectError> {
        let (n, wanted) = (cloud.geometry.pool_len(), active.rows(about));
        let mut chosen: Vec<usize> = if wanted < n { nearest(cloud, wanted)? } else { (0..n).collect() };
        chosen.extend(worthiest(cloud.quality, wanted / 2));
        chosen.extend(rows);
        chosen.sort_unstable();
        chosen.dedup();
        let mut field = Field::new(cloud, chosen)?;
        field.add(cloud, rows, weights)?;
        Ok(Self { rows: rows.to_vec(), scores: vec![0.0; rows.len()], field })
    }

    /// Which of the active rows are in the subset.
    pub(super) fn inside(&self) -> Vec<bool> {
        let mut inside = vec![false; self.field.rows.len()];
        self.rows.iter().filter_map(|&row| self.field.position(row)).for_each(|at| inside[at] = true);
        inside
    }
}

/// The first `budget` rows of the order for every budget; of rows that are admissible, if there is an `admission`.
///
/// # Errors
/// If the observer asks to stop or a row is bad.
pub(super) fn herd(
    cloud: &KernelPoints<'_>,
    budgets: &[usize],
    active: ActiveSet,
    mut admission: Option<Admission<'_>>,
    watch: &dyn Watch,
) -> Result<Vec<Herd>, SelectError> {
    let n = cloud.geometry.pool_len();
    let largest = budgets.iter().copied().max().unwrap_or(0);
    watch.begin("herding", largest as u64);
    let mut field = Field::new(cloud, (0..n).collect())?;
    // The whole pool as it was surveyed, from which rows are made active.
    let mut survey: Option<Field> = None;
    let (mut order, mut scores): (Vec<usize>, Vec<f64>) = Default::default();
    let mut passes: Vec<usize> = Vec::new();
    let mut herds: Vec<Option<Herd>> = budgets.iter().map(|_| None).collect();
    while order.len() < largest {
        let t = order.len();
        let wanted = active.rows(t);
        if t >= active.warmup && wanted < n && (survey.is_none() || wanted > field.rows.len()) {
            let whole = survey.get_or_insert_with(|| field.clone());
            let mut chosen = nearest(cloud, wanted / 2)?;
            chosen.extend(worthiest(cloud.quality, wanted / 4));
            chosen.sort_unstable();
            chosen.dedup();
            let mut free = vec![true; n];
            chosen.iter().for_each(|&row| free[row] = false);
            let others = (0..n).filter(|&row| free[row]).collect();
            let potentials = whole.potentials(surveyed(&passes, active.warmup) as f64);
            let count = wanted - chosen.len();
            chosen.extend(least_of(&potentials, others, count));
            // What has been picked stays active, though its neighbourhood may be crowded by now.
            chosen.extend(&order);
            // Whatever limits ask for, these rows can be added to them.
            chosen.extend(admission.iter().flat_map(Admission::completion));
            chosen.sort_unstable();
            chosen.dedup();
            field = Field::new(cloud, chosen)?;
            replay(cloud, &mut field, &order, &passes)?;
        }
        let block = (t / 8).clamp(1, BLOCK);
        let mut free = free_positions(&field, &order);
        let values: Vec<f64> = field.potentials((t + 1) as f64);
        let length = (4 * block).max(64);
        if let Some(admission) = &admission {
            let admits = |at: &usize| admission.admits(field.rows[*at]);
            // All are asked only if it matters.
            if !least_of(&values, free.clone(), length).iter().all(admits) {
                free.retain(admits);
            }
        }
        let mut list: Vec<usize> = least_of(&values, free, length);
        list.sort_unstable();
        let rows: Vec<usize> = list.iter().map(|&at| field.rows[at]).collect();
        let gram = cloud.gram(&rows)?;
        let mut sums: Vec<f64> = list.iter().map(|&at| field.sums[at]).collect();
        let mut taken = vec![false; list.len()];
        let end = largest.min(t + block.min(list.len()));
        while order.len() < end {
            let picked = order.len();
            let value = |at: usize| nan_as_infinity(sums[at] / (picked + 1) as f64 - field.queries[list[at]]);
            let best = (0..list.len()).filter(|&at| !taken[at]).min_by(|&a, &b| value(a).total_cmp(&value(b)));
            let Some(best) = best else { break };
            taken[best] = true;
            if admission.as_mut().is_some_and(|admission| !admission.take(rows[best])) {
                continue;
            }
            scores.push(-value(best));
            order.push(rows[best]);
            let line = &gram[best * list.len()..(best + 1) * list.len()];
            sums.iter_mut().zip(line).for_each(|(sum, k)| *sum += k);
        }
        for (herd, &budget) in herds.iter_mut().zip(budgets) {
            if (t + 1..=order.len()).contains(&budget) {
                let mut field = field.clone();
                field.add(cloud, &order[t..budget], &vec![1.0; budget - t])?;
                *herd = Some(Herd { rows: order[..budget].to_vec(), scores: scores[..budget].to_vec(), field });
            }
        }
        if order.len() < largest {
            field.add(cloud, &order[t..], &vec![1.0; order.len() - t])?;
            passes.push(order.len());
        }
        watch.advance((order.len() - t) as u64)?;
    }
    Ok(herds.into_iter().flatten().collect())
}

/// At most `count` rows that are near to a query: those that stand first among the nearest rows of one.
///
/// # Errors
/// If the observer asks to stop.
fn nearest(cloud: &KernelPoints<'_>, count: usize) -> Result<Vec<usize>, Stopped> {
    let (n, m) = (cloud.geometry.pool_len(), cloud.geometry.query_len());
    // Lists overlap, so they are longer than would do if they did not.
    let length = (16 * count / m).clamp(1, count);
    let mut ranks = vec![length; n];
    for first in (0..m).step_by(TOGETHER) {
        let columns = first..m.min(first + TOGETHER);
        let (width, squares) = (columns.len(), cloud.squares(columns)?);
        let lists: Vec<Vec<usize>> =
            (0..width).into_par_iter().map(|column| list(&squares, width, column, length)).collect();
        for list in lists {
            list.into_iter().enumerate().for_each(|(rank, row)| ranks[row] = rank.min(ranks[row]));
        }
    }
    let mut rows: Vec<usize> = (0..n).filter(|&row| ranks[row] < length).collect();
    if count < rows.len() {
        rows.select_nth_unstable_by_key(count, |&row| (ranks[row], row));
        rows.truncate(count);
    }
    Ok(rows)
}

/// The `length` rows nearest to a query, the nearest first.
fn list(squares: &[f64], width: usize, column: usize, length: usize) -> Vec<usize> {
    let of = |row: usize| squares[row * width + column];
    let order = |a: &usize, b: &usize| of(*a).total_cmp(&of(*b)).then(a.cmp(b));
    let mut rows: Vec<usize> = (0..squares.len() / width).collect();
    if length < rows.len() {
        rows.select_nth_unstable_by(length, order);
        rows.truncate(length);
    }
    rows.sort_unstable_by(order);
    rows
}

/// Picks that the survey knows of: those of the first pass that reached `survey`.
fn surveyed(passes: &[usize], survey: usize) -> usize {
    passes.iter().copied().find(|&end| end >= survey).unwrap_or(survey)
}

/// Brings new rows up to date pass by pass, so that their sums are those which they would have had all along.
fn replay(cloud: &KernelPoints<'_>, field: &mut Field, order: &[usize], passes: &[usize]) -> Result<(), SelectError> {
    let mut start = 0;
    for &end in passes {
        field.add(cloud, &order[start..end], &vec![1.0; end - start])?;
        start = end;
    }
    Ok(())
}

/// Positions of active rows that are not among `rows`.
fn free_positions(field: &Field, rows: &[usize]) -> Vec<usize> {
    let mut free = vec![true; field.rows.len()];
    for &row in rows {
        if let Some(at) = field.position(row) {
            free[at] = false;
        }
    }
    (0..free.len()).filter(|&at| free[at]).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;
    use crate::relax::herding::relax;
    use crate::relax::herding::swap;
    use crate::task::Task;
    use crate::watch::Quiet;
    use kantor_theory::constraints::{ColumnRecord, Counted, Limit};
    use kantor_theory::{
        Candidates, Column, Constraints, Cost, DenseRows, FeasibleSet, Geometry, Kernel, Objective, Power, Statement,
        best_bound, sequential,
    };
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    /// Rows in many clusters, most of them far from the queries, which come from a few.
    fn clustered(n: usize, m: usize, d: usize) -> (DenseRows, DenseRows) {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut noise = |scale: f64| rng.random_range(-scale..scale);
        let centres: Vec<f64> = (0..40 * d).map(|_| noise(1.0)).collect();
        let mut rows = |count: usize, clusters: usize| -> DenseRows {
            let mut rows = Vec::with_capacity(count * d);
            for at in 0..count {
                // Smaller clusters the later they come.
                let cluster = (at % clusters) * (at / clusters % clusters) / clusters;
                rows.extend((0..d).map(|t| centres[cluster * d + t] + noise(1.0)));
            }
            DenseRows::from_f64(d, rows).unwrap()
        };
        (rows(n, 40), rows(m, 6))
    }

    fn task<'a>(geometry: &'a Geometry<'a>) -> Task<'a> {
        let (power, memory) = (Power::One, 1 << 30);
        Task { power, block: 64, ..Task::new(geometry, memory, &Quiet) }
    }

    /// Active rows were once those of least potential after the first picks, among which far rows took the places of
    /// near ones: the distance was a multiple of what it is with all active rows, and the bound was 0.
    #[test]
    fn near_rows_stay_at_work_beside_far_clusters() {
        let (pool, query) = clustered(6000, 30, 8);
        let geometry = Geometry::new(&pool, &query, Cost::Cosine).unwrap();
        let cloud = KernelPoints::new(&task(&geometry), Kernel::ENERGY, "energy").unwrap();
        let among = cloud.among_queries().unwrap();
        let k = 450;
        let solve = |active: ActiveSet| {
            let mut herd = herd(&cloud, &[k], active, None, &Quiet).unwrap().remove(0);
            let value = crate::relax::herding::value(&herd, among);
            let at_work = herd.field.rows.len();
            swap::swap(&cloud, &mut herd, value, None, usize::MAX, &Quiet).unwrap();
            let positions: Vec<usize> = herd.rows.iter().filter_map(|&row| herd.field.position(row)).collect();
            let swapped = crate::relax::herding::value(&herd, among);
            let dual = relax::relax(&cloud, herd.field, &positions, among, None, &Quiet).unwrap().dual;
            let problem = Statement::new(&geometry, Power::One, k).under(Objective::Energy);
            let bound = best_bound(&geometry, &problem, dual.witness, Candidates::All, &sequential).unwrap().lower();
            (at_work, swapped.sqrt(), bound)
        };
        let (all, least, proved) = solve(ActiveSet::default());
        let (part, value, bound) = solve(ActiveSet { warmup: 40, min_size: 2400 });
        assert!(all == 6000 && part < 3000, "{part} active rows");
        assert!(bound <= value && value <= 1.02 * bound, "{value} {bound}");
        assert!(value <= 1.02 * least && bound >= 0.98 * proved, "{value} {bound}, all active {least} {proved}");
    }

    /// Limits may ask for rows that are neither near nor least: the active rows hold enough of them.
    #[test]
    fn active_rows_hold_what_limits_ask_for() {
        let (pool, query) = clustered(3000, 10, 8);
        let geometry = Geometry::new(&pool, &query, Cost::Cosine).unwrap();
        let cloud = KernelPoints::new(&task(&geometry), Kernel::ENERGY, "energy").unwrap();
        // The farthest rows are the label.
        let means = cloud.query_means(&(0..3000).collect::<Vec<_>>()).unwrap();
        let mut far: Vec<usize> = (0..3000).collect();
        far.sort_by(|&a, &b| means[a].total_cmp(&means[b]));
        let far = &far[..100];
        let label = |row: usize| far.contains(&row).then_some("far");
        let column = Column::labels((0..3000).map(label));
        let columns = vec![ColumnRecord { name: "place".into(), ..ColumnRecord::default() }];
        let limit = Limit { column: 0, of: Counted::Label("far".into()), min: Some(30.0), max: None };
        let all = Constraints { columns, limits: vec![limit], ..Constraints::default() };
        let set = FeasibleSet::new(&all, &[column], 3000, &[]).unwrap();
        let active = ActiveSet { warmup: 16, min_size: 100 };
        let herd = herd(&cloud, &[60], active, Some(Admission::new(&set, 60).unwrap()), &Quiet).unwrap().remove(0);
        assert!(herd.field.rows.len() < 500, "{} active rows", herd.field.rows.len());
        assert_eq!(set.check(&herd.rows), Ok(()));
    }
}
