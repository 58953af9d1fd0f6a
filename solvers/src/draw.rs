//! Seeded draws without replacement, in an order of which every prefix is a draw of its own.
//!
//! Adding independent Gumbel noise −ln(−ln U) to log-weights and sorting draws rows one after the other, each in
//! proportion to its weight among the rows still there (Yellott 1977; "Gumbel top-k", Kool and others, arXiv
//! 1903.06059).

use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// Stream of the generator for [`sample`].
const SAMPLE: u64 = 1;

/// How rows are taken by their masses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sampling {
    /// The rows with the largest masses.
    #[default]
    TopK,
    /// Rows drawn one after the other without replacement, each in proportion to its mass among those left.
    Multinomial,
}

impl Sampling {
    /// All of them.
    pub const ALL: [Sampling; 2] = [Sampling::TopK, Sampling::Multinomial];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Sampling::TopK => "top-k",
            Sampling::Multinomial => "multinomial",
        }
    }
}

impl std::fmt::Display for Sampling {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// The text names no way of sampling.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown sampling `{0}`; known: top-k, multinomial")]
pub struct UnknownSampling(String);

impl std::str::FromStr for Sampling {
    type Err = UnknownSampling;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Sampling::ALL.into_iter().find(|way| way.name() == text).ok_or_else(|| UnknownSampling(text.to_owned()))
    }
}

/// One Gumbel number for every row, by ChaCha8 from the seed. The number of a row depends on seed and row alone.
pub(crate) fn gumbel(seed: u64, rows: usize) -> impl Iterator<Item = f64> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..rows).map(move |_| {
        // The middles of 2⁵² equal parts of (0, 1): neither 0 nor 1.
        let uniform = ((rng.next_u64() >> 12) as f64 + 0.5) * (-52f64).exp2();
        -(-uniform.ln()).ln()
    })
}

/// `count` of the numbers 0..n in random order: the first steps of a Fisher–Yates shuffle, so that shorter draws are
/// prefixes of longer ones. Different streams of a seed are independent draws.
///
/// # Panics
/// If `count` > n.
pub fn without_replacement(seed: u64, stream: u64, n: usize, count: usize) -> Vec<usize> {
    assert!(count <= n, "{count} of {n} without replacement");
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(stream);
    let mut items: Vec<usize> = (0..n).collect();
    for i in 0..count {
        let j = rng.random_range(i as u64..n as u64) as usize;
        items.swap(i, j);
    }
    items.truncate(count);
    items
}

/// `count` of `rows` rows, uniform without replacement, ascending; independent of the Gumbel numbers of the same seed.
pub fn sample(seed: u64, rows: usize, count: usize) -> Vec<usize> {
    let mut chosen = without_replacement(seed, SAMPLE, rows, count.min(rows));
    chosen.sort_unstable();
    chosen
}
