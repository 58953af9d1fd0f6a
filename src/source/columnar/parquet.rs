//! Batches of a Parquet file, one row group after the other.

use std::fs::File;
use std::path::Path;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use parquet::errors::ParquetError;
use parquet::file::metadata::RowGroupMetaData;

use super::{UNPACKED, UNPACKED_REMEDY, Wanted, damaged, guarded, pages};
use crate::source::error::DataError;
use crate::source::file::open_filled;
use crate::source::memory::{Allowance, Claim};

/// Bytes of a batch, about.
const BATCH: u64 = 4 << 20;

/// Rows of a batch at most.
const ROWS: u64 = 1024;

/// Bytes that a byte of the description at a file's end takes while it is read, at most.
const PARSED: u64 = 32;

/// The row groups of a file.
pub(super) struct RowGroups<'a> {
    path: &'a Path,
    file: File,
    metadata: ArrowReaderMetadata,
    mask: ProjectionMask,
    next: usize,
    current: Option<ParquetRecordBatchReader>,
    /// Rows that were read, of all.
    read: u64,
    bytes: u64,
    claim: Claim<'a>,
}

impl<'a> RowGroups<'a> {
    pub(super) fn open(path: &'a Path, wanted: &Wanted<'_>, allowance: &'a Allowance) -> Result<Self, DataError> {
        let (file, identity) = open_filled(path)?;
        let claim = Claim::new(allowance, path);
        let mut described = Claim::new(allowance, path);
        described.add(
            PARSED * ending(&file, path, identity.bytes)?,
            "the description of its columns",
            UNPACKED_REMEDY,
        )?;
        let metadata = guarded(path, || {
            ArrowReaderMetadata::load(&file, ArrowReaderOptions::new()).map_err(|error| refused(path, error))
        })?;
        let places = wanted.places(metadata.schema());
        let mask = ProjectionMask::roots(metadata.parquet_schema(), places);
        Ok(Self { path, file, metadata, mask, next: 0, current: None, read: 0, bytes: identity.bytes, claim })
    }

    pub(super) fn schema(&self) -> &SchemaRef {
        self.metadata.schema()
    }

    pub(super) fn rows(&self) -> usize {
        usize::try_from(self.metadata.metadata().file_metadata().num_rows()).unwrap_or(0)
    }

    pub(super) fn bytes_read(&self) -> u64 {
        let rows = self.rows().max(1) as f64;
        ((self.read as f64 / rows).min(1.0) * self.bytes as f64) as u64
    }

    pub(super) fn next(&mut self) -> Result<Option<RecordBatch>, DataError> {
        loop {
            let path = self.path;
            if let Some(reader) = &mut self.current {
                let batch = guarded(path, || reader.next().transpose().map_err(|error| damaged(path, error)))?;
                if let Some(batch) = batch {
                    // Rows that name one long value of a dictionary take more than their share.
                    self.claim.raise_to(batch.get_array_memory_size() as u64, UNPACKED, UNPACKED_REMEDY)?;
                    self.read += batch.num_rows() as u64;
                    return Ok(Some(batch));
                }
                self.current = None;
                let rows: i64 =
                    self.metadata.metadata().row_groups()[..self.next].iter().map(RowGroupMetaData::num_rows).sum();
                if u64::try_from(rows) != Ok(self.read) {
                    let fault = format!("its first {} row groups have {} rows instead of {rows}", self.next, self.read);
                    return Err(damaged(path, fault));
                }
            }
            if self.next == self.metadata.metadata().num_row_groups() {
                return Ok(None);
            }
            let reader = self.group(self.next)?;
            (self.current, self.next) = (Some(reader), self.next + 1);
        }
    }

    /// The batches of a row group whose pages claim no more than they may.
    fn group(&mut self, at: usize) -> Result<ParquetRecordBatchReader, DataError> {
        let (path, file, metadata, mask) = (self.path, &self.file, &self.metadata, &self.mask);
        let group = metadata.metadata().row_group(at);
        let rows = u64::try_from(group.num_rows()).map_err(|_| damaged(path, "a row group has less than no rows"))?;
        let (pages, stored) = guarded(path, || {
            let (mut pages, mut stored) = (0u64, 0u64);
            for (leaf, chunk) in group.columns().iter().enumerate().filter(|(leaf, _)| mask.leaf_included(*leaf)) {
                let fault =
                    |fault| damaged(path, format!("column {leaf} (`{}`): {fault}", chunk.column_path().string()));
                pages = pages.saturating_add(pages::largest(file, chunk).map_err(fault)?);
                stored = stored.saturating_add(u64::try_from(chunk.uncompressed_size()).unwrap_or(0));
            }
            Ok((pages, stored))
        })?;
        // A row may take more than its share; what is larger by far is in one page.
        let share = (stored / rows.max(1)).max(1);
        let batch = (BATCH / share).clamp(1, ROWS);
        let needed = pages.saturating_mul(2).saturating_add(share.saturating_mul(batch));
        self.claim.raise_to(needed, UNPACKED, UNPACKED_REMEDY)?;
        guarded(path, || {
            let file = file.try_clone().map_err(DataError::io(path, "read it"))?;
            let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata.clone());
            let builder = builder.with_row_groups(vec![at]).with_projection(mask.clone());
            builder.with_batch_size(batch as usize).build().map_err(|error| refused(path, error))
        })
    }
}

/// Bytes of the description at the end of a file.
fn ending(mut file: &File, path: &Path, bytes: u64) -> Result<u64, DataError> {
    use std::io::{Read, Seek, SeekFrom};
    let mut end = [0; 8];
    let cut_off = || damaged(path, "it is cut off: it does not end as Parquet files do");
    if bytes < 12 {
        return Err(cut_off());
    }
    file.seek(SeekFrom::End(-8)).and_then(|_| file.read_exact(&mut end)).map_err(DataError::io(path, "read it"))?;
    let [a, b, c, d, magic @ ..] = end;
    let length = u64::from(u32::from_le_bytes([a, b, c, d]));
    match &magic {
        b"PAR1" if length <= bytes - 12 => Ok(length),
        b"PARE" => Err(DataError::malformed(path, "is encrypted", "write it without encryption")),
        _ => Err(cut_off()),
    }
}

fn refused(path: &Path, error: ParquetError) -> DataError {
    match error {
        ParquetError::External(cause) => match cause.downcast::<std::io::Error>() {
            Ok(cause) => DataError::Io { file: path.to_owned(), doing: "read it", cause: *cause },
            Err(cause) => damaged(path, cause),
        },
        error => damaged(path, error),
    }
}
