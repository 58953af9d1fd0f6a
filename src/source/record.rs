//! What is recorded of an input: enough to know it again.

use std::borrow::Cow;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::name;

/// One input file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InputRecord {
    /// `pool`, `query`, `similarity`, `pool-jsonl`, `query-jsonl`, `query-groups`, `query-weights`, `column`, `include`,
    /// `exclude`, `exclude-near` or `model`.
    pub role: Cow<'static, str>,
    /// As named on the command line; written as [`readable`](name::readable) text.
    #[serde(serialize_with = "name::serialize")]
    pub path: PathBuf,
    /// `npy`, `safetensors`, `npz`, `jsonl`, `text`.
    pub format: Cow<'static, str>,
    /// Which of its tensors was read; absent for formats that do not name them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tensor: Option<String>,
    /// Rows in the file; of a list of rows, how many it names.
    pub rows: usize,
    /// Numbers per row; absent for text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub columns: Option<usize>,
    /// Stored number type; absent for text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dtype: Option<Cow<'static, str>>,
    /// Length of the file.
    pub bytes: u64,
    /// Digest of the file.
    pub sha256: String,
    /// Digest of the values of its rows, as certificates have it; absent for text, and if nothing was certified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blake3: Option<String>,
    /// Whether rows that are made of it were read from a cache instead; absent if not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cached: bool,
}

/// A row that was left out on request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DroppedRecord {
    /// Which input.
    pub role: Cow<'static, str>,
    /// Which row of it, over all shards, and what was wrong.
    #[serde(flatten)]
    pub row: DroppedRow,
}

/// A row that was dropped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DroppedRow {
    /// Its number over all files, dropped rows counted.
    pub row: usize,
    /// What is wrong with it.
    pub fault: Cow<'static, str>,
}
