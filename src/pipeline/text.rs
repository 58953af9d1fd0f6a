//! Pool and queries that are text: rows are made of them.

use kantor_solvers::Watch;

use super::{Error, InputSpec, Inputs};
use crate::represent::{Encoder, TextSpec};
use crate::source::kind::holds_text;
use crate::source::name::readable;
use crate::source::open_file as open;
use crate::source::text::Fields;
use crate::source::{Allowance, DataError, JsonlRows, Representation};

/// The lines of pool and queries.
pub(super) struct Texts {
    spec: TextSpec,
    pub(super) pool: JsonlRows,
    pub(super) query: JsonlRows,
    /// What made rows of them, once rows were made.
    pub(super) encoder: Option<Encoder>,
}

impl InputSpec {
    /// The lines of pool and queries, if that is what their files hold.
    ///
    /// # Errors
    /// If only some files are text, they cannot be read as JSON lines, or how text is read is said of vectors.
    pub(super) fn read_text(&self, allowance: &Allowance, watch: &dyn Watch) -> Result<Option<Texts>, Error> {
        let mut files = self.pool.iter().chain(&self.query);
        let (text, vectors): (Vec<_>, Vec<_>) = files.by_ref().partition(|path| holds_text(path));
        let mixed = |(text, vectors): (_, _)| {
            let fault = format!(
                "{} is text and {} is not: give both as JSON lines, of which rows are made, or both as vectors (then the pool's text \
                 goes to --pool-jsonl)",
                readable(text),
                readable(vectors)
            );
            Err(Error::Request(fault))
        };
        match (text.first(), vectors.first()) {
            (None, _) if self.text != TextSpec::default() && !self.tensor_is_hint => {
                let fault = "--text and --ngram-dim say how rows are made of text, but pool and queries are no text: leave them out";
                Err(Error::Request(fault.to_owned()))
            }
            (None, _) => Ok(None),
            (Some(text), Some(vectors)) => {
                // What is not there is neither.
                open(vectors)?;
                mixed((text, vectors))
            }
            (Some(_), None) => {
                let pool = JsonlRows::scan_within(&self.pool, None, allowance, watch)?;
                let query = JsonlRows::scan_apart(&self.query, allowance, watch)?;
                Ok(Some(Texts { spec: self.text.clone(), pool, query, encoder: None }))
            }
        }
    }
}

impl Texts {
    /// The rows of pool and queries.
    pub(super) fn rows(
        &mut self,
        allowance: &Allowance,
        watch: &dyn Watch,
    ) -> Result<(Representation, Representation), DataError> {
        let encoder = self.encoder.insert(self.spec.encoder(&self.pool, watch)?);
        Ok((encoder.rows(&self.pool, allowance, watch)?, encoder.rows(&self.query, allowance, watch)?))
    }
}

impl Inputs {
    /// The text of a line of pool or queries, as it was read if rows are made of it.
    pub(crate) fn said(&self, line: &[u8]) -> Option<String> {
        match &self.encoder {
            Some(encoder) => encoder.said(line),
            None => Fields::of(line).text(),
        }
    }

    /// Says what rows are that were made of text.
    pub fn text_in_words(&self) -> Option<String> {
        let (pool, _) = self.points().filter(|_| self.encoder.is_some())?;
        Some(format!(
            "rows are made of text: its words and pairs of words, hashed to {} numbers (ngrams); rows of an embedding model find \
             closer examples",
            kantor_theory::Rows::dim(pool)
        ))
    }
}
