//! A word trigram model with interpolated modified Kneser–Ney smoothing (Chen and Goodman 1999, cited from memory).
//!
//! Three discounts per order, estimated from counts of counts; lower orders count in how many contexts a word was seen
//! instead of how often; below them all stands the uniform distribution over the vocabulary. The vocabulary is given
//! from outside: only models over the same vocabulary have losses that can be compared.

/// Stands before a text; never predicted.
pub(crate) const START: u32 = 0;
/// Ends a text; predicted like a word.
pub(crate) const END: u32 = 1;
/// Every word outside the vocabulary; predicted like a word.
pub(crate) const UNKNOWN: u32 = 2;
/// The first word of the vocabulary.
pub(crate) const FIRST: u32 = 3;

/// Bits of a word in a packed n-gram: three fit into 64.
const BITS: u32 = 21;

/// Most words that can be told apart, the three special ones included.
pub(crate) const LARGEST: usize = 1 << BITS;

/// Discounts for counts 1, 2 and more where counts of counts give none, as in KenLM's fallback (from memory).
const FALLBACK: [f64; 3] = [0.5, 1.0, 1.5];

/// A trained model.
#[derive(Debug, Clone)]
pub(crate) struct Trigram {
    /// Number of words that can be predicted.
    predicted: f64,
    /// Unigrams, bigrams, trigrams.
    levels: [Level; 3],
}

/// All n-grams of one order with their counts, and what each context leaves to the order below.
#[derive(Debug, Clone)]
struct Level {
    /// Packed, ascending: n-grams of one context lie side by side.
    grams: Vec<u64>,
    counts: Vec<u32>,
    /// The grams without their last word, ascending, each once.
    contexts: Vec<u64>,
    /// Per context the sum of counts and the sum of discounts.
    sums: Vec<(f64, f64)>,
    discounts: [f64; 3],
}

/// Distinct keys, ascending, and how often each occurs.
fn counted(mut keys: Vec<u64>) -> (Vec<u64>, Vec<u32>) {
    keys.sort_unstable();
    keys.chunk_by(|a, b| a == b).map(|equal| (equal[0], equal.len() as u32)).unzip()
}

/// D₁, D₂, D₃₊ with Y = n₁/(n₁ + 2n₂) and D_c = c − (c + 1)·Y·n_{c+1}/n_c, n_c the number of n-grams with count c.
fn discounts(counts: &[u32]) -> [f64; 3] {
    let mut n = [0.0; 5];
    counts.iter().filter(|&&count| count <= 4).for_each(|&count| n[count as usize] += 1.0);
    let y = n[1] / (n[1] + 2.0 * n[2]);
    [1, 2, 3].map(|c| {
        let discount = c as f64 - (c + 1) as f64 * y * n[c + 1] / n[c];
        // NaN where counts of counts are zero; a discount must leave a probability.
        if discount > 0.0 && discount <= c as f64 { discount } else { FALLBACK[c - 1] }
    })
}

impl Level {
    fn new(keys: Vec<u64>) -> Self {
        let (grams, counts) = counted(keys);
        let discounts = discounts(&counts);
        let (mut contexts, mut sums) = (Vec::new(), Vec::new());
        let mut first = 0;
        for grams in grams.chunk_by(|a, b| a >> BITS == b >> BITS) {
            let counts = &counts[first..first + grams.len()];
            first += grams.len();
            contexts.push(grams[0] >> BITS);
            let total: f64 = counts.iter().map(|&count| f64::from(count)).sum();
            sums.push((total, counts.iter().map(|&count| discounts[count.min(3) as usize - 1]).sum()));
        }
        Self { grams, counts, contexts, sums, discounts }
    }

    /// The probability of the last word of `gram` after the others, given its probability in the order below.
    fn probability(&self, gram: u64, below: f64) -> f64 {
        let Ok(context) = self.contexts.binary_search(&(gram >> BITS)) else { return below };
        let (total, left) = self.sums[context];
        let kept = self.grams.binary_search(&gram).map_or(0.0, |at| {
            let count = self.counts[at];
            f64::from(count) - self.discounts[count.min(3) as usize - 1]
        });
        (kept + left * below) / total
    }
}

/// `gram` without what comes before its last `words` words.
fn last(gram: u64, words: u32) -> u64 {
    gram & ((1 << (BITS * words)) - 1)
}

/// The trigrams that end in the words of a text and in its end, packed.
fn trigrams(text: &[u32]) -> impl Iterator<Item = u64> {
    let mut gram = last(u64::from(START) << BITS | u64::from(START), 2);
    text.iter().chain([&END]).map(move |&word| {
        gram = last(gram << BITS | u64::from(word), 3);
        gram
    })
}

impl Trigram {
    /// Trains on the first `limit` predictions of these texts: their words, each text followed by its end. Words are
    /// numbers below `words`.
    pub(crate) fn train<'a>(texts: impl IntoIterator<Item = &'a [u32]>, limit: usize, words: usize) -> Self {
        let mut grams: Vec<u64> = Vec::new();
        for text in texts {
            grams.extend(trigrams(text).take(limit - grams.len()));
            if grams.len() == limit {
                break;
            }
        }
        let trigrams = Level::new(grams);
        let bigrams = Level::new(trigrams.grams.iter().map(|&gram| last(gram, 2)).collect());
        let unigrams = Level::new(bigrams.grams.iter().map(|&gram| last(gram, 1)).collect());
        Self { predicted: (words - 1) as f64, levels: [unigrams, bigrams, trigrams] }
    }

    /// The probability of `word` after `context`.
    pub(crate) fn probability(&self, context: [u32; 2], word: u32) -> f64 {
        let gram = [context[0], context[1], word].iter().fold(0, |gram, &word| gram << BITS | u64::from(word));
        let orders = self.levels.iter().zip(1..);
        orders.fold(1.0 / self.predicted, |below, (level, words)| level.probability(last(gram, words), below))
    }

    /// −ln of the probability of a text and its end, in nats.
    pub(crate) fn nats(&self, text: &[u32]) -> f64 {
        let (mut context, mut nats) = ([START; 2], 0.0);
        for &word in text.iter().chain([&END]) {
            nats -= self.probability(context, word).ln();
            context = [context[1], word];
        }
        nats
    }
}
