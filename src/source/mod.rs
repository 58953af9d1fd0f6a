//! Files on disk: tables of vectors and rows of text, checked before anything is believed.
//!
//! Formats are told by content, sizes are compared with the file before memory is taken, tables stay where they are
//! (memory-mapped) and are converted by block. Whatever is wrong comes back as a [`DataError`] that names the file,
//! the place and the remedy.

pub(crate) mod answers;
mod archive;
pub mod cells;
pub mod column;
#[cfg(feature = "parquet")]
mod columnar;
#[cfg(not(feature = "parquet"))]
#[path = "no_columns.rs"]
mod columnar;
mod dataset;
pub mod digest;
pub mod error;
mod file;
pub(crate) mod format;
mod gradients;
#[doc(hidden)]
pub mod guard;
mod ids;
pub(crate) mod json;
pub mod jsonl;
pub(crate) mod kind;
pub mod labels;
mod lines;
pub mod list;
pub(crate) mod made;
pub mod memory;
mod mmap;
pub mod name;
mod named;
pub(crate) mod npy;
mod npz;
pub(crate) mod number;
pub mod open;
pub mod overlap;
mod pace;
pub(crate) mod pairs;
mod pickle;
pub(crate) mod quotes;
mod record;
pub mod representation;
mod row_names;
pub(crate) mod safetensors;
mod shard;
mod shards;
mod sparse;
mod table;
pub mod text;
pub(crate) mod tokenizer;
mod torch;
mod unique;
mod unpack;
pub mod validate;
mod values;
pub mod whole;

pub use column::ReadColumn;
pub use columnar::Taken;
pub use digest::Digests;
pub use error::{DataError, FaultKind};
#[cfg(feature = "models")]
pub(crate) use file::Source;
pub(crate) use file::{hexadecimal, open as open_file};
#[cfg(feature = "cli")]
pub(crate) use guard::is_guarded;
pub use jsonl::JsonlRows;
pub use labels::Labels;
pub use made::Made;
pub use memory::Allowance;
pub use mmap::outlive_cuts;
pub use open::{Format, OpenOptions};
pub use overlap::overlap;
pub use record::{DroppedRecord, DroppedRow, InputRecord};
pub use representation::{Representation, SourceFile};
pub use shards::files_named;
pub(crate) use table::separator;
pub use validate::OnBadRow;
pub use values::FileDigests;
