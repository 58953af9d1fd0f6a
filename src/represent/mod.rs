//! Text as rows of numbers.
//!
//! What a line says is its usual fields or a [`Template`]; `ngrams` makes a row of it. Words are weighted by how common they are in
//! the pool, so the pool's text is read before any row is made.

mod ngrams;
mod template;
mod words;

use std::ops::RangeInclusive;
use std::sync::Mutex;

use kantor_solvers::Watch;
use rayon::prelude::*;

use crate::source::memory::Claim;
use crate::source::text::FIELDS;
use crate::source::{Allowance, DataError, JsonlRows, Representation};

pub use ngrams::DIM;
use ngrams::Frequency;
pub use template::Template;
pub(crate) use words::each_word;

/// How rows are made of text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextSpec {
    /// What of a line is read; its [usual fields](crate::source::text::FIELDS) if nothing is said.
    pub template: Option<Template>,
    /// Numbers in a row.
    pub dim: usize,
}

impl Default for TextSpec {
    fn default() -> Self {
        Self { template: None, dim: DIM }
    }
}

/// What the name of a table begins with that was made of text.
const NAME: &str = "ngrams";

impl TextSpec {
    /// What certificates and records call rows that are made so; with the number of columns it says all.
    pub fn name(&self) -> String {
        self.template.as_ref().map_or_else(|| NAME.to_owned(), |template| format!("{NAME}:{template}"))
    }

    /// Reads [`TextSpec::name`].
    pub fn named(name: &str, dim: usize) -> Option<Self> {
        let rest = name.strip_prefix(NAME)?;
        let template = match rest.strip_prefix(':') {
            Some(template) => Some(template.parse().ok()?),
            None if rest.is_empty() => None,
            None => return None,
        };
        DIMS.contains(&dim).then_some(Self { template, dim })
    }

    /// The text of a line, or what is missing.
    fn text(&self, line: &[u8]) -> Result<String, String> {
        match &self.template {
            Some(template) => template.fill(line),
            None => template::usual(line),
        }
    }

    /// What makes rows of text, weighted by how common words are in these lines of the pool.
    ///
    /// # Errors
    /// If a line lacks a field that is to be read, a file changed, more than `allowance` is needed, or `watch` asks to stop.
    pub fn encoder(&self, pool: &JsonlRows, allowance: &Allowance, watch: &dyn Watch) -> Result<Encoder, DataError> {
        let mut claim = Claim::new(allowance, &pool.files()[0].path);
        claim.add(ngrams::TABLE, "how common the words of the pool are", WORK_REMEDY)?;
        let frequency = Frequency::new(pool.len());
        self.each(pool, allowance, watch, &mut |count, text| {
            (0..count).into_par_iter().for_each(|at| frequency.count(&text(at)))
        })?;
        claim.keep();
        Ok(Encoder { spec: self.clone(), frequency: frequency.finish() })
    }

    /// Calls `take` for all lines, in order and many at a time, with their number and what gives the text of each.
    fn each(
        &self,
        lines: &JsonlRows,
        allowance: &Allowance,
        watch: &dyn Watch,
        take: &mut Take<'_>,
    ) -> Result<(), DataError> {
        let mut claim = Claim::new(allowance, &lines.files()[0].path);
        let of_byte = 1 + WORK * self.template.as_ref().map_or(1, Template::count) as u64;
        let fault = Mutex::new(None::<(usize, String)>);
        let mut pass = |first: usize, batch: &mut Vec<Vec<u8>>| {
            let text = |at: usize| {
                self.text(&batch[at]).unwrap_or_else(|what| {
                    let mut fault = fault.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
                    if fault.as_ref().is_none_or(|(row, _)| *row > first + at) {
                        *fault = Some((first + at, what));
                    }
                    String::new()
                })
            };
            take(batch.len(), &text);
            batch.clear();
        };
        let (mut batch, mut bytes, mut first) = (Vec::new(), 0, 0);
        let fields = self.template.as_ref().map_or_else(|| FIELDS.to_vec(), Template::top_fields);
        lines.visit_fields(&fields, watch, |row, line| {
            bytes += line.len();
            claim.raise_to(of_byte * bytes as u64, "work on its text", WORK_REMEDY)?;
            batch.push(line.to_vec());
            if bytes >= BATCH || batch.len() >= LINES {
                pass(first, &mut batch);
                (bytes, first) = (0, row + 1);
            }
            Ok(())
        })?;
        pass(first, &mut batch);
        match fault.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner()) {
            None => Ok(()),
            Some((row, fault)) => {
                let (file, line) = lines.place(row);
                Err(DataError::Line { file: file.to_owned(), line, fault, remedy: FIELDS_REMEDY })
            }
        }
    }
}

/// Makes rows of text.
#[derive(Debug)]
pub struct Encoder {
    spec: TextSpec,
    frequency: Frequency,
}

impl Encoder {
    /// A row for each line.
    ///
    /// # Errors
    /// If a line lacks a field that is to be read, a file changed, the rows take more than `allowance`, or `watch` asks to
    /// stop.
    pub fn rows(
        &self,
        lines: &JsonlRows,
        allowance: &Allowance,
        watch: &dyn Watch,
    ) -> Result<Representation, DataError> {
        let bytes = self.spec.dim * ngrams::BYTES;
        let mut claim = Claim::new(allowance, &lines.files()[0].path);
        let mut numbers = Vec::new();
        claim.room(&mut numbers, lines.len().saturating_mul(bytes), "the rows that are made of its text", REMEDY)?;
        self.spec.each(lines, allowance, watch, &mut |count, text| {
            let start = numbers.len();
            numbers.resize(start + count * bytes, 0);
            let rows = numbers[start..].par_chunks_exact_mut(bytes);
            rows.enumerate().for_each(|(at, row)| self.frequency.row(&text(at), row));
        })?;
        claim.keep();
        Representation::of_text(lines, &self.spec.name(), numbers, self.spec.dim)
    }
}

/// Takes the number of some lines, and what gives the text of each of them.
type Take<'a> = dyn FnMut(usize, &(dyn Fn(usize) -> String + Sync)) + 'a;

/// Bytes of lines that are worked on at a time, and how many lines at most.
const BATCH: usize = 1 << 20;
const LINES: usize = 1 << 14;

/// Bytes that a byte of text takes while a row is made of it, at most: itself, and the hashes of a word and a pair, if it is a word of
/// its own.
const WORK: u64 = 24;

const WORK_REMEDY: &str = "allow more with --max-memory, or make the lines of text shorter";

/// Numbers that a row may have.
pub const DIMS: RangeInclusive<usize> = 8..=1 << 16;

const REMEDY: &str = "allow more with --max-memory, or make shorter rows with --ngram-dim";

const FIELDS_REMEDY: &str = "say which fields are the text, as in --text '{prompt}\\n{response}'";
