//! The relaxation for a local kernel: few rows are active, and all others count for themselves alone (T19).
//!
//! Under a local kernel hardly any rows are alike, and the plain relaxation spreads its mass over far more rows than the budget, since
//! a share of a row costs its square only. On subsets p_i² = p_i/k, so what is taken from the diagonal may count in full
//! (`theory/notes/T19.md`); and rows that are not near to the queries may count for themselves alone, as no kernel value
//! is negative. Both hold for subsets only, so the bound is above the plain relaxation.
//!
//! Limit: L² inner products for L active rows, at most [`ACTIVE`], once, and 16·L² bytes; then as in `relax`, without another pass over rows.

use kantor_theory::{FeasibleSet, Witness, shift_holds};
use rayon::prelude::*;

use super::KernelDual;
use super::cloud::KernelPoints;
use super::greedy::Field;
use super::polytope::Polytope;
use super::relax::{Capacities, Couplings, relax_from};
use super::shift::shift;
use crate::relax::swaps::least_of;
use crate::task::SelectError;
use crate::watch::Watch;

/// Most active rows, and most where their diagonal is shifted.
const ACTIVE: [usize; 2] = [4096, 3072];

/// The diagonal is shifted where what subsets pay for their own rows is more than this share of their squared distance.
const OWN: f64 = 0.08;

/// Where more rows than this gain more from the queries than they pay for themselves, the kernel is not local.
const NEAR: usize = 12_288;

/// What is added to what is missing to a positive semidefinite matrix, and by how much more in every try.
const MARGIN: (f64, f64) = (1e-5, 0.05);

/// Tries of a shift.
const TRIES: i32 = 6;

/// A bound that is this close to the squared distance of the subset is not compared with the plain one.
const CLOSE: f64 = 0.02;

/// What a local relaxation found.
pub(super) struct Local {
    pub(super) dual: KernelDual,
    /// What it proves of the squared distance, as `f64` arithmetic has it.
    pub(super) lower: f64,
    /// Whether the plain relaxation need not be tried.
    pub(super) settled: bool,
}

/// The measure of which the linear step proves most, from the subset at `positions` of squared distance `value` on; `None` where
/// the kernel is not local.
///
/// # Errors
/// If the observer asks to stop or a row is bad.
pub(super) fn relax(
    cloud: &KernelPoints<'_>,
    field: &Field,
    positions: &[usize],
    (among_queries, value): (f64, f64),
    constraints: Option<&FeasibleSet>,
    watch: &dyn Watch,
) -> Result<Option<Local>, SelectError> {
    let k = positions.len() as f64;
    let alone = 0.5 / k;
    let near = (0..field.rows.len()).filter(|&at| field.queries[at] > alone).count();
    if !cloud.kernel.name().is_nonnegative() || near > NEAR {
        return Ok(None);
    }
    let shifts = 1.0 / k > OWN * value;
    let negated: Vec<f64> = field.queries.iter().map(|q| -q).collect();
    let most = ACTIVE[usize::from(shifts)];
    let mut active = least_of(&negated, (0..field.rows.len()).collect(), most);
    active.sort_unstable();
    let rows: Vec<usize> = active.iter().map(|&at| field.rows[at]).collect();
    let gram = cloud.gram(&rows)?;
    // Near-copies may need numbers below zero, at which a share of a row costs less than its square: then no shift is better.
    let mut shifts_tried = vec![vec![0.0; rows.len()]];
    if shifts {
        shifts_tried.push(proved_shift(cloud, &rows, &gram)?);
    }
    let mut best: Option<(f64, KernelDual)> = None;
    for shift in shifts_tried {
        let active = Active::new(rows.clone(), gram.clone(), shift);
        let own = |row: &usize| active.place(*row).map_or(1.0, |place| active.shift[place]) * alone;
        let queries = field.queries.iter().zip(&field.rows).map(|(query, row)| query - own(row)).collect();
        let mut local = Field { rows: field.rows.clone(), queries, sums: vec![0.0; field.rows.len()] };
        let chosen: Vec<usize> = positions.iter().map(|&at| field.rows[at]).collect();
        active.add(&mut local, &chosen, &vec![1.0; chosen.len()])?;
        let mut mass = vec![0.0; field.rows.len()];
        positions.iter().for_each(|&at| mass[at] = 1.0);
        let capacities = Capacities { of: vec![1.0; mass.len()], total: k };
        let polytope = constraints.map(|set| Polytope::new(set, positions.len(), chosen.iter().map(|&row| (row, 1.0))));
        let found = relax_from(&active, (local, mass), &capacities, among_queries, polytope, watch)?;
        if best.as_ref().is_none_or(|(lower, _)| found.lower > *lower) {
            best = Some((found.lower, KernelDual { shift: active.shift, ..found.dual }));
        }
    }
    let close = |lower: f64| near <= most || value - lower <= CLOSE * value;
    Ok(best.map(|(lower, dual)| Local { dual, lower, settled: close(lower) }))
}

/// A shift that is proved to leave the kernel of these rows positive semidefinite; zeros if none was found.
fn proved_shift(cloud: &KernelPoints<'_>, rows: &[usize], gram: &[f64]) -> Result<Vec<f64>, SelectError> {
    let (most, missing) = shift(gram, rows.len());
    for tries in 1..=TRIES {
        cloud.watch.advance(0)?;
        let less = missing + (MARGIN.0 + MARGIN.1 * missing) * f64::from(tries * tries);
        let shift: Vec<f64> = most.iter().map(|d| d - less).collect();
        if shift_holds(cloud.geometry, cloud.kernel, rows, &shift, &in_parallel) {
            return Ok(shift);
        }
    }
    Ok(vec![0.0; rows.len()])
}

fn in_parallel(count: usize, task: &(dyn Fn(usize) + Sync)) {
    (0..count).into_par_iter().for_each(task);
}

/// Active rows with their mutual kernel values, less the shift.
struct Active {
    rows: Vec<usize>,
    gram: Vec<f64>,
    shift: Vec<f64>,
}

impl Active {
    fn new(rows: Vec<usize>, mut gram: Vec<f64>, shift: Vec<f64>) -> Self {
        shift.iter().enumerate().for_each(|(at, d)| gram[at * rows.len() + at] -= d);
        Self { rows, gram, shift }
    }

    fn place(&self, row: usize) -> Option<usize> {
        self.rows.binary_search(&row).ok()
    }

    fn line(&self, place: usize) -> &[f64] {
        &self.gram[place * self.rows.len()..][..self.rows.len()]
    }
}

impl Couplings for Active {
    fn gram(&self, rows: &[usize]) -> Result<Vec<f64>, SelectError> {
        let places: Vec<Option<usize>> = rows.iter().map(|&row| self.place(row)).collect();
        let mut gram = vec![0.0; rows.len() * rows.len()];
        for (place, out) in places.iter().zip(gram.chunks_exact_mut(rows.len())) {
            let Some(line) = place.map(|place| self.line(place)) else { continue };
            out.iter_mut().zip(&places).for_each(|(out, place)| *out = place.map_or(0.0, |place| line[place]));
        }
        Ok(gram)
    }

    fn add(&self, field: &mut Field, rows: &[usize], weights: &[f64]) -> Result<(), SelectError> {
        let mut sums = vec![0.0; self.rows.len()];
        for (row, weight) in rows.iter().zip(weights) {
            let Some(place) = self.place(*row) else { continue };
            sums.iter_mut().zip(self.line(place)).for_each(|(sum, k)| *sum += weight * k);
        }
        for (row, sum) in self.rows.iter().zip(sums) {
            if let Some(at) = field.position(*row) {
                field.sums[at] += sum;
            }
        }
        Ok(())
    }

    /// All active rows: those without mass too, as what they cost beside others counts.
    fn witness(&self, field: &Field, mass: &[f64]) -> Witness {
        let weight = |row: &usize| field.position(*row).map_or(0.0, |at| mass[at]);
        Witness { rows: self.rows.clone(), weights: self.rows.iter().map(weight).collect() }
    }

    fn size(&self, value: f64) -> f64 {
        value.abs()
    }
}
