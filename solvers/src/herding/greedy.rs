//! Block greedy herding: rows are picked one by one so that each lowers the distance most, many per pass over the pool.
//!
//! After t picks with sums s(x) = Σ k(x, z) over the picks and q(x) the mean of k to the queries, the next row is the
//! free one with the least s(x)/(t + 1) − q(x): the squared distance after t + 1 picks is, up to terms that do not
//! depend on x, 2/(t + 1) times that. A pass brings s up to date on the rows at work; then a block of picks is decided
//! on a short list of the rows that were least, with their mutual kernel values at hand, so that every pick sees all
//! picks before it. Block and list depend on t alone: the order for a smaller budget is a prefix of that for a larger
//! one.
//!
//! All rows are at work if there are few; else, after the first [`SURVEY`] picks, those and the rows that are then
//! least.
//!
//! Limit: k·W inner products for W rows at work, 2kWd operations in `f64`, and as many roots or exponentials as pairs.
//! Measured with AVX-512, swaps included, in CPU-seconds of loaded cores: N = W = 21,276, d = 384, k = 2,500 (real text,
//! `f16`) 41 GFLOP in 2.3 s for energy, 18 GFLOP/s, and in 3.1 s for a Gaussian; N = 197,000, d = 512, k = 10,000 some
//! 770 GFLOP in 52 s, 131 bare passes. Plain faer would do 39 GFLOP/s of `f64` a core (half of what it does in single
//! precision), so this is some 45 % of the limit; the rest goes into the canonical order of sums, roots and swaps.
//!
//! Rows at work are those of least potential after the survey. Where many far rows have potentials as small as the near
//! ones, which clustered pools of more than 65,536 rows can have, near rows are left out: then the subset is worse than it need
//! be, and the bound for all subsets, which looks at every row, is loose or 0.

use crate::herding::cloud::Cloud;
use crate::selector::SelectError;
use crate::watch::Watch;

/// Most picks per pass.
const BLOCK: usize = 128;

/// Picks after which the rows at work are chosen.
const SURVEY: usize = 512;

/// Rows at work to begin with.
const FEW: usize = 1 << 16;

/// Rows at work, and what is known of them.
#[derive(Clone)]
pub(super) struct Field {
    /// Pool rows, ascending.
    pub(super) rows: Vec<usize>,
    /// Mean of k to the queries.
    pub(super) queries: Vec<f64>,
    /// Σ k over the picks.
    pub(super) sums: Vec<f64>,
}

impl Field {
    fn new(cloud: &Cloud<'_>, rows: Vec<usize>) -> Self {
        let queries = cloud.query_means(&rows);
        let sums = vec![0.0; rows.len()];
        Self { rows, queries, sums }
    }

    /// Adds Σ weight·k(x, z) for some rows z.
    pub(super) fn add(&mut self, cloud: &Cloud<'_>, rows: &[usize], weights: &[f64]) -> Result<(), SelectError> {
        if !rows.is_empty() {
            cloud.add(&self.rows, &cloud.geometry.to_rows(rows)?, weights, &mut self.sums);
        }
        Ok(())
    }

    /// The potential h(x) = Σ k(x, z)/count − q(x) of every row; NaN is +∞, which nobody wants.
    pub(super) fn potentials(&self, count: f64) -> Vec<f64> {
        let potential = |(sum, query): (&f64, &f64)| never(sum / count - query);
        self.sums.iter().zip(&self.queries).map(potential).collect()
    }

    /// The position of a pool row.
    pub(super) fn position(&self, row: usize) -> Option<usize> {
        self.rows.binary_search(&row).ok()
    }
}

/// NaN never wins: it is the largest.
pub(super) fn never(x: f64) -> f64 {
    if x.is_nan() { f64::INFINITY } else { x }
}

/// A prefix of the order, and the field of it.
pub(super) struct Herd {
    pub(super) rows: Vec<usize>,
    /// Minus what was least when the row was picked.
    pub(super) scores: Vec<f64>,
    pub(super) field: Field,
}

/// How many rows are at work from `picks` picks on, unless the pool has fewer.
fn at_work(picks: usize) -> usize {
    FEW.max(4 * picks.next_power_of_two())
}

/// The first `budget` rows of the order for every budget.
///
/// # Errors
/// If the observer asks to stop or a row is bad.
pub(super) fn herd(cloud: &Cloud<'_>, budgets: &[usize], watch: &dyn Watch) -> Result<Vec<Herd>, SelectError> {
    let n = cloud.geometry.pool_len();
    let largest = budgets.iter().copied().max().unwrap_or(0);
    watch.begin("herding", largest as u64);
    let mut field = Field::new(cloud, (0..n).collect());
    // The whole pool as it was surveyed, from which rows are put to work.
    let mut survey: Option<Field> = None;
    let (mut order, mut scores): (Vec<usize>, Vec<f64>) = Default::default();
    let mut passes: Vec<usize> = Vec::new();
    let mut herds: Vec<Option<Herd>> = budgets.iter().map(|_| None).collect();
    while order.len() < largest {
        let t = order.len();
        if t >= SURVEY && at_work(t) < n && (survey.is_none() || at_work(t) > field.rows.len()) {
            let whole = survey.get_or_insert_with(|| field.clone());
            let mut chosen = least(&whole.potentials(surveyed(&passes) as f64), at_work(t));
            // What has been picked stays at work, though its neighbourhood may be crowded by now.
            chosen.extend(&order);
            chosen.sort_unstable();
            chosen.dedup();
            field = Field::new(cloud, chosen);
            replay(cloud, &mut field, &order, &passes)?;
        }
        let block = (t / 8).clamp(1, BLOCK);
        let free = free_positions(&field, &order);
        let values: Vec<f64> = field.potentials((t + 1) as f64);
        let mut list: Vec<usize> = least_of(&values, free, (4 * block).max(64));
        list.sort_unstable();
        let rows: Vec<usize> = list.iter().map(|&at| field.rows[at]).collect();
        let gram = cloud.gram(&rows)?;
        let mut sums: Vec<f64> = list.iter().map(|&at| field.sums[at]).collect();
        let mut taken = vec![false; list.len()];
        for picked in t..largest.min(t + block.min(list.len())) {
            let value = |at: usize| never(sums[at] / (picked + 1) as f64 - field.queries[list[at]]);
            let best = (0..list.len()).filter(|&at| !taken[at]).min_by(|&a, &b| value(a).total_cmp(&value(b)));
            let Some(best) = best else { break };
            scores.push(-value(best));
            order.push(rows[best]);
            taken[best] = true;
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

/// Picks that the survey knows of: those of the first pass that reached [`SURVEY`].
fn surveyed(passes: &[usize]) -> usize {
    passes.iter().copied().find(|&end| end >= SURVEY).unwrap_or(SURVEY)
}

/// Brings new rows up to date pass by pass, so that their sums are those which they would have had all along.
fn replay(cloud: &Cloud<'_>, field: &mut Field, order: &[usize], passes: &[usize]) -> Result<(), SelectError> {
    let mut start = 0;
    for &end in passes {
        field.add(cloud, &order[start..end], &vec![1.0; end - start])?;
        start = end;
    }
    Ok(())
}

/// Positions at work that are not among `rows`.
fn free_positions(field: &Field, rows: &[usize]) -> Vec<usize> {
    let mut free = vec![true; field.rows.len()];
    for &row in rows {
        if let Some(at) = field.position(row) {
            free[at] = false;
        }
    }
    (0..free.len()).filter(|&at| free[at]).collect()
}

/// The `count` positions of least value, the lower position first at a tie; in any order.
fn least(values: &[f64], count: usize) -> Vec<usize> {
    least_of(values, (0..values.len()).collect(), count)
}

/// As [`least`], of these positions only.
pub(super) fn least_of(values: &[f64], mut positions: Vec<usize>, count: usize) -> Vec<usize> {
    if (1..positions.len()).contains(&count) {
        positions.select_nth_unstable_by(count - 1, |&a, &b| values[a].total_cmp(&values[b]).then(a.cmp(&b)));
    }
    positions.truncate(count);
    positions
}
