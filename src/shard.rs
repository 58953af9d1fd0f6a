//! One of several equal parts of a work: `--shard i/n`.

use std::ops::Range;

/// One of several equal parts, in order, so that what shares work stays together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    index: usize,
    count: usize,
}

impl Default for Shard {
    /// All.
    fn default() -> Self {
        Self { index: 0, count: 1 }
    }
}

impl Shard {
    /// The places of `total` that are in this part.
    pub(crate) fn range(self, total: usize) -> Range<usize> {
        let start = |index: usize| (index as u128 * total as u128).div_ceil(self.count as u128) as usize;
        start(self.index)..start(self.index + 1)
    }

    /// Whether this place of `total` is in this part.
    pub(crate) fn holds(self, place: usize, total: usize) -> bool {
        self.range(total).contains(&place)
    }
}

impl std::str::FromStr for Shard {
    type Err = String;

    /// Reads `i/n`. Arrays of Slurm may count from 0 or from 1: `n/n` is the same as `0/n`.
    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str| text.parse::<usize>().ok();
        let numbers = text.split_once('/').map(|(index, count)| (number(index), number(count)));
        match numbers {
            Some((Some(index), Some(count))) if count > 0 && index <= count => Ok(Self { index: index % count, count }),
            _ => Err("give i/n, such as 0/4 to 3/4 or 1/4 to 4/4".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn shards_part_the_work() {
        for total in [1, 2, 7, 24, 100] {
            for count in 1..=9 {
                let from_0: Vec<Shard> = (0..count).map(|i| format!("{i}/{count}").parse().unwrap()).collect();
                let from_1: Vec<Shard> = (1..=count).map(|i| format!("{i}/{count}").parse().unwrap()).collect();
                for shards in [from_0, from_1] {
                    let sizes: Vec<usize> =
                        shards.iter().map(|s| (0..total).filter(|&at| s.holds(at, total)).count()).collect();
                    for at in 0..total {
                        assert_eq!(shards.iter().filter(|shard| shard.holds(at, total)).count(), 1);
                    }
                    assert!(sizes.iter().max().unwrap() - sizes.iter().min().unwrap() <= 1, "{sizes:?}");
                }
            }
        }
        for bad in ["", "1", "3/2", "0/0", "-1/2", "1/2/3", "a/b"] {
            assert!(bad.parse::<Shard>().is_err(), "{bad}");
        }
    }
}
