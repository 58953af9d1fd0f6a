//! The inputs of a selection as they are asked for.

use std::path::{Path, PathBuf};

use super::forbid::ForbidOverlap;
use super::rules::RuleSpec;
use super::tasks::{Aggregate, QueryWeighting};
use crate::represent::{MODEL, TextSpec, files_of_model};
use crate::source::kind::{has_columns, holds_text, table_of};
use crate::source::{DataError, OnBadRow, OpenOptions, files_named};

/// Which files to read and how.
#[derive(Debug, Clone, Default)]
pub struct InputSpec {
    /// Shards of the pool, in order; empty with `similarity`.
    pub pool: Vec<PathBuf>,
    /// Files of query rows, in order; several are tasks.
    pub query: Vec<PathBuf>,
    /// Names of the tasks, one for each file of queries if there are several.
    pub tasks: Vec<String>,
    /// What the tasks are together.
    pub aggregate: Aggregate,
    /// How much each query counts.
    pub query_weights: QueryWeighting,
    /// An M×N matrix instead of both.
    pub similarity: Option<PathBuf>,
    /// How rows are made of pool and queries that are text.
    pub text: TextSpec,
    /// Folder in which rows are kept that were made of text, and found again; none are by default.
    pub cache: Option<PathBuf>,
    /// The pool's examples as text; as many lines as the pool has rows. If the pool is text itself, that.
    pub pool_jsonl: Vec<PathBuf>,
    /// The queries as text; as many lines as there are queries. Of several tasks one file with all, or one for each, in order. If
    /// they are text themselves, those.
    pub query_jsonl: Vec<PathBuf>,
    /// Labels of the queries, one a line, or `FILE:FIELD` for a field of JSON lines.
    pub query_groups: Option<PathBuf>,
    /// Whether vectors are taken together whose files say that other models or settings made them.
    pub mixed_models: bool,
    /// Name of the tensor, where a file holds several.
    pub tensor: Option<String>,
    /// Whether that name is a hint: of a file without it, the only table is read.
    pub tensor_is_hint: bool,
    /// What chosen rows must obey.
    pub rules: RuleSpec,
    /// Read integers as numbers.
    pub cast: bool,
    /// What to do with rows that cannot be measured.
    pub on_bad_row: OnBadRow,
    /// Fail if a query row is also in the pool.
    pub forbid_overlap: ForbidOverlap,
    /// Bytes that reading may take beside the files: what is unpacked, the ids of rows; by default what the system has
    /// free.
    pub memory: Option<u64>,
}

impl InputSpec {
    /// The same with the files that directories and patterns among pool, queries and their text [stand for](files_named), and those
    /// of a model.
    ///
    /// # Errors
    /// As [`files_named`], or if the queries of one of several tasks are not in one file.
    pub fn expanded(mut self) -> Result<Self, DataError> {
        let several = |paths: &[PathBuf]| paths.iter().map(|path| files_named(path)).collect::<Result<Vec<_>, _>>();
        let queries = several(&self.query)?;
        if let Some((path, files)) = self.query.iter().zip(&queries).find(|(_, files)| files.len() > 1)
            && self.tasks.len() > 1
        {
            let fault = format!("stands for {} files, but each of several tasks has one file of queries", files.len());
            return Err(DataError::malformed(path, fault, "join them in one file"));
        }
        self.query = queries.into_iter().flatten().collect();
        for paths in [&mut self.pool, &mut self.pool_jsonl, &mut self.query_jsonl] {
            *paths = several(paths)?.into_iter().flatten().collect();
        }
        if let Some(model) = self.text.model_mut() {
            model.files = files_of_model(&model.path);
        }
        Ok(self)
    }

    /// The same, in which files of columns whose vectors are the pool are its records too, if no others are given.
    #[must_use]
    pub fn with_records(mut self) -> Self {
        let file = |named: &PathBuf| table_of(named).0.to_owned();
        if self.pool_jsonl.is_empty() && self.pool.iter().all(|named| has_columns(table_of(named).0)) {
            let files: Vec<PathBuf> = self.pool.iter().map(file).collect();
            if self.pool.iter().any(|named| !holds_text(named, &self.options())) {
                self.pool_jsonl = files;
            }
        }
        self
    }

    /// How its tables are opened.
    pub(super) fn options(&self) -> OpenOptions {
        OpenOptions { tensor: self.tensor.clone(), tensor_is_hint: self.tensor_is_hint, cast: self.cast }
    }

    /// Tables that are named as `FILE:NAME`, by the file's place among tables of rows.
    pub(crate) fn tables_named(&self) -> impl Iterator<Item = (usize, &str)> {
        let rows = self.pool.iter().chain(&self.query).chain(&self.similarity).chain(&self.rules.exclude_near);
        rows.enumerate().filter_map(|(at, named)| Some((at, table_of(named).1?)))
    }

    /// All files with their roles, in the order of the records; but for the labels, whose file is known once it is read.
    pub fn files(&self) -> impl Iterator<Item = (&'static str, &Path)> {
        let query = self.query.iter().map(|path| ("query", path));
        let similarity = self.similarity.iter().map(|path| ("similarity", path));
        let pool = self.pool.iter().map(|path| ("pool", path));
        let text = self.pool_jsonl.iter().map(|path| ("pool-jsonl", path));
        let query_text = self.query_jsonl.iter().map(|path| ("query-jsonl", path));
        let files = pool.chain(query).chain(similarity).chain(text).chain(query_text);
        let files = files.map(|(role, path)| (role, table_of(path).0));
        let model = self.text.model().into_iter().flat_map(|model| &model.files).map(|path| (MODEL, path.as_path()));
        files.chain(model).chain(self.query_weights.file()).chain(self.rules.files())
    }
}
