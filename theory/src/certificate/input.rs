//! The inputs of a certificate: the rows that it speaks of, and what identifies them.
//!
//! In version 2 an input is a range of rows with a digest of its values, wherever they are stored. In version 1 it is a file.

use std::ops::Range;

use serde::{Deserialize, Deserializer, Serialize};

use crate::rejection::Rejection;

use super::SCHEMA;

/// What the rows of an input are used as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Pool rows; several inputs are concatenated in order.
    Pool,
    /// Query rows; several inputs are concatenated in order.
    Query,
    /// The M×N matrix of similarities, or of costs if the cost is `precomputed`.
    Similarity,
}

impl Role {
    /// The word for it in files.
    pub fn name(self) -> &'static str {
        match self {
            Role::Pool => "pool",
            Role::Query => "query",
            Role::Similarity => "similarity",
        }
    }

    /// The role of that name.
    pub fn named(name: &str) -> Option<Self> {
        [Role::Pool, Role::Query, Role::Similarity].into_iter().find(|role| role.name() == name)
    }
}

/// Some rows that a certificate speaks of, all of one number type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct Input {
    /// What they are used as.
    pub role: Role,
    /// The file that they were read from, if any; proves nothing.
    pub name: Option<String>,
    /// The tensor of the file that they were read from; absent for files that do not name tensors. It proves something only
    /// beside [`Content::File`].
    pub tensor: Option<String>,
    /// Number of rows.
    pub rows: usize,
    /// Numbers per row.
    pub dim: usize,
    /// Type of the numbers.
    pub dtype: String,
    /// What identifies the rows.
    pub content: Content,
}

/// What identifies the rows of an input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// In version 1: the rows of a file.
    File {
        /// SHA-256 of the whole file, lower-case hexadecimal.
        sha256: String,
    },
    /// In version 2: a range of the rows of a role, wherever they are stored.
    Values {
        /// The number of the first row.
        start: usize,
        /// BLAKE3 of their numbers in the stored type, row by row, the least significant byte first; lower-case hexadecimal.
        blake3: String,
    },
}

impl Input {
    /// The range of this input in the `len` rows of its role, cut to what is there. A file is taken for all of them.
    pub fn range(&self, len: usize) -> Range<usize> {
        match self.content {
            Content::File { .. } => 0..len,
            Content::Values { start, .. } => start.min(len)..start.saturating_add(self.rows).min(len),
        }
    }

    /// The first thing in which `found` differs from this input, in words; `None` if they are the same rows. Names prove
    /// nothing and are not compared.
    pub(crate) fn difference(&self, found: &Input) -> Option<&'static str> {
        let rows = [
            ("role", self.role == found.role),
            ("number of rows", self.rows == found.rows),
            ("number of columns", self.dim == found.dim),
            ("number type", self.dtype == found.dtype),
        ];
        let content = match (&self.content, &found.content) {
            (Content::File { sha256: said }, Content::File { sha256 }) => [
                ("SHA-256", said == sha256),
                // Certificates that name none are as old as the format: they speak of the tensor that the caller took.
                ("tensor", self.tensor.is_none() || self.tensor == found.tensor),
            ],
            (Content::Values { start: first, blake3: said }, Content::Values { start, blake3 }) => {
                [("first row", first == start), ("digest of its values", said == blake3)]
            }
            _ => [("kind of digest", false); 2],
        };
        rows.into_iter().chain(content).find(|(_, same)| !same).map(|(what, _)| what)
    }
}

/// Checks that inputs have the form of this version. In version 2, the ranges must cover the rows of every role once, in order.
pub(crate) fn check_inputs(schema: &str, inputs: &[Input]) -> Result<(), Rejection> {
    let refused = |at: usize, fault: &str| Err(Rejection::new("inputs", format!("input {at} {fault}")));
    let (mut last, mut next) = (None, 0);
    for (at, input) in inputs.iter().enumerate() {
        let start = match &input.content {
            Content::File { .. } if schema != SCHEMA => continue,
            Content::Values { start, .. } if schema == SCHEMA => *start,
            _ => return refused(at, "has the kind of digest of another version"),
        };
        match last.replace(input) {
            Some(Input { role, .. }) if *role > input.role => return refused(at, "is out of order"),
            Some(Input { dim, .. }) if *dim != input.dim => return refused(at, "has another number of columns"),
            Some(Input { role, .. }) if *role == input.role => {}
            _ => next = 0,
        }
        if start != next {
            return refused(at, &format!("begins at row {start} where row {next} is the next"));
        }
        next = match start.checked_add(input.rows) {
            Some(end) if end > start && input.dim > 0 && !input.dtype.is_empty() => end,
            _ => return refused(at, "has no rows, no columns, no number type, or more rows than can be counted"),
        };
    }
    let has = |role| inputs.iter().any(|input| input.role == role);
    match (has(Role::Pool), has(Role::Query), has(Role::Similarity)) {
        (true, true, false) | (false, false, true) => Ok(()),
        _ if schema != SCHEMA => Ok(()),
        _ => Err(Rejection::new("inputs", "these are neither pool and queries nor a matrix")),
    }
}

/// An input as it is written: the keys of both versions.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    role: Role,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    sha256: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tensor: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    start: Option<usize>,
    rows: usize,
    dim: usize,
    dtype: String,
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    blake3: Option<String>,
}

/// Reads a key that may be absent but must not be null.
fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

impl TryFrom<Written> for Input {
    type Error = &'static str;

    fn try_from(written: Written) -> Result<Self, Self::Error> {
        let Written { role, name, sha256, tensor, start, rows, dim, dtype, blake3 } = written;
        let content = match (sha256, start, blake3) {
            (Some(sha256), None, None) if name.is_some() => Content::File { sha256 },
            (None, Some(start), Some(blake3)) => Content::Values { start, blake3 },
            _ => return Err("an input has either `name` and `sha256`, or `start` and `blake3`"),
        };
        Ok(Self { role, name, tensor, rows, dim, dtype, content })
    }
}

impl From<Input> for Written {
    fn from(Input { role, name, tensor, rows, dim, dtype, content }: Input) -> Self {
        let (sha256, start, blake3) = match content {
            Content::File { sha256 } => (Some(sha256), None, None),
            Content::Values { start, blake3 } => (None, Some(start), Some(blake3)),
        };
        Self { role, name, sha256, tensor, start, rows, dim, dtype, blake3 }
    }
}
