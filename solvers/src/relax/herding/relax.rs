//! The convex relaxation: least squared distance over all measures p on the pool with 0 ≤ p_i ≤ 1/k and total 1.
//!
//! Fully corrective Frank–Wolfe. Its linear step over that set is the mean of the k least potentials, which gives the
//! dual bound (`theory/notes/kernel-distance.md`) with every round. The corrective step moves mass between pairs of the
//! [`CORE`] rows on which the bound depends most: those of greatest potential that have mass and those of least
//! potential that have room. It chooses the pair as sequential minimal optimisation does (second order; Fan, Chen and
//! Lin 2005) and has all mutual kernel values at hand.
//!
//! Limit: per round [`CORE`]² + moved·W inner products of 2d operations in `f64` and one read of the W active rows,
//! then three sweeps over [`CORE`] numbers (24 bytes each) per pair step, in the second-level cache.

use kantor_theory::Witness;

use super::cloud::KernelPoints;
use super::greedy::{Field, least_of};
use crate::simd;
use crate::task::SelectError;
use crate::watch::Watch;

/// Rows between which mass is moved in one round.
const CORE: usize = 3072;

/// Most rounds.
const ROUNDS: usize = 8;

/// Pair steps per row of the core in a round.
const STEPS: usize = 40;

/// A gap of this share of the squared distance ends the search.
const CLOSED: f64 = 2e-4;

/// What is known of one measure.
struct Gap {
    value: f64,
    lower: f64,
}

fn gap(field: &Field, mass: &[f64], k: usize, among_queries: f64) -> (Gap, Vec<f64>) {
    let potentials = field.potentials(k as f64);
    let k_ = k as f64;
    let (mut own, mut mean) = (0.0, 0.0);
    for (at, &m) in mass.iter().enumerate().filter(|(_, m)| **m > 0.0) {
        own += m * field.sums[at];
        mean += m * potentials[at];
    }
    let (own, mean) = (own / (k_ * k_), mean / k_);
    let least = least_of(&potentials, (0..potentials.len()).collect(), k);
    let least = least.into_iter().map(|at| potentials[at]).sum::<f64>() / k_;
    (Gap { value: 2.0 * mean - own + among_queries, lower: 2.0 * least - own + among_queries }, potentials)
}

/// The measure of which the linear step proves most, from the subset at `positions` whose field is `field` on.
///
/// # Errors
/// If the observer asks to stop or a row is bad.
pub(super) fn relax(
    cloud: &KernelPoints<'_>,
    mut field: Field,
    positions: &[usize],
    among_queries: f64,
    watch: &dyn Watch,
) -> Result<Witness, SelectError> {
    let k = positions.len();
    let mut mass = vec![0.0; field.rows.len()];
    positions.iter().for_each(|&at| mass[at] = 1.0);
    // Masses in [0, 1] of sum k stand for a measure with shares of 1/k.
    let mut best: Option<(f64, Witness)> = None;
    watch.begin("relaxing", ROUNDS as u64);
    for round in 0..=ROUNDS {
        watch.advance(1)?;
        let (Gap { value, lower }, potentials) = gap(&field, &mass, k, among_queries);
        if best.as_ref().is_none_or(|(most, _)| lower > *most) {
            best = Some((lower, witness(&field, &mass)));
        }
        if value - lower <= CLOSED * value || round == ROUNDS {
            break;
        }
        let core = core(&potentials, &mass);
        let rows: Vec<usize> = core.iter().map(|&at| field.rows[at]).collect();
        let gram = cloud.gram(&rows)?;
        let mut held: Vec<f64> = core.iter().map(|&at| mass[at]).collect();
        let heights = core.iter().map(|&at| potentials[at]).collect();
        pair_steps(heights, &mut held, &gram, k, 0.1 * CLOSED * value.max(0.0));
        let moved: Vec<usize> = (0..core.len()).filter(|&at| held[at] != mass[core[at]]).collect();
        if moved.is_empty() {
            break;
        }
        let weights: Vec<f64> = moved.iter().map(|&at| held[at] - mass[core[at]]).collect();
        field.add(cloud, &moved.iter().map(|&at| rows[at]).collect::<Vec<_>>(), &weights)?;
        moved.iter().for_each(|&at| mass[core[at]] = held[at]);
    }
    Ok(best.map_or_else(|| witness(&field, &mass), |(_, witness)| witness))
}

fn witness(field: &Field, mass: &[f64]) -> Witness {
    let (rows, weights) = field.rows.iter().zip(mass).filter(|(_, m)| **m > 0.0).map(|(&row, &m)| (row, m)).unzip();
    Witness { rows, weights }
}

/// Positions between which mass may want to move: half of them from above, half from below.
fn core(potentials: &[f64], mass: &[f64]) -> Vec<usize> {
    let negated: Vec<f64> = potentials.iter().map(|h| -h).collect();
    let with = |has: &dyn Fn(f64) -> bool| (0..mass.len()).filter(|&at| has(mass[at])).collect::<Vec<_>>();
    let mut core = least_of(&negated, with(&|m| m > 0.0), CORE / 2);
    core.extend(least_of(potentials, with(&|m| m < 1.0), CORE / 2));
    core.sort_unstable();
    core.dedup();
    core
}

/// Moves mass from a row of great potential to one of small potential until no two differ by more than `tolerance`.
fn pair_steps(mut heights: Vec<f64>, mass: &mut [f64], gram: &[f64], k: usize, tolerance: f64) {
    let n = mass.len();
    let line = |at: usize| &gram[at * n..(at + 1) * n];
    let own: Vec<f64> = (0..n).map(|at| gram[at * n + at]).collect();
    for _ in 0..STEPS * n {
        let from = (0..n).filter(|&at| mass[at] > 0.0).max_by(|&a, &b| heights[a].total_cmp(&heights[b]));
        let Some(from) = from else { return };
        // By second order: the greatest decrease if there were no limits to the step.
        let (mut to, mut most, mut widest) = (None, 0.0, 0.0f64);
        for (at, k_ij) in line(from).iter().enumerate() {
            let fall = heights[from] - heights[at];
            if mass[at] < 1.0 && fall > 0.0 {
                widest = widest.max(fall);
                let gain = fall * fall / (own[from] + own[at] - 2.0 * k_ij).max(1e-12);
                if gain > most {
                    (to, most) = (Some(at), gain);
                }
            }
        }
        let Some(to) = to.filter(|_| widest > tolerance) else { return };
        let curve = (own[from] + own[to] - 2.0 * gram[from * n + to]).max(1e-12);
        let step = (k as f64 * (heights[from] - heights[to]) / curve).min(mass[from]).min(1.0 - mass[to]);
        let full = step == mass[from];
        mass[from] = if full { 0.0 } else { mass[from] - step };
        mass[to] = (mass[to] + step).min(1.0);
        let rate = step / k as f64;
        let (old, new) = (line(from), line(to));
        simd::wide(
            #[inline(always)]
            || {
                for (height, (old, new)) in heights.iter_mut().zip(old.iter().zip(new)) {
                    *height += rate * (new - old);
                }
            },
        );
    }
}
