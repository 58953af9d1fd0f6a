//! Why something is not believed.

/// Why evidence or a certificate does not stand: the rule that is broken, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{rule}: {place}")]
pub struct Rejection {
    /// Name of the rule, in kebab case.
    pub rule: &'static str,
    /// Which field, entry or row breaks it, and how.
    pub place: String,
}

impl Rejection {
    pub(crate) fn new(rule: &'static str, place: impl Into<String>) -> Self {
        Self { rule, place: place.into() }
    }
}
