//! What a file of rows says of itself: what it was made of, by which model, and how.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::EmbedSpec;
use crate::represent::{LessRecord, ModelEncoder, StoredAs};
use crate::source::JsonlRows;
use crate::source::jsonl::JsonlFile;
use crate::source::name::readable;

/// The layout of the record.
const SCHEMA: &str = "kantor/embed/1";

/// A file of text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextRecord {
    /// The file as it was named.
    pub path: String,
    /// SHA-256 of it, in hexadecimal.
    pub sha256: String,
    /// Its rows.
    pub rows: usize,
}

/// A model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelRecord {
    /// Its folder as it was named.
    pub path: String,
    /// SHA-256 of the names and digests of its files, in hexadecimal.
    pub sha256: String,
    /// Tokens of a text that are read.
    pub max_length: usize,
    /// What every text begins with.
    pub prompt: String,
}

/// What a file of rows was made of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EmbedRecord {
    schema: String,
    /// The version of kantor.
    pub version: String,
    /// What rows are: `embed` of a sentence encoder, `rds` of a causal language model, `less` of its gradients.
    pub represent: String,
    /// By what.
    pub model: ModelRecord,
    /// How gradients were made, if they are some.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub less: Option<LessRecord>,
    /// The files of text.
    pub text: Vec<TextRecord>,
    /// What of a line is its text; its usual fields if nothing is said.
    pub template: Option<String>,
    /// The first of the rows of these files that is here.
    pub first: usize,
    /// Rows.
    pub rows: usize,
    /// Numbers in a row.
    pub dim: usize,
    /// How numbers are stored.
    pub element: StoredAs,
    /// Texts that were longer than what is read; said once all rows are made.
    pub cut: Option<usize>,
}

impl TextRecord {
    /// Of all files of some lines.
    pub(crate) fn all(lines: &JsonlRows) -> Vec<Self> {
        let text = |file: &JsonlFile| Self {
            path: readable(&file.path).to_string(),
            sha256: file.digest.clone(),
            rows: file.rows,
        };
        lines.files().iter().map(text).collect()
    }
}

impl EmbedRecord {
    pub(super) fn of(spec: &EmbedSpec, lines: &JsonlRows, model: &ModelEncoder, rows: Range<usize>) -> Self {
        Self {
            schema: SCHEMA.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            represent: model.name().to_owned(),
            model: ModelRecord {
                path: readable(&spec.model).to_string(),
                sha256: model.digest().to_owned(),
                max_length: model.longest(),
                prompt: model.prompt().to_owned(),
            },
            less: model.less(),
            text: TextRecord::all(lines),
            template: spec.template.as_ref().map(ToString::to_string),
            first: rows.start,
            rows: rows.len(),
            dim: model.dim(),
            element: spec.element,
            cut: None,
        }
    }

    /// Whether these are the same rows, wherever text and model are.
    pub(super) fn is_of_rows_of(&self, other: &Self) -> bool {
        let bare = |record: &Self| {
            let mut record = record.clone();
            let less = record.less.as_mut().map(|less| &mut less.path);
            let paths = record.text.iter_mut().map(|text| &mut text.path).chain([&mut record.model.path]);
            paths.chain(less).for_each(String::clear);
            record
        };
        bare(self) == bare(other)
    }

    /// Whether a line is the beginning of such a record.
    pub(super) fn begins(line: &[u8]) -> bool {
        line.starts_with(format!("{{\"schema\":\"{SCHEMA}\"").as_bytes())
    }
}
