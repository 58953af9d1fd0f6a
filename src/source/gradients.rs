//! Flat stores of gradients: a folder with the numbers, row after row and nothing else, and `info.json`, which says how many rows
//! there are, how many numbers each module has in a row, and their type.

use std::path::{Path, PathBuf};

use kantor_theory::json;
use serde::Deserialize;
use serde_json::Value;

use super::error::DataError;
use super::name::readable;
use super::named::Named;
use super::npy;
use super::number::Number;
use super::open::{Format, Found};
use super::shard::{Bytes, Layout, Order};
use super::unique::Unique;
use super::whole::{self, Whole};

const INFO: &str = "info.json";
const NUMBERS: &str = "gradients.bin";

/// What `info.json` says, as far as it is read.
#[derive(Deserialize)]
struct Info {
    num_grads: Option<u64>,
    /// Numbers of each module in a row, in their order.
    grad_sizes: Option<Unique<u64>>,
    base_dtype: Option<String>,
    /// Older stores have the type of every module here.
    dtype: Option<Value>,
    #[serde(default)]
    attribute_tokens: bool,
}

/// A store.
pub(crate) struct Store {
    info: PathBuf,
    rows: u64,
    sizes: Vec<(String, u64)>,
    number: Number,
}

/// The files of numbers of the stores in a directory: of itself, or of its folders that are called shards. None if there is no store.
pub(crate) fn files_in(directory: &Path) -> Result<Vec<PathBuf>, DataError> {
    let store = directory.join(NUMBERS);
    if store.is_file() && directory.join(INFO).is_file() {
        return Ok(vec![store]);
    }
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(DataError::io(directory, "list it"))? {
        let entry = entry.map_err(DataError::io(directory, "list it"))?;
        let (shard, store) = (entry.file_name(), entry.path().join(NUMBERS));
        if shard.to_string_lossy().contains("shard") && store.is_file() && entry.path().join(INFO).is_file() {
            files.push(store);
        }
    }
    files.sort_unstable();
    Ok(files)
}

/// The store whose numbers are in this file, if an `info.json` beside it says so.
pub(crate) fn store_of(path: &Path) -> Result<Option<Store>, DataError> {
    let info = path.with_file_name(INFO);
    if path.extension().is_none_or(|ending| ending != "bin") || !info.is_file() {
        return Ok(None);
    }
    let bad = |fault: String| DataError::malformed(&info, fault, "write the store again");
    let text = whole::read(&info, Whole::Record)?;
    let told: Info = json::from_slice(&text).map_err(|error| bad(format!("cannot be read: {error}")))?;
    let (Some(rows), Some(Unique(sizes))) = (told.num_grads, told.grad_sizes) else { return Ok(None) };
    if told.attribute_tokens {
        let fault = "is of a store of gradients of tokens, of which an example has several";
        return Err(DataError::malformed(&info, fault, "write one gradient for each example"));
    }
    let older = told.dtype.as_ref().and_then(|dtype| dtype["formats"][0].as_str()).map(str::to_owned);
    let named = told.base_dtype.or(older).ok_or_else(|| bad("has no `base_dtype`".to_owned()))?;
    let number = number(named.rsplit(')').next().unwrap_or_default()).ok_or_else(|| DataError::Dtype {
        file: info.clone(),
        dtype: named.clone(),
        remedy: "write the store with float16, bfloat16, float32 or float64".to_owned(),
    })?;
    Ok(Some(Store { info, rows, sizes, number }))
}

/// A number type by numpy's name for it, long or short.
fn number(name: &str) -> Option<Number> {
    Some(match name.trim_start_matches(['<', '=', '|']) {
        "float16" | "f2" => Number::F16,
        "bfloat16" => Number::Bf16,
        "float32" | "f4" => Number::F32,
        "float64" | "f8" => Number::F64,
        _ => return None,
    })
}

impl Store {
    /// The rows, or the part of each that belongs to the module called `name`; the file has `total` bytes.
    pub(crate) fn table(&self, file: &Path, total: u64, name: Option<&str>) -> Result<Found, DataError> {
        let Self { info, rows, sizes, number } = self;
        let size = number.size();
        let width = sizes.iter().try_fold(0u64, |sum, (_, size)| sum.checked_add(*size));
        let bytes = width.and_then(|width| width.checked_mul(*rows)?.checked_mul(size as u64));
        let (Some(width), Some(bytes)) = (width, bytes) else {
            return Err(DataError::malformed(info, "claims more numbers than there can be", "write the store again"));
        };
        if bytes != total {
            let what =
                format!("the store of {rows} rows of {width} numbers ({}) of `{}`", number.name(), readable(info));
            return Err(DataError::Size { file: file.to_owned(), what, expected: bytes, actual: total });
        }
        let (rows, width) = npy::table_shape(file, &[i128::from(*rows), i128::from(width)])?;
        let layout = |dim, order| Layout { rows, dim, number: *number, big_endian: false, order };
        let found = |tensor: Option<String>, start, layout| {
            let (format, bytes) = (Format::Gradients, Bytes::Mapped);
            Ok(Found { format, tensor, bytes, start, layout })
        };
        let Some(name) = name else { return found(None, 0, layout(width, Order::RowMajor)) };
        let tables =
            sizes.iter().map(|(module, size)| (module.as_str(), vec![rows as i128, i128::from(*size)])).collect();
        let at = Named { file, noun: "module", tables }.choose(Some(name))?.unwrap_or_default();
        let before: u64 = sizes[..at].iter().map(|(_, size)| size).sum();
        let (_, dim) = npy::table_shape(file, &[rows as i128, i128::from(sizes[at].1)])?;
        let order = Order::Strided { row: width, column: 1 };
        found(Some(name.to_owned()), before as usize * size, layout(dim, order))
    }
}
