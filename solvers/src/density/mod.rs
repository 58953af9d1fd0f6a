//! Kernel densities of rows, and all pairs within a radius: who is near to whom.
//!
//! Densities and near-duplicates ([`near`]) come from one [`search`] of all pairs, which a lift to few columns prunes.

mod cloud;
pub mod clusters;
#[allow(clippy::module_inception, reason = "the densities themselves")]
pub mod density;
mod lift;
pub mod near;
pub mod nearest;
pub mod search;
