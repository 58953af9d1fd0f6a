//! Files of columns, read batch by batch: Parquet, and Arrow's messages as a file or as a stream.
//!
//! The crates `parquet` and `arrow-*` decode them. Around these stands what they leave to their callers: what a file says of its
//! sizes is compared with what its compressed bytes can hold, and with the memory allowed, before anything is unpacked
//! ([`pages`], [`messages`]); and where they panic at a damaged file, that is an error about the file ([`guarded`]).
//!
//! Limit: the decoders, on one core for each file; memory is one batch and the largest page of every column that is read.

mod json;
mod messages;
mod pages;
mod parquet;
mod records;
mod taken;
mod vectors;

use std::path::Path;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;

use self::messages::Messages;
use self::parquet::RowGroups;
use super::error::DataError;
use super::format::Columnar;
use super::guard;
use super::memory::Allowance;

pub(crate) use records::Records;
pub use taken::Taken;
pub(crate) use vectors::{names_vectors, table};

/// What to do about a damaged file.
const REMEDY: &str = "write or download the file again";

/// What unpacking takes.
const UNPACKED: &str = "a batch of its rows";
const UNPACKED_REMEDY: &str = "allow more with --max-memory, or write smaller row groups (row_group_size=1000)";

/// Which of the columns of a file are read.
enum Wanted<'w> {
    /// All.
    All,
    /// Those at the top level with these names, if they are there.
    Named(&'w [&'w str]),
}

impl Wanted<'_> {
    /// Their places in a schema.
    fn places(&self, schema: &SchemaRef) -> Vec<usize> {
        let wanted = |name: &String| match self {
            Wanted::All => true,
            Wanted::Named(names) => names.contains(&name.as_str()),
        };
        let fields = schema.fields().iter().enumerate();
        fields.filter(|(_, field)| wanted(field.name())).map(|(at, _)| at).collect()
    }
}

/// The batches of one file, in order.
enum Batches<'a> {
    Parquet(Box<RowGroups<'a>>),
    Messages(Box<Messages<'a>>),
}

impl<'a> Batches<'a> {
    /// Opens a file of this kind, of which some columns are to be read.
    fn open(path: &'a Path, kind: Columnar, wanted: &Wanted<'_>, allowance: &'a Allowance) -> Result<Self, DataError> {
        Ok(match kind {
            Columnar::Parquet => Batches::Parquet(Box::new(RowGroups::open(path, wanted, allowance)?)),
            Columnar::Arrow { stream } => Batches::Messages(Box::new(Messages::open(path, stream, wanted, allowance)?)),
        })
    }

    /// All columns of the file.
    fn schema(&self) -> &SchemaRef {
        match self {
            Batches::Parquet(groups) => groups.schema(),
            Batches::Messages(messages) => messages.schema(),
        }
    }

    /// Rows of the file as it says itself, if it does.
    fn rows(&self) -> Option<usize> {
        match self {
            Batches::Parquet(groups) => Some(groups.rows()),
            Batches::Messages(_) => None,
        }
    }

    /// The next batch: the wanted columns, in the order of the file.
    fn next(&mut self) -> Result<Option<RecordBatch>, DataError> {
        match self {
            Batches::Parquet(groups) => groups.next(),
            Batches::Messages(messages) => messages.next(),
        }
    }

    /// About how many bytes of the file were read.
    fn bytes_read(&self) -> u64 {
        match self {
            Batches::Parquet(groups) => groups.bytes_read(),
            Batches::Messages(messages) => messages.bytes_read(),
        }
    }
}

/// The error about a file that is damaged.
/// What `work` finds, or an error about the file if a decoder panics.
fn guarded<T>(path: &Path, work: impl FnOnce() -> Result<T, DataError>) -> Result<T, DataError> {
    guard::guarded(|panic| damaged(path, panic), work)
}

fn damaged(path: &Path, fault: impl std::fmt::Display) -> DataError {
    DataError::malformed(path, format!("is damaged, or of a kind that is not read: {fault}"), REMEDY)
}
