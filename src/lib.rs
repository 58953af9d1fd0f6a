//! kantor selects training data by optimal transport and proves how good the selection is.

pub mod data;
pub mod inspect;
