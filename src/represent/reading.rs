//! What of lines is text, and the text of each of them.

use std::borrow::Cow;
use std::ops::{Deref, Range};
use std::sync::Mutex;

use kantor_solvers::Watch;

use super::ngrams::WORD;
use super::template::{self, Template};
use super::words::each_word;
use crate::source::answers::Marked;
use crate::source::memory::Claim;
use crate::source::text::FIELDS;
use crate::source::{Allowance, DataError, JsonlRows};

/// What of a line is its text: its [usual fields](FIELDS), or what a template says.
#[derive(Debug, Clone)]
pub(crate) struct Reading {
    template: Option<Template>,
}

impl Reading {
    pub(crate) fn new(template: Option<Template>) -> Self {
        Self { template }
    }

    /// The template, if there is one.
    pub(super) fn template(&self) -> Option<&Template> {
        self.template.as_ref()
    }

    /// The text of a line, with what of it answers, or what is missing.
    pub(crate) fn text(&self, line: &[u8]) -> Result<Marked, String> {
        match &self.template {
            Some(template) => template.fill(line),
            None => template::usual(line),
        }
    }

    /// Calls `take` with the number and the text of some lines, in order.
    ///
    /// # Errors
    /// If a line lacks a field that is to be read, a file changed, more than `allowance` is needed, `watch` asks to stop, or that of
    /// `take`.
    pub(crate) fn each_text(
        &self,
        lines: &JsonlRows,
        rows: Range<usize>,
        allowance: &Allowance,
        watch: &dyn Watch,
        take: &mut dyn FnMut(usize, Marked) -> Result<(), DataError>,
    ) -> Result<(), DataError> {
        let fields = self.fields();
        let fields: Vec<&str> = fields.iter().map(AsRef::as_ref).collect();
        lines.visit_fields(&fields, watch, |row, line| match rows.contains(&row) {
            true => take(row, self.held(lines, row, line, allowance, watch)?.text),
            false => Ok(()),
        })
    }

    /// The fields at the top level that are looked at.
    fn fields(&self) -> Vec<Cow<'_, str>> {
        match &self.template {
            Some(template) => template.top_fields().into_iter().map(Cow::Owned).collect(),
            None => FIELDS.iter().map(|&name| Cow::Borrowed(name)).collect(),
        }
    }

    /// Calls `take` for all lines, in order and many at a time, with their number and what gives the text of each.
    pub(super) fn each(
        &self,
        lines: &JsonlRows,
        allowance: &Allowance,
        watch: &dyn Watch,
        take: &mut Take<'_>,
    ) -> Result<(), DataError> {
        let failed = Mutex::new(None::<(usize, DataError)>);
        let mut pass = |first: usize, batch: &mut Vec<Vec<u8>>| {
            let text = |at: usize| {
                let row = first + at;
                self.held(lines, row, &batch[at], allowance, watch).unwrap_or_else(|error| {
                    let mut failed = failed.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
                    if failed.as_ref().is_none_or(|(other, _)| *other > row) {
                        *failed = Some((row, error));
                    }
                    Held { text: Marked::default(), _claim: None }
                })
            };
            take(batch.len(), &text);
            batch.clear();
        };
        let (mut batch, mut bytes, mut first) = (Vec::new(), 0, 0);
        let fields = self.fields();
        let fields: Vec<&str> = fields.iter().map(AsRef::as_ref).collect();
        lines.visit_fields(&fields, watch, |row, line| {
            bytes += line.len();
            batch.push(line.to_vec());
            if bytes >= BATCH || batch.len() >= LINES {
                pass(first, &mut batch);
                (bytes, first) = (0, row + 1);
            }
            Ok(())
        })?;
        pass(first, &mut batch);
        // A text that was left off is no text.
        watch.advance(0)?;
        let failed = failed.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
        failed.map_or(Ok(()), |(_, error)| Err(error))
    }

    /// The text of a row, with the memory that it takes if it is long.
    fn held<'a>(
        &self,
        lines: &'a JsonlRows,
        row: usize,
        line: &[u8],
        allowance: &'a Allowance,
        watch: &dyn Watch,
    ) -> Result<Held<'a>, DataError> {
        watch.advance(0)?;
        let (file, number) = lines.place(row);
        let refuse = |fault| DataError::Line { file: file.to_owned(), line: number, fault, remedy: FIELDS_REMEDY };
        let fields = self.template.as_ref().map_or(1, Template::field_count);
        if line.len().saturating_mul(fields) < LONG {
            return Ok(Held { text: self.text(line).map_err(refuse)?, _claim: None });
        }
        let mut claim = Claim::new(allowance, file);
        claim.add(line.len() as u64 * fields as u64, "the text of a line", LONG_REMEDY)?;
        let text = self.text(line).map_err(refuse)?;
        let mut words = 0;
        each_word(&text.text, |_| words += 1);
        claim.add(words * WORD, "the words of a line", LONG_REMEDY)?;
        Ok(Held { text, _claim: Some(claim) })
    }
}

/// A text, and what it takes while it is worked on.
pub(super) struct Held<'a> {
    text: Marked,
    _claim: Option<Claim<'a>>,
}

impl Deref for Held<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.text.text
    }
}

/// Takes the number of some lines, and what gives the text of each of them.
type Take<'a> = dyn for<'h> FnMut(usize, &(dyn Fn(usize) -> Held<'h> + Sync)) + 'a;

/// Bytes of lines that are worked on at a time, and how many lines at most.
const BATCH: usize = 1 << 20;
const LINES: usize = 1 << 14;

/// Bytes of a text that are worth counting: some of these are worked on at a time.
const LONG: usize = 1 << 20;
const LONG_REMEDY: &str = "allow more with --max-memory, or name fewer fields in --text";

const FIELDS_REMEDY: &str = "say which fields are the text, as in --text '{prompt}\\n{response}'";
