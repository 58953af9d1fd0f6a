//! Chosen rows of files of columns, with their columns and types, and how they are written again.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, Float64Array, Int64Array, RecordBatch, UInt64Array};
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef};
use arrow_select::concat::concat_batches;
use arrow_select::take::take_record_batch;
use kantor_solvers::Watch;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use super::{Batches, Wanted, damaged, guarded};
use crate::source::error::DataError;
use crate::source::jsonl::JsonlRows;
use crate::source::memory::{Allowance, Claim};
use crate::source::text::{RANK, WEIGHT};

const WHAT: &str = "the chosen rows";
const REMEDY: &str = "allow more with --max-memory, or choose fewer rows at a time";

/// Some rows of files of columns (Parquet, Arrow), with all their columns and types.
#[derive(Debug)]
pub struct Taken {
    /// A file of theirs.
    path: PathBuf,
    rows: RecordBatch,
    /// Where rows are, by their numbers over all files.
    places: HashMap<usize, u64>,
}

impl JsonlRows {
    /// Some rows of files that have columns, with all of these, in one pass. Advances `watch` by rows.
    ///
    /// # Errors
    /// If a file changed since it was scanned, its columns are others than those of the first one, the rows take more than was left
    /// of what reading may take, or `watch` asks to stop.
    pub fn take(&self, rows: &[usize], watch: &dyn Watch) -> Result<Taken, DataError> {
        let mut wanted: Vec<usize> = rows.to_vec();
        wanted.sort_unstable();
        wanted.dedup();
        watch.begin("copy rows", self.len() as u64);
        let (again, chosen) = (Allowance::new(self.left()), Allowance::new(self.left()));
        let path = self.files()[0].path.clone();
        if let Some(lines) = self.files().iter().find(|file| file.columnar.is_none()) {
            let fault = "has lines of text, not columns";
            return Err(DataError::malformed(&lines.path, fault, "give a Parquet or an Arrow file"));
        }
        let mut claim = Claim::new(&chosen, &path);
        let (mut parts, mut schema, mut next, mut start) = (Vec::new(), None::<SchemaRef>, 0, 0);
        for file in self.files() {
            let end = start + file.rows;
            let Some(kind) = file.columnar.filter(|_| wanted.get(next).is_some_and(|&row| row < end)) else {
                start = end;
                continue;
            };
            file.check()?;
            let mut batches = Batches::open(&file.path, kind, &Wanted::All, &again)?;
            check_columns(schema.get_or_insert_with(|| batches.schema().clone()), batches.schema(), &file.path, &path)?;
            while wanted.get(next).is_some_and(|&row| row < end) {
                let Some(batch) = batches.next()? else {
                    return Err(DataError::Changed { file: file.path.clone(), what: "it has fewer rows" });
                };
                let until = start + batch.num_rows();
                let count = wanted[next..].partition_point(|&row| row < until);
                if count > 0 {
                    let at = UInt64Array::from_iter_values(
                        wanted[next..next + count].iter().map(|&row| (row - start) as u64),
                    );
                    let part = guarded(&file.path, || {
                        let taken = take_record_batch(&batch, &at).map_err(|error| damaged(&file.path, error))?;
                        alone(taken).map_err(|error| damaged(&file.path, error))
                    })?;
                    claim.add(part.get_array_memory_size() as u64, WHAT, REMEDY)?;
                    parts.push(part);
                }
                watch.advance(batch.num_rows() as u64)?;
                (next, start) = (next + count, until);
            }
            start = end;
            file.check()?;
        }
        let schema = schema.unwrap_or_else(|| Arc::new(Schema::empty()));
        let taken = guarded(&path, || concat_batches(&schema, &parts).map_err(|error| unjoined(&path, error)))?;
        let places = wanted.into_iter().zip(0..).collect();
        drop(claim);
        Ok(Taken { path, rows: taken, places })
    }
}

/// Why chosen rows cannot stand in one table.
fn unjoined(path: &Path, error: ArrowError) -> DataError {
    match error {
        ArrowError::OffsetOverflowError(bytes) => DataError::malformed(
            path,
            format!("has {bytes} bytes in one column of the chosen rows, where its type holds 2147483647"),
            "choose fewer rows, or store the column as large_string: table.set_column(i, name, table[name].cast(pyarrow.large_string()))",
        ),
        other => damaged(path, other),
    }
}

/// The same without what else its columns of views hold on to.
fn alone(batch: RecordBatch) -> Result<RecordBatch, ArrowError> {
    let column = |column: &ArrayRef| -> ArrayRef {
        match column.data_type() {
            DataType::Utf8View => Arc::new(column.as_string_view().gc()),
            DataType::BinaryView => Arc::new(column.as_binary_view().gc()),
            _ => column.clone(),
        }
    };
    RecordBatch::try_new(batch.schema(), batch.columns().iter().map(column).collect())
}

/// Fails if the columns of a file are others than those of the first one.
fn check_columns(first: &SchemaRef, here: &SchemaRef, file: &Path, of: &Path) -> Result<(), DataError> {
    let is_same = |(a, b): (&Arc<Field>, &Arc<Field>)| a.name() == b.name() && a.data_type() == b.data_type();
    let same = first.fields().len() == here.fields().len() && first.fields().iter().zip(here.fields()).all(is_same);
    if same {
        return Ok(());
    }
    let fault = format!("has other columns, or of other types, than {}", crate::source::name::readable(of));
    let remedy = "write both with the same columns, or write the chosen rows as lines of JSON (--format jsonl)";
    Err(DataError::malformed(file, fault, remedy))
}

impl Taken {
    /// These of the rows, in this order, with their ranks and what each weighs.
    fn ranked(&self, rows: &[usize], weights: &[f64]) -> Result<RecordBatch, DataError> {
        let schema = self.rows.schema();
        if let Some(name) = [RANK, WEIGHT].into_iter().find(|name| schema.index_of(name).is_ok()) {
            let fault = format!("has a column `{name}` already, which chosen rows are to get");
            return Err(DataError::malformed(&self.path, fault, "rename it"));
        }
        let places = UInt64Array::from_iter(rows.iter().map(|row| self.places.get(row).copied()));
        guarded(&self.path, || {
            let ranked = || {
                let taken = take_record_batch(&self.rows, &places)?;
                let ranks = Int64Array::from_iter_values(0..rows.len() as i64);
                let mut columns = taken.columns().to_vec();
                columns
                    .extend([Arc::new(ranks) as ArrayRef, Arc::new(Float64Array::from(weights.to_vec())) as ArrayRef]);
                let added = [Field::new(RANK, DataType::Int64, false), Field::new(WEIGHT, DataType::Float64, false)];
                let fields: Vec<_> = schema.fields().iter().cloned().chain(added.map(Arc::new)).collect();
                RecordBatch::try_new(Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone())), columns)
            };
            ranked().map_err(|error| damaged(&self.path, error))
        })
    }

    /// The bytes of a Parquet file with these of the rows, in this order, with the columns `kantor_rank` and `kantor_weight`.
    ///
    /// # Errors
    /// If a column is called as one that is added, or there is no such file.
    pub fn parquet(&self, rows: &[usize], weights: &[f64]) -> Result<Vec<u8>, DataError> {
        let batch = self.ranked(rows, weights)?;
        guarded(&self.path, || {
            let properties = WriterProperties::builder().set_compression(Compression::ZSTD(ZstdLevel::default()));
            let mut bytes = Vec::new();
            let write = || {
                let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties.build()))?;
                writer.write(&batch)?;
                writer.close()
            };
            write().map_err(|error| self.unwritten(error))?;
            Ok(bytes)
        })
    }

    /// The same as a stream of Arrow's messages, of the types that HuggingFace's datasets have.
    ///
    /// # Errors
    /// As [`Taken::parquet`], or if a column is of another type.
    pub fn stream(&self, rows: &[usize], weights: &[f64]) -> Result<Vec<u8>, DataError> {
        let batch = self.ranked(rows, weights)?;
        if let Some(field) = batch.schema().fields().iter().find(|field| !is_of_datasets(field.data_type())) {
            let fault =
                format!("has the column `{}` of the type {}, which datasets have not", field.name(), field.data_type());
            return Err(DataError::malformed(&self.path, fault, "write the chosen rows as --format parquet"));
        }
        guarded(&self.path, || {
            let mut bytes = Vec::new();
            let mut write = || {
                let mut writer = StreamWriter::try_new(&mut bytes, &batch.schema())?;
                writer.write(&batch)?;
                writer.finish()
            };
            write().map_err(|error| self.unwritten(error))?;
            Ok(bytes)
        })
    }

    fn unwritten(&self, error: impl std::fmt::Display) -> DataError {
        let fault = format!("has columns that cannot be written again: {error}");
        DataError::malformed(&self.path, fault, "write the chosen rows as lines of JSON (--format jsonl)")
    }
}

fn is_of_datasets(of: &DataType) -> bool {
    match of {
        DataType::Map(..)
        | DataType::ListView(_)
        | DataType::LargeListView(_)
        | DataType::RunEndEncoded(..)
        | DataType::Union(..)
        | DataType::Interval(_) => false,
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            is_of_datasets(item.data_type())
        }
        DataType::Struct(fields) => fields.iter().all(|field| is_of_datasets(field.data_type())),
        DataType::Dictionary(_, values) => is_of_datasets(values),
        _ => true,
    }
}
