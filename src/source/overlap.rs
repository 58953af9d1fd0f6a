//! Query rows that are in the pool already: what is selected by them leaks the target set into training.
//!
//! A row need not be stored in the same type in both files, so rows are compared by value after rounding to the coarser
//! type of the two. What was rounded once may have been rounded twice, and of f16 and bf16 neither holds the other: so a
//! number of the finer type stands for all that may have been rounded to it, and two numbers agree if one of these rounds
//! to the number of the coarser type. Numbers of one type agree if they are equal.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hasher};
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
        let (mut row, mut other, mut candidates) = (vec![0.0; dim], vec![0.0; dim], Vec::new());
        for (i, head) in rows.zip(heads.chunks_exact(width)) {
            let of_pool = pool.element_of(i);
            let table =
                tables[of_pool as usize].get_or_init(|| Table::new(&queries, Pair::new(of_pool, query.element())));
            let pair = table.pair;
            candidates.clear();
            pair.keys(pair.pool, head, &mut |key| candidates.extend_from_slice(table.queries_at(key)));
            candidates.retain(|&at| first[at].load(Ordering::Relaxed) > i);
            if !candidates.is_empty() {
                pool.read_row(i, &mut row);
                for &at in &candidates {
                    queries.read(at, 0..dim, &mut other);
                    if pair.agree(&row, &other) {
                        first[at].fetch_min(i, Ordering::Relaxed);
                    }
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
struct Queries<'a> {
    query: &'a dyn Rows,
    /// A query that has these numbers.
    rows: Vec<usize>,
    /// For every query the place of its numbers.
    of: Vec<usize>,
    /// The columns in which they differ most.
    window: Range<usize>,
}

impl<'a> Queries<'a> {
    fn new(query: &'a dyn Rows) -> Self {
        let (mut row, mut other) = (vec![0.0; query.dim()], vec![0.0; query.dim()]);
        let (mut rows, mut of) = (Vec::<usize>::new(), Vec::with_capacity(query.len()));
        let mut places: HashMap<u64, Vec<usize>> = HashMap::new();
        for j in 0..query.len() {
            query.read_row(j, &mut row);
            let mut hasher = DefaultHasher::new();
            row.iter().for_each(|&x| hasher.write_u64(bits(x)));
            let like = places.entry(hasher.finish()).or_default();
            let same = like.iter().copied().find(|&at| {
                query.read_row(rows[at], &mut other);
                row.iter().zip(&other).all(|(&x, &y)| bits(x) == bits(y))
            });
            of.push(same.unwrap_or_else(|| {
                like.push(rows.len());
                rows.push(j);
                rows.len() - 1
            }));
        }
        let mut queries = Self { query, rows, of, window: 0..query.dim().min(WIDTH) };
        queries.window = queries.most_varied();
        queries
    }

    /// Writes some columns of the numbers at this place.
    fn read(&self, at: usize, columns: Range<usize>, out: &mut [f64]) {
        self.query.read(self.rows[at], columns, out);
    }

    /// The first columns if they tell all queries apart, else those that tell most apart.
    fn most_varied(&self) -> Range<usize> {
        let sample = self.rows.len().min(SAMPLE);
        let mut best = (0, self.window.clone());
        for start in (0..self.query.dim()).step_by(WIDTH) {
            let window = start..(start + WIDTH).min(self.query.dim());
            let key = |at: usize| {
                let mut numbers = [0.0; WIDTH];
                self.read(at, window.clone(), &mut numbers[..window.len()]);
                numbers.map(bits)
            };
            let mut keys: Vec<Key> = (0..sample).map(key).collect();
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
    coarser: Element,
    /// Below this, a number of one type may stand for many of the other.
    small: f64,
}

impl Pair {
    fn new(pool: Element, query: Element) -> Self {
        let coarser = if pool.digits() <= query.digits() { pool } else { query };
        // Of f16 and bf16, one has fewer digits and the other fewer exponents.
        let halves = matches!((pool, query), (Element::F16, Element::BF16) | (Element::BF16, Element::F16));
        Self { pool, query, coarser, small: if halves { Element::F16_NORMAL } else { 0.0 } }
    }

    /// The least and the largest number of the coarser type that a number of one of the types may stand for.
    fn ends(self, of: Element, x: f64) -> (f64, f64) {
        if of == self.coarser {
            return (x, x);
        }
        let half = of.spacing(x) / 2.0;
        (self.coarser.round(x - half), self.coarser.round(x + half))
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
        let key_of = |x: f64| if x.abs() < self.small { 0 } else { bits(x) };
        let mut key = [0; WIDTH];
        if of == self.coarser {
            key.iter_mut().zip(numbers).for_each(|(key, &x)| *key = key_of(x));
            return visit(&key);
        }
        let (mut open, mut count) = ([(0, 0, 0); WIDTH], 0);
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
    pair: Pair,
    queries: HashMap<Key, Vec<usize>>,
    classes: Vec<bool>,
}

impl Table {
    fn new(queries: &Queries<'_>, pair: Pair) -> Self {
        let mut table = Self { pair, queries: HashMap::new(), classes: vec![false; CLASSES] };
        let mut numbers = vec![0.0; queries.window.len()];
        for at in 0..queries.rows.len() {
            queries.read(at, queries.window.clone(), &mut numbers);
            pair.keys(pair.query, &numbers, &mut |key| {
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
