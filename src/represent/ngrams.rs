//! Hashed words and pairs of words: rows that need no model.
//!
//! The n-grams of a text are its words and its pairs of neighbouring words. One that occurs c times in the text and in f of the
//! N lines of the pool has the weight (1 + ln c)·(1 + ln((1 + N)/(1 + f))); it is added with a sign to one of d places, sign and
//! place by its hash (feature hashing, arXiv 0902.2206), and the row is divided by its norm. Hashes are XXH3 (64 bits) and
//! logarithms those of `libm`, so a row is the same on every machine.
//!
//! Of f, no more is kept than a table of `BUCKETS` counts: n-grams that share a bucket count as one, which makes rare ones
//! of a very large pool a little less rare.
//!
//! Limit: hashing and sorting, some ten instructions a byte; two passes over the pool's text.

use std::sync::atomic::{AtomicU32, Ordering};

use half::f16;
use kantor_solvers::Watch;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use super::words::each_word;

/// Numbers in a row by default.
pub const DIM: usize = 1024;

/// Bytes of a number in a row.
pub(crate) const BYTES: usize = size_of::<f16>();

/// Version of the rows and counts: to be raised with any change of them, or of what is read of a line, so that what caches keep of
/// older versions is not taken for them.
pub(super) const VERSION: u32 = 1;

/// Logarithm of the number of buckets in which lines are counted.
const BUCKET_BITS: u32 = 22;

/// Counts of lines that are kept.
const BUCKETS: usize = 1 << BUCKET_BITS;

/// What the counts take of memory.
pub(super) const TABLE: u64 = (BUCKETS * size_of::<AtomicU32>()) as u64;

/// Keeps hashes of pairs apart from those of words.
const PAIR: u64 = 2;

/// In how many lines of the pool n-grams occur.
#[derive(Debug)]
pub(crate) struct Frequency {
    lines: usize,
    counts: Vec<AtomicU32>,
    /// Weights by count of lines, for the smallest counts.
    rarity: Vec<f64>,
}

/// Bytes that a word takes while a text is worked on: hashes of it and of a pair, in a list that grows.
pub(crate) const WORD: u64 = 48;

/// Words after which to ask whether to stop.
const ASKED: usize = 1 << 16;

/// Counts of lines whose logarithm is looked up.
const LOOKED_UP: usize = 4096;

impl Frequency {
    /// For a pool of so many lines.
    pub(crate) fn new(lines: usize) -> Self {
        Self { lines, counts: (0..BUCKETS).map(|_| AtomicU32::new(0)).collect(), rarity: Vec::new() }
    }

    /// Counts one line; not all of it if `watch` asks to stop.
    pub(crate) fn count(&self, text: &str, watch: &dyn Watch) {
        let mut seen = Vec::new();
        each(text, watch, |hash| seen.push(bucket(hash)));
        seen.sort_unstable();
        seen.dedup();
        seen.into_iter().for_each(|bucket| _ = self.counts[bucket].fetch_add(1, Ordering::Relaxed));
    }

    /// To be called when all lines are counted.
    pub(crate) fn finish(mut self) -> Self {
        self.rarity = (0..LOOKED_UP).map(|count| rarity(self.lines, count)).collect();
        self
    }

    /// The counts, of which there are as many as [`TABLE`] says, the least significant byte first.
    pub(super) fn append_to(&self, bytes: &mut Vec<u8>) {
        self.counts.iter().for_each(|count| bytes.extend_from_slice(&count.load(Ordering::Relaxed).to_le_bytes()));
    }

    /// Of a pool of so many lines, by what [`Self::append_to`] gave; to be [finished](Self::finish).
    pub(super) fn of_counts(lines: usize, bytes: &[u8]) -> Self {
        let count = |bytes: &[u8]| AtomicU32::new(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]));
        Self { lines, counts: bytes.chunks_exact(size_of::<u32>()).map(count).collect(), rarity: Vec::new() }
    }

    fn rarity(&self, hash: u64) -> f64 {
        let count = self.counts[bucket(hash)].load(Ordering::Relaxed) as usize;
        self.rarity.get(count).copied().unwrap_or_else(|| rarity(self.lines, count))
    }

    /// Writes the row of a text, of zeros if it has no words: half-precision numbers, the least significant byte first. Of a part of
    /// it if `watch` asks to stop.
    pub(crate) fn row(&self, text: &str, row: &mut [u8], watch: &dyn Watch) {
        let dim = row.len() / BYTES;
        let mut hashes = Vec::new();
        each(text, watch, |hash| hashes.push(hash));
        // Sums are made in an order that does not depend on the text's.
        hashes.sort_unstable();
        let mut sums = vec![0.0; dim];
        for same in hashes.chunk_by(|a, b| a == b) {
            let weight = (1.0 + libm::log(same.len() as f64)) * self.rarity(same[0]);
            sums[place(same[0], dim)] += if same[0] & SIGN == 0 { weight } else { -weight };
        }
        let norm = sums.iter().map(|sum| sum * sum).sum::<f64>().sqrt();
        if norm > 0.0 {
            let entries = row.chunks_exact_mut(BYTES).zip(sums);
            entries.for_each(|(entry, sum)| entry.copy_from_slice(&f16::from_f64(sum / norm).to_le_bytes()));
        }
    }
}

fn rarity(lines: usize, count: usize) -> f64 {
    1.0 + libm::log((1.0 + lines as f64) / (1.0 + count as f64))
}

/// The bit of a hash that is the sign; the 22 highest bits are the bucket, the 32 lowest the place.
const SIGN: u64 = 1 << 40;

fn bucket(hash: u64) -> usize {
    (hash >> (64 - BUCKET_BITS)) as usize
}

fn place(hash: u64, dim: usize) -> usize {
    ((u128::from(hash & u64::from(u32::MAX)) * dim as u128) >> 32) as usize
}

/// Hashes of the words and of the pairs of words of a text.
fn each(text: &str, watch: &dyn Watch, mut take: impl FnMut(u64)) {
    let (mut last, mut words, mut stopped) = (None::<u64>, 0_usize, false);
    each_word(text, |word| {
        words += 1;
        if words.is_multiple_of(ASKED) {
            stopped |= watch.advance(0).is_err();
        }
        if stopped {
            return;
        }
        let hash = xxh3_64(word.as_bytes());
        take(hash);
        if let Some(last) = last {
            let mut pair = [0; 16];
            pair[..8].copy_from_slice(&last.to_le_bytes());
            pair[8..].copy_from_slice(&hash.to_le_bytes());
            take(xxh3_64_with_seed(&pair, PAIR));
        }
        last = Some(hash);
    });
}

#[cfg(test)]
mod tests {
    use kantor_solvers::{Quiet, Stopped};

    use super::*;

    fn rows(texts: &[&str], dim: usize) -> Vec<Vec<f64>> {
        let frequency = Frequency::new(texts.len());
        texts.iter().for_each(|text| frequency.count(text, &Quiet));
        let frequency = frequency.finish();
        let row = |text: &&str| {
            let mut row = vec![0; dim * BYTES];
            frequency.row(text, &mut row, &Quiet);
            row.chunks_exact(BYTES).map(|bytes| f16::from_le_bytes([bytes[0], bytes[1]]).to_f64()).collect()
        };
        texts.iter().map(row).collect()
    }

    #[test]
    fn a_row_is_the_signed_weighted_count_of_its_words_and_pairs() {
        let texts = ["a b a", "b c", "c"];
        let rows = rows(&texts, 1 << 16);
        // By the formula, with places and signs from the hashes: no two of these five share a place.
        let ln = |x: f64| x.ln();
        let hash = |text: &str| xxh3_64(text.as_bytes());
        let pair = |a: &str, b: &str| xxh3_64_with_seed(&[hash(a).to_le_bytes(), hash(b).to_le_bytes()].concat(), PAIR);
        let rarity = |lines: f64| 1.0 + ln(4.0 / (1.0 + lines));
        let expected = [
            (hash("a"), (1.0 + ln(2.0)) * rarity(1.0)),
            (hash("b"), rarity(2.0)),
            (pair("a", "b"), rarity(1.0)),
            (pair("b", "a"), rarity(1.0)),
        ];
        let norm = expected.iter().map(|(_, weight)| weight * weight).sum::<f64>().sqrt();
        for (hash, weight) in expected {
            let sign = if hash & SIGN == 0 { 1.0 } else { -1.0 };
            let entry = rows[0][place(hash, 1 << 16)];
            assert!((entry - sign * weight / norm).abs() < 1e-3, "{entry} {}", sign * weight / norm);
        }
        assert_eq!(rows[0].iter().filter(|x| **x != 0.0).count(), 4);
    }

    /// Asks to stop at once.
    struct Stop;

    impl Watch for Stop {
        fn begin(&self, _stage: &str, _total: u64) {}

        fn advance(&self, _units: u64) -> Result<(), Stopped> {
            Err(Stopped)
        }
    }

    /// A text was worked on to its end, however long.
    #[test]
    fn a_wish_to_stop_is_heard_within_a_text() {
        let text = (0..2 * ASKED).map(|word| format!("{word} ")).collect::<String>();
        let words = |watch: &dyn Watch| {
            let mut words = 0;
            each(&text, watch, |_| words += 1);
            words
        };
        assert_eq!((words(&Stop), words(&Quiet)), (2 * ASKED - 3, 4 * ASKED - 1));
    }

    #[test]
    fn a_text_without_words_is_a_row_of_zeros() {
        assert_eq!(rows(&[" \n\t", "a"], 4)[0], [0.0; 4]);
    }
}
