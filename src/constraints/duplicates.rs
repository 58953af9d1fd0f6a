//! Rows of a pool that are much the same.

use std::collections::HashMap;

use kantor_solvers::density::clusters::clusters;
use kantor_solvers::{Stopped, Watch};
use kantor_theory::Rows;
use kantor_theory::cost::Family;
use kantor_theory::geometry::row_fault;
use rayon::prelude::*;

/// For every row the first row of its near-duplicate cluster; `None` for rows that are alone in theirs. Rows without a
/// direction are near none.
///
/// # Errors
/// If the observer asks to stop.
pub fn near(pool: &dyn Rows, cosine: f64, watch: &dyn Watch) -> Result<Vec<Option<usize>>, Stopped> {
    let has_direction = |numbers: &mut Vec<f64>, row: usize| {
        pool.read_row(row, numbers);
        row_fault(Family::Angle, numbers).is_none().then_some(row)
    };
    let rows: Vec<usize> =
        (0..pool.len()).into_par_iter().map_init(|| vec![0.0; pool.dim()], has_direction).flatten().collect();
    let first = clusters(pool, &rows, cosine, watch)?;
    let mut of = vec![None; pool.len()];
    for (&row, &first) in rows.iter().zip(&first) {
        of[row] = Some(rows[first as usize]);
    }
    Ok(without_singles(of))
}

/// For every row the first row that has the same numbers; `None` for rows that no other equals.
///
/// # Errors
/// If the observer asks to stop.
pub fn equal(pool: &dyn Rows, watch: &dyn Watch) -> Result<Vec<Option<usize>>, Stopped> {
    watch.begin("comparing rows", pool.len() as u64);
    // Rows of one digest are equal: 256 bits, of a function without known collisions.
    let digest = |numbers: &mut Vec<f64>, row: usize| {
        pool.read_row(row, numbers);
        let mut hasher = blake3::Hasher::new();
        // Both zeros are equal.
        for &x in numbers.iter() {
            hasher.update(&(x + 0.0).to_le_bytes());
        }
        *hasher.finalize().as_bytes()
    };
    let digests: Vec<[u8; 32]> = (0..pool.len()).into_par_iter().map_init(|| vec![0.0; pool.dim()], digest).collect();
    watch.advance(pool.len() as u64)?;
    let mut seen = HashMap::with_capacity(digests.len());
    Ok(without_singles(
        digests.iter().enumerate().map(|(row, digest)| Some(*seen.entry(*digest).or_insert(row))).collect(),
    ))
}

fn without_singles(mut of: Vec<Option<usize>>) -> Vec<Option<usize>> {
    let mut size = vec![0usize; of.len()];
    of.iter().flatten().for_each(|&first| size[first] += 1);
    of.iter_mut().for_each(|first| *first = first.filter(|&first| size[first] > 1));
    of
}
