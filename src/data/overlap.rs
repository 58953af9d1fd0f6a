//! Query rows that are in the pool already: what is selected by them leaks the target set into training.

use std::collections::{HashMap, HashSet};

use kantor_solvers::{Stopped, Watch};
use kantor_theory::Rows;
use rayon::prelude::*;

/// Leading columns by which almost every pool row is told from all queries.
const PREFIX: usize = 8;

/// Pool rows looked at by a thread at a time.
const STEP: usize = 1024;

/// Classes of prefixes: a row that is in no query's class needs no further look.
const CLASSES: usize = 1 << 16;

/// The query rows that occur in the pool bit for bit (after exact widening), as (query row, first pool row).
///
/// Ascending by query row. Reads the first columns of the pool, and the whole of the few rows that agree there.
/// Advances `watch` by pool rows.
///
/// # Errors
/// If `watch` asks to stop.
///
/// # Panics
/// If pool and queries have different dimensions.
pub fn overlap(pool: &dyn Rows, query: &dyn Rows, watch: &dyn Watch) -> Result<Vec<(usize, usize)>, Stopped> {
    let dim = query.dim();
    assert_eq!(pool.dim(), dim, "pool and queries of different dimension");
    watch.begin("overlap", pool.len() as u64);
    let width = dim.min(PREFIX);
    let (mut whole, mut prefixes) = (HashMap::<Vec<u64>, Vec<usize>>::new(), HashSet::<Vec<u64>>::new());
    let mut classes = vec![false; CLASSES];
    let mut row = vec![0.0; dim];
    for j in 0..query.len() {
        query.read_row(j, &mut row);
        let bits = bits(&row);
        classes[class(&bits[..width])] = true;
        prefixes.insert(bits[..width].to_vec());
        whole.entry(bits).or_default().push(j);
    }
    let hits: Vec<Vec<(usize, usize)>> = (0..pool.len().div_ceil(STEP))
        .into_par_iter()
        .map(|step| {
            let rows = step * STEP..((step + 1) * STEP).min(pool.len());
            let mut heads = vec![0.0; rows.len() * width];
            pool.read(rows.start, 0..width, &mut heads);
            watch.advance(rows.len() as u64)?;
            let mut hits = Vec::new();
            let (mut head_bits, mut row) = ([0; PREFIX], vec![0.0; dim]);
            for (i, head) in rows.zip(heads.chunks_exact(width)) {
                for (bits, x) in head_bits.iter_mut().zip(head) {
                    *bits = x.to_bits();
                }
                let head_bits = &head_bits[..width];
                if classes[class(head_bits)] && prefixes.contains(head_bits) {
                    pool.read_row(i, &mut row);
                    if let Some(queries) = whole.get(&bits(&row)) {
                        hits.extend(queries.iter().map(|&j| (j, i)));
                    }
                }
            }
            Ok(hits)
        })
        .collect::<Result<_, Stopped>>()?;
    let mut hits: Vec<(usize, usize)> = hits.into_iter().flatten().collect();
    hits.sort_unstable();
    hits.dedup_by_key(|hit| hit.0);
    Ok(hits)
}

/// A number below [`CLASSES`]: a quick hash.
fn class(bits: &[u64]) -> usize {
    let mixed = bits.iter().fold(0u64, |mixed, bits| mixed.rotate_left(5) ^ bits);
    (mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 48) as usize
}

fn bits(row: &[f64]) -> Vec<u64> {
    row.iter().map(|x| x.to_bits()).collect()
}
