//! Telling geometries apart, so that what was found on one is not taken for a finding on another.

use std::sync::atomic::{AtomicU64, Ordering};

/// Which geometry, and so which cost, a finding is about: that of a geometry is no other's in this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GeometryId(u64);

impl GeometryId {
    pub(crate) fn fresh() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}
