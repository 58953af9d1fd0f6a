//! Draws without replacement, by ChaCha8: the same for the same seed and stream, wherever they are made.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

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
