//! The rows that a certificate speaks of, and what says which they are.

use std::ops::Range;

use serde::{Deserialize, Deserializer, Serialize};

use crate::rejection::Rejection;

use super::SCHEMA;

/// What rows are to the problem.
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

/// Some rows, of one number type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct Input {
    /// What they are.
    pub role: Role,
    /// The file that they were read from, if any; proves nothing.
    pub name: Option<String>,
    /// Which of the file's tensors it was; absent for files that do not name them. Proves nothing beside
    /// [`Content::Values`].
    pub tensor: Option<String>,
    /// How many.
    pub rows: usize,
    /// Numbers per row.
    pub dim: usize,
    /// Their type.
    pub dtype: String,
    /// What says which.
    pub content: Content,
}

/// What says which rows an input is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// The rows of a file, in version 1.
    File {
        /// SHA-256 of the whole file, lower-case hexadecimal.
        sha256: String,
    },
    /// A range of the rows of a role, wherever they are stored.
    Values {
        /// The first of them.
        start: usize,
        /// BLAKE3 of their numbers as they are stored, but row by row and the least significant byte first; lower-case
        /// hexadecimal.
        blake3: String,
    },
}

impl Input {
    /// These rows of the `len` rows of their role, as far as there are any; of a file, all.
    pub fn range(&self, len: usize) -> Range<usize> {
        match self.content {
            Content::File { .. } => 0..len,
            Content::Values { start, .. } => start.min(len)..start.saturating_add(self.rows).min(len),
        }
    }

    /// In what `found` is not what is said here; names prove nothing.
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

/// Checks that inputs are as this version has them: in version 2, ranges that cover the rows of every role once and in
/// order.
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

/// An input as both versions write it.
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

/// What is there must not be null.
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
