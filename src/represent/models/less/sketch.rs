//! Projection of long vectors to d numbers that keeps inner products: a count sketch by blocks (Charikar, Chen, Farach-Colton 2002;
//! Weinberger et al., arXiv 0902.2206).
//!
//! Number j of block b of d numbers goes, with a random sign, to place (j + offset of b) mod d, so that numbers of one block never meet.
//! Signs and offsets are hashes of their place and the seed: the same on every machine. With independent signs and offsets,
//! E⟨Pu, Pv⟩ = ⟨u, v⟩ and Var⟨Pu, Pv⟩ ≤ (‖u‖²‖v‖² + ⟨u, v⟩²)/d (`theory/notes/less.md`).
//!
//! Operations: an addition a number. Limit: reading the vector.

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// The name of the projection in records.
pub(super) const KIND: &str = "block-count-sketch";

/// A projection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sketch {
    pub(super) dim: usize,
    pub(super) seed: u64,
}

/// Numbers that share a hash, of which each has a bit.
const SIGNS: usize = 64;

impl Sketch {
    /// Adds the numbers at places `start`, `start + 1`, … of a vector to its projection `out`. In order, parts of any lengths make the same.
    pub(super) fn add(self, start: usize, numbers: impl Iterator<Item = f64>, out: &mut [f64]) {
        let (mut place, mut signs) = (0, 0);
        for (at, number) in (start..).zip(numbers) {
            let is_first = at == start;
            if is_first || at % SIGNS == 0 {
                signs = self.hash(0, at / SIGNS);
            }
            place = if is_first || at % self.dim == 0 {
                let offset = (u128::from(self.hash(1, at / self.dim)) * self.dim as u128) >> 64;
                (offset as usize + at % self.dim) % self.dim
            } else if place + 1 == self.dim {
                0
            } else {
                place + 1
            };
            out[place] += if signs >> (at % SIGNS) & 1 == 0 { number } else { -number };
        }
    }

    fn hash(self, of: u64, at: usize) -> u64 {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&of.to_le_bytes());
        bytes[8..].copy_from_slice(&(at as u64).to_le_bytes());
        xxh3_64_with_seed(&bytes, self.seed)
    }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::Sketch;

    fn vector(seed: u64, length: usize) -> Vec<f64> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        (0..length).map(|_| rng.random_range(-1.0..1.0)).collect()
    }

    fn projected(sketch: Sketch, numbers: &[f64]) -> Vec<f64> {
        let mut out = vec![0.0; sketch.dim];
        sketch.add(0, numbers.iter().copied(), &mut out);
        out
    }

    fn product(u: &[f64], v: &[f64]) -> f64 {
        u.iter().zip(v).map(|(a, b)| a * b).sum()
    }

    #[test]
    fn a_projection_is_the_same_in_any_split_and_another_by_another_seed() {
        let numbers = vector(1, 1000);
        let sketch = Sketch { dim: 96, seed: 5 };
        let whole = projected(sketch, &numbers);
        for step in [1, 7, 64, 96, 333] {
            let mut parts = vec![0.0; 96];
            for (at, part) in numbers.chunks(step).enumerate() {
                sketch.add(at * step, part.iter().copied(), &mut parts);
            }
            assert_eq!(parts, whole, "{step}");
        }
        assert_ne!(projected(Sketch { seed: 6, ..sketch }, &numbers), whole);
    }

    /// By the formula, with the hashes of another implementation (xxhash 3 of Python).
    #[test]
    fn a_projection_is_the_same_on_every_machine() {
        let numbers: Vec<f64> = (1..=20).map(f64::from).collect();
        let made = projected(Sketch { dim: 8, seed: 3 }, &numbers);
        assert_eq!(made, [-12.0, 35.0, 0.0, 15.0, 13.0, -13.0, 13.0, 5.0]);
    }

    /// Numbers of one block never meet: a vector of d numbers keeps its length.
    #[test]
    fn a_block_alone_is_kept() {
        let numbers = vector(2, 64);
        let made = projected(Sketch { dim: 64, seed: 9 }, &numbers);
        let sorted = |numbers: &[f64]| {
            let mut sizes: Vec<f64> = numbers.iter().map(|x| x.abs()).collect();
            sizes.sort_by(f64::total_cmp);
            sizes
        };
        assert_eq!(sorted(&made), sorted(&numbers));
    }

    /// The mean error is none and its square at most (‖u‖²‖v‖² + ⟨u, v⟩²)/d, over 4,000 seeds: within four standard errors.
    #[test]
    fn t7_sketches_keep_inner_products() {
        let (dim, seeds) = (32, 4000);
        let (u, mut v) = (vector(3, 500), vector(4, 500));
        // Related vectors, as gradients are.
        v.iter_mut().zip(&u).for_each(|(v, u)| *v += u);
        let exact = product(&u, &v);
        let bound = (product(&u, &u) * product(&v, &v) + exact * exact) / dim as f64;
        let errors: Vec<f64> = (0..seeds)
            .map(|seed| {
                let sketch = Sketch { dim, seed };
                product(&projected(sketch, &u), &projected(sketch, &v)) - exact
            })
            .collect();
        let mean = errors.iter().sum::<f64>() / seeds as f64;
        let squares: Vec<f64> = errors.iter().map(|error| error * error).collect();
        let square = squares.iter().sum::<f64>() / seeds as f64;
        let spread = (squares.iter().map(|x| (x - square).powi(2)).sum::<f64>() / seeds as f64).sqrt();
        assert!(mean.abs() <= 4.0 * (square / seeds as f64).sqrt(), "{mean}");
        assert!(square <= bound + 4.0 * spread / (seeds as f64).sqrt(), "{square} {bound}");
        // The bound says something: the error is no small part of it.
        assert!(square >= bound / 4.0, "{square} {bound}");
    }
}
