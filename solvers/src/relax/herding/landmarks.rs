//! A measure on few rows in the place of one on many: the projection in the distance of the kernel.
//!
//! Minimises ½ wᵀKw − wᵀb over weights of sum 1, where K holds the kernel between the landmarks and b_l = Σ p_i k(z_l,
//! x_i), by conjugate gradients on vectors of sum zero, on which K is positive semidefinite. The bound that the result
//! proves is valid wherever the iteration stops.
//!
//! Limit: L·(L + |p|) inner products of 2d operations in `f64`, then 8·L² bytes read per iteration.

use kantor_theory::{Witness, dot};
use rayon::prelude::*;

use super::cloud::KernelPoints;
use crate::task::SelectError;

/// Iterations: the residual is then due to near-copies, which barely change the bound.
const ITERATIONS: usize = 60;

/// Keeps every (|p|/count)-th row of `measure`, in the order in which its rows stand, and finds the best weights for
/// them.
///
/// # Errors
/// If a row is bad or the observer asks to stop.
pub(super) fn project(cloud: &KernelPoints<'_>, measure: &Witness, count: usize) -> Result<Witness, SelectError> {
    let total = measure.rows.len();
    if total <= count {
        return Ok(measure.clone());
    }
    let rows: Vec<usize> = (0..count).map(|at| measure.rows[at * total / count]).collect();
    let gram = cloud.gram(&rows)?;
    let mass: f64 = measure.weights.iter().sum();
    let shares: Vec<f64> = measure.weights.iter().map(|w| w / mass).collect();
    let mut towards = vec![0.0; count];
    cloud.add(&rows, &cloud.geometry.to_rows(&measure.rows)?, &shares, &mut towards)?;

    let multiply = |x: &[f64]| -> Vec<f64> { gram.par_chunks(count).map(|line| dot::dot(line, x)).collect() };
    let centre = |x: &mut [f64]| {
        let mean = x.iter().sum::<f64>() / x.len() as f64;
        x.iter_mut().for_each(|x| *x -= mean);
    };
    let mut weights = vec![1.0 / count as f64; count];
    let mut residual: Vec<f64> = towards.iter().zip(multiply(&weights)).map(|(b, kw)| b - kw).collect();
    centre(&mut residual);
    let mut direction = residual.clone();
    let mut square = dot::dot(&residual, &residual);
    let enough = 1e-20 * square;
    for _ in 0..ITERATIONS {
        let image = multiply(&direction);
        let curve = dot::dot(&direction, &image);
        if square <= enough || curve <= 0.0 {
            break;
        }
        let step = square / curve;
        weights.iter_mut().zip(&direction).for_each(|(w, d)| *w += step * d);
        residual.iter_mut().zip(&image).for_each(|(r, i)| *r -= step * i);
        centre(&mut residual);
        let next = dot::dot(&residual, &residual);
        direction.iter_mut().zip(&residual).for_each(|(d, r)| *d = r + next / square * *d);
        square = next;
    }
    Ok(Witness { rows, weights })
}
