//! One table inside a file: where its numbers lie and how to get them out.
//!
//! Limit: memory bandwidth for aligned row-major tables. Misaligned or byte-swapped numbers pass through a small
//! buffer; column-major tables are transposed in tiles that stay in the first-level cache.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use half::{bf16, f16};
use rayon::prelude::*;

use super::error::DataError;
use super::file::Source;
use super::number::{Number, Stored, Target};
use super::sparse::Pattern;

/// Numbers that pass through the buffer of the slow path at a time.
const BUFFER: usize = 256;

/// Rows of a tile when columns are gathered: long enough runs for the hardware to fetch ahead.
const TILE_ROWS: usize = 512;

/// Columns of a tile: a cache line of output.
const TILE_COLUMNS: usize = 16;

/// Distance of columns in the tile, not a power of two lest they share a few cache sets.
const PITCH: usize = TILE_ROWS + 8;

/// Integers that are looked at together.
const LOOKED_AT: usize = 1 << 16;

/// Integers up to here have an exact `f64`.
const EXACT: u64 = 1 << 53;

/// Where the numbers of a table lie among those that are stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Order {
    RowMajor,
    ColumnMajor,
    /// So many numbers from a row to the next, and from a column to the next: a view of a larger table.
    Strided {
        row: usize,
        column: usize,
    },
    /// Only those are stored that are not zero.
    Sparse(Arc<Pattern>),
}

/// What a header says about a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) rows: usize,
    pub(crate) dim: usize,
    pub(crate) number: Number,
    pub(crate) big_endian: bool,
    pub(crate) order: Order,
}

impl Order {
    /// Numbers from a row to the next and from a column to the next, of a table of this shape that is not sparse.
    pub(crate) fn strides(&self, rows: usize, dim: usize) -> (usize, usize) {
        match self {
            Order::RowMajor | Order::Sparse(_) => (dim, 1),
            Order::ColumnMajor => (1, rows),
            Order::Strided { row, column } => (*row, *column),
        }
    }
}

impl Layout {
    /// Numbers that are stored, from the first to the last.
    pub(crate) fn stored(&self) -> usize {
        match &self.order {
            Order::RowMajor | Order::ColumnMajor => self.rows * self.dim,
            Order::Strided { row, column } => (self.rows - 1) * row + (self.dim - 1) * column + 1,
            Order::Sparse(pattern) => pattern.stored(),
        }
    }

    /// Bytes of all values.
    pub(crate) fn value_bytes(&self) -> u64 {
        self.rows as u64 * self.dim as u64 * self.number.size() as u64
    }
}

/// Where the bytes are.
pub(crate) enum Bytes {
    Mapped,
    /// Unpacked, or made of text; files of one set of text share it.
    Memory(Arc<Vec<u8>>),
}

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Bytes::Mapped => f.write_str("Mapped"),
            Bytes::Memory(bytes) => write!(f, "Memory({} bytes)", bytes.len()),
        }
    }
}

/// A table of a file.
#[derive(Debug)]
pub(crate) struct Shard {
    pub(crate) source: Arc<Source>,
    /// Its name, where a file may hold several.
    pub(crate) tensor: Option<String>,
    pub(crate) bytes: Bytes,
    pub(crate) span: Range<usize>,
    pub(crate) layout: Layout,
}

impl Shard {
    /// The bytes held in memory beside the mapped file.
    pub(crate) fn held(&self) -> Option<&Arc<Vec<u8>>> {
        match &self.bytes {
            Bytes::Mapped => None,
            Bytes::Memory(bytes) => Some(bytes),
        }
    }

    /// Whether the numbers lie row by row, the least significant byte first.
    pub(crate) fn is_plain(&self) -> bool {
        self.layout.order == Order::RowMajor && (!self.layout.big_endian || self.layout.number.size() == 1)
    }

    pub(crate) fn data(&self) -> &[u8] {
        let bytes = match &self.bytes {
            Bytes::Mapped => self.source.bytes(),
            Bytes::Memory(bytes) => bytes,
        };
        &bytes[self.span.clone()]
    }

    /// Writes `columns` of rows `first..` into `out`, row-major.
    pub(crate) fn read<O: Target>(&self, first: usize, columns: Range<usize>, out: &mut [O]) {
        let (width, dim) = (columns.len(), self.layout.dim);
        if width == 0 {
            return;
        }
        let rows = out.len() / width;
        assert!(columns.end <= dim && first + rows <= self.layout.rows, "read outside the table");
        let (row, column) = self.layout.order.strides(self.layout.rows, dim);
        match &self.layout.order {
            Order::RowMajor if width == dim => return self.run(first * dim, out),
            Order::Sparse(pattern) => return self.scatter(pattern, first, columns, out),
            _ => {}
        }
        if column == 1 {
            for (offset, target) in out.chunks_exact_mut(width).enumerate() {
                self.run((first + offset) * row + columns.start, target);
            }
        } else if row == 1 {
            for (tile, target) in out.chunks_mut(TILE_ROWS * width).enumerate() {
                for from in columns.clone().step_by(TILE_COLUMNS) {
                    let columns_here = from..(from + TILE_COLUMNS).min(columns.end);
                    let start = first + tile * TILE_ROWS + from * column;
                    self.gather(start, column, columns_here.len(), (width, from - columns.start), target);
                }
            }
        } else {
            for (offset, target) in out.chunks_exact_mut(width).enumerate() {
                for (number, at) in target.iter_mut().zip(columns.clone()) {
                    self.run((first + offset) * row + at * column, std::slice::from_mut(number));
                }
            }
        }
    }

    /// Transposes a tile of `count` columns, which are `apart` numbers from each other, into columns `to..` of `out`, whose rows are
    /// `width` long.
    fn gather<O: Target>(&self, start: usize, apart: usize, count: usize, (width, to): (usize, usize), out: &mut [O]) {
        let mut tile = [O::default(); PITCH * TILE_COLUMNS];
        let rows = out.len() / width;
        for (column, line) in (0..count).zip(tile.chunks_exact_mut(PITCH)) {
            self.run(start + column * apart, &mut line[..rows]);
        }
        for (row, target) in out.chunks_exact_mut(width).enumerate() {
            for (offset, t) in target[to..to + count].iter_mut().enumerate() {
                *t = tile[offset * PITCH + row];
            }
        }
    }

    /// Writes rows of which only some numbers are stored.
    fn scatter<O: Target>(&self, pattern: &Pattern, first: usize, columns: Range<usize>, out: &mut [O]) {
        let mut buffer = [O::default(); BUFFER];
        for (offset, target) in out.chunks_exact_mut(columns.len()).enumerate() {
            target.fill(O::default());
            let (start, places) = pattern.row(first + offset, &columns);
            for (chunk, places) in places.chunks(BUFFER).enumerate() {
                let numbers = &mut buffer[..places.len()];
                self.run(start + chunk * BUFFER, numbers);
                for (&place, &mut number) in places.iter().zip(numbers) {
                    target[place as usize - columns.start] = number;
                }
            }
        }
    }

    /// Writes the numbers that lie from position `start` on, in stored order.
    fn run<O: Target>(&self, start: usize, out: &mut [O]) {
        match self.layout.number {
            Number::F16 => self.run_as::<f16, O>(start, out),
            Number::Bf16 => self.run_as::<bf16, O>(start, out),
            Number::F32 => self.run_as::<f32, O>(start, out),
            Number::F64 => self.run_as::<f64, O>(start, out),
            Number::I8 => self.run_as::<i8, O>(start, out),
            Number::I16 => self.run_as::<i16, O>(start, out),
            Number::I32 => self.run_as::<i32, O>(start, out),
            Number::I64 => self.run_as::<i64, O>(start, out),
            Number::U8 => self.run_as::<u8, O>(start, out),
            Number::U16 => self.run_as::<u16, O>(start, out),
            Number::U32 => self.run_as::<u32, O>(start, out),
            Number::U64 => self.run_as::<u64, O>(start, out),
        }
    }

    fn run_as<T: Stored, O: Target>(&self, start: usize, out: &mut [O]) {
        let size = size_of::<T>();
        let bytes = &self.data()[start * size..(start + out.len()) * size];
        let swap = self.layout.big_endian != cfg!(target_endian = "big");
        match bytemuck::try_cast_slice::<u8, T>(bytes) {
            Ok(aligned) if !swap => O::convert(aligned, out),
            _ => {
                let mut buffer = [T::zeroed(); BUFFER];
                for (bytes, out) in bytes.chunks(BUFFER * size).zip(out.chunks_mut(BUFFER)) {
                    let buffer = &mut buffer[..out.len()];
                    bytemuck::cast_slice_mut::<T, u8>(buffer).copy_from_slice(bytes);
                    if swap {
                        buffer.iter_mut().for_each(|x| *x = x.swapped());
                    }
                    O::convert(buffer, out);
                }
            }
        }
    }

    /// Fails at the first integer that no `f64` equals.
    pub(crate) fn check_exact(&self) -> Result<(), DataError> {
        let Layout { rows, dim, number, .. } = self.layout;
        if !matches!(number, Number::I64 | Number::U64) {
            return Ok(());
        }
        let value = |word: u64| if number == Number::I64 { i128::from(word as i64) } else { i128::from(word) };
        let lines = (LOOKED_AT / dim).max(1);
        let inexact = |block: usize| {
            let first = block * lines;
            let mut words = vec![0u64; lines.min(rows - first) * dim];
            self.read(first, 0..dim, &mut words);
            let at = words.iter().position(|&word| value(word).unsigned_abs() > u128::from(EXACT))?;
            Some((first + at / dim, at % dim, value(words[at])))
        };
        match (0..rows.div_ceil(lines)).into_par_iter().find_map_first(inexact) {
            None => Ok(()),
            Some((row, column, value)) => {
                let (file, value) = (self.source.path.clone(), value.to_string());
                Err(DataError::Inexact { file, row, column, value })
            }
        }
    }
}
