//! The convex relaxation: least squared distance over all measures p on the pool with 0 ≤ p_i ≤ 1/k and total 1, within
//! limits if there are constraints (`polytope`).
//!
//! Fully corrective Frank–Wolfe. Its linear step over that set is the mean of the k least potentials, or the least
//! mean that limits and their prices allow, which gives the dual bound (`theory/notes/kernel-distance.md`) with every round. The corrective step moves mass between pairs of the
//! [`CORE`] rows on which the bound depends most: those of greatest potential that have mass and those of least
//! potential that have room. It chooses the pair as sequential minimal optimisation does (second order; Fan, Chen and
//! Lin 2005) and has all mutual kernel values at hand.
//!
//! Limit: per round [`CORE`]² + moved·W inner products of 2d operations in `f64` and one read of the W active rows,
//! then three sweeps over [`CORE`] numbers (24 bytes each) per pair step, in the second-level cache.

use kantor_theory::constraints::Price;
use kantor_theory::{FeasibleSet, Witness};

use super::KernelDual;
use super::cloud::KernelPoints;
use super::greedy::Field;
use super::polytope::{Bound, Core, Polytope};
use crate::relax::swaps::least_of;
use crate::simd;
use crate::task::SelectError;
use crate::watch::Watch;

/// Rows between which mass is moved in one round.
const CORE: usize = 3072;

/// Most rounds.
const ROUNDS: usize = 8;

/// Pair steps per row of the core in a round.
const STEPS: usize = 40;

/// How often the prices of sides are raised in a round.
const RAISES: usize = 8;

/// A gap of this share of the squared distance ends the search.
const CLOSED: f64 = 2e-4;

/// How much of the mass every row may have, and all rows have together: one for each of k rows, or tokens.
pub(super) struct Capacities {
    /// Of every active row.
    pub(super) of: Vec<f64>,
    pub(super) total: f64,
}

/// What rows cost beside each other.
pub(super) trait Couplings {
    /// Between all pairs of `rows`, row-major.
    ///
    /// # Errors
    /// If a row is bad or the observer asks to stop.
    fn gram(&self, rows: &[usize]) -> Result<Vec<f64>, SelectError>;

    /// Adds what some rows with these weights cost every row of the field.
    ///
    /// # Errors
    /// As [`Couplings::gram`].
    fn add(&self, field: &mut Field, rows: &[usize], weights: &[f64]) -> Result<(), SelectError>;

    /// The evidence of these masses.
    fn witness(&self, field: &Field, mass: &[f64]) -> Witness;

    /// What changes of this squared distance are compared with.
    fn size(&self, value: f64) -> f64;
}

impl Couplings for KernelPoints<'_> {
    fn gram(&self, rows: &[usize]) -> Result<Vec<f64>, SelectError> {
        KernelPoints::gram(self, rows)
    }

    fn add(&self, field: &mut Field, rows: &[usize], weights: &[f64]) -> Result<(), SelectError> {
        field.add(self, rows, weights)
    }

    fn witness(&self, field: &Field, mass: &[f64]) -> Witness {
        let (rows, weights) = field.rows.iter().zip(mass).filter(|(_, m)| **m > 0.0).map(|(&row, &m)| (row, m)).unzip();
        Witness { rows, weights }
    }

    fn size(&self, value: f64) -> f64 {
        KernelPoints::size(self, value)
    }
}

/// What is known of one measure.
struct Gap {
    value: f64,
    lower: f64,
}

fn gap(
    field: &Field,
    mass: &[f64],
    k_: f64,
    among_queries: f64,
    polytope: Option<&Polytope<'_>>,
) -> (Gap, Vec<f64>, Vec<Price>) {
    let potentials = field.potentials(k_);
    let (mut own, mut mean) = (0.0, 0.0);
    for (at, &m) in mass.iter().enumerate().filter(|(_, m)| **m != 0.0) {
        own += m * field.sums[at];
        mean += m * potentials[at];
    }
    let (own, mean) = (own / (k_ * k_), mean / k_);
    let (least, slackness, prices) = match polytope {
        None => {
            let least = least_of(&potentials, (0..potentials.len()).collect(), k_ as usize);
            (least.into_iter().map(|at| potentials[at]).sum::<f64>() / k_, 0.0, Vec::new())
        }
        Some(polytope) => {
            let Bound { least, slackness, prices } = polytope.bound(field, &potentials);
            (least / k_, slackness / k_, prices)
        }
    };
    let value = 2.0 * mean - own + among_queries + 2.0 * slackness;
    (Gap { value, lower: 2.0 * least - own + among_queries }, potentials, prices)
}

/// The measure of which the linear step proves most, from the subset at `positions` whose field is `field` on.
///
/// # Errors
/// If the observer asks to stop or a row is bad.
pub(super) fn relax(
    cloud: &KernelPoints<'_>,
    field: Field,
    positions: &[usize],
    among_queries: f64,
    constraints: Option<&FeasibleSet>,
    watch: &dyn Watch,
) -> Result<Relaxed, SelectError> {
    let k = positions.len();
    let mut mass = vec![0.0; field.rows.len()];
    positions.iter().for_each(|&at| mass[at] = 1.0);
    let capacities = Capacities { of: vec![1.0; mass.len()], total: k as f64 };
    let polytope = constraints.map(|set| Polytope::new(set, k, positions.iter().map(|&at| (field.rows[at], 1.0))));
    relax_from(cloud, (field, mass), &capacities, among_queries, polytope, watch)
}

/// What a relaxation found.
pub(super) struct Relaxed {
    pub(super) dual: KernelDual,
    /// What it proves of the squared distance, as `f64` arithmetic has it.
    pub(super) lower: f64,
    /// Whether that is the squared distance of a measure.
    pub(super) closed: bool,
}

/// The same from masses within `capacities` on, of which `field` is.
///
/// # Errors
/// If the observer asks to stop or a row is bad.
pub(super) fn relax_from(
    couplings: &dyn Couplings,
    (mut field, mut mass): (Field, Vec<f64>),
    capacities: &Capacities,
    among_queries: f64,
    mut polytope: Option<Polytope<'_>>,
    watch: &dyn Watch,
) -> Result<Relaxed, SelectError> {
    // Masses in [0, 1] of sum k stand for a measure with shares of 1/k.
    let k = capacities.total;
    let (mut best, mut closed): (Option<(f64, KernelDual)>, bool) = (None, false);
    watch.begin("relaxing", ROUNDS as u64);
    for round in 0..=ROUNDS {
        watch.advance(1)?;
        let (Gap { value, lower }, potentials, prices) = gap(&field, &mass, k, among_queries, polytope.as_ref());
        if best.as_ref().is_none_or(|(most, _)| lower > *most) {
            best = Some((lower, KernelDual { witness: couplings.witness(&field, &mass), shift: Vec::new(), prices }));
        }
        let size = couplings.size(value);
        closed |= value - lower <= CLOSED * size;
        if closed || round == ROUNDS {
            break;
        }
        let free = |at: usize| polytope.as_ref().is_none_or(|polytope| polytope.is_free(field.rows[at]));
        let core = core(&potentials, &mass, &capacities.of, &free);
        let rows: Vec<usize> = core.iter().map(|&at| field.rows[at]).collect();
        let gram = couplings.gram(&rows)?;
        let mut held: Vec<f64> = core.iter().map(|&at| mass[at]).collect();
        let caps: Vec<f64> = core.iter().map(|&at| capacities.of[at]).collect();
        let mut heights: Vec<f64> = core.iter().map(|&at| potentials[at]).collect();
        let tolerance = 0.1 * CLOSED * size.max(0.0);
        match &mut polytope {
            None => pair_steps(&mut heights, &mut held, (&caps, k), &gram, tolerance, None),
            Some(polytope) => {
                let mut core = polytope.core(&rows, &held, &caps, &mut heights);
                for _ in 0..RAISES {
                    pair_steps(&mut heights, &mut held, (&caps, k), &gram, tolerance, Some(&mut core));
                    if !core.raise(tolerance, &mut heights) {
                        break;
                    }
                }
            }
        }
        let moved: Vec<usize> = (0..core.len()).filter(|&at| held[at] != mass[core[at]]).collect();
        if moved.is_empty() {
            break;
        }
        let weights: Vec<f64> = moved.iter().map(|&at| held[at] - mass[core[at]]).collect();
        couplings.add(&mut field, &moved.iter().map(|&at| rows[at]).collect::<Vec<_>>(), &weights)?;
        moved.iter().for_each(|&at| mass[core[at]] = held[at]);
    }
    let Some((lower, dual)) = best else { unreachable!("every round bounds") };
    Ok(Relaxed { dual, lower, closed })
}

/// What a witness proves of the squared distance of all subsets of k rows, as `f64` arithmetic has it, by the rows of `field`.
///
/// # Errors
/// If the observer asks to stop or a row is bad.
pub(super) fn proved(
    cloud: &KernelPoints<'_>,
    mut field: Field,
    Witness { rows, weights }: &Witness,
    (k, among_queries): (f64, f64),
    polytope: Option<&Polytope<'_>>,
) -> Result<f64, SelectError> {
    let total: f64 = weights.iter().sum();
    let masses: Vec<f64> = weights.iter().map(|weight| k * weight / total).collect();
    field.sums.fill(0.0);
    field.add(cloud, rows, &masses)?;
    let mut mass = vec![0.0; field.rows.len()];
    rows.iter().zip(&masses).filter_map(|(&row, m)| Some((field.position(row)?, m))).for_each(|(at, m)| mass[at] = *m);
    Ok(gap(&field, &mass, k, among_queries, polytope).0.lower)
}

/// Positions between which mass may want to move: half of them from above, half from below.
fn core(potentials: &[f64], mass: &[f64], caps: &[f64], free: &dyn Fn(usize) -> bool) -> Vec<usize> {
    let negated: Vec<f64> = potentials.iter().map(|h| -h).collect();
    let with = |has: &dyn Fn(usize) -> bool| (0..mass.len()).filter(|&at| has(at) && free(at)).collect::<Vec<_>>();
    let mut core = least_of(&negated, with(&|at| mass[at] > 0.0), CORE / 2);
    core.extend(least_of(potentials, with(&|at| mass[at] < caps[at]), CORE / 2));
    core.sort_unstable();
    core.dedup();
    core
}

/// Moves mass from a row of great potential to one of small potential until no two differ by more than `tolerance` between
/// which it may move.
fn pair_steps(
    heights: &mut [f64],
    mass: &mut [f64],
    (caps, k): (&[f64], f64),
    gram: &[f64],
    tolerance: f64,
    mut limits: Option<&mut Core<'_, '_>>,
) {
    let n = mass.len();
    let line = |at: usize| &gram[at * n..(at + 1) * n];
    let own: Vec<f64> = (0..n).map(|at| gram[at * n + at]).collect();
    for _ in 0..STEPS * n {
        let from = match &limits {
            None => (0..n).filter(|&at| mass[at] > 0.0).max_by(|&a, &b| heights[a].total_cmp(&heights[b])),
            Some(limits) => limits.highest(heights, mass),
        };
        let Some(from) = from else { return };
        let open = limits.as_ref().map(|limits| limits.open(from));
        let is_open = |at: usize| match (&limits, &open) {
            (Some(limits), Some(open)) => open[limits.group(at)],
            _ => true,
        };
        let curve = |to: usize| {
            let limits = limits.as_ref().map_or(0.0, |limits| k * limits.curve(from, to));
            (own[from] + own[to] - 2.0 * gram[from * n + to]).max(1e-12) + limits
        };
        // By second order: the greatest decrease if there were no limits to the step.
        let (mut to, mut most, mut widest) = (None, 0.0, 0.0f64);
        for at in 0..n {
            let fall = heights[from] - heights[at];
            if mass[at] < caps[at] && fall > 0.0 && is_open(at) {
                widest = widest.max(fall);
                let gain = fall * fall / curve(at);
                if gain > most {
                    (to, most) = (Some(at), gain);
                }
            }
        }
        let Some(to) = to.filter(|_| widest > tolerance) else { return };
        let mut step = (k * (heights[from] - heights[to]) / curve(to)).min(mass[from]).min(caps[to] - mass[to]);
        if let Some(limits) = &limits {
            step = step.min(limits.room(from, to));
        }
        let full = step == mass[from];
        mass[from] = if full { 0.0 } else { mass[from] - step };
        mass[to] = (mass[to] + step).min(caps[to]);
        let rate = step / k;
        let (old, new) = (line(from), line(to));
        simd::wide(
            #[inline(always)]
            || {
                for (height, (old, new)) in heights.iter_mut().zip(old.iter().zip(new)) {
                    *height += rate * (new - old);
                }
            },
        );
        if let Some(limits) = &mut limits {
            limits.shift(from, to, step, heights);
        }
    }
}
