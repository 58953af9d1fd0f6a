//! Tables in `.safetensors` files.
//!
//! The header is read by the `safetensors` crate, which refuses holes, overlaps and sizes that do not fit. Before
//! that, its length and every offset are compared with the file, and duplicate names are refused (JSON parsers keep
//! the last one silently).

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

use kantor_theory::json;
use safetensors::tensor::{Dtype, SafeTensors, TensorInfo};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

use super::error::DataError;
use super::memory::{Allowance, Claim};
use super::npy;
use super::number::Number;
use super::open::{Format, Found};
use super::shard::{Bytes, Layout, Order};
use crate::suggest::did_you_mean;

/// Longest header accepted: the limit of the format's own implementation.
const MAX_HEADER: u64 = 100_000_000;

/// Bytes that a byte of the header takes while it is read, at most.
const PARSED: u64 = 16;

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
    let entries: Entries = json::from_slice(&bytes[8..start])
        .map_err(|error| bad(format!("the safetensors header is damaged: {error}")))?;
    if entries.end > data_length {
        let what = "the last tensor".to_owned();
        return Err(DataError::Size { file: file.to_owned(), what, expected: entries.end, actual: data_length });
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
    let tensors: Vec<(String, &TensorInfo)> = {
        let mut tensors: Vec<_> = metadata.tensors().into_iter().collect();
        tensors.sort_by(|a, b| a.0.cmp(&b.0));
        tensors
    };
    let listed = |fault: String| {
        let tables = tensors.iter().map(|(name, info)| (name.clone(), npy::shape_text(&shape(info))));
        DataError::tensor(file, fault, tables)
    };
    let (name, info) = match name {
        Some(name) => match tensors.iter().find(|(known, _)| known == name) {
            Some((name, info)) => (name, *info),
            None => {
                let meant = did_you_mean(name, tensors.iter().map(|(known, _)| known.as_str()));
                return Err(listed(format!("there is no tensor `{name}`{meant}")));
            }
        },
        None => {
            let tables: Vec<_> = tensors.iter().filter(|(_, info)| info.shape.len() == 2).collect();
            match (tables.as_slice(), tensors.as_slice()) {
                ([(name, info)], _) => (name, *info),
                ([], [(name, info)]) => (name, *info),
                ([], []) => return Err(bad("the safetensors file holds no tensor".into())),
                ([], _) => return Err(listed("no tensor is 2-d".into())),
                (many, _) => return Err(listed(format!("{} tensors are 2-d", many.len()))),
            }
        }
    };
    let number = number(file, info.dtype, cast)?;
    let (rows, dim) = npy::table_shape(file, &shape(info))?;
    let layout = Layout { rows, dim, number, big_endian: false, order: Order::RowMajor };
    let (tensor, start) = (Some(name.clone()), start + info.data_offsets.0);
    Ok(Found { format: Format::Safetensors, tensor, bytes: Bytes::Mapped, start, layout })
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

/// A header checked for duplicate names, and the largest offset in it.
struct Entries {
    end: u64,
}

#[derive(serde::Deserialize)]
struct Entry {
    data_offsets: Option<(u64, u64)>,
}

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Names;
        impl<'de> Visitor<'de> for Names {
            type Value = Entries;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of tensors")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries, A::Error> {
                let (mut names, mut end) = (BTreeSet::new(), 0);
                while let Some(name) = map.next_key::<String>()? {
                    let entry: Entry = map.next_value()?;
                    end = end.max(entry.data_offsets.map_or(0, |(start, end)| start.max(end)));
                    if let Some(name) = names.replace(name) {
                        return Err(A::Error::custom(format!("the name `{name}` occurs twice")));
                    }
                }
                Ok(Entries { end })
            }
        }
        deserializer.deserialize_map(Names)
    }
}
