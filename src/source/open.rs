//! Opens a file as a table, in whichever format it is.

use std::path::Path;
use std::sync::Arc;

use serde::Serialize;

use super::archive::{self, Archive};
use super::columnar;
use super::error::DataError;
use super::file::{Source, explain};
use super::format::{Columnar, no_rows};
use super::gradients;
use super::kind::table_of;
use super::memory::Allowance;
use super::npy;
use super::npz;
use super::safetensors;
use super::shard::{Bytes, Layout, Shard};
use super::torch;

/// A file format for tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// numpy's `.npy`.
    Npy,
    /// One array of a numpy archive.
    Npz,
    /// A sparse matrix as SciPy saves it in an archive of numpy's.
    #[serde(rename = "npz-csr")]
    Csr,
    /// One tensor of a safetensors file.
    Safetensors,
    /// One tensor of a file of PyTorch.
    #[serde(rename = "pt")]
    Torch,
    /// The rows of a flat store of gradients.
    Gradients,
    /// JSON lines, whose text was made rows of.
    Jsonl,
    /// A table of text (CSV, TSV), likewise.
    Csv,
    /// A column of a Parquet file, or its text.
    Parquet,
    /// A column of Arrow's messages, or their text.
    Arrow,
}

impl Format {
    /// Its name in messages and manifests.
    pub fn name(self) -> &'static str {
        match self {
            Format::Npy => "npy",
            Format::Npz => "npz",
            Format::Csr => "npz-csr",
            Format::Safetensors => "safetensors",
            Format::Torch => "pt",
            Format::Gradients => "gradients",
            Format::Jsonl => "jsonl",
            Format::Csv => "csv",
            Format::Parquet => "parquet",
            Format::Arrow => "arrow",
        }
    }
}

/// How to open a table.
#[derive(Debug, Clone, Default)]
pub struct OpenOptions {
    /// Which tensor, array or column of a file that holds several, unless it is named as `FILE:NAME`.
    pub tensor: Option<String>,
    /// Whether that name is a hint: of a file without it, the only table is read.
    pub tensor_is_hint: bool,
    /// Whether integers may be converted to `f64`.
    pub cast: bool,
}

impl OpenOptions {
    /// Reads the tensor of that name, or the only table if there is none and the name is but a hint.
    fn read<T>(&self, mut table: impl FnMut(Option<&str>) -> Result<T, DataError>) -> Result<T, DataError> {
        match table(self.tensor.as_deref()) {
            Err(DataError::Tensor { .. } | DataError::Column { .. } | DataError::Unnamed { .. })
                if self.tensor_is_hint =>
            {
                table(None)
            }
            found => found,
        }
    }
}

/// Opens one file as a table, whose first row is row `first` of all; what must be unpacked counts towards `allowance`. `named` is
/// the file, or the file and a table of it as `FILE:NAME`.
pub(crate) fn shard(
    named: &Path,
    options: &OpenOptions,
    first: usize,
    allowance: &Allowance,
) -> Result<(Shard, Format), DataError> {
    let (path, name) = table_of(named);
    let named =
        name.map(|name| OpenOptions { tensor: Some(name.to_owned()), cast: options.cast, tensor_is_hint: false });
    let source = Arc::new(Source::open(path)?);
    explain(table(&source, named.as_ref().unwrap_or(options), first, allowance), || source.check_content())
}

/// A table that was found in a file.
pub(crate) struct Found {
    pub(crate) format: Format,
    /// Its name, where a file may hold several.
    pub(crate) tensor: Option<String>,
    pub(crate) bytes: Bytes,
    /// Where its first number lies.
    pub(crate) start: usize,
    pub(crate) layout: Layout,
}

fn table(
    source: &Arc<Source>,
    options: &OpenOptions,
    first: usize,
    allowance: &Allowance,
) -> Result<(Shard, Format), DataError> {
    let (path, bytes, total) = (&source.path, source.bytes(), source.identity.bytes);
    let cast = options.cast;
    let Found { format, tensor, bytes, start, layout } = if let Some(store) = gradients::store_of(path)? {
        options.read(|name| store.table(path, total, name))?
    } else if bytes.starts_with(npy::MAGIC) {
        let header = npy::parse(path, &bytes[..bytes.len().min(npy::MAX_PREFIX)], total)?;
        let (start, layout) = (header.length, header.layout(path, total, cast)?);
        Found { format: Format::Npy, tensor: None, bytes: Bytes::Mapped, start, layout }
    } else if bytes.starts_with(archive::MAGIC) {
        let mut archive = Archive::open(path, bytes)?;
        if archive.names().any(torch::is_pickle) {
            options.read(|name| torch::table(path, &mut archive, name, cast, allowance))?
        } else {
            options.read(|name| npz::table(path, &mut archive, name, cast, allowance))?
        }
    } else if safetensors::looks_like(bytes) || path.extension().is_some_and(|e| e == "safetensors") {
        options.read(|name| safetensors::table(path, bytes, name, cast, allowance))?
    } else if let Some(kind) = Columnar::of(bytes) {
        let found = options.read(|name| columnar::table(path, kind, name, cast, first, allowance))?;
        // It was opened once more.
        source.check_unchanged()?;
        found
    } else {
        return Err(no_rows(path, bytes));
    };
    let span = start..start + layout.stored() * layout.number.size();
    let shard = Shard { source: source.clone(), tensor, bytes, span, layout };
    shard.check_exact()?;
    Ok((shard, format))
}
