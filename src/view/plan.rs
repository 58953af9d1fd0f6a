//! A sparse plan as a `.safetensors` file: `indptr` (i64, rows + 1), `indices` (i64) and `values` (f64), compressed by
//! rows, with the shape and what was left out in the metadata.
//!
//! In Python: `scipy.sparse.csr_matrix((t["values"], t["indices"], t["indptr"]), shape=(rows, queries))`.

use std::collections::HashMap;
use std::io::{self, Write};

use kantor_solvers::transport::evidence::ThresholdedPlan;
use safetensors::tensor::{Dtype, TensorView, serialize};

/// What the plan's `format` says in the metadata.
pub const FORMAT: &str = "kantor/plan/1";

/// Writes the plan. `about` is added to the metadata.
///
/// # Errors
/// If the system refuses.
pub fn write(out: &mut dyn Write, found: &ThresholdedPlan, about: &[(&str, String)]) -> io::Result<()> {
    let plan = &found.plan;
    let (rows, queries) = plan.shape();
    let place = |x: &usize| (*x as u64).to_le_bytes();
    let indptr: Vec<u8> = plan.indptr().raw_storage().iter().flat_map(place).collect();
    let indices: Vec<u8> = plan.indices().iter().flat_map(place).collect();
    let values: Vec<u8> = plan.data().iter().flat_map(|x| x.to_le_bytes()).collect();
    let numbers = [
        ("format", FORMAT.to_owned()),
        ("rows", rows.to_string()),
        ("queries", queries.to_string()),
        ("kept_mass", format!("{:e}", found.kept)),
        ("dropped_mass", format!("{:e}", found.dropped)),
    ];
    let metadata: HashMap<String, String> =
        numbers.iter().chain(about).map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
    let tensors = [
        ("indptr", Dtype::I64, rows + 1, &indptr),
        ("indices", Dtype::I64, plan.nnz(), &indices),
        ("values", Dtype::F64, plan.nnz(), &values),
    ];
    let file = tensors
        .into_iter()
        .map(|(name, dtype, len, bytes)| Ok((name, TensorView::new(dtype, vec![len], bytes)?)))
        .collect::<Result<Vec<_>, _>>()
        .and_then(|tensors| serialize(tensors, Some(metadata)))
        .map_err(io::Error::other)?;
    out.write_all(&file)
}
