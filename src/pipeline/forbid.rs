//! Query rows that are in the pool, and whether they may be.

use kantor_solvers::Watch;
use kantor_solvers::density::near::near_queries;
use serde::{Serialize, Serializer};

use super::Error;
use crate::source::{Representation, overlap};

/// Which query rows must not be in the pool.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum ForbidOverlap {
    /// None is refused; rows in both are counted.
    #[default]
    No,
    /// Those that are there by value, after rounding to the coarser number type of the two.
    Equal,
    /// These, and those that have at least this cosine to a pool row.
    Near(f64),
}

impl Serialize for ForbidOverlap {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            ForbidOverlap::No => serializer.serialize_bool(false),
            ForbidOverlap::Equal => serializer.serialize_bool(true),
            ForbidOverlap::Near(cosine) => serializer.serialize_f64(*cosine),
        }
    }
}

/// The query rows that are also in the pool, with the first such pool row.
pub(super) fn shared(
    pool: &Representation,
    query: &Representation,
    forbidden: ForbidOverlap,
    watch: &dyn Watch,
) -> Result<Vec<(usize, usize)>, Error> {
    let mut shared = overlap(pool, query, watch)?;
    if let ForbidOverlap::Near(cosine) = forbidden {
        shared.extend(near_queries(pool, query, cosine, watch)?);
        shared.sort_unstable();
        shared.dedup_by_key(|hit| hit.0);
    }
    Ok(shared)
}
