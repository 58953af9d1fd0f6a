//! What a budget in tokens asks of lengths.

use kantor_solvers::least_tokens;
use kantor_theory::constraints::ColumnRecord;
use kantor_theory::{Column, FeasibleSet, TokenBudget};

/// Largest sum of lengths that is exact: 2⁵³.
const MOST: f64 = 9_007_199_254_740_992.0;

/// Why there is no choice of so many tokens.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Too many labels have a share of the tokens each.
    #[error(
        "`{quota}` is a share of the tokens for every label, of which there may be {most}: name the labels, or give numbers of rows"
    )]
    Shares {
        /// In words.
        quota: String,
        /// The most labels.
        most: usize,
    },
    /// The column has labels.
    #[error("`{0}` has labels, not numbers of tokens: name a field of numbers")]
    Labels(String),
    /// A length is no whole number.
    #[error("pool row {row} has {length} of `{column}`: a budget in tokens needs whole numbers")]
    Fraction {
        /// The column.
        column: String,
        /// The row, as stored.
        row: usize,
        /// Its number.
        length: String,
    },
    /// The pool has fewer tokens.
    #[error(
        "{budget} tokens are asked for, but the rows that may be chosen have {available} of `{column}`: ask for fewer"
    )]
    TooFew {
        /// The column.
        column: String,
        /// Tokens to choose.
        budget: usize,
        /// Tokens there are.
        available: u64,
    },
    /// Lengths add up to more than can be counted.
    #[error("the lengths in `{0}` add up to more than 2^53: give them in a larger unit")]
    TooMany(String),
    /// Rows that must be chosen have more.
    #[error("the rows to be included have {included} of `{column}`, but at most {budget} are asked for")]
    Included {
        /// The column.
        column: String,
        /// Tokens to choose.
        budget: usize,
        /// Tokens of the rows that must be chosen.
        included: u64,
    },
    /// No row is so short.
    #[error("no row fits {budget} of `{column}`: the shortest that may be chosen has {shortest}")]
    Shortest {
        /// The column.
        column: String,
        /// Tokens to choose.
        budget: usize,
        /// Tokens of the shortest row.
        shortest: u64,
    },
}

/// The statement of a budget of at most `most` tokens for choices from `set`; rows in `dropped` (ascending) take no part.
pub(super) fn budget(
    most: usize,
    record: &ColumnRecord,
    column: &Column,
    set: &FeasibleSet,
    dropped: &[usize],
) -> Result<TokenBudget, TokenError> {
    let name = || record.name.clone();
    let stored = (0..column.rows()).filter(|row| dropped.binary_search(row).is_err());
    let (mut free, mut included) = (Vec::with_capacity(set.pool()), 0.0);
    for (row, stored) in stored.enumerate() {
        let length = column.number(stored).ok_or_else(|| TokenError::Labels(name()))?;
        if length.fract() != 0.0 {
            let length = length.to_string();
            return Err(TokenError::Fraction { column: name(), row: stored, length });
        }
        included += if set.is_included(row) { length } else { 0.0 };
        if !set.is_excluded(row) {
            free.push(length);
        }
    }
    let available: f64 = free.iter().sum();
    let shortest = free.iter().copied().filter(|&length| length > 0.0).fold(f64::INFINITY, f64::min);
    let max = most as f64;
    if available >= MOST {
        return Err(TokenError::TooMany(name()));
    }
    if included > max {
        return Err(TokenError::Included { column: name(), budget: most, included: included as u64 });
    }
    let Some(min) = least_tokens(free.into_iter(), max) else {
        return Err(TokenError::TooFew { column: name(), budget: most, available: available as u64 });
    };
    if included == 0.0 && shortest > max {
        return Err(TokenError::Shortest { column: name(), budget: most, shortest: shortest as u64 });
    }
    Ok(TokenBudget { column: record.clone(), min, max })
}
