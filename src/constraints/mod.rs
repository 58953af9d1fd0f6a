//! Constraints on a choice, as users state them: for any budget, by names.
//!
//! [`Rules`] are quotas on the labels of a column, limits on the sum of a column of numbers, rows to include and rows to
//! exclude. [`Rules::at`] makes the constraints of one budget, which a certificate states in full.

mod amount;
pub mod duplicates;
mod quota;
mod reach;
mod rules;
mod shares;
mod tokens;
mod uses;
mod words;

pub use amount::Amount;
pub use quota::Quota;
pub use rules::{RuleError, Rules};
pub use tokens::TokenError;
pub use uses::LimitUse;
pub(crate) use uses::uses;
pub(crate) use words::LISTED;
pub use words::{in_words, limit_in_words};
