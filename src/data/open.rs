//! Which format a file is in, told by its first bytes, and what to do about formats that are not read.

use std::path::Path;
use std::sync::Arc;

use serde::Serialize;

use super::error::{DataError, PICKLE};
use super::npy;
use super::npz;
use super::safetensors;
use super::shard::{Bytes, Shard};
use super::source::Source;

/// A file format for tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// numpy's `.npy`.
    Npy,
    /// One array of a numpy archive.
    Npz,
    /// One tensor of a safetensors file.
    Safetensors,
}

impl Format {
    /// Its name in messages and manifests.
    pub fn name(self) -> &'static str {
        match self {
            Format::Npy => "npy",
            Format::Npz => "npz",
            Format::Safetensors => "safetensors",
        }
    }
}

/// How to open a table.
#[derive(Debug, Clone, Default)]
pub struct OpenOptions {
    /// Which tensor or array of a file that holds several.
    pub tensor: Option<String>,
    /// Whether integers may be converted to `f64`.
    pub cast: bool,
}

/// Opens one file as a table.
pub(crate) fn shard(path: &Path, options: &OpenOptions) -> Result<(Shard, Format), DataError> {
    let source = Arc::new(Source::open(path)?);
    let (bytes, total) = (source.bytes(), source.identity.bytes);
    let (name, cast) = (options.tensor.as_deref(), options.cast);
    let named = |(name, place, start, layout)| (Some(name), place, start, layout);
    let (format, (tensor, place, start, layout)) = if bytes.starts_with(npy::MAGIC) {
        let header = npy::parse(path, &bytes[..bytes.len().min(npy::MAX_PREFIX)], total)?;
        (Format::Npy, (None, Bytes::Mapped, header.length, header.layout(path, total, cast)?))
    } else if bytes.starts_with(npz::MAGIC) {
        (Format::Npz, named(npz::table(path, bytes, name, cast)?))
    } else if safetensors::looks_like(bytes) || path.extension().is_some_and(|e| e == "safetensors") {
        (Format::Safetensors, named(safetensors::table(path, bytes, name, cast)?))
    } else {
        return Err(refuse(path, bytes));
    };
    let span = start..start + layout.rows * layout.dim * layout.number.size();
    let shard = Shard { source, tensor, bytes: place, span, layout };
    shard.check_exact()?;
    Ok((shard, format))
}

/// Names the format of a file that is not read.
fn refuse(path: &Path, bytes: &[u8]) -> DataError {
    let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
    let unpack = "unpack it first; tables are read as .npy, .npz or .safetensors";
    let (fault, remedy) = match bytes {
        [0x80, 2..=5, ..] => ("is a Python pickle", PICKLE),
        [b'P', b'A', b'R', b'1', ..] => (
            "is a Parquet file, which is not read",
            "save the column as .npy: np.save('x.npy', np.stack(pandas.read_parquet('FILE')['embedding']))",
        ),
        [b'A', b'R', b'R', b'O', b'W', b'1', ..] => {
            ("is an Arrow file, which is not read", "save the column as .npy: np.save('x.npy', np.stack(column))")
        }
        [0x89, b'H', b'D', b'F', ..] => {
            ("is an HDF5 file, which is not read", "save the data set as .npy: np.save('x.npy', file['name'][:])")
        }
        [0x1f, 0x8b, ..] => ("is gzip-compressed", unpack),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => ("is zstd-compressed", unpack),
        [b'B', b'Z', b'h', ..] | [0xfd, b'7', b'z', ..] => ("is compressed", unpack),
        [b'P', b'K', ..] => ("is an empty or damaged zip archive", "write it again with np.savez"),
        [b'{' | b'[', ..] => ("is text (JSON), not vectors", "give JSONL rows with --pool-jsonl"),
        _ if matches!(extension, "pt" | "pth" | "pkl" | "pickle" | "bin") => ("is not a table kantor reads", PICKLE),
        _ => ("is none of .npy, .npz and .safetensors by its first bytes", "convert it: np.save('x.npy', a)"),
    };
    DataError::malformed(path, fault, remedy)
}
