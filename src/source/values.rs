//! Digests of rows by value. Numbers are digested in their stored type, row by row, the least significant byte first. So
//! the digest depends on neither the format nor the memory order nor the byte order of the file.
//!
//! Limit: the speed of BLAKE3 for tables that are stored in that order; others pass through a buffer.

use std::ops::Range;

use bytemuck::Pod;
use kantor_solvers::Watch;
use sha2::{Digest, Sha256};

use super::error::DataError;
use super::file::hexadecimal;
use super::number::{Stored, Target};
use super::representation::Representation;
use super::shard::{Bytes, Shard};

/// Most bytes that are passed on at a time.
const STEP: usize = 1 << 20;

/// Takes the next bytes of the values.
type Take<'a> = dyn FnMut(&[u8]) -> Result<(), DataError> + 'a;

/// The digests of a file and of the rows in it, in hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileDigests {
    /// SHA-256 of the whole file.
    pub sha256: String,
    /// BLAKE3 of the values of its table.
    pub blake3: String,
}

impl Shard {
    /// Digests the file and the values of its table: in one pass if the file stores the values in the order in which they are
    /// digested, else in two. Advances `watch` by the bytes of the file.
    pub(crate) fn digests(&self, watch: &dyn Watch) -> Result<FileDigests, DataError> {
        if !(matches!(self.bytes, Bytes::Mapped) && self.is_plain()) {
            let sha256 = self.source.digest(watch)?;
            return Ok(FileDigests { sha256, blake3: self.value_digest(watch)? });
        }
        let (mut file, mut values) = (Sha256::new(), blake3::Hasher::new());
        let mut at = 0;
        self.source.each_step(watch, &mut |bytes| {
            file.update(bytes);
            let within = |place: usize| place.clamp(at, at + bytes.len()) - at;
            values.update(&bytes[within(self.span.start)..within(self.span.end)]);
            at += bytes.len();
        })?;
        Ok(FileDigests { sha256: hexadecimal(file), blake3: values.finalize().to_string() })
    }

    /// BLAKE3 of the values of the whole table, in hexadecimal.
    pub(crate) fn value_digest(&self, watch: &dyn Watch) -> Result<String, DataError> {
        let mut values = blake3::Hasher::new();
        self.values(0..self.layout.rows, &mut |bytes| {
            values.update(bytes);
            Ok(watch.advance(0)?)
        })?;
        self.source.check_whole()?;
        Ok(values.finalize().to_string())
    }

    /// Passes the values of some rows on to `take`, in the order in which they are digested.
    fn values(&self, rows: Range<usize>, take: &mut Take<'_>) -> Result<(), DataError> {
        let size = self.layout.number.size();
        let row = self.layout.dim * size;
        if self.is_plain() {
            return self.data()[rows.start * row..rows.end * row].chunks(STEP).try_for_each(take);
        }
        match size {
            1 => self.words::<u8>(rows, take),
            2 => self.words::<u16>(rows, take),
            4 => self.words::<u32>(rows, take),
            _ => self.words::<u64>(rows, take),
        }
    }

    /// As [`Shard::values`], for a table that is stored in another order: through a buffer of words as large as its numbers.
    fn words<W: Target + Pod>(&self, rows: Range<usize>, take: &mut Take<'_>) -> Result<(), DataError> {
        let most = STEP / size_of::<W>();
        // The buffer has room for several whole rows, or for some columns of one.
        let columns = self.layout.dim.min(most);
        let lines = (most / self.layout.dim).max(1);
        let mut buffer = vec![W::default(); columns * lines.min(rows.len())];
        for first in rows.clone().step_by(lines) {
            for from in (0..self.layout.dim).step_by(columns) {
                let columns = from..(from + columns).min(self.layout.dim);
                let words = &mut buffer[..columns.len() * lines.min(rows.end - first)];
                self.read(first, columns, words);
                let bytes = bytemuck::cast_slice_mut::<W, u8>(words);
                if cfg!(target_endian = "big") {
                    bytes.chunks_exact_mut(size_of::<W>()).for_each(<[u8]>::reverse);
                }
                take(bytes)?;
            }
        }
        Ok(())
    }
}

impl Representation {
    /// Bytes of all values, as they are digested.
    pub(crate) fn value_bytes(&self) -> u64 {
        self.parts(0..self.original_len()).map(|(shard, _)| shard.layout.value_bytes()).sum()
    }

    /// Number type and digest of the values of some rows, numbered with the dropped ones; works on all worker threads. The
    /// type is empty if the rows are not all of one type. Advances `watch` by the bytes of the values.
    ///
    /// # Errors
    /// If a file was cut meanwhile, or `watch` asks to stop.
    pub(crate) fn values_of(&self, rows: Range<usize>, watch: &dyn Watch) -> Result<(String, String), DataError> {
        let mut values = blake3::Hasher::new();
        let mut dtype = None;
        for (shard, rows) in self.parts(rows) {
            let name = shard.layout.number.name();
            dtype = Some(if dtype.is_none_or(|dtype| dtype == name) { name } else { "" });
            shard.values(rows, &mut |bytes| {
                values.update_rayon(bytes);
                Ok(watch.advance(bytes.len() as u64)?)
            })?;
            shard.source.check_whole()?;
        }
        Ok((dtype.unwrap_or_default().to_owned(), values.finalize().to_string()))
    }
}

macro_rules! words_as_stored {
    ($($type:ty)*) => {
        $(impl Target for $type {
            /// Copies the bits of numbers of this size.
            fn convert<T: Stored>(from: &[T], to: &mut [Self]) {
                bytemuck::cast_slice_mut::<Self, u8>(to).copy_from_slice(bytemuck::cast_slice(from));
            }
        })*
    };
}

words_as_stored!(u8 u16 u32 u64);
