//! Rows by hashed words and pairs of words: how common they are in the pool is counted first.

use std::sync::OnceLock;

use kantor_solvers::Watch;
use rayon::prelude::*;

use super::cache::{Cache, Key};
use super::described;
use super::ngrams::{self, Frequency};
use super::reading::Reading;
use super::spec::ngrams_name;
use crate::source::memory::Claim;
use crate::source::number::Number;
use crate::source::{Allowance, DataError, JsonlRows, Representation};

/// How common words are in a pool, found when that is first needed.
#[derive(Debug)]
pub(super) struct ByWords {
    dim: usize,
    counted: OnceLock<Frequency>,
}

impl ByWords {
    /// For rows of so many numbers.
    pub(super) fn new(dim: usize) -> Self {
        Self { dim, counted: OnceLock::new() }
    }

    /// What makes rows, weighted by how common words are in these lines of the pool, which are always the same.
    pub(super) fn encoder<'a>(
        &'a self,
        reading: &'a Reading,
        pool: &'a JsonlRows,
        cache: Option<&'a Cache>,
        (allowance, watch): (&'a Allowance, &'a dyn Watch),
    ) -> Encoder<'a> {
        let bytes: u64 = pool.files().iter().map(|file| file.bytes).sum();
        let cache = cache.filter(|_| bytes >= PAYS);
        Encoder { dim: self.dim, reading, pool, cache, allowance, watch, counted: &self.counted }
    }
}

/// Makes rows of text.
pub(super) struct Encoder<'a> {
    dim: usize,
    reading: &'a Reading,
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
    pub(super) fn rows(&self, lines: &JsonlRows) -> Result<Representation, DataError> {
        if self.cache.is_none() {
            self.frequency()?;
        }
        let bytes = self.dim * ngrams::BYTES;
        let mut claim = Claim::new(self.allowance, &lines.files()[0].path);
        let (mut numbers, len) = (Vec::new(), lines.len().saturating_mul(bytes));
        claim.room(&mut numbers, len, "the rows that are made of its text", REMEDY)?;
        let make = |numbers: &mut Vec<u8>| self.make(lines, bytes, numbers);
        let key = || {
            let spec = (self.name(), self.dim);
            Key::of(&("rows", ngrams::VERSION, spec, described(self.pool), described(lines)))
        };
        let cached = match self.cache {
            Some(cache) => cache.read_or(&key(), len, &mut numbers, self.watch, make)?,
            None => make(&mut numbers).map(|()| false)?,
        };
        claim.keep();
        Ok(Representation::of_text(lines, &self.name(), numbers, (self.dim, Number::F16))?.cached(cached))
    }

    /// Appends a row of so many bytes for each line.
    fn make(&self, lines: &JsonlRows, bytes: usize, numbers: &mut Vec<u8>) -> Result<(), DataError> {
        let frequency = self.frequency()?;
        self.reading.each(lines, self.allowance, self.watch, &mut |count, text| {
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
                let key = Key::of(&("counts", ngrams::VERSION, self.name(), described(self.pool)));
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
        self.reading.each(self.pool, self.allowance, self.watch, &mut |count, text| {
            (0..count).into_par_iter().for_each(|at| frequency.count(&text(at), self.watch));
        })?;
        Ok(frequency)
    }

    fn name(&self) -> String {
        ngrams_name(self.reading.template())
    }
}

/// Bytes of the pool's files from which on a cache is read and written: rows of less are made in no more time than that takes.
const PAYS: u64 = 1 << 20;

const TABLE_REMEDY: &str = "allow more with --max-memory";

const REMEDY: &str = "allow more with --max-memory, or make shorter rows with --ngram-dim";
