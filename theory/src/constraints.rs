//! Which subsets may be chosen.

use serde::{Deserialize, Serialize};

/// What a subset must obey beside its number of rows. There is no constraint yet: a certificate that states one is refused.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Constraints {}

impl Constraints {
    /// Whether every subset may be chosen.
    pub fn are_none(&self) -> bool {
        *self == Self::default()
    }
}
