//! Every row is looked at once before it is used.
//!
//! Limit: memory bandwidth. A sum of squares in `f64` per row tells whether anything can be wrong with it (NaN and
//! infinity survive the sum); only rows whose sum is suspicious are judged by the exact rule,
//! [`kantor_theory::geometry::row_fault`].

use std::ops::Range;

use kantor_solvers::{Stopped, Watch, simd};
use kantor_theory::cost::Family;
use kantor_theory::geometry::{SQUARED_NORM_RANGE, largest_entry, row_fault};
use kantor_theory::{Cost, Element, Rows};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::error::DataError;
use super::memory::reserve;
use super::open::Format;
use super::record::DroppedRow;
use super::representation::Representation;

/// Numbers read at a time: they stay in the second-level cache.
const BLOCK: usize = 32 << 10;

/// Lanes of the sum of squares: enough to hide the latency of an addition.
const LANES: usize = 32;

/// How many bad rows a message lists.
const LISTED: usize = 5;

/// Rows that may be dropped: each takes a line of the manifest.
const MOST_DROPPED: usize = 1_000_000;

/// What to do with rows that cannot be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnBadRow {
    /// Fail, naming them.
    #[default]
    Error,
    /// Skip and record them.
    Drop,
}

impl Representation {
    /// Checks every row against the needs of a cost family, and hides bad rows if asked to; returns those, ascending.
    ///
    /// After dropping, row numbers count kept rows only; [`Representation::original_row`] maps them back.
    /// Advances `watch` by rows.
    ///
    /// # Errors
    /// If a row is bad and `on_bad` is [`OnBadRow::Error`], if no row is left or a million are dropped, or if `watch` asks
    /// to stop.
    pub fn validate(
        &mut self,
        family: Family,
        on_bad: OnBadRow,
        watch: &dyn Watch,
    ) -> Result<Vec<DroppedRow>, DataError> {
        let rows = self.dropped(&faults(self, family, watch)?)?;
        if rows.is_empty() {
            return Ok(rows);
        }
        // Rows of a file that was cut or written anew meanwhile are not worth a word.
        self.check_content()?;
        if on_bad == OnBadRow::Error {
            return Err(self.bad_rows(&rows));
        }
        if rows.len() == self.len() {
            return Err(DataError::Empty { file: self.files()[0].path.clone(), fault: "every row is bad" });
        }
        if rows.len() > MOST_DROPPED {
            let fault = format!(
                "{} rows cannot be measured, which are more than the {MOST_DROPPED} that may be dropped",
                rows.len()
            );
            return Err(DataError::malformed(&self.files()[0].path, fault, "write the file again without them"));
        }
        self.hide(&rows)?;
        Ok(rows)
    }

    /// Checks these rows alone, for callers who have looked at all others.
    ///
    /// # Errors
    /// If one of them is bad.
    pub fn validate_rows(&self, family: Family, rows: &[usize]) -> Result<(), DataError> {
        let mut numbers = vec![0.0; self.dim()];
        let mut bad = Vec::new();
        for &row in rows {
            self.read_row(row, &mut numbers);
            bad.extend(row_fault(family, &numbers).map(|fault| (row, fault)));
        }
        if bad.is_empty() {
            return Ok(());
        }
        self.check_content()?;
        Err(self.bad_rows(&self.dropped(&[bad])?))
    }

    /// What is said of these rows, in whatever parts they were found.
    fn dropped(&self, faults: &[Vec<(usize, &'static str)>]) -> Result<Vec<DroppedRow>, DataError> {
        let mut dropped = Vec::new();
        let count = faults.iter().map(Vec::len).sum();
        reserve(&mut dropped, count, &self.files()[0].path, "the list of bad rows")?;
        let of =
            |&(row, fault): &(usize, &'static str)| DroppedRow { row: self.original_row(row), fault: fault.into() };
        dropped.extend(faults.iter().flatten().map(of));
        Ok(dropped)
    }

    /// Checks that every entry of a matrix is a similarity, or a cost if `cost` says so
    /// ([`entry_fault`](kantor_theory::geometry::entry_fault)). Advances `watch` by rows.
    ///
    /// # Errors
    /// If an entry is none, naming its query row and pool column, or if `watch` asks to stop.
    pub fn validate_matrix(&self, cost: Cost, watch: &dyn Watch) -> Result<(), DataError> {
        watch.begin("check", self.len() as u64);
        let most = largest_entry(cost, self.element());
        let bad = |x: &f64| x.abs() > most || x.is_nan();
        let tiles = self.dim().div_ceil(BLOCK);
        let found = (0..self.len() * tiles)
            .into_par_iter()
            .map_init(
                || vec![0.0; BLOCK.min(self.dim())],
                |buffer, index| {
                    let (row, tile) = (index / tiles, index % tiles);
                    let columns = tile * BLOCK..((tile + 1) * BLOCK).min(self.dim());
                    let values = &mut buffer[..columns.len()];
                    self.read(row, columns.clone(), values);
                    watch.advance(u64::from(tile == 0))?;
                    let count = values.iter().map(|x| u64::from(bad(x))).sum();
                    if count == 0 {
                        return Ok((0, None));
                    }
                    let first = values.iter().position(bad);
                    Ok((count, first.map(|column| (row, columns.start + column, values[column]))))
                },
            )
            .try_reduce(|| (0, None), |a, b| Ok((a.0 + b.0, earlier(a.1, b.1))))
            .map_err(|stopped: Stopped| stopped)?;
        match found {
            (count, Some((row, pool, value))) => {
                let (file, query) = self.locate(self.original_row(row));
                Err(DataError::BadEntry { file: file.path.clone(), query, pool, value, count, cost })
            }
            _ => Ok(()),
        }
    }

    fn bad_rows(&self, rows: &[DroppedRow]) -> DataError {
        let first = &rows[0];
        let mut values = vec![0.0; self.dim()];
        // The first bad row is not hidden, so its number among the kept rows is found by search.
        let kept = partition(self.len(), |kept| self.original_row(kept) < first.row);
        self.read_row(kept, &mut values);
        let (file, row) = self.locate(first.row);
        let of = match (file.format, &file.tensor) {
            (Format::Parquet | Format::Arrow, Some(name)) => format!(" of `{name}`"),
            _ => String::new(),
        };
        let detail = values.iter().position(|x| !x.is_finite());
        let detail = detail.map(|column| format!(" ({} in column {column}{of})", values[column])).unwrap_or_default();
        let mut listed: Vec<String> = rows.iter().take(LISTED).map(|row| row.row.to_string()).collect();
        if rows.len() > LISTED {
            listed.push("…".into());
        }
        DataError::BadRows {
            file: file.path.clone(),
            row,
            fault: first.fault.clone(),
            detail,
            count: rows.len(),
            listed: listed.join(", "),
            can_be_dropped: true,
        }
    }
}

type Entry = (usize, usize, f64);

fn earlier(a: Option<Entry>, b: Option<Entry>) -> Option<Entry> {
    match (a, b) {
        (Some(a), Some(b)) => Some(if (a.0, a.1) <= (b.0, b.1) { a } else { b }),
        (a, b) => a.or(b),
    }
}

/// The first number in 0..len for which `before` is false, if all true ones come first.
fn partition(len: usize, before: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (0, len);
    while low < high {
        let middle = low.midpoint(high);
        if before(middle) { low = middle + 1 } else { high = middle }
    }
    low
}

/// The bad rows under a family by block, ascending, with what is wrong.
pub(crate) fn faults(
    rows: &dyn Rows,
    family: Family,
    watch: &dyn Watch,
) -> Result<Vec<Vec<(usize, &'static str)>>, Stopped> {
    watch.begin("check", rows.len() as u64);
    by_block(rows, watch, |block| {
        let mut bad = Vec::new();
        let mut row = Vec::new();
        for (offset, squared) in block.squared_norms().iter().enumerate() {
            // The canonical sum differs from this one by roundings only: a factor of ten covers them.
            let clean = (10.0 * SQUARED_NORM_RANGE.0..=0.1 * SQUARED_NORM_RANGE.1).contains(squared);
            if !clean {
                row.resize(rows.dim(), 0.0);
                rows.read_row(block.rows.start + offset, &mut row);
                bad.extend(row_fault(family, &row).map(|fault| (block.rows.start + offset, fault)));
            }
        }
        bad
    })
}

/// Some consecutive rows, in the narrowest type that holds them exactly.
pub(crate) struct Block<'a> {
    pub(crate) rows: Range<usize>,
    pub(crate) values: Values<'a>,
    dim: usize,
}

/// Numbers of a block, row-major.
pub(crate) enum Values<'a> {
    F32(&'a [f32]),
    F64(&'a [f64]),
}

impl Block<'_> {
    /// ‖row‖² of each row, in `f64`.
    pub(crate) fn squared_norms(&self) -> Vec<f64> {
        let mut out = vec![0.0; self.rows.len()];
        match self.values {
            Values::F32(values) => squared_norms(self.dim, values, &mut out),
            Values::F64(values) => squared_norms(self.dim, values, &mut out),
        }
        out
    }
}

/// Applies `f` to all rows in blocks, in parallel; results in order, whatever the threads. Advances by rows.
pub(crate) fn by_block<T: Send>(
    rows: &dyn Rows,
    watch: &dyn Watch,
    f: impl Fn(Block<'_>) -> T + Sync,
) -> Result<Vec<T>, Stopped> {
    let dim = rows.dim();
    let step = (BLOCK / dim).clamp(1, 4096).min(rows.len().max(1));
    (0..rows.len().div_ceil(step))
        .into_par_iter()
        .map_init(
            || (Vec::new(), Vec::new()),
            |(narrow, wide): &mut (Vec<f32>, Vec<f64>), index| {
                let range = index * step..((index + 1) * step).min(rows.len());
                let values = if rows.element() == Element::F64 {
                    wide.resize(range.len() * dim, 0.0);
                    rows.read(range.start, 0..dim, wide);
                    Values::F64(wide)
                } else {
                    narrow.resize(range.len() * dim, 0.0);
                    rows.read_f32(range.start, narrow);
                    Values::F32(narrow)
                };
                watch.advance(range.len() as u64)?;
                Ok(f(Block { rows: range, values, dim }))
            },
        )
        .collect()
}

fn squared_norms<T: Copy + Into<f64>>(dim: usize, values: &[T], out: &mut [f64]) {
    simd::wide(
        #[inline(always)]
        || {
            for (row, out) in values.chunks_exact(dim).zip(out.iter_mut()) {
                let mut lanes = [0.0f64; LANES];
                let (whole, rest) = row.as_chunks::<LANES>();
                for chunk in whole {
                    for (lane, &x) in lanes.iter_mut().zip(chunk) {
                        let x: f64 = x.into();
                        *lane += x * x;
                    }
                }
                for (lane, &x) in lanes.iter_mut().zip(rest) {
                    let x: f64 = x.into();
                    *lane += x * x;
                }
                *out = lanes.iter().sum();
            }
        },
    );
}
