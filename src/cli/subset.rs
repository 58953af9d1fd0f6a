//! The rows that `--subset` names.

use std::path::Path;

use kantor_theory::Certificate;
use kantor_theory::certificate::Role;

use crate::data::list::read_rows;
use crate::data::name::readable;
use crate::data::whole::{self, Whole};
use crate::output::CERTIFICATE;
use crate::select::Inputs;

use super::failure::Failure;

/// Reads them, as rows of `inputs`.
///
/// # Errors
/// If the file is no list of rows, one of them was left out of the pool, or the certificate beside the file says that
/// they were chosen from a pool of another size: then their numbers mean other rows here.
pub(super) fn read(path: &Path, inputs: &Inputs) -> Result<Vec<usize>, Failure> {
    let rows = read_rows(path, inputs.original_pool_len());
    if let (Some(chosen_from), here) = (pool_rows(path), inputs.original_pool_len())
        && chosen_from != here
    {
        return Err(Failure::BadInput(format!(
            "{}: was chosen from a pool of {chosen_from} rows, as {CERTIFICATE} beside it says, and this one has {here}: \
             give the pool that it was chosen from",
            readable(path)
        )));
    }
    Ok(inputs.kept_rows(&rows?, path)?)
}

/// Rows of the pool from which a selection was made, if its certificate lies beside it.
fn pool_rows(subset: &Path) -> Option<usize> {
    let beside = subset.with_file_name(CERTIFICATE);
    beside.symlink_metadata().ok()?;
    let certificate = Certificate::parse(&whole::read(&beside, Whole::Certificate).ok()?).ok()?;
    let of = |role: Role| certificate.inputs.iter().filter(move |input| input.role == role);
    match of(Role::Similarity).next() {
        Some(matrix) => Some(matrix.dim),
        None => Some(of(Role::Pool).map(|input| input.rows).sum()),
    }
}
