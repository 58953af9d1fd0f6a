//! Text as rows of numbers.
//!
//! What a line says is its usual fields or a [`Template`]; `ngrams` makes a row of it. Words are weighted by how common they are in
//! the pool, so the pool's text is read before any row is made.

mod cache;
mod encoder;
#[cfg(feature = "models")]
mod models;
#[cfg(not(feature = "models"))]
#[path = "no_models.rs"]
mod models;
mod ngrams;
mod template;
mod words;

use std::borrow::Cow;
use std::ops::{Deref, Range, RangeInclusive};
use std::sync::{Mutex, OnceLock};

use kantor_solvers::Watch;
use rayon::prelude::*;

use crate::source::memory::Claim;
use crate::source::separator;
use crate::source::text::FIELDS;
use crate::source::{Allowance, DataError, JsonlRows, Representation};

pub use cache::Cache;
use cache::Key;
pub use encoder::EncoderOptions;
pub(crate) use models::Encoder as ModelEncoder;
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
pub(crate) const NAME: &str = "ngrams";

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
        take: &mut dyn FnMut(usize, String) -> Result<(), DataError>,
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
    fn each(
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
                    Held { text: String::new(), _claim: None }
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
        each_word(&text, |_| words += 1);
        claim.add(words * ngrams::WORD, "the words of a line", LONG_REMEDY)?;
        Ok(Held { text, _claim: Some(claim) })
    }
}

/// A text, and what it takes while it is worked on.
struct Held<'a> {
    text: String,
    _claim: Option<Claim<'a>>,
}

impl Deref for Held<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.text
    }
}

/// How rows are made of the text of one pool and of others that go with it.
#[derive(Debug)]
pub struct Ngrams {
    spec: TextSpec,
    cache: Option<Cache>,
    /// How common words are in the pool, found when that is first needed.
    counted: OnceLock<Frequency>,
}

impl Ngrams {
    /// By this specification; rows are looked for in a cache first, if there is one, and kept there.
    pub fn new(spec: TextSpec, cache: Option<Cache>) -> Self {
        Self { spec, cache, counted: OnceLock::new() }
    }

    /// What makes rows, weighted by how common words are in these lines of the pool, which are always the same.
    pub fn encoder<'a>(&'a self, pool: &'a JsonlRows, allowance: &'a Allowance, watch: &'a dyn Watch) -> Encoder<'a> {
        let bytes: u64 = pool.files().iter().map(|file| file.bytes).sum();
        let cache = self.cache.as_ref().filter(|_| bytes >= PAYS);
        Encoder { spec: &self.spec, pool, cache, allowance, watch, counted: &self.counted }
    }

    /// The text of a line, if it has what is read.
    pub(crate) fn said(&self, line: &[u8]) -> Option<String> {
        self.spec.text(line).ok()
    }

    /// The cache, if there is one.
    pub(crate) fn cache(&self) -> Option<&Cache> {
        self.cache.as_ref()
    }
}

/// Makes rows of text.
pub struct Encoder<'a> {
    spec: &'a TextSpec,
    pool: &'a JsonlRows,
    cache: Option<&'a Cache>,
    allowance: &'a Allowance,
    watch: &'a dyn Watch,
    counted: &'a OnceLock<Frequency>,
}

impl Encoder<'_> {
    /// A row for each line.
    ///
    /// # Errors
    /// If a line lacks a field that is to be read, a file changed, more memory is needed than is allowed, or the watch asks to
    /// stop.
    pub fn rows(&self, lines: &JsonlRows) -> Result<Representation, DataError> {
        if self.cache.is_none() {
            self.frequency()?;
        }
        let bytes = self.spec.dim * ngrams::BYTES;
        let mut claim = Claim::new(self.allowance, &lines.files()[0].path);
        let (mut numbers, len) = (Vec::new(), lines.len().saturating_mul(bytes));
        claim.room(&mut numbers, len, "the rows that are made of its text", REMEDY)?;
        let make = |numbers: &mut Vec<u8>| self.make(lines, bytes, numbers);
        let key = || {
            let spec = (self.spec.name(), self.spec.dim);
            Key::of(&("rows", ngrams::VERSION, spec, described(self.pool), described(lines)))
        };
        let cached = match self.cache {
            Some(cache) => cache.read_or(&key(), len, &mut numbers, self.watch, make)?,
            None => make(&mut numbers).map(|()| false)?,
        };
        claim.keep();
        Ok(Representation::of_text(lines, &self.spec.name(), numbers, self.spec.dim)?.cached(cached))
    }

    /// Appends a row of so many bytes for each line.
    fn make(&self, lines: &JsonlRows, bytes: usize, numbers: &mut Vec<u8>) -> Result<(), DataError> {
        let frequency = self.frequency()?;
        self.spec.each(lines, self.allowance, self.watch, &mut |count, text| {
            let start = numbers.len();
            numbers.resize(start + count * bytes, 0);
            let rows = numbers[start..].par_chunks_exact_mut(bytes);
            rows.enumerate().for_each(|(at, row)| frequency.row(&text(at), row, self.watch));
        })
    }

    /// How common words are in the pool.
    fn frequency(&self) -> Result<&Frequency, DataError> {
        if let Some(frequency) = self.counted.get() {
            return Ok(frequency);
        }
        let what = "how common the words of the pool are";
        let mut claim = Claim::new(self.allowance, &self.pool.files()[0].path);
        claim.add(ngrams::TABLE, what, TABLE_REMEDY)?;
        let mut beside = Claim::new(self.allowance, &self.pool.files()[0].path);
        // Where memory is short, words are counted as without a cache.
        let cache = self.cache.filter(|_| beside.add(ngrams::TABLE, what, TABLE_REMEDY).is_ok());
        let frequency = match cache {
            None => self.count()?,
            Some(cache) => {
                let key = Key::of(&("counts", ngrams::VERSION, self.spec.name(), described(self.pool)));
                let mut bytes = Vec::new();
                let make = |bytes: &mut Vec<u8>| {
                    self.count()?.append_to(bytes);
                    Ok(())
                };
                cache.read_or(&key, ngrams::TABLE as usize, &mut bytes, self.watch, make)?;
                Frequency::of_counts(self.pool.len(), &bytes)
            }
        };
        claim.keep();
        Ok(self.counted.get_or_init(|| frequency.finish()))
    }

    fn count(&self) -> Result<Frequency, DataError> {
        let frequency = Frequency::new(self.pool.len());
        self.spec.each(self.pool, self.allowance, self.watch, &mut |count, text| {
            (0..count).into_par_iter().for_each(|at| frequency.count(&text(at), self.watch));
        })?;
        Ok(frequency)
    }
}

/// What decides of files of text which lines they have.
fn described(lines: &JsonlRows) -> Vec<(&str, Option<u8>)> {
    lines.files().iter().map(|file| (&*file.digest, separator(&file.path))).collect()
}

/// Bytes of the pool's files from which on a cache is read and written: rows of less are made in no more time than that takes.
const PAYS: u64 = 1 << 20;

/// Takes the number of some lines, and what gives the text of each of them.
type Take<'a> = dyn for<'h> FnMut(usize, &(dyn Fn(usize) -> Held<'h> + Sync)) + 'a;

/// Bytes of lines that are worked on at a time, and how many lines at most.
const BATCH: usize = 1 << 20;
const LINES: usize = 1 << 14;

/// Bytes of a text that are worth counting: some of these are worked on at a time.
const LONG: usize = 1 << 20;
const LONG_REMEDY: &str = "allow more with --max-memory, or name fewer fields in --text";

const TABLE_REMEDY: &str = "allow more with --max-memory";

/// Numbers that a row may have.
pub const DIMS: RangeInclusive<usize> = 8..=1 << 16;

const REMEDY: &str = "allow more with --max-memory, or make shorter rows with --ngram-dim";

const FIELDS_REMEDY: &str = "say which fields are the text, as in --text '{prompt}\\n{response}'";
