//! Query rows that are in the pool already: what is selected by them leaks the target set into training.
//!
//! A row need not be stored in the same type in both files, so rows are compared by value after rounding to the coarser
//! type of the two. What was rounded once may have been rounded twice, and of f16 and bf16 neither holds the other: so a
//! number of the finer type stands for all that may have been rounded to it, and two numbers agree if one of these rounds
//! to the number of the coarser type. Numbers of one type agree if they are equal.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use kantor_solvers::{Stopped, Watch};
use kantor_theory::{Element, Rows};
use rayon::prelude::*;

/// Columns by which almost every pool row is told from all queries.
const WIDTH: usize = 8;

/// Queries by which these columns are chosen.
const SAMPLE: usize = 1000;

/// Pool rows looked at by a thread at a time.
const STEP: usize = 1024;

/// Classes of keys: a row that is in no query's class needs no further look.
const CLASSES: usize = 1 << 16;

/// What numbers in these columns are like.
type Key = [u64; WIDTH];

/// The query rows that occur in the pool by value, after rounding to the coarser number type of the two, as (query row,
/// first pool row).
///
/// Ascending by query row. Reads a few columns of the pool, and the whole of the few rows that agree there. Advances
/// `watch` by pool rows.
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
    let queries = Queries::new(query);
    let tables: [OnceLock<Table>; Element::ALL.len()] = Default::default();
    let first: Vec<AtomicUsize> = queries.rows.iter().map(|_| AtomicUsize::new(usize::MAX)).collect();
    (0..pool.len().div_ceil(STEP)).into_par_iter().try_for_each(|step| {
        let rows = step * STEP..((step + 1) * STEP).min(pool.len());
        let width = queries.window.len();
        let mut heads = vec![0.0; rows.len() * width];
        pool.read(rows.start, queries.window.clone(), &mut heads);
        watch.advance(rows.len() as u64)?;
        let (mut row, mut candidates) = (vec![0.0; dim], Vec::new());
        for (i, head) in rows.zip(heads.chunks_exact(width)) {
            let pair = Pair { pool: pool.element_of(i), query: query.element() };
            let table = tables[pair.pool as usize].get_or_init(|| Table::new(&queries, pair));
            candidates.clear();
            pair.keys(pair.pool, head, &mut |key| candidates.extend_from_slice(table.queries_at(key)));
            candidates.retain(|&at| first[at].load(Ordering::Relaxed) > i);
            if !candidates.is_empty() {
                pool.read_row(i, &mut row);
                for &at in candidates.iter().filter(|&&at| pair.agree(&row, queries.row(at))) {
                    first[at].fetch_min(i, Ordering::Relaxed);
                }
            }
        }
        Ok(())
    })?;
    let found =
        |(j, &at): (usize, &usize)| Some((j, first[at].load(Ordering::Relaxed))).filter(|hit| hit.1 < pool.len());
    Ok(queries.of.iter().enumerate().filter_map(found).collect())
}

/// The queries, each set of numbers once.
struct Queries {
    dim: usize,
    values: Vec<f64>,
    /// A query that has these numbers.
    rows: Vec<usize>,
    /// For every query the place of its numbers.
    of: Vec<usize>,
    /// The columns in which they differ most.
    window: Range<usize>,
}

impl Queries {
    fn new(query: &dyn Rows) -> Self {
        let dim = query.dim();
        let (mut values, mut rows, mut of) = (Vec::new(), Vec::new(), Vec::with_capacity(query.len()));
        let (mut places, mut row) = (HashMap::<Vec<u64>, usize>::new(), vec![0.0; dim]);
        for j in 0..query.len() {
            query.read_row(j, &mut row);
            let next = rows.len();
            let place = *places.entry(row.iter().map(|&x| bits(x)).collect()).or_insert(next);
            if place == next {
                values.extend_from_slice(&row);
                rows.push(j);
            }
            of.push(place);
        }
        let mut queries = Self { dim, values, rows, of, window: 0..dim.min(WIDTH) };
        queries.window = queries.most_varied();
        queries
    }

    fn row(&self, at: usize) -> &[f64] {
        &self.values[at * self.dim..(at + 1) * self.dim]
    }

    /// The first columns if they tell all queries apart, else those that tell most apart.
    fn most_varied(&self) -> Range<usize> {
        let sample = self.rows.len().min(SAMPLE);
        let mut best = (0, self.window.clone());
        for start in (0..self.dim).step_by(WIDTH) {
            let window = start..(start + WIDTH).min(self.dim);
            let key = |at: usize| self.row(at)[window.clone()].iter().map(|&x| bits(x)).collect::<Vec<u64>>();
            let mut keys: Vec<Vec<u64>> = (0..sample).map(key).collect();
            keys.sort_unstable();
            keys.dedup();
            if keys.len() > best.0 {
                best = (keys.len(), window);
            }
            if best.0 == sample {
                break;
            }
        }
        best.1
    }
}

/// The types of a pool row and of the queries.
#[derive(Debug, Clone, Copy)]
struct Pair {
    pool: Element,
    query: Element,
}

impl Pair {
    fn coarser(self) -> Element {
        if self.pool.digits() <= self.query.digits() { self.pool } else { self.query }
    }

    /// The least and the largest number of the coarser type that a number of one of the types may stand for.
    fn ends(self, of: Element, x: f64) -> (f64, f64) {
        let coarser = self.coarser();
        if of == coarser {
            return (x, x);
        }
        let half = of.spacing(x) / 2.0;
        (coarser.round(x - half), coarser.round(x + half))
    }

    /// Whether two rows agree.
    fn agree(self, pool: &[f64], query: &[f64]) -> bool {
        pool.iter().zip(query).all(|(&x, &y)| {
            let ((x_least, x_most), (y_least, y_most)) = (self.ends(self.pool, x), self.ends(self.query, y));
            x_least <= y_most && y_least <= x_most
        })
    }

    /// Visits the keys that numbers of this type may have: rows that agree have one in common.
    fn keys(self, of: Element, numbers: &[f64], visit: &mut impl FnMut(&Key)) {
        // Below the normal numbers of f16, one of them may stand for many of bf16.
        let mixed = matches!((self.pool, self.query), (Element::F16, Element::BF16) | (Element::BF16, Element::F16));
        let key_of = |x: f64| if mixed && x.abs() < Element::F16_NORMAL { 0 } else { bits(x) };
        let (mut key, mut open, mut count) = ([0; WIDTH], [(0, 0, 0); WIDTH], 0);
        for (column, &x) in numbers.iter().enumerate() {
            let (least, most) = self.ends(of, x);
            let (least, most) = (key_of(least), key_of(most));
            key[column] = least;
            if most != least {
                open[count] = (column, least, most);
                count += 1;
            }
        }
        for mask in 0..1 << count {
            for (place, &(column, least, most)) in open[..count].iter().enumerate() {
                key[column] = if mask >> place & 1 == 1 { most } else { least };
            }
            visit(&key);
        }
    }
}

/// The queries by key, for pool rows of one type.
struct Table {
    queries: HashMap<Key, Vec<usize>>,
    classes: Vec<bool>,
}

impl Table {
    fn new(queries: &Queries, pair: Pair) -> Self {
        let mut table = Self { queries: HashMap::new(), classes: vec![false; CLASSES] };
        for at in 0..queries.rows.len() {
            pair.keys(pair.query, &queries.row(at)[queries.window.clone()], &mut |key| {
                table.classes[class(key)] = true;
                table.queries.entry(*key).or_default().push(at);
            });
        }
        table
    }

    fn queries_at(&self, key: &Key) -> &[usize] {
        if self.classes[class(key)] { self.queries.get(key).map_or(&[], Vec::as_slice) } else { &[] }
    }
}

/// A number below [`CLASSES`]: a quick hash.
fn class(key: &Key) -> usize {
    let mixed = key.iter().fold(0u64, |mixed, bits| mixed.rotate_left(5) ^ bits);
    (mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 48) as usize
}

/// Equal for equal numbers: both zeros have the same.
fn bits(x: f64) -> u64 {
    (x + 0.0).to_bits()
}
