//! Densities of rows among themselves: ρ_u = Σ_v k(‖u − v‖) over the rows v, u itself included with k = 1.
//!
//! Pairs come from the pruned search ([`search`](super::search)); those that it cannot rule out are evaluated in `f64`.
//! Values of the kernel are added as whole multiples of 2⁻⁶⁴, so a density depends on no order of summation, and so on
//! no block size, thread count or instruction set; equal rows have equal densities.
//!
//! - Compact kernel: exact, every omitted term is 0.
//! - Gaussian, Laplace and inverse multiquadric: pairs beyond the distance at which the kernel proves to be at most ε
//!   are left out. A density then lacks at most ε for every row but its own, which [`Densities::omitted`] states, and
//!   since it is at least 1, that is also the bound of its relative error. The inverse multiquadric is cut nowhere.
//!
//! Limit: the search's, see there; and for what it leaves, canonical products in `f64`, 2·d operations a pair, and one
//! value of the kernel. A kernel that reaches everywhere leaves all pairs.

use std::sync::{Mutex, PoisonError};

use kantor_theory::Rows;
use kantor_theory::cost::Family;
use kantor_theory::kernel::{Kernel, KernelName};

use super::cloud::{BLOCK, PairWorkspace, SortedPoints};
use super::search::{Pair, Search, Work};
use crate::watch::{Stopped, Watch};

/// Densities and how they were had.
#[derive(Debug, Clone, PartialEq)]
pub struct Densities {
    /// ρ, in the order of the rows given; at least 1.
    pub values: Vec<f64>,
    /// At most this is missing from any of them because far pairs were left out; 0 for the compact kernel.
    pub omitted: f64,
    /// Pairs that were looked at.
    pub work: Work,
}

/// The squared distance beyond which a kernel is at most `epsilon`, infinite if it is cut nowhere.
///
/// Proved by [`Kernel::upper`] at the number returned.
pub fn reach(kernel: &Kernel, epsilon: f64) -> f64 {
    // Where the widest is as small, the mean over several bandwidths is.
    let sigma = kernel.bandwidths().last().copied().unwrap_or(1.0);
    let mut squared = match kernel.name() {
        KernelName::Compact => return sigma * sigma * (1.0 + 4.0 * f64::EPSILON),
        KernelName::Gaussian => 2.0 * sigma * sigma * -epsilon.ln(),
        KernelName::Laplace => (sigma * epsilon.ln()).powi(2),
        _ => return f64::INFINITY,
    };
    while squared.is_finite() && kernel.upper(squared) > epsilon {
        squared *= 1.0 + 1e-12;
    }
    squared
}

/// The density of each of `rows` (P distinct rows of `points`) among all of them.
///
/// Far pairs are left out so that no density lacks more than `tolerance`. Memory: 16·P bytes and O(block·d) per thread.
///
/// # Errors
/// If the observer asks to stop.
pub fn densities(
    points: &dyn Rows,
    rows: &[usize],
    family: Family,
    kernel: Kernel,
    tolerance: f64,
    watch: &dyn Watch,
) -> Result<Densities, Stopped> {
    let cloud = SortedPoints::new(points, rows, family);
    let epsilon = tolerance / rows.len().max(1) as f64;
    let within = reach(&kernel, epsilon);
    let search = Search::new(&cloud, within);
    let sums: Vec<Mutex<Vec<u128>>> =
        (0..cloud.blocks()).map(|number| Mutex::new(vec![ONE; cloud.block(number).len()])).collect();
    let add = |pairs: &[Pair]| {
        let (Some(first), mut evaluated) = (pairs.first(), Vec::with_capacity(pairs.len())) else { return Ok(()) };
        evaluate(&cloud, pairs, &mut evaluated);
        // In terms of the kernel: what lies beyond its support or the cut counts nothing.
        let values: Vec<u64> = evaluated
            .iter()
            .map(|&squared| if squared <= within { fixed(kernel.value(squared.max(0.0))) } else { 0 })
            .collect();
        let blocks = [first.a as usize / BLOCK, first.b as usize / BLOCK];
        for (side, block) in blocks.into_iter().enumerate() {
            let mut sums = lock(&sums[block]);
            for (pair, &value) in pairs.iter().zip(&values) {
                let position = if side == 0 { pair.a } else { pair.b } as usize;
                sums[position - block * BLOCK] += u128::from(value);
            }
        }
        Ok(())
    };
    let work = search.sweep(0..cloud.len(), watch, &add).map_err(|_| Stopped)?;
    let mut values = vec![1.0; rows.len()];
    for (position, sum) in
        sums.into_iter().flat_map(|sums| sums.into_inner().unwrap_or_else(PoisonError::into_inner)).enumerate()
    {
        values[cloud.given[position]] = number(sum);
    }
    let omitted = match kernel.name() {
        KernelName::Compact => 0.0,
        _ if within.is_infinite() => 0.0,
        _ => kernel.upper(within) * rows.len().saturating_sub(1) as f64 * (1.0 + f64::EPSILON),
    };
    Ok(Densities { values, omitted, work })
}

/// 1 as a multiple of 2⁻⁶⁴.
pub(super) const ONE: u128 = 1 << 64;

/// A value of a kernel, in (0, 1], in multiples of 2⁻⁶⁴, rounded down; 1 is taken as 1 − 2⁻⁶⁴.
pub(super) fn fixed(value: f64) -> u64 {
    // The cast saturates.
    (value * 64f64.exp2()) as u64
}

pub(super) fn number(sum: u128) -> f64 {
    sum as f64 * (-64f64).exp2()
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Squared distances of pairs of one tile, in their order.
fn evaluate(cloud: &SortedPoints<'_>, pairs: &[Pair], out: &mut Vec<f64>) {
    /// Pairs, as a part of all, from which all of a tile are evaluated.
    const DENSE: usize = 6;
    /// Rows of a tile that are evaluated together.
    const LINES: usize = 48;
    let (mut scratch, mut squared, mut others) = (PairWorkspace::default(), Vec::new(), Vec::new());
    let Some(first) = pairs.first() else { return };
    let columns = cloud.block(first.b as usize / BLOCK);
    for lines in pairs.chunk_by(|x, y| x.a as usize / LINES == y.a as usize / LINES) {
        let start = lines[0].a as usize;
        let end = lines[lines.len() - 1].a as usize + 1;
        if lines.len() * DENSE >= (end - start) * columns.len() {
            cloud.squared_block(&mut scratch, start..end, columns.clone(), &mut squared);
            let place = |pair: &Pair| (pair.a as usize - start) * columns.len() + pair.b as usize - columns.start;
            out.extend(lines.iter().map(|pair| squared[place(pair)]));
        } else {
            for line in lines.chunk_by(|x, y| x.a == y.a) {
                others.clear();
                others.extend(line.iter().map(|pair| pair.b));
                cloud.squared(&mut scratch, line[0].a as usize, &others, &mut squared);
                out.extend_from_slice(&squared);
            }
        }
    }
}
