//! Directions to project on: random ones for the mean over the sphere, and a few in which pool and queries should differ.
//!
//! In d dimensions a random direction shows about 1/√d of a shift, so the maximum over random ones says little. The
//! others are the difference of the means (a lower bound of W_1 by itself) and, within the principal axes of the
//! queries, those directions in which the covariances of both sides differ most. Which directions are tried changes
//! how good a bound is, never whether it holds.
//!
//! Limit: one pass over the pool, d·(r + 1) multiply-adds per row for r axes.

use kantor_theory::dot;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::points::{Points, ROWS};
use crate::transport::linalg::Backend;
use crate::transport::sinkhorn::exp;
use crate::watch::{Stopped, Watch};

/// Principal axes of the queries at most.
const AXES: usize = 16;

/// Queries from which they are taken at most.
const SAMPLE: usize = 256;

/// `count` unit vectors, uniform on the sphere, from a seed (ChaCha8; Marsaglia's polar method), row-major.
pub(super) fn random(dim: usize, count: usize, seed: u64) -> Vec<f64> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut directions = Vec::with_capacity(dim * count);
    while directions.len() < dim * count {
        let mut direction = Vec::with_capacity(dim + 1);
        while direction.len() < dim {
            let (u, v) = (2.0 * rng.random::<f64>() - 1.0, 2.0 * rng.random::<f64>() - 1.0);
            let square = u * u + v * v;
            if square > 0.0 && square < 1.0 {
                let radius = (-2.0 * exp::ln(square) / square).sqrt();
                direction.extend([radius * u, radius * v]);
            }
        }
        direction.truncate(dim);
        if normalise(&mut direction) {
            directions.extend(direction);
        }
    }
    directions
}

/// Directions in which the two sides differ, at most [`AXES`] + 1, row-major. `a` and `b` are the masses of rows and
/// queries, with sum 1.
pub(super) fn telling(points: &Points<'_>, a: &[f64], b: &[f64], watch: &dyn Watch) -> Result<Vec<f64>, Stopped> {
    let dim = points.dim();
    let query_mean = weighted_mean(points.queries(), b, dim);
    let step = b.len().div_ceil(SAMPLE);
    let mut sample = Vec::with_capacity(dim * b.len() / step);
    for row in points.queries().chunks_exact(dim).step_by(step) {
        sample.extend(row.iter().zip(&query_mean).map(|(x, mean)| x - mean));
    }
    let axes = Backend::default().right_singular(dim, &sample).unwrap_or_default().vectors;
    let axes = &axes[..axes.len().min(AXES * dim)];

    // Partial sums over fixed chunks, added in order.
    let parts: Result<Vec<[Vec<f64>; 2]>, Stopped> = (0..a.len())
        .collect::<Vec<_>>()
        .par_chunks(8 * ROWS)
        .map(|positions| {
            let mut mean = vec![0.0; dim];
            let mut second = Vec::new();
            let mut buffer = Vec::new();
            for first in (positions[0]..=positions[positions.len() - 1]).step_by(ROWS) {
                let last = (first + ROWS).min(positions[0] + positions.len());
                points.read(first..last, &mut buffer);
                let part = weighted_mean(&buffer, &a[first..last], dim);
                mean.iter_mut().zip(part).for_each(|(sum, x)| *sum += x);
                add(&mut second, second_moments(&buffer, &a[first..last], axes, dim));
            }
            watch.advance(0)?;
            Ok([mean, second])
        })
        .collect();
    let (mut shift, mut second) = (vec![0.0; dim], Vec::new());
    for [mean, part] in parts? {
        add(&mut shift, mean);
        add(&mut second, part);
    }
    let row_means = along(axes, &shift, dim);
    shift.iter_mut().zip(&query_mean).for_each(|(x, mean)| *x -= mean);

    let mut contrast = second_moments(points.queries(), b, axes, dim);
    let query_means = along(axes, &query_mean, dim);
    let many = row_means.len();
    for s in 0..many {
        for t in 0..many {
            let of_rows = second[s * many + t] - row_means[s] * row_means[t];
            let at = &mut contrast[s * many + t];
            *at = of_rows - (*at - query_means[s] * query_means[t]);
        }
    }
    let mut directions = Vec::with_capacity((many + 1) * dim);
    if normalise(&mut shift) {
        directions.extend(&shift);
    }
    let turned = Backend::default().symmetric_eigen(many, &contrast).unwrap_or_default().vectors;
    for coefficients in turned.chunks_exact(many.max(1)) {
        let mut direction = vec![0.0; dim];
        for (axis, factor) in axes.chunks_exact(dim).zip(coefficients) {
            direction.iter_mut().zip(axis).for_each(|(x, axis)| *x += factor * axis);
        }
        if normalise(&mut direction) {
            directions.extend(direction);
        }
    }
    Ok(directions)
}

/// Divides by the length, unless that is no use.
fn normalise(direction: &mut [f64]) -> bool {
    let largest = direction.iter().fold(0.0f64, |most, x| most.max(x.abs()));
    if !(largest > 0.0 && largest.is_finite()) {
        return false;
    }
    direction.iter_mut().for_each(|x| *x /= largest);
    let length = dot::dot(direction, direction).sqrt();
    direction.iter_mut().for_each(|x| *x /= length);
    true
}

fn add(sum: &mut Vec<f64>, part: Vec<f64>) {
    if sum.is_empty() {
        *sum = part;
    } else {
        sum.iter_mut().zip(part).for_each(|(sum, x)| *sum += x);
    }
}

fn weighted_mean(rows: &[f64], weights: &[f64], dim: usize) -> Vec<f64> {
    let mut mean = vec![0.0; dim];
    for (row, weight) in rows.chunks_exact(dim).zip(weights) {
        mean.iter_mut().zip(row).for_each(|(sum, x)| *sum += weight * x);
    }
    mean
}

fn along(axes: &[f64], point: &[f64], dim: usize) -> Vec<f64> {
    axes.chunks_exact(dim).map(|axis| dot::dot(axis, point)).collect()
}

/// Σ w z zᵀ of the coordinates z of rows along the axes.
fn second_moments(rows: &[f64], weights: &[f64], axes: &[f64], dim: usize) -> Vec<f64> {
    let many = axes.len() / dim;
    let mut coordinates = vec![0.0; weights.len() * many];
    dot::dots(dim, rows, axes, &mut coordinates);
    let mut moments = vec![0.0; many * many];
    for (z, weight) in coordinates.chunks_exact(many.max(1)).zip(weights) {
        for (line, x) in moments.chunks_exact_mut(many).zip(z) {
            line.iter_mut().zip(z).for_each(|(sum, y)| *sum += weight * x * y);
        }
    }
    moments
}
