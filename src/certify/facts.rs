//! What the input files are, in the words of the certificate.

use kantor_theory::Facts;
use kantor_theory::certificate::{Dropped, Input, Role};

use crate::data::name::readable;
use crate::data::{DroppedRecord, InputRecord};

/// The facts that a certificate binds itself to and that a check compares with.
pub fn facts(inputs: &[InputRecord], dropped: &[DroppedRecord]) -> Facts {
    let role = |name: &str| match name {
        "pool" => Some(Role::Pool),
        "query" => Some(Role::Query),
        "similarity" => Some(Role::Similarity),
        _ => None,
    };
    let inputs = inputs
        .iter()
        .filter_map(|record| {
            Some(Input {
                role: role(&record.role)?,
                name: readable(&record.path).into_owned(),
                sha256: record.sha256.clone(),
                tensor: record.tensor.clone(),
                rows: record.rows,
                dim: record.columns?,
                dtype: record.dtype.clone()?.into_owned(),
            })
        })
        .collect();
    let rows = |side: &str| dropped.iter().filter(|record| record.role == side).map(|record| record.row.row).collect();
    Facts { inputs, dropped: Dropped { pool: rows("pool"), query: rows("query") } }
}
