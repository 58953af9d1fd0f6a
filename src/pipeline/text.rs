//! Pool and queries that are text: rows are made of them.

use std::path::PathBuf;

use kantor_solvers::Watch;

use super::{Error, InputSpec, Inputs};
use crate::represent::{Cache, ReadText, Side, TextRows, TextSpec};
use crate::source::kind::{has_columns, holds_text, table_of};
use crate::source::name::readable;
use crate::source::open_file as open;
use crate::source::text::Fields;
use crate::source::{Allowance, DataError, JsonlRows, Representation};

/// The lines of pool and queries.
pub(super) struct Texts {
    pub(super) rows: TextRows,
    pub(super) pool: JsonlRows,
    pub(super) query: JsonlRows,
}

impl InputSpec {
    /// Whether a file of pool or queries is text.
    pub(crate) fn holds_text(&self) -> bool {
        let options = self.options();
        self.pool.iter().chain(&self.query).any(|path| holds_text(path, &options))
    }

    /// The lines of pool and queries, if that is what their files hold.
    ///
    /// # Errors
    /// If only some files are text, they cannot be read as JSON lines, or how text is read is said of vectors.
    pub(super) fn read_text(&self, allowance: &Allowance, watch: &dyn Watch) -> Result<Option<Texts>, Error> {
        let options = self.options();
        let mut files = self.pool.iter().chain(&self.query);
        let (text, vectors): (Vec<_>, Vec<_>) = files.by_ref().partition(|path| holds_text(path, &options));
        let mixed = |(text, vectors): (&PathBuf, &PathBuf)| {
            let fault = format!(
                "{} is text and {} is not: give both as JSON lines, of which rows are made, or both as vectors (then the pool's text \
                 goes to --pool-jsonl){}",
                readable(text),
                readable(vectors),
                if has_columns(text) { "; vectors of a file of columns are named as FILE:COLUMN" } else { "" }
            );
            Err(Error::Request(fault))
        };
        match (text.first(), vectors.first()) {
            (None, _) if self.text != TextSpec::default() && !self.tensor_is_hint => {
                let fault = "--text, --ngram-dim, --represent and --model say how rows are made of text, but pool and queries are no text: \
                             leave them out";
                Err(Error::Request(fault.to_owned()))
            }
            (None, _) => Ok(None),
            (Some(text), Some(vectors)) => {
                // What is not there is neither.
                open(table_of(vectors).0)?;
                mixed((text, vectors))
            }
            (Some(text), None) if self.cast || self.tensor.is_some() && !self.tensor_is_hint => {
                let flag = if self.cast { "--cast" } else { "--tensor" };
                let fault = format!("{flag} is for files of vectors, and {} is text: leave it out", readable(text));
                Err(Error::Request(fault))
            }
            (Some(_), None) => {
                let pool = JsonlRows::scan_within(&self.pool, None, allowance, watch)?;
                let query = JsonlRows::scan_apart(&self.query, allowance, watch)?;
                let rows = TextRows::open(&self.text, self.cache.clone().map(Cache::new), allowance, watch)?;
                Ok(Some(Texts { rows, pool, query }))
            }
        }
    }
}

impl Texts {
    /// The rows of pool and queries.
    pub(super) fn rows(
        &self,
        allowance: &Allowance,
        watch: &dyn Watch,
    ) -> Result<(Representation, Representation), DataError> {
        let rows = |lines| self.rows.rows(&self.pool, lines, allowance, watch);
        Ok((rows((&self.pool, Side::Pool))?, rows((&self.query, Side::Query))?))
    }
}

impl Inputs {
    /// The text of a line of pool or queries, as it was read if rows are made of it.
    pub(crate) fn said(&self, line: &[u8]) -> Option<String> {
        match &self.read_text {
            Some(read) => read.said(line),
            None => Fields::of(line).text(),
        }
    }

    /// The cache of rows, if there is one.
    pub(crate) fn cache(&self) -> Option<&Cache> {
        self.read_text.as_ref()?.cache()
    }

    /// Says what rows are that were made of text.
    pub fn text_in_words(&self) -> Option<String> {
        let (pool, _) = self.points()?;
        Some(self.read_text.as_ref()?.in_words(kantor_theory::Rows::dim(pool)))
    }

    /// The files that decide what the model is which made rows of text, if one did.
    pub(super) fn model_files(&self) -> &[PathBuf] {
        self.read_text.as_ref().map_or(&[], ReadText::model_files)
    }
}
