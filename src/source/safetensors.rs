//! Tables in `.safetensors` files.
//!
//! The header is read by the `safetensors` crate, which refuses holes, overlaps and sizes that do not fit. Before
//! that, its length and every offset are compared with the file, and duplicate names are refused (JSON parsers keep
//! the last one silently).

use std::path::Path;

use kantor_theory::json;
use safetensors::tensor::{Dtype, SafeTensors, TensorInfo};

use super::error::DataError;
use super::made::{self, Made};
use super::memory::{Allowance, Claim};
use super::named::Named;
use super::npy;
use super::number::Number;
use super::open::{Format, Found};
use super::shard::{Bytes, Layout, Order};
use super::unique::Unique;

/// Longest header accepted: the limit of the format's own implementation.
const MAX_HEADER: u64 = 100_000_000;

/// Bytes that a byte of the header takes while it is read, at most.
const PARSED: u64 = 24;

/// Whether the bytes look like this format: a length, then a JSON object.
pub(crate) fn looks_like(bytes: &[u8]) -> bool {
    bytes.get(8) == Some(&b'{') && bytes[7] == 0
}

const REWRITE: &str = "write it again: safetensors.numpy.save_file({'x': a}, 'fixed.safetensors')";

/// Compares the header with the file, counting what reading it takes, and gives the place of the first number.
pub(crate) fn check(file: &Path, bytes: &[u8], claim: &mut Claim<'_>) -> Result<usize, DataError> {
    let bad = |fault: String| DataError::malformed(file, fault, REWRITE);
    let length = bytes.first_chunk().map(|n| u64::from_le_bytes(*n)).unwrap_or(u64::MAX);
    let Some(data_length) = (bytes.len() as u64).checked_sub(8).and_then(|n| n.checked_sub(length)) else {
        let claim = format!("the safetensors header claims {length} bytes, but the file has {}", bytes.len());
        return Err(bad(claim));
    };
    if length > MAX_HEADER {
        return Err(bad(format!("the safetensors header claims {length} bytes; at most {MAX_HEADER} are accepted")));
    }
    claim.add(PARSED * length, "the list of its tensors", "allow more with --max-memory")?;
    let start = 8 + length as usize;
    let entries: Unique<Entry> = json::from_slice(&bytes[8..start])
        .map_err(|error| bad(format!("the safetensors header is damaged: {error}")))?;
    let ends = entries.0.iter().filter_map(|(_, entry)| entry.data_offsets).map(|(start, end)| start.max(end));
    if let Some(expected) = ends.max().filter(|&end| end > data_length) {
        let what = "the last tensor".to_owned();
        return Err(DataError::Size { file: file.to_owned(), what, expected, actual: data_length });
    }
    Ok(start)
}

/// The table called `name`, or the only one, with its name.
pub(crate) fn table(
    file: &Path,
    bytes: &[u8],
    name: Option<&str>,
    cast: bool,
    allowance: &Allowance,
) -> Result<Found, DataError> {
    let bad = |fault: String| DataError::malformed(file, fault, REWRITE);
    let mut claim = Claim::new(allowance, file);
    let start = check(file, bytes, &mut claim)?;
    let (_, metadata) =
        SafeTensors::read_metadata(bytes).map_err(|error| bad(format!("the safetensors header is wrong: {error}")))?;
    let mut tensors: Vec<(String, &TensorInfo)> = metadata.tensors().into_iter().collect();
    tensors.sort_by(|a, b| a.0.cmp(&b.0));
    let tables = tensors.iter().map(|(name, info)| (name.as_str(), shape(info))).collect();
    let at = Named { file, noun: "tensor", tables }.choose(name)?;
    let (name, info) = &tensors[at.ok_or_else(|| bad("the safetensors file holds no tensor".to_owned()))?];
    let number = number(file, info.dtype, cast)?;
    let (rows, dim) = npy::table_shape(file, &shape(info))?;
    let layout = Layout { rows, dim, number, big_endian: false, order: Order::RowMajor };
    let (tensor, start) = (Some(name.clone()), start + info.data_offsets.0);
    Ok(Found { format: Format::Safetensors, tensor, bytes: Bytes::Mapped, start, layout })
}

/// What a file says of itself, if kantor wrote it. Its header was checked.
pub(crate) fn made(bytes: &[u8]) -> Option<Made> {
    let (_, header) = SafeTensors::read_metadata(bytes).ok()?;
    Made::read(header.metadata().as_ref()?.get(made::KEY)?)
}

fn shape(info: &TensorInfo) -> Vec<i128> {
    info.shape.iter().map(|&n| n as i128).collect()
}

fn number(file: &Path, dtype: Dtype, cast: bool) -> Result<Number, DataError> {
    let number = match dtype {
        Dtype::F16 => Number::F16,
        Dtype::BF16 => Number::Bf16,
        Dtype::F32 => Number::F32,
        Dtype::F64 => Number::F64,
        Dtype::I8 => Number::I8,
        Dtype::I16 => Number::I16,
        Dtype::I32 => Number::I32,
        Dtype::I64 => Number::I64,
        Dtype::U8 => Number::U8,
        Dtype::U16 => Number::U16,
        Dtype::U32 => Number::U32,
        Dtype::U64 => Number::U64,
        other => {
            return Err(DataError::Dtype {
                file: file.to_owned(),
                dtype: format!("{other:?}"),
                remedy: "save f16, bf16, f32 or f64, for example tensor.float()".into(),
            });
        }
    };
    if number.is_integer() && !cast {
        let (dtype, remedy) = (format!("{dtype:?} (integer)"), "pass --cast to use integers as f64".into());
        return Err(DataError::Dtype { file: file.to_owned(), dtype, remedy });
    }
    Ok(number)
}

#[derive(serde::Deserialize)]
struct Entry {
    data_offsets: Option<(u64, u64)>,
}
