//! The rows that `--subset` names.

use std::path::Path;

use kantor_theory::Certificate;
use kantor_theory::certificate::Role;

use crate::output::CERTIFICATE;
use crate::pipeline::Inputs;
use crate::source::list::read_rows;
use crate::source::name::readable;
use crate::source::whole::{self, Whole};

use super::failure::Failure;

/// Names of the lists that a selection holds.
const LISTS: [&str; 2] = ["indices.npy", "selection.jsonl"];

/// Bytes of a certificate that is worth reading for this.
const LARGEST: u64 = 16 << 20;

/// Reads them, as rows of `inputs`.
///
/// # Errors
/// If the file is no list of rows, one of them was left out of the pool, or it is a selection from a pool of another
/// size: then its numbers mean other rows here.
pub(super) fn read(path: &Path, inputs: &Inputs) -> Result<Vec<usize>, Failure> {
    let rows = read_rows(path, inputs.original_pool_len());
    let here = inputs.original_pool_len();
    match chosen_from(path, rows.as_ref().ok()) {
        Some(there) if there != here => Err(Failure::BadInput(format!(
            "{}: was chosen from a pool of {there} rows, as {CERTIFICATE} beside it says, and this one has {here}: give \
             the pool that it was chosen from",
            readable(path)
        ))),
        _ => Ok(inputs.kept_rows(&rows?, path)?),
    }
}

/// Rows of the pool from which a selection was made, as the certificate of these rows says that lies beside the list.
fn chosen_from(list: &Path, rows: Option<&Vec<usize>>) -> Option<usize> {
    let beside = list.with_file_name(CERTIFICATE);
    let length = beside.symlink_metadata().ok()?.len();
    if !LISTS.iter().any(|name| list.ends_with(name)) || length > LARGEST {
        return None;
    }
    let certificate = Certificate::parse(&whole::read(&beside, Whole::Certificate).ok()?).ok()?;
    let sorted = |rows: &[usize]| {
        let mut rows = rows.to_vec();
        rows.sort_unstable();
        rows
    };
    if rows.is_some_and(|rows| sorted(rows) != sorted(&certificate.subset)) {
        return None;
    }
    let of = |role: Role| certificate.inputs.iter().filter(move |input| input.role == role);
    match of(Role::Similarity).next() {
        Some(matrix) => Some(matrix.dim),
        None => Some(of(Role::Pool).fold(0, |sum, input| sum.saturating_add(input.rows))),
    }
}
