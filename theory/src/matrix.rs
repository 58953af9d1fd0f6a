//! A given M×N matrix, looked at once, and how its entries are read from then on.
//!
//! Cosines that rounding left slightly outside [−1, 1] are read as ±1, so that selectors, bounds and checker see one
//! number: the cost 1 − cos is never negative, and two of them tie.
//!
//! Limit: memory bandwidth; every entry is read once and compared with two numbers.

use std::ops::Range;

use crate::cost::{Cost, Family};
use crate::fault::{GeometryError, LARGEST_SQUARED_COST, entry_fault, largest_entry};
use crate::rows::{Element, Rows};

/// Entries looked at together: they stay in the second-level cache.
const TILE: usize = 16 << 10;

/// Lines of the matrix that are transposed at a time.
const LINES: usize = 8;

/// An entry with its place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Entry {
    /// Its row.
    pub query: usize,
    /// Its column.
    pub pool: usize,
    /// The number.
    pub value: f64,
}

/// A matrix all of whose entries are similarities or costs.
pub(crate) struct Matrix<'a> {
    entries: &'a dyn Rows,
    /// Whether entries are costs.
    given: bool,
    /// Whether entries must be brought into [−1, 1] when they are read.
    clamped: bool,
    /// The first cost that is negative, in the order of the matrix.
    negative: Option<Entry>,
    /// The first cost that cannot be squared.
    large: Option<Entry>,
}

impl<'a> Matrix<'a> {
    /// Looks at every entry.
    ///
    /// # Errors
    /// Names the first entry that is none ([`entry_fault`]).
    pub(crate) fn new(entries: &'a dyn Rows, cost: Cost) -> Result<Self, GeometryError> {
        let given = cost.family() == Family::Given;
        let mut matrix = Self { entries, given, clamped: false, negative: None, large: None };
        let most = largest_entry(cost, entries.element());
        let mut buffer = vec![0.0; TILE.min(entries.dim())];
        for query in 0..entries.len() {
            for first in (0..entries.dim()).step_by(TILE) {
                let columns = first..(first + TILE).min(entries.dim());
                let tile = &mut buffer[..columns.len()];
                entries.read(query, columns, tile);
                let entry = |(at, &value): (usize, &f64)| Entry { query, pool: first + at, value };
                // Written so that NaN is no good.
                let good = tile.iter().fold(true, |good, x| good & (x.abs() <= most));
                if !good {
                    let fault = |entry: &Entry| entry_fault(cost, entries.element(), entry.value);
                    let bad = tile.iter().enumerate().map(entry).find_map(|entry| Some((entry, fault(&entry)?)));
                    if let Some((Entry { query, pool, value }, fault)) = bad {
                        return Err(GeometryError::BadEntry { query, pool, value, fault });
                    }
                }
                if given && matrix.negative.is_none() {
                    matrix.negative = tile.iter().enumerate().map(entry).find(|entry| entry.value < 0.0);
                }
                if given && matrix.large.is_none() {
                    matrix.large = tile.iter().enumerate().map(entry).find(|entry| entry.value > LARGEST_SQUARED_COST);
                }
                matrix.clamped |= !given && tile.iter().fold(false, |beyond, x| beyond | (x.abs() > 1.0));
            }
        }
        Ok(matrix)
    }

    /// The first cost that is negative.
    pub(crate) fn negative(&self) -> Option<Entry> {
        self.negative
    }

    /// The first cost that cannot be squared.
    pub(crate) fn large(&self) -> Option<Entry> {
        self.large
    }

    /// Closeness of pool rows `rows` to some queries, into `out` (rows×queries, row-major).
    pub(crate) fn closeness_block(&self, rows: Range<usize>, queries: Range<usize>, out: &mut [f64]) {
        let sign = if self.given { -1.0 } else { 1.0 };
        let m = queries.len();
        let count = rows.len();
        // Some lines of the matrix at a time, so that whole cache lines of `out` are written.
        let mut lines = vec![0.0; LINES * count];
        for first in (0..m).step_by(LINES) {
            let width = LINES.min(m - first);
            for (offset, line) in lines.chunks_exact_mut(count).take(width).enumerate() {
                self.read(queries.start + first + offset, rows.clone(), line);
            }
            for (i, target) in out.chunks_exact_mut(m).enumerate() {
                for (offset, to) in target[first..first + width].iter_mut().enumerate() {
                    *to = sign * lines[offset * count + i];
                }
            }
        }
    }
}

impl Rows for Matrix<'_> {
    fn len(&self) -> usize {
        self.entries.len()
    }

    fn dim(&self) -> usize {
        self.entries.dim()
    }

    fn element(&self) -> Element {
        self.entries.element()
    }

    fn read(&self, first: usize, columns: Range<usize>, out: &mut [f64]) {
        self.entries.read(first, columns, out);
        if self.clamped {
            out.iter_mut().for_each(|x| *x = x.clamp(-1.0, 1.0));
        }
    }

    fn read_f32(&self, first: usize, out: &mut [f32]) {
        self.entries.read_f32(first, out);
        if self.clamped {
            out.iter_mut().for_each(|x| *x = x.clamp(-1.0, 1.0));
        }
    }

    fn borrow(&self, row: usize, columns: Range<usize>) -> Option<&[f64]> {
        if self.clamped { None } else { self.entries.borrow(row, columns) }
    }
}
